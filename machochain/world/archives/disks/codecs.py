"""How the blocks of a disk image are packed. Each decoder gives exactly the bytes that are stated, or fails."""

from __future__ import annotations

import bz2
import lzma
import struct
import zlib
from collections.abc import Callable
from typing import Final

from machochain.world.archives.compression import MEMORY, memory_of
from machochain.world.archives.errors import NeedsLibraryError, OverLimitError

Decode = Callable[[bytes, int], bytes]


def _raw(data: bytes, size: int) -> bytes:
    return data[:size].ljust(size, b"\0")


def _zlib(data: bytes, size: int) -> bytes:
    return zlib.decompressobj().decompress(data, size + 1)


def _bzip2(data: bytes, size: int) -> bytes:
    return bz2.BZ2Decompressor().decompress(data, size + 1)


def _lzma(data: bytes, size: int) -> bytes:
    needed = memory_of(data[:4096], "xz")
    if needed > MEMORY:
        raise OverLimitError(f"a block needs {needed >> 20} MiB of memory to decompress (limit memory_bytes)")
    return lzma.LZMADecompressor(format=lzma.FORMAT_XZ, memlimit=MEMORY).decompress(data, size + 1)


def adc(data: bytes, size: int) -> bytes:
    """Decode Apple Data Compression: runs of literal bytes, and copies from what came before, which may overlap.

    Raises:
        ValueError: A copy begins before the start, or the data end in the middle.
    """
    out = bytearray()
    at = 0
    while at < len(data) and len(out) <= size:
        first = data[at]
        if first & 0x80:
            length = (first & 0x7F) + 1
            out += data[at + 1 : at + 1 + length]
            at += 1 + length
            continue
        if first & 0x40:
            length, width = (first & 0x3F) + 4, 3
            distance = int.from_bytes(data[at + 1 : at + 3], "big") + 1
        else:
            length, width = (first >> 2) + 3, 2
            distance = ((first & 3) << 8 | int.from_bytes(data[at + 1 : at + 2], "big")) + 1
        at += width
        start = len(out) - distance
        if start < 0 or at > len(data):
            raise ValueError("a copy begins before the data, or they end in it")
        if distance >= length:
            out += out[start : start + length]
        else:
            piece = bytes(out[start:])
            out += (piece * (length // distance + 1))[:length]
    if at > len(data):
        raise ValueError("the data end in the middle")
    return bytes(out)


_BLOCK_END: Final = b"bvx$"


def lzfse_size(data: bytes) -> int:
    """Return how many bytes an LZFSE stream says it gives, by the headers of its blocks (lzfse_internal.h).

    Raises:
        ValueError: The headers make no sense.
    """
    at = total = 0
    while data[at : at + 4] != _BLOCK_END:
        magic = data[at : at + 4]
        if len(data) < at + 32 and magic not in {b"bvx-", b"bvxn"}:
            raise ValueError("the headers of its blocks do not end")
        if magic == b"bvx-":
            (raw,) = struct.unpack_from("<I", data, at + 4)
            length = 8 + raw
        elif magic == b"bvxn":
            raw, packed = struct.unpack_from("<2I", data, at + 4)
            length = 12 + packed
        elif magic == b"bvx2":
            raw, first, second, third = struct.unpack_from("<I3Q", data, at + 4)
            length = (third & 0xFFFFFFFF) + (first >> 20 & 0xFFFFF) + (second >> 40 & 0xFFFFF)
        else:
            raise ValueError("a block of an unknown kind")
        if length < 8:
            raise ValueError("a block without a length")
        total += raw
        at += length
    return total


def _lzfse(data: bytes, size: int) -> bytes:
    """Decode LZFSE. The library has no limit of its own, so the headers are added up before it is asked."""
    try:
        import lzfse  # noqa: PLC0415  # an extra, for images of macOS 10.11 and later
    except ImportError:
        raise NeedsLibraryError("holds blocks in LZFSE, which needs a library: pip install 'machochain[dmg]'") from None
    try:
        stated = lzfse_size(data)
    except struct.error as error:
        raise ValueError(str(error)) from None
    if stated != size:
        raise ValueError(f"says it gives {stated} bytes where {size} belong")
    try:
        found: bytes = lzfse.decompress(data)
    except lzfse.error as error:
        raise ValueError(str(error) or "damaged") from None
    return found


ZERO: Final = 0x00000000
RAW: Final = 0x00000001
IGNORE: Final = 0x00000002
COMMENT: Final = 0x7FFFFFFE
END: Final = 0xFFFFFFFF
CODECS: Final[dict[int, tuple[str, Decode]]] = {
    RAW: ("raw", _raw),
    0x80000004: ("ADC", adc),
    0x80000005: ("zlib", _zlib),
    0x80000006: ("bzip2", _bzip2),
    0x80000007: ("LZFSE", _lzfse),
    0x80000008: ("LZMA", _lzma),
}
"""Types of blocks (libdmg-hfsplus, includes/dmg/dmg.h; newer ones as hdiutil writes them since 10.11 and 10.15)."""
