"""The ``audit --json`` document (schema ``machochain.audit/1``)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from machochain.model.audit import AuditBinary, AuditFinding, AuditInput, AuditReport, Suppression
from machochain.model.version import Version
from machochain.report.context import RenderContext
from machochain.report.coverage import coverage_fields
from machochain.report.json_text import json_parts
from machochain.report.resolution import error_fields, finding_fields, process_fields, tool

AUDIT_SCHEMA: Final = "machochain.audit/1"


def audit_document(report: AuditReport) -> dict[str, Any]:
    """Return the whole document."""
    return {key: list(value) if isinstance(value, Iterator) else value for key, value in _document(report).items()}


def _document(report: AuditReport) -> dict[str, Any]:
    """Return the document; an iterator stands for each list that may be long."""
    return {
        "schema": AUDIT_SCHEMA,
        "tool": tool(),
        "passed": report.passed,
        "incomplete": report.incomplete,
        "policy": {
            "profile": report.policy.profile,
            "macos": _versions(report.policy.macos),
            "fail_on": report.policy.fail_on.value if report.policy.fail_on is not None else "never",
            "sources": list(report.policy.sources),
            "baseline": report.policy.baseline,
        },
        "counts": {
            **{severity.value: number for severity, number in report.counts.items()},
            "suppressed": len(report.suppressed),
        },
        "coverage": coverage_fields(report.coverage),
        "unexamined": list(report.unexamined),
        "inputs": [_input_fields(given) for given in report.inputs],
        "findings": map(audit_finding_fields, report.findings),
        "processes": map(process_fields, report.results),
        "binaries": map(_binary_fields, report.binaries),
        "stale": [{**_suppression_fields(stale.suppression), "why": stale.why} for stale in report.stale],
        "errors": [error_fields(error) for error in report.errors],
        "skipped": list(report.skipped),
    }


def audit_finding_fields(found: AuditFinding) -> dict[str, Any]:
    """Return a grouped finding: the fields of a plain one, and what the grouping knows."""
    return {
        **finding_fields(found.finding),
        "reported": found.reported.value,
        "origin": found.origin,
        "path": found.path,
        "archs": list(found.archs),
        "macos": _versions(found.macos),
        "clean": _versions(found.clean),
        "when": found.when,
        "processes": list(found.processes),
        "count": found.count,
        "fingerprint": found.fingerprint,
        "suppressed": _suppression_fields(found.suppressed) if found.suppressed is not None else None,
    }


def _versions(versions: Iterable[Version]) -> list[str]:
    return [str(version) for version in versions]


def _suppression_fields(suppression: Suppression) -> dict[str, Any]:
    return {
        "source": suppression.source.value,
        "file": suppression.file,
        "entry": suppression.entry,
        "reason": suppression.reason,
        "expires": suppression.expires.isoformat() if suppression.expires is not None else None,
    }


def _input_fields(given: AuditInput) -> dict[str, Any]:
    return {
        "path": given.path,
        "kind": given.kind,
        "place": given.place,
        "name": given.name,
        "version": given.version,
        "platforms": list(given.platforms),
        "archive": given.archive,
        "members": list(given.members),
        "top": given.top,
        "within": given.within,
    }


def _binary_fields(binary: AuditBinary) -> dict[str, Any]:
    image, signature = binary.image, binary.signature
    build = image.build
    return {
        "origin": binary.origin,
        "path": binary.path,
        "place": binary.place,
        "arch": binary.arch,
        "install_name": image.install_name,
        "uuid": image.uuid_text,
        "minos": str(build.minos) if build is not None else None,
        "sdk": str(build.sdk) if build is not None and build.sdk is not None else None,
        "signature": {
            "kind": signature.kind.value if signature is not None else "none",
            "flags": list(signature.flag_names) if signature is not None else [],
            "identifier": signature.identifier if signature is not None else None,
            "team_id": signature.team_id if signature is not None else None,
        },
    }


def write(report: AuditReport, _: RenderContext) -> Iterator[str]:
    """Yield the text of the document in parts."""
    return json_parts(_document(report))
