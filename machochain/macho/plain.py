"""The quick answer about segments: that nothing can be said against them, as it is of nearly all images."""

from __future__ import annotations

import struct
from typing import Final

from machochain.macho import constants as c
from machochain.macho.collected import Collected

SECTIONS: Final = (56, 68, struct.Struct("<32xII28x"))
SECTIONS_64: Final = (72, 80, struct.Struct("<32xQQ32x"))
"""Where the sections of a segment command begin, how long each is, and its address and size."""
PLAIN_PERMISSIONS: Final = {"__TEXT": 5, "__LINKEDIT": 1, "__DATA": 3, "__DATA_CONST": 3}
"""``initprot`` of the segments that dyld asks about."""
_MASK_32: Final = 0xFFFFFFFF
_MASK_64: Final = 0xFFFFFFFFFFFFFFFF


def header_bytes(buffer: bytes) -> int:
    """Return how long header and load commands are; dyld adds in 32 bits."""
    return (32 if buffer[0] == 0xCF else 28) + int.from_bytes(buffer[20:24], "little") & _MASK_32


def segments_are_plain(walked: Collected, size: int, *, wide: bool, managed: bool) -> bool:
    """Whether dyld can object to no segment, neither by itself nor beside the others.

    Args:
        walked: What the walk over the load commands collected.
        size: Length of the file in bytes.
        wide: Whether the header is of the 64-bit kind.
        managed: Whether dyld loads the image, which then needs a __TEXT and names that differ.
    """
    mask, (first, step, layout) = (_MASK_64, SECTIONS_64) if wide else (_MASK_32, SECTIONS)
    buffer = walked.buffer
    low = low_offset = 0
    for (_, name, start, room, offset, length, _, protection, count, flags), at, command_size in walked.segments:
        high, high_offset = start + room, offset + length
        if (
            start < low
            or offset < low_offset
            or high_offset > size
            or high_offset > mask
            or length > room
            or high > mask
            or protection != PLAIN_PERMISSIONS.get(name, protection & 7)
            or (name == "__DATA_CONST" and not flags & c.SG_READ_ONLY)
        ):
            return False
        if count:
            begin = at + first
            end = begin + min(count, (command_size - first) // step) * step
            for address, long in layout.iter_unpack(buffer[begin:end]):
                if address < start or address + long > high:
                    return False
        low, low_offset = high, high_offset
    return not managed or _plainly_named(walked)


def _plainly_named(walked: Collected) -> bool:
    """Whether names differ, and __TEXT begins with the file and has room for the load commands."""
    segments = {fields[1]: fields for fields, *_ in walked.segments}
    if len(segments) < len(walked.segments) or "__TEXT" not in segments:
        return False
    _, _, _, room, offset, length, *_ = segments["__TEXT"]
    return not offset and min(room, length) >= header_bytes(walked.buffer)
