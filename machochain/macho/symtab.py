"""The symbol table (LC_SYMTAB, LC_DYSYMTAB), read in runs."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import Final

from machochain.model.image import Image
from machochain.model.reading import ReadAt
from machochain.model.symbols import Symbol, Symbols, TableDefect

N_STAB: Final = 0xE0
N_TYPE: Final = 0x0E
N_EXT: Final = 0x01
N_UNDF: Final = 0x0
N_SECT: Final = 0xE

N_WEAK_REF: Final = 0x40
N_WEAK_DEF: Final = 0x80
N_SYMBOL_RESOLVER: Final = 0x100
REFERENCE_TYPE: Final = 0x7
REFERENCE_FLAG_UNDEFINED_LAZY: Final = 1

_NLIST: Final = struct.Struct("<IBBHI")
_NLIST_64: Final = struct.Struct("<IBBHQ")
_LOCALS, _EXTERNALS, _UNDEFINED = 0, 2, 4


def read_table(read: ReadAt, offset: int, size: int, what: str) -> tuple[bytes, TableDefect | None]:
    """Read a table of __LINKEDIT; a table that leaves the slice is cut there and named in a defect."""
    data = read(offset, size) if size > 0 else b""
    if len(data) < size:
        return data, TableDefect(f"{what} extends beyond end of file", offset + len(data))
    return data, None


def name_budget(table_size: int) -> int:
    """Return how many bytes of names a table may unfold to.

    Entries may share the bytes of their names, so a small hostile table could ask for terabytes.
    Real tables stay below ten times their size.
    """
    return 16 * table_size + (4 << 20)


def external_symbols(image: Image, read: ReadAt) -> Symbols:
    """Read the run dyld takes for the symbols other images can see.

    That is the run of LC_DYSYMTAB, or the whole table without that command; the caller tests ``Symbol.type``
    (dyld-1378, ``common/MachOLayout.cpp``, ``SymbolTable::forEachGlobalSymbol``).
    """
    return _read_run(image, read, *_run(image, _EXTERNALS))


def undefined_symbols(image: Image, read: ReadAt) -> Symbols:
    """Read the undefined symbols (dyld-1378, ``common/MachOLayout.cpp``, ``SymbolTable::forEachImportedSymbol``)."""
    found = _read_run(image, read, *_run(image, _UNDEFINED))
    # A common symbol is undefined with a size in n_value; only objects have them.
    return Symbols(
        tuple(s for s in found.entries if s.type & (N_STAB | N_TYPE) == N_UNDF and s.type & N_EXT and not s.value),
        found.defects,
    )


def defined_symbols(image: Image, read: ReadAt) -> Symbols:
    """Read every symbol that is defined here, local ones included, debugger entries excluded."""
    found = _read_run(image, read, 0, _count(image))
    return Symbols(tuple(s for s in found.entries if s.type & N_STAB == 0 and s.type & N_TYPE != N_UNDF), found.defects)


def _count(image: Image) -> int:
    return image.linkedit.symtab[1] if image.linkedit.symtab else 0


def _run(image: Image, field: int) -> tuple[int, int]:
    """Return (first entry, number of entries) of a run of LC_DYSYMTAB; the whole table where it has no say."""
    dysymtab = image.linkedit.dysymtab
    if dysymtab is None or not any(dysymtab[_LOCALS : _UNDEFINED + 2]):
        return 0, _count(image)
    return dysymtab[field], dysymtab[field + 1]


def _read_run(image: Image, read: ReadAt, first: int, count: int) -> Symbols:
    if image.linkedit.symtab is None or count == 0:
        return Symbols()
    symoff, nsyms, stroff, strsize = image.linkedit.symtab
    layout = _NLIST_64 if image.arch.is_64 else _NLIST
    defects: list[TableDefect] = []
    if first + count > nsyms:
        defects.append(TableDefect("symbol range of LC_DYSYMTAB exceeds the symbol table", symoff))
        first = min(first, nsyms)
        count = nsyms - first
    table, defect = read_table(read, symoff + first * layout.size, count * layout.size, "symbol table")
    if defect:
        defects.append(defect)
    entries = list(layout.iter_unpack(table[: len(table) // layout.size * layout.size]))
    if not entries:
        return Symbols((), tuple(defects))
    # Undefined symbols lie together at one end of the table and so do their names: read from the first name needed.
    base = min(strsize, *(e[0] for e in entries))
    strings, defect = read_table(read, stroff + base, strsize - base, "string table")
    if defect:
        defects.append(defect)
    symbols, defect = _named(entries, strings, base, stroff)
    if defect:
        defects.append(defect)
    return Symbols(symbols, tuple(defects))


def _named(
    entries: Iterable[tuple[int, int, int, int, int]], strings: bytes, base: int, stroff: int
) -> tuple[tuple[Symbol, ...], TableDefect | None]:
    out: list[Symbol] = []
    find = strings.find
    size = len(strings)
    budget = name_budget(size)
    for strx, n_type, sect, desc, value in entries:
        start = strx - base
        if start >= size:
            continue
        end = find(b"\0", start)
        if end < 0:
            end = size
        budget -= end - start
        if budget < 0:
            return tuple(out), TableDefect("names of the string table overlap without end", stroff + strx)
        out.append(Symbol(strings[start:end].decode("utf-8", "surrogateescape"), n_type, sect, desc, value))
    return tuple(out), None
