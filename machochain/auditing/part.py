"""What one input gives to an audit."""

from __future__ import annotations

from machochain.model.audit import AuditBinary, AuditFinding, AuditInput
from machochain.model.coverage import PassedOver
from machochain.model.errors import InputError
from machochain.model.materials import Materials
from machochain.model.result import Result
from machochain.model.value import frozen


@frozen
class AuditPart:
    """What one input gives. It can be sent from process to process.

    Attributes:
        input: The input.
        results: Every process.
        findings: Grouped and judged; nothing is suppressed yet.
        binaries: Every slice.
        errors: What could not be read.
        passed_over: What was not looked at.
        materials: What it is made of, if that was asked for.
    """

    input: AuditInput
    results: tuple[Result, ...] = ()
    findings: tuple[AuditFinding, ...] = ()
    binaries: tuple[AuditBinary, ...] = ()
    errors: tuple[InputError, ...] = ()
    passed_over: tuple[PassedOver, ...] = ()
    materials: Materials | None = None
