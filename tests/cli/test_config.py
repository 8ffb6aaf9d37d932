"""``machochain config init`` writes a file that audit takes, and never over one that is there."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.running import run

GREETER = str(Path(__file__).parents[2] / "testdata" / "hello" / "bin" / "greeter")


def test_what_is_written_is_what_audit_takes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = run("config", "init", "--profile", "wheel")
    assert (done.returncode, done.stdout) == (0, "")
    assert "machochain.toml is written" in done.stderr
    assert "(machochain.toml)" in run("audit", GREETER).stdout.splitlines()[-1].replace(f"{tmp_path}/", "")


def test_a_file_that_is_there_stays_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("machochain.toml").write_text("mine")
    done = run("config", "init")
    assert done.returncode == 2
    assert "stays as it is" in done.stderr
    assert Path("machochain.toml").read_text() == "mine"
    Path("dangling.toml").symlink_to("elsewhere.toml")
    assert run("config", "init", "-o", "dangling.toml").returncode == 2
    assert not Path("elsewhere.toml").exists()


def test_it_can_be_looked_at_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert 'profile = "app"' in run("config", "init", "--profile", "app", "-o", "-").stdout
    assert not list(tmp_path.iterdir())
    assert "did you mean 'app'" in run("config", "init", "--profile", "ap").stderr
