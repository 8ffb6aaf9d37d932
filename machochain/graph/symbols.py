"""Which symbols the images of a process find, and which one ends the launch.

dyld-1378, Loader.cpp: resolveSymbol(), hasExportedSymbol(); JustInTimeLoader.cpp: applyFixups(): images are bound in
load order, an image's binds in the order of its tables; the first strong bind without a definition ends the launch.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from attrs import evolve, frozen

from machochain.dyld import messages
from machochain.dyld.config import ProcessConfig
from machochain.graph.driver import Walk
from machochain.graph.mac import Mac
from machochain.macho.archive import RangeSource
from machochain.macho.exports import Exports, open_exports
from machochain.macho.imports import read_imports
from machochain.model.errors import InputError
from machochain.model.filesystem import Node, NodeKind, Presence
from machochain.model.image import FileType
from machochain.model.result import Load, LoadedImage, MissingSymbol, Origin, Outcome, Result
from machochain.model.stub import SymbolAnswer, SystemSymbols
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

_ImageKey = tuple[object, int]


@frozen
class _Wanted:
    """What one image asks for: by library ordinal (self included), and by name alone."""

    two_level: tuple[Import, ...]
    by_name: tuple[Import, ...]


@frozen
class _Answer:
    """Whether a symbol is there: True, False, or None with the reason why nobody can tell."""

    found: bool | None
    why: str = ""


_YES = _Answer(True)
_NO = _Answer(False)


class SymbolTables:
    """Imports and exports of images, read once for all processes of a run."""

    def __init__(self, mac: Mac, system: SystemSymbols) -> None:
        """Take where files and OS symbols come from."""
        self._mac = mac
        self._system = system
        self._numbers: dict[_ImageKey, int] = {}
        self._reexporting: dict[int, bool] = {}
        self._imports: dict[int, _Wanted] = {}
        self._exports: dict[int, Exports | None] = {}
        self._found: dict[int, dict[str, Export | None]] = {}
        self._answers: dict[tuple[str, str, Version], SymbolAnswer] = {}
        self._exporters: dict[str, tuple[set[int], set[int]]] = {}
        self.verdicts: dict[tuple[object, ...], tuple[MissingSymbol, ...]] = {}

    def number(self, image: LoadedImage) -> int:
        """Return a number that stands for an image in every process of the run."""
        return self._numbers.setdefault((image.identity or image.path, image.slice_offset), len(self._numbers))

    def imports(self, image: LoadedImage) -> _Wanted:
        """Return what an image asks for; nothing if its file cannot be read any more."""
        key = self.number(image)
        found = self._imports.get(key)
        if found is None:
            entries: tuple[Import, ...] = ()
            if image.image is not None:
                try:
                    with self._mac.files.opened(_node(image)) as source:
                        piece = RangeSource(source, image.slice_offset, image.slice_size)
                        entries = read_imports(image.image, piece.read).entries
                except InputError:
                    entries = ()
            found = self._imports[key] = _Wanted(
                tuple(e for e in entries if e.ordinal >= 0), tuple(e for e in entries if e.ordinal < 0)
            )
        return found

    def reexports(self, image: LoadedImage) -> bool:
        """Whether an image passes on what other libraries export."""
        key = self.number(image)
        if key not in self._reexporting:
            self._reexporting[key] = image.image is not None and any(x.reexport for x in image.image.loads)
        return self._reexporting[key]

    def exporters(self, symbol: str, images: dict[int, LoadedImage]) -> set[int]:
        """Return the numbers of those images that export a symbol themselves."""
        looked, having = self._exporters.setdefault(symbol, (set(), set()))
        for number in images.keys() - looked:
            looked.add(number)
            exports = self.exports(images[number])
            if exports is not None and exports.find(symbol) is not None:
                having.add(number)
        return having

    def exports(self, image: LoadedImage) -> Exports | None:
        """Return what an image gives; None if its file cannot be read any more."""
        key = self.number(image)
        if key not in self._exports:
            self._exports[key] = None
            if image.image is not None:
                try:
                    with self._mac.files.opened(_node(image)) as source:
                        piece = RangeSource(source, image.slice_offset, image.slice_size)
                        self._exports[key] = open_exports(image.image, piece.read)
                except InputError:
                    pass
        return self._exports[key]

    def export(self, image: LoadedImage, exports: Exports, symbol: str) -> Export | None:
        """Look a symbol up in one image; what was asked before costs nothing again."""
        known = self._found.setdefault(self.number(image), {})
        if symbol not in known:
            known[symbol] = exports.find(symbol)
        return known[symbol]

    def system(self, library: str, symbol: str, macos: Version) -> SymbolAnswer:
        """Say whether an OS library gives a symbol, itself or through what it re-exports."""
        key = (library, symbol, macos)
        answer = self._answers.get(key)
        if answer is None:
            answer = self._answers[key] = self._system.lookup(library, symbol, macos)
        return answer


def _node(image: LoadedImage) -> Node:
    return Node(Presence.PRESENT, NodeKind.FILE, image.path, image.identity, image.host)


def check_symbols(result: Result, walk: Walk, config: ProcessConfig, tables: SymbolTables) -> Result:
    """Add what symbols are missing to a result; a strong one that is bound at launch ends it."""
    process = _Process(walk, config, tables)
    missing: list[MissingSymbol] = []
    fatal: MissingSymbol | None = None
    for image in walk.images:
        for each in process.check(image):
            missing.append(each)
            if fatal is None and each.unknown is None and not each.weak and not each.lazy:
                fatal = each
    result = evolve(result, missing_symbols=tuple(missing), symbols_checked=True)
    if result.launches is False or fatal is None:
        doubts = [m for m in missing if m.unknown is not None and not m.weak and not m.lazy]
        if doubts and result.launches:
            return evolve(result, launches=None, unknowns=(*result.unknowns, _doubt(doubts, walk)))
        return result
    return evolve(result, launches=False, message=process.message(fatal))


def _doubt(doubts: Sequence[MissingSymbol], walk: Walk) -> str:
    first = doubts[0]
    more = f" and {len(doubts) - 1} more" if len(doubts) > 1 else ""
    return f"{first.symbol}{more}, which {walk.images[first.source].path} needs: {first.unknown}"


class _Process:
    """One process while its symbols are looked for."""

    def __init__(self, walk: Walk, config: ProcessConfig, tables: SymbolTables) -> None:
        self.images = walk.images
        self.config = config
        self.tables = tables
        self.loads: dict[int, list[Load]] = {}
        for load in walk.loads:
            if load.dylib.ordinal:
                self.loads.setdefault(load.source, []).append(load)
        self.numbers = [tables.number(image) for image in walk.images]
        self.on_disk = {n: i for n, i in zip(self.numbers, walk.images, strict=True) if i.origin is Origin.DISK}
        self.incomplete = any(load.to is None for load in walk.loads)
        self._by_symbol: dict[str, _Answer] = {}

    def check(self, image: LoadedImage) -> tuple[MissingSymbol, ...]:
        """Return what one image asks for in vain."""
        if image.image is None:
            return ()
        wanted = self.tables.imports(image)
        missing = self._two_level(image, wanted.two_level) if wanted.two_level else ()
        return (*missing, *self._by_name(image, wanted.by_name)) if wanted.by_name else missing

    def _two_level(self, image: LoadedImage, entries: tuple[Import, ...]) -> tuple[MissingSymbol, ...]:
        """Look up two-level imports; shared between processes in which the image's providers are the same."""
        key = (self.numbers[image.id], self.config.macos, self._providers(image.id))
        known = self.tables.verdicts.get(key)
        if known is None:
            known = self.tables.verdicts[key] = tuple(self._check_two_level(image, entries))
        # Ids differ from process to process; all else is the same.
        return tuple(m if m.source == image.id else evolve(m, source=image.id) for m in known)

    def _providers(self, image: int) -> tuple[object, ...]:
        """Return what identifies the libraries an image binds to, with all they re-export."""
        found: list[object] = []
        for load in self.loads.get(image, ()):
            if load.to is None:
                found.append(load.outcome)
                continue
            found.append(self.numbers[load.to])
            if self.tables.reexports(self.images[load.to]):
                found.append(tuple(self._reexported(load.to)))
        return tuple(found)

    def _reexported(self, image: int) -> Iterator[int]:
        """Yield the numbers of everything an image re-exports, directly or not."""
        seen = {image}
        waiting = [image]
        while waiting:
            for load in self.loads.get(waiting.pop(), ()):
                if load.dylib.reexport and load.to is not None and load.to not in seen:
                    seen.add(load.to)
                    waiting.append(load.to)
                    yield self.numbers[load.to]

    def _check_two_level(self, image: LoadedImage, entries: tuple[Import, ...]) -> Iterator[MissingSymbol]:
        loads = self.loads.get(image.id, [])
        expected: str | None
        for entry in entries:
            ordinal = entry.ordinal
            if ordinal == ORDINAL_SELF:
                answer, expected = self._find(image, entry.name, frozenset()), image.path
            elif ordinal > len(loads):
                answer, expected = _Answer(None, f"its library ordinal is {ordinal} of {len(loads)}"), None
            else:
                answer, expected = self._from_load(loads[ordinal - 1], entry)
            if answer.found is not True:
                yield _missing(entry, image, expected, answer)

    def _from_load(self, load: Load, entry: Import) -> tuple[_Answer, str | None]:
        if load.to is not None:
            provider = self.images[load.to]
            return self._find(provider, entry.name, frozenset()), provider.path
        if load.outcome is Outcome.UNKNOWN:
            return _Answer(None, f"{load.dylib.name} could not be looked at"), load.dylib.name
        if load.outcome is Outcome.MISSING and load.reason is not None:
            # The launch fails for want of the library: nothing is ever bound.
            return _Answer(None, f"{load.dylib.name} is missing"), None
        return _NO, None

    def _find(self, image: LoadedImage, symbol: str, above: frozenset[int]) -> _Answer:
        """Look a symbol up in one image and in what it re-exports, not in its other dependents."""
        if image.id in above:
            return _NO
        if image.origin is Origin.OS:
            return self._find_in_os(image.path, symbol)
        exports = self.tables.exports(image)
        if exports is None:
            return _Answer(None, f"{image.path} could not be read")
        loads = self.loads.get(image.id, [])
        above |= {image.id}
        export = self.tables.export(image, exports, symbol)
        if export is not None:
            if not export.reexport:
                return _YES
            if export.ordinal == 0 or export.ordinal > len(loads):
                return _NO
            return self._through(loads[export.ordinal - 1], export.imported_name or symbol, above)
        doubt: _Answer | None = None
        for load in loads:
            if load.dylib.reexport:
                answer = self._through(load, symbol, above)
                if answer.found:
                    return answer
                if answer.found is None:
                    doubt = doubt or answer
        return doubt or _NO

    def _through(self, load: Load, symbol: str, above: frozenset[int]) -> _Answer:
        if load.to is not None:
            return self._find(self.images[load.to], symbol, above)
        if load.outcome is Outcome.UNKNOWN:
            return _Answer(None, f"{load.dylib.name} could not be looked at")
        return _NO

    def _find_in_os(self, library: str, symbol: str) -> _Answer:
        answer = self.tables.system(library, symbol, self.config.macos)
        if answer.presence is Presence.PRESENT:
            return _YES
        if answer.presence is Presence.ABSENT and (answer.present_in is not None or library.startswith("/usr/lib/")):
            return _Answer(False, answer.why)
        # A framework exports more than its stub says: what no stub ever listed may be there all the same.
        return _Answer(None, answer.why)

    def _by_name(self, image: LoadedImage, entries: tuple[Import, ...]) -> Iterator[MissingSymbol]:
        """Yield what flat, coalesced and main-executable look-ups do not find.

        Where the process is not known nothing is: it may bring along what is not here, which is how plug-ins work.
        """
        if not self._main_known:
            return
        for entry in entries:
            if entry.ordinal == ORDINAL_FLAT:
                answer, expected = self._anywhere(entry.name), "flat namespace"
            elif entry.ordinal == ORDINAL_WEAK:
                if entry.kind is not ImportKind.CHAINED:
                    continue  # weak-bind opcodes without a definition are passed over
                answer, expected = self._anywhere(entry.name), "weak"
            elif entry.ordinal == ORDINAL_MAIN_EXECUTABLE:
                answer, expected = self._find(self.images[0], entry.name, frozenset()), self.images[0].path
            else:
                continue
            if answer.found is not True:
                yield _missing(entry, image, expected, answer)

    @property
    def _main_known(self) -> bool:
        first = self.images[0].image
        return first is not None and first.file_type == FileType.MH_EXECUTE

    def _anywhere(self, symbol: str) -> _Answer:
        """Look a symbol up in every image, each alone; the OS has more of them than are modelled here."""
        known = self._by_symbol.get(symbol)
        if known is None:
            known = self._by_symbol[symbol] = self._look_everywhere(symbol)
        return known

    def _look_everywhere(self, symbol: str) -> _Answer:
        if not self.tables.exporters(symbol, self.on_disk).isdisjoint(self.on_disk):
            return _YES
        doubt: _Answer | None = None
        for image in self.images:
            if image.origin is Origin.OS:
                answer = self._find_in_os(image.path, symbol)
                if answer.found:
                    return _YES
                if answer.found is None:
                    doubt = doubt or answer
        if self.incomplete:
            return _Answer(None, "a library that is not there might define it")
        return doubt or _NO

    def message(self, missing: MissingSymbol) -> str:
        """Return dyld's words for a missing symbol."""
        importer = self.images[missing.source]
        if missing.expected_in == "flat namespace":
            return messages.flat_symbol_not_found(self.config, missing.symbol, importer)
        if missing.expected_in == "weak":
            return messages.weak_symbol_not_found(self.config, missing.symbol, importer)
        expected = next((i for i in self.images if i.path == missing.expected_in), None)
        return messages.symbol_not_found(self.config, missing.symbol, importer, expected)


def _missing(entry: Import, image: LoadedImage, expected: str | None, answer: _Answer) -> MissingSymbol:
    unknown = None if answer.found is False else answer.why
    return MissingSymbol(entry.name, image.id, expected, entry.lazy, entry.weak, unknown)
