"""The one walk over load commands."""

from __future__ import annotations

import struct
from typing import Final

from machochain.model.value import frozen

_HEAD: Final = struct.Struct("<II")


@frozen
class Command:
    """One load command: where it lies and how long it is.

    Attributes:
        cmd: The command number, LC_REQ_DYLD bit included.
        offset: Bytes from the start of the slice.
        size: ``cmdsize`` in bytes.
    """

    cmd: int
    offset: int
    size: int


def walk_commands(data: bytes, start: int, count: int, end: int) -> list[tuple[int, int, int]]:
    """Return (command number, offset, ``cmdsize``) of each load command that could be walked, in file order.

    Where fewer than ``count`` come back, the walk stopped behind the last one, at ``walk_end``: less than a command's
    head is left there, or its size is below 8 or leads behind ``end``. What that is called, and from which release on
    it is fatal, is for those who ask.

    Args:
        data: The beginning of a slice.
        start: Where the first command begins.
        count: How many the header claims.
        end: Where the walk ends: the end of the commands, or of ``data`` if that comes first.
    """
    found: list[tuple[int, int, int]] = []
    add = found.append
    unpack = _HEAD.unpack_from
    last = min(end, len(data)) - 8
    at = start
    for _ in range(count):
        if at > last:
            break
        number, size = unpack(data, at)
        following = at + size
        if size < 8 or following > end:
            break
        add((number, at, size))
        at = following
    return found


def walk_end(found: list[tuple[int, int, int]], start: int) -> int:
    """Return the offset behind the last command of a walk that began at ``start``."""
    return found[-1][1] + found[-1][2] if found else start
