"""What changed between two releases, as text, Markdown and JSON (schema ``machochain.diff/1``)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, Final

from machochain.graph.diff import BinaryDiff, Change, Diff, State
from machochain.model.audit import AuditFinding
from machochain.model.paths import printable
from machochain.report.audit_json import audit_finding_fields
from machochain.report.audit_words import sentence
from machochain.report.context import RenderContext
from machochain.report.coverage import coverage_fields, coverage_words
from machochain.report.markdown import code
from machochain.report.resolution import error_fields, tool
from machochain.report.style import Style

DIFF_SCHEMA: Final = "machochain.diff/1"
_MARKS: Final = {State.ADDED: "+", State.REMOVED: "-", State.CHANGED: "~"}
_STYLES: Final = {State.ADDED: "good", State.REMOVED: "bad", State.CHANGED: "bold"}


def diff_document(diff: Diff) -> dict[str, Any]:
    """Return the JSON document."""
    return {
        "schema": DIFF_SCHEMA,
        "tool": tool(),
        "old": [given.path for given in diff.old.inputs],
        "new": [given.path for given in diff.new.inputs],
        "passed": diff.passed,
        "old_coverage": coverage_fields(diff.old.coverage),
        "new_coverage": coverage_fields(diff.new.coverage),
        "binaries": [
            {
                "path": binary.path,
                "arch": binary.arch,
                "state": binary.state.value,
                "changes": [
                    {"what": c.what, "subject": c.subject or None, "old": c.old, "new": c.new} for c in binary.changes
                ],
            }
            for binary in diff.binaries
        ],
        "appeared": [audit_finding_fields(finding) for finding in diff.appeared],
        "vanished": [audit_finding_fields(finding) for finding in diff.vanished],
        "errors": [error_fields(error) for error in (*diff.old.errors, *diff.new.errors)],
    }


def render_diff(diff: Diff, style: Style) -> str:
    """Return plain text: files first, then findings that came and went."""
    lines: list[str] = []
    for binary in diff.binaries:
        mark = style.paint(f"{_MARKS[binary.state]} {printable(binary.path)}", _STYLES[binary.state])
        lines.append(f"{mark} ({binary.arch})")
        lines += [f"    {change_words(change, style.arrow)}" for change in binary.changes]
    for title, findings, kind in (("new", diff.appeared, "bad"), ("gone", diff.vanished, "good")):
        for finding in findings:
            label = style.paint(f"{title} {finding.severity.value}[{finding.finding.rule}]", kind)
            lines.append(f"{label} {sentence(finding)}{_suppressed(finding)}")
            if title == "new":
                lines += [f"    {printable(step.pasted)}" for step in finding.finding.steps]
    lines += [*_looked_at(diff), _summary(diff)]
    return "\n".join(lines) + "\n"


def render_diff_markdown(diff: Diff) -> str:
    """Return Markdown for a pull request or release notes."""
    lines = [f"## Load chain: {code(_names(diff, old=True))} → {code(_names(diff, old=False))}", "", _summary(diff), ""]
    lines += [f"- {line}" for line in _looked_at(diff)]
    if diff.binaries:
        lines += ["", "### Files", ""]
        for binary in diff.binaries:
            lines.append(f"- {_state(binary)} {code(binary.path)} ({binary.arch})")
            lines += [f"  - {_markdown_change(change)}" for change in binary.changes]
    for title, findings in (("New findings", diff.appeared), ("Findings that are gone", diff.vanished)):
        if findings:
            lines += ["", f"### {title}", "", *_markdown_findings(findings)]
    return "\n".join(lines) + "\n"


def change_words(change: Change, arrow: str = "→") -> str:
    """Return one change in a line."""
    what = f"{change.what} {printable(change.subject)}" if change.subject else change.what
    if change.old is None:
        return f"+ {what}{_value(change.new)}"
    if change.new is None:
        return f"- {what}{_value(change.old)}"
    return f"{what}: {printable(change.old)} {arrow} {printable(change.new)}"


def _value(text: str | None) -> str:
    return "" if text in (None, "present") else f": {printable(text or '')}"


def _summary(diff: Diff) -> str:
    counts = [sum(b.state is state for b in diff.binaries) for state in State]
    files = ", ".join(f"{count} {state.value}" for count, state in zip(counts, State, strict=True) if count)
    nothing = "no change in the files" if diff.examined else "nothing to compare"
    return (
        f"{files or nothing}; {len(diff.appeared)} new and {len(diff.vanished)} gone "
        f"finding{'s' if len(diff.vanished) != 1 else ''}"
    )


def _looked_at(diff: Diff) -> list[str]:
    """Return a line for each side: how much was looked at."""
    return [f"{side}: {coverage_words(of.coverage)}" for side, of in (("old", diff.old), ("new", diff.new))]


def _suppressed(finding: AuditFinding) -> str:
    return " (suppressed)" if finding.suppressed is not None else ""


def _names(diff: Diff, *, old: bool) -> str:
    return ", ".join(given.path for given in (diff.old if old else diff.new).inputs)


def _state(binary: BinaryDiff) -> str:
    return f"**{binary.state.value}**" if binary.state is not State.CHANGED else "changed"


def _markdown_change(change: Change) -> str:
    what = f"{change.what} {code(change.subject)}" if change.subject else change.what
    old, new = (code(text) if text is not None else "—" for text in (change.old, change.new))
    return f"{what}: {old} → {new}"


def _markdown_findings(findings: Sequence[AuditFinding]) -> Iterator[str]:
    for finding in findings:
        yield f"- **{finding.severity.value}** {finding.finding.rule} {code(sentence(finding))}{_suppressed(finding)}"


def write(diff: Diff, context: RenderContext) -> str:
    """Return the text of ``diff``."""
    return render_diff(diff, context.style)


def write_json(diff: Diff, _: RenderContext) -> str:
    """Return the document as text."""
    return json.dumps(diff_document(diff), indent=2) + "\n"


def write_markdown(diff: Diff, _: RenderContext) -> str:
    """Return Markdown."""
    return render_diff_markdown(diff)
