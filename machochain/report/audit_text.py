"""An audit as text for people: one paragraph a cause, what to do at its end, the verdict in the last line."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from machochain.findings import FAMILIES, RULES
from machochain.findings.rule import Rule
from machochain.model.audit import AuditFinding, AuditReport
from machochain.model.paths import printable
from machochain.model.result import Severity
from machochain.report.audit_words import (
    about,
    headline,
    host_file,
    releases,
    sentence,
    tally,
    verdict_tone,
    where_so,
    why_suppressed,
)
from machochain.report.context import RenderContext
from machochain.report.coverage import coverage_words, passed_over_lines
from machochain.report.resolution import tool
from machochain.report.style import Style

RULE_SCHEMA: Final = "machochain.rule/1"
RULES_SCHEMA: Final = "machochain.rules/1"
_STYLES: Final = {Severity.ERROR: "bad", Severity.WARNING: "doubt", Severity.INFO: "dim"}
_PLACES: Final = 5
"""Files of one cause that are named before the rest is counted."""


def render_audit(report: AuditReport, style: Style) -> str:
    """Return the text of ``audit``."""
    lines: list[str] = []
    floor = Severity.INFO.rank if style.verbose else Severity.WARNING.rank
    for cause in _causes(f for f in report.active if f.severity.rank >= floor):
        lines += [*_cause(cause, report, style), ""]
    hidden = sum(f.severity.rank < floor for f in report.active)
    if hidden:
        lines.append(style.paint(f"{hidden} note{'s' if hidden > 1 else ''} not shown (-v shows them)", "dim"))
    lines += _suppressed(report, style)
    for stale in report.stale:
        what = f"{printable(stale.suppression.file)}: {printable(stale.suppression.entry)}"
        lines.append(style.paint(f"stale suppression: {what}: {printable(stale.why)}", "doubt"))
    for error in report.errors:
        lines.append(style.paint(f"cannot read {printable(str(error))}", "bad"))
    for path in report.unexamined:
        lines.append(style.paint(f"no Mach-O file in {printable(path)}", "doubt"))
    for told in passed_over_lines(report.coverage, everything=style.verbose > 0):
        lines.append(style.paint(told, "doubt"))
    for path in report.skipped:
        lines.append(style.paint(f"not looked at: {printable(path)}", "bad"))
    lines += _wrapped(coverage_words(report.coverage), "", style, more="  ")
    lines.append(_last(report, style))
    return "\n".join(lines) + "\n"


def _causes(findings: Iterable[AuditFinding]) -> list[list[AuditFinding]]:
    """Return findings with one rule and subject together, in the order of the worst of each."""
    found: dict[tuple[str, str, str], list[AuditFinding]] = {}
    for finding in findings:
        found.setdefault((finding.severity.value, finding.finding.rule, finding.finding.subject), []).append(finding)
    return list(found.values())


def _cause(cause: Sequence[AuditFinding], report: AuditReport, style: Style) -> Iterator[str]:
    first = cause[0]
    rule = RULES[first.finding.rule]
    text = printable(sentence(first))
    if len(cause) > 1:
        where = where_so(cause)
        text = f"{rule.title}: {printable(about(cause))} ({len(cause)} files){f', {printable(where)}' if where else ''}"
    label, tone = f"{first.severity.value}[{rule.id}]", _STYLES[first.severity]
    yield from style.wrap(label, tone, text, url=first.finding.url)
    shown = cause if style.verbose else cause[:_PLACES]
    for finding in shown:
        place = style.file(_place(finding, report), host_file(finding, report.inputs))
        yield f"  in {place}{_archs(finding)}"
    if len(shown) < len(cause):
        yield style.paint(f"  and {len(cause) - len(shown)} more (-v shows them)", "dim")
    if first.finding.remedies:
        yield "  fix:" if len(cause) == 1 else "  fix, the same for each file:"
        yield from (f"    {printable(step.pasted)}" for step in first.finding.steps)


def _place(finding: AuditFinding, report: AuditReport) -> str:
    """Return where a finding is, as one would name it: the input, and what is in it behind a colon or slash."""
    given = next((i for i in report.inputs if i.path == finding.origin), None)
    if finding.path.startswith("/"):
        return f"{printable(finding.path)}, loaded by {printable(finding.origin)}"
    if given is None or given.kind == "file":
        return printable(finding.origin)
    between = ":" if given.archive else "/"
    return printable(f"{finding.origin.rstrip('/')}{between}{finding.path}")


def _archs(finding: AuditFinding) -> str:
    return f" ({', '.join(finding.archs)})" if finding.archs else ""


def _suppressed(report: AuditReport, style: Style) -> Iterator[str]:
    if not report.suppressed:
        return
    yield f"{len(report.suppressed)} suppressed" + ("" if style.verbose else " (-v shows them)")
    if style.verbose:
        for finding in report.suppressed:
            assert finding.suppressed is not None
            yield f"  {finding.finding.rule} in {_place(finding, report)}: {why_suppressed(finding.suppressed)}"


def _last(report: AuditReport, style: Style) -> str:
    over = sorted({result.macos for result in report.results})
    on = f", macOS {releases(over)}" if over else ""
    mark = style.paint(headline(report), verdict_tone(report))
    policy = ", ".join(report.policy.sources) or f"profile {report.policy.profile}"
    return f"{mark}: {tally(report)}{on} ({printable(policy)})"


def _wrapped(text: str, first: str, style: Style, *, more: str = "") -> list[str]:
    return textwrap.wrap(
        text, style.width, initial_indent=first, subsequent_indent=more, break_long_words=False, break_on_hyphens=False
    )


def render_rules(rules: Mapping[str, Rule] = RULES) -> str:
    """Return the catalogue as a list: id, severity, name and title, one family after the other."""
    lines: list[str] = []
    width = max(len(rule.name) for rule in rules.values())
    for prefix, title in FAMILIES.items():
        family = [rule for rule in rules.values() if rule.id.startswith(prefix)]
        if family:
            lines += ["", f"{prefix}xx  {title}"] if lines else [f"{prefix}xx  {title}"]
            lines += [f"  {r.id}  {r.severity.value:<7}  {r.name:<{width}}  {r.title}" for r in family]
    return "\n".join(lines) + "\n"


def rules_document(rules: Mapping[str, Rule] = RULES) -> dict[str, Any]:
    """Return all rules as a JSON document (schema ``machochain.rules/1``)."""
    return {"schema": RULES_SCHEMA, "tool": tool(), "rules": [rule_document(rule)["rule"] for rule in rules.values()]}


def rule_document(rule: Rule) -> dict[str, Any]:
    """Return a rule as a JSON document (schema ``machochain.rule/1``)."""
    return {
        "schema": RULE_SCHEMA,
        "tool": tool(),
        "rule": {
            "id": rule.id,
            "name": rule.name,
            "title": rule.title,
            "severity": rule.severity.value,
            "milder": rule.milder,
            "meaning": rule.meaning,
            "why": rule.why,
            "since": rule.since,
            "fix": list(rule.fix),
            "references": list(rule.references),
            "url": rule.page,
        },
    }


def render_rule(rule: Rule, style: Style) -> str:
    """Return what is to be known about one rule."""
    severity = style.paint(rule.severity.value, _STYLES[rule.severity])
    lines = [style.paint(f"{rule.id} {rule.name}: {rule.title}", "bold"), f"severity: {severity}"]
    if rule.milder:
        lines[-1] += f" ({rule.milder})"
    for title, text in (
        ("What it means", rule.meaning),
        ("Why it matters", rule.why),
        ("Since which macOS", f"{rule.since or 'every macOS that is modelled (11 and newer)'}."),
    ):
        lines += ["", title, *_wrapped(text, "  ", style, more="  ")]
    lines += ["", "How to fix it", *(line for step in rule.fix for line in _wrapped(step, "  - ", style, more="    "))]
    if rule.references:
        lines += ["", "References", *(f"  - {reference}" for reference in rule.references)]
    return "\n".join(lines) + "\n"


def write(report: AuditReport, context: RenderContext) -> str:
    """Return the text of ``audit``."""
    return render_audit(report, context.style)


def write_rule(rule: Rule, context: RenderContext) -> str:
    """Return the page of a rule."""
    return render_rule(rule, context.style)


def write_rule_json(rule: Rule, _: RenderContext) -> str:
    """Return a rule as JSON text."""
    return json.dumps(rule_document(rule), indent=2) + "\n"
