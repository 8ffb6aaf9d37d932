"""Which symbols the images of a process find, and which one ends the launch.

dyld-1378, dyldMain.cpp: prepare(); Loader.cpp: resolveSymbol(), hasExportedSymbol(); JustInTimeLoader.cpp:
applyFixups(): what was inserted is bound first, then the main executable, then the rest in load order, each image in
the order of its tables; the first strong bind without a definition ends the launch. dyld2 binds what an image depends
on before the image itself (dyld-852.2, ImageLoader.cpp: recursiveBind()).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Final

from attrs import evolve

from machochain.dyld import messages
from machochain.dyld.config import ProcessConfig
from machochain.graph.driver import Dlopen, Walk
from machochain.graph.plugins import host_of
from machochain.graph.symbol_tables import CRASH, NO, YES, Answer, SymbolTables, Wanted
from machochain.model.host import PluginHost
from machochain.model.image import FileType, HeaderFlag
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

RTLD_NOW: Final = 2
RTLD_LOCAL: Final = 4

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

_WITHOUT_WEAK: Final = frozenset(
    {
        "/usr/lib/libSystem.B.dylib",
        "/usr/lib/libz.1.dylib",
        "/usr/lib/libiconv.2.dylib",
        "/usr/lib/libbz2.1.0.dylib",
    }
)
"""Libraries of the OS without weak definitions: written in C."""
_ALWAYS: Final = ("/usr/lib/libc++abi.dylib", "/usr/lib/libobjc.A.dylib")
"""Libraries of the OS that libSystem brings along into every process; of the first the weak definitions count too."""


def check_symbols(result: Result, walk: Walk, config: ProcessConfig, tables: SymbolTables) -> Result:
    """Add what symbols are missing to a result; a strong one that is bound at launch ends it."""
    process = _Process(walk, config, tables, result.path if result.file_type != "MH_EXECUTE" else None)
    missing = [each for image in _bind_order(walk, classic=config.profile.classic) for each in process.check(image)]
    result = evolve(result, missing_symbols=tuple(missing), symbols_checked=True, host=process.host)
    strong = [m for m in missing if m.fatal or (not m.weak and _decides(m, process))]
    fatal = next((m for m in strong if m.unknown is None), None)
    if result.launches is not False and fatal is not None:
        now = process.binds_now(fatal.source)
        return evolve(result, launches=False, message=process.message(fatal, now=now) or None)
    if not result.launches:
        return result
    if strong:
        return evolve(result, launches=None, unknowns=(*result.unknowns, _doubt(strong, walk)))
    late = next(
        (m for m in missing if m.lazy and not m.fatal and m.unknown is None and process.may_bind_now(m.source)), None
    )
    if late is None:
        return result
    unknown = Unknown(UnknownKind.LAZY_SYMBOL, (late.symbol, walk.images[late.source].path))
    return evolve(result, launches=None, unknowns=(*result.unknowns, unknown))


def _decides(missing: MissingSymbol, process: _Process) -> bool:
    """Whether a symbol decides over the load.

    A lazily bound function does where it is bound at once; of those, one that the library had before is taken to be
    there. What a plug-in looks up in all images and no library known here has may come with one of the many that those
    of the OS load: that alone withdraws no verdict.
    """
    if missing.unknown is not None and missing.lookup is Lookup.FLAT and process.host is not None:
        return False
    if not missing.lazy:
        return True
    return process.binds_now(missing.source) and not (missing.unknown is not None and missing.once)


def binding_message(walk: Walk, config: ProcessConfig, tables: SymbolTables, call: Dlopen | None = None) -> str | None:
    """Return what dyld says while it binds the images of a process; None if it binds them all, `CRASH` if it crashes.

    Args:
        walk: The process; with ``call`` as `open_library` gives it.
        config: The same.
        tables: Where symbols come from.
        call: The library that was opened after the launch: RTLD_NOW looks up lazily bound functions as well,
            RTLD_LOCAL hides the library from what others look up anywhere.
    """
    process = _Process(walk, config, tables, None)
    before = walk.images[: walk.launched]
    for image in _bind_order(walk, classic=config.profile.classic):
        if image.id < walk.launched:
            said = process.first_error(image, now=config.profile.lazy_needs_libdyld and not process.has_libdyld)
            if said is not None:
                return said
    if len(before) < len(walk.images) and call is not None:
        process.hide(walk.launched if call.mode & RTLD_LOCAL and call.path else None)
        for image in walk.images[walk.launched :]:
            said = process.first_error(image, now=bool(call.mode & RTLD_NOW))
            if said is not None:
                return messages.dlopen_prefix(config.profile, call.path, call.mode) + said
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
        for load in walk.implied:
            self.loads[load.source] = {1: load}
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
        self.wiring = tables.wiring(walk.images, lambda: _Wiring(walk, tables))
        self.images = walk.images
        self.loads = self.wiring.loads
        self.numbers = self.wiring.numbers
        self.config = config
        self.tables = tables
        self._by_symbol: dict[tuple[str, bool], Answer] = {}
        self._is_opened = opened is not None
        self._opened = next((i.id for i in walk.images if i.path == opened), 0)
        self._overriding = frozenset(self._overrides(walk))
        self._hidden: int | None = None
        self._active: set[tuple[int, str]] = set()
        self.has_libdyld = any(i.origin is Origin.OS for i in walk.images)

    def hide(self, image: int | None) -> None:
        """Hide an image from what others look up anywhere (RTLD_LOCAL)."""
        self._hidden = image
        self._by_symbol.clear()

    def first_error(self, image: LoadedImage, *, now: bool) -> str | None:
        """Return what ends the binding of an image; ``now``: lazily bound functions are looked up as well."""
        by_opcodes = image.image is not None and image.image.linkedit.lazy_bind is not None
        for each in self.check(image):
            late = each.lazy and not (now and by_opcodes)
            if each.unknown is None and (each.fatal or not (each.weak or late)):
                return self.message(each, now=now and by_opcodes)
        return None

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
        if not self.config.profile.forgives_overrides or not (self.config.library_path or self.config.framework_path):
            return
        for load in walk.loads:
            if load.to is None or self.images[load.to].origin is Origin.OS:
                continue
            if self.tables.is_system(load.dylib.name, self.config.macos):
                yield load.to

    def check(self, image: LoadedImage) -> tuple[MissingSymbol, ...]:
        """Return what one image asks for in vain."""
        if image.image is None:
            return ()
        number = self.numbers[image.id]
        wanted = self.tables.wanted(image, number)
        missing = self._two_level(image, wanted) if wanted.two_level else ()
        if missing and image.id in self._overriding:
            # what takes the place of a cached library may lack what it binds to in one library (resolveSymbol())
            missing = tuple(m for m in missing if m.fatal)
        others = tuple(self._by_name(image, wanted.by_name)) if wanted.by_name else ()
        stops = () if self.config.profile.classic else self.tables.stops(number)
        if not stops and not (missing and others):
            return missing or others
        return tuple(_in_order(self.tables.imports(image), missing, others, stops, image.id))

    def _two_level(self, image: LoadedImage, wanted: Wanted) -> tuple[MissingSymbol, ...]:
        """Look up two-level imports; shared between processes in which the image's providers are the same."""
        key = (self.numbers[image.id], self.config.macos.packed, self.wiring.providers(image.id))
        known = self.tables.verdicts.get(key)
        if known is None:
            known = self.tables.verdicts[key] = tuple(self._check_two_level(image, wanted))
        # Ids differ from process to process; all else is the same.
        return tuple(m if m.source == image.id else evolve(m, source=image.id) for m in known) if known else ()

    def _check_two_level(self, image: LoadedImage, wanted: Wanted) -> Iterator[MissingSymbol]:
        """Yield what is not found, in the order of the tables: names are looked up library by library before."""
        lacking: dict[int, tuple[Mapping[str, Answer], str | None, Lookup]] = {}
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
                    fatal = lookup is Lookup.BAD_ORDINAL and not self.config.profile.classic
                    yield _missing(entry, image, expected, answer, lookup, fatal=fatal)

    def _from_library(
        self, image: LoadedImage, ordinal: int, names: tuple[str, ...]
    ) -> tuple[Mapping[str, Answer], str | None, Lookup]:
        """Return which names a library ordinal does not provide, and where dyld expects them."""
        library, absent = Lookup.LIBRARY, Lookup.ABSENT_LIBRARY
        if ordinal == ORDINAL_SELF:
            return self._lacking(image, names), image.path, library
        load = self.loads.get(image.id, {}).get(ordinal)
        if load is None:
            if ordinal <= self._dependents(image):
                return dict.fromkeys(names, Answer(None, f"its library {ordinal} was not looked for")), None, absent
            return dict.fromkeys(names, NO), None, Lookup.BAD_ORDINAL
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
            unseen = Answer(None, f"{load.dylib.name} could not be looked at")
            return dict.fromkeys(names, unseen), load.dylib.name, library
        if load.outcome is Outcome.MISSING and load.reason is not None:
            # The launch fails for want of the library: nothing is ever bound.
            return dict.fromkeys(names, Answer(None, f"{load.dylib.name} is missing")), None, absent
        return dict.fromkeys(names, NO), None, absent

    def _lacking(self, provider: LoadedImage, names: tuple[str, ...]) -> Mapping[str, Answer]:
        """Return which names neither a library nor what it re-exports has, with the reason."""
        if provider.origin is Origin.OS:
            given = self.tables.system(
                provider.install_name or provider.path, names, self.config.macos, self.config.arch.name
            )
            return {name: answer for name in names if (answer := given[name]) is not YES}
        known = self.tables.exports(provider, self.numbers[provider.id], names)
        if known is None:
            return dict.fromkeys(names, Answer(None, f"{provider.path} could not be read"))
        found: dict[str, Answer] = {}
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

    def _dependents(self, image: LoadedImage) -> int:
        """How many libraries an image has: those it names, or libSystem where it names none."""
        named = len(image.image.loads) if image.image is not None else 0
        return named or len(self.loads.get(image.id, {}))

    def _find(self, image: LoadedImage, symbol: str, searched: set[int], *, shallow: bool = False) -> Answer:
        """Look a symbol up in one image and in what it re-exports, not in its other dependents.

        Once dyld has come upon something it cannot read, it finds nothing more (hasExportedSymbol()).

        Args:
            image: Where to look.
            symbol: Its name there.
            searched: The images that were asked for this name before: none is asked twice.
            shallow: Leave out what the image re-exports as a whole.
        """
        if image.id in searched:
            return NO
        searched.add(image.id)
        if image.origin is Origin.OS:
            return self.tables.system(
                image.install_name or image.path, (symbol,), self.config.macos, self.config.arch.name
            )[symbol]
        known = self.tables.exports(image, self.numbers[image.id], (symbol,))
        if known is None:
            return Answer(None, f"{image.path} could not be read")
        export = known[symbol]
        if export is not None and not export.reexport:
            return YES
        error: str | None = None
        if export is not None:
            return self._follow(image, export, searched, shallow=shallow)
        error = self.tables.trouble(image, self.numbers[image.id], symbol)
        doubt: Answer | None = None
        for load in () if shallow else self.loads.get(image.id, {}).values():
            if load.dylib.reexport:
                answer = self._through(load, symbol, searched)
                if answer.found and error is None:
                    return answer
                error = self._joined(error, answer.error)
                if answer.found is None:
                    doubt = doubt or answer
        return Answer(False, error=error) if error is not None else doubt or NO

    def _joined(self, first: str | None, second: str | None) -> str | None:
        """Put two errors together as `Diagnostics` does."""
        if first is None or second is None:
            return first if second is None else second
        return first + second if self.config.profile.errors_accumulate else second

    def _follow(self, image: LoadedImage, export: Export, searched: set[int], *, shallow: bool = False) -> Answer:
        """Look up a symbol that an image re-exports from another, there under its name there."""
        if not 0 < export.ordinal <= self._dependents(image) and not self.config.profile.classic:
            error = messages.bad_reexport(self.config.profile, export.ordinal, image.path, export.name)
            return Answer(False, error=error)
        load = self.loads.get(image.id, {}).get(export.ordinal)
        if load is None:
            return NO
        name = export.imported_name or export.name
        renamed = name != export.name
        if renamed and self.config.profile.follows_renamed:
            shallow = False
        step = image.id, export.name
        if step in self._active:
            return Answer(False, error=CRASH)  # dyld recurses until its stack ends
        self._active.add(step)
        try:
            return self._through(load, name, set() if renamed or shallow else searched, shallow=shallow)
        finally:
            self._active.discard(step)

    def _through(self, load: Load, symbol: str, searched: set[int], *, shallow: bool = False) -> Answer:
        if load.to is not None:
            return self._find(self.images[load.to], symbol, searched, shallow=shallow)
        if load.outcome is Outcome.UNKNOWN:
            return Answer(None, f"{load.dylib.name} could not be looked at")
        return NO

    def _by_name(self, image: LoadedImage, entries: tuple[Import, ...]) -> Iterator[MissingSymbol]:
        """Yield what flat, coalesced and main-executable look-ups do not find.

        Where the process is not known hardly anything is: it may bring along what is not here, which is how plug-ins
        work. But what a plug-in looks up in all images comes from the program it is made for, or from its own.
        """
        if not self._main_known:
            entries = tuple(e for e in entries if e.ordinal == ORDINAL_FLAT and not e.weak)
            host = self.host if entries else None
            entries = tuple(e for e in entries if host is not None and not host.provides(e.name))
        classic = self.config.profile.classic
        for entry in entries:
            expected: str | None = None
            fatal = False
            if entry.ordinal == ORDINAL_FLAT:
                answer, lookup = self._anywhere(entry.name, image, weak=False), Lookup.FLAT
            elif entry.ordinal == ORDINAL_WEAK:
                if entry.kind is ImportKind.WEAK_BIND or (classic and entry.kind is not ImportKind.CHAINED):
                    continue  # weak-bind opcodes without a definition are passed over
                answer, lookup = self._anywhere(entry.name, image, weak=True), Lookup.WEAK
                fatal = not entry.weak and not classic
            elif entry.ordinal == ORDINAL_MAIN_EXECUTABLE:
                answer, lookup = self._find(self.images[0], entry.name, set()), Lookup.LIBRARY
                expected = self.images[0].path
            else:
                answer, lookup, fatal = NO, Lookup.BAD_ORDINAL, not classic
            if answer.found is True and answer.error is not None:
                lookup = Lookup.TABLE  # it is there, but something else could not be read
            if answer.found is not True or answer.error is not None:
                yield _missing(entry, image, expected, answer, lookup, fatal=fatal)

    @property
    def _main_known(self) -> bool:
        first = self.images[0].image
        return first is not None and first.file_type == FileType.MH_EXECUTE

    def _anywhere(self, symbol: str, importer: LoadedImage, *, weak: bool) -> Answer:
        """Look a symbol up in every image (with weak definitions), each alone."""
        if importer.id == self._hidden:
            return self._look_everywhere(symbol, importer, weak=weak)
        known = self._by_symbol.get((symbol, weak))
        if known is None:
            known = self._by_symbol[symbol, weak] = self._look_everywhere(symbol, importer, weak=weak)
        return known

    def _look_everywhere(self, symbol: str, importer: LoadedImage, *, weak: bool) -> Answer:
        """The loops of resolveSymbol(): an image that RTLD_LOCAL hides is asked by itself alone."""
        having = self.tables.exporters(symbol, self.wiring.on_disk)
        doubt: Answer | None = None
        error: str | None = None
        found = False
        for image, number in zip(self.images, self.numbers, strict=True):
            if image.id == self._hidden and (weak or image is not importer):
                continue
            if image.origin is Origin.OS:
                answer = self._in_system(image, symbol, weak=weak)
            elif weak and not _has_weak_definitions(image):
                continue
            elif number in having:
                export = having[number]
                answer = self._follow(image, export, {image.id}, shallow=True) if export.reexport else YES
            else:
                trouble = self.tables.trouble(image, number, symbol)
                answer = Answer(False, error=trouble) if trouble is not None else NO
            error = self._joined(error, answer.error)
            if answer.found and error is None:
                found = True
                if not weak:
                    return YES
            if answer.found is None:
                doubt = doubt or answer
        if error is not None:
            return Answer(found, error=error)
        if found or self._brought_along(symbol, weak=weak):
            return YES
        if weak and importer.id == self._hidden:
            own = self._find(importer, symbol, set(), shallow=True)
            if own.found or own.error is not None:
                return own
        if self.wiring.incomplete:
            return Answer(None, "a library that is not there might define it")
        return doubt or NO

    def _in_system(self, image: LoadedImage, symbol: str, *, weak: bool) -> Answer:
        """Look a symbol up in a library of the OS, and say where nobody can tell."""
        name = image.install_name or image.path
        if weak and name in _WITHOUT_WEAK:
            return NO
        answer = self.tables.system(name, (symbol,), self.config.macos, self.config.arch.name)[symbol]
        if answer.found is False and name not in _CLOSED:
            return Answer(None, f"{image.path} loads libraries of its own, and one may define it")
        return answer

    def _brought_along(self, symbol: str, *, weak: bool) -> bool:
        """Whether a library that libSystem brings into every process has a symbol."""
        if not self.has_libdyld:
            return False
        return any(
            self.tables.system(library, (symbol,), self.config.macos, self.config.arch.name)[symbol].found
            for library in _ALWAYS[: 1 if weak else None]
        )

    def message(self, missing: MissingSymbol, *, now: bool = False) -> str:
        """Return dyld's words for a missing symbol; ``now``: it is not bound lazily, whatever its table says."""
        error, lookup = missing.error, missing.lookup
        if error is None:
            return self._words(missing)
        late = missing.lazy and not now
        if lookup is Lookup.TABLE or error == CRASH or missing.weak or (late and lookup is not Lookup.WEAK):
            return error
        if lookup in {Lookup.LIBRARY, Lookup.ABSENT_LIBRARY} and self.config.profile.reexport_error == "first line":
            return self._words(missing, headline=error)
        return error + self._words(missing) if self.config.profile.errors_accumulate else self._words(missing)

    def _words(self, missing: MissingSymbol, headline: str | None = None) -> str:
        importer = self.images[missing.source]
        lookup, ordinal = missing.lookup, missing.ordinal
        if lookup is Lookup.FLAT:
            return messages.flat_symbol_not_found(self.config, missing.symbol, importer)
        if lookup is Lookup.WEAK:
            return messages.weak_symbol_not_found(self.config, missing.symbol, importer)
        if lookup is Lookup.BAD_ORDINAL:
            return messages.unknown_ordinal(self.config, missing.symbol, importer, ordinal, self._dependents(importer))
        if lookup is Lookup.ABSENT_LIBRARY:
            load_path = self.loads[importer.id][ordinal].dylib.name
            return messages.symbol_not_found(self.config, missing.symbol, importer, None, load_path, headline)
        expected = next((i for i in self.images if i.path == missing.expected_in), None)
        return messages.symbol_not_found(self.config, missing.symbol, importer, expected, headline=headline)


def _in_order(
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
            yield _unreadable(image, ends.popleft()[1])
        queue = first if entry.ordinal >= 0 else second
        if queue and queue[0].symbol == entry.name:
            yield queue.popleft()
    for _, words in ends:
        yield _unreadable(image, words)


def _unreadable(image: int, words: str) -> MissingSymbol:
    """Return what stands for a table that dyld cannot read to its end: no symbol, but the launch ends."""
    return MissingSymbol("", image, None, lookup=Lookup.TABLE, error=words, fatal=True)


def _has_weak_definitions(image: LoadedImage) -> bool:
    return image.image is not None and bool(image.image.flags & HeaderFlag.MH_WEAK_DEFINES)


def _missing(
    entry: Import, image: LoadedImage, expected: str | None, answer: Answer, lookup: Lookup, *, fatal: bool = False
) -> MissingSymbol:
    unknown = answer.why if answer.found is None else None
    fatal = fatal or answer.error is not None
    return MissingSymbol(
        entry.name,
        image.id,
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
