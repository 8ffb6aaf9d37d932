"""Findings that are known and put up with: a file of fingerprints, written and read by ``machochain audit``."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import date
from pathlib import Path
from typing import Any, Final

from machochain.judging.policy import Ignore, Policy
from machochain.model.audit import AuditFinding, StaleSuppression, Suppression, SuppressionSource
from machochain.model.errors import InputError, UsageError
from machochain.model.result import Severity
from machochain.model.value import evolve, frozen
from machochain.world.named import read_named

SCHEMA: Final = "machochain.baseline/1"
_MAX_BYTES: Final = 64 << 20


@frozen
class BaselineEntry:
    """One finding that is put up with.

    Attributes:
        fingerprint: The finding's.
        rule: Its rule.
        path: Where it was; for people.
        subject: What it was about; for people.
        severity: The worst severity that is put up with: a finding that got worse counts again.
        reason: Why; empty until somebody writes it.
        expires: The last day it holds; None for ever.
    """

    fingerprint: str
    rule: str
    path: str
    subject: str
    severity: Severity
    reason: str = ""
    expires: date | None = None


@frozen
class Baseline:
    """A baseline file.

    Attributes:
        file: Its path.
        entries: By fingerprint.
    """

    file: str
    entries: Mapping[str, BaselineEntry]


def read_baseline(path: Path) -> Baseline:
    """Read a baseline.

    Raises:
        UsageError: It cannot be read or is none.
    """
    try:
        document = json.loads(read_named(str(path), _MAX_BYTES))
    except InputError as error:
        raise UsageError(str(error)) from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path}: is no JSON: {error}") from None
    if not isinstance(document, dict) or document.get("schema") != SCHEMA:
        raise UsageError(f"{path}: is no baseline ({SCHEMA})")
    found = document.get("findings")
    if not isinstance(found, list):
        raise UsageError(f"{path}: findings: must be a list")
    entries = [_entry(item, f"{path}: findings[{n}]") for n, item in enumerate(found)]
    return Baseline(str(path), {entry.fingerprint: entry for entry in entries})


def _entry(item: object, place: str) -> BaselineEntry:
    if not isinstance(item, dict):
        raise UsageError(f"{place}: must be an object")
    texts = {}
    for key in ("fingerprint", "rule", "path", "subject", "reason"):
        value = item.get(key, "")
        if not isinstance(value, str) or (key == "fingerprint" and not value):
            raise UsageError(f"{place}.{key}: must be a string")
        texts[key] = value
    try:
        severity = Severity(item.get("severity", "error"))
    except ValueError:
        raise UsageError(f"{place}.severity: is none of info, warning, error") from None
    return BaselineEntry(**texts, severity=severity, expires=_date(item.get("expires"), f"{place}.expires"))


def _date(value: object, place: str) -> date | None:
    if value is None:
        return None
    try:
        return date.fromisoformat(value)  # type: ignore[arg-type]  # what is no text fails as well
    except (TypeError, ValueError):
        raise UsageError(f"{place}: {value!r} is no date such as 2027-01-31") from None


def write_baseline(path: Path, findings: Iterable[AuditFinding], before: Baseline | None = None) -> int:
    """Write every finding that counts, or was put up with by the baseline before, and return how many there are.

    Reasons and dates of the baseline before are kept. What the policy ignores is left to the policy.

    Raises:
        UsageError: It cannot be written.
    """
    entries: dict[str, BaselineEntry] = {}
    for found in findings:
        if found.suppressed is not None and found.suppressed.source is SuppressionSource.POLICY:
            continue
        old = before.entries.get(found.fingerprint) if before is not None else None
        entry = BaselineEntry(
            found.fingerprint, found.finding.rule, found.path, found.finding.subject, found.severity,
            old.reason if old is not None else "", old.expires if old is not None else None,
        )  # fmt: skip
        known = entries.setdefault(found.fingerprint, entry)
        if known.severity.rank < entry.severity.rank:
            entries[found.fingerprint] = entry
    ordered = sorted(entries.values(), key=lambda e: (e.rule, e.path, e.subject, e.fingerprint))
    document = {"schema": SCHEMA, "findings": [_fields(entry) for entry in ordered]}
    text = json.dumps(document, indent=2) + "\n"
    try:
        part = path.with_name(path.name + ".part")
        part.write_text(text, encoding="utf-8")
        part.replace(path)
    except OSError as error:
        raise UsageError(f"{path}: cannot be written: {error.strerror}") from error
    return len(ordered)


def _fields(entry: BaselineEntry) -> dict[str, Any]:
    return {
        "fingerprint": entry.fingerprint,
        "rule": entry.rule,
        "path": entry.path,
        "subject": entry.subject,
        "severity": entry.severity.value,
        "reason": entry.reason,
        "expires": entry.expires.isoformat() if entry.expires is not None else None,
    }


def suppress(
    findings: Iterable[AuditFinding], policy: Policy, baseline: Baseline | None, today: date
) -> tuple[tuple[AuditFinding, ...], tuple[StaleSuppression, ...]]:
    """Mark the findings that policy or baseline say do not count, and return what suppresses nothing.

    Args:
        findings: All of an audit.
        policy: Its ignores come first.
        baseline: Findings that are put up with.
        today: Suppressions that expired before this day do not hold.
    """
    entries = baseline.entries if baseline is not None else {}
    used_ignores: set[int] = set()
    used_entries: set[str] = set()
    marked = []
    for found in findings:
        reasons = []
        for number, ignore in enumerate(policy.ignores):
            if ignore.covers(found.finding.rule, found.path, found.finding.subject):
                used_ignores.add(number)
                reasons += [_of_ignore(ignore)] if _holds(ignore.expires, today) else []
        entry = entries.get(found.fingerprint)
        if entry is not None and baseline is not None:
            used_entries.add(entry.fingerprint)
            if _holds(entry.expires, today) and found.severity.rank <= entry.severity.rank:
                reasons.append(_of_entry(entry, baseline))
        marked.append(evolve(found, suppressed=reasons[0] if reasons else None))
    known = [(_of_ignore(ignore), n in used_ignores) for n, ignore in enumerate(policy.ignores)]
    if baseline is not None:
        known += [(_of_entry(entry, baseline), key in used_entries) for key, entry in entries.items()]
    stale = [
        StaleSuppression(s, "matches nothing" if _holds(s.expires, today) else f"expired on {s.expires}")
        for s, used in known
        if not used or not _holds(s.expires, today)
    ]
    return tuple(marked), tuple(stale)


def _holds(expires: date | None, today: date) -> bool:
    return expires is None or today <= expires


def _of_ignore(ignore: Ignore) -> Suppression:
    return Suppression(SuppressionSource.POLICY, ignore.file, ignore.entry, ignore.reason, ignore.expires)


def _of_entry(entry: BaselineEntry, baseline: Baseline) -> Suppression:
    return Suppression(
        SuppressionSource.BASELINE, baseline.file, f"{entry.fingerprint} {entry.rule} {entry.path}", entry.reason,
        entry.expires,
    )  # fmt: skip
