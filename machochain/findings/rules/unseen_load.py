"""MC901 to MC903: loads nobody can decide."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import takewhile
from typing import Final

from machochain.dyld.facts import might_be_in_shared_cache
from machochain.findings.draft import Case, Draft, load_draft
from machochain.findings.osloads import is_unknown_to_every_sdk, told_elsewhere
from machochain.findings.registry import of_process, of_walk, register
from machochain.findings.remedies import advice
from machochain.findings.rule import Rule
from machochain.findings.sources import AT_PATHS
from machochain.model.paths import leaf, printable
from machochain.model.result import Load, Outcome, Severity, UnknownKind
from machochain.model.shell import quoted

UNSEEN: Final = register(
    Rule(
        "MC901",
        "unseen-path",
        "A path was not seen",
        Severity.INFO,
        "The library would come from a path below `--unseen`, or from one this machine cannot look at; or the load "
        "commands and run paths of the process make more paths than are tried for one process.",
        "Whether the process launches is unknown.",
        ("Bring the files in with `--root` or `--map TARGET=HOST`.", "Remove load commands and run paths."),
    )
)

UNKNOWN_SYSTEM: Final = register(
    Rule(
        "MC902",
        "unknown-system-library",
        "It is not known whether this macOS has the library",
        Severity.INFO,
        "The library belongs to the OS, but the facts about this release do not reach far enough to judge.",
        "Whether the process launches is unknown.",
        ("Name an SDK of that release: `--sdk DIR`.",),
    )
)

PROCESS: Final = register(
    Rule(
        "MC903",
        "depends-on-process",
        "The answer depends on the process that loads the library",
        Severity.INFO,
        "The image is a library or plugin, and the load path needs `@executable_path` or the run paths of a program "
        "nobody named.",
        "Whether the library can be found is unknown.",
        ("Name the program: `--main EXECUTABLE`.",),
        references=(AT_PATHS,),
    )
)


@of_walk
def check(case: Case) -> Iterator[Draft]:
    """Yield why a load is neither served nor missing, and where a path nobody looked at comes before what served."""
    given_up = next((x for x in case.result.unknowns if x.kind in _NOT_FOLLOWED), None)
    looked_for, rest = _looked_for(case)
    if given_up is not None and rest:
        yield _not_looked_for(case, rest, given_up.text)
    for load in looked_for:
        if load.outcome is not Outcome.UNKNOWN or might_be_in_shared_cache(load.dylib.name):
            continue
        if not told_elsewhere(case, load):
            yield _undecided(case, load)
    for load in case.survey.odd:
        if any(a.unseen for a in load.tried):
            yield _earlier(case, load)


_NOT_FOLLOWED: Final = (UnknownKind.GIVEN_UP, UnknownKind.TOO_LONG)
"""A walk ended before it had looked for all."""


@of_process
def of_system(case: Case) -> Iterator[Draft]:
    """Yield the loads of libraries of the OS of which nobody knows whether a release has them."""
    for load in _looked_for(case)[0]:
        if load.outcome is not Outcome.UNKNOWN or not might_be_in_shared_cache(load.dylib.name):
            continue
        if is_unknown_to_every_sdk(case, load) or told_elsewhere(case, load):
            continue
        message = (
            f"{case.who(load)} loads {printable(load.dylib.name)}: the facts at hand do not say whether macOS "
            f"{case.result.macos} has it"
        )
        remedy = (advice("name an SDK of that release: --sdk DIR"),)
        yield load_draft(UNKNOWN_SYSTEM.id, Severity.INFO, case, load, message, remedy)


def _looked_for(case: Case) -> tuple[tuple[Load, ...], tuple[Load, ...]]:
    """Return the failed loads that were looked for, and those for which a walk had no tries left."""
    failed = case.survey.failed
    if not any(x.kind in _NOT_FOLLOWED for x in case.result.unknowns):
        return failed, ()
    end = len(failed) - sum(1 for _ in takewhile(_was_not_looked_for, reversed(failed)))
    return failed[:end], failed[end:]


def _was_not_looked_for(load: Load) -> bool:
    return load.outcome is Outcome.UNKNOWN and not load.tried


def _not_looked_for(case: Case, rest: Sequence[Load], why: str) -> Draft:
    """MC901 for all loads a walk had no tries left for: there may be tens of thousands, all for one reason."""
    first = rest[0]
    count = "1 load command was" if len(rest) == 1 else f"{len(rest)} load commands were"
    message = f"{count} not looked for, from {printable(first.dylib.name)} of {case.who(first)} on: {why}"
    return load_draft(UNSEEN.id, Severity.INFO, case, first, message, count=len(rest))


def _undecided(case: Case, load: Load) -> Draft:
    name = printable(load.dylib.name)
    who = case.who(load)
    unseen = next((a.candidate.path for a in load.tried if a.unseen), None)
    if unseen is not None:
        message = f"{who} loads {name}: {printable(unseen)} may or may not exist, nobody looked there"
        remedy = (advice(f"--map {quoted(unseen)}=HOST_PATH, or --root DIR"),)
        return load_draft(UNSEEN.id, Severity.INFO, case, load, message, remedy, path=unseen)
    message = f"{who} loads {name}: that depends on the program that loads {printable(leaf(case.subject.path))}"
    remedy = (advice("name the program: --main EXECUTABLE"),)
    return load_draft(PROCESS.id, Severity.INFO, case, load, message, remedy)


def _earlier(case: Case, load: Load) -> Draft:
    assert load.to is not None
    path = next(a.candidate.path for a in load.tried if a.unseen)
    message = (
        f"{case.who(load)} loads {printable(load.dylib.name)} from "
        f"{printable(case.result.images[load.to].path)}, unless {printable(path)} exists: nobody looked there"
    )
    remedy = (advice(f"--map {quoted(path)}=HOST_PATH, or --root DIR"),)
    return load_draft(UNSEEN.id, Severity.INFO, case, load, message, remedy, path=path)
