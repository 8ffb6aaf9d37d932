"""What an audit looked at, what it found of it, and what it did not look at: a statement as VEX makes them.

VEX says of each product and each vulnerability whether it is affected, and why not. Here the questions are whether a
program launches on a release, and whether a rule has something to say. There are few answers: it holds, it fails, it is
accepted (with the reason somebody gave), nobody can tell (with the reason), or it was not examined (with the reason).
Silence is no answer: what is not named here was not looked at.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from machochain.model.audit import AuditFinding, AuditReport
from machochain.model.result import Result
from machochain.report.audit_words import short, verdict
from machochain.report.context import RenderContext
from machochain.report.coverage import coverage_fields
from machochain.report.json_text import json_parts
from machochain.report.resolution import tool

STATEMENT_SCHEMA: Final = "machochain.statement/1"
_LAUNCHES: Final = {True: "holds", False: "fails", None: "unknown"}


def statement(report: AuditReport, *, epoch: int | None = None) -> dict[str, Any]:
    """Return the document as plain values.

    Args:
        report: The audit.
        epoch: Its time in seconds since 1970.
    """
    document = _document(report, epoch)
    return {**document, "launches": list(document["launches"]), "findings": list(document["findings"])}


def _document(report: AuditReport, epoch: int | None) -> dict[str, Any]:
    time = datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if epoch is not None else None
    fail_on = report.policy.fail_on
    return {
        "schema": STATEMENT_SCHEMA,
        "tool": tool(),
        "timestamp": time,
        "verdict": verdict(report),
        "policy": {
            "profile": report.policy.profile,
            "fail_on": fail_on.value if fail_on is not None else "never",
            "sources": list(report.policy.sources),
            "baseline": report.policy.baseline,
        },
        "examined": coverage_fields(report.coverage),
        "products": list(_products(report)),
        "launches": _launches(report.results),
        "findings": _findings(report.findings),
        "not_examined": list(_not_examined(report)),
    }


def _products(report: AuditReport) -> Iterator[dict[str, Any]]:
    """Yield the inputs, with the files that were looked at in each and their digests."""
    materials = {each.origin: each for each in report.materials}
    for given in report.inputs:
        known = materials.get(given.path)
        digests = {each.path: each.sha256 for each in known.files} if known is not None else {}
        slices: dict[str, list[dict[str, Any]]] = {}
        for binary in report.binaries:
            if binary.origin == given.path:
                slices.setdefault(binary.path, []).append({"arch": binary.arch, "uuid": binary.image.uuid_text})
        yield {
            "input": given.path,
            "kind": given.kind,
            "name": given.name,
            "version": given.version,
            "sha256": known.whole.sha256 if known is not None and known.whole is not None else None,
            "files": [
                {"path": path, "sha256": digests.get(path), "slices": found} for path, found in sorted(slices.items())
            ],
        }


def _launches(results: Iterable[Result]) -> Iterator[dict[str, Any]]:
    """Yield an answer for each process and each reason, with the releases it holds for."""
    found: dict[tuple[str, str, str, str, str], tuple[Result, list[str]]] = {}
    for result in results:
        kind, reason = _reason(result)
        key = (result.input, result.arch, _LAUNCHES[result.launches], kind or "", reason or "")
        found.setdefault(key, (result, []))[1].append(short(result.macos))
    for (path, arch, status, kind, reason), (result, releases) in found.items():
        yield {
            "product": path,
            "arch": arch,
            "file_type": result.file_type,
            "macos": releases,
            "status": status,
            "justification": kind or None,
            "reason": reason or None,
            "symbols_checked": result.symbols_checked,
        }


def _reason(result: Result) -> tuple[str | None, str | None]:
    """Return why a process does not launch, or why nobody can tell: a kind, and in words."""
    if result.launches is None and result.unknowns:
        first = result.unknowns[0]
        return first.kind.name.lower().replace("_", "-"), first.text
    if result.launches is False:
        if result.message is not None:
            return "dyld", result.message
        refused = result.execution
        if refused is not None and refused.rule is not None:
            return f"kernel:{refused.rule.value}", refused.why or None
    return None, None


def _findings(findings: Iterable[AuditFinding]) -> Iterator[dict[str, Any]]:
    for found in findings:
        accepted = found.suppressed
        yield {
            "product": found.origin,
            "path": found.path,
            "archs": list(found.archs),
            "macos": [short(version) for version in found.macos],
            "not_on": [short(version) for version in found.clean],
            "rule": found.finding.rule,
            "severity": found.severity.value,
            "confidence": found.finding.confidence.value,
            "subject": found.finding.subject,
            "fingerprint": found.fingerprint,
            "status": "fails" if accepted is None else "accepted",
            "justification": None if accepted is None else accepted.source.value,
            "reason": found.finding.message if accepted is None else accepted.reason,
            "until": accepted.expires.isoformat() if accepted is not None and accepted.expires is not None else None,
        }


def _not_examined(report: AuditReport) -> Iterator[Mapping[str, str]]:
    for each in report.passed_over:
        yield {"path": each.path, "justification": each.kind.value, "reason": each.reason}
    for error in report.errors:
        yield {"path": error.path or "", "justification": "unreadable", "reason": error.reason}
    for path in report.skipped:
        yield {"path": path, "justification": "interrupted", "reason": "the audit was interrupted before"}
    for path in report.unexamined:
        yield {"path": path, "justification": "no-macho", "reason": "there is no Mach-O file in it"}


def write(report: AuditReport, context: RenderContext) -> Iterator[str]:
    """Yield the text of the document in parts."""
    return json_parts(_document(report, context.epoch))
