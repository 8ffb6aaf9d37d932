"""MC203: no SDK knows a system library."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from machochain.findings.draft import Case, Draft, load_draft
from machochain.findings.osloads import is_unknown_to_every_sdk, told_elsewhere
from machochain.findings.outcomes import Fate
from machochain.findings.registry import of_walk, register
from machochain.findings.remedies import advice
from machochain.findings.rule import Rule
from machochain.model.paths import printable
from machochain.model.result import Confidence, Severity

RULE: Final = register(
    Rule(
        "MC203",
        "unknown-to-every-sdk",
        "No SDK knows this system library",
        Severity.WARNING,
        "The load path lies where the OS keeps its libraries, but none of the SDKs known here lists it for any macOS.",
        "It is private, or its name is wrong. Private libraries change and go without notice.",
        ("Check the name; use the public library or framework instead; or link it weakly.",),
        milder="info for a weak load",
        references=("dyld-1378, dyld/Loader.cpp, mightBeInSharedCache()",),
    )
)


@of_walk
def check(case: Case) -> Iterator[Draft]:
    """Yield the loads of system libraries that no SDK lists."""
    for failure in case.failures[Fate.UNDECIDED]:
        load = failure.load
        if told_elsewhere(case, load) or not is_unknown_to_every_sdk(case, load):
            continue
        message = f"{case.who(load)} loads {printable(load.dylib.name)}, which no known SDK lists"
        severity = Severity.INFO if load.dylib.weak else Severity.WARNING
        remedy = (advice("check the name"), advice("use a public library, or link weakly", also=True))
        yield load_draft(RULE.id, severity, case, load, message, remedy, Confidence.LIKELY)
