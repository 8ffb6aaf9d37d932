"""Reading compressed bytes as streams of bounded memory."""

from __future__ import annotations

import bz2
import lzma
import sys
import tarfile
import zlib
from collections.abc import Callable
from typing import Any, Final, Protocol

from machochain.model.errors import InputError

HEAD: Final = 4096
"""So many first bytes of every file are looked at and kept."""

CHUNK: Final = 1 << 18
"""Bytes that are held at once while a file is copied."""

LZMA_MEMORY: Final = 256 << 20
"""Memory an xz stream may ask for; ``xz -9`` needs 65 MiB."""

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
    """zlib's object for gzip streams, in the form of the others; it checks the sum at the end."""

    def __init__(self) -> None:
        self._stream = zlib.decompressobj(wbits=31)

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
    return lzma.LZMADecompressor(format=lzma.FORMAT_XZ, memlimit=LZMA_MEMORY)


def _zstd_module() -> Any:
    try:
        if sys.version_info >= (3, 14):
            from compression import zstd  # noqa: PLC0415  # most runs never meet such a file
        else:
            from backports import zstd  # noqa: PLC0415
    except ImportError:
        raise InputError(
            "is compressed with Zstandard, which this Python cannot read: pip install 'machochain[zstd]'"
        ) from None
    return zstd


def _zstd() -> Decompressor:
    found: Decompressor = _zstd_module().ZstdDecompressor()
    return found


_DECOMPRESSORS: Final[dict[str, Callable[[], Decompressor]]] = {
    "gz": _Gzip,
    "bz2": bz2.BZ2Decompressor,
    "xz": _xz,
    "zst": _zstd,
}


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


class Decompressed:
    """The decompressed bytes of a stream of one or more parts.

    Attributes:
        consumed: Compressed bytes read so far.
    """

    def __init__(self, read: Read, compression: str) -> None:
        """Begin at the start of a stream.

        Args:
            read: Gives up to so many compressed bytes, none at the end.
            compression: ``gz``, ``bz2``, ``xz`` or ``zst``.

        Raises:
            InputError: No library for it is installed.
        """
        self.consumed = 0
        self._read = read
        self._make = _DECOMPRESSORS[compression]
        self._stream = self._make()
        self._rest = b""

    def read(self, size: int) -> bytes:
        """Return up to ``size`` bytes; none at the end.

        Raises:
            EOFError: The stream is cut.
        """
        while True:
            if self._stream.eof:
                self._rest = self._stream.unused_data or self._more()
                if not self._rest.strip(b"\0"):
                    return b""
                self._stream = self._make()
            data, self._rest = self._rest, b""
            if not data and self._stream.needs_input:
                data = self._more()
                if not data:
                    raise EOFError("the compressed data ends too early")
            found = self._stream.decompress(data, size)
            if found:
                return found

    def _more(self) -> bytes:
        data = self._read(HEAD * 16)
        self.consumed += len(data)
        return data
