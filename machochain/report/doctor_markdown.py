"""What is told about a recorded Mac where Markdown is shown and workflow commands are read."""

from __future__ import annotations

from collections.abc import Sequence

from machochain.machine.compare import Difference
from machochain.model.paths import printable
from machochain.model.result import Finding
from machochain.report.doctor import Diagnosed
from machochain.report.github import COMMANDS, escape_data, escape_property
from machochain.report.guard import guarded
from machochain.report.markdown import cell, code, fenced, prose


def summary_table(value: Diagnosed) -> str:
    """Return what a step adds to ``$GITHUB_STEP_SUMMARY``."""
    assert value.ci is not None
    rows = "".join(f"| {name} | {cell(text)} |\n" for name, text in value.ci.inputs)
    reasons = "".join(f"- {prose(reason)}\n" for reason in value.ci.reasons)
    return guarded(f"### machochain: {value.ci.decision.value}\n\n| | |\n|---|---|\n{rows}\n{reasons}", "markdown")


def annotated(value: Diagnosed) -> str:
    """Return the findings as GitHub Actions annotates them, a line each."""
    lines = (
        f"::{COMMANDS[finding.severity]} title={escape_property(f'{finding.rule} {finding.name}')}"
        f"::{escape_data(printable(finding.message))}\n"
        for finding in value.case.findings
    )
    return guarded("".join(lines), "github")


def render_differences_markdown(found: tuple[Difference, ...], old: str, new: str, findings: Sequence[Finding]) -> str:
    """Return what differs between two recorded Macs, for a merge request."""
    if not found:
        return f"{code(old)} and {code(new)}: no recorded fact differs\n"
    lines = [f"## {code(old)} → {code(new)}"]
    last = None
    for each in found:
        if each.weight is not last:
            lines += ["", f"### {each.weight.value}", "", "| fact | old | new |", "|---|---|---|"]
            last = each.weight
        before, after = ("not recorded" if v is None else cell(v) if v else "(none)" for v in (each.old, each.new))
        lines.append(f"| {cell(each.fact)} | {before} | {after} |")
    for finding in findings:
        lines += ["", f"**{finding.severity.value}[{finding.rule}]** {prose(finding.message)}", ""]
        lines += fenced([printable(step) for step in finding.remedy])
    return "\n".join(lines) + "\n"
