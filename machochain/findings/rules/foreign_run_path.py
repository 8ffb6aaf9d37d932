"""MC402: a run path leads to a build machine or a package manager."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from machochain.findings.draft import Case, Draft
from machochain.findings.places import leaked_run_path
from machochain.findings.registry import of_walk, register
from machochain.findings.remedies import advice, drop_run_path, replace_run_path
from machochain.findings.rule import Rule
from machochain.findings.runpaths import is_misspelt
from machochain.findings.sources import RESIGN
from machochain.findings.words import names as names_of
from machochain.model.paths import directory, leaf, printable
from machochain.model.remedy import FILE
from machochain.model.result import Outcome, Severity
from machochain.model.shell import quoted

RULE: Final = register(
    Rule(
        "MC402",
        "foreign-run-path",
        "A run path leads to a build machine or a package manager",
        Severity.WARNING,
        "An absolute LC_RPATH points into Homebrew, MacPorts, Fink, Nix, conda, a virtual environment, a home or "
        "temporary directory, Go's caches, Xcode, a mounted volume, or any other directory that no macOS and no "
        "installer makes.",
        "Nothing may need it, but on a Mac where that directory exists, libraries from there can take the place of the "
        "ones that were shipped. It also tells where the file was built.",
        (
            "`install_name_tool -delete_rpath RUN_PATH FILE`, if nothing is found by it alone.",
            (
                "Else ship the library, and put a run path to it in the place of this one: `install_name_tool -rpath "
                "RUN_PATH @loader_path FILE`."
            ),
            RESIGN,
        ),
        milder="info for /usr/local/lib, and for a directory below /opt that no package manager is known by",
    )
)


@of_walk
def check(case: Case) -> Iterator[Draft]:
    """Yield the run paths of one machine; those that a library is looked for by alone are not to be deleted."""
    for image in case.files:
        assert image.image is not None
        path = image.path
        replaced = "@loader_path" in {run_path.path for run_path in image.image.run_paths}
        for index, run_path in enumerate(image.image.run_paths):
            text = run_path.path
            place = None if is_misspelt(text) else leaked_run_path(text, path)
            if place is None:
                continue
            message = f"run path {printable(text)} of {printable(leaf(path))} leads into {place.words}"
            severity = Severity.INFO if place.kind in {"usr-local", "opt"} else Severity.WARNING
            needed = _needed(case, image.id, index)
            remedy = drop_run_path(text, path)
            evidence: dict[str, Any] = {"place": place.kind}
            if needed:
                names = names_of([leaf(n) for n in needed])
                message += f", by which alone {names} is looked for"
                remedy = (
                    advice(
                        f"put {quoted(leaf(needed[0]))} and its like into {FILE}, or link them statically",
                        file=directory(path) or "/",
                    ),
                    *(remedy if replaced else replace_run_path(text, "@loader_path", path)),
                )
                replaced = True  # a run path that is there twice is refused by macOS 26
                evidence["needed_for"] = needed
            yield Draft(RULE.id, severity, path, run_path.command_index, text, message, evidence, remedy)


def _needed(case: Case, image: int, index: int) -> list[str]:
    """Return what the process asks for that no other way serves, each once: without the run path it is lost."""
    found: dict[str, None] = {}
    for load in case.by_run_path.get((image, index), ()):
        served = load.found
        by_this = served is not None and (served.image, served.run_path) == (image, index)
        if by_this or (load.to is None and load.outcome is not Outcome.WEAK_MISSING):
            found[load.dylib.name] = None
    return list(found)
