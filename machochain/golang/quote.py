r"""Go's quoted strings: ``strconv.Quote`` and ``strconv.Unquote`` (Go 1.27, ``src/strconv/quote.go``)."""

from __future__ import annotations

import re
from typing import Final

from machochain.model.reading import text

_SIMPLE: Final = {"a": 7, "b": 8, "f": 12, "n": 10, "r": 13, "t": 9, "v": 11, "\\": 0x5C, '"': 0x22}
_LETTER: Final = {7: "a", 8: "b", 12: "f", 10: "n", 13: "r", 9: "t", 11: "v"}
_ESCAPE: Final = re.compile(
    r"\\(?:([abfnrtv\\\"])|x([0-9A-Fa-f]{2})|([0-3][0-7]{2})|u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8}))"
)
_INTERPRETED: Final = re.compile(rf'"(?:[^"\\\n]|{_ESCAPE.pattern})*"')
_RAW: Final = re.compile(r"`[^`]*`")


def quoted_prefix(value: str) -> str | None:
    """Return the quoted string a text begins with, quotes included; None if it begins with none."""
    match = _INTERPRETED.match(value) or _RAW.match(value)
    return match.group() if match else None


def unquote(value: str) -> str | None:
    """Return what a quoted string stands for; None if the text is not exactly one such string."""
    if quoted_prefix(value) != value or not value:
        return None
    if value[0] == "`":
        return value[1:-1].replace("\r", "")
    out, at = bytearray(), 1
    for match in _ESCAPE.finditer(value, 1, len(value) - 1):
        out += value[at : match.start()].encode("utf-8", "surrogateescape")
        simple, hexadecimal, octal, short, long = match.groups()
        if simple:
            out.append(_SIMPLE[simple])
        elif hexadecimal:
            out.append(int(hexadecimal, 16))
        elif octal:
            out.append(int(octal, 8))
        else:
            point = int(short or long, 16)
            if point > 0x10FFFF or 0xD800 <= point < 0xE000:
                return None
            out += chr(point).encode()
        at = match.end()
    out += value[at:-1].encode("utf-8", "surrogateescape")
    return text(bytes(out))


def quote(value: str) -> str:
    """Return the text as an interpreted Go string."""
    return f'"{"".join(map(_escaped, value))}"'


def _escaped(char: str) -> str:
    point = ord(char)
    if char in '"\\':
        return f"\\{char}"
    if 0xDC80 <= point <= 0xDCFF:
        return f"\\x{point - 0xDC00:02x}"
    if char.isprintable():
        return char
    if point in _LETTER:
        return f"\\{_LETTER[point]}"
    if point < 0x20 or point == 0x7F:
        return f"\\x{point:02x}"
    return f"\\u{point:04x}" if point < 0x10000 else f"\\U{point:08x}"
