"""FAT12, FAT16 and FAT32: what images are made of that were not made on a Mac.

Layout: Microsoft, FAT: General Overview of On-Disk Format, 1.03; ECMA-107.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from typing import Final

from machochain.model.release import Volume
from machochain.model.value import frozen
from machochain.world.archives.budget import Budget
from machochain.world.archives.compression import Read
from machochain.world.archives.disks.entries import DiskEntry, DiskEntryKind, Walk, Window

_DIRECTORY: Final = 0x10
_LABEL: Final = 0x08
_LONG: Final = 0x0F
_ENTRY: Final = 32
_FOLDER_LIMIT: Final = 4 << 20
_TABLE_LIMIT: Final = 512 << 20


@frozen
class _Geometry:
    """Where the parts of a volume are, in bytes."""

    bits: int
    table: int
    cluster: int
    data: int
    clusters: int
    root: int
    root_size: int
    label: str


def fat_volumes(window: Window, budget: Budget) -> Iterator[tuple[Volume, Walk]]:
    """Yield the volume of a FAT file system, with its entries.

    Args:
        window: The file system.
        budget: Each cluster that is followed is a step.

    Raises:
        OSError: It is damaged.
    """
    volume = _Fat(window, budget)
    shape = volume.shape
    yield Volume(shape.label or "NO NAME", f"FAT{shape.bits}"), volume.walk()


class _Fat:
    """One volume."""

    def __init__(self, window: Window, budget: Budget) -> None:
        self._window = window
        self._budget = budget
        window.seek(0)
        self.shape = _geometry(window.read(512))

    def walk(self) -> Walk:
        shape = self.shape
        if shape.bits == 32:
            root = b"".join(self._chain(shape.root, _FOLDER_LIMIT))
        else:
            root = self._at(shape.root, shape.root_size)
        pending: list[tuple[tuple[str, ...], bytes]] = [((), root)]
        seen: set[int] = set()
        while pending:
            above, listing = pending.pop()
            for name, attributes, first, size in _entries(listing):
                names = (*above, name)
                if not attributes & _DIRECTORY:
                    yield DiskEntry(names, DiskEntryKind.FILE, size, opened=_opener(self, first, size))
                    continue
                yield DiskEntry(names, DiskEntryKind.DIRECTORY)
                if first in seen or first < 2:
                    continue
                seen.add(first)
                try:
                    pending.append((names, b"".join(self._chain(first, _FOLDER_LIMIT))))
                except OSError as error:
                    yield OSError(f"the folder {'/'.join(names)} cannot be listed: {error}")

    def _at(self, offset: int, size: int) -> bytes:
        self._window.seek(offset)
        data = self._window.read(size)
        if len(data) < size:
            raise OSError("the volume is cut")
        return data

    def _next(self, cluster: int) -> int | None:
        """Return the cluster after one; None at the end of the file."""
        bits = self.shape.bits
        if bits == 12:
            (pair,) = struct.unpack("<H", self._at(self.shape.table + cluster + cluster // 2, 2))
            found = pair >> 4 if cluster & 1 else pair & 0xFFF
            return None if found >= 0xFF8 else found
        if bits == 16:
            (found,) = struct.unpack("<H", self._at(self.shape.table + cluster * 2, 2))
            return None if found >= 0xFFF8 else found
        found = struct.unpack("<I", self._at(self.shape.table + cluster * 4, 4))[0] & 0x0FFFFFFF
        return None if found >= 0x0FFFFFF8 else found

    def _chain(self, first: int, limit: int) -> Iterator[bytes]:
        """Yield the clusters of a file; a file cannot have more of them than the volume has."""
        cluster: int | None = first
        left = limit
        followed = 0
        while cluster is not None and left > 0:
            if not 2 <= cluster < self.shape.clusters + 2:
                raise OSError(f"a chain leads to cluster {cluster}, which is none")
            followed += 1
            self._budget.step()
            if followed > self.shape.clusters:
                raise OSError("a chain of clusters is a circle")
            yield self._at(self.shape.data + (cluster - 2) * self.shape.cluster, self.shape.cluster)
            left -= self.shape.cluster
            cluster = self._next(cluster)

    def reader(self, first: int, size: int) -> Read:
        chain = self._chain(first, size) if size else iter(())
        left = size
        pending = b""

        def read(count: int) -> bytes:
            nonlocal left, pending
            if not pending and left:
                pending = next(chain, b"")[:left]
                left -= len(pending)
            data, pending = pending[:count], pending[count:]
            return data

        return read


def _opener(volume: _Fat, first: int, size: int) -> Callable[[], Read]:
    return lambda: volume.reader(first, size)


def _geometry(boot: bytes) -> _Geometry:
    if len(boot) < 512:
        raise OSError("the volume is cut")
    sector, per, reserved, tables, roots, small = struct.unpack_from("<HBHBHH", boot, 11)
    table16, large = struct.unpack_from("<H", boot, 22)[0], struct.unpack_from("<I", boot, 32)[0]
    table32, _, _, root32 = struct.unpack_from("<IHHI", boot, 36)
    sectors, table = small or large, table16 or table32
    if sector not in {512, 1024, 2048, 4096} or per not in {1, 2, 4, 8, 16, 32, 64, 128} or not tables or not table:
        raise OSError("the boot sector of a FAT volume makes no sense")
    if table * sector > _TABLE_LIMIT:
        raise OSError("the table of a FAT volume is too long")
    root = (reserved + tables * table) * sector
    root_size = roots * _ENTRY
    data = root + (root_size + sector - 1) // sector * sector
    clusters = max(sectors * sector - data, 0) // (per * sector)
    bits = 12 if clusters < 4085 else 16 if clusters < 65525 else 32
    if not table16:
        bits = 32  # small volumes are made so, too
    label = boot[71:82] if bits == 32 else boot[43:54]
    name = label.decode("latin-1").rstrip(" \0")
    return _Geometry(
        bits, reserved * sector, per * sector, data, clusters, root32 if bits == 32 else root, root_size, name
    )


def _entries(listing: bytes) -> Iterator[tuple[str, int, int, int]]:
    """Yield name, attributes, first cluster and size of what a folder holds."""
    long: dict[int, str] = {}
    for at in range(0, len(listing) - _ENTRY + 1, _ENTRY):
        entry = listing[at : at + _ENTRY]
        attributes = entry[11]
        if not entry[0]:
            return
        if entry[0] == 0xE5:
            long.clear()
        elif attributes & 0x3F == _LONG:
            part = entry[1:11] + entry[14:26] + entry[28:32]
            long[entry[0] & 0x3F] = part.decode("utf-16-le", "surrogatepass").partition("\0")[0].rstrip("\uffff")
        elif attributes & _LABEL:
            long.clear()
        else:
            name = "".join(long[number] for number in sorted(long)) or _short(entry)
            long.clear()
            if name not in {".", ".."}:
                high, low, size = *struct.unpack_from("<H", entry, 20), *struct.unpack_from("<HI", entry, 26)
                yield name, attributes, high << 16 | low, size


def _short(entry: bytes) -> str:
    """Return an 8.3 name; two bits say that a part of it is in lower case."""
    stem, ending = (part.decode("latin-1").rstrip() for part in (entry[:8], entry[8:11]))
    stem = stem.lower() if entry[12] & 0x08 else stem
    ending = ending.lower() if entry[12] & 0x10 else ending
    return f"{stem}.{ending}" if ending else stem
