"""MC401: a library is loaded by a path of one machine. What is missing here already is MC101's."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from machochain.findings.draft import Case, Draft, load_draft
from machochain.findings.places import foreign
from machochain.findings.registry import of_walk, register
from machochain.findings.remedies import beside, bundle, change
from machochain.findings.rule import Rule
from machochain.findings.sources import RESIGN
from machochain.model.paths import printable
from machochain.model.result import Outcome, Severity

RULE: Final = register(
    Rule(
        "MC401",
        "foreign-load-path",
        "A library is loaded from a build machine or a package manager",
        Severity.WARNING,
        "An absolute load path points into Homebrew, MacPorts, Fink, Nix, conda, a virtual environment, a home or "
        "temporary directory, Go's caches, Xcode, or a mounted volume.",
        "The library is there on this Mac, but not on others: there the program does not launch. If it is missing here "
        "already, MC101 says so instead.",
        (
            "Ship a copy beside the program and `install_name_tool -change OLD @rpath/LEAF FILE`, or link statically.",
            RESIGN,
        ),
        references=("livepeer/go-livepeer#3489", "veandco/go-sdl2#579"),
    )
)


@of_walk
def check(case: Case) -> Iterator[Draft]:
    """Yield the loads that lead to a build machine or a package manager."""
    for load in (*case.survey.failed, *case.survey.outside):
        name = load.dylib.name
        if not name.startswith("/") or load.inserted or load.outcome is Outcome.MISSING:
            continue
        image = case.requester(load)
        place = foreign(name, image.path)
        if place is None:
            continue
        message = f"{case.who(load)} loads {printable(name)}, a path in {place.words}"
        there = case.elsewhere(load)
        remedy = bundle(name, image.path)
        if there is not None and there != name:
            remedy = change(name, beside(there, image.path), image.path)
        severity = Severity.INFO if load.outcome is Outcome.WEAK_MISSING else Severity.WARNING
        yield load_draft(RULE.id, severity, case, load, message, remedy, place=place.kind)
