"""Audits as Markdown, for step summaries, merge requests and issues."""

from __future__ import annotations

import re
from typing import Final

from machochain.model.audit import AuditFinding, AuditReport
from machochain.model.paths import printable
from machochain.model.result import Result, Severity
from machochain.report.audit_words import display_place, headline, releases, summary, verdict_tone, why_suppressed
from machochain.report.context import RenderContext

_MARKS: Final = {Severity.ERROR: "❌", Severity.WARNING: "⚠️", Severity.INFO: "ℹ️"}  # noqa: RUF001
_HEADINGS: Final = {Severity.ERROR: "Errors", Severity.WARNING: "Warnings", Severity.INFO: "Notes"}
_ACTIVE: Final = re.compile(r"[\\`*_{}\[\]<>#|~$&@/^:=]|www\.", re.IGNORECASE)
_BEFORE: Final = "(\"'“"
_BEHIND: Final = ")\"'”.,;:!?"
MAX_PROCESSES: Final = 20
"""Processes whose verdict is spelled out."""


def code(text: str) -> str:
    """Return text as a code span that it cannot leave."""
    clean = printable(text) or " "
    longest = max((len(run) for run in re.findall("`+", clean)), default=0)
    fence = "`" * (longest + 1)
    # One space at either end is taken away again (CommonMark 6.1), unless there is nothing else.
    pad = " " if clean.strip() and (clean[0] in "` " or clean[-1] in "` ") else ""
    return f"{fence}{pad}{clean}{pad}{fence}"


def cell(text: str) -> str:
    """Return a code span for a table, where pipes are escaped even in code."""
    return code(text).replace("|", "\\|")


def prose(text: str) -> str:
    """Return a sentence in which every word that Markdown (or a mention of a user) could seize is a code span.

    Load paths start with ``@rpath``, which a pull request would take for a person.
    """
    words = []
    for word in printable(text).split(" "):
        begun = word.lstrip(_BEFORE)
        inner = begun.rstrip(_BEHIND)
        before, after = word[: len(word) - len(begun)], begun[len(inner) :]
        words.append(f"{before}{code(inner)}{after}" if _ACTIVE.search(inner) else word)
    return " ".join(words)


def fenced(lines: tuple[str, ...] | list[str]) -> list[str]:
    """Return lines as a block of code that they cannot leave."""
    clean = [printable(line) for line in lines]
    longest = max((len(run) for line in clean for run in re.findall("`+", line)), default=0)
    fence = "`" * max(3, longest + 1)
    return [fence + "text", *clean, fence]


def render_markdown(report: AuditReport, *, limit: int | None = None) -> str:
    """Return the report: verdict, findings with remedies, what does not launch, what was suppressed or not seen.

    Args:
        report: The audit.
        limit: How many findings may be shown; None for all.
    """
    mark = {"good": "✅", "bad": "❌", "doubt": "⚠️"}[verdict_tone(report)]
    lines = [f"## {mark} machochain audit {headline(report)}", "", f"{summary(report)}.", ""]
    shown = report.active if limit is None else report.active[:limit]
    for severity, heading in _HEADINGS.items():
        findings = [f for f in shown if f.severity is severity]
        if not findings:
            continue
        lines += [f"### {heading}", ""]
        for found in findings:
            lines += [*_finding(found, report), ""]
    hidden = len(report.active) - len(shown)
    if hidden:
        lines += [f"… and {hidden} more.", ""]
    lines += _launches(report)
    if report.suppressed and (limit is None or limit):
        lines += ["<details><summary>", "", f"{len(report.suppressed)} suppressed", "", "</summary>", ""]
        some = report.suppressed if limit is None else report.suppressed[:limit]
        for found in some:
            assert found.suppressed is not None
            where = f"{found.finding.rule} {found.finding.name} in {code(display_place(found, report.inputs))}"
            lines.append(f"- {where}: {prose(why_suppressed(found.suppressed))}")
        lines += ["", "</details>", ""]
    if report.stale:
        lines += ["### Suppressions that suppress nothing", ""]
        lines += [f"- {code(s.suppression.file)}: {code(s.suppression.entry)}, {prose(s.why)}" for s in report.stale]
        lines.append("")
    if report.errors or report.skipped or report.unexamined or report.passed_over:
        lines += ["### Not seen", ""]
        lines += [f"- {prose(str(error))}" for error in report.errors]
        lines += [f"- {code(path)} was not looked at" for path in report.skipped]
        lines += [f"- no Mach-O file in {code(path)}" for path in report.unexamined]
        lines += [
            f"- {code(each.path)} was not looked into: {prose(each.reason)}" for each in report.passed_over[:limit]
        ]
        more = len(report.passed_over) - len(report.passed_over[:limit])
        lines += [f"- … and {more} more that were not looked into"] if more else []
        lines.append("")
    return "\n".join(lines)


def _finding(found: AuditFinding, report: AuditReport) -> list[str]:
    finding = found.finding
    when = f" ({prose(found.when)})" if found.when else ""
    likely = " (likely)" if finding.confidence.value == "likely" else ""
    place = code(display_place(found, report.inputs))
    lines = [
        f"{_MARKS[finding.severity]} **{finding.rule} {finding.name}**{likely} in {place}  ",
        f"{prose(finding.message)}{when}",
    ]
    if finding.remedies:
        lines += [
            "",
            "<details><summary>Fix</summary>",
            "",
            *fenced([step.pasted for step in finding.steps]),
            "",
            "</details>",
        ]
    return lines


def _launches(report: AuditReport) -> list[str]:
    """Return a table of the processes that do not launch, or nobody knows whether they do."""
    groups: dict[tuple[str, str], list[Result]] = {}
    for result in report.results:
        groups.setdefault((result.input, result.arch), []).append(result)
    odd = [(key, group) for key, group in groups.items() if not all(r.launches for r in group)]
    if not odd:
        return []
    lines = ["### What does not launch", "", "| process | arch | fails on macOS | not known on |", "|---|---|---|---|"]
    for (path, arch), group in odd[:MAX_PROCESSES]:
        fails = releases(r.macos for r in group if r.launches is False) or "-"
        unknown = releases(r.macos for r in group if r.launches is None) or "-"
        lines.append(f"| {cell(path)} | {arch} | {fails} | {unknown} |")
    if len(odd) > MAX_PROCESSES:
        lines.append(f"| … and {len(odd) - MAX_PROCESSES} more | | | |")
    return [*lines, ""]


def write(report: AuditReport, _: RenderContext) -> str:
    """Return the whole report."""
    return render_markdown(report)
