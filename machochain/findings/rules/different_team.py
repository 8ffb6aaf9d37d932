"""MC521: library validation refuses a library."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from machochain.findings.draft import Case, Draft
from machochain.findings.refusal import OF_SIGNATURES
from machochain.findings.registry import of_audited, of_walk, register
from machochain.findings.remedies import advice, sign
from machochain.findings.rule import Rule
from machochain.findings.rules.unsigned_arm64 import unsigned_library
from machochain.findings.validation import DEBUGGED, NO_VALIDATION, validates_libraries
from machochain.model.paths import leaf, printable
from machochain.model.remedy import Remedy
from machochain.model.result import Confidence, Finding, Load, Outcome, Severity
from machochain.model.search import ObjectionKind
from machochain.model.shell import quoted

if TYPE_CHECKING:
    from machochain.findings.audited import ProcessCase
    from machochain.model.audit import AuditBinary

RULE: Final = register(
    Rule(
        "MC521",
        "different-team",
        "Library validation refuses a library",
        Severity.ERROR,
        "The program is signed with the hardened runtime or library validation, has no "
        "`com.apple.security.cs.disable-library-validation`, and loads a library that is neither Apple's nor signed "
        "by the same team.",
        "The kernel refuses to map the library: `code signature not valid for use in process … have different Team "
        "IDs`. A strong load ends the process.",
        (
            (
                "Sign the library with the identity of the program: `codesign -f -s IDENTITY LIBRARY`; of an ad-hoc "
                "program both, for an ad-hoc signature has no team."
            ),
            "Or sign the program with the entitlement `com.apple.security.cs.disable-library-validation`.",
        ),
        milder="warning where the load is weak, or the program may be debugged",
        references=(
            "Apple, Disable Library Validation Entitlement, com.apple.security.cs.disable-library-validation",
            "xnu, bsd/kern/kern_cs.c, cs_require_lv()",
        ),
    )
)


@of_walk
def check(case: Case) -> Iterator[Draft]:
    """Yield the libraries the kernel does not let the process map because of their signature."""
    told: set[str] = set()
    for load in case.result.loads:
        for attempt in load.tried:
            path = attempt.candidate.path
            if attempt.objection.kind not in OF_SIGNATURES or path in told:
                continue
            told.add(path)
            if attempt.objection.kind is ObjectionKind.UNSIGNED:
                yield unsigned_library(path, _severity(load))
                continue
            program = leaf(case.result.images[0].path)
            yield Draft(
                RULE.id, _severity(load), path, None, path,
                f"{printable(program)} may not map {printable(leaf(path))}: {printable(attempt.reason)}",
                {"program": case.result.images[0].path, "load": load.dylib.name},
                _remedies(path, program),
                Confidence.CERTAIN,
            )  # fmt: skip


def _remedies(library: str, program: str) -> tuple[Remedy, ...]:
    name = quoted(program)
    return (
        sign(library, "IDENTITY"),
        advice(
            f"with the IDENTITY of {name}; where that is signed ad hoc, which has no team, sign it with IDENTITY too"
        ),
        advice(f"sign {name} with the entitlement {NO_VALIDATION}", also=True),
    )


def _severity(load: Load) -> Severity:
    if load.outcome is Outcome.MISSING:
        return Severity.ERROR
    return Severity.WARNING if load.outcome is Outcome.WEAK_MISSING else Severity.INFO


@of_audited
def debugged(case: ProcessCase) -> Iterator[Finding]:
    """Yield libraries of another team in a program that may be debugged: whether the kernel minds is not known."""
    from machochain.findings.audited import of_binary  # noqa: PLC0415  # only audits come here

    main = case.main
    if main is None or main.signature is None or not validates_libraries(main.signature):
        return
    if not main.signature.entitlements.get(DEBUGGED):
        return
    team = main.signature.team_id
    for image in case.result.images[1:]:
        library = case.binary(image)
        if library is None or (team and _team(library) == team):
            continue
        yield of_binary(
            RULE, Severity.WARNING, library, library.place,
            f"{printable(leaf(library.place))} is not of the team of {printable(leaf(main.place))}, "
            "which takes libraries of its own team only unless it is debugged",
            _remedies(library.place, leaf(main.place)),
            confidence=Confidence.LIKELY,
            team=_team(library), required=team, program=main.place,
        )  # fmt: skip


def _team(binary: AuditBinary) -> str | None:
    return binary.signature.team_id if binary.signature is not None else None
