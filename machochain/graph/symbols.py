"""Which symbols the images of a process find, and which one ends the launch.

dyld-1378, dyldMain.cpp: prepare(); Loader.cpp: resolveSymbol(), hasExportedSymbol(); JustInTimeLoader.cpp:
applyFixups(): what was inserted is bound first, then the main executable, then the rest in load order, each image in
the order of its tables; the first strong bind without a definition ends the launch. dyld2 binds what an image depends
on before the image itself (dyld-852.2, ImageLoader.cpp: recursiveBind()).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from machochain.dyld import messages
from machochain.dyld.config import ProcessConfig
from machochain.graph.binding import Binding
from machochain.graph.symbol_tables import SymbolTables
from machochain.graph.walked import Dlopen, Walk
from machochain.model.result import (
    LoadedImage,
    Lookup,
    MissingSymbol,
    Result,
    Unknown,
    UnknownKind,
)
from machochain.model.shortage import Kind, MissingSymbols, Shortage
from machochain.model.value import evolve

RTLD_NOW: Final = 2
RTLD_LOCAL: Final = 4


def check_symbols(result: Result, walk: Walk, config: ProcessConfig, tables: SymbolTables) -> Result:
    """Add what symbols are missing to a result; a strong one that is bound at launch ends it."""
    process = Binding(walk, config, tables, result.path if result.file_type != "MH_EXECUTE" else None)
    found = ((image.id, process.shortage(image)) for image in _bind_order(walk, classic=config.profile.classic))
    missing = process.wiring.together([each for each in found if each[1].count])
    result = evolve(result, missing_symbols=missing, symbols_checked=True, host=process.host)
    if not isinstance(missing, MissingSymbols):
        return result
    deciding = _Chosen(missing, lambda kind, source: kind.fatal or (not kind.weak and _decides(kind, source, process)))
    fatal = deciding.first(lambda kind: kind.known)
    if result.launches is not False and fatal is not None:
        now = process.binds_now(fatal.source)
        return evolve(result, launches=False, message=process.message(fatal, now=now) or None)
    if not result.launches:
        return result
    doubt = deciding.first()
    if doubt is not None:
        return evolve(result, launches=None, unknowns=(*result.unknowns, _doubt(doubt, deciding.count, walk)))
    late = _Chosen(
        missing, lambda kind, at: kind.lazy and not kind.fatal and kind.known and process.may_bind_now(at)
    ).first()
    if late is None:
        return result
    unknown = Unknown(UnknownKind.LAZY_SYMBOL, (late.symbol, walk.images[late.source].path))
    return evolve(result, launches=None, unknowns=(*result.unknowns, unknown))


class _Chosen:
    """Some of the symbols that are missing in a process, chosen by their kinds: they are not looked at one by one."""

    def __init__(self, missing: MissingSymbols, choose: Callable[[Kind, int], bool]) -> None:
        self._parts: list[tuple[int, Shortage, list[tuple[Kind, tuple[int, ...]]]]] = []
        for source, shortage in missing.parts:
            kinds = [(kind, places) for kind, places in shortage.kinds.items() if choose(kind, source)]
            if kinds:
                self._parts.append((source, shortage, kinds))

    @property
    def count(self) -> int:
        """How many they are."""
        return sum(len(places) for _, _, kinds in self._parts for _, places in kinds)

    def first(self, also: Callable[[Kind], bool] = lambda _: True) -> MissingSymbol | None:
        """Return the first of them, or of those whose kind is wanted."""
        for source, shortage, kinds in self._parts:
            at = min((places[0] for kind, places in kinds if also(kind)), default=None)
            if at is not None:
                return shortage.at([at], source)[0]
        return None


def _decides(missing: Kind, source: int, process: Binding) -> bool:
    """Whether symbols of a kind that an image lacks decide over the load.

    A lazily bound function does where it is bound at once; of those, one that the library had before is taken to be
    there. What a plug-in looks up in all images and no library known here has may come with one of the many that those
    of the OS load: that alone withdraws no verdict.
    """
    if not missing.known and missing.lookup is Lookup.FLAT and process.host is not None:
        return False
    if not missing.lazy:
        return True
    return process.binds_now(source) and (missing.known or not missing.once)


def binding_message(walk: Walk, config: ProcessConfig, tables: SymbolTables, call: Dlopen | None = None) -> str | None:
    """Return what dyld says while it binds the images of a process; None if it binds them all, `CRASH` if it crashes.

    Args:
        walk: The process; with ``call`` as `open_library` gives it.
        config: The same.
        tables: Where symbols come from.
        call: The library that was opened after the launch: RTLD_NOW looks up lazily bound functions as well,
            RTLD_LOCAL hides the library from what others look up anywhere.
    """
    process = Binding(walk, config, tables, None)
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


def _doubt(first: MissingSymbol, count: int, walk: Walk) -> Unknown:
    more = f" and {count - 1} more" if count > 1 else ""
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
