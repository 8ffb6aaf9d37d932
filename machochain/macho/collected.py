"""What the walk over the load commands collects for the checks behind it."""

from __future__ import annotations

from typing import Any


class Collected:
    """What the walk over the load commands leaves for dyld's checks beside the image; positions count commands.

    Attributes:
        buffer: Header and load commands, and some bytes more.
        build_indices: Positions of the platform commands.
        uuids: How many LC_UUIDs there are.
        ids: How many LC_ID_DYLIBs there are.
        mains: Positions of LC_MAIN.
        threads: Positions of LC_UNIXTHREAD.
        segments: The fields of each `Segment`, with offset and size of its command.
        linker_options: Positions of LC_LINKER_OPTION.
        split_seg: Size of the first LC_SEGMENT_SPLIT_INFO.
        has_dylinker: Whether there is an LC_LOAD_DYLINKER.
    """

    __slots__ = (
        "buffer", "build_indices", "has_dylinker", "ids", "linker_options", "mains", "segments", "split_seg", "threads",
        "uuids",
    )  # fmt: skip

    def __init__(self, buffer: bytes) -> None:
        self.buffer = buffer
        self.build_indices: list[int] = []
        self.uuids = 0
        self.ids = 0
        self.mains: list[int] = []
        self.threads: list[int] = []
        self.segments: list[tuple[tuple[Any, ...], int, int]] = []
        self.linker_options: list[int] = []
        self.split_seg: int | None = None
        self.has_dylinker = False
