"""The how-to pages, done as a reader does them: each command prints what the page shows.

``python -m tests.docs.test_how_to`` writes the outputs into the pages anew.
"""

from __future__ import annotations

import contextlib
import re
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.cli.running import run
from tests.docs import stages
from tests.docs.pages import ROOT, Shown, agree, commands, text_before
from tests.toolchain import Toolchain, cache_folder, go_module, toolchain

__all__ = ["go_module", "toolchain"]

FOLDER = ROOT / "docs" / "how-to"
STAGES: dict[str, Callable[[Path], None]] = {
    "wheel": stages.wheels,
    "app": stages.application,
    "message": stages.message,
}


def expanded(words: list[str]) -> list[str]:
    """Expand file names as a shell does."""
    return [each for word in words for each in (sorted(map(str, Path().glob(word))) if "*" in word else [word])]


def printed(page: Path, folder: Path) -> Iterator[tuple[Shown, str]]:
    """Run the commands of a page in its order, in a folder; yield what each prints."""
    for shown in commands(page):
        if "message.txt" in shown.words:
            (folder / "message.txt").write_text(text_before(shown), encoding="utf-8")
        done = run(*expanded(shown.words)[1:])
        assert done.returncode in (0, 1), (str(shown), done)
        yield shown, told(done.stdout + done.stderr, folder)


def told(output: str, folder: Path) -> str:
    """Name the folders of this machine as a page does."""
    output = re.sub(r"/lib-arm64-\w+", "/lib", output.replace(str(folder), "/home/you"))
    return output.replace(str(cache_folder() / "stubs"), "/sdk")


@pytest.mark.parametrize("name", STAGES)
def test_a_reader_gets_what_the_page_shows(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    STAGES[name](tmp_path)
    monkeypatch.chdir(tmp_path)
    ran = 0
    for shown, output in printed(FOLDER / f"{name}.md", tmp_path):
        assert shown.output, f"{shown} shows no output"
        assert agree(shown.output, output), f"{shown}\n{output}"
        ran += 1
    assert ran >= 3


def test_every_page_is_done_by_a_test() -> None:
    assert {page.stem for page in FOLDER.glob("*.md")} == {*STAGES, "go-release", "notebook", "install"}


@pytest.mark.toolchain
def test_a_go_program_comes_to_its_gate_as_the_page_shows(
    toolchain: Toolchain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stages.go_release(tmp_path, toolchain)
    monkeypatch.chdir(tmp_path)
    for shown, output in printed(FOLDER / "go-release.md", tmp_path):
        assert agree(shown.output, output), f"{shown}\n{output}"


def regenerate() -> None:
    """Write the outputs into the pages."""
    from tests.toolchain import install

    makers: dict[str, Callable[[Path], None]] = {**STAGES, "go-release": partial(stages.go_release, chain=install())}
    for name, stage in makers.items():
        with tempfile.TemporaryDirectory() as place, contextlib.chdir(place):
            folder = Path(place)
            stage(folder)
            page = FOLDER / f"{name}.md"
            text = page.read_text(encoding="utf-8")
            for shown, output in list(printed(page, folder)):
                old = f"$ {shown.command}\n" + (f"{shown.output}\n" if shown.output else "")
                text = text.replace(old, f"$ {shown.command}\n{output.strip(chr(10))}\n")
            page.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    regenerate()
