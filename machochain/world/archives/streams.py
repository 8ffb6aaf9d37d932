"""Recognising archives by their first bytes, and reading compressed ones as streams of bounded memory."""

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

_COMPRESSIONS: Final = ((b"\x1f\x8b", "gz"), (b"BZh", "bz2"), (b"\xfd7zXZ\0", "xz"), (b"\x28\xb5\x2f\xfd", "zst"))
_KOLY: Final = b"koly"


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


def is_tar(first_bytes: bytes) -> bool:
    """Whether a tar archive begins so (512 bytes are enough): its first header has the right sum."""
    if len(first_bytes) < tarfile.BLOCKSIZE:
        return False
    try:
        tarfile.TarInfo.frombuf(first_bytes[: tarfile.BLOCKSIZE], "utf-8", "surrogateescape")
    except (tarfile.TarError, ValueError):
        return False
    return True


def container_of(head: bytes, more: Read, end: bytes = b"") -> str | None:
    """Say what archive begins with some bytes.

    Args:
        head: The first bytes, 512 or more.
        more: Gives what follows; asked only if ``head`` is compressed, and for little.
        end: The last 512 bytes of the file, if known.

    Returns:
        ``zip``, ``tar``, ``tar.gz``, ``tar.bz2``, ``tar.xz``, ``tar.zst``, ``xar`` (installer package),
        ``dmg`` (disk image), or None.
    """
    if end.startswith(_KOLY):
        return "dmg"
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return "zip"
    if head.startswith(b"xar!"):
        return "xar"
    compression = next((name for magic, name in _COMPRESSIONS if head.startswith(magic)), None)
    if compression is None:
        return "tar" if is_tar(head) else None
    pending = [head]
    try:
        stream = Decompressed(lambda size: pending.pop() if pending else more(size), compression)
        first = b""
        while len(first) < tarfile.BLOCKSIZE:
            data = stream.read(tarfile.BLOCKSIZE - len(first))
            if not data:
                break
            first += data
    except InputError:
        # Without the library nobody can see what is inside: opening it says what to install.
        return f"tar.{compression}"
    except EOFError:
        # Cut before anything could come out: opening it says so.
        return f"tar.{compression}"
    except damage_errors():
        return None
    return f"tar.{compression}" if is_tar(first) else None
