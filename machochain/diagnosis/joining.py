"""One message out of a paste: where it ends, and which line breaks are dyld's and which a terminal or a mail put in."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Final

from machochain.diagnosis.text import line_prefix
from machochain.model.value import define, frozen

MAX_MESSAGE: Final = 65536
"""Longest message read, characters; dyld's own buffers are far smaller."""
MAX_LINES: Final = 1000
_MAX_ITEM: Final = 8192
"""Longest attempt of a list, path and reason together, characters."""
_COMMON_WIDTHS: Final = frozenset({72, 76, 78, 79, 80, 100, 120, 132, 160})

KEY: Final = re.compile(
    r"(?:Referenced\s{1,3}from:|Expected\s{1,3}in:|Expected as weak-def export from some loaded dylib|Reason:)"
)
_KEY_LINE: Final = re.compile(
    r"\s*(?:Referenced from:|Expected in:|Expected as weak-def|Reason:|in (?:/|\.\.\.|<|\[|~|\w))"
)
_DLOPEN_HEADER: Final = re.compile(r",\s{0,24}(?:0[xX][0-9A-Fa-f]{1,8}|\d{1,5})\):")
_FULL_LINE: Final = 60
"""A line shorter than this was hardly broken by a terminal or a mail program."""
_NOISE: Final = re.compile(
    r"\s*(?:zsh:|bash:|sh:|fish:|Abort trap|Trace/BPT|Killed|SIGABRT|signal:|"
    r"exit status|FAIL\b|ok\s|\[\d+\]\s|Traceback|"
    r"[$%#] |make(?:\[\d+\])?:|```|\(terminated at launch|[A-Z]\w*Error\b|Error:|error:|at [\w.$<>/@-]+\(|Caused by"
    r"|Stderr|Press |Exception |Thread \d|Binary Images|Dyld Error|Backtrace|Application Specific|Triggered by"
    r"|Termination |VM Region|Crashed Thread|</?(?:details|summary|pre|code|p|div|br|li)\b|During handling|File \")"
)
_PHRASES: Final = (
    "tried: '",
    "Library not loaded:",
    "Symbol not found:",
    "symbol not found in flat namespace",
    "image not found",
    "no suitable image found.  Did find:",
    "no suitable image found. Did find:",
    "no LC_RPATH's found",
    "no LC_RPATH's used.  They may be invalid, eg, not start with '@loader_path' or '@executable_path'",
)
_UNFINISHED: Final = (
    ("Incompatible library version", re.compile(r"provides version \d+\.\d+\.\d+")),
    ("unsafe use of", re.compile(r"with restricted binary")),
    ("symbol not found in flat namespace", re.compile(r"namespace\s+(?:'[^']+'|\([^)]+\))")),
    ("weak-def symbol not found", re.compile(r"found\s+(?:'[^']+'|\([^)]+\))")),
)


@frozen
class Joined:
    """A message as one text.

    Attributes:
        text: With dyld's own line breaks only.
        end: Offset behind its last character in the source.
        guessed: Whether a break was taken out by guess.
        at_end: Whether the source ends with the message.
    """

    text: str
    end: int
    guessed: bool
    at_end: bool


@define
class _Piece:
    """One line of the source: its text, its length on the screen, and whether dyld began a line here."""

    text: str
    width: int
    structural: bool


def join(source: str, start: int, end: int, prefix: str) -> Joined:
    """Collect the message that begins at ``start`` and ends before ``end`` at the latest.

    Args:
        source: The cleaned text.
        start: Where the message proper begins.
        end: Where the next message begins.
        prefix: What stands before the message on its first line, as far as later lines may repeat it.
    """
    limit = min(end, start + MAX_MESSAGE)
    bol = source.rfind("\n", max(0, start - 4096), start) + 1
    stop = _eol(source, start, limit)
    pieces = [_Piece(source[start:stop], stop - bol, structural=True)]
    state = _State(pieces[0].text)
    while stop < limit and source[stop] == "\n" and len(pieces) < MAX_LINES:
        begin = stop + 1
        eol = _eol(source, begin, limit)
        line = _strip(source[begin:eol], prefix)
        if not line.strip():
            after = _eol(source, eol + 1, limit) if eol < limit else eol
            follower = _strip(source[eol + 1 : after], prefix)
            if not (_KEY_LINE.match(follower) and not state.done):
                break
            stop = eol
            continue
        keyed = _KEY_LINE.match(line) is not None
        if keyed and not state.takes_key(line) and not line.lstrip().startswith("in "):
            break
        if (keyed and state.takes_key(line)) or state.takes_item(line):
            pieces.append(_Piece(line.strip(), eol - begin, structural=True))
            state.add("\n" + line.strip())
        elif not _NOISE.match(line) and state.unfinished(source, eol, limit, line, pieces[-1].width):
            pieces.append(_Piece(line, eol - begin, structural=False))
            state.add(_provisional(pieces[-2], line))
        else:
            break
        stop = eol
    text, guessed = _glue(pieces)
    return Joined(text, stop, guessed, at_end=stop >= len(source.rstrip()) if stop + 64 > len(source) else False)


def _provisional(above: _Piece, line: str) -> str:
    """Return the next line as it most likely continues the one above, while the width is not known yet."""
    if above.width in _COMMON_WIDTHS and not line.startswith("  "):
        return line
    return line.strip() if above.text.endswith(")") and line.lstrip().startswith(",") else " " + line.strip()


def _eol(source: str, at: int, limit: int) -> int:
    found = source.find("\n", at, limit)
    return limit if found < 0 else found


def _strip(line: str, prefix: str) -> str:
    """Take off what a log or a quote put before the line."""
    if prefix.strip() and line.startswith(prefix):
        return line[len(prefix) :]
    return line[len(line_prefix(line)) :]


class _State:
    """How far the message has come."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.item = 0
        self._advance(0)

    def add(self, more: str) -> None:
        before = len(self.text)
        self.text += more
        self._advance(before)

    def _advance(self, before: int) -> None:
        """Find where the last item of a tried list begins; only the new text is looked at."""
        listed = self.text.rfind("tried:", max(0, before - 8))
        if listed >= 0 and not self.item:
            self.item = listed + 6
        for separator in ("), '", "),'"):
            comma = self.text.rfind(separator, max(self.item, before - 4))
            if comma >= 0:
                self.item = max(self.item, comma + 2)

    @property
    def done(self) -> bool:
        """Whether a tried list has been completed: nothing of the message follows it."""
        return bool(self.item) and not self._list_open()

    def _list_open(self) -> bool:
        if len(self.text) - self.item > _MAX_ITEM:
            return False
        tail = self.text[self.item :].rstrip()
        if not tail or tail.endswith(","):
            return True
        middle = tail.find("' (")
        return middle < 0 or tail.count("(", middle) > tail.count(")", middle)

    def takes_key(self, line: str) -> bool:
        """Whether a line that begins with one of dyld's keys belongs to this message."""
        word = line.split(maxsplit=1)[0]
        if word == "in":
            return "Expected in:" in self.text or self.text.startswith(
                ("duplicate ", "missing ", "__", "segment", "load")
            )
        if self.item and word != "Expected":
            return False
        return line.strip()[:14] not in self.text

    def takes_item(self, line: str) -> bool:
        """Whether a line is one of the candidates under ``Did find:``."""
        found = self.text.find("Did find:")
        if found < 0:
            return False
        return bool(_CANDIDATE.match(line)) and not _NOISE.match(line) and not _OF_A_TRACE.match(line)

    def unfinished(self, source: str, eol: int, limit: int, line: str, width: int) -> bool:  # noqa: PLR0911  # one answer a case
        """Whether the text so far cannot be all, so that ``line`` is the rest of a broken line."""
        if _TRACE_BEGINS.match(line):
            return False
        if self.item:
            return self._list_open() or line.lstrip().startswith(", '")
        text = self.text
        if text.startswith("dlopen("):
            header = _DLOPEN_HEADER.search(text, 0, 4400)
            if header is None:
                return "\n" not in text and len(text) < 4096
            text = text[header.end() :].strip()
        if _SAID.search(text[-400:]):
            return text.endswith("blocked open()") and line.lstrip().startswith("of ")
        if "Did find:" in text:
            return width >= _FULL_LINE or text.endswith((" of", "()"))
        if text.startswith(("terminating", "could not load inserted")):
            return len(text) < 4096
        tail = text.rpartition("\n")[2]
        keys = [*KEY.finditer(tail)]
        value = tail[keys[-1].end() :].strip() if keys else tail
        if not value or value.endswith(("failed:", "because", "loaded:", "found:", ">")):
            return True
        if keys and keys[-1].group() == "Reason:":
            return _reason_open(value)
        if any(value.startswith(head) for head, _ in _UNFINISHED):
            return _reason_open(value)
        if not text.startswith(("Library", "Symbol", "lazy")):
            return _reason_open(value)
        return _key_follows(source, eol, limit) or _looks_broken(value, line, width)


_OF_A_TRACE: Final = re.compile(r"\s*(?:\[C\]: |(?:\.\.\.)?\S*\.\w{1,5}:\d+: in )")
"""Lines of a trace that have a file and a colon, as Lua prints them."""
_TRACE_BEGINS: Final = re.compile(
    r"\s*(?:stack traceback:|Traceback \(most recent|During handling of|The above exception|Caused by:|STATEMENT: )"
)
_SAID: Final = re.compile(
    r"(?:: not a file|(?:stat|open)\(\) failed with errno=\d+|blocked (?:stat|open)\(\)"
    r"|but wrong (?:architecture|filetype)|no matching architecture in universal wrapper"
    r"|load command 0x[0-9A-Fa-f]+(?: is unknown\))?|file too short|first eight bytes:(?: 0x[0-9A-Fa-f]{2}){8}"
    r"|but not built for [\w ]{2,20}|: image not found|adhoc\?\)|ad-hoc signed\.|different Team IDs|by system policy"
    r"|(?:mmap\(\) of|signature invalid for) '[^'\n]+')\s*$"
)
"""How what dyld says of a file ends: a line below is not its rest."""
_CANDIDATE: Final = re.compile(r"\s*file system (?:relative|sandbox)|\s+/|(?:\s+\S|/)[^\n]{0,2000}?: ")


def _reason_open(body: str) -> bool:
    if any(phrase.startswith(body) and phrase != body for phrase in _PHRASES):
        return True
    return any(body.startswith(head) and whole.search(body) is None for head, whole in _UNFINISHED)


def _key_follows(source: str, at: int, limit: int) -> bool:
    """Whether one of dyld's keys stands on one of the next lines: then what lies between is a broken line."""
    found = KEY.search(source, at, min(limit, at + 600))
    return found is not None and "\n\n" not in source[at : found.start()]


def _looks_broken(value: str, line: str, width: int) -> bool:
    """Whether the last field of a message goes on: only if its line was full and the rest looks like a path."""
    if width not in _COMMON_WIDTHS or " " in line.strip():
        return False
    return "/" in value and ("/" in line or "." in line)


def _glue(pieces: list[_Piece]) -> tuple[str, bool]:
    """Put the lines together: dyld's breaks stay, a hard wrap vanishes, a soft wrap becomes its blank again."""
    broken = [above.width for above, below in pairwise(pieces) if not below.structural]
    if not broken:
        return "\n".join(p.text for p in pieces), False
    width = max(broken)
    wrap = _Wrap(
        width,
        hard=min(broken) >= width - 1 and (len(broken) > 2 or width in _COMMON_WIDTHS),
        lone=len(broken) < 3,
        filled=broken.count(width) > 1,
        whole="\n".join(p.text for p in pieces),
    )
    parts = [pieces[0].text]
    for above, below in pairwise(pieces):
        parts.append("\n" + below.text if below.structural else wrap.seam(parts[-1], below.text, above.width))
    return "".join(parts), True


@frozen
class _Wrap:
    """How the lines of one message were broken.

    Attributes:
        width: Length of the longest broken line.
        hard: Whether all were cut at one column, in the middle of words.
        lone: Whether there are so few breaks that the column cannot be told.
        filled: Whether several lines have the full width.
        whole: The message with its breaks, to see which spelling of a name occurs elsewhere in it.
    """

    width: int
    hard: bool
    lone: bool
    filled: bool
    whole: str

    def seam(self, above: str, below: str, length: int) -> str:
        """Return the next line with the blank in front that the break stands for."""
        text = below.strip()
        ended, begun = above.rstrip().rpartition(" ")[2], text.partition(" ")[0]
        if above[-1:] == " " or (text[:1] == "/" and _OPEN_PATH.search(above)):
            return text
        known = self._known(above, text)
        if known is not None and (self.lone or not self.hard):
            return known + text
        if self.hard and not (self.lone and _word(ended) and not _word(ended + begun)):
            kept = below if len(below) - len(below.lstrip()) < 2 else text
            return kept if length == self.width or kept[:1] == " " else " " + kept
        if text.startswith((")", ",")) or (_word(ended + begun) and not (_word(ended) and _word(begun))):
            return text
        if text.startswith("(") or ended.endswith((",", ":")):
            return " " + text
        if ended.endswith(("-", "/")):
            return text
        if self.filled and length == self.width and len(ended) + len(begun) > self.width:
            return text
        cut_path = "/" in ended and not ended.endswith((")", "'")) and not text.startswith("'")
        return text if self.lone and length >= _FULL_LINE and cut_path else " " + text

    def _known(self, above: str, text: str) -> str | None:
        """Return the joint that makes a name of a path which stands elsewhere in the message too; None for neither."""
        left = above.rstrip()[-200:].rpartition("/")[2]
        right = re.split(r"['/(),]", text[:200], maxsplit=1)[0].strip()
        if not left or not right or "'" in left or len(left) + len(right) < 6:
            return None
        for joint in ("", " "):
            if left + joint + right in self.whole:
                return joint
        return None


_OPEN_PATH: Final = re.compile(r"['(]/[^'()\n]{1,4096}$")
"""A path in quotes or brackets that is not at its end yet."""


def _word(text: str) -> bool:
    return text.strip("',:.()").lower() in _WORDS


_WORDS: Final = frozenset(
    {
        "a", "adhoc", "an", "architecture", "be", "because", "built", "but", "by", "code", "compatible",
        "could", "custom", "different", "file", "for", "found", "from", "get", "has", "have", "image", "in",
        "incompatible", "is", "load", "loaded", "mac", "mach-o", "mapped", "mapping", "missing", "namespace",
        "need", "newer", "no", "not", "of", "or", "os", "platform", "process", "provides", "referenced",
        "required", "requires", "running", "searched", "signature", "signed", "such", "team", "than", "to",
        "tried", "use", "using", "valid", "version", "was", "which", "with", "x",
    }
)  # fmt: skip
