"""The table of message forms: who prints what, what it tells, what may be behind it, what helped.

The rows are data, in ``forms/*.forms``; the layout of a row:

    [id] producer | era | how the wording and the cause are known
    = what is printed, in the notation of `machochain.diagnosis.notation`; one line for each wording
    : what happened, one sentence
    % level, where the class does not give it        * joiner that reads the lines below
    ^ forms of which this one is only a consequence, where they stand in the same text
    as id: causes and remedies are those of another row
    ? class if conditions: why               in the order to try; without conditions it always holds; `?!` is proved,
                                             `?|` has those alone for rivals that share its first condition
    + class,class|* kind if conditions: what helps @ threads       `$ ` begins a command
    - what does not help
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from importlib import resources
from typing import Final

from machochain.diagnosis.notation import Anchor, Compiled, anchor_of, compile_form
from machochain.model.cause import Cause
from machochain.model.value import frozen

FAMILIES: Final = (
    "dyld", "system", "signing", "hosts", "linking", "building", "editing", "packaging", "xcode", "runtimes",
    "managers", "traces",
)  # fmt: skip
_FORM_SURE: Final = {"s": "source", "e": "seen", "n": "named"}
_CAUSE_SURE: Final = {"c": "certain", "l": "likely", "g": "guess"}
NOISE, FACTS, FOLLOWS, REMARK, WRAPPER, WARNING, ERROR, DECISIVE = range(8)
"""How much a message counts beside others of the same text."""
_LEVELS: Final = {
    "noise": NOISE,
    "facts": FACTS,
    "follows": FOLLOWS,
    "remark": REMARK,
    "wrapper": WRAPPER,
    "warning": WARNING,
    "error": ERROR,
    "decisive": DECISIVE,
}
_OF_CLASS: Final = {
    Cause.NOISE.value: NOISE,
    Cause.FACTS.value: FACTS,
    Cause.FOLLOW_UP.value: FOLLOWS,
    Cause.LOG.value: FACTS,
    Cause.INFORMATION.value: REMARK,
    Cause.INNER_MESSAGE.value: WRAPPER,
}
THREADS: Final = "https://github.com/"


@frozen
class Condition:
    """One predicate over the facts: ``name``, ``!name``, ``name=a,b``, ``name^=a`` (begins), ``name$=``, ``name*=``.

    ``name!=`` and ``name!*=`` deny the last ones.
    """

    name: str
    operator: str
    values: tuple[str, ...]

    def __str__(self) -> str:
        if self.operator in {"", "!"}:
            return self.operator + self.name
        return f"{self.name}{self.operator}{','.join(self.values)}"


@frozen
class CauseRule:
    """A class and what must hold for it."""

    cause: Cause
    conditions: tuple[Condition, ...]
    why: str
    proved: bool = False
    closed: bool = False


@frozen
class Remedy:
    """What helps for some classes (all, if none is named), where its conditions hold."""

    causes: tuple[Cause, ...]
    kind: str
    text: str
    evidence: tuple[str, ...]
    conditions: tuple[Condition, ...] = ()


@frozen
class Form:
    """One row.

    Attributes:
        name: Its id.
        producer: Who prints it.
        era: Which releases of the producer.
        form_sure: How the wording is known.
        cause_sure: How far the wording settles the cause.
        wordings: What is printed, in the notation of forms.
        headline: What happened.
        level: How much it counts beside others.
        joiner: Which joiner reads the lines below; ``""`` for none.
        follows: Forms (or beginnings of their names) of which it is only a consequence.
        cause_lines: Rules in the order to try, as they stand in the row.
        remedy_lines: What helped, as it stands in the row.
        avoid: What does not help.
    """

    name: str
    producer: str
    era: str
    form_sure: str
    cause_sure: str
    wordings: tuple[str, ...] = ()
    headline: str = ""
    level: int = ERROR
    joiner: str = ""
    follows: tuple[str, ...] = ()
    cause_lines: tuple[str, ...] = ()
    remedy_lines: tuple[str, ...] = ()
    avoid: tuple[str, ...] = ()

    # Most rows are never found in a text: their rules are read when they are asked for.

    @property
    def causes(self) -> tuple[CauseRule, ...]:
        """Rules in the order to try."""
        return _causes(self.cause_lines)

    @property
    def remedies(self) -> tuple[Remedy, ...]:
        """What helped."""
        return _remedies(self.remedy_lines)


@cache
def forms() -> dict[str, Form]:
    """Return all rows by id, in the order of the files."""
    found: dict[str, Form] = {}
    folder = resources.files("machochain.diagnosis") / "forms"
    for family in FAMILIES:
        for form in parse((folder / f"{family}.forms").read_text("utf-8"), found):
            found[form.name] = form
    return found


@cache
def anchors() -> tuple[dict[str, list[tuple[Anchor, str, int]]], frozenset[str]]:
    """Return for each key word the anchors that need it, with form and number of the wording; and all key words."""
    index: dict[str, list[tuple[Anchor, str, int]]] = {}
    for form in forms().values():
        for number, wording in enumerate(form.wordings):
            anchor = anchor_of(wording)
            index.setdefault(anchor.words[0], []).append((anchor, form.name, number))
    return index, frozenset(index)


@cache
def compiled(name: str, number: int) -> Compiled:
    """Return the pattern of one wording of a form; compiled when a text first needs it."""
    return compile_form(forms()[name].wordings[number])


def parse(text: str, known: dict[str, Form]) -> Iterator[Form]:
    """Read rows.

    Args:
        text: In the layout above.
        known: Rows that ``as`` may name beside those of the same text.

    Raises:
        ValueError: A line is none of the layout.
    """
    seen = dict(known)
    for block in text.split("\n["):
        lines = [line for line in block.split("\n") if line and not line.startswith("#")]
        if not lines:
            continue
        form = _row(lines, seen)
        seen[form.name] = form
        yield form


def _row(lines: list[str], known: dict[str, Form]) -> Form:
    name, _, rest = lines[0].lstrip("[").partition("] ")
    producer, era, sure = (part.strip() for part in rest.split("|"))
    wordings: list[str] = []
    causes: list[str] = []
    remedies: list[str] = []
    avoid: list[str] = []
    headline = joiner = ""
    level: int | None = None
    follows: tuple[str, ...] = ()
    for line in lines[1:]:
        mark, _, value = line.partition(" ")
        match mark:
            case "=":
                wordings.append(value)
            case ":":
                headline = value
            case "?" | "?!" | "?|":
                causes.append(line)
            case "+":
                remedies.append(value)
            case "-":
                avoid.append(value)
            case "%":
                level = _LEVELS[value]
            case "*":
                joiner = value
            case "^":
                follows = tuple(value.split())
            case "as":
                causes += known[value].cause_lines
                remedies += known[value].remedy_lines
                avoid += known[value].avoid
                headline = headline or known[value].headline
            case _:
                raise ValueError(f"{name}: {line}")
    return Form(
        name,
        producer,
        era,
        _FORM_SURE[sure[0]],
        _CAUSE_SURE[sure[1]],
        wordings=tuple(wordings),
        headline=headline,
        level=level if level is not None else _level(causes),
        joiner=joiner,
        follows=follows,
        cause_lines=tuple(causes),
        remedy_lines=tuple(remedies),
        avoid=tuple(dict.fromkeys(avoid)),
    )


def _level(causes: list[str]) -> int:
    """Return how much a row counts by its classes."""
    classes = [line.split(" ", 2)[1].rstrip(":") for line in causes]
    if Cause.INNER_MESSAGE.value in classes:
        return WRAPPER
    return max((_OF_CLASS.get(each, ERROR) for each in classes), default=ERROR)


@cache
def _causes(lines: tuple[str, ...]) -> tuple[CauseRule, ...]:
    return tuple(_cause(line) for line in lines)


def _cause(line: str) -> CauseRule:
    mark, _, text = line.partition(" ")
    head, _, why = text.partition(": ")
    word, _, conditions = head.partition(" if ")
    return CauseRule(Cause(word.strip()), _conditions(conditions), why.strip(), mark == "?!", mark == "?|")


@cache
def _remedies(lines: tuple[str, ...]) -> tuple[Remedy, ...]:
    return tuple(_remedy(line) for line in lines)


def _conditions(text: str) -> tuple[Condition, ...]:
    return tuple(condition(c) for c in text.split(" & ")) if text else ()


def condition(text: str) -> Condition:
    """Read one predicate."""
    for operator in ("!*=", "^=", "$=", "*=", "!=", "="):
        name, found, values = text.partition(operator)
        if found:
            return Condition(name.strip(), operator, tuple(v.strip() for v in values.split(",")))
    text = text.strip()
    return Condition(text.lstrip("!"), "!" if text.startswith("!") else "", ())


def _remedy(text: str) -> Remedy:
    head, _, rest = text.partition(": ")
    head, _, conditions = head.partition(" if ")
    classes, _, kind = head.partition(" ")
    words, _, threads = rest.partition(" @ ")
    causes = () if classes == "*" else tuple(Cause(c) for c in classes.split(","))
    addresses = tuple(t if "://" in t else THREADS + t for t in threads.split())
    return Remedy(causes, kind.strip(), words.strip(), addresses, _conditions(conditions))
