"""The table of forms: every row has an example that matches and a near miss that does not, and rows do not overlap."""

from __future__ import annotations

import re
from pathlib import Path
from re import _constants, _parser  # type: ignore[attr-defined]

import pytest

from machochain.diagnosis import table
from machochain.diagnosis.matching import find_forms
from machochain.diagnosis.notation import anchor_of, compile_form

FORMS = table.forms()


def _examples() -> dict[str, dict[str, list[str]]]:
    found: dict[str, dict[str, list[str]]] = {}
    name = ""
    for line in Path(__file__).with_name("forms.txt").read_text("utf-8").splitlines():
        if not line or line.startswith("#"):
            continue
        if line[:2] in {"+ ", "- "}:
            text = line[2:].replace("⏎", "\n").replace("⇥", "\t")
            found.setdefault(name, {"+": [], "-": []})[line[0]].append(text)
        else:
            name = line
    return found


EXAMPLES = _examples()


def names(text: str) -> list[str]:
    return [hit.form.name for hit in find_forms(text)]


def test_every_row_has_an_example_and_a_near_miss() -> None:
    assert set(EXAMPLES) == set(FORMS)
    assert all(each["+"] and each["-"] for each in EXAMPLES.values())


def test_the_rules_of_every_row_can_be_read() -> None:
    for form in FORMS.values():
        assert len(form.causes) == len(form.cause_lines)
        assert len(form.remedies) == len(form.remedy_lines)


def test_no_row_has_a_wording_twice_and_no_condition_a_mark_in_its_name() -> None:
    for form in FORMS.values():
        assert len(set(form.wordings)) == len(form.wordings), form.name
        asked = [c.name for rule in form.causes for c in rule.conditions]
        asked += [c.name for remedy in form.remedies for c in remedy.conditions]
        assert all(re.fullmatch(r"[A-Za-z_][\w.]*", name) for name in asked), form.name


@pytest.mark.parametrize("name", FORMS)
def test_the_example_of_a_row_matches_it_and_the_near_miss_does_not(name: str) -> None:
    for text in EXAMPLES[name]["+"]:
        assert name in names(text), text
    for text in EXAMPLES[name]["-"]:
        assert name not in names(text), text


@pytest.mark.parametrize("name", FORMS)
def test_no_other_row_of_the_producer_matches_the_lines_of_an_example(name: str) -> None:
    for text in EXAMPLES[name]["+"]:
        rivals: dict[int, set[str]] = {}
        for hit in find_forms(text):
            if hit.form.producer == FORMS[name].producer:
                for line in range(hit.line, hit.line + hit.text.count("\n") + 1):
                    rivals.setdefault(line, set()).add(hit.form.name)
        # dyld's messages quote each other on one line: head, reason and attempts are rows of their own.
        if FORMS[name].producer not in {"dyld", "dyld.launch", "Ruby", "Erlang/Elixir NIF", "R", "Rust"}:
            assert all(len(each) == 1 for each in rivals.values()), (text, rivals)


@pytest.mark.parametrize("name", FORMS)
def test_each_row_tells_who_prints_it_and_what_may_be_behind_it(name: str) -> None:
    form = FORMS[name]
    assert form.wordings
    assert form.headline
    assert form.causes
    assert form.producer
    for wording in form.wordings:
        assert anchor_of(wording).words


@pytest.mark.parametrize("name", FORMS)
def test_every_piece_of_a_pattern_is_bounded(name: str) -> None:
    for wording in FORMS[name].wordings:
        pattern = compile_form(wording).pattern.pattern
        assert _bounded(_parser.parse(pattern)), pattern
        assert _commits(_parser.parse(pattern)), pattern


def _bounded(tree: object) -> bool:
    """Whether no repetition is without an upper bound, anywhere in a pattern."""
    for operation, argument in tree:  # type: ignore[attr-defined]
        name = str(operation)
        if "REPEAT" in name:
            if argument[1] == _constants.MAXREPEAT or not _bounded(argument[2]):
                return False
        elif name == "SUBPATTERN":
            if not _bounded(argument[3]):
                return False
        elif name == "ATOMIC_GROUP":
            if not _bounded(argument):
                return False
        elif name == "BRANCH" and not all(_bounded(way) for way in argument[1]):
            return False
    return True


def _commits(tree: object, *, inside: bool = False) -> bool:
    """Whether every repetition of values stands in an atomic group: once matched it is never tried again."""
    for operation, argument in tree:  # type: ignore[attr-defined]
        name = str(operation)
        if "REPEAT" in name:
            # Runs of blanks are of one class that what follows does not begin with: they cannot be split otherwise.
            if not inside and argument[1] > 256:
                return False
        elif name == "SUBPATTERN":
            if not _commits(argument[3], inside=inside):
                return False
        elif name == "ATOMIC_GROUP":
            if not _commits(argument, inside=True):
                return False
        elif name == "BRANCH" and not all(_commits(way, inside=inside) for way in argument[1]):
            return False
    return True
