"""MC102: a weakly linked library is absent."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from machochain.findings.draft import Case, Draft, load_draft
from machochain.findings.outcomes import Fate
from machochain.findings.registry import of_walk, register
from machochain.findings.rule import Rule
from machochain.findings.sources import LOAD_DEPENDENTS
from machochain.model.paths import printable
from machochain.model.result import Severity

RULE: Final = register(
    Rule(
        "MC102",
        "weak-library-missing",
        "A weakly linked library is absent",
        Severity.INFO,
        "LC_LOAD_WEAK_DYLIB (or the weak flag of a `dylib_use_command`) names a library that is not there or unfit.",
        "The process launches; everything imported from the library is NULL, and the program must check for that.",
        ("Nothing, if the program checks before it uses the library; else ship the library or link it strongly.",),
        references=(LOAD_DEPENDENTS,),
    )
)


@of_walk
def check(case: Case) -> Iterator[Draft]:
    """Yield the weak loads that led to nothing."""
    for failure in case.failures[Fate.WEAK]:
        load = failure.load
        why = "is absent"
        if failure.refused:
            why = f"is refused ({printable(failure.refused[0].reason) or 'the file is empty'})"
        message = f"{case.who(load)} links weakly with {printable(load.dylib.name)}, which {why}: its symbols are NULL"
        yield load_draft(RULE.id, Severity.INFO, case, load, message)
