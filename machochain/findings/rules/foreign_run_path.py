"""MC402: a run path leads to a build machine or a package manager."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from machochain.findings.draft import Draft, FileCase
from machochain.findings.places import foreign
from machochain.findings.registry import of_file, register
from machochain.findings.remedies import drop_run_path
from machochain.findings.rule import Rule
from machochain.findings.runpaths import is_misspelt
from machochain.findings.sources import RESIGN
from machochain.model.paths import leaf, printable
from machochain.model.result import Severity

RULE: Final = register(
    Rule(
        "MC402",
        "foreign-run-path",
        "A run path leads to a build machine or a package manager",
        Severity.WARNING,
        "An absolute LC_RPATH points into Homebrew, MacPorts, Fink, Nix, conda, a virtual environment, a home or "
        "temporary directory, Go's caches, Xcode, or a mounted volume.",
        "Nothing may need it, but on a Mac where that directory exists, libraries from there can take the place of the "
        "ones that were shipped. It also tells where the file was built.",
        ("`install_name_tool -delete_rpath RUN_PATH FILE`", RESIGN),
        milder="info for /usr/local/lib",
    )
)


@of_file
def check(case: FileCase) -> Iterator[Draft]:
    """Yield the run paths of one machine."""
    path = case.image.path
    for run_path in case.header.run_paths:
        text = run_path.path
        place = None if is_misspelt(text) else foreign(text, path)
        if place is None:
            continue
        message = f"run path {printable(text)} of {printable(leaf(path))} leads into {place.words}"
        severity = Severity.INFO if place.kind == "usr-local" else Severity.WARNING
        yield Draft(
            RULE.id, severity, path, run_path.command_index, text, message,
            {"place": place.kind}, drop_run_path(text, path),
        )  # fmt: skip
