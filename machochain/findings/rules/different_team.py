"""MC521: library validation refuses a library."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from machochain.findings.audited import ProcessCase, of_binary
from machochain.findings.registry import of_audited, register
from machochain.findings.remedies import advice, sign
from machochain.findings.rule import Rule
from machochain.findings.validation import DEBUGGED, NO_VALIDATION, validates_libraries
from machochain.model.audit import AuditBinary
from machochain.model.paths import leaf, printable
from machochain.model.result import Confidence, Finding, Severity
from machochain.model.shell import quoted
from machochain.model.signature import SignatureKind

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
            "Sign the library with the identity of the program: `codesign -f -s IDENTITY LIBRARY`.",
            "Or sign the program with the entitlement `com.apple.security.cs.disable-library-validation`.",
        ),
        milder="warning where the load is weak, or the program is signed ad hoc",
        references=(
            "Apple, Disable Library Validation Entitlement, com.apple.security.cs.disable-library-validation",
            "xnu, bsd/kern/kern_cs.c, cs_require_lv()",
        ),
    )
)


@of_audited
def check(case: ProcessCase) -> Iterator[Finding]:
    """Yield the libraries of the process that the kernel refuses; libraries from elsewhere are not judged."""
    main = case.main
    if main is None or main.signature is None or not validates_libraries(main.signature):
        return
    team = main.signature.team_id
    certain = main.signature.kind is SignatureKind.SIGNED and team and not main.signature.entitlements.get(DEBUGGED)
    strong = {load.to for load in case.result.loads if load.to is not None and not load.dylib.weak}
    for image in case.result.images[1:]:
        library = case.binary(image)
        if library is None or (team and _team(library) == team):
            continue
        theirs = _team(library)
        signed = "not signed" if library.signature is None else f"signed by {theirs}" if theirs else "signed ad hoc"
        severity = Severity.ERROR if certain and image.id in strong else Severity.WARNING
        yield of_binary(
            RULE, severity, library, library.place,
            f"{printable(leaf(library.place))} is {printable(signed)}, but {printable(leaf(main.place))} "
            f"({printable(f'team {team}' if team else 'signed ad hoc')}) takes libraries of its own team only",
            (
                sign(library.place, "IDENTITY"),
                advice(f"sign {quoted(leaf(main.place))} with the entitlement {NO_VALIDATION}", also=True),
            ),
            confidence=Confidence.CERTAIN if certain else Confidence.LIKELY,
            team=theirs, required=team, program=main.place,
        )  # fmt: skip


def _team(binary: AuditBinary) -> str | None:
    return binary.signature.team_id if binary.signature is not None else None
