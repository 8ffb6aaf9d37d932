"""Markdown that shows names as they are."""

from __future__ import annotations

import re

import pytest

from machochain.model.result import Outcome
from machochain.report.markdown import code, prose, render_markdown
from tests.report.audits import V12, V15, audit, full, hostile, process


def test_the_report_has_the_verdict_the_findings_and_what_does_not_count() -> None:
    text = render_markdown(full())
    assert text.startswith("## ❌ machochain audit failed\n\n1 error, 1 warning, 1 note, 1 suppressed")
    for heading in ("### Errors", "### Warnings", "### Notes", "1 suppressed", "### Not seen"):
        assert heading in text
    assert "**MC101 missing-library** in `dist/app/bin/tool`" in text
    assert "tool loads `@rpath/libx.dylib`, which cannot be found (fails on macOS 26, launches on older ones)" in text
    assert "```text\ninstall_name_tool -add_rpath @loader_path/../lib bin/tool\n" in text
    assert "known `|` harmless" in text


def test_an_audit_without_findings_passes() -> None:
    assert render_markdown(audit()).startswith("## ✅ machochain audit passed")


def test_processes_that_do_not_launch_stand_in_a_table_with_their_releases() -> None:
    broken = [("@rpath/x.dylib", Outcome.MISSING)]
    report = audit(results=(process([], macos=V12), process(broken, macos=V15)))
    assert "| `dist/app/bin/tool` | arm64 | 15 | - |" in render_markdown(report)
    assert "What does not launch" not in render_markdown(audit(results=(process([]),)))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain words, here.", "plain words, here."),
        ("loads @rpath/x.dylib, which", "loads `@rpath/x.dylib`, which"),
        ("(see a_b)", "(see `a_b`)"),
        ("<b>", "`<b>`"),
    ],
)
def test_words_that_markdown_could_seize_become_code(text: str, expected: str) -> None:
    assert prose(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [("a", "`a`"), ("a`b", "``a`b``"), ("`a", "`` `a ``"), ("a|b", "`a|b`"), ("", "` `"), ("a\nb", "`a\\x0ab`")],
)
def test_a_code_span_cannot_be_left(text: str, expected: str) -> None:
    assert code(text) == expected


def test_no_name_becomes_markup() -> None:
    text = render_markdown(hostile())
    assert "\x1b" not in text
    spans = re.compile(r"(?<!`)(`+)(?!`).*?(?<!`)\1(?!`)")
    fenced = False
    for line in text.splitlines():
        if line.startswith("```"):
            fenced = not fenced
        elif not fenced:
            bare = spans.sub("", line)
            for harm in ("<script", "<img", "@user", "&amp;"):
                assert harm not in bare, line
    assert not fenced
