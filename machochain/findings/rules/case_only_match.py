"""MC114: a path fits only because the volume ignores case."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from machochain.findings.draft import Case, Draft, load_draft
from machochain.findings.registry import of_walk, register
from machochain.findings.remedies import advice, change
from machochain.findings.rule import Rule
from machochain.model.paths import leaf, printable
from machochain.model.result import Load, Outcome, Severity
from machochain.model.shell import quoted

RULE: Final = register(
    Rule(
        "MC114",
        "case-only-match",
        "A path fits only because the volume ignores case",
        Severity.WARNING,
        "The file exists under a name that differs in upper and lower case from the one dyld asks for.",
        "It works on a volume of the usual kind and fails on a case-sensitive one.",
        ("Use one spelling: rename the file, or `install_name_tool -change NAME RIGHT_NAME FILE`.",),
    )
)


@of_walk
def check(case: Case) -> Iterator[Draft]:
    """Yield the loads that are served by a name of other case."""
    if not any(image.case_differs for image in case.result.images):
        return
    for load in case.result.loads:
        if load.outcome is Outcome.LOADED and load.to is not None and case.result.images[load.to].case_differs:
            yield _draft(case, load)


def _draft(case: Case, load: Load) -> Draft:
    assert load.to is not None
    target = case.result.images[load.to]
    asked = load.found.path if load.found is not None else load.dylib.name
    message = (
        f"{case.who(load)} asks for {printable(asked)}, which differs from {printable(target.path)} in case: "
        "a case-sensitive volume does not have it"
    )
    head, _, tail = load.dylib.name.rpartition("/")
    new = f"{head}/{leaf(target.path)}" if head and tail.casefold() == leaf(target.path).casefold() else target.path
    remedy = (
        (advice(f"spell the files and folders on the way as the program asks for them: {quoted(asked)}"),)
        if new == load.dylib.name or load.dylib.name.startswith("@")
        else change(load.dylib.name, new, case.requester(load).path)
    )
    return load_draft(RULE.id, Severity.WARNING, case, load, message, remedy, found=target.path)
