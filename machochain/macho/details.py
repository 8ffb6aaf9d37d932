"""What of a header is not stored in an ``Image``: read again from its bytes when somebody asks."""

from __future__ import annotations

import struct
from typing import Final

from machochain.macho import constants as c
from machochain.model.image import FileType, HeaderFlag, Image, Section
from machochain.model.reading import text
from machochain.model.tables import name16

_ONE: Final = struct.Struct("<I")
_SECTION: Final = struct.Struct("<16s16sIII12xI8x")
_SECTION_64: Final = struct.Struct("<16s16sQQI12xI12x")
_SUB_COMMANDS: Final = frozenset({c.LC_SUB_FRAMEWORK, c.LC_SUB_UMBRELLA, c.LC_SUB_CLIENT, c.LC_SUB_LIBRARY})


def sections(image: Image) -> tuple[Section, ...]:
    """Return all sections in file order."""
    wide = image.header_size == 32
    first, step, layout = (72, 80, _SECTION_64) if wide else (56, 68, _SECTION)
    found = []
    for segment in image.segments:
        command = image.commands[segment.command_index]
        start = command.offset + first
        room = min(segment.section_count, max(0, command.size - first) // step)
        for name, owner, address, size, offset, flags in layout.iter_unpack(image.raw[start : start + room * step]):
            found.append(Section(name16(owner), name16(name), address, size, offset, flags))
    return tuple(found)


_ZERO_FILL: Final = frozenset({0x1, 0xC, 0x12})
"""S_ZEROFILL, S_GB_ZEROFILL, S_THREAD_LOCAL_ZEROFILL: sections that have no bytes in the file."""
_LINKED: Final = frozenset({FileType.MH_EXECUTE, FileType.MH_DYLIB, FileType.MH_BUNDLE, FileType.MH_DYLINKER})


def header_room(image: Image) -> int | None:
    """Return the bytes between the load commands and what follows them: as much can be added by an edit.

    Up to the first section that has bytes in the file, or the first segment without sections (cctools-1035,
    ``misc/install_name_tool.c``); None for what no linker laid out.
    """
    if image.file_type not in _LINKED:
        return None
    starts = [s.offset for s in sections(image) if s.size and s.flags & 0xFF not in _ZERO_FILL]
    starts += [s.fileoff for s in image.segments if not s.section_count and s.filesize and s.fileoff]
    end = image.header_size + sum(command.size for command in image.commands)
    return min(starts) - end if starts and min(starts) >= end else None


def linker_options(image: Image) -> tuple[tuple[str, ...], ...]:
    """Return the texts of each LC_LINKER_OPTION, in file order."""
    found = []
    for command in image.commands:
        if command.cmd == c.LC_LINKER_OPTION and command.size >= 12:
            payload = image.raw[command.offset + 12 : command.offset + command.size]
            (count,) = _ONE.unpack_from(image.raw, command.offset + 8)
            found.append(tuple(map(text, payload.split(b"\0")[: min(count, len(payload))])))
    return tuple(found)


def sub_commands(image: Image) -> tuple[tuple[str, str], ...]:
    """Return (command name, text) of LC_SUB_FRAMEWORK, LC_SUB_UMBRELLA, LC_SUB_CLIENT, LC_SUB_LIBRARY in file order."""
    found = []
    for command in image.commands:
        if command.cmd in _SUB_COMMANDS and command.size >= 12:
            (offset,) = _ONE.unpack_from(image.raw, command.offset + 8)
            name = image.raw[command.offset + offset : command.offset + command.size] if offset >= 12 else b""
            found.append((c.command_name(command.cmd), text(name.partition(b"\0")[0])))
    return tuple(found)


def flag_names(image: Image) -> tuple[str, ...]:
    """Return the names of the header flags that are set, lowest bit first; bits without a name as ``0x…``."""
    known = [x for x in HeaderFlag if image.flags & x]
    rest = image.flags & ~sum(known)
    names = [x.name or "" for x in known]
    return (*names, f"{rest:#x}") if rest else tuple(names)


def command_name(cmd: int) -> str:
    """Return ``LC_RPATH`` and the like; ``LC_0x…`` for a number without a name."""
    return c.command_name(cmd)
