"""What images ask for and what they give, read once for all processes of a run."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from functools import lru_cache
from typing import Any, Final, TypeVar

from machochain.graph.mac import Mac
from machochain.macho.exports import Exports, open_exports
from machochain.macho.imports import read_imports
from machochain.model.errors import InputError
from machochain.model.filesystem import Node, NodeKind, Presence, SymbolAnswer, SystemSymbols
from machochain.model.host import PluginHost
from machochain.model.reading import RangeSource
from machochain.model.result import LoadedImage, Lookup
from machochain.model.shortage import Shortage
from machochain.model.symbols import Export, Import
from machochain.model.value import frozen
from machochain.model.version import Version

T = TypeVar("T")

_MOST_ANSWERS: Final = 4096
CRASH: Final = ""
"""Stands for the words of a dyld that crashes."""


@frozen
class Wanted:
    """What one image asks for.

    Attributes:
        two_level: Imports by library ordinal, self included, in the order of the tables.
        names: The same: ordinal to names, each once.
        by_name: Imports by name alone, and those with an ordinal dyld does not know.
        strong: Those of a library that must be there: its ordinal to names, and whether each is bound lazily alone.
    """

    two_level: tuple[Import, ...]
    names: Mapping[int, tuple[str, ...]]
    by_name: tuple[Import, ...]
    strong: Mapping[int, Mapping[str, bool]]


@frozen
class Answer:
    """Whether a symbol is there.

    Attributes:
        found: True, False, or None if nobody can tell.
        why: The reason why nobody can tell.
        error: What dyld says of a table it could not read on the way: it ends the launch, however the symbol is bound.
            `CRASH` where dyld does not come back.
        once: Whether it is known to have been there before, where nobody can tell whether it still is.
    """

    found: bool | None
    why: str = ""
    error: str | None = None
    once: bool = False


YES = Answer(True)
NO = Answer(False)


Lacking = tuple[Mapping[str, Answer], str | None, Lookup]
"""Of one library ordinal: the names that are not found, where dyld expects them, and how they were looked up."""


class Shortages:
    """What one image looks up in vain in the libraries it names, by release: the same wherever these serve it.

    Attributes:
        settled: By library ordinal what no release changes: nothing, where a file serves all, or else all names.
        open: The other ordinals; None before anybody has looked.
    """

    def __init__(self) -> None:
        """Start without a release."""
        self._on: dict[int, Shortage] = {}
        self._all: list[tuple[object, Shortage]] = []
        self.settled: dict[int, Lacking] = {}
        self.open: tuple[int, ...] | None = None

    def get(self, macos: int) -> Shortage | None:
        """Return that of a release; None if nobody has looked yet."""
        return self._on.get(macos)

    def settle(self, macos: int, lacking: object) -> Shortage | None:
        """Note that a release lacks the same as another, whose object serves it too; None if none does."""
        known = next((shortage for other, shortage in self._all if other == lacking), None)
        if known is not None:
            self._on[macos] = known
        return known

    def note(self, macos: int, lacking: object, shortage: Shortage) -> Shortage:
        """Note that of a release."""
        self._all.append((lacking, shortage))
        self._on[macos] = shortage
        return shortage


class SymbolTables:
    """Imports and exports of images, read once for all processes of a run.

    An image has one number in every process of the run; everything is kept under it.
    """

    def __init__(self, mac: Mac, system: SystemSymbols) -> None:
        """Take where files and OS symbols come from."""
        self._mac = mac
        self._system = system
        self._numbers: dict[tuple[object, int], int] = {}
        self._reexporting: dict[int, bool] = {}
        self._entries: dict[int, tuple[Import, ...]] = {}
        self._wanted: dict[int, Wanted] = {}
        self._exports: dict[int, Exports | None] = {}
        self._found: dict[int, dict[str, Export | None]] = {}
        self._answers: dict[tuple[str, Version, str | None], dict[str, Answer]] = {}
        self._present: dict[tuple[str, Version, str | None], set[str]] = {}
        self._exporters: dict[str, tuple[set[int], dict[int, Export]]] = {}
        self._provider_numbers: dict[tuple[object, ...], int] = {}
        self._wiring: tuple[object, Any] | None = None
        self._stops: dict[int, tuple[tuple[int, str], ...]] = {}
        self._shortages: dict[tuple[int, int], Shortages] = {}
        self.not_of_host: dict[tuple[int, PluginHost | None], tuple[Import, ...]] = {}
        """Of a file, the flat imports that the program it is made for does not bring."""
        self.served: set[tuple[int, int, int]] = set()
        """Importer, ordinal, provider: numbers of files of which the second itself has all that the first asks for."""

    def number(self, image: LoadedImage) -> int:
        """Return a number that stands for an image in every process of the run."""
        return self._numbers.setdefault((image.identity or image.path, image.slice_offset), len(self._numbers))

    def providers(self, identified: tuple[object, ...]) -> int:
        """Return a number that stands for what an image binds to."""
        return self._provider_numbers.setdefault(identified, len(self._provider_numbers))

    def shortages(self, number: int, providers: int) -> Shortages:
        """Return what is known of an image that certain libraries serve; it grows with use."""
        return self._shortages.setdefault((number, providers), Shortages())

    def wiring(self, images: object, make: Callable[[], T]) -> T:
        """Return what is known of a process by its images; releases that come to the same walk follow one another."""
        if self._wiring is None or self._wiring[0] is not images:
            self._wiring = images, make()
        known: T = self._wiring[1]
        return known

    def imports(self, image: LoadedImage) -> tuple[Import, ...]:
        """Return every symbol an image asks for, in the order of its tables; nothing if its file cannot be read."""
        key = self.number(image)
        found = self._entries.get(key)
        if found is None:
            found = ()
            if image.image is not None:
                try:
                    with self._mac.files.opened(_node(image)) as source:
                        piece = RangeSource(source, image.slice_offset, image.slice_size)
                        imports = read_imports(image.image, piece.read)
                        found = imports.entries
                        if imports.stops:
                            self._stops[key] = imports.stops
                except InputError:
                    pass
            self._entries[key] = found
        return found

    def stops(self, number: int) -> tuple[tuple[int, str], ...]:
        """Return where dyld stops in the tables of an image, after `imports` has read them."""
        return self._stops.get(number, ())

    def trouble(self, image: LoadedImage, number: int, symbol: str) -> str | None:
        """Return dyld's words if it cannot read an image's trie on the way to a symbol."""
        exports = self._table(image, number)
        words = exports.problem(symbol) if exports is not None and exports.defects else None
        if words is None or "terminalSize" in words:
            return None  # of that dyld says nothing
        # dyld ends these with a newline (common/MachOFile.cpp: trieWalk())
        return words + "\n" if words.startswith("malformed trie") else words

    def wanted(self, image: LoadedImage, number: int) -> Wanted:
        """Return what an image asks for, sorted by who is asked."""
        found = self._wanted.get(number)
        if found is None:
            entries = self.imports(image)
            two_level = tuple(e for e in entries if e.ordinal >= 0)
            names: dict[int, dict[str, None]] = {}
            strong: dict[int, dict[str, bool]] = {}
            for entry in two_level:
                names.setdefault(entry.ordinal, {})[entry.name] = None
                if entry.ordinal and not entry.weak:
                    needed = strong.setdefault(entry.ordinal, {})
                    needed[entry.name] = needed.get(entry.name, True) and entry.lazy
            by_name = tuple(e for e in entries if e.ordinal < 0)
            found = self._wanted[number] = Wanted(
                two_level,
                {k: tuple(v) for k, v in names.items()},
                by_name,
                strong,
            )
        return found

    def reexports(self, image: LoadedImage, number: int) -> bool:
        """Whether an image passes on what other libraries export."""
        known = self._reexporting.get(number)
        if known is None:
            known = image.image is not None and any(x.reexport for x in image.image.loads)
            self._reexporting[number] = known
        return known

    def exporters(self, symbol: str, images: Mapping[int, LoadedImage]) -> Mapping[int, Export]:
        """Return which images export a symbol, by number: those asked about, and those of other processes."""
        looked, having = self._exporters.setdefault(symbol, (set(), {}))
        for number in images.keys() - looked:
            looked.add(number)
            exports = self._table(images[number], number)
            export = exports.find(symbol) if exports is not None else None
            if export is not None:
                having[number] = export
        return having

    def _table(self, image: LoadedImage, number: int) -> Exports | None:
        """Return what an image gives; None if its file cannot be read any more."""
        if number not in self._exports:
            self._exports[number] = None
            if image.image is not None:
                try:
                    with self._mac.files.opened(_node(image)) as source:
                        piece = RangeSource(source, image.slice_offset, image.slice_size)
                        self._exports[number] = open_exports(image.image, piece.read)
                except InputError:
                    pass
        return self._exports[number]

    def exports(self, image: LoadedImage, number: int, names: Iterable[str]) -> Mapping[str, Export | None] | None:
        """Look names up in one image alone; None if its file cannot be read any more.

        The mapping holds what was ever asked of the image; what was asked before costs nothing again.
        """
        known = self._found.setdefault(number, {})
        new = [name for name in names if name not in known]
        if new:
            exports = self._table(image, number)
            if exports is None:
                return None
            known.update(exports.find_many(new) if len(new) > 1 else {new[0]: exports.find(new[0])})
        return known

    def system(
        self, library: str, names: Iterable[str], macos: Version, arch: str | None = None
    ) -> Mapping[str, Answer]:
        """Say of names whether an OS library gives them, itself or through what it re-exports.

        The mapping holds what was ever asked of the library.
        """
        known = self._answers.setdefault((library, macos, arch), {})
        lookup = self._system.lookup
        for name in names:
            if name not in known:
                known[name] = judged(lookup(library, name, macos, arch), library, macos)
        return known

    def not_in_system(
        self, library: str, names: Collection[str], macos: Version, arch: str | None = None
    ) -> Collection[str]:
        """Return those of some names of which an OS library is not known to give them, as `system` says."""
        present = self._present.setdefault((library, macos, arch), set())
        others = [name for name in names if name not in present]
        if others:
            answers = self.system(library, others, macos, arch)
            present.update(name for name in others if answers[name] is YES)
            others = [name for name in others if name not in present]
        return others

    def lookup(self, library: str, symbol: str, macos: Version, arch: str | None = None) -> SymbolAnswer:
        """Return all that is known of a symbol of an OS library."""
        return self._system.lookup(library, symbol, macos, arch)

    def is_system(self, path: str, macos: Version) -> bool:
        """Whether the OS has a library at a path."""
        return self._mac.find_system(path, macos).presence is Presence.PRESENT


def judged(answer: SymbolAnswer, library: str, macos: Version) -> Answer:
    """Return what an answer about a library of the OS means: beyond the last witness nobody can tell."""
    if answer.presence is Presence.PRESENT:
        return YES
    if answer.presence is Presence.ABSENT and (answer.present_in is not None or library.startswith("/usr/lib/")):
        return _answer(answer.why, found=False)
    # A framework exports more than its stub says: what no stub ever listed may be there all the same.
    return _answer(answer.why, found=None, once=answer.present_in is not None and answer.present_in <= macos)


@lru_cache(_MOST_ANSWERS)
def _answer(why: str, *, found: bool | None, once: bool = False) -> Answer:
    """Return the one object that stands for answers alike: thousands of symbols have the same."""
    return Answer(found, why, once=once)


def _node(image: LoadedImage) -> Node:
    return Node(Presence.PRESENT, NodeKind.FILE, image.path, image.identity, image.host)
