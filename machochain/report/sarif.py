"""Audits as SARIF 2.1.0, in the subset that GitHub code scanning takes.

One result that breaks its rules makes GitHub refuse a whole upload, so every result has what it asks for: a known
``ruleId``, a message, one location with a URI relative to the repository and a region. Binaries are rarely part of a
repository; ``anchor`` names a file that is (``go.mod``, ``.goreleaser.yaml``) to which all results are then attached.
"""

from __future__ import annotations

import json
import posixpath
from typing import Any, Final
from urllib.parse import quote

from machochain._docs import base
from machochain._version import __version__
from machochain.findings import FAMILIES, RULES, Rule
from machochain.model.audit import AuditFinding, AuditReport
from machochain.model.errors import InputError
from machochain.model.paths import printable
from machochain.model.result import Severity
from machochain.report.audit_words import (
    display_place,
    host_file,
    input_at,
    percent_encoded,
    sentence,
    verdict,
    why_suppressed,
)
from machochain.report.context import RenderContext
from machochain.report.coverage import coverage_fields, passed_over_line

SCHEMA: Final = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
MAX_RESULTS: Final = 25_000
"""GitHub refuses files with more results in a run."""

_LEVELS: Final = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "note"}
_PROBLEM: Final = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "recommendation"}
_BASE: Final = "%SRCROOT%"


def render_sarif(report: AuditReport, *, source_root: str, cwd: str, anchor: str | None = None) -> str:
    """Return the SARIF log.

    Args:
        report: The audit.
        source_root: Absolute path of the folder that URIs are relative to.
        cwd: Absolute path that relative inputs are relative to.
        anchor: A file, relative to ``cwd``, that all results are attached to.
    """
    return json.dumps(sarif_log(report, source_root=source_root, cwd=cwd, anchor=anchor), indent=2) + "\n"


def sarif_log(report: AuditReport, *, source_root: str, cwd: str, anchor: str | None = None) -> dict[str, Any]:
    """Return the SARIF log as plain values; arguments as for `render_sarif`."""

    def uri(path: str) -> str:
        return relative_uri(path, source_root=source_root, cwd=cwd)

    index = {rule: number for number, rule in enumerate(RULES)}
    # SARIF 2.1.0, 3.27.23: either all results of a run say whether they are suppressed, or none does.
    told = bool(report.suppressed)
    results = [
        _result(finding, report, uri(host_file(finding, report.inputs)), index, anchor and uri(anchor), told=told)
        for finding in report.findings[:MAX_RESULTS]
    ]
    notifications = [_unreadable(error, uri) for error in report.errors]
    notifications += [_notification(f"Not looked at: {printable(path)}", uri(path)) for path in report.skipped]
    notifications += [
        _notification(f"No Mach-O file in it: {printable(path)}", uri(path)) for path in report.unexamined
    ]
    notifications += [
        _notification(f"Not looked into: {passed_over_line(each)}", uri(each.path), level="warning")
        for each in report.passed_over
    ]
    if len(report.findings) > MAX_RESULTS:
        notifications.append(_notification(f"{len(report.findings) - MAX_RESULTS} results are left out"))
    return {
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "machochain",
                        "semanticVersion": report.tool or __version__,
                        **({"informationUri": base()} if base() else {}),
                        "rules": [rule_fields(rule) for rule in RULES.values()],
                    }
                },
                "invocations": [
                    {
                        "executionSuccessful": not (report.skipped or report.errors or report.unexamined),
                        "toolExecutionNotifications": notifications,
                    }
                ],
                "originalUriBaseIds": {_BASE: {"description": {"text": "The root of the repository"}}},
                "columnKind": "unicodeCodePoints",
                "properties": {"verdict": verdict(report), "coverage": coverage_fields(report.coverage)},
                "results": results,
            }
        ],
    }


def relative_uri(path: str, *, source_root: str, cwd: str) -> str:
    """Return a path as a URI below the source root.

    What lies outside of it has no such URI: its path without ``/`` and ``..`` at the front stands in, so that the
    result is still accepted, and is the same in every run.
    """
    full = posixpath.normpath(posixpath.join(cwd, path))
    root = posixpath.normpath(source_root).rstrip("/") + "/"
    inside = full[len(root) :] if full.startswith(root) else posixpath.normpath(path).lstrip("/")
    while inside.startswith("../"):
        inside = inside[3:]
    if inside in {"", ".", ".."}:
        inside = posixpath.basename(full)
    # The first segment of a relative reference may hold no colon (RFC 3986, 4.2): quote() escapes it.
    return quote(inside.encode("utf-8", "surrogateescape"), safe="/@+,=()!~") or "."


def _location(uri: str) -> dict[str, Any]:
    return {"artifactLocation": {"uri": uri, "uriBaseId": _BASE}, "region": {"startLine": 1}}


def _result(
    found: AuditFinding, report: AuditReport, uri: str, index: dict[str, int], anchor: str | None, *, told: bool
) -> dict[str, Any]:
    finding = found.finding
    text = sentence(found)
    if anchor is not None:
        text = f"{display_place(found, report.inputs)}: {text}"
    if finding.remedy:
        text += "\n\nFix:\n" + "\n".join(printable(step) for step in finding.remedy)
    location: dict[str, Any] = {
        "physicalLocation": _location(anchor if anchor is not None else uri),
        "logicalLocations": _logical(found),
    }
    result: dict[str, Any] = {
        "ruleId": finding.rule,
        **({"ruleIndex": index[finding.rule]} if finding.rule in index else {}),
        "level": _LEVELS[finding.severity],
        "message": {"text": text},
        "locations": [location],
        # GitHub reads the first name only; without it, it would hash a line of a file that is not in the repository.
        "partialFingerprints": {
            "primaryLocationLineHash": f"{found.fingerprint}:1",
            "machochain/v1": found.fingerprint,
        },
        "properties": {
            "subject": printable(finding.subject),
            "image": printable(finding.image),
            "architectures": list(found.archs),
            "macos": [str(v) for v in found.macos],
            "clean": [str(v) for v in found.clean],
            "processes": [printable(p) for p in found.processes],
            "count": found.count,
            "confidence": finding.confidence.value,
        },
    }
    for key, name in (("subjectPercentEncoded", finding.subject), ("imagePercentEncoded", finding.image)):
        encoded = percent_encoded(name)
        if encoded is not None:
            result["properties"][key] = encoded
    if anchor is not None:
        result["relatedLocations"] = [{"id": 1, "physicalLocation": _location(uri), "message": {"text": "The binary"}}]
    if input_at(found.origin, report.inputs) is None:
        result["properties"]["origin"] = printable(found.origin)
    if told:
        result["suppressions"] = [] if found.suppressed is None else [_suppression(found)]
    return result


def _suppression(found: AuditFinding) -> dict[str, Any]:
    assert found.suppressed is not None
    return {"kind": "external", "status": "accepted", "justification": why_suppressed(found.suppressed)}


def _logical(found: AuditFinding) -> list[dict[str, Any]]:
    """Return the image, the architectures, and the load command inside it."""
    image = printable(found.path)
    places = [{"name": image, "fullyQualifiedName": image, "kind": "module"}]
    places += [{"name": arch, "fullyQualifiedName": f"{image}#{arch}", "kind": "module"} for arch in found.archs]
    command = found.finding.load_command
    if command is not None:
        name = f"load command {command}"
        places.append({"name": name, "fullyQualifiedName": f"{image}#{name}", "kind": "member"})
    return places


def _notification(text: str, uri: str | None = None, *, level: str = "error") -> dict[str, Any]:
    found: dict[str, Any] = {"level": level, "message": {"text": text}}
    if uri is not None:
        found["locations"] = [{"physicalLocation": {"artifactLocation": {"uri": uri, "uriBaseId": _BASE}}}]
    return found


def _unreadable(error: InputError, uri: Any) -> dict[str, Any]:
    return _notification(f"Cannot be read: {printable(str(error))}", uri(error.path) if error.path else None)


def rule_fields(rule: Rule) -> dict[str, Any]:
    """Return a rule as a SARIF log describes it."""
    help_text = [rule.meaning, rule.why, *rule.fix]
    fixes = "\n".join(f"- {step}" for step in rule.fix)
    markdown = f"{rule.meaning}\n\n**Why it matters:** {rule.why}\n\n**How to fix it:**\n\n{fixes}"
    if rule.since:
        help_text.insert(2, f"Concerns {rule.since}.")
        markdown += f"\n\n**Concerns:** {rule.since}"
    return {
        "id": rule.id,
        "name": "".join(part.capitalize() for part in rule.name.split("-")),
        "shortDescription": {"text": rule.title},
        "fullDescription": {"text": f"{rule.meaning} {rule.why}"},
        "help": {"text": "\n\n".join(help_text), "markdown": markdown},
        **({"helpUri": rule.page} if base() else {}),
        "defaultConfiguration": {"level": _LEVELS[rule.severity]},
        "properties": {
            "tags": ["machochain", FAMILIES[rule.id[:3]]],
            "problem.severity": _PROBLEM[rule.severity],
        },
    }


def write(report: AuditReport, context: RenderContext) -> str:
    """Return the SARIF log as text."""
    return render_sarif(report, source_root=context.source_root, cwd=context.cwd, anchor=context.anchor)
