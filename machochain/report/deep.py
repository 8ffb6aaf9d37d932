"""Symbols, imports and exports of one image, for ``inspect --deep``: as JSON and as text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

from machochain.macho.deep import DeepFacts, DeepSymbol
from machochain.model.image import Image
from machochain.model.paths import printable
from machochain.model.symbols import (
    ORDINAL_FLAT,
    ORDINAL_MAIN_EXECUTABLE,
    ORDINAL_SELF,
    ORDINAL_WEAK,
    Export,
    Import,
    TableDefect,
)

if TYPE_CHECKING:
    from machochain.report.style import Style

_SCOPES: Final = {
    ORDINAL_SELF: "itself",
    ORDINAL_MAIN_EXECUTABLE: "main executable",
    ORDINAL_FLAT: "flat lookup",
    ORDINAL_WEAK: "weak lookup",
}
_SHOWN: Final = 8
"""Names listed in text before the rest is counted."""


def deep_fields(facts: DeepFacts, image: Image) -> dict[str, Any]:
    """Return the facts as JSON has them."""
    return {
        "imports": [
            {
                "ordinal": ordinal,
                "library": _library(image, ordinal),
                "scope": _SCOPES.get(ordinal, "library"),
                "symbols": [
                    {"name": each.name, "weak": each.weak, "lazy": each.lazy, "table": each.kind.value}
                    for each in entries
                ],
            }
            for ordinal, entries in _by_library(facts.imports.entries)
        ],
        "import_errors": _defects(facts.imports.defects),
        "exports": [_export(each, image) for each in facts.exports],
        "export_errors": _defects(facts.export_defects),
        "objective_c": facts.objc,
        "swift": facts.swift,
        "lief": None
        if facts.reader is None
        else {
            "version": facts.reader.partition(" ")[2],
            "symbols": [_symbol(each, image) for each in facts.symbols],
            "debug_symbols": facts.debug_symbols,
            "bindings": facts.bindings,
            "relocations": facts.relocations,
            "functions": facts.functions,
            "disagreements": [
                {"table": each.table, "name": each.name, "ours": each.ours, "theirs": each.theirs}
                for each in facts.disagreements
            ],
        },
        "lief_error": facts.error,
    }


def _by_library(entries: Iterable[Import]) -> list[tuple[int, list[Import]]]:
    """Group imports by ordinal, libraries first in their order, each symbol of a table once."""
    groups: dict[int, list[Import]] = {}
    for each in dict.fromkeys(entries):
        groups.setdefault(each.ordinal, []).append(each)
    return sorted(groups.items(), key=lambda item: (item[0] <= 0, abs(item[0])))


def _library(image: Image, ordinal: int) -> str | None:
    return image.loads[ordinal - 1].name if 0 < ordinal <= len(image.loads) else None


def _defects(defects: Iterable[TableDefect]) -> list[dict[str, Any]]:
    return [{"message": each.text, "offset": each.offset} for each in defects]


def _export(each: Export, image: Image) -> dict[str, Any]:
    return {
        "name": each.name,
        "value": each.value,
        "weak": each.weak,
        "thread_local": each.thread_local,
        "absolute": each.absolute,
        "resolver": each.has_resolver,
        "reexport": {"library": _library(image, each.ordinal), "name": each.imported_name} if each.reexport else None,
    }


def _symbol(each: DeepSymbol, image: Image) -> dict[str, Any]:
    return {
        "name": each.name,
        "kind": each.kind,
        "external": each.external,
        "value": each.value,
        "section": each.section,
        "library": _library(image, each.ordinal) if each.ordinal is not None else None,
    }


def deep_lines(facts: DeepFacts, image: Image, style: Style) -> Iterator[tuple[str, str]]:
    """Yield pairs of a key and a text; without ``-v`` long lists of names are cut."""
    languages = [name for name, there in (("Objective-C", facts.objc), ("Swift", facts.swift)) if there]
    if languages:
        yield "metadata", " and ".join(languages)
    if facts.reader is None:
        yield "LIEF", style.paint(printable(facts.error or "refused the image"), "doubt")
    else:
        functions = "" if facts.functions is None else f", {facts.functions} functions"
        symbols = f"{len(facts.symbols)} symbols ({facts.debug_symbols} more for debuggers)"
        yield "LIEF", f"{symbols}, {facts.bindings} bindings, {facts.relocations} relocations{functions}"
    for ordinal, entries in _by_library(facts.imports.entries):
        place = _library(image, ordinal) or _SCOPES.get(ordinal) or f"library {ordinal}, which is not there"
        yield "imports", f"{len(entries)} from {printable(place)}"
        yield from _names([f"{each.name}{' (weak)' if each.weak else ''}" for each in entries], style)
    if facts.exports:
        yield "exports", str(len(facts.exports))
        yield from _names([_exported(each, image) for each in facts.exports], style)
    for defect in (*facts.imports.defects, *facts.export_defects):
        yield "malformed", style.paint(f"{printable(defect.text)} (at offset {defect.offset:#x})", "bad")
    for each in facts.disagreements:
        words = f"{printable(each.name)}: {each.ours or 'absent'}; LIEF says {each.theirs or 'absent'}"
        yield "disagreement", style.paint(f"{each.table}: {words}", "doubt")


def _exported(each: Export, image: Image) -> str:
    if not each.reexport:
        return f"{each.name}{' (weak)' if each.weak else ''}"
    return f"{each.name} (from {_library(image, each.ordinal) or f'library {each.ordinal}'})"


def _names(names: Sequence[str], style: Style) -> Iterator[tuple[str, str]]:
    shown = names if style.verbose else names[:_SHOWN]
    for name in shown:
        yield "", f"  {printable(name)}"
    if len(names) > len(shown):
        yield "", f"  and {len(names) - len(shown)} more (-v)"
