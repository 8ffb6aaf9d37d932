"""A paste -> the lines the Mac printed: what forums, logs, runtimes and JSON put around them is taken off, once.

Only what is recognised is undone: an escape inside a string that holds a message, a prefix two lines share and behind
which a message begins, the bracket a runtime put its inner message in. Everything done is noted with its line.
"""

from __future__ import annotations

import re
from typing import Final

from machochain.diagnosis.inline import boxes, spans, windows
from machochain.diagnosis.languages import in_english
from machochain.diagnosis.paste import Lines, Paste, numbered
from machochain.diagnosis.wrapped import addresses, bars, brackets, broken_heads, escapes, fragments, tails

MOST_PREFIXES: Final = 60_000
"""Pairs of lines looked at for a prefix they share."""
MOST_KNOWN: Final = 300_000
"""Lines looked at for a time stamp or the mark of a runner or a quote; 10 MB of a real log have fewer."""
MOST_SHAPES: Final = 200
"""Different prefixes with numbers that are looked for."""
MOST_FOREIGN: Final = 5_000
"""Lines with letters beside those of ASCII that are looked at for windows of the system."""
_STARTS: Final = re.compile(
    r"(?:\[?\d{1,10}\]? )?(?:dyld(?:\[\d{1,10}\])?: |Library not loaded: |Symbol not found: |dlopen\(|"
    r"dlopen_preflight\(|"
    r"Exception in thread|Traceback \(most|(?:[\w.]+)?(?:ImportError|OSError|LoadError|UnsatisfiedLinkError|Error)\b|"
    r"Can't load |Failed to load |Unable to load |[Cc]ould not load |"
    r"ld(?:64\.lld)?: |clang|error: |warning: |Undefined symbols|objc\[|xcrun: |ERROR|FATAL|PHP Warning|"
    r"\S{1,400}: (?:code object is|replacing existing|rejected|fatal error)|/\S{1,400}/link: running )"
)
"""How lines begin that a common prefix may be taken off from."""
_STARTING_WORDS: Final = (
    "dyld", "not loaded: ", "not found: ", "dlopen", "Exception in thread", "Traceback", "Error", "Can't load",
    "ailed to load", "nable to load", "ould not load", "ld: ", "ld64", "clang", "error: ", "warning: ",
    "Undefined symbols", "objc[", "xcrun: ", "ERROR", "FATAL", "PHP Warning", "code object", "replacing existing",
    "rejected", "link: running",
)  # fmt: skip
"""Words one of which stands in every such line: a text without them is not walked through."""
_FACT_PREFIX: Final = re.compile(
    r"Dyld |(?:dyld|xctest|objc|ruby|node|python\S{0,8})\[|ld: |clang|File \"|CMake|/|ERROR|WARN|error"
    r"|warning|#cgo|In |file "
)
_TAGS: Final = re.compile(r"(?:\[(?=[^\]\n]{0,80}[A-Za-z])[^\]\n]{1,80}\][ \t]{0,8}(?:[>|][ \t]{1,8})?){1,4}")
_STAMP: Final = r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?:Z|\s?[+-]\d\d:?\d\d)?"
_KNOWN: Final = re.compile(
    rf"(?:[ \t]{{0,8}}(?:>[ \t]|>$){{1,6}})?"
    rf"(?:[ \t]{{0,4}}(?:\[{_STAMP}\]|{_STAMP}|\[\d\d:\d\d:\d\d(?:[.,]\d{{1,9}})?\]|\(\d\d:\d\d:\d\d\))[ \t])?"
    r"(?:#\d{1,4} \d{1,6}\.\d{1,4} )?(?:[\w.-]{1,40}[ \t]{1,20}\|[ \t])?(?:\u2502[ \t])?(?:##\[\w{1,12}\])?"
)
_TYPED: Final = re.compile(r"^[ \t>]{0,40}(?:ld|dyld|clang|codesign|lipo|xcrun):(?=[A-Za-z])", re.MULTILINE)
_NOTE: Final = re.compile(r"[ \t]{0,40}= note: ")
_SECOND: Final = re.compile(
    r"(?P<prefix>[^\"\n]{1,160}?)(?:Referenced from: |Expected in: |\"[^\"\n]{1,400}\", referenced from:)"
)
_OWN_PREFIX: Final = re.compile(r"(?:dyld|objc|xctest)\[|dyld: |ld: |clang|File \"|/|In |file ")
_PIECES: Final = re.compile(r"[0-9]+|[ \t]+|[^0-9 \t]+")


def normalise(text: str) -> Paste:
    """Undo what stands around messages.

    Args:
        text: The cleaned text: decoded, without colours and carriage returns.
    """
    held = numbered(text)
    whole_report = text.lstrip()[:1] == "{" and '"termination"' in text
    steps = (
        windows,
        addresses,
        _links,
        _markdown,
        _scripts,
        spans,
        boxes,
        _known_prefixes,
        _speakers,
        _shaped_prefixes,
        _common_prefixes,
        escapes,
        broken_heads,
        bars,
        brackets,
        tails,
        _languages,
    )
    for step in steps:
        if not whole_report:
            step(held)
    fragments(held)
    return Paste("\n".join(held.lines), tuple(held.source), tuple(held.notes), held.prefix)


_LINKED: Final = re.compile(r"(?<=\w)\[(\d{1,3})\]\(https?://[^\s()]{1,400}\)(?=\w)")
"""A number inside of a word of which a log of a browser made a link."""


def _links(held: Lines) -> None:
    """Links inside of a word."""
    for at, line in enumerate(held.lines) if held.has("](http") else ():
        if "](http" in line[:65_536] and (plain := _LINKED.sub(r"\1", line)) != line:
            held.note(at, "links inside of a word were taken off")
            held.lines[at] = plain


def _markdown(held: Lines) -> None:
    """Fences, bold, and one backtick at either end of the text."""
    lines = held.lines
    for at, line in enumerate(lines) if held.has("```", "~~~", "**") else ():
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


_SCRIPT: Final = re.compile(
    r"[^\n]{1,400}?(?P<line>: line \d{1,6}: )"
    r"(?=[^\n]{1,4000}: (?:Bad CPU type|[Cc]annot execute|Permission denied|Operation not permitted))"
)


def _scripts(held: Lines) -> None:
    """The script and its line, which bash puts before what it says of a program it starts: as those of bash."""
    for at, line in enumerate(held.lines) if held.has(": line ") else ():
        match = _SCRIPT.match(line) if ": line " in line[:420] else None
        if match is not None:
            held.lines[at] = f"bash{match['line']}{line[match.end() :]}"


def _known_prefixes(held: Lines) -> None:
    """Time stamps, names of services, marks of runners: shapes that need no second line to be known."""
    looked = 0
    for at, line in enumerate(held.lines):
        if not line or (line[0] not in "0123456789[(#> \t\u2502" and "|" not in line[:48]):
            continue
        looked += 1
        if looked > MOST_KNOWN:
            return
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


def _speakers(held: Lines) -> None:
    """A tool whose name and words were typed without the blank between."""
    if not held.has("ld:", "clang:", "codesign:", "lipo:", "xcrun:", "dyld:"):
        return
    for at, line in enumerate(held.lines) if _TYPED.search(held.text) else ():
        if (match := _TYPED.match(line)) is not None:
            held.lines[at] = f"{line[: match.end()]} {line[match.end() :]}"


def _is_trace(line: str) -> bool:
    """Whether a line is one of fs_usage or the unified log, whose stamp belongs to it."""
    return "stat64" in line or "  open  " in line or "kernel" in line or "CODE SIGNING" in line


def _shaped_prefixes(held: Lines) -> None:
    """A prefix whose numbers alone change from line to line, known from the second line of a message."""
    if not held.has("eferenced from:", "Expected in:"):
        return
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


def _common_prefixes(held: Lines) -> None:
    """A prefix that consecutive lines share, where a message begins behind it."""
    if not held.has(*_STARTING_WORDS):
        return
    lines = held.lines
    at = tries = 0
    while at + 1 < len(lines) and tries < MOST_PREFIXES:
        line, below = lines[at], lines[at + 1]
        if not line or not below or line[0] != below[0] or line[0] in " \t" or line == below or len(line) > 20_000:
            at += 1
            continue
        tries += 1
        prefix = _shared(line, below) or _tagged(line, below)
        if not prefix or _FACT_PREFIX.match(prefix):
            at += 1
            continue
        held.note(at, f"taken off each line: {prefix.strip()!r}")
        held.prefix = held.prefix or prefix
        while at < len(lines) and lines[at].startswith(prefix):
            lines[at] = lines[at][len(prefix) :]
            at += 1


def _tagged(line: str, below: str) -> str:
    """Return the tags in brackets, and the marks, with which a runner begins both lines; ``""`` for none.

    A number alone in brackets is a job's or a process's, and a fact.
    """
    match = _TAGS.match(line)
    if match is None or not below.startswith(match.group().rstrip()) or not any(w in line for w in _STARTING_WORDS):
        return ""
    return match.group().rstrip() + " " if below.startswith(match.group().rstrip() + " ") else ""


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


def _languages(held: Lines) -> None:
    """Gatekeeper's windows in other languages become the English ones."""
    if held.text.isascii():
        return
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
