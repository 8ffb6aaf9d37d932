"""From what one image looks up in vain, library by library, to the symbols that are told."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Final

from machochain.graph.symbol_tables import Answer, Lacking, Wanted
from machochain.model.result import Lookup, MissingSymbol
from machochain.model.shortage import Fields, Shortage, known_shortage
from machochain.model.symbols import Import

NOTHING: Final = Shortage()
_FEW: Final = 4
"""One in so many: then what is missing takes less memory than the table it follows from, which a result would keep."""


def shortage_of(wanted: Wanted, lacking: Mapping[int, Lacking], *, classic: bool) -> Shortage:
    """Return what an image looks up in vain; nothing of it is made before somebody asks.

    Args:
        wanted: What it asks for.
        lacking: What is not found, by library ordinal.
        classic: Whether dyld2 binds it.
    """
    if not lacking:
        return NOTHING
    if sum(len(answers) for answers, _, _ in lacking.values()) < len(wanted.two_level) // _FEW:
        return known_shortage(tuple(_told(wanted, lacking, classic, 0)))
    return Shortage(partial(_told, wanted, lacking, classic), partial(_kinds, wanted, lacking, classic))


def _told(wanted: Wanted, lacking: Mapping[int, Lacking], classic: bool, source: int) -> Iterator[MissingSymbol]:
    """Yield what is not found, in the order of the tables: names were looked up library by library."""
    for entry, answer, expected, lookup in _lacked(wanted, lacking):
        fatal = lookup is Lookup.BAD_ORDINAL and not classic
        yield missing(entry, source, expected, answer, lookup, fatal=fatal)


def _kinds(wanted: Wanted, lacking: Mapping[int, Lacking], classic: bool) -> Iterator[Fields]:
    """Yield the kinds of the same symbols."""
    for entry, answer, expected, lookup in _lacked(wanted, lacking):
        fatal = answer.error is not None or (lookup is Lookup.BAD_ORDINAL and not classic)
        yield expected, lookup, entry.lazy, entry.weak, fatal, answer.once, answer.found is not None


def _lacked(wanted: Wanted, lacking: Mapping[int, Lacking]) -> Iterator[tuple[Import, Answer, str | None, Lookup]]:
    for entry in wanted.two_level:
        lacked = lacking.get(entry.ordinal)
        if lacked is not None:
            answer = lacked[0].get(entry.name)
            if answer is not None:
                yield entry, answer, lacked[1], lacked[2]


def missing(
    entry: Import, source: int, expected: str | None, answer: Answer, lookup: Lookup, *, fatal: bool = False
) -> MissingSymbol:
    """Return what is told of one import that is not found, or of which nobody can tell.

    Args:
        entry: The import.
        source: Id of the image that asks.
        expected: Where dyld expects it.
        answer: What is known of it.
        lookup: How it was looked up.
        fatal: Whether it ends the launch, whatever its table says.
    """
    unknown = answer.why if answer.found is None else None
    fatal = fatal or answer.error is not None
    return MissingSymbol(
        entry.name,
        source,
        expected,
        entry.lazy,
        entry.weak,
        unknown,
        entry.ordinal,
        lookup,
        answer.once,
        error=answer.error,
        fatal=fatal,
    )
