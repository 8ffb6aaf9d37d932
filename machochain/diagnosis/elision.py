"""Values that were shortened by whoever pasted them: they may be shown, and prove nothing."""

from __future__ import annotations

import re
from typing import Final

LONGEST_TAIL: Final = 200_000
"""Characters at the end of a text that are looked at."""

_ELIDED: Final = re.compile(
    r"\.{3,}|\u2026|<(?:\.\.\.|(?!no uuid>|[0-9A-Fa-f]{8}-)[A-Za-z][\w .-]{1,40})>|\[\.\.\.\]"
    r"|\[[\w -]{0,40}(?:path|folder|repo|redacted|user|project|dir|home|snip|name)[\w -]{0,40}\]"
    r"|\*{3,}|/\*/|/\*$|(?:^|/)[Xx]{3,}(?:/|$)"
)


_UNFINISHED: Final = re.compile(r"[^$%#.!?)}\]\"'`;:>\u2026\s]$")
_OPEN_STRING: Final = re.compile(r'\s*"[\w ]{1,80}"\s?:\s?"[^"\n]*$')
_OF_SYMBOL: Final = re.compile(r'", referenced from:$')
_LISTED: Final = re.compile(r"[ \t]{4,40}(?!.* in \S)[^ \t\n][^\n]*$")
"""A place where a symbol is asked for, without the object file that stands behind ``in``."""
_ENOUGH: Final = 30
"""Characters of a line that begins an earlier one from which on it is that line again, cut."""
_LATELY: Final = 200
"""Lines before the last that are looked at."""


def is_cut(text: str) -> bool:
    """Whether a text breaks off: in a fence, a string of JSON, or a line that stood there whole before."""
    lines = [line.rstrip() for line in text.rstrip()[-LONGEST_TAIL:].split("\n") if line.strip()]
    if not lines:
        return False
    last = lines[-1].lstrip(" >")
    if _OPEN_STRING.match(lines[-1]):
        return True
    if len(last) >= _ENOUGH and any(
        len(line) > len(lines[-1]) and line.startswith(lines[-1]) for line in lines[-_LATELY:-1]
    ):
        return True
    if _LISTED.match(lines[-1]) and any(_OF_SYMBOL.search(line) for line in lines[-4:-1]):
        return True
    fences = sum(line.lstrip(" >").startswith("```") for line in text.split("\n"))
    return fences % 2 == 1 and "```" not in last and " " in last and _UNFINISHED.search(last) is not None


def is_open(line: str) -> bool:
    """Whether a line ends inside of a bracket."""
    return line.count("(") > line.count(")") and len(line) > _ENOUGH


def is_elided(value: str | None) -> bool:
    """Whether parts of a value were left out by whoever pasted it, or by the crash reporter."""
    return bool(value) and _ELIDED.search(value or "") is not None
