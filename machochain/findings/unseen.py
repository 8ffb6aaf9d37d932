"""MC9xx: what could not be seen, and what dyld does not say."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import takewhile

from machochain.dyld.facts import might_be_in_shared_cache
from machochain.findings.draft import KNOWN_VARIABLES, Case, Draft, load_draft
from machochain.findings.remedies import add_run_path, reach
from machochain.findings.versions import is_unknown_to_every_sdk, told_elsewhere
from machochain.model.paths import leaf, printable
from machochain.model.result import Load, Outcome, Severity, UnknownKind
from machochain.model.shell import quoted


def unknowns(case: Case) -> Iterator[Draft]:
    """Yield why a load is neither served nor missing."""
    failed = case.survey.failed
    given_up = next((x for x in case.result.unknowns if x.kind is UnknownKind.GIVEN_UP), None)
    if given_up is not None:
        rest = sum(1 for _ in takewhile(_was_not_looked_for, reversed(failed)))
        if rest:
            yield _not_looked_for(case, failed[-rest:], given_up.text)
            failed = failed[:-rest]
    for load in failed:
        if load.outcome is Outcome.UNKNOWN:
            if not (is_unknown_to_every_sdk(case, load) or told_elsewhere(case, load)):
                yield _undecided(case, load)
        elif load.outcome is Outcome.MISSING and load.reason is None and load.dylib.name.startswith(KNOWN_VARIABLES):
            yield _silent(case, load)
    for load in case.survey.odd:
        if any(a.unseen for a in load.tried):
            yield _earlier(case, load)


def _was_not_looked_for(load: Load) -> bool:
    return load.outcome is Outcome.UNKNOWN and not load.tried


def _not_looked_for(case: Case, rest: Sequence[Load], why: str) -> Draft:
    """MC901 for all loads a walk had no tries left for: there may be tens of thousands, all for one reason."""
    first = rest[0]
    count = "1 load command was" if len(rest) == 1 else f"{len(rest)} load commands were"
    message = (
        f"{count} not looked for, from {printable(first.dylib.name)} of {printable(leaf(case.requester(first).path))} "
        f"on: {why}"
    )
    return load_draft("MC901", Severity.INFO, case, first, message, count=len(rest))


def _undecided(case: Case, load: Load) -> Draft:
    name = printable(load.dylib.name)
    who = printable(leaf(case.requester(load).path))
    unseen = next((a.candidate.path for a in load.tried if a.unseen), None)
    if might_be_in_shared_cache(load.dylib.name):
        message = f"{who} loads {name}: the facts at hand do not say whether macOS {case.result.macos} has it"
        return load_draft("MC902", Severity.INFO, case, load, message, ("name an SDK of that release: --sdk DIR",))
    if unseen is not None:
        message = f"{who} loads {name}: {printable(unseen)} may or may not exist, nobody looked there"
        return load_draft(
            "MC901", Severity.INFO, case, load, message, (f"--map {quoted(unseen)}=HOST_PATH, or --root DIR",),
            path=unseen,
        )  # fmt: skip
    message = f"{who} loads {name}: that depends on the program that loads {printable(leaf(case.subject.path))}"
    return load_draft("MC903", Severity.INFO, case, load, message, ("name the program: --main EXECUTABLE",))


def _earlier(case: Case, load: Load) -> Draft:
    """MC901, where a path nobody looked at comes before the one that served."""
    assert load.to is not None
    path = next(a.candidate.path for a in load.tried if a.unseen)
    message = (
        f"{printable(leaf(case.requester(load).path))} loads {printable(load.dylib.name)} from "
        f"{printable(case.result.images[load.to].path)}, unless {printable(path)} exists: nobody looked there"
    )
    return load_draft(
        "MC901", Severity.INFO, case, load, message, (f"--map {quoted(path)}=HOST_PATH, or --root DIR",), path=path
    )  # fmt: skip


def _silent(case: Case, load: Load) -> Draft:
    image = case.requester(load)
    message = (
        f"{printable(leaf(image.path))} loads {printable(load.dylib.name)}, which is missing; dyld of macOS "
        f"{case.result.macos} says nothing, and the process ends at the first symbol bound to it"
    )
    there = case.elsewhere(load)
    if there is not None:
        remedy = reach(load.dylib.name, there, image.path, image.image)
    else:
        remedy = add_run_path("@loader_path/../lib", image.path, image.image)
    return load_draft("MC904", Severity.WARNING, case, load, message, remedy)
