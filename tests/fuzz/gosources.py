"""What lies in a Go module, read by every reader of module files there is."""

from __future__ import annotations

from contextlib import suppress

from machochain.golang.modules import parse_module_file, parse_vendor
from machochain.golang.pkgconfig import PkgConfig
from machochain.golang.preprocess import directives, includes, known_macros
from machochain.golang.settings import Settings, parse_kept
from machochain.model.errors import MachochainError
from tests.golang.golden import context_of, read

GO = b"""// c\n//go:build darwin && (arm64 || !x)\n// +build darwin,cgo\n\npackage p\n
/*\n#cgo darwin,!amd64 LDFLAGS: -L${SRCDIR}/lib "-l a" -Wl,-rpath,/x\n#cgo pkg-config: --static foo >= 1\n#include <a.h>
*/\nimport "C"\n\nimport (\n\tx "os"\n\t_ "embed"\n)\n\n//go:embed include/*.h "a b"\nvar f embed.FS\n"""
C = b"""//go:build linux\n#ifndef A_H\n#define A_H 1\n#if defined(__APPLE__) && (X > 0x10 || !Y(2)) \\\n && 1 ? 2 : 3
#include "b.h"\n#elif __has_include(<c.h>)\n#include MACRO\n#else\n#undef A\n#endif\n#endif\n"""
PC = b"prefix=/p\nlib=${prefix}/l \\\n x\nName: a\nVersion: 1~b\nRequires: a >= 1, b\nCflags: ${lib} '-Dx'\nLibs: -l\n"
MOD = b"""module "a/b" // c\ngo 1.22.0\ntoolchain go1.24.1\nrequire (\n\ta/b v1.0.0 // indirect\n)
replace a/b v1 => ../c\nexclude d v1\n"""
VENDOR = b"# a/b v1.0.0 => ./c\n## explicit; go 1.20\na/b/c\nCGO_LDFLAGS='-la \"b c\"' -d\nGOFLAGS=-tags=a,b\n"


def seeds() -> list[bytes]:
    """Return one file of each kind."""
    return [GO, C, PC, MOD, VENDOR]


def run(data: bytes) -> None:
    """Read it as each of them."""
    text = data.decode("utf-8", "surrogateescape")
    read("/m", {"a.go": data, "a_test.go": data, "b.c": data, "c.S": data}, context_of("darwin/arm64"))
    for reader in (parse_module_file, parse_vendor):
        with suppress(MachochainError):
            reader(text)
    settings = Settings(parse_kept(text))
    for name in ("CGO_LDFLAGS", "CC"):
        with suppress(MachochainError):
            settings.words(name)
    PkgConfig(["/p"], {"/p/a.pc": text}.get, list_names=lambda _: ["a.pc"]).flags(["a"])
    list(includes(directives(text), known_macros("arm64"), lambda *_: None))
