"""The symbols an image asks for: chained fixups, bind opcodes, or the symbol table.

Which table counts, and what stands in it, follows dyld-1378, ``common/MachOLayout.cpp``,
``Fixups::forEachBindTarget``. Nothing but these tables is read.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from functools import cache
from itertools import chain
from typing import Final

from machochain.macho.constants import LC_DYLD_CHAINED_FIXUPS, LC_DYLD_INFO, LC_DYLD_INFO_ONLY
from machochain.macho.relocations import relocation_binds
from machochain.macho.symtab import (
    N_WEAK_REF,
    REFERENCE_FLAG_UNDEFINED_LAZY,
    REFERENCE_TYPE,
    name_budget,
    read_table,
    undefined_symbols,
)
from machochain.model.image import FileType, HeaderFlag, Image
from machochain.model.reading import ReadAt
from machochain.model.symbols import (
    ORDINAL_FLAT,
    ORDINAL_MAIN_EXECUTABLE,
    ORDINAL_SELF,
    ORDINAL_WEAK,
    Import,
    ImportKind,
    Imports,
    TableDefect,
)

_Parsed = tuple[list[Import], TableDefect | None]

# ---------------------------------------------------------------------------------------------------------------------
# The opcode streams (<mach-o/loader.h>, BIND_OPCODE_*).
#
# One symbol takes about five opcodes, a real process takes half a million symbols. So one regular-expression match
# takes all opcodes of one symbol; only a stream that is not of the form linkers write goes through `_walk`, which
# takes one opcode at a time exactly as dyld does. Opcodes form a prefix code: there is one way to match, hence no
# backtracking worth speaking of, and whatever does not match falls to the last alternative, to the end of the stream.

_LEB: Final = rb"[\x80-\xff]{0,9}[\x00-\x7f]"
"""At most ten bytes: dyld refuses more (``read_uleb128``)."""
_TIMES: Final = rb"[\xc0-\xcf][\x80-\xff]{0,8}[\x01-\x7f]" + _LEB
"""DO_BIND_ULEB_TIMES_SKIPPING_ULEB, unless it binds nothing."""
_ORDINAL: Final = rb"([\x10-\x1f\x30-\x3f]|[\x20-\x2f]" + _LEB + rb")"
_BIND: Final = rb"[\x90-\x9f\xb0-\xbf]|[\xa0-\xaf]" + _LEB + rb"|" + _TIMES
_PLAIN: Final = rb"[\x50-\x5f\x90-\x9f\xb0-\xbf]*+"
_MORE: Final = _PLAIN + rb"(?:(?:[\x60-\x8f\xa0-\xaf]" + _LEB + rb"|" + _TIMES + rb")" + _PLAIN + rb")*"


@cache
def _stream(idle: bytes, places: bytes, ordinal: bytes, bind: bytes, more: bytes) -> re.Pattern[bytes]:
    """Return the pattern for one symbol; groups: ordinal, flags, name, ordinal behind the name, first bind, rest.

    ``(?:X|)`` is an optional X; the engine runs it much faster than ``(?:X)?``. Runs of single-byte opcodes are
    possessive, or several of them in a row could be split in ever so many ways.
    """
    idle += b"*+"
    place = b"(?:[" + places + b"]" + _LEB + b"|)"
    maybe_ordinal = b"(?:" + ordinal + b"|)"
    head = idle + place + idle + maybe_ordinal + idle + place
    symbol = rb"([\x40-\x4f])([^\x00]*+)\x00"
    details = idle + rb"(?:[\x60-\x6f" + places + b"]" + _LEB + idle + b")*"
    binds = b"(?:(" + bind + b")" + more + b"|)"
    return re.compile(head + symbol + idle + maybe_ordinal + details + binds + rb"|([\x00-\xff]+)")


_STREAMS: Final = {
    ImportKind.BIND: (rb"[\x50-\x5f]", rb"\x70-\x8f", _ORDINAL, _BIND, _MORE),
    # BIND_OPCODE_DONE ends each symbol, not the stream; most opcodes are not allowed.
    ImportKind.LAZY_BIND: (rb"\x00", rb"\x70-\x7f", _ORDINAL, rb"[\x90-\x9f]", rb"[\x90-\x9f]*+"),
    # No opcode may set an ordinal; empty groups keep the columns the same.
    ImportKind.WEAK_BIND: (rb"[\x50-\x5f]", rb"\x70-\x8f", rb"()", _BIND, _MORE),
}


class _Malformed(Exception):  # noqa: N818 - control flow inside this module, never seen outside
    """The stream cannot be read further."""

    def __init__(self, text: str, offset: int) -> None:
        self.text = text
        self.offset = offset
        super().__init__(text)


def read_imports(image: Image, read: ReadAt) -> Imports:
    """Read the symbols an image asks for.

    Args:
        image: The header.
        read: Bytes of the slice, offsets from its start.

    Returns:
        The imports; what is malformed is in ``defects``.
    """
    commands = {c.cmd for c in image.commands}
    link = image.linkedit
    has_info = LC_DYLD_INFO_ONLY in commands or LC_DYLD_INFO in commands
    if LC_DYLD_CHAINED_FIXUPS in commands:
        return _gather(_chained(read, *(link.chained_fixups or (0, 0))))
    if image.arch.is_arm64e and has_info:
        return _gather(_opcodes(read, link.bind, ImportKind.CHAINED))
    if has_info:
        return _gather(
            _opcodes(read, link.bind, ImportKind.BIND),
            _opcodes(read, link.lazy_bind, ImportKind.LAZY_BIND),
            _opcodes(read, link.weak_bind, ImportKind.WEAK_BIND),
        )
    if image.file_type in _BOUND_BY_DYLD:
        return relocation_binds(image, read)
    return _from_symbols(image, read)


_BOUND_BY_DYLD: Final = frozenset({FileType.MH_EXECUTE, FileType.MH_DYLIB, FileType.MH_BUNDLE})


def _gather(*parts: _Parsed) -> Imports:
    entries = tuple(chain.from_iterable(entries for entries, _ in parts))
    defects = tuple(defect for _, defect in parts if defect)
    if not defects:
        return Imports(entries)
    before, stops = 0, []
    for found, defect in parts:
        before += len(found)
        words = _words_while_binding(defect.text) if defect is not None else None
        if words is not None:
            stops.append((before, words))
    return Imports(entries, defects, tuple(stops))


_WHILE_BINDING: Final = {
    "chained fixups, imports_offset exceeds": "malformed import table",
    "malformed import table, symbols_offset": "malformed import table",
    "malformed import table, imports[": "malformed import table, string overflow",
    "chained fixups, unknown imports_format": "unknown imports format",
    "BIND_OPCODE_": "",
    "bad ": None,
    "malformed uleb128": None,
    "uleb128 too big": None,
    "unexpected dylib ordinal": None,
}
"""How dyld words at launch what its validator words otherwise (dyld-1378, common/MachOFile.cpp:
forEachChainedFixupTarget()); None where the words are the same. All else it does not notice."""


def _words_while_binding(text: str) -> str | None:
    return next(
        (text if words is None else words for start, words in _WHILE_BINDING.items() if text.startswith(start)), None
    )


# ---------------------------------------------------------------------------------------------------------------------
# Chained fixups


def _chained(read: ReadAt, offset: int, size: int) -> _Parsed:
    """Read the import table of LC_DYLD_CHAINED_FIXUPS.

    The texts are those of dyld-1378, ``mach_o/ChainedFixups.cpp``, ``validLinkedit`` and ``forEachBindTarget``.
    """
    if size == 0:
        return [], None
    data, defect = read_table(read, offset, size, "LC_DYLD_CHAINED_FIXUPS")
    if defect:
        return [], defect
    if size < 28:
        return [], TableDefect("chained fixups, header exceeds LC_DYLD_CHAINED_FIXUPS size", offset)
    version, _, imports_at, symbols_at, count, imports_format, symbols_format = struct.unpack_from("<7I", data)
    problem = None
    entry_size = {1: 4, 2: 8, 3: 16}.get(imports_format, 0)
    overlap = ""
    if version != 0:
        problem = f"chained fixups, unknown header version ({version})"
    elif imports_at > size:
        problem = "chained fixups, imports_offset exceeds LC_DYLD_CHAINED_FIXUPS size"
    elif not entry_size:
        problem = f"chained fixups, unknown imports_format ({imports_format})"
    elif symbols_format != 0:
        # 1 is zlib; no dyld unpacks it.
        problem = f"chained fixups, symbols_format unknown ({symbols_format})"
    elif symbols_at > size:
        problem = "malformed import table, symbols_offset too large"
    elif imports_at + entry_size * count > symbols_at:
        # dyld does not notice and takes names for imports, until one points nowhere
        overlap = "chained fixups, imports array overlaps symbols"
    if problem:
        return [], TableDefect(problem, offset)
    table = data[imports_at : imports_at + entry_size * count]
    words = _import_words(table[: len(table) // entry_size * entry_size], imports_format)
    entries, defect = _chained_names(data, symbols_at, words, offset)
    return entries, defect or (TableDefect(overlap, offset) if overlap else None)


def _import_words(table: bytes, imports_format: int) -> Iterator[tuple[int, bool, int]]:
    """Yield (ordinal, weak, name offset); the fields differ per format, the addend is left aside."""
    if imports_format == 3:
        for word, _ in struct.Struct("<QQ").iter_unpack(table):
            ordinal = word & 0xFFFF
            yield ordinal - 0x10000 if ordinal > 0xFFF0 else ordinal, bool(word & 0x10000), word >> 32
        return
    for (word,) in struct.Struct("<I" if imports_format == 1 else "<I4x").iter_unpack(table):
        ordinal = word & 0xFF
        yield ordinal - 0x100 if ordinal > 0xF0 else ordinal, word & 0x100 != 0, word >> 9


def _chained_names(data: bytes, symbols_at: int, words: Iterator[tuple[int, bool, int]], offset: int) -> _Parsed:
    out: list[Import] = []
    add, find, size, kind = out.append, data.find, len(data), ImportKind.CHAINED
    new, cls = tuple.__new__, Import
    budget = name_budget(size)
    for ordinal, weak, name_offset in words:
        start = symbols_at + name_offset
        if start > size:
            text = f"malformed import table, imports[{len(out)}].name_offset ({name_offset}) out of range"
            return out, TableDefect(text, offset)
        end = find(b"\0", start)
        if end < 0:
            end = size
        budget -= end - start
        if budget < 0:
            return out, TableDefect("names of the import table overlap without end", offset + start)
        add(new(cls, (data[start:end].decode("utf-8", "surrogateescape"), ordinal, weak, False, kind)))
    return out, None


# ---------------------------------------------------------------------------------------------------------------------
# Opcodes


def _opcodes(read: ReadAt, place: tuple[int, int] | None, kind: ImportKind) -> _Parsed:
    """Read one stream. ``CHAINED`` stands for the bind opcodes of old arm64e images, which fill an import table."""
    if place is None or place[1] == 0:
        return [], None
    offset, size = place
    data, cut = read_table(read, offset, size, kind.value)
    pattern = _stream(*_STREAMS[kind]) if kind in _STREAMS else None
    rows = pattern.findall(data) if pattern else []
    if pattern is None or (rows and not _is_end(rows[-1][-1], kind)):
        out, defect = _walk(data, offset, kind)
        return out, cut or defect
    lazy = kind is ImportKind.LAZY_BIND
    ordinal = ORDINAL_WEAK if kind is ImportKind.WEAK_BIND else 0
    ordinals = _OrdinalCache()
    out = []
    add, new, cls = out.append, tuple.__new__, Import
    for before, flags, name, after, bind, _ in rows:
        if before:
            ordinal = ordinals[before]
        if after:
            ordinal = ordinals[after]
        if bind:
            # The constructor of a named tuple is Python code and would double the time.
            add(new(cls, (name.decode("utf-8", "surrogateescape"), ordinal, flags in _WEAK_FLAGS, lazy, kind)))
    return out, cut


_WEAK_FLAGS: Final = frozenset(bytes([0x40 | i]) for i in range(16) if i & 1)


def _is_end(rest: bytes, kind: ImportKind) -> bool:
    """Whether what no symbol claimed is merely the end: BIND_OPCODE_DONE, after which nothing is looked at."""
    if kind is ImportKind.LAZY_BIND:
        return not rest.strip(b"\0")
    return rest[:1] in {b"", b"\0"}


class _OrdinalCache(dict[bytes, int]):
    """Ordinals by the bytes of the opcode that sets them."""

    def __missing__(self, opcode: bytes) -> int:
        value = _ordinal_of(opcode[0], _uleb(opcode, 1)[0] if len(opcode) > 1 else 0)
        self[opcode] = value
        return value


def _ordinal_of(byte: int, operand: int) -> int:
    """Return the ordinal of a BIND_OPCODE_SET_DYLIB_* opcode."""
    immediate = byte & 0x0F
    if byte & 0xF0 == 0x10:
        return immediate
    if byte & 0xF0 == 0x30:
        return immediate - 16 if immediate else ORDINAL_SELF
    # dyld keeps it in an int: the low 32 bits, signed.
    low = operand & 0xFFFFFFFF
    return low - (1 << 32) if low >> 31 else low


def _uleb(data: bytes, at: int) -> tuple[int, int]:
    """Return (value, offset behind it); 64 bits, what exceeds them is lost as in dyld."""
    value = shift = 0
    while True:
        if at >= len(data):
            raise _Malformed("malformed uleb128", at)
        if shift > 63:
            raise _Malformed("uleb128 too big for uint64", at)
        byte = data[at]
        value |= (byte & 0x7F) << shift
        shift += 7
        at += 1
        if byte < 0x80:
            return value & 0xFFFFFFFFFFFFFFFF, at


_BIND_NAMES: Final = {
    0x90: "BIND_OPCODE_DO_BIND",
    0xA0: "BIND_OPCODE_DO_BIND_ADD_ADDR_ULEB",
    0xB0: "BIND_OPCODE_DO_BIND_ADD_ADDR_IMM_SCALED",
    0xC0: "BIND_OPCODE_DO_BIND_ULEB_TIMES_SKIPPING_ULEB",
}
_OPERAND_COUNTS: Final = {0x20: 1, 0x60: 1, 0x70: 1, 0x80: 1, 0xA0: 1, 0xC0: 2}
_ALLOWED: Final = {
    ImportKind.BIND: frozenset(range(0x00, 0xD0, 0x10)),
    ImportKind.LAZY_BIND: frozenset({0x00, 0x10, 0x20, 0x30, 0x40, 0x60, 0x70, 0x90}),
    ImportKind.WEAK_BIND: frozenset(range(0x00, 0xD0, 0x10)) - {0x10, 0x20, 0x30},
    ImportKind.CHAINED: frozenset({0x00, 0x10, 0x20, 0x30, 0x40, 0x50, 0x60, 0x70, 0x90, 0xD0}),
}


def _walk(data: bytes, offset: int, kind: ImportKind) -> _Parsed:
    """Take one opcode at a time, as dyld does, and stop where dyld stops.

    dyld-1378, ``common/MachOLayout.cpp``: ``forEachBind_OpcodesRegular``, ``…Lazy``, ``…Weak`` and
    ``parseOrgArm64eChainedFixups``.
    """
    out: list[Import] = []
    try:
        out.extend(_targets(data, kind))
    except _Malformed as error:
        return out, TableDefect(error.text, offset + error.offset)
    return out, None


def _targets(data: bytes, kind: ImportKind) -> Iterator[Import]:
    """Yield what the stream binds to: at the first bind of each symbol, and again where only the ordinal differs.

    In a regular or weak stream dyld makes a new target only after a symbol or an addend was set.
    """
    lazy = kind is ImportKind.LAZY_BIND
    every_bind = lazy or kind is ImportKind.CHAINED
    ordinal = ORDINAL_WEAK if kind is ImportKind.WEAK_BIND else 0
    name: bytes | None = None
    weak = False
    changed = True
    bound: int | None = None
    at = 0
    while at < len(data):
        start = at
        byte = data[at]
        opcode = byte & 0xF0
        operands, at = _operands(data, at, kind)
        if opcode == 0x00:
            if not lazy:
                return
        elif opcode in {0x10, 0x20, 0x30}:
            ordinal = _ordinal_of(byte, operands[0] if operands else 0)
        elif opcode == 0x40:
            end = data.find(b"\0", at)
            if end < 0:
                raise _Malformed("symbol name extends beyond bind opcodes", at)
            name, weak, changed, bound = data[at:end], bool(byte & 1), True, None
            at = end + 1
        elif opcode == 0x60:
            changed = True
        elif opcode in _BIND_NAMES and (opcode != 0xC0 or operands[0]):
            if name is None:
                text = f"{_BIND_NAMES[opcode]} missing preceding BIND_OPCODE_SET_SYMBOL_TRAILING_FLAGS_IMM"
                raise _Malformed(text, start)
            if (changed or every_bind) and bound != ordinal:
                yield Import(name.decode("utf-8", "surrogateescape"), ordinal, weak, lazy, kind)
                bound = ordinal
            changed = False


def _operands(data: bytes, at: int, kind: ImportKind) -> tuple[list[int], int]:
    """Check the opcode at an offset; return its LEB128 operands and the offset behind them."""
    byte = data[at]
    opcode = byte & 0xF0
    if kind is ImportKind.WEAK_BIND and opcode in {0x10, 0x20, 0x30}:
        raise _Malformed("unexpected dylib ordinal in weak_bind", at)
    if opcode not in _ALLOWED[kind]:
        raise _Malformed(_bad_opcode(data, at, kind), at)
    if byte > 0xD1:
        raise _Malformed(f"bad BIND_OPCODE_THREADED sub-opcode 0x{byte & 0x0F:02X}", at)
    at += 1
    operands = []
    for _ in range(1 if byte == 0xD0 else _OPERAND_COUNTS.get(opcode, 0)):
        operand, at = _uleb(data, at)
        operands.append(operand)
    return operands, at


def _bad_opcode(data: bytes, at: int, kind: ImportKind) -> str:
    """Return dyld's words. It prints the opcode, its low bits or, by mistake, the byte behind it."""
    if kind is ImportKind.LAZY_BIND:
        return f"bad lazy bind opcode 0x{data[at] & 0xF0:02X}"
    if kind is ImportKind.CHAINED:
        return f"bad bind opcode 0x{data[at] & 0x0F:02X}"
    return f"bad bind opcode 0x{int.from_bytes(data[at + 1 : at + 2]):02X}"


# ---------------------------------------------------------------------------------------------------------------------
# Symbol table: images older than macOS 10.6, and object files


def _from_symbols(image: Image, read: ReadAt) -> Imports:
    """Take the undefined symbols (dyld-1378, ``common/MachOLayout.cpp``, ``Fixups::libOrdinalFromDesc``)."""
    two_level = bool(image.flags & HeaderFlag.MH_TWOLEVEL)
    special = {0xFE: ORDINAL_FLAT, 0xFF: ORDINAL_MAIN_EXECUTABLE}
    symbols = undefined_symbols(image, read)
    return Imports(
        tuple(
            Import(
                s.name,
                special.get(s.desc >> 8, s.desc >> 8) if two_level else ORDINAL_FLAT,
                bool(s.desc & N_WEAK_REF),
                s.desc & REFERENCE_TYPE == REFERENCE_FLAG_UNDEFINED_LAZY,
                ImportKind.SYMBOL_TABLE,
            )
            for s in symbols.entries
        ),
        symbols.defects,
    )
