"""What one archive, everything packed in it included, may cost and has cost."""

from __future__ import annotations

from machochain.model.artifact import Limits
from machochain.model.paths import printable
from machochain.model.value import define
from machochain.world.archives.errors import OverLimitError


@define
class Budget:
    """What an archive has cost so far. Each method raises `OverLimitError` when that is more than allowed.

    Attributes:
        archive: The archive, as the user named it.
        limits: What it may cost.
        entries: Entries met.
        spent: Bytes decompressed.
        written: Bytes written to the temporary folder.
        folders: Directories made; a few entries can name very many.
        steps: Names walked through while links are followed, parts of streams begun.
        is_exceeded: Whether a limit was met: nothing goes on then, whatever else could be read.
    """

    archive: str
    limits: Limits
    entries: int = 0
    spent: int = 0
    written: int = 0
    folders: int = 0
    steps: int = 0
    is_exceeded: bool = False

    def count(self) -> None:
        """Note one more entry."""
        self.entries += 1
        if self.entries > self.limits.entries:
            raise self.exceeded(f"more than {self.limits.entries} entries (limit entries)")

    def count_folder(self) -> None:
        """Note one more directory."""
        self.folders += 1
        if self.folders > self.limits.entries:
            raise self.exceeded(f"more than {self.limits.entries} folders (limit entries)")

    def step(self, count: int = 1) -> None:
        """Note work that gives no bytes."""
        self.steps += count
        if self.steps > self.limits.steps:
            raise self.exceeded(f"takes more than {self.limits.steps} steps to follow (limit steps)")

    def spend(self, size: int, entry: str = "") -> None:
        """Note bytes that came out."""
        self.spent += size
        if self.spent > self.limits.total_bytes:
            raise self.exceeded(f"unpacks to more than {self.limits.total_bytes} bytes (limit total_bytes)", entry)

    def store(self, size: int, entry: str = "") -> None:
        """Note bytes before they are written."""
        self.written += size
        if self.written > self.limits.disk_bytes:
            raise self.exceeded(f"takes more than {self.limits.disk_bytes} bytes of disk (limit disk_bytes)", entry)

    def check_ratio(self, out: int, packed: int, entry: str = "") -> None:
        """Compare what came out of one stream with what went in: nothing but a bomb grows so much."""
        if out > self.limits.ratio_floor and out > self.limits.ratio * max(packed, 1):
            raise self.exceeded(f"unpacks to more than {self.limits.ratio} times its size (limit ratio)", entry)

    def exceeded(self, reason: str, entry: str = "") -> OverLimitError:
        """Return the error for a limit."""
        self.is_exceeded = True
        return OverLimitError(reason, path=self.archive, part=printable(entry) or None)
