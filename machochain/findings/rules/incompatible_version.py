"""MC109: a library's compatibility version is too low for dyld2."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from machochain.findings.draft import Case, Draft, load_draft
from machochain.findings.outcomes import Fate
from machochain.findings.registry import of_walk, register
from machochain.findings.remedies import advice
from machochain.findings.rule import Rule
from machochain.model.paths import printable
from machochain.model.result import Severity

RULE: Final = register(
    Rule(
        "MC109",
        "incompatible-version",
        "A library's compatibility version is too low",
        Severity.ERROR,
        "The load command records a compatibility version that the library found does not reach.",
        "dyld2 ends the process (`Incompatible library version`). macOS 12 and newer never look at it.",
        ("Install the version the program was linked with, or link the program again.",),
        since="macOS 11, for libraries with a minimum version before 10.14",
        references=("dyld-852.2, src/ImageLoader.cpp, recursiveLoadLibraries()",),
    )
)


@of_walk
def check(case: Case) -> Iterator[Draft]:
    """Yield the loads that dyld2 refuses for a version."""
    for failure in case.failures[Fate.INCOMPATIBLE]:
        load = failure.load
        message = f"{case.who(load)}: {printable(load.reason or '')}"
        remedy = (advice("install the version it was linked with"),)
        yield load_draft(RULE.id, Severity.ERROR, case, load, message, remedy)
