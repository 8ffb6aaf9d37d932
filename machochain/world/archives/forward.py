"""A stream for tarfile that moves forward only, and holds no header longer than it may be."""

from __future__ import annotations

import tarfile
from collections.abc import Callable

from machochain.model.errors import InputError
from machochain.world.archives.compression import CHUNK, Read


class ForwardStream:
    """A stream in the form tarfile wants: it tells and seeks, but forward only, save for the last byte read.

    tarfile reads extension headers into memory in one piece, however long they claim to be, and follows sizes that
    lead backward; here neither happens.

    Attributes:
        tail: The last 512 bytes that were read as headers.
    """

    def __init__(self, read: Read, skip: Callable[[int], None] | None, header_bytes: int) -> None:
        """Begin at the start.

        Args:
            read: Gives up to so many bytes, none at the end.
            skip: Moves so many bytes on without reading them; None if they must be read.
            header_bytes: What may be read between two calls of `start_header`.
        """
        self.tail = b""
        self._read = read
        self._skip = skip
        self._position = 0
        self._last = b""
        self._pending = b""
        self._limit = header_bytes
        self._left = header_bytes

    def start_header(self) -> None:
        """Say that the next reads are those of one entry's header."""
        self._left = self._limit

    def read(self, size: int) -> bytes:
        """Return ``size`` bytes, fewer at the end: header bytes.

        Raises:
            InputError: The header is longer than it may be.
        """
        if size > self._left:
            raise InputError(f"a header is longer than the limit of {self._limit} bytes")
        self._left -= size
        parts = []
        left = size
        while left > 0:
            data = self.read_some(left)
            if not data:
                break
            parts.append(data)
            left -= len(data)
        found = b"".join(parts)
        if size != 1:
            self.tail = found[-512:]
        return found

    def read_some(self, size: int) -> bytes:
        """Return up to ``size`` bytes, none at the end: bytes of a file."""
        if self._pending:
            data, self._pending = self._pending, b""
        else:
            data = self._read(size)
            if data:
                self._last = data[-1:]
        self._position += len(data)
        return data

    def seek(self, position: int) -> int:
        """Move on to a position.

        Raises:
            tarfile.ReadError: It lies behind.
        """
        ahead = position - self._position
        if ahead == -1 and self._last:
            self._pending, self._position = self._last, position
        elif ahead < 0:
            raise tarfile.ReadError("an entry's size leads backward")
        elif ahead and self._skip is not None and not self._pending:
            # The last byte is read: tarfile looks at it once more to see that the file is long enough.
            self._skip(ahead - 1)
            self._position += ahead - 1
            self._last = b""
            self.read_some(1)
        while self._position < position:
            if not self.read_some(min(position - self._position, CHUNK)):
                break
        return self._position

    def tell(self) -> int:
        """Return how many bytes lie before the next one."""
        return self._position
