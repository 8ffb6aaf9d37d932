"""Header and load commands of one slice as bytes, and the room behind them.

Names and numbers are those of ``<mach-o/loader.h>``. The room follows ``install_name_tool`` (cctools-1035,
``misc/install_name_tool.c``) and ``codesign_allocate`` (``misc/codesign_allocate.c``): up to the first byte of a
section that has any in the file, or of a segment without sections. Unlike cctools, a section's type is compared whole,
not by its bits.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final

from machochain.macho import constants as c
from machochain.model.image import FileType
from machochain.model.value import frozen
from machochain.repair.obstacle import ObstacleKind, refuse

LOADS: Final = frozenset(
    {c.LC_LOAD_DYLIB, c.LC_LOAD_WEAK_DYLIB, c.LC_REEXPORT_DYLIB, c.LC_LOAD_UPWARD_DYLIB, c.LC_LAZY_LOAD_DYLIB}
)
_EDITED_TYPES: Final = frozenset({FileType.MH_EXECUTE, FileType.MH_DYLIB, FileType.MH_DYLINKER, FileType.MH_BUNDLE})
_ZERO_FILL: Final = frozenset({0x1, 0xC, 0x12})  # S_ZEROFILL, S_GB_ZEROFILL, S_THREAD_LOCAL_ZEROFILL
_MAGICS: Final = {b"\xcf\xfa\xed\xfe": True, b"\xce\xfa\xed\xfe": False}
_BIG_ENDIAN: Final = frozenset({b"\xfe\xed\xfa\xcf", b"\xfe\xed\xfa\xce"})


@frozen
class Section:
    """One section, as far as editing needs it."""

    name: str
    offset: int
    size: int
    kind: int


@frozen
class Segment:
    """One segment: where its command lies and what it says."""

    command: int
    name: str
    vmaddr: int
    vmsize: int
    fileoff: int
    filesize: int
    flags: int
    sections: tuple[Section, ...]


@frozen
class Layout:
    """What one slice says of itself.

    Attributes:
        is64: Whether its header is the 64-bit one.
        file_type: As in the header.
        commands: Each load command with its bytes, in order.
        low: Offset of the first byte that is no load command and no gap; the header and the commands end before.
        segments: In order.
        size: Bytes of the slice.
    """

    is64: bool
    file_type: int
    commands: tuple[bytes, ...]
    low: int
    segments: tuple[Segment, ...]
    size: int

    @property
    def header_size(self) -> int:
        """Bytes of the header."""
        return 32 if self.is64 else 28

    @property
    def alignment(self) -> int:
        """What a command's size is a multiple of."""
        return 8 if self.is64 else 4

    @property
    def end(self) -> int:
        """Where the load commands end."""
        return self.header_size + sum(map(len, self.commands))

    @property
    def room(self) -> int:
        """Bytes between the load commands and what follows."""
        return self.low - self.end

    @property
    def linkedit(self) -> Segment | None:
        """The segment that ends the file."""
        return next((s for s in self.segments if s.name == "__LINKEDIT"), None)

    @property
    def signature(self) -> tuple[int, int] | None:
        """Offset and size of the code signature."""
        for command in self.commands:
            if number(command) == c.LC_CODE_SIGNATURE and len(command) >= 16:
                offset, size = struct.unpack_from("<II", command, 8)
                return offset, size
        return None


def number(command: bytes) -> int:
    """Return the number of a load command."""
    return int(struct.unpack_from("<I", command)[0])


def read_layout(data: bytes | bytearray | memoryview) -> Layout:
    """Read the header and the load commands of a slice.

    Raises:
        RepairError: It is nothing that is edited.
    """
    magic = bytes(data[:4])
    if magic in _BIG_ENDIAN:
        raise refuse(ObstacleKind.BYTE_ORDER)
    is64 = _MAGICS.get(magic)
    if is64 is None or len(data) < 32:
        raise refuse(ObstacleKind.MALFORMED, "no Mach-O header")
    file_type, count, size = struct.unpack_from("<3I", data, 12)
    if file_type not in _EDITED_TYPES:
        raise refuse(ObstacleKind.FILE_TYPE, f"file type {file_type}")
    at = 32 if is64 else 28
    end = at + size
    if end > len(data):
        raise refuse(ObstacleKind.MALFORMED, "load commands extend beyond the file")
    commands = []
    for index in range(count):
        length = struct.unpack_from("<I", data, at + 4)[0] if at + 8 <= end else 0
        if length < 8 or at + length > end or length % 4:
            raise refuse(ObstacleKind.MALFORMED, f"load command {index} has a size of {length} bytes")
        commands.append(bytes(data[at : at + length]))
        at += length
    if at != end:
        raise refuse(ObstacleKind.MALFORMED, "load commands do not fill their space")
    segments = tuple(_segments(commands))
    low = min((x for s in segments for x in _starts(s)), default=len(data))
    if low < end:
        raise refuse(ObstacleKind.MALFORMED, "a section lies on the load commands")
    if any(number(x) in (c.LC_ENCRYPTION_INFO, c.LC_ENCRYPTION_INFO_64) and _encrypted(x) for x in commands):
        raise refuse(ObstacleKind.ENCRYPTED)
    return Layout(is64, file_type, tuple(commands), low, segments, len(data))


def _encrypted(command: bytes) -> bool:
    return len(command) >= 20 and struct.unpack_from("<I", command, 16)[0] != 0


def _segments(commands: list[bytes]) -> Iterator[Segment]:
    for index, command in enumerate(commands):
        kind = number(command)
        if kind == c.LC_SEGMENT_64:
            form, head, one = "<16s4Q4I", 72, 80
        elif kind == c.LC_SEGMENT:
            form, head, one = "<16s8I", 56, 68
        else:
            continue
        if len(command) < head:
            raise refuse(ObstacleKind.MALFORMED, f"load command {index} is too short for a segment")
        name, vmaddr, vmsize, fileoff, filesize, _, _, count, flags = struct.unpack_from(form, command, 8)
        if head + count * one > len(command):
            raise refuse(ObstacleKind.MALFORMED, f"load command {index} is too short for its sections")
        sections = []
        for at in range(head, head + count * one, one):
            if kind == c.LC_SEGMENT_64:
                size, offset = struct.unpack_from("<QI", command, at + 40)
                (section_flags,) = struct.unpack_from("<I", command, at + 64)
            else:
                size, offset = struct.unpack_from("<II", command, at + 36)
                (section_flags,) = struct.unpack_from("<I", command, at + 56)
            sections.append(Section(_name(command[at : at + 16]), offset, size, section_flags & 0xFF))
        yield Segment(index, _name(name), vmaddr, vmsize, fileoff, filesize, flags, tuple(sections))


def _name(field: bytes) -> str:
    return field.partition(b"\0")[0].decode("utf-8", "surrogateescape")


def _starts(segment: Segment) -> Iterator[int]:
    """Yield the file offsets that bound the load commands."""
    if segment.sections:
        yield from (s.offset for s in segment.sections if s.size and s.kind not in _ZERO_FILL)
    elif segment.filesize and segment.fileoff:
        # One with offset 0 holds the header itself and nothing else.
        yield segment.fileoff


def header_bytes(data: bytes | bytearray | memoryview, layout: Layout, commands: list[bytes]) -> bytes:
    """Return header, commands and gap of a slice whose commands have been replaced, up to `Layout.low`."""
    size = sum(map(len, commands))
    head = bytearray(data[: layout.header_size])
    struct.pack_into("<II", head, 16, len(commands), size)
    body = bytes(head) + b"".join(commands)
    old_end = layout.end
    return body + bytes(max(0, old_end - len(body))) + bytes(data[max(len(body), old_end) : layout.low])
