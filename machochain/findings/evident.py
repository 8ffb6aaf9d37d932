"""Findings about files themselves, whatever process they are in and whatever macOS runs it."""

from __future__ import annotations

from typing import Any

from machochain.findings.catalogue import RULES
from machochain.model.audit import AuditBinary
from machochain.model.result import Confidence, Finding, Severity


def of_binary(
    rule: str,
    severity: Severity,
    binary: AuditBinary,
    subject: str,
    message: str,
    remedy: tuple[str, ...] = (),
    *,
    command: int | None = None,
    confidence: Confidence = Confidence.CERTAIN,
    **evidence: Any,
) -> Finding:
    """Return a finding about one slice."""
    known = RULES[rule]
    return Finding(
        known.id, known.name, severity, confidence, binary.origin, binary.arch, binary.place, command, subject,
        message, evidence, remedy, known.page,
    )  # fmt: skip
