"""What file systems give alike: entries in the order of a walk, and the part of a disk that one file system is."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from enum import Enum
from typing import Final

from machochain.model.value import frozen
from machochain.world.archives.compression import Read
from machochain.world.archives.disks.partitions import Disk

_READ_LIMIT: Final = 256 << 20


class DiskEntryKind(Enum):
    """What stands under a name on a volume."""

    FILE = "file"
    DIRECTORY = "directory"
    LINK = "link"
    OTHER = "other"


@frozen
class DiskEntry:
    """One file, folder or link.

    Attributes:
        names: Its path.
        kind: What it is.
        size: Length of a file in bytes.
        link: Where a link points.
        identity: What names of the same file share; None if it has one name only.
        opened: Opens a file; the reader raises OSError for what is damaged.
        unread: Why a file cannot be read; empty if it can.
    """

    names: tuple[str, ...]
    kind: DiskEntryKind
    size: int = 0
    link: str = ""
    identity: int | None = None
    opened: Callable[[], Read] | None = None
    unread: str = ""


Walk = Iterator[DiskEntry | OSError]
"""Entries, and for a folder that cannot be listed the reason."""


class Window:
    """A part of a disk, in the form of a file; it begins at 0."""

    def __init__(self, disk: Disk, start: int, size: int) -> None:
        """Look at ``size`` bytes from ``start``."""
        self._disk = disk
        self._start = start
        self._size = size
        self._position = 0

    def get_size(self) -> int:
        """Return its length; libyal asks for it so."""
        return self._size

    def tell(self) -> int:
        """Return where the next byte is."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go somewhere."""
        origin = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        self._position = max(origin + offset, 0)
        return self._position

    def read(self, size: int = -1) -> bytes:
        """Return bytes from here.

        Raises:
            OSError: They cannot be read, or are more than anybody asks for at once.
        """
        left = max(self._size - self._position, 0)
        wanted = left if size < 0 else min(size, left)
        if wanted > _READ_LIMIT:
            raise OSError(f"{wanted} bytes are asked for at once")
        self._disk.seek(self._start + self._position)
        data = self._disk.read(wanted)
        self._position += len(data)
        return data
