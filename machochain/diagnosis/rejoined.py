"""Messages that were broken at blanks or at the width of a window: looked for once more where nothing else was read."""

from __future__ import annotations

from typing import Final

from machochain.diagnosis import table
from machochain.diagnosis.inline import begin_alike
from machochain.diagnosis.matching import Hit, find_forms
from machochain.diagnosis.paste import Note, Paste
from machochain.model.value import evolve

MOST: Final = 400
"""Lines of a text that is looked at: what is longer is a log, and logs do not break lines."""
MOST_LINES: Final = 6
"""Lines of one message."""
LONGEST: Final = 2_048
"""Characters of the lines of one message together."""
WIDTH: Final = 60
"""Characters from which on a line may have been broken inside a word."""
_TELLING: Final = frozenset({table.WARNING, table.ERROR, table.DECISIVE})
_NOTE: Final = "wrapped lines were joined"


def rejoined(paste: Paste) -> tuple[Paste, list[Hit]]:
    """Return a text's lines joined by twos, or by as many as it takes, and the forms that stand across them.

    Args:
        paste: In whose lines as they are no form stands.
    """
    if paste.text.count("\n") >= MOST:
        return paste, []
    lines = [line.strip() for line in paste.text.split("\n")]
    for count in range(2, MOST_LINES + 1):
        for glue in (" ", ""):
            tried, breaks = _joined(paste, lines, count, glue)
            hits = [h for h in find_forms(tried.text) if _is_across(h, tried, breaks[h.line - 1], count - 1)]
            if any(h.form.level in _TELLING for h in hits):
                return tried, hits
    return paste, []


def _joined(paste: Paste, lines: list[str], count: int, glue: str) -> tuple[Paste, list[tuple[int, ...]]]:
    """Return the joined lines, and for each where in it the breaks were."""
    texts: list[str] = []
    source: list[int] = []
    breaks: list[tuple[int, ...]] = []
    for at in range(len(lines) - count + 1):
        parts = lines[at : at + count]
        if any(map(begin_alike, parts, parts[1:])) or any(map(_prefixed, parts, parts[1:])):
            continue  # each has the prefix of a log, or is a message of its own
        if not all(parts) or sum(map(len, parts)) > LONGEST or (not glue and min(map(len, parts[:-1])) < WIDTH):
            continue
        ends: list[int] = []
        for part in parts[:-1]:
            ends.append((ends[-1] if ends else 0) + len(part) + (len(glue) if ends else 0))
        texts.append(glue.join(parts))
        source.append(paste.line_of(at + 1))
        breaks.append(tuple(ends))
    notes = tuple(Note(line, _NOTE) for line in source)
    return evolve(paste, text="\n".join(texts), source=tuple(source), notes=(*paste.notes, *notes)), breaks


def _prefixed(one: str, other: str) -> bool:
    """Whether two lines have one first word, or each a number."""
    first, second = one.split(" ", 1)[0], other.split(" ", 1)[0]
    return first == second or (first[:1].isdigit() and second[:1].isdigit())


def _is_across(hit: Hit, paste: Paste, breaks: tuple[int, ...], least: int) -> bool:
    """Whether a form stands in one joined line, and needs all of its parts."""
    if "\n" in hit.text or hit.form.level not in _TELLING:
        return False
    begin = hit.begin - (paste.text.rfind("\n", 0, hit.begin) + 1)
    return sum(begin < at < begin + len(hit.text.rstrip()) for at in breaks) == least
