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
    yield Draft(
        RULE.id, Severity.ERROR, path, None, path,
        f"{printable(leaf(path))} ({header.arch.name}) {what}: the kernel of Apple silicon kills the process",
        {"signature": "unreadable" if named else "none"}, (sign(path),),
    )  # fmt: skip
