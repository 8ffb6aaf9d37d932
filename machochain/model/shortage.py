"""What images look up in vain: one table for each image, which every process shares in which it lacks the same."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property, partial
from itertools import islice
from typing import Any, NamedTuple, overload

from machochain.model.frozen import LateTuple
from machochain.model.result import PLACELESS, Lookup, MissingSymbol
from machochain.model.value import evolve


class Kind(NamedTuple):
    """What symbols have in common that are judged alike: fields of `MissingSymbol`.

    Attributes:
        expected_in: As there.
        lookup: As there.
        lazy: As there.
        weak: As there.
        fatal: As there.
        once: As there.
        known: Whether they are certainly missing.
    """

    expected_in: str | None
    lookup: Lookup
    lazy: bool
    weak: bool
    fatal: bool
    once: bool
    known: bool

    @property
    def place(self) -> str | None:
        """As in `MissingSymbol`."""
        return self.lookup.value if self.lookup in PLACELESS else self.expected_in


Fields = tuple[str | None, Lookup, bool, bool, bool, bool, bool]
"""The fields of a `Kind`."""


class Shortage:
    """The symbols that one image looks up in vain, in the order of its tables.

    Its id differs from process to process, all else is the same.
    """

    def __init__(
        self,
        make: Callable[[int], Iterable[MissingSymbol]] | None = None,
        sort: Callable[[], Iterable[Fields]] | None = None,
    ) -> None:
        """Take what is missing.

        Args:
            make: Tells it, for a process in which the image has some id; None if nothing is missing.
            sort: Tells the kind of each, in the same order; without it that is found out from the symbols themselves.
        """
        self._make = make
        self._sort = sort
        self._told: dict[tuple[int, ...], tuple[MissingSymbol, ...]] = {}

    def of(self, source: int) -> Iterable[MissingSymbol]:
        """Return what is missing, for a process in which the image has an id: made each time somebody asks."""
        return self._make(source) if self._make is not None else ()

    def at(self, places: Iterable[int], source: int) -> Sequence[MissingSymbol]:
        """Return those at some places of the table, rising; they are few, and asked for on release after release."""
        key = tuple(places)
        told = self._told.get(key)
        if told is None:
            wanted = frozenset(key)
            told = self._told[key] = tuple(m for place, m in enumerate(self.of(source)) if place in wanted)
        return told if not told or told[0].source == source else [evolve(m, source=source) for m in told]

    @cached_property
    def kinds(self) -> dict[Kind, tuple[int, ...]]:
        """Where in the table the symbols of each kind are, kinds in the order in which they come first."""
        found: dict[Kind, list[int]] = {}
        last, places = None, list[int]()
        for index, fields in enumerate(self._sort() if self._sort is not None else self._fields()):
            if fields != last:  # most are of the kind of the one before
                last, places = fields, found.setdefault(Kind(*fields), [])
            places.append(index)
        return {kind: tuple(places) for kind, places in found.items()}

    def _fields(self) -> Iterator[Fields]:
        for m in self.of(0):
            yield m.expected_in, m.lookup, m.lazy, m.weak, m.fatal, m.once, m.unknown is None

    @cached_property
    def count(self) -> int:
        """How many they are."""
        return sum(map(len, self.kinds.values()))

    def __reduce__(self) -> tuple[Callable[[Sequence[MissingSymbol]], Shortage], tuple[tuple[MissingSymbol, ...]]]:
        return known_shortage, (tuple(self.of(0)),)


def known_shortage(symbols: Sequence[MissingSymbol]) -> Shortage:
    """Return what is missing where that is told already."""
    return Shortage(partial(_with_source, tuple(symbols))) if symbols else Shortage()


def _with_source(symbols: Sequence[MissingSymbol], source: int) -> Iterable[MissingSymbol]:
    if symbols[0].source == source:
        return symbols
    return (evolve(missing, source=source) for missing in symbols)


def by_image(missing: Sequence[MissingSymbol]) -> Sequence[tuple[int, Shortage]]:
    """Return what each image lacks, by its id, images in the order in which they come first."""
    if isinstance(missing, MissingSymbols):
        return missing.parts
    found: dict[int, list[MissingSymbol]] = {}
    for each in missing:
        found.setdefault(each.source, []).append(each)
    return [(source, known_shortage(symbols)) for source, symbols in found.items()]


class MissingSymbols(LateTuple[MissingSymbol]):
    """What the images of a process look up in vain, in the order dyld binds them.

    It is to all who read it what a tuple would be. There may be thousands of symbols in each of hundreds of processes,
    and most are never looked at one by one: what is told of each is made when it is asked for.
    """

    __slots__ = ("_length", "parts")

    def __init__(self, parts: Sequence[tuple[int, Shortage]]) -> None:
        """Take what each image lacks, by the image's id."""
        self.parts = tuple(parts)
        self._length = sum(shortage.count for _, shortage in parts)

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[MissingSymbol]:
        for source, shortage in self.parts:
            yield from shortage.of(source)

    @overload
    def __getitem__(self, index: int) -> MissingSymbol: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[MissingSymbol, ...]: ...
    def __getitem__(self, index: int | slice) -> MissingSymbol | tuple[MissingSymbol, ...]:
        """Return one of them, or some."""
        if isinstance(index, slice):
            return tuple(self)[index]
        at = range(self._length)[index]
        return next(islice(self, at, None))

    def __reduce__(self) -> tuple[type[MissingSymbols], tuple[Any]]:
        return MissingSymbols, (self.parts,)
