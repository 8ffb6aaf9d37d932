"""What one archive, everything packed in it included, may cost and has cost."""

from __future__ import annotations

from attrs import define

from machochain.model.artifact import Limits
from machochain.model.errors import InputError
from machochain.model.paths import printable


@define
class Budget:
    """What an archive has cost so far.

    Attributes:
        archive: The archive, as the user named it.
        limits: What it may cost.
        entries: Entries met.
        spent: Bytes decompressed.
        folders: Directories made; a few entries can name very many.
        is_exceeded: Whether a limit was met: nothing goes on then, whatever else could be read.
    """

    archive: str
    limits: Limits
    entries: int = 0
    spent: int = 0
    folders: int = 0
    is_exceeded: bool = False

    def count(self) -> None:
        """Note one more entry.

        Raises:
            InputError: There are more than allowed.
        """
        self.entries += 1
        if self.entries > self.limits.entries:
            raise self.exceeded(f"more than {self.limits.entries} entries (limit entries)")

    def count_folder(self) -> None:
        """Note one more directory.

        Raises:
            InputError: There are more than entries are allowed.
        """
        self.folders += 1
        if self.folders > self.limits.entries:
            raise self.exceeded(f"more than {self.limits.entries} folders (limit entries)")

    def spend(self, size: int, entry: str = "") -> None:
        """Note bytes that came out.

        Raises:
            InputError: There are more than allowed.
        """
        self.spent += size
        if self.spent > self.limits.total_bytes:
            raise self.exceeded(f"unpacks to more than {self.limits.total_bytes} bytes (limit total_bytes)", entry)

    def check_ratio(self, out: int, packed: int, entry: str = "") -> None:
        """Compare what came out of one stream with what went in.

        Raises:
            InputError: It grows more than anything but a bomb does.
        """
        if out > self.limits.ratio_floor and out > self.limits.ratio * max(packed, 1):
            raise self.exceeded(f"unpacks to more than {self.limits.ratio} times its size (limit ratio)", entry)

    def exceeded(self, reason: str, entry: str = "") -> InputError:
        """Return the error for a limit."""
        self.is_exceeded = True
        return InputError(reason, path=self.archive, part=printable(entry) or None)
