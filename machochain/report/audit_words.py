"""Words that all reports of an audit share."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Sequence
from typing import Final
from urllib.parse import quote

from machochain.dyld.profile import PROFILES, profile_for
from machochain.findings.osfacts import spoken
from machochain.model.audit import AuditFinding, AuditInput, AuditReport, Suppression
from machochain.model.paths import printable
from machochain.model.result import Severity
from machochain.model.version import Version
from machochain.report.coverage import coverage_words


def count(number: int, noun: str, plural: str = "") -> str:
    """Return ``1 error``, ``2 errors``, ``no errors``."""
    return f"{number or 'no'} {noun if number == 1 else plural or noun + 's'}"


def short(version: Version) -> str:
    """Return a release as people say it: ``26``, ``13.3``."""
    return str(version).removesuffix(".0")


def releases(versions: Iterable[Version]) -> str:
    """Return releases in few words: ``12``, ``12 to 26``, ``12, 14 and 26``; runs are of modelled releases."""
    runs: list[list[Version]] = []
    for version in sorted(set(versions)):
        if runs and PROFILES.index(profile_for(version)) - PROFILES.index(profile_for(runs[-1][-1])) <= 1:
            runs[-1].append(version)
        else:
            runs.append([version])
    words: list[str] = []
    for run in runs:
        words += [f"{short(run[0])} to {short(run[-1])}"] if len(run) > 2 else [short(v) for v in run]
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}" if words else ""


def verdict(report: AuditReport) -> str:
    """Return the verdict in one word or two."""
    if report.failing:
        return "failed"
    if report.errors or report.skipped:
        return "not complete"
    return "passed" if report.passed else "nothing examined"


def headline(report: AuditReport) -> str:
    """Return the verdict for people: what is unknown, or was passed over, did not pass."""
    return "passed as far as known" if report.passed and report.incomplete else verdict(report)


def verdict_tone(report: AuditReport) -> str:
    """Return how the verdict is coloured: ``good`` only where all was examined, and holds."""
    if report.failing:
        return "bad"
    return "good" if report.passed and not report.incomplete else "doubt"


def summary(report: AuditReport) -> str:
    """Return one line: what counts, what does not, what could not be seen, and how much was looked at."""
    return f"{tally(report)}; {coverage_words(report.coverage)}"


def tally(report: AuditReport) -> str:
    """Return how many findings there are, and in how much."""
    counts = report.counts
    parts = [
        count(counts[Severity.ERROR], "error"),
        count(counts[Severity.WARNING], "warning"),
        count(counts[Severity.INFO], "note"),
    ]
    if report.suppressed:
        parts.append(f"{len(report.suppressed)} suppressed")
    if report.stale:
        parts.append(f"{len(report.stale)} stale suppression{'s' if len(report.stale) > 1 else ''}")
    if report.errors:
        parts.append(f"{len(report.errors)} unreadable")
    if report.skipped:
        parts.append(f"{len(report.skipped)} not looked at")
    processes = count(len(report.results), "process", "processes")
    return f"{', '.join(parts)} in {processes} of {count(len(report.inputs), 'input')}"


def percent_encoded(name: str) -> str | None:
    """Return the bytes of a name as a URI has them; None for a name that is shown as it is.

    What people are shown of a name with control characters or stray bytes could also be another name, spelt so.
    """
    if printable(name) == name:
        return None
    return quote(name.encode("utf-8", "surrogateescape"), safe="/@+,=()!~: ")


_NAMED: Final = 3
"""Symbols of one cause that are named before the rest is counted."""


def about(cause: Sequence[AuditFinding]) -> str:
    """Return what findings of one cause are about: their subject, and the symbols that a library lacks, since when."""
    symbols: dict[str, str] = {}
    for found in cause:
        evidence = found.finding.evidence
        for each in evidence.get("symbols") or ():
            symbols.setdefault(str(each if isinstance(each, str) else each[0]), "")
        for bound in evidence.get("bounds") or ():
            since = bound.get("present_in")
            symbols[str(bound["symbol"])] = f" (known from macOS {since} on)" if since else ""
    subject = cause[0].finding.subject
    names = [f"{name}{since}" for name, since in symbols.items() if name != subject]
    if not names:
        return subject + symbols.get(subject, "")
    more = len(names) - _NAMED
    return f"{subject}: {', '.join(names[:_NAMED])}{f' and {more} more' if more > 0 else ''}"


def where_so(cause: Sequence[AuditFinding]) -> str:
    """Return on which releases findings of one cause hold; empty where that is on all that were looked at."""
    words = {found.when for found in cause}
    if len(words) == 1 and (same := words.pop()):
        return same
    broken = {text for found in cause for text in found.finding.evidence.get("broken_on") or ()}
    if broken:
        return f"on {spoken(Version.parse(str(text)) for text in broken)}"
    return (
        f"on macOS {releases(v for found in cause for v in found.macos)}" if any(found.when for found in cause) else ""
    )


def sentence(finding: AuditFinding) -> str:
    """Return what a finding says, with the releases it holds for."""
    message = printable(finding.finding.message)
    return f"{message} ({printable(finding.when)})" if finding.when else message


def why_suppressed(suppression: Suppression) -> str:
    """Return why a finding does not count, and where that is written."""
    until = f", until {suppression.expires.isoformat()}" if suppression.expires is not None else ""
    reason = printable(suppression.reason) or "no reason given"
    return f"{reason} ({printable(suppression.file)}: {printable(suppression.entry)}{until})"


def input_at(path: str, inputs: Sequence[AuditInput]) -> AuditInput | None:
    """Return the input a user named so."""
    return next((i for i in inputs if i.path == path), None)


def host_file(finding: AuditFinding, inputs: Sequence[AuditInput]) -> str:
    """Return the file on this machine that a finding is about, as far as one exists.

    That is the file inside a folder, the archive for what is in it, and the input itself for what lies outside of it.
    """
    found = input_at(finding.origin, inputs)
    if found is None or found.archive or found.kind == "file" or finding.path.startswith("/"):
        return finding.origin
    return posixpath.join(finding.origin, finding.path)


def display_place(finding: AuditFinding, inputs: Sequence[AuditInput]) -> str:
    """Return where a finding was seen, for people: the input, and the file in it behind a slash or colon."""
    if finding.path.startswith("/"):
        return printable(finding.path)
    found = input_at(finding.origin, inputs)
    if found is None or found.kind == "file":
        return printable(finding.origin)
    return printable(f"{finding.origin.rstrip('/')}{':' if found.archive else '/'}{finding.path}")
