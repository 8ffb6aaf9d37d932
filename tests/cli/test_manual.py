"""The manual page is what the commands are, and both readers of such pages take it."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import click
import pytest

from machochain.cli import LazyGroup, cli
from machochain.cli.manual import manual

PAGE = Path(__file__).parents[2] / "docs" / "man" / "machochain.1"


def commands() -> list[tuple[str, click.Command]]:
    root = click.Context(cli, info_name="machochain")
    found: list[tuple[str, click.Command]] = []
    for name in LazyGroup.COMMANDS:
        command = cli.get_command(root, name)
        assert command is not None
        found.append((name, command))
        if isinstance(command, click.Group):
            found += [(f"{name} {inner}", command.commands[inner]) for inner in command.commands]
    return found


def test_the_page_that_is_shipped_is_the_one_that_is_made() -> None:
    assert PAGE.read_text(encoding="utf-8") == manual(), "python -m machochain.cli.manual docs/man/machochain.1"


def test_every_command_and_every_option_is_in_it() -> None:
    text = manual().replace("\\-", "-")
    for name, command in commands():
        assert f".SS machochain {name} " in text
        for param in command.params:
            for word in (*param.opts, *param.secondary_opts) if isinstance(param, click.Option) else ():
                assert re.search(rf"^\.B .*{re.escape(word)}\b", text, re.MULTILINE), (name, word)


def test_no_line_is_a_request_that_is_not_meant() -> None:
    requests = {".TH", ".SH", ".SS", ".PP", ".TP", ".B", ".I", ".BR", ".nf", ".fi", ".in", '.\\"'}
    for line in manual().splitlines():
        assert not line.startswith("'")
        assert not line.startswith(".") or line.split()[0] in requests
    assert manual().isascii()


@pytest.mark.skipif(shutil.which("mandoc") is None, reason="no mandoc here")
def test_mandoc_has_nothing_against_it() -> None:
    done = subprocess.run(
        ["mandoc", "-T", "lint", "-W", "warning", str(PAGE)], capture_output=True, text=True, check=False
    )
    assert [line for line in done.stdout.splitlines() if "missing date" not in line] == []


@pytest.mark.skipif(shutil.which("man") is None, reason="no man here")
def test_man_shows_it_at_eighty_columns() -> None:
    environment = {"PATH": "/usr/bin:/bin", "MANWIDTH": "80", "LC_ALL": "C.UTF-8", "MANPAGER": "cat"}
    done = subprocess.run(
        ["man", "--warnings=all", "-l", str(PAGE)], capture_output=True, text=True, env=environment, check=False
    )
    if done.returncode:
        pytest.skip(f"this man shows no file: {done.stderr}")
    assert "warning" not in done.stderr
    shown = re.sub(".\x08|\x1b\\[[0-9;]*m", "", done.stdout)
    assert "machochain resolve ./bin/server\n" in shown
    assert "--rosetta" in shown
