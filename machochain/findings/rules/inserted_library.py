"""MC116: a library of DYLD_INSERT_LIBRARIES cannot be loaded."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from machochain.findings.draft import Case, Draft, load_draft
from machochain.findings.outcomes import Fate
from machochain.findings.registry import of_process, register
from machochain.findings.remedies import advice
from machochain.findings.rule import Rule
from machochain.model.paths import printable
from machochain.model.result import Severity

RULE: Final = register(
    Rule(
        "MC116",
        "inserted-library-missing",
        "A library of DYLD_INSERT_LIBRARIES cannot be loaded",
        Severity.ERROR,
        "DYLD_INSERT_LIBRARIES names a library that is not there or unfit.",
        "dyld ends the process; a hardened one goes on without the library.",
        ("Correct the variable, or unset it.",),
        milder="warning in a hardened process",
        references=("dyld-1378, dyld/dyldMain.cpp, prepare()",),
    )
)


@of_process
def check(case: Case) -> Iterator[Draft]:
    """Yield the inserted libraries that led to nothing."""
    hardened = bool(case.result.hardened)
    fate = "a hardened process goes on without it" if hardened else "the process ends"
    severity = Severity.WARNING if hardened else Severity.ERROR
    for failure in case.failures[Fate.INSERTED]:
        load = failure.load
        message = f"DYLD_INSERT_LIBRARIES names {printable(load.dylib.name)}, which cannot be loaded: {fate}"
        remedy = (advice("correct or unset DYLD_INSERT_LIBRARIES"),)
        yield load_draft(RULE.id, severity, case, load, message, remedy)
