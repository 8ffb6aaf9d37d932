"""Audits as one self-contained HTML page: verdict, findings, the load graph as a picture, every process and image.

Nothing is loaded from anywhere: the page's policy (Content-Security-Policy) forbids every request, and lets only the
one script and the one style sheet run whose hashes it names. Without scripts the page is complete; the script zooms,
filters and shows details. Every name comes from a file that nobody trusts, and goes through `_h`.
"""

from __future__ import annotations

import base64
import hashlib
import html
import posixpath
import re
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from importlib.resources import files
from typing import Final

from machochain._version import __version__
from machochain.findings import RULES
from machochain.model.audit import AuditFinding, AuditReport
from machochain.model.paths import leaf, printable
from machochain.model.result import Origin, Outcome, Result, Severity
from machochain.report.audit_words import (
    count,
    display_place,
    percent_encoded,
    releases,
    sentence,
    short,
    summary,
    verdict,
    why_suppressed,
)
from machochain.report.context import RenderContext
from machochain.report.merged import Merged, MergedImage, MergedLoad, merge
from machochain.report.picture import Picture, picture, render_svg

MAX_FINDINGS: Final = 2000
MAX_PROCESSES: Final = 500
MAX_IMAGES: Final = 2000
MAX_INPUTS: Final = 6

_NAMES: Final = {Severity.ERROR: "errors", Severity.WARNING: "warnings", Severity.INFO: "notes"}
_TONES: Final = {Severity.ERROR: "bad", Severity.WARNING: "doubt", Severity.INFO: "soft"}


def _h(text: str) -> str:
    """Return text that can be neither markup nor control: for element content and quoted attributes."""
    return html.escape(printable(text), quote=True)


def _inline(text: str) -> str:
    """Return a sentence of the catalogue, where backticks enclose code."""
    return re.sub("`([^`]+)`", r"<code>\1</code>", _h(text))


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
        f"<title>machochain: {_h(_title(report))} {verdict(report)}</title>",
        f"<style>{css}</style>\n</head>\n<body>\n<main>",
        render_fragment(report),
        f"<footer>machochain {_h(report.tool or __version__)}. This page loads nothing from anywhere.</footer>",
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
            *_graph(drawn),
            *_processes(report),
            *_images(merged, drawn),
            *_rest(report),
        )
    )


def _title(report: AuditReport) -> str:
    names = [posixpath.basename(i.path.rstrip("/")) or i.path for i in report.inputs]
    return names[0] if len(names) == 1 else f"{len(names)} inputs"


def _banner(report: AuditReport) -> Iterator[str]:
    kind = "failed" if report.failing else "" if report.passed else "unsure"
    tone = "bad" if report.failing else "good" if report.passed else "doubt"
    yield f'<header class="banner {kind}" id="verdict">'
    yield f'<h1>{_h(_title(report))}: <span class="verdict {tone}">{verdict(report)}</span></h1>'
    yield f"<p>{_h(summary(report))}.</p>"
    for each in report.inputs[:MAX_INPUTS]:
        facts = ", ".join(
            _h(x) for x in (each.kind, f"{each.name} {each.version}" if each.version else "", *each.platforms) if x
        )
        place = f" as <code>{_h(each.place)}</code>" if each.place else ""
        yield f'<p class="soft"><code>{_h(each.path)}</code> ({facts}){place}</p>'
    if len(report.inputs) > MAX_INPUTS:
        yield f'<p class="soft">and {len(report.inputs) - MAX_INPUTS} more inputs</p>'
    policy = report.policy
    seen = releases(r.macos for r in report.results)
    fails = f"fails from {policy.fail_on.value} on" if policy.fail_on is not None else "never fails"
    words = [f"macOS {seen}" if seen else "", f"policy {policy.profile}", fails, *policy.sources]
    if policy.baseline:
        words.append(f"baseline {policy.baseline}")
    yield f'<p class="soft">{_h(", ".join(w for w in words if w))}</p>'
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
        yield f"<details{is_open}><summary>{_badge(rule, severity)}{_h(title)}{times}</summary>"
        if rule in RULES:
            yield f'<p class="soft">{_inline(RULES[rule].why)}</p>'
        for found in findings:
            yield from _finding(found, report, is_open=severity is Severity.ERROR and len(findings) <= 3)
        yield "</details>"
    if len(report.active) > len(shown):
        yield f'<p class="soft">{len(report.active) - len(shown)} more are left out here; the JSON report has all.</p>'


def _badge(rule: str, severity: Severity) -> str:
    return f'<span class="tag {severity.value}">{_h(rule)}</span>'


def _finding(found: AuditFinding, report: AuditReport, *, is_open: bool) -> Iterator[str]:
    finding = found.finding
    yield f"<details{' open' if is_open else ''}><summary>{_h(sentence(found))}</summary>"
    yield "<dl>"
    yield f"<dt>in</dt><dd><code>{_h(display_place(found, report.inputs))}</code></dd>"
    if finding.subject:
        yield f"<dt>about</dt><dd><code>{_h(finding.subject)}</code></dd>"
        encoded = percent_encoded(finding.subject)
        if encoded is not None:
            yield f"<dt>in bytes</dt><dd><code>{_h(encoded)}</code></dd>"
    yield f"<dt>architectures</dt><dd>{_h(', '.join(found.archs))}</dd>"
    clean = f"; not on {releases(found.clean)}" if found.clean else ""
    yield f"<dt>macOS</dt><dd>{_h(releases(found.macos) + clean)}</dd>"
    if finding.confidence.value != "certain":
        yield f"<dt>confidence</dt><dd>{finding.confidence.value}</dd>"
    if found.processes:
        more = f" and {len(found.processes) - 8} more" if len(found.processes) > 8 else ""
        yield f"<dt>seen in</dt><dd>{_h(', '.join(found.processes[:8]))}{more}</dd>"
    yield "</dl>"
    if finding.remedies:
        yield "<p>Fix:</p><pre>" + "\n".join(_h(step.pasted) for step in finding.steps) + "</pre>"
    yield "</details>"


def _graph(drawn: Picture) -> Iterator[str]:
    yield '<h2 id="graph">Load graph</h2>'
    if not drawn.nodes:
        yield '<p class="soft">Nothing was loaded that could be drawn.</p>'
        return
    yield '<div class="tools">'
    yield '<input class="scripted" id="filter" type="search" placeholder="Filter by name" aria-label="Filter by name">'
    yield '<span class="scripted soft" id="tally" role="status"></span>'
    yield '<span class="scripted"><button type="button" id="zoom-out" aria-label="Smaller">−</button>'  # noqa: RUF001
    yield '<button type="button" id="zoom-in" aria-label="Larger">+</button>'
    yield '<button type="button" id="zoom-fit">Fit</button></span>'
    if drawn.implied:
        yield f'<label><input type="checkbox" id="all-loads"> all loads (+{drawn.implied} that others imply)</label>'
    yield "</div>"
    for note in drawn.notes:
        yield f'<p class="soft">{_h(note)}</p>'
    yield f'<div id="canvas" tabindex="0" role="region" aria-label="Load graph">{render_svg(drawn)}</div>'
    yield '<div id="chosen" role="status"></div>'
    yield f'<div class="legend">{"".join(_legend(drawn))}</div>'


def _legend(drawn: Picture) -> Iterator[str]:
    kinds = {kind for node in drawn.nodes for kind in node.kinds} | {k for line in drawn.lines for k in line.kinds}
    for kind, words in (
        ("root", "starts a process"),
        ("os", "part of macOS"),
        ("missing", "missing"),
        ("absent", "absent, which a weak load allows"),
        ("unknown", "not known"),
        ("weak", "weak load"),
        ("reexport", "re-export"),
    ):
        if kind in kinds:
            yield f'<span><span class="swatch {kind}"></span>{words}</span>'
    yield "<span>An arrow leads from the image that asks to what it loads.</span>"


_MARKS: Final = {
    True: '<span class="good" title="starts">✓</span>',
    False: '<span class="bad" title="does not start">✗</span>',
    None: '<span class="doubt" title="not known">?</span>',
}


def _processes(report: AuditReport) -> Iterator[str]:
    groups: dict[tuple[str, str], list[Result]] = {}
    for result in report.results:
        groups.setdefault((result.input, result.arch), []).append(result)
    if not groups:
        return
    columns = sorted({r.macos for r in report.results})
    ranked = sorted(groups.items(), key=lambda item: _rank(item[1]))
    fine = sum(_rank(group) == 2 for group in groups.values())
    yield '<h2 id="processes">Processes</h2>'
    yield f'<p class="soft">{fine} of {len(groups)} start wherever they were tried.</p>'
    yield f"<details{' open' if fine < len(groups) or len(groups) <= 12 else ''}><summary>Which starts where</summary>"
    yield '<div class="wide"><table><tr><th>process</th><th>slice</th>'
    yield "".join(f'<th class="mark">{short(v)}</th>' for v in columns) + "</tr>"
    for (path, arch), group in ranked[:MAX_PROCESSES]:
        by_release = {r.macos: _MARKS[r.launches] for r in group}
        cells = "".join(f'<td class="mark">{by_release.get(v, "")}</td>' for v in columns)
        yield f'<tr><td class="path"><code>{_h(path)}</code></td><td>{_h(arch)}</td>{cells}</tr>'
    yield "</table></div>"
    if len(ranked) > MAX_PROCESSES:
        yield f'<p class="soft">and {len(ranked) - MAX_PROCESSES} more</p>'
    yield "</details>"
    messages: dict[tuple[str, str, str], list[Result]] = {}
    for result in report.results:
        if result.message is not None:
            messages.setdefault((result.input, result.arch, result.message), []).append(result)
    for (path, arch, message), group in list(messages.items())[:MAX_PROCESSES]:
        where = f"{path} ({arch}), macOS {releases(r.macos for r in group)}"
        yield f"<details><summary>dyld will say: <code>{_h(where)}</code></summary><pre>"
        lines = message.rstrip("\n").split("\n")
        yield "\n".join("\t".join(_h(part) for part in line.split("\t")) for line in lines) + "</pre></details>"


def _rank(group: Sequence[Result]) -> int:
    if any(r.launches is False for r in group):
        return 0
    return 1 if any(r.launches is None for r in group) else 2


def _images(merged: Merged, drawn: Picture) -> Iterator[str]:
    disk = [i for i in merged.images if i.origin is Origin.DISK]
    system = [i for i in merged.images if i.origin is Origin.OS]
    if not merged.images:
        return
    yield '<h2 id="images">Images</h2>'
    libraries = count(len(system), "library of macOS", "libraries of macOS")
    yield f"<details><summary>{count(len(disk), 'file')}, {libraries}</summary>"
    loads: dict[int, list[MergedLoad]] = {}
    users: dict[int, dict[int, None]] = {}
    for load in merged.loads:
        loads.setdefault(load.source, []).append(load)
        if load.to is not None:
            users.setdefault(load.to, {})[load.source] = None
    worst = drawn.worst
    # Files first, and all that is drawn: the picture links to them.
    listed = sorted(merged.images, key=lambda i: (i.key not in drawn.keys, i.origin is Origin.OS, i.path))
    for image in listed[:MAX_IMAGES]:
        yield from _image(image, merged, loads.get(image.key, ()), users.get(image.key, ()), worst.get(image.key))
    yield "</details>"
    if len(listed) > MAX_IMAGES:
        yield f'<p class="soft">{len(listed) - MAX_IMAGES} more are left out here; the JSON report has all.</p>'


def _image(
    image: MergedImage, merged: Merged, loads: Sequence[MergedLoad], users: Iterable[int], worst: Severity | None
) -> Iterator[str]:
    tag = f'<span class="tag {worst.value}">{worst.value}</span>' if worst is not None else ""
    yield f'<details id="image-{image.key}"><summary>{tag}<code>{_h(image.path)}</code></summary>\n<dl>'
    rows = [
        ("path", image.path),
        ("install name", image.install_name or ""),
        ("kind", image.file_type or ("part of macOS" if image.origin is Origin.OS else "")),
        ("run paths", ", ".join(image.run_paths)),
    ]
    for build in image.builds:
        facts = [
            f"{build.platform or ''} {build.minos or ''}".strip() and f"{build.platform} {build.minos} or newer",
            f"sdk {build.sdk}" if build.sdk is not None else "",
            f"version {build.current_version}" if build.current_version is not None else "",
            build.uuid or "",
        ]
        rows.append((build.arch, ", ".join(f for f in facts if f)))
    yield "".join(f"<dt>{_h(name)}</dt><dd><code>{_h(value)}</code></dd>" for name, value in rows if value)
    yield "</dl>"
    if loads:
        yield '<p class="soft">loads</p><ul class="plain">'
        for load in loads:
            yield f"<li>{_load(load, merged)}</li>"
        yield "</ul>"
    by = [merged.images[key] for key in users]
    if by:
        yield '<p class="soft">is loaded by</p><ul class="plain">'
        for user in by[:50]:
            yield f'<li><a href="#image-{user.key}"><code>{_h(leaf(user.path))}</code></a></li>'
        yield f"<li>and {len(by) - 50} more</li></ul>" if len(by) > 50 else "</ul>"
    yield "</details>"


def _load(load: MergedLoad, merged: Merged) -> str:
    kinds = [
        word
        for word, on in (
            ("weak", load.weak),
            ("re-export", load.reexport),
            ("upward", load.upward),
            ("delayed", load.delayed),
        )
        if on
    ]
    words = f' <span class="soft">({", ".join(kinds)})</span>' if kinds else ""
    if load.to is not None:
        to = merged.images[load.to]
        target = "" if to.path == load.name else f" → {_h(to.path)}"
        return f'<a href="#image-{to.key}"><code>{_h(load.name)}</code></a><code>{target}</code>{words}'
    tone = {Outcome.UNKNOWN: "doubt", Outcome.WEAK_MISSING: "soft"}.get(load.outcome, "bad")
    state = "absent" if load.outcome is Outcome.WEAK_MISSING else load.outcome.value
    return (
        f'<code>{_h(load.name)}</code>{words} <span class="{tone}">{state} on macOS {_h(releases(load.macos))}</span>'
    )


def _rest(report: AuditReport) -> Iterator[str]:
    if report.suppressed:
        yield '<h2 id="suppressed">Suppressed</h2>'
        yield f'<details><summary>{count(len(report.suppressed), "finding")}</summary><ul class="plain">'
        for found in report.suppressed[:MAX_FINDINGS]:
            assert found.suppressed is not None
            place = _h(display_place(found, report.inputs))
            yield (
                f"<li>{_badge(found.finding.rule, found.severity)}<code>{place}</code> "
                f'{_h(sentence(found))} <span class="soft">{_h(why_suppressed(found.suppressed))}</span></li>'
            )
        yield "</ul></details>"
    if report.stale:
        yield '<h2 id="stale">Suppressions that suppress nothing</h2><ul>'
        for stale in report.stale:
            where = f"{stale.suppression.file}: {stale.suppression.entry}"
            yield f"<li><code>{_h(where)}</code> {_h(stale.why)}</li>"
        yield "</ul>"
    if report.errors or report.skipped or report.unexamined or report.passed_over:
        yield '<h2 id="unseen">Not seen</h2><ul>'
        yield from (f"<li>{_h(str(error))}</li>" for error in report.errors)
        yield from (f"<li><code>{_h(path)}</code> was not looked at</li>" for path in report.skipped)
        yield from (f"<li>no Mach-O file in <code>{_h(path)}</code></li>" for path in report.unexamined)
        for each in report.passed_over[:MAX_FINDINGS]:
            yield f"<li><code>{_h(each.path)}</code> was not looked into: {_h(each.reason)}</li>"
        if len(report.passed_over) > MAX_FINDINGS:
            yield f"<li>and {len(report.passed_over) - MAX_FINDINGS} more that were not looked into</li>"
        yield "</ul>"


def write(report: AuditReport, _: RenderContext) -> str:
    """Return the page."""
    return render_html(report)
