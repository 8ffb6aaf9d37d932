"""Messages that stand inside of a line: code in a sentence, the frames some tools draw round what they hand on."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Final

from machochain.diagnosis.paste import Lines

_SPAN: Final = re.compile(r"(?<![^\s(\[*\"'])`(?P<code>[^`\s][^`\n]{10,8192}[^`\s])`(?![\w`'])")
_MESSAGE: Final = re.compile(r"\S: \S")
_FRAME: Final = re.compile(r"[ \t]{0,8}(?:[\u2502\u2503](?:[ \t]{1,8}(?=[\u2502\u2503])|[ \t]|$)){1,6}")
_MARK: Final = re.compile(r"(?:[\u00d7\u26a0\u2717\u2716] (?:error|warning|info)\b ?)")
FEWEST: Final = 3
"""Lines of one mark and one width from which on they are one line that was broken."""
MOST_WINDOW: Final = 2_000
"""Lines of what somebody copied from a window."""
LONGEST: Final = 65_536
"""Characters of a line that is looked at."""


def spans(held: Lines) -> None:
    """Code between backticks in a sentence: what looks like a message becomes a line of its own."""
    if held.text.count("`") < 2:
        return
    for at in range(len(held.lines) - 1, -1, -1):
        line = held.lines[at]
        if line.count("`") < 2 or len(line) > LONGEST:
            continue
        parts: list[str] = []
        begin = 0
        for match in _SPAN.finditer(line):
            if _MESSAGE.search(match["code"]):
                parts += [line[begin : match.start()], match["code"]]
                begin = match.end()
        if parts:
            parts = [p for p in (*parts, line[begin:]) if p.strip(" \t.,;:")]
            held.note(at, "a message between backticks was taken out of its sentence")
            held.replace(at, parts)


def boxes(held: Lines) -> None:
    """Frames before each line; lines of one mark and one width behind it are one line that was broken there."""
    if not held.has("\u2502", "\u2503"):
        return
    lines = held.lines
    marks: list[str] = []
    for at, line in enumerate(lines):
        frame = _FRAME.match(line)
        mark = _MARK.match(line, frame.end()) if frame is not None else None
        marks.append(mark.group() if mark is not None else "")
        if frame is not None:
            held.note(at, "the frame before each line was taken off")
            lines[at] = line[mark.end() if mark is not None else frame.end() :]
    for at in range(len(lines) - 2, -1, -1):
        below = marks[at + 1]
        width = len(lines[at])
        if marks[at] and marks[at] == below and width > 60 and _continues(lines, marks, at, width):
            lines[at] += lines[at + 1]
            del lines[at + 1], held.source[at + 1], marks[at + 1]


def _continues(lines: list[str], marks: list[str], at: int, width: int) -> bool:
    """Whether a line was broken at its width: those of its mark above it are as wide, or it is the first."""
    above = at > 0 and marks[at - 1] == marks[at]
    return len(lines[at - 1]) == width if above else True


NARROWEST: Final = 60
"""Characters of the narrowest window whose breaks are undone."""
_WIDEST: Final = 400
_NEAR: Final = 16
_DIGIT: Final = re.compile(r"\d")
_SAME: Final = 6
"""First characters two messages of one tool have in common; a line broken inside a message and its rest do not."""


def windows(held: Lines) -> None:
    """Lines a window broke at its width, inside of words too: all are as wide but the last of each message."""
    lines = held.lines
    if not 3 <= len(lines) <= MOST_WINDOW:
        return
    width = max(map(len, lines))
    if not NARROWEST <= width <= _WIDEST:
        return
    full = [at for at, line in enumerate(lines[:-1]) if len(line) == width and lines[at + 1].strip()]
    if len(full) < FEWEST - 1 or any(begin_alike(lines[at], lines[at + 1]) for at in full):
        return
    if any(begin_alike(lines[a], lines[b]) for a, b in pairwise(full) if b > a + 1 and lines[a][:_SAME].strip()):
        return
    if sum(width - _NEAR <= len(line) < width for line in lines) >= len(full):
        return  # broken at blanks
    for at in reversed(full):
        held.note(at, "lines that were broken at the width of a window were joined")
        lines[at] += lines[at + 1]
        del lines[at + 1], held.source[at + 1]


def begin_alike(one: str, other: str) -> bool:
    """Whether a line is one of its own beside another: both begin in one way, or it is set in."""
    return _DIGIT.sub("0", one[:_SAME]) == _DIGIT.sub("0", other[:_SAME]) or other.startswith(("  ", "\t"))
