"""What was read -> answers: which message decides, why, what helps, what to run next."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from machochain.diagnosis import table
from machochain.diagnosis.attempts import NO_PATH, explain_attempts
from machochain.diagnosis.conclusions import (
    LINKERS,
    avoid_of,
    because_of,
    beside_of,
    by_form,
    causes_of,
    each_once,
    evidence_of,
    helps_for,
    is_absent,
    is_accepted,
    is_block,
    is_consequence,
    is_undone,
    kin,
    merged_answers,
    next_of,
    next_of_form,
    of_facts,
    of_wrappers,
    rivals_of,
    spelled,
    unique_forms,
    with_forms,
    with_other_names,
    without_tries,
)
from machochain.diagnosis.context import HEAD, Context, context_of
from machochain.diagnosis.derive import SHORTENED, derived, elided_names
from machochain.diagnosis.elision import LONGEST_TAIL, is_cut, is_open
from machochain.diagnosis.eras import dated, is_of_a_build
from machochain.diagnosis.explain import headline_of, place_words
from machochain.diagnosis.facts import facts_of, form_of, typed
from machochain.diagnosis.matching import Hit, find_forms
from machochain.diagnosis.names import bare_name
from machochain.diagnosis.normalise import normalise
from machochain.diagnosis.paste import Paste
from machochain.diagnosis.places import place_of
from machochain.diagnosis.programs import slices_of
from machochain.diagnosis.reading import read_lines
from machochain.diagnosis.reflow import reflowed
from machochain.diagnosis.rejoined import rejoined
from machochain.diagnosis.remedies import refused_file, remedies, warnings
from machochain.diagnosis.rules import holding
from machochain.diagnosis.text import clean
from machochain.diagnosis.unread import unread
from machochain.diagnosis.unwritable import at_writable_places
from machochain.diagnosis.wording import sentence
from machochain.model.cause import Cause
from machochain.model.diagnosis import Answer, Diagnosis, Fact, Sure
from machochain.model.evidence import Evidence, EvidenceKind
from machochain.model.paths import printable
from machochain.model.result import Confidence
from machochain.model.value import define, evolve, field

MAX_ANSWERS: Final = 5_000
_BUILDING: Final = frozenset(
    {
        "ld64", "ld-prime", "lld", "zig", "clang", "xcrun", "cmd/link", "cmd/go", "cgo", "install_name_tool", "lipo",
        "strip", "libtool", "otool/nm", "delocate", "cibuildwheel", "pip", "PyInstaller", "py2app", "CMake", "Rust",
        "node-gyp", "briefcase", "electron-builder", "Qt macdeployqt", "Homebrew", "MacPorts", "conda", "nix",
        "Xcode", "cctools",
    }
)  # fmt: skip
_NAMING: Final = frozenset({"dotnet.load", "mono.load", "jni.path"})
"""Messages of runtimes that name a library as the program does."""
_POINTING: Final = frozenset({Cause.FOLLOW_UP, Cause.INNER_MESSAGE})
"""What is said of a message that leads to another one."""
_NEAR: Final = 12
"""Lines around a message of dyld in which its wrapper stands."""


def diagnose(text: str | bytes) -> Diagnosis:
    """Read what a Mac or a build tool printed: what happened, why, what helps.

    Args:
        text: What was pasted or piped: messages, crash reports, logs, in any mixture, with whatever stands around them.

    Returns:
        One answer for each failure, log or remark. A text in which nothing is known has none; its `unread` says which
        lines look like a message and which form is nearest. Nothing is made up: a value stands in the text.

    Raises:
        InputError: The data is binary.
    """
    cleaned = clean(text)
    paste = normalise(cleaned)
    hits = find_forms(paste.text)
    context = context_of(paste.text, hits)
    read = read_lines(paste.text)
    told = context.get("os")
    release = told if isinstance(told, str) else None
    if release is not None and any(is_of_a_build(e, release) for e in read):
        release = None
        del context["os"]
    evidence = [dated(e, release) for e in read]
    last = paste.text.rstrip()[-LONGEST_TAIL:].rpartition("\n")[2]
    cut = is_cut(cleaned) or is_open(last)
    answers = _Answers(paste, hits, context, cut).all(evidence)
    if not any(a.is_failure and a.cause is not Cause.UNKNOWN for a in answers):
        answers = _of_broken_lines(paste, cut=cut) or answers
    if all(a.cause in _POINTING for a in answers):
        whole, across = rejoined(paste)
        answers = (_Answers(whole, across, context, cut).all([]) if across else []) or answers
    stated = tuple(
        (k, v) for k, v in context.items() if k in {"os", "build", "arch", "chip", "translated", "flags", "go", "rpath"}
    )
    if answers:
        # "Its message stands below" helps nobody if that message is not known: then it is said, with its lines.
        pointing = all(a.cause is Cause.FOLLOW_UP for a in answers)
        return Diagnosis(tuple(map(at_writable_places, answers)), stated, unread(paste.text) if pointing else None)
    return Diagnosis((), stated, unread(paste.text))


def _of_broken_lines(paste: Paste, *, cut: bool) -> list[Answer]:
    """Answers of messages that are found only where broken lines are put together."""
    whole = reflowed(paste)
    if whole is None:
        return []
    hits = find_forms(whole.text)
    if not any(h.form.level >= table.ERROR for h in hits):
        return []
    return [a for a in _Answers(whole, hits, context_of(whole.text, hits), cut).all(()) if a.is_failure]


def explain_evidence(evidence: Evidence) -> Answer:
    """Say what one piece of evidence means, without the text around it.

    Args:
        evidence: What `read` found.
    """
    return _Answers(Paste("", ()), [], {}).of_evidence(evidence, [])


@define
class _Answers:
    """The answers of one paste."""

    paste: Paste
    hits: list[Hit]
    context: Context
    cut: bool = False
    taken: set[int] = field(factory=set)

    def all(self, evidence: Sequence[Evidence]) -> list[Answer]:
        """Answers of messages of dyld, then of what else was found; failures first."""
        terminations = [e for e in evidence if e.kind is EvidenceKind.TERMINATION]
        own = [
            self.of_evidence(each, self._around(each))
            for each in without_tries(evidence)[:MAX_ANSWERS]
            if each.kind is not EvidenceKind.TERMINATION
        ]
        rest = [h for i, h in enumerate(self.hits) if i not in self.taken]
        answers = self._rest(rest, own, terminations)
        count = sum(a.is_failure for a in answers)
        answers = [evolve(a, facts=(*a.facts, ("messages", count))) if a.is_failure else a for a in answers]
        return sorted(answers, key=lambda a: (not a.is_failure, a.cause is Cause.UNKNOWN, a.evidence.lines))

    @property
    def _all_forms(self) -> tuple[str, ...]:
        """The names of all forms that stand in the paste, each once."""
        return tuple(dict.fromkeys(hit.form.name for hit in self.hits))

    # --- messages of dyld -----------------------------------------------------------------------------------------

    def _around(self, evidence: Evidence) -> list[Hit]:
        """The forms inside a message and around it; they are not answered a second time."""
        first, last = evidence.lines
        found = []
        for index, hit in enumerate(self.hits):
            inside = first <= hit.line <= last
            near = first - _NEAR <= hit.line <= last + 4
            level = hit.form.level
            if (inside and hit.form.producer in {"dyld", "nix", "DYLD_PRINT", "dtruss/fs_usage"}) or (
                near
                and (level in {table.WRAPPER, table.FOLLOWS} or (level == table.FACTS and hit.form.producer != "facts"))
            ):
                found.append(hit)
                self.taken.add(index)
            elif inside and evidence.termination is None and hit.form.producer == "Python":
                found.append(hit)
        return found

    def of_evidence(self, evidence: Evidence, hits: list[Hit]) -> Answer:
        """Answer one message of dyld, or one log."""
        if not evidence.kind.is_failure:
            return self._log(evidence, hits)
        attempts, process = explain_attempts(evidence)
        form = form_of(evidence, hits)
        extra = derived(evidence, process)
        facts = facts_of(evidence, hits, self.context, extra)
        if evidence.kind is EvidenceKind.ARCHITECTURE and "have" not in facts:
            facts |= {"have": have} if (have := slices_of(self.paste.text[:HEAD], refused_file(evidence))) else {}
        if any("escapes of a string" in n for n in self._notes(evidence, ())):
            facts["escaped"] = True
        if evidence.confidence is Confidence.LIKELY and (evidence.library or evidence.symbol):
            facts["joined_lines"] = True
        if self.cut and evidence.lines[1] + _NEAR >= self.paste.text.rstrip().count("\n"):
            facts["cut"] = True
        if self._typed_by_hand(evidence, hits):
            facts["mixed_era"] = True
        if self.paste.prefix:
            facts["prefix"] = self.paste.prefix
        shortened = elided_names(evidence)
        elided = frozenset(shortened)
        known: dict[str, Fact] = {
            **facts, **extra, **self._stated(), "with": self._all_forms,
            "text": "\n".join(h.text for h in hits),
        }  # fmt: skip
        rules = holding((*causes_of(form), *of_wrappers(hits)), known, elided)
        first = rules[0] if rules else None
        cause = first.cause if first is not None else Cause.UNKNOWN
        sure = Confidence.CERTAIN if first is not None and first.proved else Confidence.LIKELY
        known["cause"] = cause.value
        place = place_of(evidence.referenced_from or evidence.process)
        rows = [form, *unique_forms(h.form for h in hits if h.form is not form)]
        helps = tuple(helps_for(rows, cause, known))
        shown = self._as_asked(evidence)
        steps = remedies(cause, shown, process)
        loud = evidence.confidence is Confidence.CERTAIN and not elided
        return Answer(
            evidence=evolve(evidence, lines=self._lines(evidence)),
            headline=headline_of(shown, cause),
            cause=cause,
            confidence=sure,
            because=tuple(printable(b) for b in (*because_of(rules, known), *place_words(place, evidence))),
            alternatives=rivals_of(rules),
            attempts=attempts,
            process=process,
            place=place,
            remedy=steps or tuple(h.text for h in helps),
            avoid=each_once((*warnings(cause, evidence, process), *avoid_of(form, cause))),
            form=form.name,
            forms=tuple(dict.fromkeys((form.name, *(h.form.name for h in hits)))),
            sure=Sure(form.form_sure, "certain" if sure is Confidence.CERTAIN and loud else "likely"),
            facts=tuple((k, v) for k, v in facts.items() if "." not in k),
            helps=helps,
            next=next_of(evidence, process, place.kind),
            notes=self._notes(evidence, shortened),
        )

    def _as_asked(self, evidence: Evidence) -> Evidence:
        """Return a file that is not there under the name the program asked for, and not one of its spellings."""
        if not is_absent(evidence):
            return evidence
        names = [h.facts.get("name") for h in self.hits if h.form.name in _NAMING]
        asked = next((n for n in names if isinstance(n, str) and bare_name(n) == spelled(evidence)), None)
        return evidence if asked is None else evolve(evidence, library=asked, dlopen_path=asked)

    def _typed_by_hand(self, evidence: Evidence, hits: list[Hit]) -> bool:
        """Whether the prefix of dyld2 stands before a list of attempts, which dyld2 never printed."""
        return (
            bool(evidence.attempts)
            and "Did find" not in (evidence.reason or "")
            and any(
                self.paste.text[max(0, h.begin - 6) : h.begin + 6].find("dyld: ") >= 0
                for h in hits
                if h.form.name.startswith("dyld.launch.missing")
            )
        )

    def _log(self, evidence: Evidence, hits: list[Hit]) -> Answer:
        names = {
            EvidenceKind.LOADS: "dyld.print.libraries",
            EvidenceKind.SEARCHES: "dyld.print.searching",
            EvidenceKind.TRACE: "trace.dtruss",
        }
        form = names[evidence.kind]
        return Answer(
            evidence=evolve(evidence, lines=self._lines(evidence)),
            headline=headline_of(evidence, Cause.LOG),
            cause=Cause.LOG,
            confidence=Confidence.CERTAIN,
            because=("A log: nothing in it says that anything failed.",),
            form=form,
            forms=tuple(dict.fromkeys((form, *(h.form.name for h in hits)))),
            sure=Sure("source", "certain"),
            next=("machochain diagnose --expect BIN",),
        )

    def _lines(self, evidence: Evidence) -> tuple[int, int]:
        first, last = evidence.lines
        return (self.paste.line_of(first), self.paste.line_of(last)) if self.paste.source else (first, last)

    def _stated(self) -> dict[str, Fact]:
        stated: dict[str, Fact] = {f"ctx.{k}": v for k, v in self.context.items()}
        if "ctx.arch" not in stated and "chip" in self.context:
            stated["ctx.arch"] = self.context["chip"]
        return stated

    def _notes(self, evidence: Evidence, shortened: Iterable[str]) -> tuple[str, ...]:
        notes = list(self.paste.notes_of(*self._lines(evidence))) if self.paste.source else []
        if evidence.confidence is Confidence.LIKELY:
            notes.append("wrapped lines were joined, or the head of the message is missing")
        if evidence.truncated:
            notes.append("the text was cut: there may be more")
        for name in shortened:
            notes.append(f"shortened by whoever pasted it: {SHORTENED[name]}")
        if evidence.redacted:
            notes.append("the crash reporter put * in the place of parts of paths")
        if any(not t.path and not NO_PATH.search(t.reason or "") for t in evidence.attempts):
            notes.append("the crash reporter removed the paths that were tried")
        notes += [n for n in (evidence.macos_range.because if evidence.macos_range else ()) if "by hand" in n]
        return tuple(dict.fromkeys(notes))

    # --- everything else ------------------------------------------------------------------------------------------

    def _rest(self, hits: list[Hit], own: list[Answer], terminations: list[Evidence]) -> list[Answer]:
        present = {h.form.name for h in self.hits if h.form.level not in {table.NOISE, table.FACTS, table.REMARK}}
        level = {id(h): self._level(h) for h in hits}
        failures = [a for a in own if a.is_failure]
        standing = [
            h for h in hits if not is_consequence(h.form, present) and not is_block(h.form, read=bool(failures))
        ]
        loud = [h for h in standing if level[id(h)] >= table.ERROR]
        loud = [h for h in loud if not is_undone(self.paste.text, h, [o for o in loud if o.begin > h.begin])]
        decisive = [h for h in loud if level[id(h)] == table.DECISIVE]
        heads = decisive or loud
        if not heads and not failures:
            heads = [h for h in standing if h.form.level == table.WARNING]
        answers = merged_answers(
            [self._of_form(group, beside_of(group, hits, heads), terminations) for group in by_form(heads)]
        )
        kept = []
        for answer in answers:
            twin = next((a for a in failures if a.cause is answer.cause and kin(a, answer)), None)
            if twin is None:
                kept.append(answer)
            else:
                index = own.index(twin)
                own[index] = with_forms(twin, answer)
                failures = [own[index] if a is twin else a for a in failures]
        if not kept and not own:
            quiet = [h for h in hits if h.form.level in {table.REMARK, table.FOLLOWS, table.WRAPPER}]
            best = max((h.form.level for h in quiet if h.form.level != table.WRAPPER), default=table.WRAPPER)
            kept = [
                self._of_form(g, beside_of(g, hits, g), terminations)
                for g in by_form([h for h in quiet if h.form.level == best])[:1]
            ]
            if kept and terminations and kept[0].cause is Cause.INNER_MESSAGE:
                kept = []
        if not kept and terminations and not failures:
            kept = [self._of_termination(e) for e in terminations]
        return [*own, *kept]

    def _level(self, hit: Hit) -> int:
        """How much a hit counts: a wrapper whose own words name a cause is an error."""
        if hit.form.level != table.WRAPPER:
            return hit.form.level
        known: dict[str, Fact] = {**typed([hit]), "text": hit.text}
        first = next(iter(holding([r for r in hit.form.causes if r.conditions], known, frozenset())), None)
        return table.WRAPPER if first is None else table.ERROR

    def _of_form(self, group: list[Hit], beside: list[Hit], terminations: list[Evidence]) -> Answer:
        form = group[0].form
        facts = typed(group)
        attached: dict[str, Fact] = {}
        for other in by_form(beside):
            if other[0].form.producer != "facts":
                for key, value in typed(other).items():
                    if key not in {"words", "words2"}:
                        attached.setdefault(key, value)
        stated: dict[str, Fact] = {
            k: v for k, v in self.context.items() if k in {"os", "build", "arch", "translated", "region", "go"}
        }
        report = terminations[0] if terminations else None
        if report is not None and report.process:
            stated.setdefault("process", report.process)
            stated.setdefault("file", report.process)
            if report.pid is not None:
                stated.setdefault("pid", report.pid)
        if form.name.startswith(("ld.", "clang.header", "go.")) and "flags" in self.context:
            flags = self.context["flags"]
            stated["flag_source"] = flags[0] if isinstance(flags, tuple) and len(flags) == 1 else flags
            stated["flags"] = flags
        if form.producer in LINKERS and "linked" in self.context:
            stated["arch"] = self.context["linked"]
        whole = {**{k: v for k, v in stated.items() if k not in facts}, **facts}
        whole = {**{k: v for k, v in attached.items() if k not in whole}, **whole}
        whole = with_other_names(form, whole)
        if "app" in whole and not any(h.facts.get("file") for h in self.hits):
            whole.setdefault("file", whole["app"])
        whole = self._with_listed(form.name, whole)
        if self.cut and group[-1].line + _NEAR >= self.paste.text.rstrip().count("\n"):
            whole["cut"] = True
        whole["errors"] = 1 if form.level >= table.ERROR else 0
        known: dict[str, Fact] = {
            **whole, **of_facts(whole), **self._stated(), "file.accepted": is_accepted(whole, self.hits),
            "with": self._all_forms, "text": "\n".join(h.text for h in group),
        }  # fmt: skip
        rules = holding(form.causes, known, frozenset())
        first = rules[0] if rules else None
        cause = first.cause if first is not None else Cause.UNKNOWN
        rivals = rivals_of(rules)
        settled = first is not None and (first.proved or (form.cause_sure == "certain" and not rivals))
        helps = tuple(helps_for([form, *unique_forms(h.form for h in beside)], cause, known))
        lines = (self.paste.line_of(group[0].line), self.paste.line_of(group[-1].line))
        because = because_of(rules, known)
        if not settled and rivals and not (first and first.conditions):
            because.append("The text does not settle the cause.")
        kind = EvidenceKind.BUILD if form.producer in _BUILDING else EvidenceKind.MESSAGE
        return Answer(
            evidence=evidence_of(kind, form, whole, lines, len(group), report),
            headline=sentence(form.headline, known),
            cause=cause,
            confidence=Confidence.CERTAIN if settled else Confidence.LIKELY,
            because=tuple(printable(b) for b in because),
            alternatives=rivals,
            remedy=tuple(h.text for h in helps),
            avoid=avoid_of(form, cause),
            form=form.name,
            forms=tuple(dict.fromkeys((form.name, *(h.form.name for h in beside)))),
            sure=Sure(
                form.form_sure, "certain" if settled else form.cause_sure if form.cause_sure != "certain" else "likely"
            ),
            facts=tuple(whole.items()),
            helps=helps,
            next=next_of_form(form, whole),
            notes=self.paste.notes_of(*lines),
        )

    def _with_listed(self, form: str, facts: dict[str, Fact]) -> dict[str, Fact]:
        """Add what xattr and file say of the file a message is about."""
        marked = self.context.get("marked")
        if form.startswith("gk.") and "app" not in facts and isinstance(marked, str) and marked.startswith("/"):
            return {"file": marked, "app": marked, **facts}
        name = facts.get("file")
        if form.startswith("exec.bad-cpu") and "have" not in facts and isinstance(name, str):
            have = slices_of(self.paste.text[:HEAD], name)
            return facts | ({"have": have[0] if len(have) == 1 else have} if have else {})
        return facts

    def _of_termination(self, evidence: Evidence) -> Answer:
        by_dyld = evidence.termination is not None and evidence.termination.namespace == "DYLD"
        cause, form = (Cause.UNKNOWN, "crash.dyld") if by_dyld else (Cause.CRASH, "crash.libsystem")
        return Answer(
            evidence=evolve(evidence, lines=self._lines(evidence)),
            headline=headline_of(evidence, cause),
            cause=cause,
            confidence=Confidence.LIKELY,
            because=(
                "The message of dyld that the report has is not in the text: it names the file."
                if by_dyld
                else "The crash report has no message of dyld.",
            ),
            form=form,
            forms=(form,),
            facts=tuple(facts_of(evidence, [], self.context, {}).items()),
            next=("ls -t ~/Library/Logs/DiagnosticReports",) if by_dyld else (),
        )
