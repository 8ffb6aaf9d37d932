"""MC904: a library is missing and dyld does not say so."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from machochain.findings.draft import Case, Draft, load_draft
from machochain.findings.outcomes import Fate
from machochain.findings.registry import of_process, register
from machochain.findings.remedies import add_run_path, reach
from machochain.findings.rule import Rule
from machochain.findings.sources import RESIGN
from machochain.model.paths import printable
from machochain.model.result import Severity

RULE: Final = register(
    Rule(
        "MC904",
        "silent-missing-library",
        "A library is missing and dyld does not say so",
        Severity.WARNING,
        "No image in the chain has a run path, so nothing was tried for `@rpath/…`; this dyld takes that for no "
        "error and goes on.",
        "The process ends later, at the first symbol that is bound to the library; newer macOS says `no LC_RPATH's "
        "found` at launch.",
        ("`install_name_tool -add_rpath @loader_path/../lib FILE`", RESIGN),
        since="macOS 13.3 to 13.6, for images built with sdk 14 or newer (others have fallbacks to try)",
        references=("dyld-1066.8, dyld/Loader.cpp, getLoader()", "dyld-1122.1, dyld/Loader.cpp, getLoader()"),
    )
)


@of_process
def check(case: Case) -> Iterator[Draft]:
    """Yield the libraries that dyld misses without a word."""
    for failure in case.failures[Fate.SILENT]:
        load = failure.load
        image = case.requester(load)
        message = (
            f"{case.who(load)} loads {printable(load.dylib.name)}, which is missing; dyld of macOS "
            f"{case.result.macos} says nothing, and the process ends at the first symbol bound to it"
        )
        there = case.elsewhere(load)
        if there is not None:
            remedy = reach(load.dylib.name, there, image.path, image.image)
        else:
            remedy = add_run_path("@loader_path/../lib", image.path, image.image)
        yield load_draft(RULE.id, Severity.WARNING, case, load, message, remedy)
