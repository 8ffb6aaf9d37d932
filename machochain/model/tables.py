"""What load commands say of segments and of the linker's tables, from their bytes (<mach-o/loader.h>)."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, Final

from machochain.model.reading import text

Found = Iterable[tuple[int, int, int]]
"""(command number, offset, ``cmdsize``) of each load command, as `walk_commands` gives them."""

SEGMENTS: Final = {0x1: (56, struct.Struct("<16s8I")), 0x19: (72, struct.Struct("<16s4Q4I"))}
"""Of LC_SEGMENT and LC_SEGMENT_64: bytes in front of the sections, and the fields behind ``cmdsize``."""

_PAIR: Final = struct.Struct("<II")
_TABLES: Final[dict[int, tuple[str, int, struct.Struct]]] = {
    0x2: ("symtab", 24, struct.Struct("<4I")),
    0xB: ("dysymtab", 80, struct.Struct("<18I")),
    0x1D: ("code_signature", 16, _PAIR),
    0x26: ("function_starts", 16, _PAIR),
    0x80000033: ("exports_trie", 16, _PAIR),
    0x80000034: ("chained_fixups", 16, _PAIR),
}
_LC_DYLD_INFO: Final = {0x22, 0x80000022}
_DYLD_INFO: Final = struct.Struct("<10I")
_DYLD_INFO_TABLES: Final = ("rebase", "bind", "weak_bind", "lazy_bind", "exports_trie")


@lru_cache(maxsize=4096)
def name16(raw: bytes) -> str:
    """Return the name in a fixed field of 16 bytes; it need not end in a NUL."""
    return text(raw.partition(b"\0")[0])


def segment_fields(data: bytes, index: int, number: int, at: int, length: int) -> tuple[Any, ...] | None:
    """Return the fields of `Segment` from a segment command; None if it is too short to hold one."""
    least, layout = SEGMENTS[number]
    if length < least:
        return None
    fields = layout.unpack_from(data, at + 8)
    return index, name16(fields[0]), *fields[1:]


def linked_tables(data: bytes, found: Found) -> dict[str, tuple[int, ...]]:
    """Return where each table lies, by the names of `LinkEdit`; of two commands of one kind the later counts."""
    places: dict[str, tuple[int, ...]] = {}
    for number, at, length in found:
        if number in _TABLES:
            name, least, layout = _TABLES[number]
            if length >= least:
                places[name] = layout.unpack_from(data, at + 8)
        elif number in _LC_DYLD_INFO and length >= 48:
            values = _DYLD_INFO.unpack_from(data, at + 8)
            for name, offset, size in zip(_DYLD_INFO_TABLES, values[::2], values[1::2], strict=True):
                if size or (offset and name == "exports_trie"):
                    places[name] = (offset, size)
    return places
