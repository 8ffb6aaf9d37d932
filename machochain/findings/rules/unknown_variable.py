"""MC113: a load path starts with a variable dyld does not know."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from machochain.findings.draft import Case, Draft, load_draft
from machochain.findings.outcomes import KNOWN_VARIABLES, Fate
from machochain.findings.registry import of_walk, register
from machochain.findings.remedies import change
from machochain.findings.rule import Rule
from machochain.findings.sources import AT_PATHS, RESIGN
from machochain.model.paths import leaf, printable
from machochain.model.result import Load, Outcome, Severity

RULE: Final = register(
    Rule(
        "MC113",
        "unknown-variable",
        "A load path starts with a variable dyld does not know",
        Severity.ERROR,
        "dyld knows `@rpath/`, `@loader_path/` and `@executable_path/`; anything else behind `@` leads nowhere.",
        "Only a DYLD_ variable or a default fallback can serve it. Where no path is left to try, dyld may not even "
        "complain: it goes on, and the process ends at the first symbol of the library.",
        ("Correct the name: `install_name_tool -change WRONG @rpath/LEAF FILE`.", RESIGN),
        milder="warning where a fallback serves it or dyld says nothing",
        references=(AT_PATHS,),
    )
)


@of_walk
def check(case: Case) -> Iterator[Draft]:
    """Yield the loads by such a path, served by something else or not at all."""
    for failure in case.failures[Fate.UNKNOWN_VARIABLE]:
        yield _draft(case, failure.load)
    for load in case.survey.odd:
        if load.dylib.name.startswith("@") and not load.dylib.name.startswith(KNOWN_VARIABLES):
            yield _draft(case, load)


def _draft(case: Case, load: Load) -> Draft:
    name = load.dylib.name
    # Where nothing is left to try, dyld4 says nothing: the process goes on to the first symbol of the library.
    fails = load.outcome is Outcome.MISSING and load.reason is not None
    severity = Severity.ERROR if fails else Severity.WARNING
    message = f"{case.who(load)} loads {printable(name)}: dyld knows no variable {printable(name.partition('/')[0])}"
    remedy = change(name, f"@rpath/{leaf(name)}", case.requester(load).path)
    return load_draft(RULE.id, severity, case, load, message, remedy)
