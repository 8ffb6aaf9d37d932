"""A stream read once, from its beginning to its end: what formats without a directory are read from."""

from __future__ import annotations

from machochain.world.archives.budget import Budget
from machochain.world.archives.compression import CHUNK, Decompressed, Read, compression_of
from machochain.world.archives.pbzx import PBZX, Pbzx


class Stream:
    """Bytes in their order, with the place where the next one is.

    Attributes:
        position: How many bytes lie before the next one.
    """

    def __init__(self, read: Read) -> None:
        """Begin at the start; ``read`` gives up to so many bytes, none at the end."""
        self.position = 0
        self._read = read
        self._pending = b""

    def read(self, size: int) -> bytes:
        """Return up to ``size`` bytes, none at the end."""
        if self._pending:
            data, self._pending = self._pending[:size], self._pending[size:]
        else:
            data = self._read(size)
        self.position += len(data)
        return data

    def peek(self, size: int) -> bytes:
        """Return the next bytes, fewer at the end, and leave them where they are."""
        while len(self._pending) < size:
            data = self._read(size - len(self._pending))
            if not data:
                break
            self._pending += data
        return self._pending[:size]

    def exactly(self, size: int) -> bytes:
        """Return ``size`` bytes.

        Raises:
            EOFError: There are fewer.
        """
        parts: list[bytes] = []
        left = size
        while left:
            data = self.read(left)
            if not data:
                raise EOFError(f"ends {left} bytes too early")
            parts.append(data)
            left -= len(data)
        return b"".join(parts)

    def skip(self, size: int) -> None:
        """Leave out bytes.

        Raises:
            EOFError: There are fewer.
        """
        while size:
            data = self.read(min(size, CHUNK))
            if not data:
                raise EOFError(f"ends {size} bytes too early")
            size -= len(data)


def plain_stream(read: Read, budget: Budget) -> Stream:
    """Return what a stream holds, decompressed if it is compressed, within a budget.

    Args:
        read: Gives up to so many bytes, none at the end.
        budget: What comes out is spent of it.

    Raises:
        InputError: A limit is exceeded, or a library is not installed.
    """
    packed = Stream(read)
    head = packed.peek(16)
    compression = compression_of(head)
    limits = budget.limits
    source: Decompressed | Pbzx
    if head.startswith(PBZX):
        source = Pbzx(packed.read, memory=limits.memory_bytes)
    elif compression is not None:
        source = Decompressed(packed.read, compression, memory=limits.memory_bytes, step=budget.step)
    else:
        return packed
    produced = 0

    def plain(size: int) -> bytes:
        nonlocal produced
        data = source.read(size)
        produced += len(data)
        budget.spend(len(data))
        budget.check_ratio(produced, source.consumed)
        return data

    return Stream(plain)
