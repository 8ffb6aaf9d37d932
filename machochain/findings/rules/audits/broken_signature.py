"""MC520: a code signature does not fit the file, or cannot be read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from machochain.findings.audited import SliceCase, of_binary
from machochain.findings.registry import of_slice, register
from machochain.findings.remedies import sign
from machochain.findings.rule import Rule
from machochain.findings.sources import RESIGN
from machochain.findings.validation import ENFORCED
from machochain.model.paths import leaf, printable
from machochain.model.result import Finding, Severity

RULE: Final = register(
    Rule(
        "MC520",
        "broken-signature",
        "A code signature does not fit the file",
        Severity.ERROR,
        "A page of the file has another hash than the signature records, or the signature cannot be read: the file was "
        "changed (install_name_tool of an old Xcode, strip, lipo, a patch) and not signed again.",
        "On Apple silicon the kernel kills the process that touches such a page (`Killed: 9`, `Code Signature "
        "Invalid`); on Intel Macs programs with the hardened runtime fare the same.",
        (RESIGN, "Sign last: after every install_name_tool, strip and lipo."),
        milder="warning for Intel code without hardened runtime",
        references=("xnu, osfmk/vm/vm_fault.c, vm_fault_cs_check_violation()", "golang/go#42684"),
    )
)


@of_slice
def check(case: SliceCase) -> Iterator[Finding]:
    """Yield a slice that was changed after it was signed."""
    found, binary = case.found, case.binary
    name = printable(leaf(binary.place))
    if found.unreadable is not None:
        severity = Severity.ERROR if binary.image.arch.is_arm64 else Severity.WARNING
        yield of_binary(
            RULE, severity, binary, binary.place,
            f"{name} ({binary.arch}) has a code signature that the kernel does not take: {found.unreadable}",
            (sign(binary.place),), reason=found.unreadable,
        )  # fmt: skip
        return
    if found.foreign_cms:
        severity = Severity.ERROR if binary.image.arch.is_arm64 else Severity.WARNING
        yield of_binary(
            RULE, severity, binary, binary.place,
            f"{name} ({binary.arch}) was changed after it was signed: its certificate signature is of another code "
            "directory, though the pages fit this one",
            (sign(binary.place, "IDENTITY"),), cms="foreign",
        )  # fmt: skip
    if found.bad_page is None:
        return
    flags = binary.signature.flags if binary.signature is not None else 0
    severity = Severity.ERROR if binary.image.arch.is_arm64 or flags & ENFORCED else Severity.WARNING
    where = f"page {found.bad_page} (at {found.bad_page * found.page_size:#x})" if found.page_size else "the file"
    yield of_binary(
        RULE, severity, binary, binary.place,
        f"{name} ({binary.arch}) was changed after it was signed: {where} has another hash than the signature says",
        (sign(binary.place),), page=found.bad_page, page_size=found.page_size,
    )  # fmt: skip
