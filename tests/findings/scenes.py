"""Small modelled Macs, and what the rules say about a process on them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from attrs import Factory, frozen

from machochain.findings import Checker
from machochain.graph.mac import Mac
from machochain.graph.resolve import Target, resolve_node
from machochain.model.filesystem import Presence, SystemAnswer
from machochain.model.image import FileType
from machochain.model.paths import TargetPath
from machochain.model.result import Finding, Result
from machochain.model.version import Version
from machochain.world.memory import MemoryFileSystem
from tests.factory import Load, MachO

TOOL: Final = "/app/bin/tool"
LIB: Final = "/app/lib/libfoo.dylib"
RPATH: Final = "@loader_path/../lib"

_PRESENT: Final = frozenset({"/usr/lib/libSystem.B.dylib", "/usr/lib/libz.1.dylib", "/usr/lib/libxml2.2.dylib"})


class System:
    """An OS with few libraries; of ``libnew`` it is known on macOS 26 only, of ``libgone`` that 26 lacks it."""

    def find(self, path: str, macos: Version) -> SystemAnswer:
        if path in _PRESENT:
            return SystemAnswer(Presence.PRESENT, TargetPath(path))
        if path == "/usr/lib/libnew.dylib" and macos >= Version.of(26):
            return SystemAnswer(Presence.PRESENT, TargetPath(path))
        if path == "/usr/lib/libgone.dylib":
            return SystemAnswer(Presence.ABSENT if macos >= Version.of(26) else Presence.PRESENT, TargetPath(path))
        if path.startswith(("/usr/lib/", "/System/Library/")):
            return SystemAnswer(Presence.UNSEEN, why="nobody knows")
        return SystemAnswer(Presence.ABSENT)


def exe(*loads: Load | str, **more: Any) -> bytes:
    """A signed main executable built with sdk 15."""
    return MachO(**{"file_type": FileType.MH_EXECUTE, "loads": loads, "signed": True, **more}).bytes()


def lib(install_name: str = "@rpath/libfoo.dylib", *loads: Load | str, **more: Any) -> bytes:
    """A signed dylib built with sdk 15."""
    return MachO(**{"install_name": install_name, "loads": loads, "signed": True, **more}).bytes()


def plugin(*loads: Load | str, **more: Any) -> bytes:
    """A signed bundle."""
    return MachO(**{"file_type": FileType.MH_BUNDLE, "loads": loads, "signed": True, **more}).bytes()


@frozen
class Scene:
    """A modelled Mac, the file that is looked at, and the process."""

    tree: Mapping[str, bytes | str | None]
    at: str = TOOL
    macos: str = "26"
    unseen: tuple[str, ...] = ()
    denied: tuple[str, ...] = ()
    options: Mapping[str, Any] = Factory(dict)

    def results(self, checker: Checker | None = None) -> list[Result]:
        files = MemoryFileSystem(self.tree, unseen=self.unseen, denied=self.denied)
        mac = Mac(files, System())
        stage = (checker or Checker()).stage
        node = mac.look(self.at)
        return list(resolve_node(mac, node, self.at, Target(macos=self.macos, **self.options), stages=(stage,)))

    def findings(self) -> tuple[Finding, ...]:
        return tuple(self.results()[0].findings)

    def found(self, rule: str) -> list[Finding]:
        return [f for f in self.findings() if f.rule == rule]


def with_lib(program: bytes, library: bytes | None = None, **more: Any) -> Scene:
    """A program in /app/bin beside a library in /app/lib."""
    return Scene({TOOL: program, LIB: lib() if library is None else library}, **more)
