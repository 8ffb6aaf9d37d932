"""pbzx: chunks of an .xz stream each, the payload of newer installer packages and of Xcode's .xip.

``pbzx``, u64 flags, then until the input ends: u64 expanded length, u64 stored length, the stored bytes; all numbers
are big-endian. A chunk that does not begin like an .xz stream is stored as it is. The flags are the size of a chunk,
which nothing depends on. (No document of Apple's describes it; learned from files.)
"""

from __future__ import annotations

import lzma
import struct
from typing import Final

from machochain.world.archives.compression import Read, memory_of
from machochain.world.archives.errors import OverLimitError

PBZX: Final = b"pbzx"
_VARIANTS: Final = {b"pbze": "LZFSE", b"pbz4": "LZ4", b"pbzz": "zlib"}
_XZ: Final = b"\xfd7zXZ\0"
_CHUNK_LIMIT: Final = 64 << 20


def form_of(head: bytes) -> str:
    """Say what a payload is that is neither pbzx nor anything known: perhaps a relative of it."""
    relative = _VARIANTS.get(head[:4])
    return f"{head[:4].decode()} ({relative} in chunks)" if relative else "of a form nobody knows here"


class Pbzx:
    """The bytes that a pbzx stream holds.

    Attributes:
        consumed: Bytes of the stream read so far.
    """

    def __init__(self, read: Read, *, memory: int) -> None:
        """Begin at the start of a stream, which may ask for so much memory."""
        self.consumed = 0
        self._read = read
        self._memory = memory
        self._begun = False
        self._chunk = b""
        self._at = 0

    def read(self, size: int) -> bytes:
        """Return up to ``size`` bytes; none at the end.

        Raises:
            EOFError: The stream is cut.
            lzma.LZMAError: A chunk is damaged.
            OverLimitError: A chunk is longer than a chunk may be, or asks for too much memory.
        """
        while self._at == len(self._chunk):
            if not self._next():
                return b""
        data = self._chunk[self._at : self._at + size]
        self._at += len(data)
        return data

    def _next(self) -> bool:
        if not self._begun:
            self._begun = True
            self._exactly(12)
        header = self._exactly(16, may_end=True)
        if not header:
            return False
        expanded, stored = struct.unpack(">2Q", header)
        if expanded > _CHUNK_LIMIT or stored > _CHUNK_LIMIT:
            raise OverLimitError(f"holds a chunk of {max(expanded, stored)} bytes, more than {_CHUNK_LIMIT}")
        data = self._exactly(stored)
        if data.startswith(_XZ):
            needed = memory_of(data[:4096], "xz")
            if needed > self._memory:
                raise OverLimitError(f"needs {needed >> 20} MiB of memory to decompress (limit memory_bytes)")
            stream = lzma.LZMADecompressor(format=lzma.FORMAT_XZ, memlimit=self._memory)
            data = stream.decompress(data, expanded + 1)
        if len(data) != expanded:
            raise EOFError(f"a chunk holds {len(data)} bytes where {expanded} are stated")
        if not data and not stored:
            raise EOFError("a chunk is empty")
        self._chunk, self._at = data, 0
        return True

    def _exactly(self, size: int, *, may_end: bool = False) -> bytes:
        parts: list[bytes] = []
        left = size
        while left:
            data = self._read(left)
            if not data:
                if may_end and left == size:
                    return b""
                raise EOFError("the compressed data ends too early")
            self.consumed += len(data)
            parts.append(data)
            left -= len(data)
        return b"".join(parts)
