"""Several reports at once, and what a pipeline says by its environment."""

from __future__ import annotations

from pathlib import Path

import pytest

from machochain.cli.destinations import (
    Destination,
    annotate,
    parse_formats,
    render_context,
    wants_annotations,
)
from machochain.model.errors import UsageError
from machochain.report.context import RenderContext
from machochain.report.registry import Document, formats
from tests.report.audits import full

CONTEXT = RenderContext("/repo/sub", "/repo")
NAMES = formats(Document.AUDIT)


@pytest.mark.parametrize(
    ("texts", "output", "as_json", "expected"),
    [
        ([], None, False, [("text", None)]),
        ([], "x", False, [("text", "x")]),
        ([], None, True, [("json", None)]),
        (["json"], None, True, [("json", None)]),
        (["json:a.json"], None, True, [("json", "a.json")]),
        (["sarif:out.sarif", "text"], None, False, [("sarif", "out.sarif"), ("text", None)]),
        (["sarif:out.sarif", "text"], "t.txt", False, [("sarif", "out.sarif"), ("text", "t.txt")]),
        (["html:a:b.html"], None, False, [("html", "a:b.html")]),
        (["markdown:-"], "-", False, [("markdown", None)]),
    ],
)
def test_each_format_has_its_place(
    texts: list[str], output: str | None, as_json: bool, expected: list[tuple[str, str | None]]
) -> None:
    found = parse_formats(texts, output=output, as_json=as_json, formats=NAMES)
    assert list(found) == [Destination(*pair) for pair in expected]


@pytest.mark.parametrize(
    ("texts", "output", "words"),
    [
        (["sarfi"], None, "did you mean sarif"),
        (["yaml"], None, "there are text, json, jsonl, sarif"),
        (["text", "json"], None, "text and json cannot all go to standard output: write --format json:FILE"),
        (["sarif:"], None, "a file name belongs behind the colon"),
        (["sarif:a"], "b", "each does"),
        (["sarif:a", "html:./a"], None, "cannot be written to one file"),
    ],
)
def test_what_makes_no_sense_is_refused_with_a_hint(texts: list[str], output: str | None, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        parse_formats(texts, output=output, formats=NAMES)


def test_annotations_are_on_in_github_actions_unless_an_option_says_otherwise() -> None:
    assert wants_annotations({"GITHUB_ACTIONS": "true"})
    assert not wants_annotations({})
    assert not wants_annotations({"GITHUB_ACTIONS": "true"}, flag=False)
    assert wants_annotations({}, flag=True)


def test_the_step_summary_is_added_to_what_other_steps_wrote(tmp_path: Path) -> None:
    file = tmp_path / "summary"
    file.write_text("before\n")
    assert annotate(full(), {"GITHUB_STEP_SUMMARY": str(file)}, CONTEXT).startswith("::error ")
    assert file.read_text().startswith("before\n## ❌ machochain audit failed")
    with pytest.raises(UsageError, match="cannot be written"):
        annotate(full(), {"GITHUB_STEP_SUMMARY": str(tmp_path / "no" / "summary")}, CONTEXT)


def test_the_environment_tells_the_repository_and_the_time() -> None:
    inside = {"GITHUB_WORKSPACE": "/repo", "SOURCE_DATE_EPOCH": "1700000000"}
    assert render_context(inside, "/repo/sub") == RenderContext("/repo/sub", "/repo", None, 1_700_000_000)
    assert render_context(inside, "/repository").source_root.rstrip("/") == "/repository"
    assert render_context(inside, "/repo/sub", source_root="..", anchor="go.mod").anchor == "go.mod"
    with pytest.raises(UsageError, match="SOURCE_DATE_EPOCH"):
        render_context({"SOURCE_DATE_EPOCH": "yesterday"}, "/")
