"""Audits as GitHub Actions shows them: annotations by workflow commands, and a step summary."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from machochain.model.audit import AuditFinding, AuditReport
from machochain.model.paths import printable
from machochain.model.result import Severity
from machochain.report.audit_words import display_place, headline, host_file, sentence, summary
from machochain.report.context import RenderContext
from machochain.report.coverage import passed_over_line
from machochain.report.markdown import render_markdown

MAX_PER_LEVEL: Final = 10
"""GitHub shows ten annotations of each level for a step, and silently drops the rest."""
MAX_SUMMARY: Final = 1_000_000
"""Bytes of a step summary; GitHub refuses more than 1 MiB altogether."""

COMMANDS: Final = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "notice"}
"""The workflow command that annotates for each severity."""


def escape_data(text: str) -> str:
    """Return a message as a workflow command takes it (actions/toolkit, ``escapeData``)."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def escape_property(text: str) -> str:
    """Return a property of a workflow command (actions/toolkit, ``escapeProperty``)."""
    return escape_data(text).replace(":", "%3A").replace(",", "%2C")


def render_github(report: AuditReport, *, locate: Callable[[str], str] = str) -> str:
    """Return the annotations, worst first, then one line with the verdict.

    Args:
        report: The audit.
        locate: Makes a host path one that is relative to the repository.
    """
    lines: list[str] = []
    for severity, command in COMMANDS.items():
        findings = [f for f in report.active if f.severity is severity]
        kept = findings if len(findings) <= MAX_PER_LEVEL else findings[: MAX_PER_LEVEL - 1]
        lines += [_annotation(command, f, report, locate) for f in kept]
        if len(kept) < len(findings):
            rest = f"{len(findings) - len(kept)} more of this kind; the step summary and the log have them all"
            lines.append(f"::{command} title=machochain::{escape_data(rest)}")
    for error in report.errors:
        where = f"file={escape_property(printable(locate(error.path)))}," if error.path else ""
        lines.append(f"::error {where}title=machochain cannot read this::{escape_data(printable(str(error)))}")
    lines += [f"::error title=machochain::not looked at: {escape_data(printable(p))}" for p in report.skipped]
    lines += [
        f"::error title=machochain::no Mach-O file in {escape_data(printable(path))}" for path in report.unexamined
    ]
    if report.passed_over:
        told = "; ".join(passed_over_line(each) for each in report.passed_over[:MAX_PER_LEVEL])
        lines.append(f"::warning title=machochain did not look into everything::{escape_data(told)}")
    return "\n".join([*lines, f"machochain audit {headline(report)}: {summary(report)}"]) + "\n"


def _annotation(command: str, found: AuditFinding, report: AuditReport, locate: Callable[[str], str]) -> str:
    finding = found.finding
    file = escape_property(printable(locate(host_file(found, report.inputs))))
    title = escape_property(f"{finding.rule} {finding.name}")
    text = f"{display_place(found, report.inputs)}: {sentence(found)}"
    if finding.remedy:
        text += "\nfix: " + "\n     ".join(printable(step) for step in finding.remedy)
    return f"::{command} file={file},line=1,title={title}::{escape_data(text)}"


def render_step_summary(report: AuditReport) -> str:
    """Return what belongs into the file that ``GITHUB_STEP_SUMMARY`` names: at most `MAX_SUMMARY` bytes."""
    text = render_markdown(report)
    if len(text.encode()) <= MAX_SUMMARY:
        return text
    low, high = 0, len(report.findings)
    # The longest report that fits: each finding adds lines, so the length rises with the number of findings.
    while low < high:
        middle = (low + high + 1) // 2
        if len(render_markdown(report, limit=middle).encode()) <= MAX_SUMMARY:
            low = middle
        else:
            high = middle - 1
    return render_markdown(report, limit=low)


def write(report: AuditReport, context: RenderContext) -> str:
    """Return the annotations, files named as in the repository."""
    return render_github(report, locate=context.repository_path)
