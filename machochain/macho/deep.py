"""What LIEF knows of an image beyond its header, and where it disagrees with our own readers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from machochain.macho.apart import LIEF
from machochain.macho.exports import open_exports
from machochain.macho.imports import read_imports
from machochain.model.errors import InputError
from machochain.model.image import Image, Section
from machochain.model.reading import ReadAt
from machochain.model.symbols import Export, Import, ImportKind, Imports, TableDefect
from machochain.model.value import frozen

_TYPES: Final = {0x0: "undefined", 0x2: "absolute", 0xA: "indirect", 0xC: "prebound", 0xE: "section"}
"""``n_type & N_TYPE`` (<mach-o/nlist.h>)."""
_OBJC: Final = ("__objc_imageinfo", "__objc_classlist", "__image_info")


@frozen
class DeepSymbol:
    """One entry of the symbol table, debugger entries excluded.

    Attributes:
        name: The Mach-O name.
        kind: ``undefined``, ``absolute``, ``indirect``, ``prebound``, ``section``; ``type N`` for other numbers.
        external: Whether other images may see it.
        value: ``n_value``: an address as linked, for a symbol of a section.
        section: Segment and section it lies in, ``__TEXT,__text``; None if in none.
        ordinal: Library ordinal of an undefined symbol as LIEF reads it, else None.
    """

    name: str
    kind: str
    external: bool
    value: int
    section: str | None
    ordinal: int | None


@frozen
class Disagreement:
    """One thing that LIEF and our reader read in different ways.

    Attributes:
        table: ``imports`` or ``exports``.
        name: The symbol.
        ours: What our reader says of it; None if it has no such symbol.
        theirs: What LIEF says of it; None if it has no such symbol.
    """

    table: str
    name: str
    ours: str | None
    theirs: str | None


@frozen
class DeepFacts:
    """The tables of one image.

    Attributes:
        imports: What it asks for, by our own reader.
        exports: What it gives, by our own reader.
        export_defects: What is malformed in the table of exports.
        objc: Whether it has Objective-C metadata.
        swift: Whether it has Swift metadata.
        reader: LIEF and its version; None if it refused the image.
        error: Why LIEF refused it, or None.
        symbols: The symbol table, by LIEF.
        debug_symbols: How many debugger entries (stabs) the symbol table has besides.
        bindings: Places in the image that are bound to a symbol, by LIEF.
        relocations: Places that are moved with the image, by LIEF.
        functions: Entries of LC_FUNCTION_STARTS, by LIEF; None without that command.
        disagreements: Where LIEF reads other imports or exports than we do.
    """

    imports: Imports
    exports: tuple[Export, ...]
    export_defects: tuple[TableDefect, ...]
    objc: bool
    swift: bool
    reader: str | None = None
    error: str | None = None
    symbols: tuple[DeepSymbol, ...] = ()
    debug_symbols: int = 0
    bindings: int = 0
    relocations: int = 0
    functions: int | None = None
    disagreements: tuple[Disagreement, ...] = ()


def read_deep(image: Image, sections: Iterable[Section], read: ReadAt, size: int) -> DeepFacts:
    """Read the tables of an image with our readers and with LIEF, and compare.

    Args:
        image: The header.
        sections: Its sections.
        read: Bytes of the slice, offsets from its start.
        size: Length of the slice in bytes; all of it is read, as LIEF needs it whole.
    """
    imports = read_imports(image, read)
    table = open_exports(image, read)
    exports = table.all()
    found = tuple(sections)
    names = [s.name for s in found]
    objc = any(name in _OBJC for name in names)
    swift = any(name.startswith("__swift") for name in names)
    try:
        theirs = LIEF.ask(read(0, size))
    except InputError as error:
        return DeepFacts(imports, exports, table.defects, objc, swift, error=error.reason)
    return DeepFacts(
        imports,
        exports,
        table.defects,
        objc,
        swift,
        f"LIEF {theirs['version']}",
        None,
        tuple(_symbols(theirs["symbols"], found)),
        theirs["debug_symbols"],
        theirs["bindings"],
        theirs["relocations"],
        theirs["functions"],
        (
            *_imports(theirs, imports),
            *_exports(theirs, image, exports),
        ),
    )


def _symbols(theirs: Iterable[Sequence[Any]], sections: Sequence[Section]) -> Iterator[DeepSymbol]:
    places = [f"{s.segment},{s.name}" for s in sections]
    for name, number, external, value, index, ordinal in theirs:
        kind = _TYPES.get(number, f"type {number}")
        section = places[index - 1] if kind == "section" and 0 < index <= len(places) else None
        yield DeepSymbol(name, kind, external, value, section, ordinal)


def _imports(theirs: Mapping[str, Any], imports: Imports) -> Iterator[Disagreement]:
    found = _lief_imports(theirs, imports)
    known = {name for name, _ in found}
    ours = {
        (each.name, _import_words(each.ordinal, weak=_weak(each)))
        for each in imports.entries
        # dyld looks up every entry of the import table; LIEF lists those that a chain leads to.
        if each.kind is not ImportKind.CHAINED or each.name in known
    }
    yield from _compare("imports", ours, found)


def _weak(each: Import) -> bool:
    # LIEF does not tell the flag of a weak bind, whose symbol may always be missing.
    return each.weak and each.kind is not ImportKind.WEAK_BIND


def _import_words(ordinal: int, *, weak: bool) -> str:
    return f"library {ordinal}{', weak' if weak else ''}"


def _lief_imports(theirs: Mapping[str, Any], ours: Imports) -> set[tuple[str, str]]:
    if any(each.kind is ImportKind.SYMBOL_TABLE for each in ours.entries):
        # LIEF does not interpret ordinals of images without fixups: the names are what can be compared.
        words = {each.name: _import_words(each.ordinal, weak=each.weak) for each in ours.entries}
        return {(name, words.get(name, "undefined")) for name in theirs["undefined"]}
    return {(name, _import_words(ordinal, weak=weak)) for name, ordinal, weak in theirs["bound"]}


def _exports(theirs: Mapping[str, Any], image: Image, exports: Iterable[Export]) -> Iterator[Disagreement]:
    if image.linkedit.exports_trie is None or theirs["exports"] is None:
        return
    ours = {(e.name, _export_words(e.flags, 0 if e.reexport else e.value)) for e in exports}
    found = {(name, _export_words(flags, address)) for name, flags, address in theirs["exports"]}
    yield from _compare("exports", ours, found)


def _export_words(flags: int, value: int) -> str:
    return f"flags {flags:#x}, value {value:#x}"


def _compare(table: str, ours: set[tuple[str, str]], theirs: set[tuple[str, str]]) -> Iterator[Disagreement]:
    """Yield what only one side has, one entry for each name."""
    mine: dict[str, list[str]] = {}
    other: dict[str, list[str]] = {}
    for name, words in sorted(ours - theirs):
        mine.setdefault(name, []).append(words)
    for name, words in sorted(theirs - ours):
        other.setdefault(name, []).append(words)
    for name in sorted({*mine, *other}):
        yield Disagreement(table, name, "; ".join(mine.get(name, ())) or None, "; ".join(other.get(name, ())) or None)
