"""Changes that keep most of an input as it was: blind ones, and ones that know lines of text and nested values."""

from __future__ import annotations

import json
import plistlib
import random
from collections.abc import Callable
from typing import Any

Mutator = Callable[[bytes, random.Random], bytes]

MOST = 1 << 17
"""Bytes of an input; larger ones teach nothing that smaller ones do not."""

NUMBERS = (
    0, 1, 2, 7, 8, 12, 16, 24, 28, 31, 32, 63, 64, 0x7F, 0x80, 0xFF, 0x100, 0xFFF, 0x1000, 0x3FFF, 0x4000, 0x7FFF,
    0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFF0, 0xFFFFFFF8, 0xFFFFFFFC, 0xFFFFFFFE, 0xFFFFFFFF,
)  # fmt: skip
WIDE = (*NUMBERS, 1 << 32, 1 << 40, (1 << 63) - 1, 1 << 63, (1 << 64) - 0x1000, (1 << 64) - 1)
TOKENS = (
    b"",
    b" ",
    b"\t",
    b"\n",
    b"\r\n",
    b"\0",
    b"\xff\xfe",
    b"\xc3\x28",
    b"\xed\xa0\x80",
    b"\xf4\x90\x80\x80",
    b"'",
    b'"',
    b"[",
    b"]",
    b"{",
    b"}",
    b"\n::add-matcher::x",
    b"##[error]x",
    b"##vso[task.setvariable variable=PATH]x",
    b"(",
    b")",
    b",",
    b":",
    b";",
    b"=",
    b"-",
    b"---\n",
    b"...\n",
    b"&a ",
    b"*a",
    b"!!binary ",
    b"<<: *a",
    b"null",
    b"true",
    b"-1",
    b"1e999",
    b"NaN",
    b"99999999999999999999",
    b"2024-02-30",
    b"@rpath/",
    b"@executable_path/../",
    b"../",
    b"/" * 64,
    b"${SRCDIR}",
    b"\x1b[2J",
    b"<script>",
    b"\\u0000",
    b"\\ud800",
    b"%s%n",
    b"Library not loaded: ",
    b"Referenced from: ",
    b"Reason: tried: '",
    b"' (no such file)",
    b"dyld[1]: ",
    b"$ld$hide$",
    b"[" * 200,
    b"{" * 200,
    b'{"a":' * 200,
    b"- " * 200,
    b"<dict>" * 200,
    b"<array>" * 200,
    b"!!timestamp 2024-02-30",
    b"!!int ''",
    b"0o9",
    b"1_000:61",
    b"? ",
    b"%YAML 9\n---\n",
    b"\xef\xbb\xbf",
    b"\xe2\x80\xae",
    b"\xe2\x80\xa8",
    b"\xc2\x85",
    b"9" * 5000,
    b"11.0",
    b"26",
    b"0xffffffff",
    b"-0",
    b"Infinity",
)
VALUES: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    -1,
    1,
    1 << 31,
    1 << 63,
    1 << 64,
    -(1 << 63),
    10**30,
    1.5,
    float("inf"),
    float("-inf"),
    float("nan"),
    1e308,
    "",
    "a",
    "/",
    "..",
    "../../x",
    "\0",
    "\ud800",
    "\x1b[2J",
    "11.0",
    "26",
    "x" * 300,
    "ä",
    "\n",
    "12.345.678",
    "0x1",
    "-1",
    "null",
    [],
    {},
    [[]],
    [None],
    {"": None},
    {"a": {"a": []}},
    ["a", 1],
    [1, 2],
    "2024-02-30",
)
_PLACES = 300
DEEP = 900
"""Levels of nesting, now and then: readers that descend by calls have at most a thousand."""


def bounded(data: bytes) -> bytes:
    return data[:MOST]


def blind(data: bytes, chance: random.Random) -> bytes:
    """Flip bits, overwrite numbers, cut, copy, fill."""
    changed = bytearray(data)
    for _ in range(chance.choice((1, 1, 1, 2, 3, 8, 30))):
        if not changed:
            return b""
        at = chance.randrange(len(changed))
        match chance.randrange(7):
            case 0:
                changed[at] ^= 1 << chance.randrange(8)
            case 1:
                changed[at] = chance.randrange(256)
            case 2:
                width = chance.choice((2, 4, 8))
                order = chance.choice(("little", "big"))
                number = chance.choice(WIDE) & ((1 << 8 * width) - 1)
                changed[at : at + width] = number.to_bytes(width, "big" if order == "big" else "little")
            case 3:
                del changed[at : at + chance.choice((1, 2, 4, 8, 64, 1024))]
            case 4:
                other = chance.randrange(len(changed))
                changed[at:at] = changed[other : other + chance.choice((1, 4, 8, 64, 1024))]
            case 5:
                changed[at : at + chance.choice((4, 16, 256))] = bytes([chance.randrange(256)]) * chance.choice((4, 16))
            case _:
                if chance.random() < 0.3:
                    del changed[at:]
    return bounded(bytes(changed))


def text(data: bytes, chance: random.Random) -> bytes:
    """Move, double and cut lines; put tokens of the formats where they do not belong; now and then blindly."""
    if chance.random() < 0.2:
        return blind(data, chance)
    lines = data.splitlines(keepends=True) or [b""]
    for _ in range(chance.choice((1, 1, 2, 4, 10))):
        at = chance.randrange(len(lines))
        match chance.randrange(7):
            case 0:
                lines.insert(chance.randrange(len(lines) + 1), lines[at])
            case 1 if len(lines) > 1:
                del lines[at]
            case 2:
                other = chance.randrange(len(lines))
                lines[at], lines[other] = lines[other], lines[at]
            case 3:
                times = chance.choice((2, 10, 100))
                lines[at] = lines[at][: MOST // times] * times
            case 4:
                lines[at] = chance.choice((b" ", b"  ", b"\t", b"> ")) * chance.choice((1, 3, 40)) + lines[at]
            case 5:
                lines[at] = _word(lines[at], chance)
            case _:
                where = chance.randrange(len(lines[at]) + 1)
                cut = where + chance.choice((0, 0, 1, 5, 100))
                lines[at] = lines[at][:where] + chance.choice(TOKENS) + lines[at][cut:]
    return bounded(b"".join(lines))


def _word(line: bytes, chance: random.Random) -> bytes:
    """Put a token in the place of a whole word."""
    words = line.split(b" ")
    words[chance.randrange(len(words))] = chance.choice(TOKENS)
    return b" ".join(words)


def values(data: bytes, chance: random.Random) -> bytes:
    """Change single values of JSON (one document, or one a line) or a property list; else the text."""
    if chance.random() < 0.25:
        return text(data, chance)
    if data.startswith((b"bplist", b"<?xml")):
        try:
            return _plist(plistlib.loads(data), data, chance)
        except Exception:  # noqa: BLE001 - plistlib raises anything; then it is text
            return text(data, chance)
    try:
        return bounded(_json(json.loads(data), chance))
    except (ValueError, RecursionError):
        pass
    lines = data.split(b"\n", 1)
    try:
        documents = [json.loads(line) for line in lines]
    except (ValueError, RecursionError):
        return text(data, chance)
    at = chance.randrange(len(documents))
    return bounded(b"\n".join(_json(x, chance) if i == at else lines[i] for i, x in enumerate(documents)))


def _json(document: Any, chance: random.Random) -> bytes:
    changed, indent = nested(document, chance), chance.choice((None, 1))
    try:
        return json.dumps(changed, indent=indent).encode("ascii")
    except RecursionError:  # it was made deeper than this can write
        return json.dumps(document).encode("ascii")


def _plist(document: Any, data: bytes, chance: random.Random) -> bytes:
    form = plistlib.FMT_BINARY if data.startswith(b"bplist") else plistlib.FMT_XML
    for _ in range(4):
        try:
            return bounded(plistlib.dumps(nested(document, chance), fmt=form, sort_keys=False))
        except (TypeError, ValueError, OverflowError, AttributeError):
            continue  # null, NUL in XML, and integers over 64 bits have no form there
    return text(data, chance)


def nested(document: Any, chance: random.Random) -> Any:
    """Return a document with some values put elsewhere, doubled, dropped, or of another type."""
    for _ in range(chance.choice((1, 1, 1, 2, 4))):
        places = list(_places(document))
        path = chance.choice(places)
        # What is doubled again and again would fill the memory.
        kind = chance.randrange(8 if len(places) < _PLACES else 5)
        old = _at(document, path)
        new: Any
        if kind < 4 or (kind == 6 and not isinstance(old, list | str)):
            new = chance.choice(VALUES)
        elif kind == 4:
            new = _at(document, chance.choice(places)) if len(places) < _PLACES else None
        elif kind == 5:
            new = chance.choice(([old], {"a": old}, [old, old], str(old)[:MOST]))
        elif kind == 6:
            new = old[:50] * chance.choice((0, 2, 50))
        else:
            new = 1
            for _ in range(chance.choice((3, 30, DEEP))):
                new = chance.choice(([new], {"a": new}))
        document = _with(document, path, new, drop=kind == 0 and chance.random() < 0.5)
    return document


_Path = tuple[str | int, ...]


def _places(document: Any, path: _Path = ()) -> Any:
    if len(path) > 50:
        return
    yield path
    if isinstance(document, dict):
        for key, value in document.items():
            yield from _places(value, (*path, key))
    elif isinstance(document, list):
        for index, value in enumerate(document[:200]):
            yield from _places(value, (*path, index))


def _at(document: Any, path: _Path) -> Any:
    for step in path:
        document = document[step]
    return document


def _with(document: Any, path: _Path, new: Any, *, drop: bool) -> Any:
    """Return a copy of a document with one value replaced, or left out."""
    if not path:
        return new
    step, rest = path[0], path[1:]
    if isinstance(document, dict):
        if drop and not rest:
            return {k: v for k, v in document.items() if k != step}
        return {k: _with(v, rest, new, drop=drop) if k == step else v for k, v in document.items()}
    if drop and not rest:
        return [v for i, v in enumerate(document) if i != step]
    return [_with(v, rest, new, drop=drop) if i == step else v for i, v in enumerate(document)]
