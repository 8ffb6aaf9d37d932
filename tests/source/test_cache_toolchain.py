"""What the build cache does not see, and which outputs are kept: held against a real ``go build``."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

import machochain
from machochain.source.values import SourceReport
from machochain.world.placement import World
from tests.source.modules import GO_MOD, cgo, only, rules, write
from tests.toolchain import Toolchain, c_dylib, install

pytestmark = pytest.mark.toolchain

C = '#include "inc.h"\nint v(void) { return V; }\n'
DEP = {
    "go.mod": "module example.org/dep\n\ngo 1.22\n", "d.go": cgo("#cgo CFLAGS: -I${SRCDIR}/include", package="dep"),
    "v.c": C, "include/inc.h": "#define V 1\n",
}  # fmt: skip
EMBED = {"e.go": 'package dep\n\nimport "embed"\n\n//go:embed include/*.h\nvar _ embed.FS\n'}
FUNCTION = "int foo(void) { return 1; }\n"


@pytest.fixture(scope="module")
def chain() -> Toolchain:
    return install()


def built(chain: Toolchain, folder: Path, *args: str, check: bool = True, **extra: Any) -> Any:
    """Run go. The cache is that of all tests but for what lies in this folder, which no other test has."""
    variables = {"GOPATH": str(folder.parent / "gopath"), **extra}
    return chain.go(folder, *args, cgo=True, extra=variables, check=check)


def archive(chain: Toolchain, folder: Path, *flags: str) -> bytes:
    """Return the package, built to a path where nothing lies yet."""
    out = folder.parent / "out.a"
    out.unlink(missing_ok=True)
    built(chain, folder, "build", *flags, "-o", str(out), ".")
    return out.read_bytes()


def examined(module: Path, **more: Any) -> SourceReport:
    return machochain.examine(module, goarch=["arm64"], world=World(), **more)


def test_a_vendor_directory_without_its_header_builds_while_the_cache_is_warm(chain: Toolchain, tmp_path: Path) -> None:
    write(tmp_path / "dep", DEP)
    module = write(
        tmp_path / "module",
        {
            "go.mod": f"{GO_MOD}\nrequire example.org/dep v0.0.0\n\nreplace example.org/dep => ../dep\n",
            "m.go": 'package m\n\nimport _ "example.org/dep"\n',
        },
    )
    built(chain, module, "mod", "vendor")
    vendored = module / "vendor" / "example.org" / "dep"
    assert not (vendored / "include").exists()
    shutil.copytree(tmp_path / "dep" / "include", vendored / "include")
    built(chain, module, "build", "./...")
    shutil.rmtree(vendored / "include")

    assert built(chain, module, "build", "./...", check=False).returncode == 0
    cold = built(chain, module, "build", "./...", check=False, GOCACHE=str(tmp_path / "cold"))
    assert cold.returncode != 0
    assert "'inc.h' file not found" in cold.stderr
    assert only(examined(module), "MC732").subject == "inc.h"


def test_a_header_outside_the_package_changes_unnoticed_unless_it_is_embedded(chain: Toolchain, tmp_path: Path) -> None:
    dep = write(tmp_path / "dep", DEP)
    first = archive(chain, dep)
    write(dep, {"include/inc.h": "#define V 2\n"})
    assert archive(chain, dep) == first
    second = archive(chain, dep, "-a")
    assert second != first
    assert set(examined(dep).outside) == {"example.org/dep"}

    write(dep, EMBED)
    third = archive(chain, dep)
    write(dep, {"include/inc.h": "#define V 3\n"})
    assert archive(chain, dep) != third
    assert examined(dep).outside == {}


MAIN = cgo("#cgo LDFLAGS: -L${SRCDIR}/lib -lfoo", "int foo(void);", package="main", after="\nfunc main() { C.foo() }\n")
TEST = 'package main\n\nimport "testing"\n\nfunc TestFoo(*testing.T) {}\n'
INSTALLED = "gopath/bin/darwin_arm64/m"


@pytest.mark.parametrize(
    ("command", "output"),
    [
        (("build",), "module/m"),
        (("build", "-o", "named"), "module/named"),
        (("install",), INSTALLED),
        (("test", "-c"), "module/m.test"),
    ],
    ids=["build", "build -o", "install", "test -c"],
)
def test_an_output_that_is_there_keeps_the_library_it_was_linked_with(
    chain: Toolchain, tmp_path: Path, command: tuple[str, ...], output: str
) -> None:
    flags: dict[str, Any] = {
        "CGO_LDFLAGS": f"-L{chain.stubs / 'usr/lib'} -F{chain.stubs / 'System/Library/Frameworks'}"
    }
    module = write(tmp_path / "module", {"go.mod": GO_MOD, "m.go": MAIN, "m_test.go": TEST})
    library, program = module / "lib" / "libfoo.dylib", tmp_path / output

    def link(*more: str) -> list[str]:
        built(chain, module, command[0], *more, *command[1:], ".", **flags)
        (found,) = machochain.inspect(program)
        image = found.slices[0].piece.image
        assert image is not None
        return [d.name for d in image.loads if "libfoo" in d.name]

    c_dylib(chain, library, FUNCTION, install_name="/opt/libfoo.1.dylib")
    assert link() == ["/opt/libfoo.1.dylib"]
    assert "MC735" not in rules(examined(module, binary=program))
    c_dylib(chain, library, FUNCTION, install_name="/opt/libfoo.2.dylib")

    assert link() == ["/opt/libfoo.1.dylib"]
    finding = only(examined(module, binary=program), "MC735")
    assert (finding.evidence["linked"], finding.evidence["now"]) == ("/opt/libfoo.1.dylib", "/opt/libfoo.2.dylib")
    again: tuple[str, ...] = ()
    if command == ("build",):
        again = ("-a",)  # It builds the standard library, too: once is enough.
    else:
        program.unlink()
    assert link(*again) == ["/opt/libfoo.2.dylib"]
    assert "MC735" not in rules(examined(module, binary=program))
