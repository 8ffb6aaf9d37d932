"""The look-ups of one process: in a library and what it re-exports, in every image, in those with weak definitions.

dyld-1378, Loader.cpp: resolveSymbol(), hasExportedSymbol().
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from typing import Final

from machochain.dyld import messages
from machochain.dyld.config import ProcessConfig
from machochain.graph.lacking import NOTHING, missing, shortage_of
from machochain.graph.plugins import host_of
from machochain.graph.symbol_tables import CRASH, NO, YES, Answer, Lacking, Shortages, SymbolTables, Wanted
from machochain.graph.walked import Walk
from machochain.graph.wiring import Wiring
from machochain.model.host import PluginHost
from machochain.model.image import FileType, HeaderFlag
from machochain.model.result import (
    Load,
    LoadedImage,
    Lookup,
    MissingSymbol,
    Origin,
    Outcome,
)
from machochain.model.shortage import Shortage, known_shortage
from machochain.model.symbols import (
    ORDINAL_FLAT,
    ORDINAL_MAIN_EXECUTABLE,
    ORDINAL_SELF,
    ORDINAL_WEAK,
    Export,
    Import,
    ImportKind,
)

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


_MOST_DEEP: Final = 100
"""Libraries that re-export one another in a row."""
_MOST_STEPS: Final = 1_000_000
"""Load commands that are looked at for what re-exported symbols of one process lead to."""
_TOO_DEEP: Final = f"more than {_MOST_DEEP} libraries re-export one another: not all were looked at"
_TOO_MANY: Final = "so many libraries re-export one another that not all were looked at"


class Binding:
    """One process while its symbols are looked for."""

    def __init__(self, walk: Walk, config: ProcessConfig, tables: SymbolTables, opened: str | None) -> None:
        self.wiring = tables.wiring(walk.images, lambda: Wiring(walk, tables))
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
        self._depth = 0
        self._steps_left = _MOST_STEPS
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

    def check(self, image: LoadedImage) -> Iterable[MissingSymbol]:
        """Return what one image asks for in vain."""
        return self.shortage(image).of(image.id)

    def shortage(self, image: LoadedImage) -> Shortage:
        """Return what one image asks for in vain."""
        if image.image is None:
            return NOTHING
        wanted, shortages, stops = self.wiring.asks(image)
        shortage = NOTHING
        if shortages is not None:
            known = shortages.get(self.config.macos.packed)
            shortage = self._two_level(image, wanted, shortages) if known is None else known
        if shortage.count and image.id in self._overriding:
            # what takes the place of a cached library may lack what it binds to in one library (resolveSymbol())
            shortage = known_shortage([m for m in shortage.of(image.id) if m.fatal])
        others = tuple(self._by_name(image, wanted.by_name)) if wanted.by_name else ()
        stops = () if self.config.profile.classic else stops
        if not stops and not others:
            return shortage
        return self.wiring.merged(image, shortage, others, stops)

    def _two_level(self, image: LoadedImage, wanted: Wanted, shortages: Shortages) -> Shortage:
        """Look up two-level imports; shared between processes in which the image's providers are the same."""
        if shortages.open is None:
            settled = {n: self._whatever_release(image, n, names) for n, names in wanted.names.items()}
            shortages.settled = {n: found for n, found in settled.items() if found is not None and found[0]}
            shortages.open = tuple(n for n, found in settled.items() if found is None)
        lacking = dict(shortages.settled)
        for ordinal in shortages.open:
            found = self._from_library(image, ordinal, wanted.names[ordinal])
            if found[0]:
                lacking[ordinal] = found
        what = lacking, self.config.profile.classic
        known = shortages.settle(self.config.macos.packed, what)
        if known is None:
            shortage = shortage_of(wanted, lacking, classic=self.config.profile.classic)
            known = shortages.note(self.config.macos.packed, what, shortage)
        return known

    def _whatever_release(  # noqa: PLR0911  # one answer a case
        self, image: LoadedImage, ordinal: int, names: tuple[str, ...]
    ) -> Lacking | None:
        """Return which names a library ordinal does not provide, where that is the same on every release."""
        library, absent = Lookup.LIBRARY, Lookup.ABSENT_LIBRARY
        if ordinal == ORDINAL_SELF:
            return None
        load = self.loads.get(image.id, {}).get(ordinal)
        if load is None:
            if ordinal <= self._dependents(image):
                return dict.fromkeys(names, Answer(None, f"its library {ordinal} was not looked for")), None, absent
            return dict.fromkeys(names, NO), None, Lookup.BAD_ORDINAL
        if load.to is not None:
            provider = self.images[load.to]
            if provider.origin is not Origin.DISK:
                return None
            key = (self.numbers[image.id], ordinal, self.numbers[load.to])
            if key not in self.tables.served:
                if not self._has_all(provider, names):
                    return None
                self.tables.served.add(key)
            return {}, provider.path, library
        if load.outcome is Outcome.UNKNOWN:
            unseen = Answer(None, f"{load.dylib.name} could not be looked at")
            return dict.fromkeys(names, unseen), load.dylib.name, library
        if load.outcome is Outcome.MISSING and load.reason is not None:
            # The launch fails for want of the library: nothing is ever bound.
            return dict.fromkeys(names, Answer(None, f"{load.dylib.name} is missing")), None, absent
        return dict.fromkeys(names, NO), None, absent

    def _from_library(self, image: LoadedImage, ordinal: int, names: tuple[str, ...]) -> Lacking:
        """Return which names an image of the process that a library ordinal stands for does not provide."""
        load = self.loads[image.id][ordinal] if ordinal != ORDINAL_SELF else None
        provider = image if load is None or load.to is None else self.images[load.to]
        return self._lacking(provider, names), provider.path, Lookup.LIBRARY

    def _lacking(self, provider: LoadedImage, names: tuple[str, ...]) -> Mapping[str, Answer]:
        """Return which names neither a library nor what it re-exports has, with the reason."""
        if provider.origin is Origin.OS:
            what = provider.install_name or provider.path
            macos, arch = self.config.macos, self.config.arch.name
            others = self.tables.not_in_system(what, names, macos, arch)
            if not others:
                return {}
            given = self.tables.system(what, others, macos, arch)
            return {name: given[name] for name in others}
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
        loads = () if shallow else self.loads.get(image.id, {}).values()
        self._steps_left -= len(loads)
        for load in loads:
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
            if self._depth >= _MOST_DEEP or self._steps_left < 0:
                return Answer(None, _TOO_DEEP if self._steps_left >= 0 else _TOO_MANY)
            self._depth += 1
            try:
                return self._find(self.images[load.to], symbol, searched, shallow=shallow)
            finally:
                self._depth -= 1
        if load.outcome is Outcome.UNKNOWN:
            return Answer(None, f"{load.dylib.name} could not be looked at")
        return NO

    def _by_name(self, image: LoadedImage, entries: tuple[Import, ...]) -> Iterator[MissingSymbol]:
        """Yield what flat, coalesced and main-executable look-ups do not find.

        Where the process is not known hardly anything is: it may bring along what is not here, which is how plug-ins
        work. But what a plug-in looks up in all images comes from the program it is made for, or from its own.
        """
        if not self._main_known:
            entries = self._not_of_host(self.numbers[image.id], entries)
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
                yield missing(entry, image.id, expected, answer, lookup, fatal=fatal)

    def _not_of_host(self, number: int, entries: tuple[Import, ...]) -> tuple[Import, ...]:
        """Return the flat imports that the program a plug-in is made for does not bring: the same in every process."""
        key = number, self.host
        known = self.tables.not_of_host.get(key)
        if known is None:
            host = self.host
            flat = (e for e in entries if e.ordinal == ORDINAL_FLAT and not e.weak)
            known = () if host is None else tuple(e for e in flat if not host.provides(e.name))
            self.tables.not_of_host[key] = known
        return known

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

    def _look_everywhere(self, symbol: str, importer: LoadedImage, *, weak: bool) -> Answer:  # noqa: C901, PLR0912  # the order of its steps is the rule
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


def _has_weak_definitions(image: LoadedImage) -> bool:
    return image.image is not None and bool(image.image.flags & HeaderFlag.MH_WEAK_DEFINES)
