"""Small Macs whose symbols are looked up: a tree in memory, and an OS that exports what is named."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from attrs import Factory, frozen

from machochain.dyld.config import ProcessConfig
from machochain.dyld.profile import PROFILES
from machochain.graph.mac import Mac
from machochain.graph.resolve import Target, resolve_node
from machochain.graph.symbol_tables import SymbolTables
from machochain.graph.symbols import check_symbols
from machochain.graph.walked import Walk
from machochain.model.filesystem import Presence, SymbolAnswer, SystemAnswer
from machochain.model.image import FileType
from machochain.model.paths import TargetPath
from machochain.model.result import MissingSymbol, Result
from machochain.model.version import Version
from machochain.world.memory import MemoryFileSystem
from tests.factory import Load, MachO

LIBSYSTEM: Final = "/usr/lib/libSystem.B.dylib"
APPKIT: Final = "/System/Library/Frameworks/AppKit.framework/Versions/C/AppKit"
MAIN: Final = "/app/main"
UUID: Final = "00112233-4455-6677-8899-AABBCCDDEEFF"
OS_UUID: Final = "XXXXXXXX-XXXX-XXXX-XXXX-XXXXXXXXXXXX"
GENERATIONS: Final = tuple(p.name for p in PROFILES)
DYLD4: Final = GENERATIONS[1:]
_BYTES: Final = bytes.fromhex(UUID.replace("-", ""))


@frozen
class OS:
    """An OS whose libraries export just these symbols, each since a release; nobody knows about ``unseen`` ones.

    Nor, behind a release, about ``last`` ones.
    """

    exports: Mapping[str, Mapping[str, str]]
    unseen: tuple[str, ...] = ()
    last: Mapping[str, str] = Factory(dict)

    def find(self, path: str, macos: Version) -> SystemAnswer:
        if path in self.exports:
            return SystemAnswer(Presence.PRESENT, TargetPath(path))
        return SystemAnswer(Presence.ABSENT)

    def lookup(self, library: str, symbol: str, macos: Version, arch: str | None = None) -> SymbolAnswer:
        if symbol in self.unseen:
            return SymbolAnswer(Presence.UNSEEN, why="nobody knows")
        since = self.exports.get(library, {}).get(symbol)
        if since is None:
            return SymbolAnswer(Presence.ABSENT, absent_in=macos, why="no SDK has it")
        start = Version.parse(since)
        if macos < start:
            return SymbolAnswer(Presence.ABSENT, absent_in=macos, present_in=start, why=f"new in {since}")
        if symbol in self.last and macos > Version.parse(self.last[symbol]):
            return SymbolAnswer(Presence.UNSEEN, present_in=start, why=f"last known in {self.last[symbol]}")
        return SymbolAnswer(Presence.PRESENT, TargetPath(library), present_in=start)


SYSTEM: Final = OS({LIBSYSTEM: {"_malloc": "10.9", "_new": "14"}, APPKIT: {"_NSBeep": "10.9"}}, unseen=("_doubtful",))


def exe(*loads: Load | str, **more: Any) -> bytes:
    """A program at ``MAIN`` with a known UUID."""
    return MachO(**{"file_type": FileType.MH_EXECUTE, "loads": loads, "uuid": _BYTES, "minos": "11.0", **more}).bytes()


def lib(name: str, *loads: Load | str, **more: Any) -> bytes:
    """A library below /app with a known UUID."""
    return MachO(**{"install_name": f"/app/{name}", "loads": loads, "uuid": _BYTES, "minos": "11.0", **more}).bytes()


def run(
    tree: Mapping[str, bytes],
    macos: str = "26",
    *,
    at: str = MAIN,
    system: OS = SYSTEM,
    tables: SymbolTables | None = None,
    **more: Any,
) -> Result:
    """Model one process, symbols included; a relative name of the tree lies below /app."""
    mac = Mac(MemoryFileSystem({k if k.startswith("/") else f"/app/{k}": v for k, v in tree.items()}), system)
    kept = tables or SymbolTables(mac, system)

    def stage(result: Result, walked: Walk, config: ProcessConfig, mac: Mac) -> Result:
        return check_symbols(result, walked, config, kept)

    (result,) = resolve_node(mac, mac.look(at), at, Target(macos=macos, **more), stages=(stage,))
    return result


def missing(result: Result) -> list[str]:
    """The symbols that are certainly missing, in the order in which dyld comes upon them."""
    return [m.symbol for m in result.missing_symbols if m.unknown is None]


def only(result: Result) -> MissingSymbol:
    (found,) = result.missing_symbols
    return found
