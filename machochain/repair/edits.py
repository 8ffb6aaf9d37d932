"""Edits of load commands, in the space they have; every other byte of the slice stays as it is.

What each does to the bytes follows ``install_name_tool`` (cctools-1035, ``misc/install_name_tool.c``) but for two
things: a ``dylib_use_command`` keeps its flags, and where room is short nothing is written. Loads are never removed or
reordered: two-level namespaces bind by their position.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Sequence
from typing import Final

from machochain.macho import constants as lc
from machochain.model.value import frozen
from machochain.model.version import Version
from machochain.repair.layout import LOADS, Layout, Segment, header_bytes, number, read_layout
from machochain.repair.obstacle import ObstacleKind, refuse

_RPATH_HEAD: Final = 12
_DYLIB_HEAD: Final = 24
_UUID_SIZE: Final = 24
_SIGNATURE_SIZE: Final = 16
_SG_READ_ONLY: Final = 0x10


@frozen
class AddRunPath:
    """Append an LC_RPATH as the last load command."""

    path: str


@frozen
class DeleteRunPath:
    """Remove an LC_RPATH: the first with this path, or each but the first.

    Attributes:
        path: As written.
        repeats: Whether the first is kept and all later ones go.
    """

    path: str
    repeats: bool = False


@frozen
class ChangeRunPath:
    """Replace the path of the first LC_RPATH that has it, at its place in the order."""

    old: str
    new: str


@frozen
class ChangeLoad:
    """Replace a load path wherever it is loaded, weak and re-exported loads included."""

    old: str
    new: str


@frozen
class WeakenLoad:
    """Make an ordinary load a weak one: the library may be absent. Ordinals do not move."""

    name: str


@frozen
class ChangeInstallName:
    """Replace the install name of a dylib; of anything else nothing."""

    new: str


@frozen
class ProtectConstants:
    """Mark ``__DATA_CONST`` with SG_READ_ONLY."""


@frozen
class AddUUID:
    """Add an LC_UUID, made from the slice's bytes."""


@frozen
class RaiseMinimum:
    """Raise the minimum macOS; the sdk stays, since system libraries behave by it."""

    macos: Version


Edit = (
    AddRunPath
    | DeleteRunPath
    | ChangeRunPath
    | ChangeLoad
    | WeakenLoad
    | ChangeInstallName
    | ProtectConstants
    | AddUUID
    | RaiseMinimum
)


def describe(edit: Edit) -> str:  # noqa: PLR0911  # one answer a case
    """Return an edit in words, as a line of a report."""
    match edit:
        case AddRunPath(path):
            return f"add run path {path}"
        case DeleteRunPath(path, repeats):
            return f"delete repeated run path {path}" if repeats else f"delete run path {path}"
        case ChangeRunPath(old, new):
            return f"change run path {old} to {new}"
        case ChangeLoad(old, new):
            return f"change load {old} to {new}"
        case WeakenLoad(name):
            return f"make the load of {name} a weak one"
        case ChangeInstallName(new):
            return f"change install name to {new}"
        case ProtectConstants():
            return "mark __DATA_CONST read-only (SG_READ_ONLY)"
        case AddUUID():
            return "add LC_UUID"
        case RaiseMinimum(macos):
            return f"raise the minimum macOS to {macos}"


def _encode(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def text_of(command: bytes, head: int) -> bytes:
    """Return the string of a load command whose offset stands at 8.

    Raises:
        RepairError: It has none that ends inside of it.
    """
    if len(command) < 12:
        raise refuse(ObstacleKind.MALFORMED, "a load command is too short for its name")
    (at,) = struct.unpack_from("<I", command, 8)
    end = command.find(b"\0", at)
    if not head <= at < len(command) or end < 0:
        raise refuse(ObstacleKind.MALFORMED, "a name lies outside of its load command")
    return command[at:end]


def _with_text(command: bytes, text: str, alignment: int) -> bytes:
    """Replace the string of a command; what stands before it is kept (``dylib_use_command`` has its flags there)."""
    (at,) = struct.unpack_from("<I", command, 8)
    body = command[:at] + _encode(text) + b"\0"
    body += bytes(-len(body) % alignment)
    return body[:4] + struct.pack("<I", len(body)) + body[8:]


def _rpath(text: str, alignment: int) -> bytes:
    return _with_text(struct.pack("<3I", lc.LC_RPATH, 0, _RPATH_HEAD), text, alignment)


class _Commands:
    """The load commands while they are edited."""

    def __init__(self, data: bytes | bytearray | memoryview, layout: Layout) -> None:
        self.data = data
        self.layout = layout
        self.commands = list(layout.commands)

    def apply(self, edit: Edit) -> None:  # noqa: C901, PLR0912  # one case an edit
        align = self.layout.alignment
        match edit:
            case DeleteRunPath(path, repeats):
                places = self._run_paths(path)[1 if repeats else 0 :]
                if not places:
                    raise refuse(ObstacleKind.ABSENT, f"run path {path}" + (" a second time" if repeats else ""))
                for index in reversed(places if repeats else places[:1]):
                    del self.commands[index]
            case ChangeRunPath(old, new):
                places = self._run_paths(old)
                if not places:
                    raise refuse(ObstacleKind.ABSENT, f"run path {old}")
                if self._run_paths(new):
                    raise refuse(ObstacleKind.WOULD_REPEAT, f"run path {new}")
                self.commands[places[0]] = _with_text(self.commands[places[0]], new, align)
            case ChangeLoad(old, new):
                places = self._loads(old)
                if not places:
                    raise refuse(ObstacleKind.ABSENT, f"load of {old}")
                if self._loads(new):
                    raise refuse(ObstacleKind.WOULD_REPEAT, f"load of {new}")
                for index in places:
                    self.commands[index] = _with_text(self.commands[index], new, align)
            case WeakenLoad(name):
                places = [i for i in self._loads(name) if number(self.commands[i]) == lc.LC_LOAD_DYLIB]
                if not places:
                    raise refuse(ObstacleKind.ABSENT, f"ordinary load of {name}")
                for index in places:
                    self.commands[index] = struct.pack("<I", lc.LC_LOAD_WEAK_DYLIB) + self.commands[index][4:]
            case ChangeInstallName(new):
                for index, command in enumerate(self.commands):
                    if number(command) == lc.LC_ID_DYLIB:
                        text_of(command, _DYLIB_HEAD)
                        self.commands[index] = _with_text(command, new, align)
            case ProtectConstants():
                self._protect()
            case RaiseMinimum(macos):
                self._raise(macos.packed)
            case AddRunPath(path):
                if self._run_paths(path):
                    raise refuse(ObstacleKind.WOULD_REPEAT, f"run path {path}")
                self.commands.append(_rpath(path, align))
            case AddUUID():
                if any(number(c) == lc.LC_UUID for c in self.commands):
                    raise refuse(ObstacleKind.WOULD_REPEAT, "LC_UUID")
                self.commands.append(struct.pack("<II", lc.LC_UUID, _UUID_SIZE) + bytes(16))

    def _run_paths(self, path: str) -> list[int]:
        wanted = _encode(path)
        return [
            i for i, c in enumerate(self.commands) if number(c) == lc.LC_RPATH and text_of(c, _RPATH_HEAD) == wanted
        ]

    def _loads(self, name: str) -> list[int]:
        wanted = _encode(name)
        return [i for i, c in enumerate(self.commands) if number(c) in LOADS and text_of(c, _DYLIB_HEAD) == wanted]

    def _protect(self) -> None:
        segment = next((s for s in self.layout.segments if s.name == "__DATA_CONST"), None)
        if segment is None:
            raise refuse(ObstacleKind.ABSENT, "segment __DATA_CONST")
        for section in segment.sections:
            if section.kind == 0x7 or section.name.startswith("__objc_data"):
                raise refuse(ObstacleKind.WRITABLE_CONSTANTS, section.name)
        at = 68 if self.layout.is64 else 52
        command = bytearray(self.commands[segment.command])
        struct.pack_into("<I", command, at, segment.flags | _SG_READ_ONLY)
        self.commands[segment.command] = bytes(command)

    def _raise(self, packed: int) -> None:
        found = False
        for index, command in enumerate(self.commands):
            kind = number(command)
            if kind == lc.LC_BUILD_VERSION and len(command) >= 16 and struct.unpack_from("<I", command, 8)[0] == 1:
                at = 12
            elif kind == lc.LC_VERSION_MIN_MACOSX and len(command) >= 12:
                at = 8
            else:
                continue
            found = True
            if struct.unpack_from("<I", command, at)[0] < packed:
                self.commands[index] = command[:at] + struct.pack("<I", packed) + command[at + 4 :]
        if not found:
            raise refuse(ObstacleKind.ABSENT, "minimum macOS")


_ORDER: Final = (
    DeleteRunPath,
    ChangeRunPath,
    ChangeLoad,
    WeakenLoad,
    ChangeInstallName,
    ProtectConstants,
    RaiseMinimum,
)
"""What wins room, or needs none, comes before what needs it; additions come last, in the order given."""


def _turn(edit: Edit) -> tuple[int, bool]:
    """Return when an edit has its turn; the repeats of a run path go before the run path itself."""
    kind = next((i for i, kind in enumerate(_ORDER) if isinstance(edit, kind)), len(_ORDER))
    return kind, isinstance(edit, DeleteRunPath) and not edit.repeats


def apply_edits(data: bytes, edits: Sequence[Edit]) -> bytes:
    """Return a slice with its load commands edited; it is as long as before, and its signature is not touched.

    Args:
        data: The slice.
        edits: What to do. All are done, or none.

    Raises:
        RepairError: One of them cannot be done; if it is for room, with the number of bytes that are missing.
    """
    layout = read_layout(data)
    editing = _Commands(data, layout)
    for edit in sorted(edits, key=_turn):
        editing.apply(edit)
    commands = editing.commands
    if commands == list(layout.commands):
        return data
    check_room(data, layout, commands)
    edited = header_bytes(data, layout, commands) + data[layout.low :]
    if any(isinstance(edit, AddUUID) for edit in edits):
        return _with_uuid(edited)
    return edited


def check_room(data: bytes, layout: Layout, commands: Sequence[bytes]) -> None:
    """Refuse commands that do not fit, or that would cover what somebody keeps in the gap.

    Sixteen bytes stay free for the LC_CODE_SIGNATURE of a file that has none: one that can never be signed is a worse
    file (cctools-1035, ``misc/install_name_tool.c``).
    """
    size = layout.header_size + sum(map(len, commands))
    if size > layout.end or not any(number(c) == lc.LC_CODE_SIGNATURE for c in commands):
        kept = 0 if any(number(c) == lc.LC_CODE_SIGNATURE for c in commands) else _SIGNATURE_SIZE
        missing = size + kept - layout.low
        if missing > 0 and size > layout.end:
            raise refuse(ObstacleKind.NO_ROOM, amount=missing)
    if any(data[layout.end : size]):
        raise refuse(ObstacleKind.GAP_IN_USE)


def _with_uuid(data: bytes) -> bytes:
    layout = read_layout(data)
    at = layout.header_size
    for command in layout.commands:
        if number(command) == lc.LC_UUID:
            break
        at += len(command)
    limit = layout.signature[0] if layout.signature else len(data)
    made = bytearray(hashlib.sha256(data[:limit]).digest()[:16])
    made[6] = made[6] & 0x0F | 0x80  # version 8 of RFC 9562: made by a rule of one's own
    made[8] = made[8] & 0x3F | 0x80
    return data[: at + 8] + bytes(made) + data[at + 24 :]


def linkedit_of(layout: Layout) -> Segment:
    """Return ``__LINKEDIT``.

    Raises:
        RepairError: There is none, or it does not end the slice.
    """
    found = layout.linkedit
    if found is None:
        raise refuse(ObstacleKind.ABSENT, "segment __LINKEDIT")
    behind = layout.size - (found.fileoff + found.filesize)
    if behind:
        raise refuse(ObstacleKind.TRAILING_DATA, amount=behind)
    return found
