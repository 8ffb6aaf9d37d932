"""Diagnoses as one screen of text, and as the document ``machochain.diagnose/1``."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Sequence
from typing import Any, Final

from machochain._version import __version__
from machochain.diagnosis.table import Form
from machochain.graph.compare import Comparison
from machochain.model.diagnosis import Answer, Diagnosis, ExplainedAttempt, Fact, Unread
from machochain.model.evidence import Evidence, EvidenceKind, MacOSRange
from machochain.model.paths import printable
from machochain.model.result import Confidence
from machochain.model.search import SearchRule
from machochain.report.context import RenderContext

SCHEMA: Final = "machochain.diagnose/1"
MAX_ATTEMPTS: Final = 6
"""Attempts shown in text before the rest is counted; JSON has them all."""
MAX_THREADS: Final = 3
MAX_VALUES: Final = 4
MAX_FACTS: Final = 12
MAX_WORDING: Final = 90
_ONE_NAME: Final = 4
"""Characters from which on a value that has two names is shown by the first alone."""
_HIDDEN: Final = frozenset(
    {"words", "words2", "errors", "messages", "lines", "code", "where2", "flags", "reason", "users", "era"}
)
"""Values that say nothing a reader wants, or that the headline has."""


def render_text(diagnosis: Diagnosis, *, width: int = 80) -> str:
    """Return plain text, each answer about one screen, ``width`` columns wide as far as paths and commands let it.

    A text without a message gives what can be said of it. Paths and commands are never broken, so that they can be
    copied.
    """
    if not diagnosis.answers:
        return "\n".join(_unread(diagnosis.unread or Unread(), width)) + "\n"
    parts = [_one(answer, width) for answer in diagnosis.answers]
    if diagnosis.unread is not None:
        parts.append(_pointed_at(diagnosis.unread, width))
    return "\n\n".join("\n".join(part) for part in parts) + "\n"


def _pointed_at(unread: Unread, width: int) -> list[str]:
    """What can be said of the message that all answers point to, and that is not known."""
    words = "The message that this points to is none that this tool knows, or it was not pasted."
    lines = textwrap.wrap(words, width)
    if unread.lines:
        lines += ["  looks like a message:", *(f"    {printable(line)}" for line in unread.lines)]
    return lines


def _unread(unread: Unread, width: int) -> list[str]:
    """What can be said of a text in which nothing is known."""
    lines = ["No message of dyld, of the system or of a build tool, no crash report and no log that this tool knows."]
    if unread.other_system:
        lines.append("  The text comes from Linux or Windows, which this tool does not read.")
    if unread.lines:
        lines.append("  looks like a message:")
        lines += [f"    {printable(line)}" for line in unread.lines]
    if unread.nearest is not None:
        differs = f", but lacks: {unread.differs}" if unread.differs else ""
        lines += _wrapped(f"has words of a message of {unread.producer}{differs}", width)
    if unread.next:
        lines.append("  run next")
        lines += [f"    {step}" for step in unread.next]
    lines += _wrapped("Paste the whole message, paths uncut, with the output of sw_vers and uname -m.", width)
    return lines


def _one(answer: Answer, width: int) -> list[str]:  # noqa: C901  # the order of its steps is the rule
    evidence = answer.evidence
    lines = textwrap.wrap(printable(answer.headline), width, break_long_words=False, break_on_hyphens=False)
    for name, value in _facts(answer):
        lines.append(f"  {name:<12} {value}")
    if answer.attempts:
        lines.append("  dyld looked here:")
        lines += _attempts(answer.attempts)
    if evidence.kind.is_failure:
        sure = "" if answer.confidence is Confidence.CERTAIN else " (likely)"
        lines.append(f"  cause        {answer.cause.value}{sure}")
    for because in (*answer.because, *answer.process.notes):
        lines += _wrapped(because, width)
    if answer.alternatives:
        lines.append(f"    or: {', '.join(a.value for a in answer.alternatives)}")
    if answer.remedy:
        lines.append("  what helps")
        lines += [f"    {remedy}" for remedy in answer.remedy]
    if answer.urls:
        lines.append("  where it helped")
        lines += [f"    {url}" for url in answer.urls[:MAX_THREADS]]
    if answer.avoid:
        lines.append("  what does not")
        for avoid in answer.avoid:
            lines += _item(avoid, width)
    if answer.next:
        lines.append("  run next")
        lines += [f"    {step}" for step in answer.next]
    if answer.notes:
        lines.append("  read with care")
        for note in answer.notes:
            lines += _item(note, width)
    return lines


def _wrapped(text: str, width: int) -> list[str]:
    return textwrap.wrap(
        text, width, initial_indent="    ", subsequent_indent="    ", break_long_words=False, break_on_hyphens=False
    )


def _item(text: str, width: int) -> list[str]:
    """One of a list: what follows its first line stands further in, so that it is no item of its own."""
    first, *rest = _wrapped(text, width - 2) or [""]
    return [first, *(f"  {line}" for line in rest)]


def _facts(answer: Answer) -> list[tuple[str, str]]:
    e = answer.evidence
    if e.kind in {EvidenceKind.BUILD, EvidenceKind.MESSAGE}:
        return _named(answer)
    facts = [
        ("library", e.library),
        ("symbol", e.symbol),
        ("expected in", e.expected_in),
        ("asked by", e.referenced_from or (e.dlopen_path and f"dlopen, mode {e.dlopen_mode}")),
        ("process", e.process),
        ("macOS", _macos(e)),
        ("built for", e.built_for),
        ("times", str(e.occurrences) if e.occurrences > 1 else None),
    ]
    return [(name, printable(value)) for name, value in facts if value]


def _named(answer: Answer) -> list[tuple[str, str]]:
    """The values of a message of the system or of a tool, as far as they help a reader."""
    facts = [("message", f"{answer.form}")]
    for name, value in answer.facts:
        if name in _HIDDEN or value in ("", False) or isinstance(value, bool):
            continue
        text = (
            ", ".join(value[:MAX_VALUES]) + (" …" if len(value) > MAX_VALUES else "")
            if isinstance(value, tuple)
            else str(value)
        )
        if len(text) < _ONE_NAME or all(text != shown for _, shown in facts):
            facts.append((name, text))
    facts = [(name, printable(text)) for name, text in facts]
    if answer.evidence.occurrences > 1:
        facts.append(("times", str(answer.evidence.occurrences)))
    return facts[:MAX_FACTS]


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


def as_document(diagnosis: Diagnosis) -> dict[str, Any]:
    """Return the JSON document: schema, tool, one entry for each answer, and what can be said of a text without any."""
    unread = diagnosis.unread
    return {
        "schema": SCHEMA,
        "tool": {"name": "machochain", "version": __version__},
        "diagnoses": [_entry(d) for d in diagnosis.answers],
        "context": _values(diagnosis.context),
        "unknown": None
        if unread is None
        else {
            "lines": list(unread.lines),
            "nearest": unread.nearest,
            "producer": unread.producer,
            "differs": unread.differs,
            "next": list(unread.next),
            "other_system": unread.other_system,
        },
    }


def _values(facts: Sequence[tuple[str, Fact]]) -> dict[str, Any]:
    return {name: list(value) if isinstance(value, tuple) else value for name, value in facts}


def forms_document(forms: Sequence[Form]) -> dict[str, Any]:
    """Return the table of forms as a document: what is known, by producer."""
    return {
        "schema": "machochain.forms/1",
        "forms": [
            {
                "id": f.name,
                "producer": f.producer,
                "era": f.era,
                "wordings": list(f.wordings),
                "classes": list(dict.fromkeys(rule.cause.value for rule in f.causes)),
                "sure": {"form": f.form_sure, "cause": f.cause_sure},
            }
            for f in forms
        ],
    }


def render_forms(forms: Sequence[Form]) -> str:
    """Return the forms that are known, by producer, each with its first wording."""
    lines: list[str] = []
    producers = dict.fromkeys(f.producer for f in forms)
    for producer in producers:
        own = [f for f in forms if f.producer == producer]
        lines.append(f"{producer} ({len(own)})")
        for form in own:
            words = form.wordings[0].replace("⏎", " / ").strip("^$") if form.wordings else ""
            lines.append(f"  {form.name:<28} {words[:MAX_WORDING]}")
    return "\n".join(lines) + "\n"


def _entry(d: Answer) -> dict[str, Any]:
    facts = d.process
    return {
        "form": d.form,
        "forms": list(d.forms),
        "headline": d.headline,
        "cause": d.cause.value,
        "confidence": d.confidence.value,
        "because": list(d.because),
        "alternatives": [a.value for a in d.alternatives],
        "or": [a.value for a in d.alternatives],
        "sure": {"form": d.sure.form, "cause": d.sure.cause},
        "facts": _values(d.facts),
        "evidence": {**_evidence(d.evidence), "urls": list(d.urls)},
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
        "helps": [
            {"kind": h.kind, "text": h.text, "command": h.command, "evidence": list(h.evidence)} for h in d.helps
        ],
        "next": list(d.next),
        "notes": list(d.notes),
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


def write(diagnosis: Diagnosis, context: RenderContext) -> str:
    """Return the text of ``diagnose``."""
    return render_text(diagnosis, width=context.style.width)


def write_json(diagnosis: Diagnosis, _: RenderContext) -> str:
    """Return the document as text."""
    return json.dumps(as_document(diagnosis), indent=2) + "\n"
