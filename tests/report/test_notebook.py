"""An audit in a notebook: a table, and the whole page in a frame that shares nothing with what is around it."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
from attrs import evolve

import machochain
from machochain.report.html import render_html
from tests.report.audits import audit, full, hostile
from tests.report.test_html import Reader

BROKEN = Path(__file__).parents[2] / "testdata" / "hello" / "bin" / "greeter-broken"


def test_a_notebook_shows_the_findings_and_the_page_that_the_command_line_writes() -> None:
    report = machochain.audit(BROKEN)
    reader = Reader(report._repr_html_())
    (frame,) = reader.all("iframe")
    assert frame["srcdoc"] == machochain.render(report, "html")
    assert frame["sandbox"] == "allow-scripts", "no origin, no forms, no pop-ups, no way out"
    assert len(reader.all("table")) == 1
    assert reader.all("details") == [{}], "closed until it is asked for"


def test_no_name_gets_out_of_the_frame_or_the_table() -> None:
    text = evolve(hostile(), page=render_html)._repr_html_()
    reader = Reader(text)
    assert {tag for tag, _ in reader.seen} == {
        "p",
        "b",
        "table",
        "tr",
        "th",
        "td",
        "br",
        "details",
        "summary",
        "iframe",
    }
    (frame,) = reader.all("iframe")
    assert set(frame) == {"sandbox", "width", "height", "srcdoc"}
    assert frame["srcdoc"] == render_html(hostile())
    assert "\x1b" not in text


def test_a_page_too_large_to_be_kept_in_a_notebook_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("machochain.model.notebook.MOST_BYTES", 1000)
    text = evolve(full(), page=render_html)._repr_html_()
    assert "<iframe" not in text
    assert "render(report, 'html')" in text


def test_a_report_of_ones_own_has_the_table_alone_and_any_can_be_stored() -> None:
    assert "<iframe" not in audit()._repr_html_()
    report = machochain.audit(BROKEN)
    again = pickle.loads(pickle.dumps(report))
    assert again == report
    assert again._repr_html_() == report._repr_html_()


def test_a_diagnosis_is_a_table_and_a_text_that_is_not_known_is_said_to_be() -> None:
    text = "dyld[1]: Library not loaded: @rpath/lib<b>.dylib\n  Referenced from: /a/tool\n  Reason: no LC_RPATH's found"
    found = machochain.diagnose(text)
    shown = found._repr_html_()
    assert repr(found) == "<Diagnosis: 1 answer>"
    assert "run-path" in shown
    assert "lib&lt;b&gt;.dylib" in shown
    assert "lib<b>" not in shown
    nothing = machochain.diagnose("error: the tin is empty")._repr_html_()
    assert "no message that is known<br>error: the tin is empty" in nothing
