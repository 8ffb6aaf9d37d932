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
