"""A paste as lines, each with the number it had in what was pasted, and notes on what was done to it."""

from __future__ import annotations

from itertools import pairwise
from typing import Final

from machochain.model.value import define, field, frozen

MANY: Final = 300_000
"""Lines from which on runs of empty ones are left out."""


@frozen
class Note:
    """What was done to a line to read it."""

    line: int
    what: str


@frozen
class Paste:
    """A text ready to be read.

    Attributes:
        text: Its lines, each as it was printed.
        source: For each line the number of the line it comes from, 1-based.
        notes: What was done.
        prefix: What stood before each line of a message and was taken off; ``""`` for nothing.
    """

    text: str
    source: tuple[int, ...]
    notes: tuple[Note, ...] = ()
    prefix: str = ""

    def notes_of(self, first: int, last: int) -> tuple[str, ...]:
        """Return what was done to some lines of the source."""
        return tuple(dict.fromkeys(n.what for n in self.notes if first <= n.line <= last))

    def line_of(self, line: int) -> int:
        """Return the line of the source for one of the text, both 1-based."""
        return self.source[min(max(line, 1), len(self.source)) - 1] if self.source else 1


@define
class Lines:
    """Lines with the number each had; notes on what was changed.

    Attributes:
        text: The whole text before anything was changed: tells soon what is in no line.
        lines: What they are by now.
        source: The number each had.
        notes: What was changed.
        prefix: What stood before each line of a message and was taken off.
    """

    text: str
    lines: list[str]
    source: list[int]
    notes: list[Note] = field(factory=list)
    prefix: str = ""

    def has(self, *words: str) -> bool:
        """Whether one of some words stood anywhere in the text."""
        return any(word in self.text for word in words)

    def note(self, at: int, what: str) -> None:
        """Say what was done to a line."""
        if len(self.notes) < 10_000:
            self.notes.append(Note(self.source[at], what))

    def replace(self, at: int, parts: list[str]) -> None:
        """Put lines in the place of one."""
        self.lines[at : at + 1] = parts
        self.source[at : at + 1] = [self.source[at]] * len(parts)


def numbered(text: str) -> Lines:
    """Give each line its number; of a very long text's empty lines only the first of each run is kept."""
    lines = text.split("\n")
    if len(lines) > 3 and not any(map(str.strip, lines[1::2])) and all(map(str.strip, lines[:-1:2])):
        return Lines(text, lines[::2], list(range(1, len(lines) + 1, 2)))  # a blank line after each
    if len(lines) <= MANY or "\n\n\n" not in text:
        return Lines(text, lines, list(range(1, len(lines) + 1)))
    kept = [0, *(number for number, (above, line) in enumerate(pairwise(lines), 1) if line or above)]
    return Lines(text, [lines[number] for number in kept], [number + 1 for number in kept])
