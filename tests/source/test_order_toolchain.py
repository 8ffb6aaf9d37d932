"""The order of flags held against the commands ``go build -x`` prints."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

import machochain
from machochain.world.placement import World
from tests.source.modules import GO_MOD, cgo, write
from tests.toolchain import install

pytestmark = pytest.mark.toolchain

PC = "Name: foo\nVersion: 1\nCflags: -I/pc\nLibs: -L/pc -lfoo\n"
VARIABLES = {"CGO_CPPFLAGS": "-I/env1", "CGO_CFLAGS": "-I/env2", "CGO_LDFLAGS": "-L/env -lenv"}


def test_directories_of_headers_come_in_the_order_of_go_s_own_command(tmp_path: Path) -> None:
    chain = install()
    lines = ("#cgo CPPFLAGS: -I/dir1", "#cgo CFLAGS: -I/dir2", "#cgo pkg-config: foo", "#include <x.h>")
    module = write(
        tmp_path / "module", {"go.mod": GO_MOD, "a.go": cgo(*lines, package="main", after="\nfunc main() {}\n")}
    )
    pc = write(tmp_path / "pc", {"foo.pc": PC})
    tool = tmp_path / "pkg-config"
    tool.write_text('#!/bin/sh\ncase "$1" in --cflags) echo -I/pc ;; *) echo -L/pc -lfoo ;; esac\n')
    tool.chmod(0o755)
    # With -n pkg-config is not asked. The build itself ends at the header, which is nowhere.
    done = chain.go(module, "build", "-x", ".", cgo=True, extra={**VARIABLES, "PKG_CONFIG": str(tool)}, check=False)
    (command,) = [
        line for line in done.stderr.splitlines() if "/cgo " in line and " -objdir " in line and "/dir1" in line
    ]
    behind = shlex.split(command)[shlex.split(command).index("--") + 1 :]
    wanted = {"/env1", "/dir1", "/pc", "/env2", "/dir2"}
    theirs = [word for word in re.findall(r"-I\s*(\S+)", " ".join(behind)) if word in wanted]

    report = machochain.examine(
        module,
        goarch=["arm64"],
        target=machochain.Target(environment={**VARIABLES, "PKG_CONFIG_LIBDIR": str(pc)}),
        world=World(),
    )
    (search,) = [s for s in report.searches if s.name == "x.h"]
    mine = [folder for t in search.tried if (folder := str(t.path).removesuffix("/x.h")) in wanted]
    assert theirs == ["/env1", "/dir1", "/pc", "/env2", "/dir2"]
    assert mine == theirs


def logging_compiler(folder: Path, real: Path) -> tuple[Path, Path]:
    """Return a compiler that writes down what it is called with, and the file it writes to."""
    log, tool = folder / "calls", folder / "cc"
    tool.write_text(f'#!/bin/sh\nprintf "%s\\037" "$@" >> {log}\nprintf "\\n" >> {log}\nexec {real} "$@"\n')
    tool.chmod(0o755)
    return tool, log


def of_link(words: list[str]) -> list[str]:
    """Return the words that name directories, libraries and run paths."""
    return [w for w in words if w.startswith(("-L", "-l", "-Wl,-rpath"))]


def test_words_of_the_link_come_in_the_order_of_go_s_own_command(tmp_path: Path) -> None:
    chain = install()
    lines = ("#cgo LDFLAGS: -L/dirL -ldirlib", "#cgo pkg-config: foo")
    module = write(
        tmp_path / "module",
        {
            "go.mod": GO_MOD,
            "a.go": cgo(*lines, package="main", after='\nimport _ "example.org/m/dep"\n\nfunc main() {}\n'),
            "dep/d.go": cgo("#cgo LDFLAGS: -ldep1 -Wl,-rpath,/dep", package="dep"),
        },
    )
    pc = write(
        tmp_path / "pc", {"foo.pc": "Name: foo\nVersion: 1\nLibs: -L/pc/lib -lfoo -Wl,-rpath,/pc/lib\n"}
    )  # fmt: skip
    tool = tmp_path / "pkg-config"
    tool.write_text('#!/bin/sh\ncase "$1" in --cflags) ;; *) echo -L/pc/lib -lfoo -Wl,-rpath,/pc/lib ;; esac\n')
    tool.chmod(0o755)
    compiler, log = logging_compiler(tmp_path, chain.compiler("arm64"))
    variables = {"CGO_LDFLAGS": "-L/env -lenv"}
    extra = {**variables, "PKG_CONFIG": str(tool), "CC": str(compiler)}
    # No such libraries are there: the link itself fails, after it was called.
    chain.go(module, "build", "-ldflags=-extldflags=-L/extld", ".", cgo=True, extra=extra, check=False)
    (called,) = [line.split("\037") for line in log.read_text().splitlines() if "-ldirlib" in line and "go.o" in line]
    theirs = of_link(called)

    report = machochain.examine(
        module,
        goarch=["arm64"],
        target=machochain.Target(environment={**variables, "PKG_CONFIG_LIBDIR": str(pc)}),
        world=World(),
    )
    (link,) = report.links
    mine = [w for w in link.words if w.text in of_link([w.text])]
    own = [w.text for w in mine if w.package == "example.org/m"]
    assert own == ["-L/env", "-lenv", "-L/dirL", "-ldirlib", "-L/pc/lib", "-lfoo", "-Wl,-rpath,/pc/lib"]
    assert theirs[: len(own)] == own
    dep = [w.text for w in mine if w.package == "example.org/m/dep"]
    assert any(theirs[at : at + len(dep)] == dep for at in range(len(theirs)))
    # Which of the other packages comes first is not said; what -extldflags gives is the last of all.
    assert sorted(theirs[:-1]) == sorted(w.text for w in mine)
    assert theirs[-1] == "-L/extld"
