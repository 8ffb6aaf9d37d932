"""How much was looked at, in words and as JSON: no summary says more than that."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

from machochain.model.coverage import Coverage, PassedOver, PassedOverKind
from machochain.model.paths import printable
from machochain.model.result import UnknownKind

MOST_LISTED: Final = 20
"""Things passed over that are named before the rest is counted."""
MOST_ALIKE: Final = 3
"""Files for the same other system that are named before one stands for all."""

_WHY: Final = {
    UnknownKind.UNSEEN_PATH: "a path nobody looked at may serve",
    UnknownKind.UNKNOWN_PROCESS: "it depends on the process that loads it (--main)",
    UnknownKind.EARLIER_PATH: "an earlier path nobody looked at may serve",
    UnknownKind.GIVEN_UP: "too many paths to try",
    UnknownKind.TOO_LONG: "paths too long to try them all",
    UnknownKind.SILENT: "dyld says nothing of what is missing",
    UnknownKind.VERSIONED_LIBRARY: "a versioned path may replace a library",
    UnknownKind.VERSIONED_FOLDER: "a versioned path may replace a library",
    UnknownKind.CUT_SHORT: "a file is cut short",
    UnknownKind.SYMBOLS: "symbols of a library are not known",
    UnknownKind.NOT_LINKED: "it is not linked yet",
}
_KINDS: Final = {
    PassedOverKind.ARCHIVE: ("archive that was not opened", "archives that were not opened"),
    PassedOverKind.FOREIGN: ("file for another system", "files for other systems"),
    PassedOverKind.MEMBER: ("unreadable part of a static library", "unreadable parts of static libraries"),
    PassedOverKind.DAMAGED: ("damaged Mach-O file", "damaged Mach-O files"),
    PassedOverKind.LINK: ("link that leads elsewhere", "links that lead elsewhere"),
}


def coverage_words(coverage: Coverage) -> str:
    """Return what was examined, what is unknown of it and what was passed over, in one line."""
    parts = [examined_words(coverage)]
    if coverage.unknown:
        told = f" ({_reasons(coverage)})" if coverage.reasons else ""
        parts.append(f"{coverage.unknown} of {_count(coverage.processes, 'process', 'processes')} unknown{told}")
    if coverage.passed_over:
        parts.append(f"passed over: {passed_over_words(coverage)}")
    return ", ".join(parts)


def _reasons(coverage: Coverage) -> str:
    if len(coverage.reasons) == 1:
        return _why(coverage.reasons[0][0])
    return "; ".join(f"{number} because {_why(kind)}" for kind, number in coverage.reasons)


def examined_words(coverage: Coverage) -> str:
    """Return ``1 program and 3 libraries examined``."""
    kinds = [(coverage.programs, "program", "programs"), (coverage.libraries, "library", "libraries")]
    told = [_count(*kind) for kind in kinds if kind[0]]
    return f"{' and '.join(told)} examined" if told else "nothing examined"


def passed_over_words(coverage: Coverage) -> str:
    """Return how many things of which kind were passed over."""
    numbers = Counter(each.kind for each in coverage.passed_over)
    return " and ".join(_count(numbers[kind], *words) for kind, words in _KINDS.items() if numbers[kind])


def passed_over_line(each: PassedOver) -> str:
    """Return one thing that was passed over, with the reason."""
    return f"{printable(each.path)}: {printable(each.reason)}"


def passed_over_lines(coverage: Coverage, *, everything: bool) -> Iterator[str]:
    """Yield a line for each thing that was passed over, the first ones only unless everything is asked for."""
    foreign: dict[str, list[PassedOver]] = {}
    for each in coverage.passed_over:
        if each.kind is PassedOverKind.FOREIGN and not everything:
            foreign.setdefault(each.reason, []).append(each)
    many = {reason: group for reason, group in foreign.items() if len(group) > MOST_ALIKE}
    named = [p for p in coverage.passed_over if p.kind is not PassedOverKind.FOREIGN or p.reason not in many]
    for reason, group in many.items():
        first = printable(group[0].path)
        yield f"not looked into: {first} and {len(group) - 1} more, each of which {printable(reason)} (-v lists them)"
    shown = named if everything else named[:MOST_LISTED]
    yield from (f"not looked into: {passed_over_line(each)}" for each in shown)
    hidden = len(named) - len(shown)
    if hidden:
        yield f"and {hidden} more that were not looked into (-v lists them)"


def coverage_fields(coverage: Coverage) -> dict[str, Any]:
    """Return the JSON object."""
    return {
        "programs": coverage.programs,
        "libraries": coverage.libraries,
        "processes": coverage.processes,
        "unknown": coverage.unknown,
        "unknown_because": [
            {"kind": kind.name.lower().replace("_", "-"), "processes": number} for kind, number in coverage.reasons
        ],
        "passed_over": [
            {"path": each.path, "kind": each.kind.value, "reason": each.reason} for each in coverage.passed_over
        ],
    }


def _why(kind: UnknownKind) -> str:
    return _WHY.get(kind, "evidence is missing")


def _count(number: int, noun: str, plural: str) -> str:
    return f"{number} {noun if number == 1 else plural}"
