"""Reading compressed bytes as streams of bounded memory."""

from __future__ import annotations

import bz2
import lzma
import sys
import tarfile
import zlib
from collections.abc import Callable
from typing import Any, Final, Protocol

from machochain.world.archives.errors import NeedsLibraryError, OverLimitError

HEAD: Final = 4096
"""So many first bytes of every file are looked at and kept."""

CHUNK: Final = 1 << 18
"""Bytes that are held at once while a file is copied."""

MEMORY: Final = 256 << 20
"""Memory a stream may ask for; ``xz -9`` needs 65 MiB, ``zstd --long`` 128 MiB."""
_WINDOW_LOG: Final = 28

EMPTY_PARTS: Final = 100
"""So many parts of a stream may follow one another that give nothing. Each costs up to a millisecond."""
_SMALL_PART: Final = 4096
_PART_STEPS: Final = 500
"""What a part that gives less than that costs of the budget."""

Read = Callable[[int], bytes]

COMPRESSIONS: Final = ("gz", "bz2", "xz", "zst")
_MAGICS: Final = ((b"\x1f\x8b", "gz"), (b"BZh", "bz2"), (b"\xfd7zXZ\0", "xz"), (b"\x28\xb5\x2f\xfd", "zst"))


class Decompressor(Protocol):
    """What bz2, lzma and zstd offer alike."""

    @property
    def eof(self) -> bool:
        """Whether the stream has ended."""
        ...

    @property
    def needs_input(self) -> bool:
        """Whether nothing comes out without more input."""
        ...

    @property
    def unused_data(self) -> bytes:
        """What follows the end of the stream."""
        ...

    def decompress(self, data: bytes, max_length: int = -1, /) -> bytes:
        """Return at most so many bytes."""
        ...


class _Gzip:
    """zlib's object for gzip streams (or others), in the form of the others; it checks the sum at the end."""

    def __init__(self, wbits: int = 31) -> None:
        self._stream = zlib.decompressobj(wbits=wbits)

    @property
    def eof(self) -> bool:
        return self._stream.eof

    @property
    def needs_input(self) -> bool:
        return not self._stream.unconsumed_tail

    @property
    def unused_data(self) -> bytes:
        return self._stream.unused_data

    def decompress(self, data: bytes, max_length: int = -1, /) -> bytes:
        return self._stream.decompress(self._stream.unconsumed_tail + data, max(max_length, 0))


def _xz() -> Decompressor:
    return lzma.LZMADecompressor(format=lzma.FORMAT_XZ, memlimit=MEMORY)


def _zstd_module() -> Any:
    try:
        if sys.version_info >= (3, 14):
            from compression import zstd  # noqa: PLC0415  # most runs never meet such a file
        else:
            from backports import zstd  # noqa: PLC0415
    except ImportError:
        raise NeedsLibraryError(
            "is compressed with Zstandard, which this Python cannot read: pip install 'machochain[zstd]'"
        ) from None
    return zstd


def _zstd() -> Decompressor:
    module = _zstd_module()
    options = {module.DecompressionParameter.window_log_max: _WINDOW_LOG}
    found: Decompressor = module.ZstdDecompressor(options=options)
    return found


_DECOMPRESSORS: Final[dict[str, Callable[[], Decompressor]]] = {
    "gz": _Gzip,
    "bz2": bz2.BZ2Decompressor,
    "xz": _xz,
    "zst": _zstd,
    "zlib": lambda: _Gzip(47),
    "lzma": lambda: lzma.LZMADecompressor(format=lzma.FORMAT_AUTO, memlimit=MEMORY),
}
"""The last two have no first bytes of their own: whoever names them knows that data is packed so (XAR)."""


def damage_errors() -> tuple[type[BaseException], ...]:
    """Return what the libraries raise on bytes that are not what they should be.

    tarfile lets ValueError, OverflowError, RecursionError and others through for headers nobody would write.
    """
    found: tuple[type[BaseException], ...] = (
        tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, OSError, ValueError, ArithmeticError, LookupError,
        RecursionError, MemoryError, TypeError, AttributeError,
    )  # fmt: skip
    for name in ("compression.zstd", "backports.zstd"):
        module = sys.modules.get(name)
        if module is not None:
            found = (*found, module.ZstdError)
    return found


def compression_of(head: bytes) -> str | None:
    """Say how a file that begins so is compressed: ``gz``, ``bz2``, ``xz``, ``zst``; None if it is not."""
    return next((name for magic, name in _MAGICS if head.startswith(magic)), None)


def memory_of(head: bytes, compression: str) -> int:
    """Return the memory that a part of a stream which begins so asks for; 0 if nothing tells.

    .xz file format 1.2.1, 3.1 (block header) and 5.3.1 (LZMA2); RFC 8878, 3.1.1.1 (frame header of Zstandard).
    """
    if compression == "xz" and len(head) > _XZ_BLOCK + 1 and head[_XZ_BLOCK]:
        return _xz_dictionary(head[_XZ_BLOCK : _XZ_BLOCK + (head[_XZ_BLOCK] + 1) * 4])
    if compression == "zst" and head.startswith(b"\x28\xb5\x2f\xfd") and len(head) > 13:
        descriptor = head[4]
        if not descriptor & 0x20:
            base = 1 << (10 + (head[5] >> 3))
            return base + base // 8 * (head[5] & 7)
        at = 5 + (0, 1, 2, 4)[descriptor & 3]
        return int.from_bytes(head[at : at + (1, 2, 4, 8)[descriptor >> 6]], "little")
    return 0


_XZ_BLOCK: Final = 12


def _xz_dictionary(block: bytes) -> int:
    at = 2

    def number() -> int:
        nonlocal at
        found = shift = 0
        while at < len(block):
            byte = block[at]
            at += 1
            found |= (byte & 0x7F) << shift
            shift += 7
            if not byte & 0x80:
                break
        return found

    for flag in (0x40, 0x80):
        if block[1] & flag:
            number()
    for _ in range((block[1] & 3) + 1):
        kind, size = number(), number()
        if kind == 0x21 and size == 1 and at < len(block):
            bits = block[at] & 0x3F
            return min((2 | bits & 1) << (bits // 2 + 11), (4 << 30) - 1)
        at += size
    return 0


class Decompressed:
    """The decompressed bytes of a stream of one or more parts.

    Attributes:
        consumed: Compressed bytes read so far.
    """

    def __init__(
        self, read: Read, compression: str, *, memory: int = MEMORY, step: Callable[[int], object] = lambda _: None
    ) -> None:
        """Begin at the start of a stream.

        Args:
            read: Gives up to so many compressed bytes, none at the end.
            compression: One of `COMPRESSIONS`, or ``zlib`` (gzip is taken, too) or ``lzma`` (.lzma or .xz).
            memory: What it may ask for.
            step: Is told of work that gives next to nothing.

        Raises:
            NeedsLibraryError: No library for it is installed.
        """
        self.consumed = 0
        self._read = read
        self._compression = compression
        self._memory = min(memory, MEMORY)
        self._step = step
        self._make = _DECOMPRESSORS[compression]
        self._stream: Decompressor | None = None
        self._rest = b""
        self._given = 0
        self._empty = 0

    def read(self, size: int) -> bytes:
        """Return up to ``size`` bytes; none at the end.

        Raises:
            EOFError: The stream is cut.
            OverLimitError: It asks for too much memory, or holds too many parts that give nothing.
        """
        while True:
            stream = self._stream
            if stream is not None and stream.eof:
                self._end_part()
                self._rest = stream.unused_data or self._more()
                if not self._rest.strip(b"\0"):
                    return b""
                stream = None
            if stream is None:
                stream = self._begin()
            data, self._rest = self._rest, b""
            if not data and stream.needs_input:
                data = self._more()
                if not data:
                    raise EOFError("the compressed data ends too early")
            found = stream.decompress(data, size)
            if found:
                self._given += len(found)
                return found

    def _begin(self) -> Decompressor:
        while len(self._rest) < _SMALL_PART:
            data = self._more()
            if not data:
                break
            self._rest += data
        needed = memory_of(self._rest, self._compression)
        if needed > self._memory:
            raise OverLimitError(
                f"needs {needed >> 20} MiB of memory to decompress, more than {self._memory >> 20} (limit memory_bytes)"
            )
        self._given = 0
        self._stream = self._make()
        return self._stream

    def _end_part(self) -> None:
        if self._given < _SMALL_PART:
            self._step(_PART_STEPS)
        self._empty = 0 if self._given else self._empty + 1
        if self._empty > EMPTY_PARTS:
            raise OverLimitError(f"holds more than {EMPTY_PARTS} parts in a row that give nothing")

    def _more(self) -> bytes:
        data = self._read(HEAD * 16)
        self.consumed += len(data)
        return data
