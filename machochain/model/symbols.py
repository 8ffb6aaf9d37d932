"""Symbols an image asks for and gives: what the binding tables and the export trie say.

A process imports hundreds of thousands of symbols, so one of them is a named tuple, not an attrs value.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

from machochain.model.value import frozen

ORDINAL_SELF = 0
"""Library ordinal: the importing image itself (BIND_SPECIAL_DYLIB_SELF)."""
ORDINAL_MAIN_EXECUTABLE = -1
"""Library ordinal: the main executable (BIND_SPECIAL_DYLIB_MAIN_EXECUTABLE)."""
ORDINAL_FLAT = -2
"""Library ordinal: every image in load order (BIND_SPECIAL_DYLIB_FLAT_LOOKUP)."""
ORDINAL_WEAK = -3
"""Library ordinal: coalescing over all images with weak definitions (BIND_SPECIAL_DYLIB_WEAK_LOOKUP)."""


class ImportKind(Enum):
    """The table an import was read from; it decides what dyld does when the symbol is missing."""

    CHAINED = "chained fixups"
    BIND = "bind opcodes"
    WEAK_BIND = "weak-bind opcodes"
    LAZY_BIND = "lazy-bind opcodes"
    SYMBOL_TABLE = "symbol table"


class Import(NamedTuple):
    """One symbol an image asks for.

    Attributes:
        name: The Mach-O name, leading underscore included; bytes that are not UTF-8 as surrogate escapes.
        ordinal: The library it is bound to: 1-based over the linked dylibs, or one of the ORDINAL_ constants.
            As written: it may exceed the number of linked dylibs.
        weak: Weak-import: a missing symbol becomes NULL.
        lazy: Bound at first call only, unless the process asks for binding at launch.
        kind: The table it comes from.
    """

    name: str
    ordinal: int
    weak: bool
    lazy: bool
    kind: ImportKind


@frozen
class TableDefect:
    """Why reading of a table in __LINKEDIT stopped early.

    Attributes:
        text: What is wrong; dyld's own words where dyld looks at it.
        offset: Where, bytes from the start of the slice.
    """

    text: str
    offset: int


@frozen
class Imports:
    """All symbols one image asks for.

    Attributes:
        entries: In the order of the tables: chained imports; or binds, lazy binds, weak binds; or undefined
            symbols. A symbol may come up more than once, with other addends or in other tables.
        defects: Where a table could not be read to its end; the entries before are kept.
        stops: Where dyld itself stops while it binds: how many entries come before, and its words; ``""`` where it
            crashes instead.
    """

    entries: tuple[Import, ...] = ()
    defects: tuple[TableDefect, ...] = ()
    stops: tuple[tuple[int, str], ...] = ()


EXPORT_KIND_MASK = 0x03
EXPORT_KIND_THREAD_LOCAL = 0x01
EXPORT_KIND_ABSOLUTE = 0x02
EXPORT_WEAK_DEFINITION = 0x04
EXPORT_REEXPORT = 0x08
EXPORT_STUB_AND_RESOLVER = 0x10
EXPORT_FUNCTION_VARIANT = 0x20


class Export(NamedTuple):
    """One symbol an image gives.

    Attributes:
        name: The Mach-O name, leading underscore included; bytes that are not UTF-8 as surrogate escapes.
        flags: EXPORT_SYMBOL_FLAGS_* of the trie; for a symbol-table entry the same bits.
        value: Bytes from the image's load address (an address as such for an absolute symbol); 0 for a re-export.
        ordinal: For a re-export the library it comes from, 1-based over the linked dylibs as written; else 0.
        imported_name: For a re-export its name in that library (the same name if the trie gives none); else ``""``.
        other: Offset of the resolver function, or index of the function-variant table; else 0.
    """

    name: str
    flags: int
    value: int = 0
    ordinal: int = 0
    imported_name: str = ""
    other: int = 0

    @property
    def reexport(self) -> bool:
        """Whether another library defines it. dyld looks at this bit before the kind."""
        return bool(self.flags & EXPORT_REEXPORT)

    @property
    def weak(self) -> bool:
        """Whether it is a weak definition, open to coalescing."""
        return bool(self.flags & EXPORT_WEAK_DEFINITION)

    @property
    def thread_local(self) -> bool:
        """Whether it is a thread-local variable."""
        return self.flags & EXPORT_KIND_MASK == EXPORT_KIND_THREAD_LOCAL

    @property
    def absolute(self) -> bool:
        """Whether ``value`` is an address that does not slide."""
        return self.flags & EXPORT_KIND_MASK == EXPORT_KIND_ABSOLUTE

    @property
    def has_resolver(self) -> bool:
        """Whether a function of the image decides at bind time."""
        return bool(self.flags & EXPORT_STUB_AND_RESOLVER)

    @property
    def function_variant(self) -> bool:
        """Whether dyld picks from a table of variants (dyld-1284 and later)."""
        return bool(self.flags & EXPORT_FUNCTION_VARIANT)


class Symbol(NamedTuple):
    """One entry of the symbol table (<mach-o/nlist.h>).

    Attributes:
        name: The Mach-O name; bytes that are not UTF-8 as surrogate escapes.
        type: ``n_type``.
        section: ``n_sect``, 1-based over all sections of the image; 0 for none.
        desc: ``n_desc`` as an unsigned number.
        value: ``n_value``.
    """

    name: str
    type: int
    section: int
    desc: int
    value: int


@frozen
class Symbols:
    """A run of symbol-table entries.

    Attributes:
        entries: In table order.
        defects: What could not be read; entries whose name lies outside the string table are left out, as dyld does.
    """

    entries: tuple[Symbol, ...] = ()
    defects: tuple[TableDefect, ...] = ()
