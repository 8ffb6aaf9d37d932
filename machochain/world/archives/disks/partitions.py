"""Where file systems begin in a disk image: by content, never by a partition's name."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final, Protocol

from machochain.model.value import frozen

_GPT_ENTRIES: Final = 1024
_APM_ENTRIES: Final = 256


class Disk(Protocol):
    """The bytes of an image."""

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Go somewhere."""
        ...

    def read(self, size: int = -1, /) -> bytes:
        """Return bytes from here."""
        ...


@frozen
class FileSystem:
    """A file system that begins somewhere.

    Attributes:
        form: ``APFS``, ``HFS+``, ``HFSX``, ``HFS``, ``FAT``, ``exFAT``, ``ISO 9660``, ``UDF``, ``Core Storage``.
        start: Where it begins in the image.
        size: How long it may be.
    """

    form: str
    start: int
    size: int


def find_file_systems(disk: Disk, size: int, starts: tuple[int, ...] = ()) -> tuple[FileSystem, ...]:
    """Return the file systems of a disk, by place; each start once.

    Args:
        disk: The image.
        size: Its length.
        starts: Where else something may begin.
    """
    found: dict[int, FileSystem] = {}
    for start, length in _candidates(disk, size, starts):
        if not 0 <= start < size or start in found:
            continue
        here = _at(disk, start, min(length, size - start) or size - start)
        if here is not None:
            found.setdefault(here.start, here)
    # A hybrid image shows its files twice, as a Mac and as ISO 9660; the Mac's view is the one that counts.
    forms = {each.form for each in found.values()}
    kept = found.values() if not forms - {"ISO 9660", "UDF"} else [
        each for each in found.values() if each.form not in {"ISO 9660", "UDF"}
    ]  # fmt: skip
    return tuple(sorted(kept, key=lambda each: each.start))


def _read(disk: Disk, offset: int, size: int) -> bytes:
    disk.seek(offset)
    return disk.read(size)


def _candidates(disk: Disk, size: int, starts: tuple[int, ...]) -> Iterator[tuple[int, int]]:
    yield 0, size
    head = _read(disk, 0, 4096)
    yield from _gpt(disk, head)
    for block in (512, 2048):
        yield from _apm(disk, block)
    if head[510:512] == b"\x55\xaa":
        for entry in range(446, 510, 16):
            first, count = struct.unpack_from("<2I", head, entry + 8)
            if count:
                yield first * 512, count * 512
    for start in starts[:_GPT_ENTRIES]:
        yield start, size - start


def _gpt(disk: Disk, head: bytes) -> Iterator[tuple[int, int]]:
    if head[512:520] != b"EFI PART" or len(head) < 604:
        return
    place, count, length = struct.unpack_from("<QII", head, 512 + 72)
    if count > _GPT_ENTRIES or not 128 <= length <= 4096 or place >= 1 << 32:
        return
    table = _read(disk, place * 512, count * length)
    for at in range(0, len(table) - 127, length):
        first, last = struct.unpack_from("<2Q", table, at + 32)
        if any(table[at : at + 16]) and first <= last < 1 << 54:
            yield first * 512, (last - first + 1) * 512


def _apm(disk: Disk, block: int) -> Iterator[tuple[int, int]]:
    first = _read(disk, block, 512)
    if first[:2] != b"PM" or len(first) < 16:
        return
    (count,) = struct.unpack_from(">I", first, 4)
    for number in range(min(count, _APM_ENTRIES)):
        entry = _read(disk, block * (number + 1), 16)
        if entry[:2] != b"PM" or len(entry) < 16:
            return
        start, length = struct.unpack_from(">2I", entry, 8)
        yield start * block, length * block


def _at(disk: Disk, start: int, size: int) -> FileSystem | None:  # noqa: PLR0911  # one answer a case
    head = _read(disk, start, 2048)
    if head[32:36] == b"NXSB":
        return FileSystem("APFS", start, size)
    if head[88:90] == b"CS" and head[:8] != bytes(8):
        return FileSystem("Core Storage", start, size)
    kind = head[1024:1026]
    if kind == b"H+":
        return FileSystem("HFS+", start, size)
    if kind == b"HX":
        return FileSystem("HFSX", start, size)
    if kind == b"BD":
        return _hfs(head, start, size)
    if head[3:11] == b"EXFAT   ":
        return FileSystem("exFAT", start, size)
    if head[510:512] == b"\x55\xaa" and (head[54:57] == b"FAT" or head[82:87] == b"FAT32"):
        return FileSystem("FAT", start, size)
    late = _read(disk, start + 32768, 6)
    if late[1:6] == b"CD001":
        return FileSystem("ISO 9660", start, size)
    if late[1:6] in {b"BEA01", b"NSR02", b"NSR03"}:
        return FileSystem("UDF", start, size)
    return None


def _hfs(head: bytes, start: int, size: int) -> FileSystem:
    """Return the HFS+ volume that a volume of the old kind wraps, else that volume itself (Technical Note TN1150)."""
    if head[1024 + 124 : 1024 + 126] != b"H+":
        return FileSystem("HFS", start, size)
    (block,) = struct.unpack_from(">I", head, 1024 + 20)
    (first,) = struct.unpack_from(">H", head, 1024 + 28)
    begin, count = struct.unpack_from(">2H", head, 1024 + 126)
    inner = first * 512 + begin * block
    return FileSystem("HFS+", start + inner, min(count * block, size - inner))
