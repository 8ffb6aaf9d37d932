"""How bytes come in: from a whole file, a slice of it or an archive member, each addressed from its start."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

ReadAt = Callable[[int, int], bytes]
"""``read(offset, size)``: up to ``size`` bytes from ``offset``; fewer, or none, behind the end.

May raise ``InputError`` if the bytes cannot be had.
"""


def text(raw: bytes) -> str:
    """Decode a name; bytes that are not UTF-8 travel as surrogate escapes."""
    return raw.decode("utf-8", "surrogateescape")


class ByteSource(Protocol):
    """Bytes that can be read at any place.

    Attributes:
        size: How many there are.
    """

    size: int

    def read(self, offset: int, size: int) -> bytes:
        """Return ``size`` bytes from ``offset``; fewer at the end.

        Raises:
            InputError: The bytes cannot be read.
        """
        ...


class BytesSource:
    """Bytes in memory."""

    __slots__ = ("_data", "size")

    def __init__(self, data: bytes | memoryview) -> None:
        """Keep a view; nothing is copied."""
        self._data = memoryview(data)
        self.size = len(data)

    def read(self, offset: int, size: int) -> bytes:
        """Return a copy of the asked range."""
        return bytes(self._data[offset : offset + size])


class RangeSource:
    """A part of a byte source that stands for a file of its own: an archive member, say."""

    __slots__ = ("_offset", "_source", "size")

    def __init__(self, source: ByteSource, offset: int, size: int) -> None:
        """Cut the range; what lies behind the end of the source is not there."""
        self._source = source
        self._offset = offset
        self.size = max(0, min(size, source.size - offset))

    def read(self, offset: int, size: int) -> bytes:
        """Return bytes of the range; fewer at its end."""
        size = min(size, self.size - offset)
        return self._source.read(self._offset + offset, size) if size > 0 and offset >= 0 else b""


def signed(value: int) -> int:
    """Return the number ``%d`` prints for an unsigned 32-bit value."""
    return value - (1 << 32) if value >> 31 else value
