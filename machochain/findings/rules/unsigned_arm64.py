"""MC501: an arm64 image is not signed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from machochain.findings.draft import Draft, FileCase
from machochain.findings.registry import of_file, register
from machochain.findings.remedies import sign
from machochain.findings.rule import Rule
from machochain.model.arch import CPU_ARM64
from machochain.model.paths import leaf, printable
from machochain.model.result import Severity
from machochain.model.signature import SignatureKind

RULE: Final = register(
    Rule(
        "MC501",
        "unsigned-arm64",
        "An arm64 image is not signed",
        Severity.ERROR,
        "The arm64 slice has no code signature, not even an ad-hoc one.",
        "The kernel of Apple silicon kills a process that runs or loads unsigned arm64 code (`Killed: 9`).",
        ("`codesign -f -s - FILE`: an ad-hoc signature is enough. `rcodesign sign FILE` does it without a Mac.",),
        references=("golang/go#42684",),
    )
)


@of_file
def check(case: FileCase) -> Iterator[Draft]:
    """Yield arm64 code without a signature."""
    header, path = case.header, case.image.path
    if header.arch.cputype != CPU_ARM64:
        return
    named = header.linkedit.code_signature is not None
    if named and (case.signature is None or case.signature.kind is not SignatureKind.NONE):
        return
    what = "has a signature that cannot be read" if named else "is not signed"
    yield _draft(path, f" ({header.arch.name})", what, "unreadable" if named else "none", Severity.ERROR)


def unsigned_library(path: str, severity: Severity) -> Draft:
    """Return the finding for a library the kernel does not let a process map because nothing signs it."""
    return _draft(path, "", "is not signed, or not in a way the kernel takes", "none", severity)


def _draft(path: str, arch: str, what: str, signature: str, severity: Severity) -> Draft:
    message = f"{printable(leaf(path))}{arch} {what}: the kernel of Apple silicon kills the process"
    if not arch:
        message = f"{printable(leaf(path))} {what}: no process on Apple silicon may map it"
    return Draft(RULE.id, severity, path, None, path, message, {"signature": signature}, (sign(path),))
