"""Every command a page shows is one of ours, and prints what the page says it prints."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from machochain.cli import cli
from tests.docs.pages import PAGES, ROOT, Shown, agree, commands, text_before

ALL = [shown for page in PAGES for shown in commands(page) if shown.words[0] == "machochain"]
ELSEWHERE = ("docs/fix.md", "docs/how-to/", "docs/go.md")
"""Pages that have tests of their own, for their commands need what must be built first."""
HERE = [each for each in ALL if each.output and not each.page.startswith(ELSEWHERE)]


def takes(words: list[str]) -> None:
    """Parse a command, without running it."""
    command: click.Command | None = cli
    context = click.Context(cli)
    while isinstance(command, click.Group):
        command = command.get_command(context, words[0])
        assert command is not None, words[0]
        name, *words = words
    assert command is not None
    command.make_context(name, words)


@pytest.mark.parametrize("shown", ALL, ids=str)
def test_our_command_line_takes_it(shown: Shown) -> None:
    takes(shown.words[1:])


@pytest.mark.parametrize("shown", HERE, ids=str)
def test_it_prints_what_the_page_shows(shown: Shown, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(ROOT)
    words = shown.words[1:]
    if "message.txt" in words:
        message = tmp_path / "message.txt"
        message.write_text(text_before(shown), encoding="utf-8")
        words[words.index("message.txt")] = str(message)
    printed = CliRunner().invoke(cli, words).output.replace(str(ROOT), "/tmp/machochain")
    assert agree(shown.output, printed), printed


MENTIONED = [
    (f"{page.relative_to(ROOT)}:{number}", command)
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1)
    for command in re.findall(r"(?<!\w)`[^`|]*(?:\\?\| )?\bmachochain ([a-z][^`]*)`", line)
]


@pytest.mark.parametrize(("place", "found"), MENTIONED, ids=[place for place, _ in MENTIONED])
def test_a_command_in_the_text_is_one_of_ours(place: str, found: str) -> None:
    """A mention may stop at the command's name, or at an option's; what stands there exists and means something."""
    whole = re.split(r" (?:\\?\||>|&&|;) |\)\"$", found)[0]
    try:
        takes([word for word in shlex.split(whole, comments=True) if word != "…"])
    except click.exceptions.Exit:
        pass  # --help
    except click.MissingParameter:
        pass
    except click.BadOptionUsage as error:
        if "requires an argument" not in str(error):
            raise


def test_the_pages_mention_many_commands() -> None:
    assert len(MENTIONED) > 80


def test_most_outputs_of_the_pages_are_compared() -> None:
    assert len(HERE) >= 5
    assert {each.page for each in HERE} >= {"README.md", "docs/diagnose.md", "docs/source.md"}


def test_an_output_that_differs_is_noticed() -> None:
    assert agree("a\n  …\nd", "a\nb c\n   d\n")
    assert not agree("a\n  …\nd", "a\nb c\ne\n")
    assert not agree("a b", "a b c")
