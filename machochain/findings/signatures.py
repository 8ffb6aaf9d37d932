"""MC520 to MC522: signatures that do not fit, libraries that library validation refuses, variables without effect."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from machochain.findings.evident import of_binary
from machochain.findings.remedies import sign
from machochain.graph.binaries import SignedBinary
from machochain.model.audit import AuditBinary
from machochain.model.paths import leaf, printable
from machochain.model.result import Confidence, Finding, LoadedImage, Origin, Result, Severity
from machochain.model.shell import quoted
from machochain.model.signature import Signature, SignatureFlag, SignatureKind

_NO_VALIDATION: Final = "com.apple.security.cs.disable-library-validation"
_DEBUGGED: Final = "com.apple.security.get-task-allow"
_VALIDATES: Final = SignatureFlag.RUNTIME | SignatureFlag.LIBRARY_VALIDATION | SignatureFlag.FORCED_LIBRARY_VALIDATION
_ENFORCED: Final = _VALIDATES | SignatureFlag.KILL | SignatureFlag.HARD | SignatureFlag.ENFORCEMENT


def broken_signature(found: SignedBinary) -> Iterator[Finding]:
    """MC520: pages that were changed after signing, or a signature that cannot be read."""
    binary = found.binary
    name = printable(leaf(binary.place))
    if found.unreadable is not None:
        severity = Severity.ERROR if binary.image.arch.is_arm64 else Severity.WARNING
        yield of_binary(
            "MC520", severity, binary, binary.place,
            f"{name} ({binary.arch}) has a code signature that cannot be read: {found.unreadable}",
            (sign(binary.place),), reason=found.unreadable,
        )  # fmt: skip
        return
    if found.bad_page is None:
        return
    flags = binary.signature.flags if binary.signature is not None else 0
    severity = Severity.ERROR if binary.image.arch.is_arm64 or flags & _ENFORCED else Severity.WARNING
    where = f"page {found.bad_page} (at {found.bad_page * found.page_size:#x})" if found.page_size else "the file"
    yield of_binary(
        "MC520", severity, binary, binary.place,
        f"{name} ({binary.arch}) was changed after it was signed: {where} has another hash than the signature says",
        (sign(binary.place),), page=found.bad_page, page_size=found.page_size,
    )  # fmt: skip


def validates_libraries(signature: Signature | None) -> bool:
    """Whether the kernel lets a program load only Apple's libraries and those of the program's own team."""
    if signature is None or not signature.flags & _VALIDATES:
        return False
    return signature.entitlements.get(_NO_VALIDATION) is not True


def different_teams(result: Result, binaries: Mapping[tuple[str, str], AuditBinary]) -> Iterator[Finding]:
    """MC521: libraries of the process that library validation refuses.

    Args:
        result: A process.
        binaries: The input's slices by place and architecture; libraries from elsewhere are not judged.
    """
    main = _main(result, binaries)
    if main is None or main.signature is None or not validates_libraries(main.signature):
        return
    team = main.signature.team_id
    certain = main.signature.kind is SignatureKind.SIGNED and team and not main.signature.entitlements.get(_DEBUGGED)
    strong = {load.to for load in result.loads if load.to is not None and not load.dylib.weak}
    for image in result.images[1:]:
        library = _of(image, binaries)
        if library is None or (team and _team(library) == team):
            continue
        theirs = _team(library)
        signed = "not signed" if library.signature is None else f"signed by {theirs}" if theirs else "signed ad hoc"
        severity = Severity.ERROR if certain and image.id in strong else Severity.WARNING
        yield of_binary(
            "MC521", severity, library, library.place,
            f"{printable(leaf(library.place))} is {printable(signed)}, but {printable(leaf(main.place))} "
            f"({printable(f'team {team}' if team else 'signed ad hoc')}) takes libraries of its own team only",
            (
                f"codesign -f -s IDENTITY {quoted(library.place)}",
                f"or sign {printable(leaf(main.place))} with the entitlement {_NO_VALIDATION}",
            ),
            confidence=Confidence.CERTAIN if certain else Confidence.LIKELY,
            team=theirs, required=team, program=main.place,
        )  # fmt: skip


def ignored_environment(
    result: Result, binaries: Mapping[tuple[str, str], AuditBinary], environment: Iterable[str]
) -> Iterator[Finding]:
    """MC522: DYLD_ variables that are given to a hardened program."""
    names = sorted(name for name in environment if name.startswith("DYLD_"))
    main = _main(result, binaries)
    if not names or main is None or not result.hardened:
        return
    yield of_binary(
        "MC522", Severity.WARNING, main, ", ".join(names),
        f"{printable(leaf(main.place))} is hardened and takes no notice of {printable(', '.join(names))}",
        (
            f"install_name_tool -add_rpath DIRECTORY {quoted(main.place)} && {sign(main.place)}",
            "or sign it with the entitlement com.apple.security.cs.allow-dyld-environment-variables",
        ),
        variables=names,
    )  # fmt: skip


def _main(result: Result, binaries: Mapping[tuple[str, str], AuditBinary]) -> AuditBinary | None:
    first = result.images[0]
    return _of(first, binaries) if first.image is not None and first.image.is_main_executable else None


def _of(image: LoadedImage, binaries: Mapping[tuple[str, str], AuditBinary]) -> AuditBinary | None:
    if image.origin is not Origin.DISK or image.image is None:
        return None
    return binaries.get((image.path, image.image.arch.name))


def _team(binary: AuditBinary) -> str | None:
    return binary.signature.team_id if binary.signature is not None else None
