"""The page on repairs is true: its commands run, its Python runs, its options are those of the command."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

import machochain
from machochain.cli import cli
from machochain.repair.result import RepairOutcome
from tests.cli.running import run

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "fix.md").read_text()


def test_the_command_of_the_page_repairs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(ROOT / "testdata" / "hello", tmp_path / "testdata" / "hello")
    monkeypatch.chdir(tmp_path)
    (command,) = re.findall(r"^\$ machochain (.*)$", PAGE, re.MULTILINE)
    done = run(*shlex.split(command))
    assert done.returncode == 0, done
    assert (tmp_path / "fixed" / "greeter-broken").is_file()


def test_every_option_of_the_page_is_one_of_the_command() -> None:
    shown = CliRunner().invoke(cli, ["fix", "--help"]).output
    named = set(re.findall(r"^\| `(-[-a-z]+)", PAGE, re.MULTILINE)) | {
        "--report",
        "--macos",
        "--map",
        "--at",
        "--policy",
    }
    assert named >= {"-o", "--in-place", "--dry-run", "--only", "--bundle", "--resign", "--drop-entitlements", "--json"}
    assert [option for option in named if option not in shown] == []


def test_the_python_of_the_page_says_what_it_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    repair = machochain.fix("testdata/hello/bin/greeter-broken", dry_run=True)
    assert repair.inputs[0].outcome is RepairOutcome.REPAIRED
    assert repair.inputs[0].proof is not None
    assert [f.finding.rule for f in repair.inputs[0].proof.gone] == ["MC101"]
