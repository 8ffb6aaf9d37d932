"""A tar written anew in which some members have other bytes; all other blocks are copied as they are."""

from __future__ import annotations

import bz2
import gzip
import lzma
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, BinaryIO, Final, cast

from machochain.repair.obstacle import ObstacleKind, refuse

_BLOCK: Final = 512
_CHUNK: Final = 1 << 20
_MAGICS: Final = {b"\x1f\x8b": "gz", b"BZh": "bz2", b"\xfd7zXZ\0": "xz"}


def packing(head: bytes) -> str:
    """Return how a file that begins like this is packed; empty if it is not."""
    return next((name for magic, name in _MAGICS.items() if head.startswith(magic)), "")


@contextmanager
def _opened(source: Path, kind: str) -> Iterator[IO[bytes]]:
    if kind == "gz":
        with gzip.open(source) as file:
            yield cast("IO[bytes]", file)
    elif kind == "bz2":
        with bz2.open(source) as file:
            yield file
    elif kind == "xz":
        with lzma.open(source) as file:
            yield file
    else:
        with source.open("rb") as file:
            yield file


@contextmanager
def _packed(out: BinaryIO, kind: str) -> Iterator[IO[bytes]]:
    if kind == "gz":
        with gzip.GzipFile("", "wb", 9, out, mtime=0) as file:
            yield cast("IO[bytes]", file)
    elif kind == "bz2":
        with bz2.BZ2File(out, "wb") as file:
            yield file
    elif kind == "xz":
        with lzma.LZMAFile(out, "wb") as file:
            yield file
    else:
        yield out


def rewrite_tar(source: Path, out: BinaryIO, changed: Mapping[str, bytes]) -> None:
    """Write a tar with the bytes of some members replaced.

    Args:
        source: The tar, plain or packed with gzip, bzip2 or xz.
        out: Where to write.
        changed: New bytes of members by their names.

    Raises:
        RepairError: It cannot be read, or a member is written in a way that is not changed.
    """
    with source.open("rb") as file:
        kind = packing(file.read(8))
    try:
        with (
            _opened(source, kind) as plain,
            _packed(out, kind) as target,
            tarfile.open(fileobj=plain, mode="r:") as tar,
        ):
            end = 0
            for member in tar:
                new = changed.get(member.name)
                if new is None or not member.isreg():
                    continue
                _copy(plain, target, end, member.offset_data - end - _BLOCK)
                plain.seek(member.offset_data - _BLOCK)
                target.write(_header(plain.read(_BLOCK), member, new))
                target.write(new + bytes(-len(new) % _BLOCK))
                end = member.offset_data + -(-member.size // _BLOCK) * _BLOCK
                plain.seek(end)
            plain.seek(end)
            while data := plain.read(_CHUNK):
                target.write(data)
    except (tarfile.TarError, OSError, EOFError, lzma.LZMAError) as error:
        raise refuse(ObstacleKind.CONTAINER, f"it cannot be read ({error})") from error


def _copy(plain: IO[bytes], target: IO[bytes], at: int, size: int) -> None:
    plain.seek(at)
    while size > 0:
        data = plain.read(min(size, _CHUNK))
        if not data:
            raise refuse(ObstacleKind.CONTAINER, "it is cut off")
        target.write(data)
        size -= len(data)


def _header(block: bytes, member: tarfile.TarInfo, new: bytes) -> bytes:
    """Return a member's header with another size (POSIX ustar: octal size at 124, checksum at 148)."""
    if len(new) == member.size:
        return block
    if "size" in member.pax_headers or member.sparse is not None:
        raise refuse(ObstacleKind.CONTAINER, f"member {member.name} is written in a way that is not changed")
    header = bytearray(block)
    header[124:136] = b"%011o\0" % len(new)
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header)
