"""MC112: a load path depends on the working directory, and a library was found by it. What is missing is MC101's."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from machochain.findings.draft import Case, Draft, load_draft
from machochain.findings.registry import of_walk, register
from machochain.findings.remedies import beside, change
from machochain.findings.rule import Rule
from machochain.findings.sources import RESIGN
from machochain.model.paths import printable
from machochain.model.result import Outcome, Severity

RULE: Final = register(
    Rule(
        "MC112",
        "relative-load-path",
        "A load path depends on the working directory",
        Severity.WARNING,
        "The load path starts with neither `/` nor `@`: dyld looks for it in the directory the process was started in.",
        "It works in one directory only, `go test` runs in the package's directory, and a hardened process refuses it.",
        (
            (
                "`install_name_tool -change NAME @rpath/LEAF FILE`, and give the library an id of its own: "
                "`install_name_tool -id @rpath/LEAF LIBRARY`."
            ),
            RESIGN,
        ),
        milder="info where an image loaded before has the very name as its id",
        references=("dyld-1378, dyld/Loader.cpp, isFileRelativePath()", "golang/go#29061"),
    )
)


@of_walk
def check(case: Case) -> Iterator[Draft]:
    """Yield the loads by a relative path that were served."""
    for load in case.survey.outside:
        if load.dylib.name.startswith("/") or load.inserted:
            continue
        assert load.to is not None
        target, image = case.result.images[load.to], case.requester(load)
        by_name = load.outcome is Outcome.ALREADY_LOADED and target.install_name == load.dylib.name
        served = "an image loaded before has it as its id" if by_name else "it is looked for in the working directory"
        message = f"{case.who(load)} loads {printable(load.dylib.name)}, a relative path: {served}"
        severity = Severity.INFO if by_name else Severity.WARNING
        remedy = change(load.dylib.name, beside(target.path, image.path), image.path)
        yield load_draft(RULE.id, severity, case, load, message, remedy)
