"""How bytes come in: from a slice or an archive member, addressed from its start."""

from __future__ import annotations

from collections.abc import Callable

ReadAt = Callable[[int, int], bytes]
"""``read(offset, size)``: up to ``size`` bytes from ``offset``; fewer, or none, behind the end.

May raise ``InputError`` if the bytes cannot be had.
"""


def text(raw: bytes) -> str:
    """Decode a name; bytes that are not UTF-8 travel as surrogate escapes."""
    return raw.decode("utf-8", "surrogateescape")
