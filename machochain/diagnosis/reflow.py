"""Lines that a terminal, a mail or a writer broke between two words, put together where nothing is read otherwise."""

from __future__ import annotations

import re
from typing import Final

from machochain.diagnosis.paste import Lines, Paste
from machochain.model.value import evolve

SHORTEST: Final = 40
"""Characters from which on a line may be one that was broken."""
LONGEST: Final = 400
"""Characters of a line beyond which nobody broke it."""
MOST: Final = 4_000
"""Lines of a text that are looked at: what is longer is a log, which no one wraps."""
_SAME: Final = 4
"""Characters with which two lines of one log both begin."""
_GOES_ON: Final = re.compile(r"(?:[a-z/(]|-\w)")
_SPEAKS: Final = re.compile(r"(?!(?:of|for|in|at|to|from|by|with|and|because|that|is): )[\w.+/\[\]-]{1,60}: ")
"""A tool, or a file with its line, that begins a message of its own."""
_ENDS: Final = re.compile(r"[.!?;{}]$")


def reflowed(paste: Paste) -> Paste | None:
    """Return a paste with its broken lines put together; None where no line looks broken."""
    lines = paste.text.split("\n")
    if len(lines) > MOST:
        return None
    held = Lines(paste.text, lines, list(paste.source), list(paste.notes))
    for at in range(len(lines) - 2, -1, -1):
        line, below = lines[at].rstrip(), lines[at + 1]
        if (
            SHORTEST <= len(line) <= LONGEST
            and _GOES_ON.match(below)
            and not _SPEAKS.match(below)
            and line[:_SAME] != below[:_SAME]
            and not _ENDS.search(line)
        ):
            held.note(at, "broken lines were joined")
            lines[at : at + 2] = [f"{line} {below}"]
            del held.source[at + 1]
    if len(held.source) == len(paste.source):
        return None
    return evolve(paste, text="\n".join(lines), source=tuple(held.source), notes=tuple(held.notes))
