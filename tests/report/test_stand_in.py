"""A release whose dyld nobody has read is answered by the rules of the newest that was."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from machochain.cli import cli
from tests.factory import executable

NOTE = "for macOS 27, whose dyld nobody has read, the rules of macOS 26.4 stand in"


def run(tmp_path: Path, *arguments: str) -> str:
    (tmp_path / "main").write_bytes(executable())
    result = CliRunner().invoke(cli, ["resolve", str(tmp_path / "main"), *arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.output
    return result.output


@pytest.mark.parametrize(("macos", "told"), [("27", True), ("26..27", True), ("26", False), ("tahoe", False)])
def test_the_note_is_there_where_rules_stand_in(tmp_path: Path, macos: str, told: bool) -> None:
    assert (NOTE in run(tmp_path, "--macos", macos)) is told
    results = json.loads(run(tmp_path, "--macos", macos, "--json"))["results"]
    assert {r["macos"]: r.get("stands_in") for r in results if r["macos"].startswith("27")} == (
        {"27.0": "26.4"} if told else {}
    )
    assert all("stands_in" not in r for r in results if not r["macos"].startswith("27"))


def test_releases_have_names(tmp_path: Path) -> None:
    found = json.loads(run(tmp_path, "--macos", "sonoma..sequoia", "--json"))["results"]
    assert {r["macos"].partition(".")[0] for r in found} == {"14", "15"}
