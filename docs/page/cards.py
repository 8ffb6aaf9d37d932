"""The answer in one screen, as HTML: the verdict, the words the Mac will say, what helps, what was looked at.

Every name comes from a file or a text that nobody trusts, and goes through `_h`.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, Literal

from machochain.model.audit import AuditReport
from machochain.model.diagnosis import Answer, Diagnosis, Unread
from machochain.model.paths import leaf, printable, printable_lines
from machochain.model.result import Confidence, Result, Severity
from machochain.model.value import frozen
from machochain.report.audit_words import count, releases, sentence, summary
from machochain.report.text import kernel_words, launcher_words, reach

State = Literal["yes", "but", "no", "unknown", "none"]
MAX_REASONS: Final = 4
MAX_LINES: Final = 12

_MARKS: Final = {"yes": "✔", "but": "!", "no": "✘", "unknown": "?", "none": "–"}  # noqa: RUF001
_SPOKEN: Final = {"yes": "Yes", "but": "Yes, but", "no": "No", "unknown": "Not known", "none": "Nothing to judge"}


def _h(text: str) -> str:
    return html.escape(printable(text), quote=True)


def _pre(lines: Iterable[str]) -> str:
    return "<pre>" + "\n".join(_h(line) for line in lines) + "</pre>"


@frozen
class Card:
    """The verdict.

    Attributes:
        state: ``yes`` only if every process that was looked at starts and nothing counts against it; ``but`` if a
            finding would stop a release all the same.
        html: The card.
    """

    state: State
    html: str


def processes(results: Sequence[Result]) -> list[list[Result]]:
    """Return the results of each process, oldest release first."""
    groups: dict[tuple[str, str, str], list[Result]] = {}
    for result in results:
        groups.setdefault((result.input, result.path, result.arch), []).append(result)
    return [sorted(group, key=lambda r: r.macos) for group in groups.values()]


def one_release(results: Sequence[Result]) -> list[Result]:
    """Return of each process the result on the newest release where it fails, else where it is unknown, else at all."""
    return [_telling(group) for group in processes(results)]


def _telling(group: Sequence[Result]) -> Result:
    for answer in (False, None):
        found = [r for r in group if r.launches is answer]
        if found:
            return found[-1]
    return group[-1]


def state_of(report: AuditReport) -> State:
    """Return the verdict."""
    if not report.results:
        return "none"
    if any(r.launches is False for r in report.results):
        return "no"
    if report.incomplete:
        return "unknown"
    return "yes" if report.passed else "but"


def audit_card(report: AuditReport, *, fresh: bool) -> Card:
    """Return the card of an audit.

    Args:
        report: What was found.
        fresh: Whether what was not dropped is taken to be absent.
    """
    state = state_of(report)
    parts = [
        f'<p class="mark" aria-hidden="true">{_MARKS[state]}</p>',
        f'<div class="said"><h2 id="answer-title" tabindex="-1"><span class="spoken">{_SPOKEN[state]}: </span>',
        f"{_headline(report, state)}</h2>",
        *_why(report),
        *_fix(report),
        *_looked_at(report, fresh=fresh),
        "</div>",
    ]
    return Card(state, f'<div class="card {state}">{"".join(parts)}</div>')


def _headline(report: AuditReport, state: State) -> str:
    groups = processes(report.results)
    if not groups:
        return _nothing(report)
    if len(groups) == 1:
        name, words = f"<code>{_h(leaf(groups[0][0].input))}</code>", _reach(groups[0])
        open_one = words.removeprefix("not known whether it ")
        words = f"{name} {_h(words)}" if open_one == words else f"It is not known whether {name} {_h(open_one)}"
    else:
        words = _h(_tally(groups))
    if state != "no" and report.failing:
        words += f", but {count(len(report.failing), 'finding')} would stop a release"
    return f"{words}."


def _nothing(report: AuditReport) -> str:
    if report.errors:
        error = report.errors[0]
        more = f" And {len(report.errors) - 1} more cannot be read." if len(report.errors) > 1 else ""
        return f"<code>{_h(leaf(error.path or ''))}</code>: {_h(error.reason)}.{more}"
    if report.unexamined:
        return f"There is no Mac program or library in <code>{_h(leaf(report.unexamined[0]))}</code>."
    return "There is nothing here that a Mac would load."


def _reach(group: Sequence[Result]) -> str:
    if len(group) > 1:
        return reach(group)
    one, program = group[0], group[0].file_type == "MH_EXECUTE"
    verb, bare = ("launches", "launch") if program else ("loads", "load")
    known = {True: f"{verb} on", False: f"does not {bare} on", None: f"not known whether it {verb} on"}
    return f"{known[one.launches]} macOS {releases([one.macos])}"


def _tally(groups: Sequence[Sequence[Result]]) -> str:
    bad = sum(any(r.launches is False for r in group) for group in groups)
    open_ones = sum(all(r.launches is not False for r in g) and any(r.launches is None for r in g) for g in groups)
    of = count(len(groups), "program or library", "programs and libraries")
    seen = releases(r.macos for group in groups for r in group)
    if not bad and not open_ones:
        return f"All {of} load wherever they were tried, macOS {seen}"
    words = [f"{bad} of {of} do not load everywhere"] if bad else []
    words += [f"of {open_ones} it is not known" if bad else f"Of {open_ones} of {of} it is not known whether they load"]
    return ", and ".join(words if open_ones else words[:1]) + f" (macOS {seen})"


def _why(report: AuditReport) -> Iterator[str]:
    """Yield what the Mac will say, or what is not known."""
    told = one_release(report.results)
    failing = [r for r in told if r.launches is False]
    if failing:
        yield from _words(failing[0])
        others = len(failing) - 1
        if others:
            yield f'<p class="soft">{others} more {"fails" if others == 1 else "fail"}; see below.</p>'
        return
    reasons = dict.fromkeys(each.text for r in told if r.launches is None for each in r.unknowns)
    if reasons:
        items = "".join(f"<li>{_h(text)}</li>" for text in list(reasons)[:MAX_REASONS])
        more = f"<li>and {len(reasons) - MAX_REASONS} more</li>" if len(reasons) > MAX_REASONS else ""
        yield f"<h3>What is not known</h3><ul>{items}{more}</ul>"


def _words(result: Result) -> Iterator[str]:
    where = f"on macOS {releases([result.macos])} ({result.arch})"
    kernel = result.execution is not None and result.execution.starts is False
    if kernel and result.execution is not None:
        yield f"<h3>What the shell says {_h(where)}</h3>"
        yield _pre([launcher_words(result.execution) or "(nothing: the process is gone)"])
        yield f'<p class="soft">{_h(kernel_words(result.execution))}</p>'
    elif result.message is not None:
        yield f"<h3>What dyld says {_h(where)}</h3>"
        lines = printable_lines(result.message)
        cut = [f"… {len(lines) - MAX_LINES} more lines below"] if len(lines) > MAX_LINES else []
        yield "<pre>" + "\n".join(html.escape(line) for line in [*lines[:MAX_LINES], *cut]) + "</pre>"


def _fix(report: AuditReport) -> Iterator[str]:
    """Yield the remedy of what is worst."""
    worst = next((f for f in report.active if f.severity is not Severity.INFO), None)
    if worst is None:
        return
    yield f"<h3>Why</h3><p>{_h(sentence(worst))}</p>"
    if worst.finding.remedies:
        yield "<h3>What helps</h3>"
        yield _pre(step.pasted for step in worst.finding.steps)
    others = len([f for f in report.active if f.severity is not Severity.INFO]) - 1
    if others > 0:
        yield f'<p class="soft">{count(others, "more finding")} below.</p>'


def _looked_at(report: AuditReport, *, fresh: bool) -> Iterator[str]:
    if not report.results:
        return
    places = [each.place for each in report.inputs if each.place is not None]
    where = f"Put at <code>{_h(places[0])}</code>" if len(places) == 1 else "Looked at"
    others = (
        "with nothing on it but macOS and what you dropped"
        if fresh
        else "of which only macOS and what you dropped is known"
    )
    yield f'<p class="soft">{where} on a Mac {others}: {_h(summary(report))}.</p>'


# Messages


def diagnosis_card(diagnosis: Diagnosis) -> str:
    """Return what a pasted text means."""
    if not diagnosis.answers:
        return _unread(diagnosis.unread or Unread())
    return "".join(_answer(answer, first=i == 0) for i, answer in enumerate(diagnosis.answers))


def _answer(answer: Answer, *, first: bool) -> str:
    focus = ' id="answer-title" tabindex="-1"' if first else ""
    sure = "" if answer.confidence is Confidence.CERTAIN else '<span class="soft">likely</span>'
    state = "no" if answer.is_failure else "none"
    parts = [
        f'<p class="mark" aria-hidden="true">{"✘" if answer.is_failure else "i"}</p><div class="said">',
        f"<h2{focus}>{_h(answer.headline)}</h2>",
    ]
    if answer.evidence.kind.is_failure:
        parts.append(f'<p><span class="soft">cause </span><span class="tag">{_h(answer.cause.value)}</span>{sure}</p>')
    parts += [f"<p>{_h(text)}</p>" for text in (*answer.because, *answer.process.notes)]
    parts += _listed("What helps", answer.remedy, code=True)
    parts += _listed("Run next", answer.next, code=True)
    parts += _attempts(answer)
    parts += _listed("What does not help", answer.avoid)
    parts += _listed("Read with care", answer.notes)
    return f'<div class="card {state}">{"".join(parts)}</div></div>'


def _attempts(answer: Answer) -> Iterator[str]:
    seen: dict[str, str] = {}
    for attempt in answer.attempts:
        reason = attempt.tried.reason or "(cut)"
        seen.setdefault(attempt.tried.path, f"{attempt.why}: {reason}")
    if seen:
        items = "".join(f"<li><code>{_h(path)}</code> {_h(why)}</li>" for path, why in list(seen.items())[:MAX_LINES])
        more = f"<li>and {len(seen) - MAX_LINES} more</li>" if len(seen) > MAX_LINES else ""
        yield f"<h3>Where dyld looked</h3><ol>{items}{more}</ol>"


def _listed(title: str, texts: Sequence[str], *, code: bool = False) -> list[str]:
    if not texts:
        return []
    body = _pre(texts) if code else "<ul>" + "".join(f"<li>{_h(text)}</li>" for text in texts) + "</ul>"
    return [f"<h3>{title}</h3>{body}"]


def _unread(unread: Unread) -> str:
    parts = ['<h2 id="answer-title" tabindex="-1">No message that this page knows.</h2>']
    if unread.other_system:
        parts.append("<p>The text comes from Linux or Windows, which this tool does not read.</p>")
    if unread.nearest is not None:
        differs = f", but lacks: {unread.differs}" if unread.differs else ""
        parts.append(f"<p>{_h(f'It has words of a message of {unread.producer}{differs}.')}</p>")
    parts += _listed("Looks most like a message", unread.lines, code=True)
    parts += _listed("Run next", unread.next, code=True)
    parts.append("<p>Paste the whole message, paths uncut, with the output of sw_vers and uname -m.</p>")
    return (
        f'<div class="card none"><p class="mark" aria-hidden="true">?</p><div class="said">{"".join(parts)}</div></div>'
    )
