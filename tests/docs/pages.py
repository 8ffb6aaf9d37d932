"""Commands as the pages show them, and what they print."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from attrs import frozen

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md"), *(ROOT / "docs" / "how-to").glob("*.md")])
_BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@frozen
class Shown:
    """One command of a page.

    Attributes:
        page: The page, relative to the checkout.
        line: Where the command stands, from 1.
        command: As a shell takes it, without the prompt.
        output: What the page shows of its output; empty if it shows none.
    """

    page: str
    line: int
    command: str
    output: str

    @property
    def words(self) -> list[str]:
        return shlex.split(self.command, comments=True)

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def commands(page: Path) -> list[Shown]:
    """Return the commands of the ``console`` blocks of a page, in its order."""
    text = page.read_text(encoding="utf-8")
    found = []
    for block in _BLOCK.finditer(text):
        first = text.count("\n", 0, block.start(1)) + 1
        lines = block[1].splitlines()
        starts = [number for number, line in enumerate(lines) if line.startswith("$ ")]
        for start, end in zip(starts, [*starts[1:], len(lines)], strict=True):
            output = "\n".join(lines[start + 1 : end])
            found.append(Shown(str(page.relative_to(ROOT)), first + start, lines[start][2:], output.strip("\n")))
    return found


def text_before(shown: Shown) -> str:
    """Return the ``text`` block that stands last before a command: what the page says is in the command's file."""
    above = "\n".join((ROOT / shown.page).read_text(encoding="utf-8").splitlines()[: shown.line])
    blocks: list[str] = re.findall(r"^```text\n(.*?)^```$", above, re.MULTILINE | re.DOTALL)
    return blocks[-1]


def agree(shown: str, printed: str) -> bool:
    """Tell whether a page shows what was printed: ``…`` alone on a line stands for lines left out.

    Lines are wrapped by the lengths of paths, which differ from machine to machine, so space is compared as one kind.
    """
    parts = [" ".join(part.split()) for part in re.split(r"^\s*…\s*$", shown, flags=re.MULTILINE)]
    pattern = ".*".join(map(re.escape, parts))
    return re.fullmatch(pattern, " ".join(printed.split()), re.DOTALL) is not None
