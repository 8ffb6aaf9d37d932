"""A paste -> the lines the Mac printed: what forums, logs, runtimes and JSON put around them is taken off, once.

Only what is recognised is undone: an escape inside a string that holds a message, a prefix two lines share and behind
which a message begins, the bracket a runtime put its inner message in. Everything done is noted with its line.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Final

from attrs import define, field, frozen

from machochain.diagnosis.languages import in_english

MOST_PREFIXES: Final = 60_000
"""Pairs of lines looked at for a prefix they share."""
MOST_SHAPES: Final = 200
"""Different prefixes with numbers that are looked for."""
MOST_FOREIGN: Final = 5_000
"""Lines with letters beside those of ASCII that are looked at for windows of the system."""
MANY: Final = 300_000
"""Lines from which on runs of empty ones are left out."""
LONGEST_MESSAGE: Final = 65_536
"""Characters of a bracketed inner message that are looked at for its end."""
_STARTS: Final = re.compile(
    r"(?:\[?\d{1,10}\]? )?(?:dyld(?:\[\d{1,10}\])?: |Library not loaded: |Symbol not found: |dlopen\(|"
    r"dlopen_preflight\(|"
    r"Exception in thread|Traceback \(most|(?:[\w.]+)?(?:ImportError|OSError|LoadError|UnsatisfiedLinkError|Error)\b|"
    r"Can't load |Failed to load |Unable to load |[Cc]ould not load |"
    r"ld(?:64\.lld)?: |clang|error: |warning: |Undefined symbols|objc\[|xcrun: |ERROR|FATAL|PHP Warning|"
    r"\S{1,400}: (?:code object is|replacing existing|rejected|fatal error)|/\S{1,400}/link: running )"
)
"""How lines begin that a common prefix may be taken off from."""
_FACT_PREFIX: Final = re.compile(
    r"(?:dyld|xctest|objc|ruby|node|python\S{0,8})\[|ld: |clang|File \"|CMake|/|ERROR|WARN|error|warning|#cgo|In |file "
)
_STAMP: Final = r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?:Z|\s?[+-]\d\d:?\d\d)?"
_KNOWN: Final = re.compile(
    rf"(?:[ \t]{{0,8}}(?:>[ \t]|>$){{1,6}})?"
    rf"(?:[ \t]{{0,4}}(?:\[{_STAMP}\]|{_STAMP}|\[\d\d:\d\d:\d\d(?:[.,]\d{{1,9}})?\]|\(\d\d:\d\d:\d\d\))[ \t])?"
    r"(?:#\d{1,4} \d{1,6}\.\d{1,4} )?(?:[\w.-]{1,40}[ \t]{1,20}\|[ \t])?(?:\u2502[ \t])?(?:##\[\w{1,12}\])?"
)
_NOTE: Final = re.compile(r"[ \t]{0,40}= note: ")
_SECOND: Final = re.compile(
    r"(?P<prefix>[^\"\n]{1,160}?)(?:Referenced from: |Expected in: |\"[^\"\n]{1,400}\", referenced from:)"
)
_OWN_PREFIX: Final = re.compile(r"(?:dyld|objc|xctest)\[|dyld: |ld: |clang|File \"|/|In |file ")
_PIECES: Final = re.compile(r"[0-9]+|[ \t]+|[^0-9 \t]+")
_KEYS: Final = r"(?:Referenced from:|Expected in:|Expected as weak|Reason:|in [/.@]|dyld[\[:]|tried:)"
_ESCAPED: Final = re.compile(
    rf"\\n(?:\\t|\s){{0,8}}{_KEYS}|Did find:\\n|Did find: \\n|tried: \\['\"]"
    rf"|dlopen\([^\n]{{1,2000}}\\['\"n]|Failed to load NIF library: \\'"
    r"|\\n(?:clang|ld|collect2)(?:\+\+)?: |Undefined symbols for architecture \w{1,20}:\\n|\\nIn subcomponent: "
)
_ESCAPE: Final = re.compile(r"\\(u[0-9a-fA-F]{4}|.)")
_CHARS: Final = {"n": "\n", "t": "\t", "r": ""}
_ANCHOR: Final = re.compile(
    r"Failed to load NIF library:|dlopen\(|Library not loaded:|Symbol not found:"
    r"|dyld(?:\[\d{1,10}\])?: |tried: |Unable to load dynamic|Undefined symbols for|\bld: |: code object is"
)
_TAILS: Final[tuple[tuple[str, re.Pattern[str]], ...]] = (
    ("in Unknown on line", re.compile(r" in Unknown on line \d{1,6}[ \t`]*$")),
    (".php on line", re.compile(r" in /[^\n]{1,1024}\.php on line \d{1,6}[ \t`]*$")),
    ("(LoadError)", re.compile(r"[ \t]*\(LoadError\)[ \t`]*$")),
    ("'\"}}", re.compile(r"'['\"]\}\}[^\n]{0,40}$")),
    (" line ", re.compile(r"(?<=[)\w]) at /[^\n]{1,1024} line \d{1,8}\.[ \t]*$")),
    ("(terminated at launch", re.compile(r"[ \t]*\(terminated at launch; ignore backtrace\)[ \t]*$")),
)
_RUBY_TAIL: Final = re.compile(r" - (?P<path>[^\n]{1,4096}?)[ \t`]*$")
_NSERROR: Final = re.compile(r", (?:NSBundlePath|NSLocalized\w{1,40}|NSFilePath|NSUnderlyingError)=[^\n]*$")
_OPEN: Final = re.compile(r"\((?=dlopen(?:_preflight)?\()")
_BRACKET: Final = re.compile(r"[()]")
_REASONS: Final = re.compile(r'"reasons"\s{0,8}:\s{0,8}\[')
_STATED: Final = re.compile(r'"(?P<key>namespace|indicator|code)"\s{0,8}:\s{0,8}(?P<value>"[^"\n]{0,200}"|\d{1,10})')
_RULE: Final = re.compile(r"[\u2500-\u257f\s]{4,400}$")


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
class _Lines:
    """Lines with the number each had; notes on what was changed."""

    lines: list[str]
    source: list[int]
    notes: list[Note] = field(factory=list)
    prefix: str = ""

    def note(self, at: int, what: str) -> None:
        if len(self.notes) < 10_000:
            self.notes.append(Note(self.source[at], what))

    def replace(self, at: int, parts: list[str]) -> None:
        self.lines[at : at + 1] = parts
        self.source[at : at + 1] = [self.source[at]] * len(parts)


def normalise(text: str) -> Paste:
    """Undo what stands around messages.

    Args:
        text: The cleaned text: decoded, without colours and carriage returns.
    """
    held = _numbered(text.split("\n"))
    whole_report = text.lstrip()[:1] == "{" and '"termination"' in text
    steps = (_markdown, _known_prefixes, _shaped_prefixes, _common_prefixes, _escapes, _brackets, _tails, _languages)
    for step in steps:
        if not whole_report:
            step(held)
    _fragments(held)
    return Paste("\n".join(held.lines), tuple(held.source), tuple(held.notes), held.prefix)


def _numbered(lines: list[str]) -> _Lines:
    """Give each line its number; of a very long text's empty lines only the first of each run is kept."""
    if len(lines) > 3 and not any(map(str.strip, lines[1::2])) and all(map(str.strip, lines[:-1:2])):
        return _Lines(lines[::2], list(range(1, len(lines) + 1, 2)))  # a blank line after each
    if len(lines) <= MANY:
        return _Lines(lines, list(range(1, len(lines) + 1)))
    kept = _Lines([], [])
    before = True
    for number, line in enumerate(lines, 1):
        if line or before:
            kept.lines.append(line)
            kept.source.append(number)
        before = bool(line)
    return kept


def _markdown(held: _Lines) -> None:
    """Fences, bold, and one backtick at either end of the text."""
    lines = held.lines
    for at, line in enumerate(lines):
        if line[:1] in "`~*" or line[:4].strip()[:3] == "```":
            stripped = line.strip()
            if stripped.startswith(("```", "~~~")) and len(stripped) < 24:
                lines[at] = ""
            elif stripped.startswith("```"):
                lines[at] = stripped.strip("`")
            elif stripped.startswith("**"):
                lines[at] = stripped.removeprefix("**").removesuffix("**")
        elif line.endswith("**") and len(line) > 2:
            lines[at] = line[:-2]
        elif line.endswith("```") and len(line) > 3:
            lines[at] = line[:-3]
    first = next((i for i, line in enumerate(lines) if line.strip()), None)
    if first is None:
        return
    last = next(i for i in range(len(lines) - 1, -1, -1) if lines[i].strip())
    if lines[first].startswith("`") and lines[first].count("`") % 2:
        lines[first] = lines[first][1:]
    if lines[last].endswith("`") and lines[last].count("`") % 2:
        lines[last] = lines[last][:-1]


def _known_prefixes(held: _Lines) -> None:
    """Time stamps, names of services, marks of runners: shapes that need no second line to be known."""
    for at, line in enumerate(held.lines):
        if not line or (line[0] not in "0123456789[(#> \t\u2502" and "|" not in line[:48]):
            continue
        match = _KNOWN.match(line)
        if match is not None and match.end() and not _is_trace(line):
            rest = line[match.end() :]
            if rest.endswith(" \u2502"):
                rest = rest.rstrip("\u2502 ")
            if match.group().strip(" \t>"):
                held.note(
                    at,
                    f"taken off each line: {match.group().strip()!r}"
                    if "|" in match.group()
                    else "time stamps and marks of a log taken off",
                )
            held.lines[at] = rest
        elif (note := _NOTE.match(held.lines[at])) is not None:
            held.lines[at] = held.lines[at][note.end() :]


def _is_trace(line: str) -> bool:
    """Whether a line is one of fs_usage or the unified log, whose stamp belongs to it."""
    return "stat64" in line or "  open  " in line or "kernel" in line or "CODE SIGNING" in line


def _shaped_prefixes(held: _Lines) -> None:
    """A prefix whose numbers alone change from line to line, known from the second line of a message."""
    lines, shapes = held.lines, dict[str, re.Pattern[str]]()
    for at in range(1, len(lines)):
        line = lines[at]
        if "eferenced from:" not in line and "Expected in:" not in line:
            continue
        match = _SECOND.match(line)
        if match is None or not (prefix := match["prefix"].rstrip()) or _OWN_PREFIX.match(prefix.lstrip()):
            continue
        pattern = "".join(_piece(p) for p in _PIECES.findall(prefix)) + "(?: |\\t)?"
        if pattern not in shapes and len(shapes) == MOST_SHAPES:
            continue
        shape = shapes[pattern] = shapes.get(pattern) or re.compile(pattern)
        first, last = at, at
        while first > 0 and at - first < 40 and shape.match(lines[first - 1]):
            first -= 1
        if first == at:
            continue
        while last + 1 < len(lines) and last - at < 2000 and shape.match(lines[last + 1]):
            last += 1
        held.note(first, f"taken off each line: {prefix.strip()!r}, with other numbers")
        for each in range(first, last + 1):
            taken = shape.match(lines[each])
            lines[each] = lines[each][taken.end() if taken else 0 :]


def _piece(text: str) -> str:
    """Return what stands for a piece of a prefix in the prefixes of other lines."""
    if text.isdigit():
        return r"\d{1,24}"
    return r"[ \t]{0,24}" if text.isspace() else re.escape(text)


def _common_prefixes(held: _Lines) -> None:
    """A prefix that consecutive lines share, where a message begins behind it."""
    lines = held.lines
    at = tries = 0
    while at + 1 < len(lines) and tries < MOST_PREFIXES:
        line, below = lines[at], lines[at + 1]
        if not line or not below or line[0] != below[0] or line[0] in " \t" or line == below or len(line) > 20_000:
            at += 1
            continue
        tries += 1
        prefix = _shared(line, below)
        if not prefix or _FACT_PREFIX.match(prefix) or not _STARTS.match(line[len(prefix) :]):
            at += 1
            continue
        held.note(at, f"taken off each line: {prefix.strip()!r}")
        held.prefix = held.prefix or prefix
        while at < len(lines) and lines[at].startswith(prefix):
            lines[at] = lines[at][len(prefix) :]
            at += 1


def _shared(line: str, below: str) -> str:
    """Return what both begin with, up to a blank behind a word; ``""`` for nothing of use."""
    low, high = 0, min(len(line), len(below), 120)
    while low < high:
        middle = (low + high + 1) // 2
        if line[:middle] == below[:middle]:
            low = middle
        else:
            high = middle - 1
    size = low
    cut = line[:size].rfind(" ") + 1
    while cut > 0:
        prefix = line[:cut]
        if len(prefix.strip()) < 2 or "/" in prefix.split("[")[0]:
            return ""
        if _STARTS.match(line[cut:]):
            return prefix
        cut = line[: cut - 1].rfind(" ") + 1
    return ""


def _escapes(held: _Lines) -> None:
    """One layer of escapes, inside a string that holds a message."""
    at = 0
    while at < len(held.lines):
        line = held.lines[at]
        if "\\" not in line or len(line) > 1 << 20 or not _ESCAPED.search(line):
            at += 1
            continue
        anchor = _ANCHOR.search(line)
        begin = anchor.start() if anchor else 0
        end = _string_end(line, begin)
        inner = _ESCAPE.sub(_unescaped, line[begin:end])
        if line[begin - 1 : begin] == "'" or inner.startswith("Failed to load NIF library: '"):
            inner = inner.removesuffix("'")
        parts = (line[:begin] + inner).split("\n")
        rest = line[end:].lstrip("\"'}{),;] ")
        held.note(at, "escapes of a string undone")
        if rest:
            parts.append(rest)
        held.replace(at, parts)
        at += len(parts)


def _unescaped(match: re.Match[str]) -> str:
    char = match[1]
    if len(char) == 5 and char[0] == "u":
        return chr(int(char[1:], 16)) if not 0xD800 <= int(char[1:], 16) < 0xE000 else "\ufffd"
    return _CHARS.get(char, char)


def _string_end(line: str, begin: int) -> int:
    """Return where the string ends that an offset lies in: at its quote, unless that is escaped."""
    before = line[:begin]
    quote = ""
    if _open_quotes(before, '"'):
        quote = '"'
    elif before.endswith("'") and "\\'" in line[begin:]:
        quote = "'"
    if not quote:
        return len(line)
    at = begin
    while at < len(line):
        if line[at] == "\\":
            at += 2
            continue
        if line[at] == quote:
            return at
        at += 1
    return len(line)


def _open_quotes(text: str, quote: str) -> bool:
    return (text.count(quote) - text.count("\\" + quote)) % 2 == 1


def _brackets(held: _Lines) -> None:
    """``(dlopen(…): …)``: the bracket belongs to the runtime, what is inside is dyld's."""
    at = 0
    for _ in range(2_000):
        found = next(
            (
                (i, m)
                for i in range(at, len(held.lines))
                if "(dlopen" in held.lines[i] and (m := _OPEN.search(held.lines[i]))
            ),
            None,
        )
        if found is None:
            return
        at, match = found
        close = _closing(held.lines, at, match.end())
        if close is None:
            at += 1
            continue
        row, column = close
        line = held.lines[row]
        after = line[column + 1 :].strip(" .,;)\"'")
        if row == at:
            inner = line[match.end() : column]
            parts = [line[: match.start()].rstrip(), inner]
        else:
            inner = line[:column]
            parts = [inner]
        probe = re.match(r"dlopen\([^\n]{1,4096}?\.so\.so,", inner if row == at else held.lines[at][match.end() :])
        if probe is not None:
            parts = parts[:-1]
            held.note(at, "the second spelling PHP tried is left out")
        held.replace(row, parts + ([after] if after else []))
        if row != at:
            first = held.lines[at]
            held.replace(at, [first[: match.start()].rstrip(), first[match.end() :]])
        at += 1


def _closing(lines: list[str], row: int, column: int) -> tuple[int, int] | None:
    """Return where the bracket closes that was opened before a place; None if the text ends before."""
    depth, seen = 1, 0
    for at in range(row, min(len(lines), row + 400)):
        start = column if at == row else 0
        for match in _BRACKET.finditer(lines[at], start, start + LONGEST_MESSAGE):
            depth += 1 if match.group() == "(" else -1
            if depth == 0:
                return at, match.start()
        seen += len(lines[at])
        if seen > LONGEST_MESSAGE:
            return None
    return None


def _tails(held: _Lines) -> None:
    """What runtimes put behind dyld's words."""
    paths: list[str] = []
    ruby = False
    for at, line in enumerate(held.lines):
        if len(line) > LONGEST_MESSAGE:
            continue
        for mark, pattern in _TAILS:
            if mark in line and (match := pattern.search(line)):
                ruby = ruby or mark == "(LoadError)"
                line = line[: match.start()]  # noqa: PLW2901
                held.note(at, "the words a runtime adds at the end are taken off")
        if "LoadError" in line:
            ruby = True
        if "dlopen(" in line:
            paths = [*paths[-20:], *re.findall(r"dlopen\(([^\n]{1,4096}?), (?:0x)?[0-9A-Fa-f]{1,8}\)", line[:9000])]
        if (
            " - " in line
            and (ruby or "Did find" in held.lines[max(0, at - 3)] or "dlopen" in line)
            and (match := _RUBY_TAIL.search(line))
        ):
            named = match["path"].strip("'\"")
            if named in paths:
                line = line[: match.start()]  # noqa: PLW2901
        if ", NS" in line and (match := _NSERROR.search(line)):
            line = line[: match.start()]  # noqa: PLW2901
        held.lines[at] = line


def _languages(held: _Lines) -> None:
    """Gatekeeper's windows in other languages become the English ones."""
    looked = 0
    for at, line in enumerate(held.lines):
        if line.isascii():
            continue
        looked += 1
        if looked > MOST_FOREIGN:
            return
        if (found := in_english(line)) is not None:
            held.lines[at] = found[1]
            held.note(at, f"read from the {found[0]} words of the system")


def _fragments(held: _Lines) -> None:
    """Keys of a crash report in JSON whose object is not whole: the reasons become the lines they are made of."""
    first = next((line.strip() for line in held.lines if line.strip()), "")
    if first.startswith("{"):
        return
    for at, line in enumerate(held.lines):
        match = _REASONS.search(line) if '"reasons"' in line else None
        if match is None:
            continue
        around = "\n".join(held.lines[max(0, at - 8) : at + 1])[:20_000]
        stated = {m["key"]: m["value"].strip('"') for m in _STATED.finditer(around)}
        text = "\n".join(held.lines[at : at + 40])[match.end() : match.end() + LONGEST_MESSAGE]
        reasons = list(_strings(text))
        if reasons and stated.get("namespace", "DYLD") == "DYLD":
            held.note(at, "read from the JSON of a crash report")
            head = f"Termination Reason: Namespace DYLD, Code {stated.get('code', '0')} {stated.get('indicator', '')}"
            held.replace(at, [line[: match.start()], head.rstrip(), *reasons])
        return


def _strings(text: str) -> Iterator[str]:
    decode: Callable[[str, int], tuple[str, int]] = json.decoder.scanstring  # type: ignore[attr-defined]
    at = 0
    for _ in range(64):
        while at < len(text) and text[at] in " \t\n,":
            at += 1
        if at >= len(text) or text[at] != '"':
            return
        try:
            value, at = decode(text, at + 1)
        except ValueError:
            yield text[at + 1 :].partition("\n")[0].replace("\\/", "/")
            return
        yield from (part for part in value.split("\n") if part.strip() and "terminated at launch" not in part)
