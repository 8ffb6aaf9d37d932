"""Two kinds of path that must never be mixed.

A target path names something on the modelled Mac. It stays the raw string dyld compares byte for byte
(bytes that are not UTF-8 travel as surrogate escapes), so it is never a ``pathlib`` object.
A host path names a file on the machine this program runs on.
"""

from __future__ import annotations

import re
from typing import Final, NewType

TargetPath = NewType("TargetPath", str)
HostPath = NewType("HostPath", str)


def leaf(path: str) -> str:
    """Return what follows the last slash (dyld: ``PathOverrides::getLibraryLeafName``)."""
    return path.rpartition("/")[2]


def directory(path: str) -> str:
    """Return what precedes the last slash; ``""`` for a bare name or a child of ``/``."""
    return path.rpartition("/")[0]


MOST_SHOWN: Final = 1 << 16
"""Characters of a text made of what a file names. No message about numpy, scipy, vtk and PySide6 has more than 575."""


def shortened(text: str) -> str:
    """Return a text, or as much of it as anybody reads and how much is left out."""
    if len(text) <= MOST_SHOWN:
        return text
    return f"{text[:MOST_SHOWN]} … ({len(text) - MOST_SHOWN} more characters)"


def printable_lines(message: str) -> list[str]:
    """Return the lines of a message of dyld, each as `printable` shows it but for the tabs, which are dyld2's own."""
    return ["\t".join(printable(part) for part in line.split("\t")) for line in message.rstrip("\n").split("\n")]


_LONE: Final = "[\ud800-\udc7f\udd00-\udfff]"


def encodable(text: str) -> str:
    """Return text whose surrogates each stand for a byte; JSON can state others, which no file name can hold."""
    return text if text.isascii() else re.sub(_LONE, "\N{REPLACEMENT CHARACTER}", text)


def printable(text: str) -> str:
    r"""Return text that is safe on a terminal and in a log: control characters and stray bytes as ``\xNN``.

    Names in Mach-O files are arbitrary bytes; a name must not be able to move the cursor or forge a line.
    """
    if text.isprintable():
        return text
    return "".join(
        c
        if c.isprintable()
        else f"\\x{ord(c) - 0xDC00:02x}"
        if 0xDC80 <= ord(c) <= 0xDCFF
        else f"\\x{ord(c):02x}"
        if ord(c) < 0x100
        else f"\\u{ord(c):04x}"
        if ord(c) < 0x10000
        else f"\\U{ord(c):08x}"
        for c in text
    )
