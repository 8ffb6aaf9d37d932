"""Diagnoses as one screen of text, and as the document ``machochain.diagnose/1``."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Sequence
from typing import Any, Final

from machochain._version import __version__
from machochain.graph.compare import Comparison
from machochain.model.evidence import Diagnosis, Evidence, ExplainedAttempt, MacOSRange
from machochain.model.paths import printable
from machochain.model.result import Confidence
from machochain.model.search import SearchRule
from machochain.report.context import RenderContext

SCHEMA: Final = "machochain.diagnose/1"
MAX_ATTEMPTS: Final = 6
"""Attempts shown in text before the rest is counted; JSON has them all."""


def render_text(diagnoses: Sequence[Diagnosis], *, width: int = 80) -> str:
    """Return plain text, each diagnosis about one screen, ``width`` columns wide as far as paths and commands let it.

    A text without a message gives a sentence that says so. Paths and commands are never broken, so that they can be
    copied.
    """
    if not diagnoses:
        return "No message of dyld, no crash report and no log that this tool knows.\n"
    parts = [_one(diagnosis, width) for diagnosis in diagnoses]
    return "\n\n".join("\n".join(part) for part in parts) + "\n"


def _one(diagnosis: Diagnosis, width: int) -> list[str]:
    evidence = diagnosis.evidence
    lines = textwrap.wrap(diagnosis.headline, width, break_long_words=False, break_on_hyphens=False)
    for name, value in _facts(diagnosis):
        lines.append(f"  {name:<12} {value}")
    if diagnosis.attempts:
        lines.append("  dyld looked here:")
        lines += _attempts(diagnosis.attempts)
    if evidence.kind.is_failure:
        sure = "" if diagnosis.confidence is Confidence.CERTAIN else " (likely)"
        lines.append(f"  cause        {diagnosis.cause.value}{sure}")
    for because in (*diagnosis.because, *diagnosis.process.notes):
        lines += _wrapped(because, width)
    if diagnosis.alternatives:
        lines.append(f"    else: {', '.join(a.value for a in diagnosis.alternatives)}")
    if diagnosis.remedy:
        lines.append("  what helps")
        lines += [f"    {remedy}" for remedy in diagnosis.remedy]
    if diagnosis.avoid:
        lines.append("  what does not")
        for avoid in diagnosis.avoid:
            lines += _wrapped(avoid, width)
    return lines


def _wrapped(text: str, width: int) -> list[str]:
    return textwrap.wrap(
        text, width, initial_indent="    ", subsequent_indent="    ", break_long_words=False, break_on_hyphens=False
    )


def _facts(diagnosis: Diagnosis) -> list[tuple[str, str]]:
    e = diagnosis.evidence
    facts = [
        ("library", e.library),
        ("symbol", e.symbol),
        ("expected in", e.expected_in),
        ("asked by", e.referenced_from or (e.dlopen_path and f"dlopen, mode {e.dlopen_mode}")),
        ("process", e.process),
        ("macOS", _macos(e)),
        ("built for", e.built_for),
        ("times", str(e.occurrences) if e.occurrences > 1 else None),
        ("note", "the text was cut: there may be more" if e.truncated else None),
    ]
    return [(name, printable(value)) for name, value in facts if value]


def _macos(evidence: Evidence) -> str | None:
    if evidence.macos is not None:
        return str(evidence.macos)
    return words_of_range(evidence.macos_range)


def words_of_range(found: MacOSRange | None) -> str | None:
    """Return ``13 or later``, ``11.7 or older``, ``12.5 to 12.7``; None for no range."""
    if found is None:
        return None
    low = None if found.low is None else str(found.low).removesuffix(".0")
    high = None if found.high is None else str(found.high)
    if low and high:
        return f"{low} to {high} (by the wording)"
    return f"{low} or later (by the wording)" if low else f"{high} or older (by the wording)"


def _attempts(attempts: Sequence[ExplainedAttempt]) -> list[str]:
    """List each path once; repetitions and the look into the OS cryptex, which dyld adds to every path, are counted."""
    first: dict[str, ExplainedAttempt] = {}
    cryptex = 0
    for attempt in attempts:
        if attempt.rule is SearchRule.CRYPTEX_PREFIX:
            cryptex += 1
        else:
            first.setdefault(attempt.tried.path, attempt)
    shown = list(first.values())[:MAX_ATTEMPTS]
    same = len({a.tried.reason for a in shown}) == 1
    lines = []
    for attempt in shown:
        reason = attempt.tried.reason
        words = "(cut)" if reason is None else printable(reason)
        path = f"    {printable(attempt.tried.path)}"
        why = attempt.why if same and reason == "no such file" else f"{attempt.why}: {words}"
        lines += [f"{path}  {why}"] if len(path) + len(why) < 78 else [path, f"      {why}"]
    again = len(attempts) - cryptex - len(first)
    rest = [
        words
        for count, words in (
            (len(first) - len(shown), f"{len(first) - len(shown)} more"),
            (again, f"{again} of these again"),
            (cryptex, f"{cryptex} in the OS cryptex"),
        )
        if count
    ]
    return [*lines, f"    and {', '.join(rest)}"] if rest else lines


def as_document(diagnoses: Sequence[Diagnosis]) -> dict[str, Any]:
    """Return the JSON document: schema, tool, and one entry for each diagnosis, in the order of the text."""
    return {
        "schema": SCHEMA,
        "tool": {"name": "machochain", "version": __version__},
        "diagnoses": [_entry(d) for d in diagnoses],
    }


def _entry(d: Diagnosis) -> dict[str, Any]:
    facts = d.process
    return {
        "headline": d.headline,
        "cause": d.cause.value,
        "confidence": d.confidence.value,
        "because": list(d.because),
        "alternatives": [a.value for a in d.alternatives],
        "evidence": _evidence(d.evidence),
        "attempts": [
            {
                "path": a.tried.path,
                "reason": a.tried.reason,
                "suffix": a.tried.suffix,
                "rule": a.rule.value if a.rule is not None else None,
                "why": a.why,
                "rpath": a.run_path,
                "repeats": a.again,
            }
            for a in d.attempts
        ],
        "process": {
            "hardened": facts.hardened,
            "cwd": facts.cwd,
            "rpaths": list(facts.run_paths),
            "library_path": list(facts.library_path),
            "fallback_path": list(facts.fallback_path),
            "sdk_before_14": facts.old_sdk,
            "real_path": facts.real_path,
            "notes": list(facts.notes),
        },
        "place": {"kind": d.place.kind.value, "root": d.place.root, "name": d.place.name, "version": d.place.version},
        "remedy": list(d.remedy),
        "avoid": list(d.avoid),
    }


def _evidence(e: Evidence) -> dict[str, Any]:
    found = e.macos_range
    return {
        "kind": e.kind.value,
        "failure": e.kind.is_failure,
        "request": e.request.value if e.request is not None else None,
        "era": e.era.value if e.era is not None else None,
        "macos": str(e.macos) if e.macos is not None else None,
        "macos_range": None
        if found is None
        else {
            "from": str(found.low) if found.low is not None else None,
            "to": str(found.high) if found.high is not None else None,
            "because": list(found.because),
        },
        "library": e.library,
        "referenced_from": e.referenced_from,
        "uuid": e.uuid,
        "built_for": e.built_for,
        "reason": e.reason,
        "symbol": e.symbol,
        "expected_in": e.expected_in,
        "expected_uuid": e.expected_uuid,
        "lazy": e.lazy,
        "dlopen": None if e.dlopen_path is None else {"path": e.dlopen_path, "mode": e.dlopen_mode},
        "pid": e.pid,
        "process": e.process,
        "arch": e.arch,
        "sip": e.sip,
        "termination": None
        if e.termination is None
        else {"namespace": e.termination.namespace, "code": e.termination.code, "indicator": e.termination.indicator},
        "loads": [{"uuid": image.uuid, "path": image.path} for image in e.loads],
        "searches": [
            {
                "library": s.library,
                "found": s.found,
                "missing": s.missing,
                "steps": [{"what": step.what, "path": step.path, "detail": step.detail} for step in s.steps],
            }
            for s in e.searches
        ],
        "calls": [{"call": c.call, "path": c.path, "errno": c.errno} for c in e.calls],
        "build": None if e.build_rule is None else {"rule": e.build_rule, "tool": e.build_tool},
        "truncated": e.truncated,
        "redacted": e.redacted,
        "lines": list(e.lines),
        "occurrences": e.occurrences,
        "confidence": e.confidence.value,
    }


def comparison_fields(comparison: Comparison) -> dict[str, Any]:
    """Return one comparison with a prediction as JSON has it."""
    return {
        "subject": comparison.subject,
        "agrees": comparison.agrees,
        "observed": [{"path": s.path, "reason": s.reason} for s in comparison.observed],
        "predicted": [{"path": s.path, "reason": s.reason} for s in comparison.predicted],
        "at": comparison.at,
        "difference": comparison.difference,
        "hypotheses": list(comparison.hypotheses),
    }


def render_comparisons(comparisons: Sequence[Comparison], binary: str) -> str:
    """Return how the prediction for a binary compares with what the Mac printed."""
    lines = [f"compared with {printable(binary)}:"]
    for each in comparisons:
        words = {True: "as predicted", False: "differs", None: "cannot be compared"}[each.agrees]
        lines.append(f"  {printable(each.subject)}: {words}")
        if each.difference is not None:
            where = f"attempt {each.at + 1}: " if each.at is not None else ""
            lines.append(f"    {where}{printable(each.difference)}")
        lines += [f"    perhaps: {printable(text)}" for text in each.hypotheses]
    return "\n".join(lines) + "\n"


def write(diagnoses: Sequence[Diagnosis], context: RenderContext) -> str:
    """Return the text of ``diagnose``."""
    return render_text(diagnoses, width=context.style.width)


def write_json(diagnoses: Sequence[Diagnosis], _: RenderContext) -> str:
    """Return the document as text."""
    return json.dumps(as_document(diagnoses), indent=2) + "\n"
