"""What images without bind opcodes and chained fixups bind to: external relocations and indirect symbols.

dyld-1378, ``common/MachOLayout.cpp``: ``Fixups::forEachBind_Relocations`` and ``forEachIndirectPointer``. An undefined
symbol that neither names is not bound at all.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final

from machochain.macho.symtab import N_EXT, N_SECT, N_TYPE, N_WEAK_DEF, N_WEAK_REF, read_table
from machochain.model.image import HeaderFlag, Image
from machochain.model.reading import ReadAt
from machochain.model.symbols import (
    ORDINAL_FLAT,
    ORDINAL_MAIN_EXECUTABLE,
    ORDINAL_WEAK,
    Import,
    ImportKind,
    Imports,
    TableDefect,
)

_N_PEXT: Final = 0x10
_LAZY_POINTERS: Final = 7
_POINTERS: Final = 6
_LOCAL: Final = 0x80000000
_ABSOLUTE: Final = 0x40000000
_SPECIAL: Final = {0xFE: ORDINAL_FLAT, 0xFF: ORDINAL_MAIN_EXECUTABLE}
_INDIRECT, _EXTERNAL = 12, 14
_MOST: Final = 1 << 20
"""Entries of a table that are looked at: images of this kind are old and small."""


class _Stop(Exception):  # noqa: N818 - control flow inside this module, never seen outside
    """dyld reads no further."""


def relocation_binds(image: Image, read: ReadAt) -> Imports:
    """Return what an image binds to, in dyld's order, and where dyld stops."""
    if image.linkedit.dysymtab is None or image.linkedit.symtab is None:
        return Imports()
    found: list[Import] = []
    table = _Table(image, read)
    try:
        found.extend(table.externals())
        found.extend(table.pointers())
    except _Stop as stop:
        words = str(stop)
        defect = TableDefect(words, image.linkedit.symtab[0])
        return Imports(tuple(found), (defect,), ((len(found), words),))
    return Imports(tuple(found))


class _Table:
    """The symbol table of one image, asked by index."""

    def __init__(self, image: Image, read: ReadAt) -> None:
        assert image.linkedit.symtab is not None
        assert image.linkedit.dysymtab is not None
        self._image = image
        self._read = read
        self._dysymtab = image.linkedit.dysymtab
        symoff, self._count, stroff, strsize = image.linkedit.symtab
        self._layout = struct.Struct("<IBBHQ" if image.arch.is_64 else "<IBBHI")
        self._entries, _ = read_table(read, symoff, min(self._count, _MOST) * self._layout.size, "symbol table")
        self._strings, _ = read_table(read, stroff, strsize, "string table")

    def externals(self) -> Iterator[Import]:
        """Yield what external relocations name; once for each run of one symbol."""
        offset, count = self._dysymtab[_EXTERNAL : _EXTERNAL + 2]
        data, _ = read_table(self._read, offset, min(count, _MOST) * 8, "external relocations")
        last = -1
        for _, info in struct.iter_unpack("<II", data[: len(data) // 8 * 8]):
            number, length, kind = info & 0xFFFFFF, info >> 25 & 3, info >> 28
            if length != (3 if self._image.arch.is_64 else 2):
                raise _Stop("external relocation has wrong r_length")
            if kind:
                raise _Stop("external relocation has wrong r_type")
            if number > self._count:
                raise _Stop("external relocation has out of range r_symbolnum")
            if number != last:
                yield self._import(
                    number, f"external relocation has r_symbolnum={number} which has out of range n_strx"
                )
            last = number

    def pointers(self) -> Iterator[Import]:
        """Yield what the pointers of symbol pointer sections name; those of lazy ones are bound at first call."""
        offset, count = self._dysymtab[_INDIRECT : _INDIRECT + 2]
        data, _ = read_table(self._read, offset, min(count, _MOST) * 4, "indirect symbol table")
        width = 8 if self._image.arch.is_64 else 4
        for name, kind, size, first in _pointer_sections(self._image):
            number = size // width
            if first + number > count:
                raise _Stop(f"section {name} overflows indirect symbol table")
            for index in range(first, min(first + number, len(data) // 4)):
                (symbol,) = struct.unpack_from("<I", data, index * 4)
                if symbol in {_LOCAL, _ABSOLUTE}:
                    continue
                if symbol > self._count:
                    raise _Stop(f"indirect symbol[{index}] = {symbol} which is invalid symbol index")
                lazy = kind == _LAZY_POINTERS
                if lazy and self._type(symbol) & _N_PEXT:
                    continue  # a private definition the linker left in
                yield self._import(symbol, f"symbol[{index}] string offset out of range", lazy=lazy)

    def _type(self, number: int) -> int:
        at = number * self._layout.size
        return self._entries[at + 4] if at + 4 < len(self._entries) else 0

    def _import(self, number: int, out_of_range: str, *, lazy: bool = False) -> Import:
        at = number * self._layout.size
        if at + self._layout.size > len(self._entries):
            raise _Stop(out_of_range)
        strx, kind, _, desc, _ = self._layout.unpack_from(self._entries, at)
        if strx >= len(self._strings):
            raise _Stop(out_of_range)
        name = self._strings[strx:].partition(b"\0")[0] if strx else b""
        ordinal = desc >> 8
        ordinal = _SPECIAL.get(ordinal, ordinal) if self._image.flags & HeaderFlag.MH_TWOLEVEL else ORDINAL_FLAT
        if kind & (N_TYPE | N_EXT) == N_SECT | N_EXT and desc & N_WEAK_DEF:
            ordinal = ORDINAL_WEAK
        text = name.decode("utf-8", "surrogateescape")
        return Import(text, ordinal, bool(desc & N_WEAK_REF), lazy, ImportKind.SYMBOL_TABLE)


def _pointer_sections(image: Image) -> Iterator[tuple[str, int, int, int]]:
    """Yield (name, type, size in bytes, first index into the indirect symbols) of sections that hold pointers."""
    wide = image.header_size == 32
    first, step = (72, 80) if wide else (56, 68)
    size_at, flags_at = (40, 64) if wide else (36, 56)
    for segment in image.segments:
        start = image.commands[segment.command_index].offset + first
        for number in range(min(segment.section_count, max(0, len(image.raw) - start) // step)):
            raw = image.raw[start + number * step : start + (number + 1) * step]
            flags, reserved = struct.unpack_from("<II", raw, flags_at)
            if flags & 0xFF in {_LAZY_POINTERS, _POINTERS}:
                (size,) = struct.unpack_from("<Q" if wide else "<I", raw, size_at)
                name = raw[:16].partition(b"\0")[0].decode("utf-8", "surrogateescape")
                yield name, flags & 0xFF, size, reserved
