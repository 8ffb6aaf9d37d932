"""MC810: an Intel program that Apple silicon runs with Rosetta only."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from machochain.findings.draft import Case, Draft
from machochain.findings.registry import of_process, register
from machochain.findings.remedies import advice, command
from machochain.findings.rule import Rule
from machochain.kernel.words import refused_text
from machochain.model.execution import Cause, ExecOutcome, RosettaNeed
from machochain.model.paths import leaf, printable
from machochain.model.remedy import Remedy
from machochain.model.result import Severity

_EBADARCH: Final = 86

RULE: Final = register(
    Rule(
        "MC810",
        "needs-rosetta",
        "An Intel program needs Rosetta on Apple silicon",
        Severity.ERROR,
        "The program has x86_64 code and none for arm64.",
        "Apple silicon runs it translated, if Rosetta is installed; without it `execve` fails with `bad CPU type in "
        "executable`. An upgrade to macOS 27, which no Intel Mac runs, removes Rosetta until somebody installs it "
        "again; from macOS 28 on Apple keeps it for some older games only.",
        (
            "Build for arm64 too: `lipo -create ARM INTEL -output FILE`.",
            "Until then: `softwareupdate --install-rosetta --agree-to-license`.",
        ),
        since="macOS 11 on Apple silicon",
        milder="info up to macOS 26, warning on 27; an error on 28 and where `--no-rosetta` says it is not installed",
        references=("Apple, About the Rosetta translation environment",),
    )
)
_INSTALL: Final = "softwareupdate --install-rosetta --agree-to-license"


@of_process
def check(case: Case) -> Iterator[Draft]:
    """Yield an Intel program without an arm64 slice, or one that is to be translated."""
    found = case.result.execution
    if found is None:
        return
    main = case.result.images[0]
    header = main.image
    intel = header is not None and header.arch.is_x86_64
    slices = case.facts.slices
    alone = bool(slices) and not any(s.startswith("arm64") for s in slices)
    if not intel or not (alone or found.translated):
        return
    missing = found.cause is Cause.NO_ROSETTA
    if found.outcome is not ExecOutcome.DYLD and not missing:
        return
    severity = Severity.ERROR if missing else Severity.INFO
    if not missing and found.rosetta is RosettaNeed.LAST_RELEASE:
        severity = Severity.WARNING
    name = printable(leaf(main.path))
    without = refused_text(_EBADARCH, found.program)
    if missing:
        message = f"{name} is Intel code: {found.why}"
    else:
        message = f"{name} is Intel code: Apple silicon runs it with Rosetta, and without it says {without!r}"
    remedy: tuple[Remedy, ...] = (advice("build for arm64 too"),)
    if found.rosetta is not RosettaNeed.GONE:
        remedy = (*remedy, command(_INSTALL, also=True))
    yield Draft(
        RULE.id, severity, main.path, None, "Rosetta", message,
        {"host": found.host.value, "translated": found.translated, "text": without}, remedy,
    )  # fmt: skip
