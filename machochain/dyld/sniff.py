"""What dyld2 checks in a header before it maps an image (macOS 11).

Restates the checks of ``ImageLoaderMachO::sniffLoadCommands`` (dyld-852.2, ``src/ImageLoaderMachO.cpp``) that a macOS
program meets: those behind ``strictMachORequired`` are left out, because nothing ever sets that flag there.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final

from machochain.model.image import DefectKind, Image, Segment
from machochain.model.loadcommand import Command

_LC_SEGMENT: Final = 0x1
_LC_SEGMENT_64: Final = 0x19
_LINKED: Final = frozenset({0xC, 0x80000018, 0x8000001F, 0x80000023})
_LC_ID_DYLIB: Final = 0xD
_LC_CODE_SIGNATURE: Final = 0x1D
_ENCRYPTION: Final = frozenset({0x21, 0x2C})
_SIMULATOR: Final = frozenset({0x25, 0x2F, 0x30})
_SIZES: Final = {
    0x2: ("LC_SYMTAB", 24),
    0xB: ("LC_DYSYMTAB", 80),
    0x1D: ("LC_CODE_SIGNATURE", 16),
    0x21: ("LC_ENCRYPTION_INFO", 20),
    0x22: ("LC_DYLD_INFO", 48),
    0x80000022: ("LC_DYLD_INFO", 48),
    0x2C: ("LC_ENCRYPTION_INFO_64", 24),
    0x80000033: ("LC_DYLD_EXPORTS_TRIE", 16),
    0x80000034: ("LC_DYLD_CHAINED_FIXUPS", 16),
}
_HEADER: Final = struct.Struct("<7I")
_WORD: Final = struct.Struct("<I")
_IMAGE: Final = "malformed mach-o image: "
_U32: Final = 0xFFFFFFFF
_MOST_SYMBOLS: Final = 0x10000000


def sniff(image: Image, path: str, *, sdk_since_10_15: bool) -> str | None:
    """Return the text with which dyld2 refuses an image, or None.

    Args:
        image: The header.
        path: The path as dyld tried it; some texts repeat it.
        sdk_since_10_15: Whether the image was built with the macOS 10.15 SDK or later.
    """
    if not image.raw:
        return None  # a program that is still to be linked
    _, _, _, _, count, length, _ = _HEADER.unpack_from(image.raw)
    found = _Found()
    for part in (
        _lengths(image, count, length),
        _commands(image, found),
        _end_of_walk(image, path, count, length),
        _whole(image, found),
        _symbols(image, found, sdk_since_10_15),
        _limits(image, path),
    ):
        text = next(part, None)
        if text is not None:
            return text
    return None


class _Found:
    """What the walk over the load commands leaves for the checks behind it."""

    def __init__(self) -> None:
        self.linkedit: Segment | None = None
        self.start: Segment | None = None
        self.names: set[str] = set()


def _lengths(image: Image, count: int, length: int) -> Iterator[str]:
    for defect in image.defects:
        if defect.kind is DefectKind.COMMANDS_EXCEED_FILE:
            commands, size = defect.numbers
            yield f"malformed mach-o: load commands size ({commands}) > mach-o file size ({size})"
    if count > length // 8:
        yield f"malformed mach-o: ncmds ({count}) too large to fit in sizeofcmds ({length})"


def _commands(image: Image, found: _Found) -> Iterator[str]:
    """Each load command by itself, in file order."""
    segments = {x.command_index: x for x in image.segments}
    native = _LC_SEGMENT_64 if image.header_size == 32 else _LC_SEGMENT
    for index, command in enumerate(image.commands):
        number = command.cmd
        if number == native:
            yield from _segment(image, segments.get(index), command, found)
        elif number in {_LC_SEGMENT, _LC_SEGMENT_64}:
            yield f"{_IMAGE}wrong LC_SEGMENT[_64] for architecture"
        elif number in _LINKED or number == _LC_ID_DYLIB:
            yield from _dylib(image, index, command)
        elif number in _SIMULATOR:
            yield "mach-o, but built for simulator (not macOS)"
        elif number in _SIZES:
            name, size = _SIZES[number]
            if command.size != size:
                yield f"{_IMAGE}{name} size wrong"
            # the two kinds of encryption count as one
            kind = "LC_ENCRYPTION_INFO" if number in _ENCRYPTION else name
            if kind in found.names and (number in _ENCRYPTION or number == _LC_CODE_SIGNATURE):
                yield f"{_IMAGE}multiple {name} load commands"
            found.names.add(kind)


def _end_of_walk(image: Image, path: str, count: int, length: int) -> Iterator[str]:
    """Why the walk ended before all commands were seen."""
    seen = len(image.commands)
    if seen < count:
        at = image.commands_end
        size = _WORD.unpack_from(image.raw, at + 4)[0] if at + 8 <= len(image.raw) else 0
        what = "too small" if size < 8 else f"would exceed sizeofcmds ({length})"
        yield f"{_IMAGE}load command #{seen} length ({size}) {what} in {path}"


def _segment(image: Image, segment: Segment | None, command: Command, found: _Found) -> Iterator[str]:
    if segment is None:
        yield f"{_IMAGE}LC_SEGMENT size too small"
        return
    page = 0x4000 if image.arch.uses_16k_pages else 0x1000
    if segment.vmsize and segment.filesize > -(-segment.vmsize // page) * page:
        sizes = f"filesize (0x{segment.filesize:X}) is larger than vmsize (0x{segment.vmsize:X})"
        yield f"{_IMAGE}segment load command {segment.name} {sizes}"
    first, step = (72, 80) if image.header_size == 32 else (56, 68)
    if command.size != first + segment.section_count * step:
        yield f"{_IMAGE}LC_SEGMENT size wrong for number of sections"
    if segment.name == "__LINKEDIT":
        if segment.fileoff == 0:
            yield f"{_IMAGE}__LINKEDIT has fileoff==0 which overlaps mach_header"
        if found.linkedit is not None:
            yield f"{_IMAGE}multiple __LINKEDIT segments"
        found.linkedit = segment
    else:
        for kind, bits in (("initprot", segment.initprot), ("maxprot", segment.maxprot)):
            if bits & 0xFFFFFFF8:
                yield f"{_IMAGE}{segment.name} segment has invalid permission bits (0x{bits:X}) in {kind}"
        if segment.initprot and not segment.initprot & 1:
            yield f"{_IMAGE}{segment.name} segment is not mapped readable"
    if segment.fileoff == 0 and segment.filesize:
        if not segment.initprot & 1:
            yield f"{_IMAGE}{segment.name} segment maps start of file but is not readable"
        if segment.filesize < len(image.raw):
            yield f"{_IMAGE}{segment.name} segment does not map all of load commands"
        if found.start is not None:
            yield f"{_IMAGE}multiple segments map start of file: {found.start.name} {segment.name}"
        found.start = segment


def _dylib(image: Image, index: int, command: Command) -> Iterator[str]:
    (offset,) = _WORD.unpack_from(image.raw.ljust(command.offset + 12, b"\0"), command.offset + 8)
    if offset > command.size:
        yield f"{_IMAGE}dylib load command #{index} has offset ({offset}) outside its size ({command.size})"
    elif image.raw.find(b"\0", command.offset + offset, command.offset + command.size) < 0:
        yield f"{_IMAGE}dylib load command #{index} string extends beyond end of load command"


def _whole(image: Image, found: _Found) -> Iterator[str]:
    if found.linkedit is None:
        yield f"{_IMAGE}missing __LINKEDIT segment"
    if found.start is None:
        yield f"{_IMAGE}missing __TEXT segment that maps start of file"
    if not found.names & {"LC_DYLD_INFO", "LC_DYLD_CHAINED_FIXUPS", "LC_SYMTAB"}:
        yield f"{_IMAGE}missing LC_SYMTAB, LC_DYLD_INFO, or LC_DYLD_CHAINED_FIXUPS"
    if image.linkedit.dysymtab is None:
        yield f"{_IMAGE}missing LC_DYSYMTAB"


def _symbols(image: Image, found: _Found, aligned: bool) -> Iterator[str]:
    """Whether the symbol table lies in __LINKEDIT; sums wrap at 32 bits as dyld's do."""
    linkedit, symtab, dysymtab = found.linkedit, image.linkedit.symtab, image.linkedit.dysymtab
    if linkedit is None or symtab is None or dysymtab is None:
        return
    start, end = linkedit.fileoff & _U32, linkedit.fileoff + linkedit.filesize & _U32
    symoff, count, stroff, strsize = symtab
    table = f"{_IMAGE}symbol table"
    size = count * (16 if image.header_size == 32 else 12) & _U32
    if count and symoff < start:
        yield f"{table} underruns __LINKEDIT"
    if count > _MOST_SYMBOLS:
        yield f"{table} too large"
    if size > linkedit.filesize:
        yield f"{table} overruns __LINKEDIT"
    if symoff + size > _U32:
        yield f"{table} size wraps"
    if symoff + size > stroff:
        yield f"{table} overlaps symbol strings"
    if stroff + strsize > _U32:
        yield f"{_IMAGE}symbol string size wraps"
    if stroff + strsize > (end + 4095 & -4096):
        yield f"{_IMAGE}symbol strings overrun __LINKEDIT"
    if aligned and symoff % (8 if image.header_size == 32 else 4):
        yield f"{_IMAGE}mis-aligned symbol table __LINKEDIT"
    yield from _indirect(dysymtab, count, start, linkedit.filesize)


def _indirect(dysymtab: tuple[int, ...], total: int, start: int, linkedit_size: int) -> Iterator[str]:
    offset, count = dysymtab[12], dysymtab[13]
    table = f"{_IMAGE}indirect symbol table"
    if count:
        if offset < start:
            yield f"{table} underruns __LINKEDIT"
        if count > _MOST_SYMBOLS:
            yield f"{table} too large"
        if count * 4 > linkedit_size:
            yield f"{table} overruns __LINKEDIT"
        if offset + count * 4 > _U32:
            yield f"{table} size wraps"
    for kind, first, number in zip(("local", "extern", "undefined"), dysymtab[0:6:2], dysymtab[1:6:2], strict=True):
        if number > total or first > total:
            yield f"{table} {kind} symbol count exceeds total symbols"
        if first + number > _U32:
            yield f"{table} {kind} symbol count wraps"


def _limits(image: Image, path: str) -> Iterator[str]:
    if sum(1 for x in image.segments if x.vmsize) > 255:
        yield f"{_IMAGE}more than 255 segments in {path}"
    if len(image.loads) > 4095:
        yield f"{_IMAGE}more than 4095 dependent libraries in {path}"
