"""The list after ``tried:``, read by scanning, not by splitting: reasons contain quotes, commas and brackets.

dyld writes ``'path' (reason), 'path' (reason)`` (dyld-1378, dyld/Loader.cpp getLoader()). Neither part is
escaped, so an item ends only at a closing bracket that is followed by what can follow an item.
"""

from __future__ import annotations

import re
from typing import Final

from machochain.model.evidence import Tried
from machochain.model.value import frozen

_PATH_LIMIT: Final = 4096
"""Longest path looked for, characters: four times PATH_MAX of macOS."""
_REASON_LIMIT: Final = 8192
_SUFFIX: Final = re.compile(r", (?:not in|no) dyld cache")
_NEXT: Final = re.compile(r"\s{0,8},\s{0,80}'")
_REASON_STARTS: Final = re.compile(
    r"no such file|not a |errno=|blocked by|stat\(\)|open\(\)|mmap|vm_allocate|file |fat |mach-o|slice |code sign|"
    r"duplicate |relative path|cannot |missing |malformed |segment |section |load command|big endian|unknown|"
    r"unloadable|wrong platform|multiple |too many|incompatible|cpu type|overlapping|found |invalid |__|MH_|LC_|'|\)"
)


@frozen
class TriedList:
    """What a list held.

    Attributes:
        items: The attempts in order.
        end: Where the text goes on behind the list.
        complete: Whether the last item was closed.
        rest: What stands on the same line behind the list, e.g. ``, (security policy does not allow…)``.
    """

    items: tuple[Tried, ...]
    end: int
    complete: bool


_DECIDED: Final = re.compile(
    r"mach-o file, but is an incompatible architecture|fat file, but missing compatible arch|code signature invalid in "
    r"|code signature in [^\n]{1,4096}? not valid for use in process[^:\n]{0,80}: "
    r"(?:mapping process (?:and mapped|is a platform)|mapped file has no|Trying to load an unsigned)"
)
"""Beginnings of what dyld says of a file it found that tell what is wrong with it, though they be cut behind."""
_SAID_LIMIT: Final = 4096


def scan_tried(text: str, start: int = 0) -> TriedList:
    """Read the items of a list that begins at ``start`` (behind ``tried:``).

    An item that is cut inside its path is dropped (a cut path is not a fact); one cut inside its reason
    keeps its path, and the words that already tell what is wrong with the file.
    """
    items: list[Tried] = []
    at = _skip_blanks(text, start)
    if at < len(text) and text[at] in "/.@~\u2026":
        return _unquoted(text, at)
    while at < len(text) and text[at] == "'":
        middle = _path_end(text, at + 1)
        if middle < 0:
            return TriedList(tuple(items), at, complete=False)
        path = text[at + 1 : middle]
        begin = middle + 3
        end, closed = _reason_end(text, begin)
        if not closed:
            said = _DECIDED.match(text, begin)
            items.append(Tried(path, text[begin : begin + _SAID_LIMIT].strip() if said else None))
            return TriedList(tuple(items), len(text), complete=False)
        suffix = _SUFFIX.match(text, end + 1)
        items.append(Tried(path.lstrip(" "), text[begin:end], suffix.group() if suffix else ""))
        at = suffix.end() if suffix else end + 1
        comma = _NEXT.match(text, at)
        if comma is None:
            after = _skip_blanks(text, at)
            open_end = text.startswith(",", after) and not text.startswith(", (", after)
            return TriedList(tuple(items), at, complete=not open_end)
        at = comma.end() - 1
    return TriedList(tuple(items), at, complete=False)


_BARE: Final = re.compile(
    r"(?P<path>[/.@~\u2026][^'\n]{0,4096}?) "
    r"\((?P<why>[^()\n]{1,400}(?:\([^()\n]{0,400}\)[^()\n]{0,200})?)\)(?P<more>, (?=[/.@~\u2026]))?"
)


def _unquoted(text: str, at: int) -> TriedList:
    """Read a list that lost its quotes when it was typed again."""
    items: list[Tried] = []
    while (match := _BARE.match(text, at)) is not None:
        items.append(Tried(match["path"], match["why"]))
        at = match.end()
        if match["more"] is None:
            break
    return TriedList(tuple(items), at, complete=bool(items))


def _skip_blanks(text: str, at: int) -> int:
    while at < len(text) and text[at] in " \t\n":
        at += 1
    return at


def _path_end(text: str, at: int) -> int:
    """Return where the path's closing quote stands (``' (`` follows a path), -1 if the text is cut inside it.

    A path may itself hold ``' (``: the first such place before a reason dyld knows wins, else the first at all.
    """
    first = found = text.find("' (", at, at + _PATH_LIMIT)
    for _ in range(4):
        if found < 0 or _REASON_STARTS.match(text, found + 3):
            break
        found = text.find("' (", found + 3, at + _PATH_LIMIT)
    return found if found >= 0 else first


def _reason_end(text: str, begin: int) -> tuple[int, bool]:
    """Return where the bracket that closes the reason stands, and whether there is one.

    A bracket followed by ``, '`` and a further item closes for certain. Otherwise the first bracket that balances does,
    unless more text of the same line shows that it was inside a quoted path.
    """
    depth = 1
    balanced = -1
    limit = min(len(text), begin + _REASON_LIMIT)
    at = begin
    while at < limit:
        char = text[at]
        if char == "(":
            depth += 1
        elif char == ")":
            depth -= 1
            comma = _NEXT.match(text, at + 1)
            if comma and (depth <= 0 or text.find("' (", comma.end(), comma.end() + _PATH_LIMIT) >= 0):
                return at, True
            if depth <= 0 and balanced < 0:
                balanced = at
                if _closes(text, at + 1):
                    return at, True
        elif char == "\n":
            break
        at += 1
    if balanced >= 0:
        return balanced, True
    last = text.rfind(")", begin, at)
    if last >= 0 and at < limit and last == at - 1:
        return last, True
    if last >= 0 and at == len(text) and not text[last + 1 :].strip() and _unbalanced_quote(text[begin:last]):
        return last, True
    return at, False


def _closes(text: str, at: int) -> bool:
    """Whether what follows a balancing bracket can only stand behind an item."""
    if at >= len(text) or text[at] in "\n,)":
        return True
    return _BEHIND.match(text, at) is not None


_BEHIND: Final = re.compile(
    r"\s{0,4}(?:$|\n|Library not|Symbol not|dyld[\[:]|dlopen\(|\(terminated|\(security|[`\"\]}.;])"
)


def _unbalanced_quote(reason: str) -> bool:
    """Whether a bracket stands inside a quoted name, so that counting brackets cannot work."""
    inside = reason.partition("'")[2].rpartition("'")[0]
    return inside.count("(") > inside.count(")")
