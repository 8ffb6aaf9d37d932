"""Who brings whom along, and in which order what is missing is told."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from machochain.graph.symbol_tables import Shortages, SymbolTables, Wanted
from machochain.graph.walked import Walk
from machochain.model.result import (
    Load,
    LoadedImage,
    Lookup,
    MissingSymbol,
    Origin,
    Outcome,
)
from machochain.model.shortage import MissingSymbols, Shortage, known_shortage
from machochain.model.symbols import (
    Import,
)


class Asks(NamedTuple):
    """What one image of a process asks for.

    Attributes:
        wanted: The symbols.
        shortages: Those it looks up in vain by library ordinal, by release; None if it looks up none that way.
        stops: Where dyld stops in its tables.
    """

    wanted: Wanted
    shortages: Shortages | None
    stops: tuple[tuple[int, str], ...]


class Wiring:
    """Who binds to what in a process: the same on every release that comes to the same walk."""

    def __init__(self, walk: Walk, tables: SymbolTables) -> None:
        self.images = walk.images
        self.loads: dict[int, dict[int, Load]] = {}
        for load in walk.loads:
            if load.dylib.ordinal and not load.inserted:
                self.loads.setdefault(load.source, {})[load.dylib.ordinal] = load
        for load in walk.implied:
            self.loads[load.source] = {1: load}
        self.numbers = [tables.number(image) for image in walk.images]
        self.on_disk = {n: i for n, i in zip(self.numbers, walk.images, strict=True) if i.origin is Origin.DISK}
        self.incomplete = any(load.to is None and load.outcome is not Outcome.WEAK_MISSING for load in walk.loads)
        self._tables = tables
        self._providers: dict[int, int] = {}
        self._asks: dict[int, Asks] = {}
        self._last: Sequence[MissingSymbol] = ()
        self._merged: dict[int, tuple[object, Shortage]] = {}

    def asks(self, image: LoadedImage) -> Asks:
        """Return what an image asks for, with what is known of it where the same libraries serve it."""
        known = self._asks.get(image.id)
        if known is None:
            number = self.numbers[image.id]
            wanted = self._tables.wanted(image, number)
            shortages = self._tables.shortages(number, self.providers(image.id)) if wanted.two_level else None
            known = self._asks[image.id] = Asks(wanted, shortages, self._tables.stops(number))
        return known

    def together(self, found: Sequence[tuple[int, Shortage]]) -> Sequence[MissingSymbol]:
        """Put together what is missing by image: releases that follow one another and miss the same share it."""
        before = self._last.parts if isinstance(self._last, MissingSymbols) else ()
        same = (one[0] == other[0] and one[1] is other[1] for one, other in zip(before, found, strict=False))
        if len(before) != len(found) or not all(same):
            self._last = MissingSymbols(found) if found else ()
        return self._last

    def merged(
        self,
        image: LoadedImage,
        two_level: Shortage,
        others: tuple[MissingSymbol, ...],
        stops: tuple[tuple[int, str], ...],
    ) -> Shortage:
        """Put together what an image lacks by ordinal and by name: releases that miss the same share it."""
        what = two_level, others, stops
        before, known = self._merged.get(image.id, (None, None))
        if known is None or before != what:
            known = known_shortage(others)
            if stops or two_level.count:
                entries = self._tables.imports(image)
                known = known_shortage([*in_order(entries, tuple(two_level.of(image.id)), others, stops, image.id)])
            self._merged[image.id] = what, known
        return known

    def providers(self, image: int) -> int:
        """Return a number that stands for the libraries an image binds to, with all they re-export."""
        known = self._providers.get(image)
        if known is None:
            known = self._providers[image] = self._tables.providers(tuple(self._identified(image)))
        return known

    def _identified(self, image: int) -> Iterator[object]:
        numbers, images, reexports = self.numbers, self.images, self._tables.reexports
        for load in self.loads.get(image, {}).values():
            to = load.to
            if to is None:
                yield load.outcome, load.reason is None
                continue
            number = numbers[to]
            yield number
            if reexports(images[to], number):
                yield tuple(self._reexported(to))

    def _reexported(self, image: int) -> Iterator[int]:
        """Yield the numbers of everything an image re-exports, directly or not."""
        seen = {image}
        waiting = [image]
        while waiting:
            for load in self.loads.get(waiting.pop(), {}).values():
                if load.dylib.reexport and load.to is not None and load.to not in seen:
                    seen.add(load.to)
                    waiting.append(load.to)
                    yield self.numbers[load.to]


def in_order(
    entries: tuple[Import, ...],
    two_level: tuple[MissingSymbol, ...],
    others: tuple[MissingSymbol, ...],
    stops: tuple[tuple[int, str], ...],
    image: int,
) -> Iterator[MissingSymbol]:
    """Merge what is missing by ordinal and by name, each in the order of the tables, and where tables end too soon."""
    first, second, ends = deque(two_level), deque(others), deque(stops)
    for index, entry in enumerate(entries):
        while ends and ends[0][0] <= index:
            yield unreadable(image, ends.popleft()[1])
        queue = first if entry.ordinal >= 0 else second
        if queue and queue[0].symbol == entry.name:
            yield queue.popleft()
    for _, words in ends:
        yield unreadable(image, words)


def unreadable(image: int, words: str) -> MissingSymbol:
    """Return what stands for a table that dyld cannot read to its end: no symbol, but the launch ends."""
    return MissingSymbol("", image, None, lookup=Lookup.TABLE, error=words, fatal=True)
