"""The verdict in one screen: never better than what was seen, and no name in it is markup."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest
from attrs import evolve

from docs.page.cards import audit_card, diagnosis_card, one_release, state_of
from machochain.api import diagnose
from machochain.model.coverage import PassedOver, PassedOverKind
from machochain.model.result import Outcome, Result, Severity, Unknown, UnknownKind
from tests.report.audits import EVIL, V12, V26, audit, finding, hello, hostile, process

FINE = [("/usr/lib/libSystem.B.dylib", Outcome.LOADED)]
ALLOWED = {"div", "p", "h2", "h3", "span", "code", "pre", "ul", "ol", "li"}


class Reader(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.depth = 0
        self.feed(text)
        self.close()
        assert self.depth == 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.depth += 1

    def handle_endtag(self, _: str) -> None:
        self.depth -= 1


def launching(answer: bool | None, macos: object = V26) -> Result:
    made = evolve(process(FINE, macos=macos), launches=answer)  # type: ignore[arg-type]
    return made if answer is not None else evolve(made, unknowns=(Unknown(UnknownKind.UNSEEN_PATH, ("/x", "/x")),))


def test_yes_takes_that_everything_was_seen_and_starts() -> None:
    good = audit(results=(launching(True),))
    assert state_of(good) == "yes"
    assert state_of(audit(results=(launching(True), launching(None, V12)))) == "unknown"
    assert state_of(audit(results=(launching(True), launching(False, V12)))) == "no"
    assert state_of(audit(finding(), results=(launching(True),))) == "but"
    assert state_of(audit(finding(severity=Severity.WARNING), results=(launching(True),))) == "yes"
    passed_over = PassedOver("x.dmg", PassedOverKind.ARCHIVE, "needs a library")
    assert state_of(evolve(good, passed_over=(passed_over,))) == "unknown"
    assert state_of(audit()) == "none"


def test_the_words_shown_are_those_of_the_newest_release_that_fails() -> None:
    old, new = evolve(launching(False, V12), message="old"), evolve(launching(False), message="new")
    report = audit(results=(old, new))
    assert one_release(report.results) == [new]
    card = audit_card(report, fresh=True)
    assert "What dyld says on macOS 26" in card.html
    assert "<pre>new</pre>" in card.html


def test_a_program_that_launches_but_would_not_pass_says_both() -> None:
    html = audit_card(audit(finding(), results=(launching(True),)), fresh=True).html
    assert "launches on macOS 26, but 1 finding would stop a release." in html


def test_the_assumption_about_the_rest_of_the_mac_is_told() -> None:
    report = audit(results=(launching(True),))
    assert "nothing on it but macOS and what you dropped" in audit_card(report, fresh=True).html
    assert "only macOS and what you dropped is known" in audit_card(report, fresh=False).html


@pytest.mark.parametrize("fresh", [True, False])
def test_no_name_in_an_audit_becomes_markup(fresh: bool) -> None:
    for report in (hostile(), evolve(hostile(), results=())):
        tags = Reader(audit_card(report, fresh=fresh).html).tags
        assert {tag for tag, _ in tags} <= ALLOWED
        assert {name for _, given in tags for name in given} <= {"class", "id", "tabindex", "aria-hidden"}


def test_no_name_in_a_message_becomes_markup() -> None:
    text = (
        f"dyld[1]: Library not loaded: {EVIL}\n  Referenced from: /{EVIL}\n  Reason: tried: '/{EVIL}' (no such file)\n"
    )
    for pasted in (text, EVIL, text.replace("\n", f"\n{EVIL}\n")):
        tags = Reader(diagnosis_card(diagnose(pasted))).tags
        assert {tag for tag, _ in tags} <= ALLOWED


def test_several_programs_are_counted_and_the_heading_is_the_first_thing_to_read() -> None:
    card = audit_card(hello(), fresh=True)
    titles = [given for tag, given in Reader(card.html).tags if tag == "h2"]
    assert titles == [{"id": "answer-title", "tabindex": "-1"}]
    assert "programs and libraries do not load everywhere" in card.html
