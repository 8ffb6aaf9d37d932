"""Which symbols the images of a process find, and which one ends the launch.

dyld-1378, dyldMain.cpp: prepare(); Loader.cpp: resolveSymbol(), hasExportedSymbol(); JustInTimeLoader.cpp:
applyFixups(): what was inserted is bound first, then the main executable, then the rest in load order, each image in
the order of its tables; the first strong bind without a definition ends the launch. dyld2 binds what an image depends
on before the image itself (dyld-852.2, ImageLoader.cpp: recursiveBind()).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Final

from attrs import evolve, frozen

from machochain.dyld import messages
from machochain.dyld.config import ProcessConfig
from machochain.graph.driver import Walk
from machochain.graph.mac import Mac
from machochain.graph.plugins import host_of
from machochain.macho.exports import Exports, open_exports
from machochain.macho.imports import read_imports
from machochain.model.errors import InputError
from machochain.model.filesystem import Node, NodeKind, Presence, SymbolAnswer, SystemSymbols
from machochain.model.host import PluginHost
from machochain.model.image import FileType, HeaderFlag
from machochain.model.reading import RangeSource
from machochain.model.result import (
    Load,
    LoadedImage,
    Lookup,
    MissingSymbol,
    Origin,
    Outcome,
    Result,
    Unknown,
    UnknownKind,
)
from machochain.model.symbols import (
    ORDINAL_FLAT,
    ORDINAL_MAIN_EXECUTABLE,
    ORDINAL_SELF,
    ORDINAL_WEAK,
    Export,
    Import,
    ImportKind,
)
from machochain.model.version import Version

_CLOSED: Final = frozenset(
    {
        "/usr/lib/libSystem.B.dylib",
        "/usr/lib/libc++.1.dylib",
        "/usr/lib/libc++abi.dylib",
        "/usr/lib/libobjc.A.dylib",
        "/usr/lib/libz.1.dylib",
        "/usr/lib/libiconv.2.dylib",
        "/usr/lib/libbz2.1.0.dylib",
    }
)
"""Libraries of the OS that bring no others along but each other; what all others bring along no stub tells."""

_FORGIVES_OVERRIDES: Final = Version.of(15)
"""dyld-1231.3 on: a library that takes the place of one in the cache may lack symbols (resolveSymbol())."""


@frozen
class _Wanted:
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
class _Answer:
    """Whether a symbol is there: True, False, or None with the reason why nobody can tell; whether it was ``once``."""

    found: bool | None
    why: str = ""
    once: bool = False


_YES = _Answer(True)
_NO = _Answer(False)


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
        self._wanted: dict[int, _Wanted] = {}
        self._exports: dict[int, Exports | None] = {}
        self._found: dict[int, dict[str, Export | None]] = {}
        self._answers: dict[tuple[str, Version, str | None], dict[str, _Answer]] = {}
        self._exporters: dict[str, tuple[set[int], dict[int, Export]]] = {}
        self._provider_numbers: dict[tuple[object, ...], int] = {}
        self._wiring: _Wiring | None = None
        self.verdicts: dict[tuple[int, int, int], tuple[MissingSymbol, ...]] = {}
        self.served: set[tuple[int, int, int]] = set()
        """Importer, ordinal, provider: numbers of files of which the second itself has all that the first asks for."""

    def number(self, image: LoadedImage) -> int:
        """Return a number that stands for an image in every process of the run."""
        return self._numbers.setdefault((image.identity or image.path, image.slice_offset), len(self._numbers))

    def providers(self, identified: tuple[object, ...]) -> int:
        """Return a number that stands for what an image binds to."""
        return self._provider_numbers.setdefault(identified, len(self._provider_numbers))

    def wiring(self, walk: Walk) -> _Wiring:
        """Return who binds to what in a process; releases that come to the same walk follow one another."""
        known = self._wiring
        if known is None or known.images is not walk.images:
            known = self._wiring = _Wiring(walk, self)
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
                        found = read_imports(image.image, piece.read).entries
                except InputError:
                    pass
            self._entries[key] = found
        return found

    def wanted(self, image: LoadedImage, number: int) -> _Wanted:
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
            found = self._wanted[number] = _Wanted(two_level, {k: tuple(v) for k, v in names.items()}, by_name, strong)
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
    ) -> Mapping[str, _Answer]:
        """Say of names whether an OS library gives them, itself or through what it re-exports.

        The mapping holds what was ever asked of the library.
        """
        known = self._answers.setdefault((library, macos, arch), {})
        lookup = self._system.lookup
        for name in names:
            if name not in known:
                known[name] = _judged(lookup(library, name, macos, arch), library, macos)
        return known

    def lookup(self, library: str, symbol: str, macos: Version, arch: str | None = None) -> SymbolAnswer:
        """Return all that is known of a symbol of an OS library."""
        return self._system.lookup(library, symbol, macos, arch)

    def is_system(self, path: str, macos: Version) -> bool:
        """Whether the OS has a library at a path."""
        return self._mac.find_system(path, macos).presence is Presence.PRESENT


def _judged(answer: SymbolAnswer, library: str, macos: Version) -> _Answer:
    if answer.presence is Presence.PRESENT:
        return _YES
    if answer.presence is Presence.ABSENT and (answer.present_in is not None or library.startswith("/usr/lib/")):
        return _Answer(False, answer.why)
    # A framework exports more than its stub says: what no stub ever listed may be there all the same.
    return _Answer(None, answer.why, once=answer.present_in is not None and answer.present_in <= macos)


def _node(image: LoadedImage) -> Node:
    return Node(Presence.PRESENT, NodeKind.FILE, image.path, image.identity, image.host)


def check_symbols(result: Result, walk: Walk, config: ProcessConfig, tables: SymbolTables) -> Result:
    """Add what symbols are missing to a result; a strong one that is bound at launch ends it."""
    process = _Process(walk, config, tables, result.path if result.file_type != "MH_EXECUTE" else None)
    missing = [each for image in _bind_order(walk, classic=config.profile.classic) for each in process.check(image)]
    result = evolve(result, missing_symbols=tuple(missing), symbols_checked=True, host=process.host)
    strong = [m for m in missing if not m.weak and (not m.lazy or _bound_at_once(m, process))]
    fatal = next((m for m in strong if m.unknown is None), None)
    if result.launches is not False and fatal is not None:
        return evolve(result, launches=False, message=process.message(fatal))
    if not result.launches:
        return result
    if strong:
        return evolve(result, launches=None, unknowns=(*result.unknowns, _doubt(strong, walk)))
    late = next((m for m in missing if m.lazy and m.unknown is None and process.may_bind_now(m.source)), None)
    if late is None:
        return result
    unknown = Unknown(UnknownKind.LAZY_SYMBOL, (late.symbol, walk.images[late.source].path))
    return evolve(result, launches=None, unknowns=(*result.unknowns, unknown))


def _bound_at_once(missing: MissingSymbol, process: _Process) -> bool:
    """Whether a lazily bound function decides over the load; one that the library had before is taken to be there."""
    return process.binds_now(missing.source) and not (missing.unknown is not None and missing.once)


def binding_message(walk: Walk, config: ProcessConfig, tables: SymbolTables) -> str | None:
    """Return what dyld says while it binds the images of a process; None if it binds them all."""
    process = _Process(walk, config, tables, None)
    for image in _bind_order(walk, classic=config.profile.classic):
        for each in process.check(image):
            if each.unknown is None and not each.weak and not each.lazy:
                return process.message(each)
    return None


def _doubt(doubts: Sequence[MissingSymbol], walk: Walk) -> Unknown:
    first = doubts[0]
    more = f" and {len(doubts) - 1} more" if len(doubts) > 1 else ""
    return Unknown(UnknownKind.SYMBOLS, (first.symbol + more, walk.images[first.source].path, first.unknown or ""))


def _bind_order(walk: Walk, *, classic: bool) -> Iterator[LoadedImage]:
    """Yield the images in the order in which dyld binds them."""
    inserted = [load.to for load in walk.loads if load.inserted and load.to is not None]
    if not classic:
        first = dict.fromkeys(inserted)
        yield from (walk.images[i] for i in first)
        yield from (image for image in walk.images if image.id not in first)
        return
    below: dict[int, list[int]] = {}
    for load in walk.loads:
        if load.to is not None and not load.inserted:
            below.setdefault(load.source, []).append(load.to)
    seen: set[int] = set()
    for root in (0, *inserted, *range(len(walk.images))):
        waiting = [(root, False)]
        while waiting:
            image, done = waiting.pop()
            if done:
                yield walk.images[image]
            elif image not in seen:
                seen.add(image)
                waiting.append((image, True))
                waiting.extend((i, False) for i in reversed(below.get(image, ())))


class _Wiring:
    """Who binds to what in a process: the same on every release that comes to the same walk."""

    def __init__(self, walk: Walk, tables: SymbolTables) -> None:
        self.images = walk.images
        self.loads: dict[int, dict[int, Load]] = {}
        for load in walk.loads:
            if load.dylib.ordinal and not load.inserted:
                self.loads.setdefault(load.source, {})[load.dylib.ordinal] = load
        self.numbers = [tables.number(image) for image in walk.images]
        self.on_disk = {n: i for n, i in zip(self.numbers, walk.images, strict=True) if i.origin is Origin.DISK}
        self.incomplete = any(load.to is None and load.outcome is not Outcome.WEAK_MISSING for load in walk.loads)
        self._tables = tables
        self._providers: dict[int, int] = {}

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


class _Process:
    """One process while its symbols are looked for."""

    def __init__(self, walk: Walk, config: ProcessConfig, tables: SymbolTables, opened: str | None) -> None:
        self.wiring = tables.wiring(walk)
        self.images = walk.images
        self.loads = self.wiring.loads
        self.numbers = self.wiring.numbers
        self.config = config
        self.tables = tables
        self._by_symbol: dict[tuple[str, bool], _Answer] = {}
        self._is_opened = opened is not None
        self._opened = next((i.id for i in walk.images if i.path == opened), 0)
        self._overriding = frozenset(self._overrides(walk))

    @cached_property
    def host(self) -> PluginHost | None:
        """The program that opens the library or bundle the result is about; None for a program, or if nothing tells."""
        if not self._is_opened:
            return None
        image = self.images[self._opened]
        number = self.numbers[image.id]

        def exports(symbol: str) -> bool:
            found = self.tables.exports(image, number, (symbol,))
            return found is not None and found.get(symbol) is not None

        return host_of(image, exports)

    def binds_now(self, image: int) -> bool:
        """Whether lazily bound functions of an image are looked up when it is loaded.

        ``dlopen`` with RTLD_NOW does so for what it loads, not for what was there before; it never does for images
        whose binds stand in the symbol table (dyld-1378, JustInTimeLoader.cpp, applyFixups(): allowLazyBinds).
        """
        return self._by_opcodes(image) and self.host is not None and bool(self.host.binds_now)

    def may_bind_now(self, image: int) -> bool:
        """The same, where nobody can tell how the program opens its plug-ins."""
        return self._by_opcodes(image) and self.host is not None and self.host.binds_now is None

    def _by_opcodes(self, image: int) -> bool:
        header = self.images[image].image
        return image >= self._opened and header is not None and header.linkedit.lazy_bind is not None

    def _overrides(self, walk: Walk) -> Iterator[int]:
        """Yield the images that take the place of a library in the shared cache."""
        if self.config.macos < _FORGIVES_OVERRIDES or not (self.config.library_path or self.config.framework_path):
            return
        for load in walk.loads:
            if load.to is None or self.images[load.to].origin is Origin.OS:
                continue
            if self.tables.is_system(load.dylib.name, self.config.macos):
                yield load.to

    def check(self, image: LoadedImage) -> tuple[MissingSymbol, ...]:
        """Return what one image asks for in vain."""
        if image.image is None or image.id in self._overriding:
            return ()
        wanted = self.tables.wanted(image, self.numbers[image.id])
        missing = self._two_level(image, wanted) if wanted.two_level else ()
        others = tuple(self._by_name(image, wanted.by_name)) if wanted.by_name else ()
        return (
            tuple(_in_order(self.tables.imports(image), missing, others)) if missing and others else missing or others
        )

    def _two_level(self, image: LoadedImage, wanted: _Wanted) -> tuple[MissingSymbol, ...]:
        """Look up two-level imports; shared between processes in which the image's providers are the same."""
        key = (self.numbers[image.id], self.config.macos.packed, self.wiring.providers(image.id))
        known = self.tables.verdicts.get(key)
        if known is None:
            known = self.tables.verdicts[key] = tuple(self._check_two_level(image, wanted))
        # Ids differ from process to process; all else is the same.
        return tuple(m if m.source == image.id else evolve(m, source=image.id) for m in known) if known else ()

    def _check_two_level(self, image: LoadedImage, wanted: _Wanted) -> Iterator[MissingSymbol]:
        """Yield what is not found, in the order of the tables: names are looked up library by library before."""
        lacking: dict[int, tuple[Mapping[str, _Answer], str | None, Lookup]] = {}
        for ordinal, names in wanted.names.items():
            answers, expected, lookup = self._from_library(image, ordinal, names)
            if answers:
                lacking[ordinal] = answers, expected, lookup
        if not lacking:
            return
        for entry in wanted.two_level:
            if entry.ordinal in lacking:
                answers, expected, lookup = lacking[entry.ordinal]
                answer = answers.get(entry.name)
                if answer is not None:
                    yield _missing(entry, image, expected, answer, lookup)

    def _from_library(
        self, image: LoadedImage, ordinal: int, names: tuple[str, ...]
    ) -> tuple[Mapping[str, _Answer], str | None, Lookup]:
        """Return which names a library ordinal does not provide, and where dyld expects them."""
        library, absent = Lookup.LIBRARY, Lookup.ABSENT_LIBRARY
        if ordinal == ORDINAL_SELF:
            return self._lacking(image, names), image.path, library
        load = self.loads.get(image.id, {}).get(ordinal)
        if load is None:
            if image.image is not None and ordinal <= len(image.image.loads):
                return dict.fromkeys(names, _Answer(None, f"its library {ordinal} was not looked for")), None, absent
            return dict.fromkeys(names, _NO), None, Lookup.BAD_ORDINAL
        if load.to is not None:
            provider = self.images[load.to]
            key = (self.numbers[image.id], ordinal, self.numbers[load.to])
            if key in self.tables.served:
                return {}, provider.path, library
            if provider.origin is Origin.DISK and self._has_all(provider, names):
                self.tables.served.add(key)
                return {}, provider.path, library
            return self._lacking(provider, names), provider.path, library
        if load.outcome is Outcome.UNKNOWN:
            unseen = _Answer(None, f"{load.dylib.name} could not be looked at")
            return dict.fromkeys(names, unseen), load.dylib.name, library
        if load.outcome is Outcome.MISSING and load.reason is not None:
            # The launch fails for want of the library: nothing is ever bound.
            return dict.fromkeys(names, _Answer(None, f"{load.dylib.name} is missing")), None, absent
        return dict.fromkeys(names, _NO), None, absent

    def _lacking(self, provider: LoadedImage, names: tuple[str, ...]) -> Mapping[str, _Answer]:
        """Return which names neither a library nor what it re-exports has, with the reason."""
        if provider.origin is Origin.OS:
            given = self.tables.system(provider.path, names, self.config.macos, self.config.arch.name)
            return {name: answer for name in names if (answer := given[name]) is not _YES}
        known = self.tables.exports(provider, self.numbers[provider.id], names)
        if known is None:
            return dict.fromkeys(names, _Answer(None, f"{provider.path} could not be read"))
        found: dict[str, _Answer] = {}
        for name in names:
            export = known[name]
            if export is None or export.reexport:
                answer = self._find(provider, name, set())
                if answer.found is not True:
                    found[name] = answer
        return found

    def _has_all(self, provider: LoadedImage, names: tuple[str, ...]) -> bool:
        """Whether a file itself has all of some names: so it is in every process and on every release."""
        known = self.tables.exports(provider, self.numbers[provider.id], names)
        return known is not None and all((e := known[name]) is not None and not e.reexport for name in names)

    def _find(self, image: LoadedImage, symbol: str, searched: set[int]) -> _Answer:
        """Look a symbol up in one image and in what it re-exports, not in its other dependents.

        ``searched`` are the images that were asked for this name before: none is asked twice.
        """
        if image.id in searched:
            return _NO
        searched.add(image.id)
        if image.origin is Origin.OS:
            return self.tables.system(image.path, (symbol,), self.config.macos, self.config.arch.name)[symbol]
        known = self.tables.exports(image, self.numbers[image.id], (symbol,))
        if known is None:
            return _Answer(None, f"{image.path} could not be read")
        export = known[symbol]
        if export is not None:
            return self._follow(image, export, searched) if export.reexport else _YES
        doubt: _Answer | None = None
        for load in self.loads.get(image.id, {}).values():
            if load.dylib.reexport:
                answer = self._through(load, symbol, searched)
                if answer.found:
                    return answer
                if answer.found is None:
                    doubt = doubt or answer
        return doubt or _NO

    def _follow(self, image: LoadedImage, export: Export, searched: set[int]) -> _Answer:
        """Look up a symbol that an image re-exports from another, there under its name there."""
        load = self.loads.get(image.id, {}).get(export.ordinal)
        if load is None:
            return _NO
        renamed = export.imported_name not in {"", export.name}
        return self._through(load, export.imported_name or export.name, set() if renamed else searched)

    def _through(self, load: Load, symbol: str, searched: set[int]) -> _Answer:
        if load.to is not None:
            return self._find(self.images[load.to], symbol, searched)
        if load.outcome is Outcome.UNKNOWN:
            return _Answer(None, f"{load.dylib.name} could not be looked at")
        return _NO

    def _by_name(self, image: LoadedImage, entries: tuple[Import, ...]) -> Iterator[MissingSymbol]:
        """Yield what flat, coalesced and main-executable look-ups do not find.

        Where the process is not known hardly anything is: it may bring along what is not here, which is how plug-ins
        work. But what a plug-in looks up in all images comes from the program it is made for, or from its own.
        """
        if not self._main_known:
            entries = tuple(e for e in entries if e.ordinal == ORDINAL_FLAT and not e.weak)
            host = self.host if entries else None
            entries = tuple(e for e in entries if host is not None and not host.provides(e.name))
        for entry in entries:
            expected: str | None = None
            if entry.ordinal == ORDINAL_FLAT:
                answer, lookup = self._anywhere(entry.name, weak=False), Lookup.FLAT
            elif entry.ordinal == ORDINAL_WEAK:
                if entry.kind is not ImportKind.CHAINED:
                    continue  # weak-bind opcodes without a definition are passed over
                answer, lookup = self._anywhere(entry.name, weak=True), Lookup.WEAK
            elif entry.ordinal == ORDINAL_MAIN_EXECUTABLE:
                answer, lookup = self._find(self.images[0], entry.name, set()), Lookup.LIBRARY
                expected = self.images[0].path
            else:
                answer, lookup = _NO, Lookup.BAD_ORDINAL
            if answer.found is not True:
                yield _missing(entry, image, expected, answer, lookup)

    @property
    def _main_known(self) -> bool:
        first = self.images[0].image
        return first is not None and first.file_type == FileType.MH_EXECUTE

    def _anywhere(self, symbol: str, *, weak: bool) -> _Answer:
        """Look a symbol up in every image (with weak definitions), each alone."""
        known = self._by_symbol.get((symbol, weak))
        if known is None:
            known = self._by_symbol[symbol, weak] = self._look_everywhere(symbol, weak=weak)
        return known

    def _look_everywhere(self, symbol: str, *, weak: bool) -> _Answer:
        having = self.tables.exporters(symbol, self.wiring.on_disk)
        doubt: _Answer | None = None
        for image, number in zip(self.images, self.numbers, strict=True):
            if image.origin is Origin.OS:
                answer = self.tables.system(image.path, (symbol,), self.config.macos, self.config.arch.name)[symbol]
                if answer.found is False and image.path not in _CLOSED:
                    answer = _Answer(None, f"{image.path} loads libraries of its own, and one may define it")
            elif number not in having or (weak and not _has_weak_definitions(image)):
                continue
            else:
                export = having[number]
                answer = self._follow(image, export, {image.id}) if export.reexport else _YES
            if answer.found:
                return _YES
            if answer.found is None:
                doubt = doubt or answer
        if self.wiring.incomplete:
            return _Answer(None, "a library that is not there might define it")
        return doubt or _NO

    def message(self, missing: MissingSymbol) -> str:
        """Return dyld's words for a missing symbol."""
        importer = self.images[missing.source]
        lookup, ordinal = missing.lookup, missing.ordinal
        if lookup is Lookup.FLAT:
            return messages.flat_symbol_not_found(self.config, missing.symbol, importer)
        if lookup is Lookup.WEAK:
            return messages.weak_symbol_not_found(self.config, missing.symbol, importer)
        if lookup is Lookup.BAD_ORDINAL:
            count = len(importer.image.loads) if importer.image is not None else 0
            return messages.unknown_ordinal(self.config, missing.symbol, importer, ordinal, count)
        if lookup is Lookup.ABSENT_LIBRARY:
            load_path = self.loads[importer.id][ordinal].dylib.name
            return messages.symbol_not_found(self.config, missing.symbol, importer, None, load_path)
        expected = next((i for i in self.images if i.path == missing.expected_in), None)
        return messages.symbol_not_found(self.config, missing.symbol, importer, expected)


def _in_order(
    entries: tuple[Import, ...], two_level: tuple[MissingSymbol, ...], others: tuple[MissingSymbol, ...]
) -> Iterator[MissingSymbol]:
    """Merge what is missing by ordinal and by name, each in the order of the tables, into that order."""
    first, second = deque(two_level), deque(others)
    for entry in entries:
        queue = first if entry.ordinal >= 0 else second
        if queue and queue[0].symbol == entry.name:
            yield queue.popleft()


def _has_weak_definitions(image: LoadedImage) -> bool:
    return image.image is not None and bool(image.image.flags & HeaderFlag.MH_WEAK_DEFINES)


def _missing(entry: Import, image: LoadedImage, expected: str | None, answer: _Answer, lookup: Lookup) -> MissingSymbol:
    unknown = None if answer.found is False else answer.why
    return MissingSymbol(
        entry.name, image.id, expected, entry.lazy, entry.weak, unknown, entry.ordinal, lookup, answer.once
    )  # fmt: skip
