"""For every rule about Go: files that must trigger it, and near misses that must not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from attrs import frozen

from machochain.findings import Checker
from machochain.graph.mac import Mac
from machochain.graph.resolve import Target
from machochain.macho import constants as c
from machochain.model.filesystem import Presence, SymbolAnswer
from machochain.model.image import FileType
from machochain.model.paths import TargetPath
from machochain.model.result import Result, Severity
from machochain.model.version import Version
from machochain.source.archive import predict_archive
from machochain.world.memory import MemoryFileSystem
from tests.factory import Load, MachO, Section, load, raw_command
from tests.findings.scenes import LIB, TOOL, Scene, System, exe, lib
from tests.golang.test_buildinfo import inline

INFO, WARNING, ERROR = Severity.INFO, Severity.WARNING, Severity.ERROR
GO_DATA: Final = Path(__file__).parents[2] / "testdata" / "go"
SETTINGS: Final = "path\texample.org/hello\nbuild\tCGO_ENABLED=1\n"
LIBSYSTEM: Final = "/usr/lib/libSystem.B.dylib"
ARCHIVE: Final = "/app/bin/greet.a"


def go_exe(*loads: Load | str, version: str = "go1.27.3", settings: str = SETTINGS, **more: Any) -> bytes:
    """A program linked by a host linker from Go's object."""
    sections = [
        *more.pop("sections", ()),
        Section("__DATA", "__go_buildinfo", inline(version.encode(), settings), align=4),
    ]
    return exe(*loads, sections=sections, **{"minos": "13.0", **more})


def internal(version: str, **more: Any) -> bytes:
    """A program linked by Go's own linker."""
    loads = [load(LIBSYSTEM, current=0, compat=0, timestamp=0)]
    return go_exe(*loads, version=version, settings="path\tp\nbuild\tCGO_ENABLED=0\n", **more)


def go_lib(install_name: str, **more: Any) -> bytes:
    sections = [Section("__DATA", "__go_buildinfo", inline(b"go1.27.3", SETTINGS), align=4)]
    return lib(install_name, sections=sections, **more)


def alone(program: bytes, **more: Any) -> Scene:
    return Scene({TOOL: program}, **more)


def ar(*members: tuple[str, bytes]) -> bytes:
    """An archive as BSD's ar writes it."""
    out = bytearray(b"!<arch>\n")
    for name, body in members:
        out += f"{name:<16}{0:<12}{0:<6}{0:<6}{644:<8}{len(body):<10}`\n".encode() + body + b"\n" * (len(body) % 2)
    return bytes(out)


def obj(*imports: str, exports: Iterable[str] = (), minos: str = "12.0") -> bytes:
    """An object file."""
    return MachO(
        file_type=FileType.MH_OBJECT, imports=list(imports), exports=list(exports), minos=minos, libsystem=False
    ).bytes()


EXPORTS: Final[Mapping[str, str]] = {
    "_malloc": "/usr/lib/system/libsystem_malloc.dylib",
    "_compress": "/usr/lib/libz.1.dylib",
}


class Symbols:
    """What the OS exports."""

    def lookup(self, library: str, symbol: str, macos: Version, arch: str | None = None) -> SymbolAnswer:
        there = EXPORTS.get(symbol) == library
        return SymbolAnswer(Presence.PRESENT, TargetPath(library)) if there else SymbolAnswer(Presence.ABSENT)

    def providers(self, symbols: Iterable[str]) -> dict[str, tuple[str, ...]]:
        return {s: (EXPORTS[s],) if s in EXPORTS else () for s in symbols}


@frozen
class ArchiveScene(Scene):
    """A modelled Mac and a static library on it."""

    def results(self, checker: Checker | None = None) -> list[Result]:
        mac = Mac(MemoryFileSystem(self.tree), System())
        stage = (checker or Checker()).stage
        target = Target(macos=self.macos, **self.options)
        return list(predict_archive(mac, mac.look(self.at), self.at, target, Symbols(), stages=(stage,)))


def archive(data: bytes, **tree: bytes) -> Scene:
    named = {"/opt/greet/lib/" + name.replace("_", ".") + ".dylib": body for name, body in tree.items()}
    return ArchiveScene({ARCHIVE: data, **named}, at=ARCHIVE)


def package(name: str = "greet.a") -> bytes:
    return (GO_DATA / name).read_bytes()


OWN: Final = LIB
USES_OWN: Final = {LIB: lib(LIB)}
DWARF: Final = raw_command(c.LC_SEGMENT_64, b"__DWARF".ljust(16, b"\0") + bytes(48))
CHAINED: Final[Mapping[str, Any]] = {"fixups": "chained", "imports": ["_malloc"]}

TRIGGERS: Final[dict[str, list[tuple[Scene, Severity]]]] = {
    "MC601": [(alone(internal("go1.22.10", uuid=None)), WARNING)],
    "MC602": [(Scene({LIB: go_lib("libfoo.dylib")}, at=LIB), WARNING)],
    "MC603": [
        (alone(go_exe(minos="15.0")), WARNING),
        (alone(go_exe(version="go1.21.13", minos="15.0", settings="path\tp\nbuild\t-trimpath=true\n")), WARNING),
    ],
    "MC604": [(alone(go_exe(extra=[DWARF], **CHAINED)), WARNING)],
    "MC605": [
        (Scene({TOOL: go_exe("/app/lib/libcgo.dylib"), "/app/lib/libcgo.dylib": lib()}), WARNING),
        (alone(go_exe("/app/lib/libgo.13.dylib")), WARNING),
    ],
    "MC606": [(Scene({TOOL: go_exe(OWN), **USES_OWN}), INFO), (alone(go_exe(OWN, version="go1.24rc1")), INFO)],
    "MC607": [(alone(go_exe(settings="path\tp\nbuild\t-trimpath=true\nbuild\tCGO_ENABLED=1\n")), INFO)],
    "MC608": [
        (alone(go_exe("/usr/local/opt/foo/lib/libfoo.dylib")), WARNING),
        (alone(go_exe(arch="x86_64", rpaths=["/opt/homebrew/lib"])), WARNING),
    ],
    "MC609": [
        (archive(package()), INFO),
        (archive(package("greet-loader-rpath.a")), INFO),
        (archive(ar(("a.o", obj("_malloc")))), INFO),
    ],
    "MC610": [(archive(package("greet-loader-rpath.a")), WARNING)],
    "MC611": [(archive(ar(("a.o", obj("_compress")))), INFO)],
    "MC612": [(archive(ar(("a.o", obj("_greet_add")))), WARNING)],
    "MC613": [(archive(ar(("go.o", obj(minos="13.0")), ("000000.o", obj(minos="12.0")))), WARNING)],
    "MC614": [
        (alone(go_exe(sections=[Section("__GO", "__gopclntab", b"what is this")])), WARNING),
        (archive(ar(("a.o", obj()), ("b.o", b"\xcf\xfa\xed\xfe"))), WARNING),
    ],
}

NEAR_MISSES: Final[dict[str, list[Scene]]] = {
    "MC601": [
        alone(internal("go1.24.11")),
        alone(exe(uuid=None)),
        alone(go_exe(uuid=None)),
        alone(internal("go1.22.10", uuid=None, sdk="26.0")),
    ],
    "MC602": [Scene({LIB: go_lib("@rpath/libfoo.dylib")}, at=LIB), Scene({LIB: lib("libfoo.dylib")}, at=LIB)],
    "MC603": [
        alone(go_exe(minos="13.0", sdk="13.3")),
        alone(go_exe(minos="14.0", sdk="15.0")),
        alone(go_exe(minos="15.0", settings="path\tp\nbuild\tCGO_CFLAGS=-mmacosx-version-min=15.0\n")),
        alone(exe(minos="15.0")),
        alone(internal("go1.27.3", minos="26.0", sdk="26.2")),
    ],
    "MC604": [alone(go_exe(**CHAINED)), alone(go_exe(extra=[DWARF])), alone(exe(extra=[DWARF], **CHAINED))],
    "MC605": [alone(exe("/app/lib/libgo.dylib")), alone(go_exe("/app/lib/libgoogle.dylib"))],
    "MC606": [
        alone(go_exe("/usr/lib/libz.1.dylib")),
        Scene({TOOL: go_exe(OWN, version="go1.23.9"), **USES_OWN}),
        Scene({TOOL: exe(OWN), **USES_OWN}),
    ],
    "MC607": [
        alone(go_exe()),
        alone(internal("go1.27.3")),
    ],
    "MC608": [
        alone(go_exe("/opt/homebrew/opt/foo/lib/libfoo.dylib", rpaths=["/usr/local/lib"])),
        alone(go_exe(arch="x86_64", rpaths=["/usr/local/opt/x/lib", "/opt/homebrewer"])),
        alone(exe("/usr/local/opt/foo/lib/libfoo.dylib")),
    ],
    "MC609": [alone(go_exe())],
    "MC610": [archive(package())],
    "MC611": [archive(ar(("a.o", obj("_malloc")))), archive(package())],
    "MC612": [
        archive(ar(("a.o", obj("_malloc", "_compress")))),
        archive(ar(("a.o", obj("_greet_add")), ("b.o", obj(exports=["_greet_add"])))),
    ],
    "MC613": [archive(ar(("go.o", obj(minos="13.0")), ("000000.o", obj(minos="13.0"))))],
    "MC614": [alone(go_exe()), archive(package())],
}
