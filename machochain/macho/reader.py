"""Reads Mach-O files: the headers of every slice, from header bytes only.

The cost of reading a file does not grow with its size: one ``pread`` per slice is the rule, and a second one only
where the load commands are longer than the first.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, Literal

from machochain.macho.fat import CROWDED, HEADER_BYTES, FatEntry, affordable, fat_defects, parse_fat
from machochain.macho.foreign import foreign_kind
from machochain.macho.header import MARGIN, parse_image
from machochain.macho.kind import FileKind, kind_of
from machochain.macho.source import FileSource
from machochain.model.arch import Arch
from machochain.model.errors import InputError
from machochain.model.image import MachOFile, Slice
from machochain.model.paths import HostPath
from machochain.model.reading import ByteSource, BytesSource, RangeSource, ReadAt

FIRST_READ: Final = 8192
"""Bytes of a slice that are read first. Of 2,960 real slices none had load commands longer than 7,784 bytes."""
_HEAD: Final = 8
_ENTRY: Final = 32
_LARGEST_PAGE: Final = 0x4000
NOT_MACH_O: Final = "slice is not valid mach-o file"
"""dyld-1378, ``common/MachOFile.cpp``, ``compatibleSlice``; before dyld-1284 the text is ``not a mach-o file``."""


def slice_reader(source: ByteSource, piece: Slice) -> ReadAt:
    """Return ``read(offset, size)`` over one slice: offsets count from its start, nothing behind its end is given."""
    return RangeSource(source, piece.offset, piece.size).read


def read_file(path: HostPath) -> MachOFile:
    """Read the headers of a file on this machine.

    Raises:
        InputError: The file cannot be read, or is neither Mach-O nor universal.
    """
    with FileSource(path) as source:
        try:
            return read_source(source)
        except InputError as error:
            raise error.at(path) from None


def read_bytes(data: bytes | memoryview) -> MachOFile:
    """Read the headers of a whole file that is in memory.

    Raises:
        InputError: The bytes are neither Mach-O nor universal.
    """
    return read_source(BytesSource(data))


def read_source(source: ByteSource) -> MachOFile:
    """Read the headers of a file through any byte source.

    Raises:
        InputError: The bytes cannot be read, or are neither Mach-O nor universal.
    """
    first = source.read(0, FIRST_READ)
    kind = kind_of(first)
    if kind is FileKind.MACHO:
        piece = _read_slice(source, first, _thin_arch(first), 0, source.size, 0)
        return MachOFile(False, False, (piece,), source.size)  # neither universal nor 64-bit
    if kind is FileKind.UNIVERSAL:
        return _read_universal(source, first)
    other = foreign_kind(first)
    what = "an archive, not a Mach-O file" if kind is FileKind.ARCHIVE else "not a Mach-O file"
    raise InputError(what if other is None else f"{what} but {other.value}", offset=0)


def _read_universal(source: ByteSource, first: bytes) -> MachOFile:
    header = parse_fat(first[:HEADER_BYTES])
    heads = [source.read(x.offset, min(x.size, FIRST_READ)) if x.offset < source.size else b"" for x in header.entries]
    return MachOFile(
        universal=True,
        fat64=header.fat64,
        slices=tuple(_read_slices(source, heads, header.entries)),
        size=source.size,
        defects=fat_defects(header, source.size, [x[:28] for x in heads]),
        slice_count=header.count,
        first=_fat_table(source, first, header.count),
    )


def _read_slices(source: ByteSource, heads: list[bytes], entries: Sequence[FatEntry]) -> Iterator[Slice]:
    for head, (entry, fits) in zip(heads, affordable(entries, source.size), strict=True):
        if fits:
            yield _read_slice(source, head, entry.arch, entry.offset, entry.size, entry.align)
        else:
            yield Slice(entry.arch, entry.offset, entry.size, entry.align, None, CROWDED, bytes(head[:32]))


def _fat_table(source: ByteSource, first: bytes, count: int) -> bytes:
    """The table as it stands, even where it is longer than dyld looks."""
    size = min(_HEAD + count * _ENTRY, _LARGEST_PAGE)
    return first[:size] if size <= len(first) else source.read(0, size)


def _thin_arch(first: bytes) -> Arch:
    order: Literal["big", "little"] = "big" if first[:2] == b"\xfe\xed" else "little"
    return Arch.of(int.from_bytes(first[4:8], order), int.from_bytes(first[8:12], order))


def _read_slice(source: ByteSource, head: bytes, arch: Arch, offset: int, size: int, align: int) -> Slice:
    """Parse one slice whose first bytes are at hand; read on where its load commands are longer than these."""
    if len(head) < 28 or head[:4] not in {b"\xce\xfa\xed\xfe", b"\xcf\xfa\xed\xfe"}:
        return Slice(arch, offset, size, align, None, NOT_MACH_O, bytes(head[:32]))
    wanted = min(32 + int.from_bytes(head[20:24], "little") + MARGIN, size)
    if wanted > len(head) and len(head) >= FIRST_READ:
        head += source.read(offset + len(head), wanted - len(head))
    return Slice(arch, offset, size, align, parse_image(head, size=source.size))
