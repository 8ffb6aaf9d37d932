"""Universal ("fat") files: which slices there are, and what dyld objects to in their layout."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from typing import Final

from machochain.macho import constants as c
from machochain.model.arch import CPU_ARM64, Arch
from machochain.model.image import Defect, DefectKind, FileType, Question
from machochain.model.reading import signed
from machochain.model.value import frozen

MAX_SLICES: Final = 16
"""dyld-1378, ``mach_o/Universal.h``, ``kMaxSliceCount``."""
FIRST_JAVA_VERSION: Final = 45
"""Java class files share 0xcafebabe; where a fat header counts its slices they hold minor and major version, and
no major version was ever below 45 (JVM specification, section 4.1)."""
HEADER_BYTES: Final = 4096
"""As much of a file as dyld before 1323 ever took for its fat header."""

_ARCH: Final = struct.Struct(">5I")
_ARCH_64: Final = struct.Struct(">IIQQII")


@frozen
class FatEntry:
    """One slice as the fat header describes it.

    Attributes:
        arch: Processor type and subtype.
        offset: Bytes from the start of the file.
        size: Bytes.
        align: log2 of the alignment.
        hidden: Whether it stands behind the counted ones: old tools reject files that name arm64 beside armv7, so
            32-bit headers may hold one more arm64 slice (dyld-1378, ``Universal::forEachSlice``).
    """

    arch: Arch
    offset: int
    size: int
    align: int
    hidden: bool = False


@frozen
class FatHeader:
    """A fat header.

    Attributes:
        fat64: Whether offsets and sizes have 64 bits.
        count: How many slices the header claims.
        entries: Those of them that ``HEADER_BYTES`` and the file have room for, a hidden one last.
    """

    fat64: bool
    count: int
    entries: tuple[FatEntry, ...]


def is_fat(data: bytes) -> bool:
    """Whether a file that begins with these bytes (8 are enough) is universal and not a Java class."""
    if len(data) < 8 or data[:3] != b"\xca\xfe\xba":
        return False
    if data[3] == 0xBF:
        return True
    return data[3] == 0xBE and int.from_bytes(data[4:8], "big") < FIRST_JAVA_VERSION


def parse_fat(data: bytes) -> FatHeader:
    """Read a fat header.

    Args:
        data: The file's beginning, ``HEADER_BYTES`` of it or all there is; ``is_fat`` holds.
    """
    fat64 = data[3] == 0xBF
    count = int.from_bytes(data[4:8], "big")
    layout = _ARCH_64 if fat64 else _ARCH
    room = min(count, (min(len(data), HEADER_BYTES) - 8) // layout.size)
    entries = []
    for index in range(room):
        cputype, subtype, offset, size, align = layout.unpack_from(data, 8 + index * layout.size)[:5]
        entries.append(FatEntry(Arch.of(cputype, subtype), offset, size, align))
    behind = 8 + count * layout.size
    if not fat64 and room == count and behind + layout.size <= len(data):
        cputype, subtype, offset, size, align = layout.unpack_from(data, behind)
        if cputype == CPU_ARM64 and subtype == 0:
            entries.append(FatEntry(Arch.of(cputype, subtype), offset, size, align, hidden=True))
    return FatHeader(fat64, count, tuple(entries))


CROWDED: Final = "not read, because too many slices lie over one another"
_OVERLAP: Final = 4
"""So many times its size the slices of a file are read. Those of a sound one are all within it, side by side."""


def affordable(entries: Sequence[FatEntry], size: int) -> Iterator[tuple[FatEntry, bool]]:
    """Say of each slice whether it is to be read: what lies over one another multiplies what a file costs.

    Args:
        entries: The slices.
        size: The file's length in bytes.
    """
    left = _OVERLAP * size
    for entry in entries:
        own = max(min(entry.size, size - entry.offset), 0)
        fits = own <= left
        left -= own if fits else 0
        yield entry, fits


def fat_defects(header: FatHeader, size: int, slice_heads: Sequence[bytes]) -> tuple[Defect, ...]:
    """Return what dyld objects to, in its order (dyld-1378, ``Universal::valid``, ``validSlice``).

    Args:
        header: What ``parse_fat`` gave.
        size: The file's length in bytes.
        slice_heads: The first 28 bytes of each entry's slice, fewer where the file ends.
    """
    return tuple(
        Defect(text, Question.ALWAYS, kind=DefectKind.UNIVERSAL) for text in _objections(header, size, slice_heads)
    )


def _objections(header: FatHeader, size: int, slice_heads: Sequence[bytes]) -> Iterator[str]:
    entry_size = 32 if header.fat64 else 20
    if size < 8 + entry_size:
        yield "fat file too short"
        return
    if header.count > MAX_SLICES:
        yield f"fat file has too many slices ({signed(header.count)})"
        return
    # 32-bit headers need room for the hidden slice as well
    if 8 + entry_size * (header.count + (not header.fat64)) > size:
        yield "slice headers extend beyond end of file"
        return
    last_end = 8 + entry_size
    strict = True
    seen: list[Arch] = []
    for entry, head in zip(header.entries, slice_heads, strict=True):
        arch = _in_header(entry)
        end = entry.offset + entry.size
        if end > size:
            yield f"{arch.dyld_name} slice extends beyond end of file"
            continue
        strict = strict and entry.offset >= last_end
        if any(arch.same_as(x) for x in seen):
            yield f"duplicate {arch.dyld_name} slices"
        seen.append(arch)
        yield from _slice_objections(arch, entry, head)
        last_end = end
    if not strict and _any_overlap(header.entries):
        yield "overlapping slices"


def _in_header(entry: FatEntry) -> Arch:
    """The architecture as dyld takes it: libtool leaves out the ABI bits of arm64e."""
    arch = entry.arch
    return Arch.named("arm64e") if arch.cputype == CPU_ARM64 and arch.cpusubtype == 2 else arch


def _slice_objections(arch: Arch, entry: FatEntry, head: bytes) -> Iterator[str]:
    if len(head) < 28 or entry.size < 28:
        return
    magic, cputype, subtype, file_type = struct.unpack_from("<4I", head)
    if magic not in {c.MH_MAGIC, c.MH_MAGIC_64}:
        return
    own = Arch.of(cputype, subtype)
    if file_type not in {FileType.MH_DSYM, FileType.MH_OBJECT}:
        mask = 0x3FFF if own.uses_16k_pages else 0xFFF
        if entry.offset & mask:
            yield "slice is not page aligned"
    if not own.same_as(arch) and not (own.is_arm64e and arch.is_arm64e):
        yield f"cpu type/subtype in slice ({own.dyld_name}) does not match fat header ({arch.dyld_name})"


def _any_overlap(entries: Sequence[FatEntry]) -> bool:
    ranges = [(x.offset, x.offset + x.size) for x in entries]
    return any(
        b_start < a_end and b_end > a_start
        for i, (a_start, a_end) in enumerate(ranges)
        for j, (b_start, b_end) in enumerate(ranges)
        if i != j
    )
