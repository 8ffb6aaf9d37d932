"""Workflow commands: what the runner of GitHub Actions takes for a command, and what it must not."""

from __future__ import annotations

import re

import pytest

from machochain.report.github import escape_data, escape_property, render_github, render_step_summary
from tests.report.audits import EVIL, audit, finding, full, hostile

COMMAND = re.compile(r"::(error|warning|notice) ([^:]*)::(.*)")


def test_each_finding_that_counts_is_an_annotation_of_its_severity() -> None:
    lines = render_github(full()).splitlines()
    kinds = [match.group(1) for line in lines if (match := COMMAND.fullmatch(line))]
    assert kinds == ["error", "warning", "notice", "error"]
    assert lines[0].startswith("::error file=dist/app/bin/tool,line=1,title=MC101 missing-library::dist/app/bin/tool: ")
    assert "fix: install_name_tool" in lines[0]
    assert "/opt/homebrew/lib" not in "".join(lines)
    assert lines[-1] == (
        "machochain audit failed: 1 error, 1 warning, 1 note, 1 suppressed, 1 stale suppression, 1 unreadable "
        "in no processes of 1 input; nothing examined"
    )


def test_data_and_properties_are_escaped_as_the_toolkit_does() -> None:
    assert escape_data("100%\r\n::x") == "100%25%0D%0A::x"
    assert escape_property("a:b,c%\n") == "a%3Ab%2Cc%25%0A"


def test_a_name_can_neither_forge_a_command_nor_end_one() -> None:
    lines = render_github(hostile()).splitlines()
    for line in lines[:-1]:
        match = COMMAND.fullmatch(line)
        assert match is not None, line
        for pair in match.group(2).split(","):
            assert pair.partition("=")[0] in {"file", "line", "title"}
    assert not any(line.startswith("::error::") for line in lines)


def test_paths_are_told_as_the_repository_has_them() -> None:
    text = render_github(full(), locate=lambda path: f"sub/{path}")
    assert "file=sub/dist/app/bin/tool," in text


def test_no_more_annotations_than_github_shows_and_the_last_one_counts_the_rest() -> None:
    text = render_github(audit(*(finding(subject=f"lib{n}.dylib") for n in range(25))))
    lines = [line for line in text.splitlines() if line.startswith("::error")]
    assert len(lines) == 10
    assert lines[-1].startswith("::error title=machochain::16 more")


def test_the_step_summary_stays_below_the_limit_and_says_what_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    report = audit(*(finding(subject=f"lib{n}.dylib") for n in range(200)))
    whole = render_step_summary(report)
    monkeypatch.setattr("machochain.report.github.MAX_SUMMARY", 20_000)
    cut = render_step_summary(report)
    assert len(whole.encode()) > 20_000 > len(cut.encode()) > 15_000
    assert re.search(r"… and \d+ more\.", cut)
    assert "lib199" in whole


def test_the_evil_name_is_as_evil_as_it_seems() -> None:
    assert "\n" in EVIL
    assert "::error::" in EVIL
