"""What runtimes put around a message and inside of it: escapes of a string, brackets, words behind it, JSON.

Every step is done once, and only where a message is recognised inside.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Final
from urllib.parse import unquote_plus

from machochain.diagnosis.paste import Lines

LONGEST_MESSAGE: Final = 65_536
"""Characters of a bracketed inner message that are looked at for its end."""
MOST_PIECES: Final = 60
"""Lines a terminal breaks one string into."""
_KEYS: Final = r"(?:Referenced from:|Expected in:|Expected as weak|Reason:|in [/.@]|dyld[\[:]|tried:)"
_ESCAPED: Final = re.compile(
    rf"\\n(?:\\t|\s){{0,8}}{_KEYS}|Did find:\\n|Did find: \\n|tried: \\['\"]"
    rf"|dlopen\([^\n]{{1,2000}}\\['\"n]|Failed to load NIF library: \\'"
    r"|\\n(?:clang|ld|collect2)(?:\+\+)?: |Undefined symbols for architecture \w{1,20}:\\n|\\nIn subcomponent: "
)
_QUERY: Final = re.compile(r"https?://[^\s?]{1,400}\?(?:[^\s&]{1,400}&)?\w{1,40}=(?P<text>[^\s&]{20,20000})")
_ESCAPE: Final = re.compile(r"\\(u[0-9a-fA-F]{4}|.)")
_WRITTEN_END: Final = re.compile(
    rf"(?:Library not loaded:|Symbol not found:|{_KEYS})[^\n]{{1,4096}}(?<!\\)\\n[ \t]{{0,40}}$"
)
"""A line of dyld whose break is written out, and is there as well."""
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
_TEXT_KEYS: Final = ('"msg"', '"message"', '"log"', '"text"', '"error"', '"line"')
"""What loggers call the text of a line."""
_ANSWERS: Final = frozenset({"id", "status", "issues", "namespace", "code", "termination", "severity"})
"""What objects have that are answers of services or reports themselves."""
_REASONS: Final = re.compile(r'"reasons"\s{0,8}:\s{0,8}\[')
_STATED: Final = re.compile(r'"(?P<key>namespace|indicator|code)"\s{0,8}:\s{0,8}(?P<value>"[^"\n]{0,200}"|\d{1,10})')


def addresses(held: Lines) -> None:
    """A message inside of a web address, as tools that offer a search print it."""
    if not held.has("%3A", "%3a"):
        return
    for at, line in enumerate(held.lines):
        match = _QUERY.search(line) if "%" in line and len(line) < LONGEST_MESSAGE else None
        if match is not None and _ANCHOR.search(text := unquote_plus(match["text"])):
            held.note(at, "a message inside of an address was decoded")
            held.replace(at, text.split("\n"))


def broken_heads(held: Lines) -> None:
    """``Library not loaded`` whose colon stands on the next line."""
    if not held.has("not loaded\n", "not found\n", "not loaded\\n:", "not found\\n:"):
        return
    for at in range(len(held.lines) - 1, 0, -1):
        below = held.lines[at].lstrip(" \t")
        if below[:2] == ": " and held.lines[at - 1].endswith(("Library not loaded", "Symbol not found")):
            held.lines[at - 1 : at + 1] = [held.lines[at - 1] + below]
            del held.source[at]


def escapes(held: Lines) -> None:
    """One layer of escapes, inside a string that holds a message."""
    if held.has("\\", *_TEXT_KEYS):
        _objects(held)
    if not held.has("\\"):
        return
    for at, line in enumerate(held.lines) if held.has("\\n\n", "\\n ") else ():
        if _WRITTEN_END.search(line[-4200:]):
            held.note(at, "escapes of a string undone")
            held.lines[at] = line.rstrip()[:-2]
    at = 0
    while at < len(held.lines):
        line = held.lines[at]
        if "\\" not in line or len(line) > 1 << 20 or not _ESCAPED.search(line):
            at += 1
            continue
        anchor = _ANCHOR.search(line)
        begin = anchor.start() if anchor else 0
        line = _unbroken(held, at, begin)
        end = _string_end(line, begin) or len(line)
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


def _objects(held: Lines) -> None:
    """Lines of a log that are objects of JSON: the text one of their values is."""
    at = 0
    while at < len(held.lines):
        line = held.lines[at].strip()
        inner = ""
        if line[:1] == "{" and line[-1:] == "}" and len(line) <= LONGEST_MESSAGE:
            inner = _text_of(line)
        if inner:
            held.note(at, "read from an object of JSON")
            held.replace(at, inner.split("\n"))
        at += inner.count("\n") + 1


def _text_of(line: str) -> str:
    """Return the one value of an object that is a text of several lines, or called a message; ``""`` for none."""
    if "\\n" not in line and not any(key in line for key in _TEXT_KEYS):
        return ""
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return ""
    values = found.values() if isinstance(found, dict) else ()
    texts = [v for v in values if isinstance(v, str) and ("\n" in v or "\\" in v)]
    if not texts and isinstance(found, dict) and not _ANSWERS & found.keys():
        texts = [v for key in _TEXT_KEYS if isinstance(v := found.get(key.strip('"{')), str) and " " in v]
    return texts[0] if len(texts) == 1 else ""


def _unescaped(match: re.Match[str]) -> str:
    char = match[1]
    if len(char) == 5 and char[0] == "u":
        return chr(int(char[1:], 16)) if not 0xD800 <= int(char[1:], 16) < 0xE000 else "\ufffd"
    return _CHARS.get(char, char)


def _unbroken(held: Lines, at: int, begin: int) -> str:
    """Return a line with the ones below that go on with its string: what breaks a string with escapes is a terminal."""
    line = held.lines[at]
    if _string_end(line, begin) != 0:
        return line
    for below in range(at + 1, min(at + 1 + MOST_PIECES, len(held.lines))):
        more = held.lines[below]
        if not more.strip() or len(line) > LONGEST_MESSAGE:
            break
        line += (" " if line[-1:] in ":,)" and more[:1] not in " ,)" else "") + more
        if _string_end(line, begin):
            held.note(at, "lines that a terminal broke were joined")
            held.lines[at : below + 1] = [line]
            del held.source[at + 1 : below + 1]
            return line
    return held.lines[at]


def _string_end(line: str, begin: int) -> int | None:
    """Return where the string ends that an offset lies in: at its quote, unless that is escaped.

    None where it lies in no string; 0 where the line ends before.
    """
    before = line[:begin]
    quote = ""
    if _open_quotes(before, '"'):
        quote = '"'
    elif before.endswith("'") and "\\'" in line[begin:]:
        quote = "'"
    if not quote:
        return None
    at = begin
    while at < len(line):
        if line[at] == "\\":
            at += 2
            continue
        if line[at] == quote:
            return at
        at += 1
    return 0


def _open_quotes(text: str, quote: str) -> bool:
    return (text.count(quote) - text.count("\\" + quote)) % 2 == 1


def brackets(held: Lines) -> None:
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


def tails(held: Lines) -> None:
    """What runtimes put behind dyld's words."""
    if not held.has("LoadError", "dlopen(", ", NS", *(mark for mark, _ in _TAILS)):
        return
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


def fragments(held: Lines) -> None:
    """Keys of a crash report in JSON whose object is not whole: the reasons become the lines they are made of."""
    if not held.has('"reasons"') or held.text.lstrip().startswith("{"):
        return
    for at, line in enumerate(held.lines):
        match = _REASONS.search(line) if '"reasons"' in line else None
        if match is None:
            continue
        around = "\n".join(held.lines[max(0, at - 8) : at + 1])[:20_000]
        stated = {m["key"]: m["value"].strip('"') for m in _STATED.finditer(around)}
        text = "\n".join(held.lines[at : at + 40])[match.end() : match.end() + LONGEST_MESSAGE]
        reasons, end = _strings(text)
        if reasons and stated.get("namespace", "DYLD") == "DYLD":
            held.note(at, "read from the JSON of a crash report")
            head = f"Termination Reason: Namespace DYLD, Code {stated.get('code', '0')} {stated.get('indicator', '')}"
            below = text.count("\n", 0, end)
            del held.lines[at + 1 : at + 1 + below], held.source[at + 1 : at + 1 + below]
            held.replace(at, [line[: match.start()], head.rstrip(), *reasons])
        return


def _strings(text: str) -> tuple[list[str], int]:
    """Return the lines of the strings a list begins with, and where they end; one that is cut as it stands."""
    decode: Callable[[str, int], tuple[str, int]] = json.decoder.scanstring  # type: ignore[attr-defined]
    found: list[str] = []
    at = 0
    for _ in range(64):
        while at < len(text) and text[at] in " \t\n,":
            at += 1
        if at >= len(text) or text[at] != '"':
            break
        try:
            value, at = decode(text, at + 1)
        except ValueError:
            rest = text[at + 1 :].partition("\n")[0]
            found.append(rest.replace("\\/", "/"))
            return found, at + 1 + len(rest)
        found += (part for part in value.split("\n") if part.strip() and "terminated at launch" not in part)
    return found, at


_BARS: Final = re.compile(r" \| (?=Referenced from:|Expected in:|Reason:)")


def bars(held: Lines) -> None:
    """The one line of older reports of iOS, with bars between dyld's own lines."""
    if not held.has(" | Referenced from:", " | Reason:"):
        return
    for at in range(len(held.lines) - 1, -1, -1):
        line = held.lines[at]
        if " | Re" in line and ("Library not loaded:" in line or "Symbol not found:" in line):
            held.replace(at, _BARS.split(line))
