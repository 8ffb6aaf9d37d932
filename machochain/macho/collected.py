"""What the walk over the load commands collects for the checks behind it."""

from __future__ import annotations


class Collected:
    """What the walk over the load commands leaves for dyld's checks beside the image; positions count commands.

    Attributes:
        buffer: Header and load commands, and some bytes more.
        commands: (number, offset, size) of each command.
        build_indices: Positions of the platform commands.
        uuids: Each LC_UUID.
        ids: Name, current and compatibility version of each LC_ID_DYLIB.
        mains: Positions of LC_MAIN.
        threads: Positions of LC_UNIXTHREAD.
        linker_options: Positions of LC_LINKER_OPTION.
        split_seg: Size of the first LC_SEGMENT_SPLIT_INFO.
        has_dylinker: Whether there is an LC_LOAD_DYLINKER.
    """

    __slots__ = (
        "buffer", "build_indices", "commands", "has_dylinker", "ids", "linker_options", "mains", "split_seg", "threads",
        "uuids",
    )  # fmt: skip

    def __init__(self, buffer: bytes) -> None:
        self.buffer = buffer
        self.commands: list[tuple[int, int, int]] = []
        self.build_indices: list[int] = []
        self.uuids: list[bytes] = []
        self.ids: list[tuple[str, int, int]] = []
        self.mains: list[int] = []
        self.threads: list[int] = []
        self.linker_options: list[int] = []
        self.split_seg: int | None = None
        self.has_dylinker = False
