"""Audits as one self-contained HTML page: verdict, findings, the load graph as a picture, every process and image.

Nothing is loaded from anywhere: the page's policy (Content-Security-Policy) forbids every request, and lets only the
one script and the one style sheet run whose hashes it names. Without scripts the page is complete; the script zooms,
filters and shows details. Every name comes from a file that nobody trusts, and goes through `h`.
"""

from __future__ import annotations

import base64
import hashlib
import html
import posixpath
from collections.abc import Iterator
from functools import lru_cache
from importlib.resources import files
from typing import Final

from machochain._version import __version__
from machochain.findings import RULES
from machochain.model.audit import AuditFinding, AuditReport
from machochain.model.result import Severity
from machochain.report.audit_words import (
    count,
    display_place,
    headline,
    percent_encoded,
    releases,
    sentence,
    summary,
    verdict_tone,
    why_suppressed,
)
from machochain.report.context import RenderContext
from machochain.report.html_graph import graph
from machochain.report.html_lists import images, processes
from machochain.report.html_text import h, inline
from machochain.report.merged import merge
from machochain.report.picture import picture

MAX_FINDINGS: Final = 2000
MAX_INPUTS: Final = 6
_AT_ONCE: Final = 8
"""Findings of one rule that are shown before somebody asks for the rest."""

_NAMES: Final = {Severity.ERROR: "errors", Severity.WARNING: "warnings", Severity.INFO: "notes"}
_TONES: Final = {Severity.ERROR: "bad", Severity.WARNING: "doubt", Severity.INFO: "soft"}


@lru_cache(maxsize=4)
def _asset(name: str) -> str:
    return files("machochain.report").joinpath("assets", name).read_text(encoding="utf-8").strip()


def _source_hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def render_html(report: AuditReport) -> str:
    """Return the page."""
    css, script = _asset("report.css"), _asset("report.js")
    policy = (
        f"default-src 'none'; style-src {_source_hash(css)}; script-src {_source_hash(script)}; "
        "base-uri 'none'; form-action 'none'"
    )
    parts = [
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{html.escape(policy, quote=True)}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        '<meta name="referrer" content="no-referrer">',
        f"<title>machochain: {h(_title(report))} {headline(report)}</title>",
        f"<style>{css}</style>\n</head>\n<body>\n<main>",
        render_fragment(report),
        f"<footer>machochain {h(report.tool or __version__)}. This page loads nothing from anywhere.</footer>",
        f"</main>\n<script>{script}</script>\n</body>\n</html>\n",
    ]
    return "\n".join(parts)


def render_fragment(report: AuditReport, *, banner: bool = True) -> str:
    """Return what stands in the page, for a page that brings the style sheet, the script and a policy of its own.

    Args:
        report: The audit.
        banner: Whether the verdict is told, too.
    """
    merged = merge(report)
    drawn = picture(merged, report)
    return "\n".join(
        (
            *(_banner(report) if banner else ()),
            *_findings(report),
            *graph(drawn, merged, report),
            *processes(report),
            *images(merged, drawn),
            *_rest(report),
        )
    )


def _title(report: AuditReport) -> str:
    names = [posixpath.basename(i.path.rstrip("/")) or i.path for i in report.inputs]
    return names[0] if len(names) == 1 else f"{len(names)} inputs"


def _banner(report: AuditReport) -> Iterator[str]:
    kind = {"bad": "failed", "good": "", "doubt": "unsure"}[verdict_tone(report)]
    yield f'<header class="banner {kind}" id="verdict">'
    yield f'<h1>{h(_title(report))}: <span class="verdict {verdict_tone(report)}">{headline(report)}</span></h1>'
    yield f"<p>{h(summary(report))}.</p>"
    for each in report.inputs[:MAX_INPUTS]:
        facts = ", ".join(
            h(x) for x in (each.kind, f"{each.name} {each.version}" if each.version else "", *each.platforms) if x
        )
        place = f" as <code>{h(each.place)}</code>" if each.place else ""
        yield f'<p class="soft"><code>{h(each.path)}</code> ({facts}){place}</p>'
    if len(report.inputs) > MAX_INPUTS:
        yield f'<p class="soft">and {len(report.inputs) - MAX_INPUTS} more inputs</p>'
    policy = report.policy
    seen = releases(r.macos for r in report.results)
    fails = f"fails from {policy.fail_on.value} on" if policy.fail_on is not None else "never fails"
    words = [f"macOS {seen}" if seen else "", f"policy {policy.profile}", fails, *policy.sources]
    if policy.baseline:
        words.append(f"baseline {policy.baseline}")
    yield f'<p class="soft">{h(", ".join(w for w in words if w))}</p>'
    yield '<ul class="tiles">'
    for severity, number in report.counts.items():
        tone = _TONES[severity] if number else "soft"
        name = _NAMES[severity].removesuffix("s") if number == 1 else _NAMES[severity]
        yield f'<li><b class="{tone}">{number}</b>{name}</li>'
    yield f'<li><b class="soft">{len(report.suppressed)}</b>suppressed</li>'
    for answer, tone, name in ((True, "good", "start"), (False, "bad", "do not start"), (None, "doubt", "not known")):
        number = sum(r.launches is answer for r in report.results)
        yield f'<li><b class="{tone if number else "soft"}">{number}</b>{name}</li>'
    yield "</ul>\n</header>"


def _findings(report: AuditReport) -> Iterator[str]:
    yield '<h2 id="findings">Findings</h2>'
    shown = report.active[:MAX_FINDINGS]
    if not shown:
        yield '<p class="soft">None that counts.</p>'
    groups: dict[tuple[Severity, str], list[AuditFinding]] = {}
    for found in shown:
        groups.setdefault((found.severity, found.finding.rule), []).append(found)
    for (severity, rule), findings in groups.items():
        title = RULES[rule].title if rule in RULES else findings[0].finding.name
        is_open = " open" if severity is Severity.ERROR else ""
        times = f' <span class="soft">({len(findings)} times)</span>' if len(findings) > 1 else ""
        yield f"<details{is_open}><summary>{_badge(rule, severity)}{h(title)}{times}</summary>"
        if rule in RULES:
            yield f'<p class="soft">{inline(RULES[rule].why)}</p>'
        for found in findings[:_AT_ONCE]:
            yield from _finding(found, report, is_open=severity is Severity.ERROR and len(findings) <= 3)
        if len(findings) > _AT_ONCE:
            yield f"<details><summary>and {len(findings) - _AT_ONCE} more</summary>"
            for found in findings[_AT_ONCE:]:
                yield from _finding(found, report, is_open=False)
            yield "</details>"
        yield "</details>"
    if len(report.active) > len(shown):
        yield f'<p class="soft">{len(report.active) - len(shown)} more are left out here; the JSON report has all.</p>'


def _badge(rule: str, severity: Severity) -> str:
    return f'<span class="tag {severity.value}">{h(rule)}</span>'


def _finding(found: AuditFinding, report: AuditReport, *, is_open: bool) -> Iterator[str]:
    finding = found.finding
    yield f"<details{' open' if is_open else ''}><summary>{h(sentence(found))}</summary>"
    yield "<dl>"
    yield f"<dt>in</dt><dd><code>{h(display_place(found, report.inputs))}</code></dd>"
    if finding.subject:
        yield f"<dt>about</dt><dd><code>{h(finding.subject)}</code></dd>"
        encoded = percent_encoded(finding.subject)
        if encoded is not None:
            yield f"<dt>in bytes</dt><dd><code>{h(encoded)}</code></dd>"
    yield f"<dt>architectures</dt><dd>{h(', '.join(found.archs))}</dd>"
    clean = f"; not on {releases(found.clean)}" if found.clean else ""
    yield f"<dt>macOS</dt><dd>{h(releases(found.macos) + clean)}</dd>"
    if finding.confidence.value != "certain":
        yield f"<dt>confidence</dt><dd>{finding.confidence.value}</dd>"
    if found.processes:
        more = f" and {len(found.processes) - 8} more" if len(found.processes) > 8 else ""
        yield f"<dt>seen in</dt><dd>{h(', '.join(found.processes[:8]))}{more}</dd>"
    yield "</dl>"
    if finding.remedies:
        yield "<p>Fix:</p><pre>" + "\n".join(h(step.pasted) for step in finding.steps) + "</pre>"
    yield "</details>"


def _rest(report: AuditReport) -> Iterator[str]:
    if report.suppressed:
        yield '<h2 id="suppressed">Suppressed</h2>'
        yield f'<details><summary>{count(len(report.suppressed), "finding")}</summary><ul class="plain">'
        for found in report.suppressed[:MAX_FINDINGS]:
            assert found.suppressed is not None
            place = h(display_place(found, report.inputs))
            yield (
                f"<li>{_badge(found.finding.rule, found.severity)}<code>{place}</code> "
                f'{h(sentence(found))} <span class="soft">{h(why_suppressed(found.suppressed))}</span></li>'
            )
        yield "</ul></details>"
    if report.stale:
        yield '<h2 id="stale">Suppressions that suppress nothing</h2><ul>'
        for stale in report.stale:
            where = f"{stale.suppression.file}: {stale.suppression.entry}"
            yield f"<li><code>{h(where)}</code> {h(stale.why)}</li>"
        yield "</ul>"
    if report.errors or report.skipped or report.unexamined or report.passed_over:
        yield '<h2 id="unseen">Not seen</h2><ul>'
        yield from (f"<li>{h(str(error))}</li>" for error in report.errors)
        yield from (f"<li><code>{h(path)}</code> was not looked at</li>" for path in report.skipped)
        yield from (f"<li>no Mach-O file in <code>{h(path)}</code></li>" for path in report.unexamined)
        for each in report.passed_over[:MAX_FINDINGS]:
            yield f"<li><code>{h(each.path)}</code> was not looked into: {h(each.reason)}</li>"
        if len(report.passed_over) > MAX_FINDINGS:
            yield f"<li>and {len(report.passed_over) - MAX_FINDINGS} more that were not looked into</li>"
        yield "</ul>"


def write(report: AuditReport, _: RenderContext) -> str:
    """Return the page."""
    return render_html(report)
