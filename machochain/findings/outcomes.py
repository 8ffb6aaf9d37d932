"""What became of loads that led to no image, and what dyld passed over on the way to others: which rule speaks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from enum import Enum, auto
from typing import Final

from machochain.model.result import Load, Outcome
from machochain.model.search import Attempt, FailureKind
from machochain.model.value import frozen

KNOWN_VARIABLES: Final = ("@rpath/", "@loader_path/", "@executable_path/")
"""What dyld expands at the start of a load path."""


class Fate(Enum):
    """What became of a load that led to no image."""

    UNDECIDED = auto()
    """Nobody can tell whether it is missing."""
    WEAK = auto()
    """It is weak, and the process goes on without the library."""
    INSERTED = auto()
    """DYLD_INSERT_LIBRARIES asked for it."""
    UNKNOWN_VARIABLE = auto()
    """Its path begins with a variable dyld does not know."""
    SILENT = auto()
    """It is missing, and dyld says nothing."""
    INCOMPATIBLE = auto()
    """The library there has too low a compatibility version."""
    REFUSED = auto()
    """Files lie where dyld looks, and it takes none of them."""
    FORBIDDEN = auto()
    """The restrictions of the process forbid every path."""
    MISSING = auto()
    """Nothing lies where dyld looks."""


@frozen
class FailedLoad:
    """A load that led to no image, and the files dyld refused, in its order."""

    load: Load
    refused: tuple[Attempt, ...] = ()


def failures(failed: Iterable[Load]) -> Mapping[Fate, tuple[FailedLoad, ...]]:
    """Sort loads that led to no image by what became of them, each group in the order dyld asks."""
    found: defaultdict[Fate, list[FailedLoad]] = defaultdict(list)
    for load in failed:
        refused = tuple(a for a in load.tried if not a.objection.is_miss)
        found[_fate(load, refused)].append(FailedLoad(load, refused))
    return {fate: tuple(found.get(fate, ())) for fate in Fate}


def _fate(load: Load, refused: tuple[Attempt, ...]) -> Fate:  # noqa: PLR0911  # one answer a case
    variable = load.dylib.name.startswith("@")
    if load.outcome is Outcome.UNKNOWN:
        return Fate.UNDECIDED
    if load.outcome is Outcome.WEAK_MISSING:
        return Fate.WEAK
    if load.inserted:
        return Fate.INSERTED
    if variable and not load.dylib.name.startswith(KNOWN_VARIABLES):
        return Fate.UNKNOWN_VARIABLE
    if load.reason is None:
        return Fate.SILENT
    if load.failure_kind is FailureKind.TOO_OLD:
        return Fate.INCOMPATIBLE
    if refused:
        return Fate.REFUSED
    if load.failure_kind in {FailureKind.UNSAFE_PATH, FailureKind.NOT_EXPANDED}:
        return Fate.FORBIDDEN
    return Fate.MISSING


def passed_over(odd: Iterable[Load]) -> tuple[tuple[Load, Attempt], ...]:
    """Return the files dyld refused on the way to one that served, each once, with the first load that met it."""
    found: dict[str, tuple[Load, Attempt]] = {}
    for load in odd:
        for attempt in load.tried:
            if not attempt.objection.is_miss:
                found.setdefault(attempt.candidate.path, (load, attempt))
    return tuple(found.values())
