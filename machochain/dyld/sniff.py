"""What dyld2 checks in a header before it maps an image (macOS 11).

Restates ``ImageLoaderMachO::sniffLoadCommands``, the walks that come before it and what mapping objects to behind it
(dyld-852.2, ``src/ImageLoaderMachO.cpp``, ``src/dyld2.cpp: _main()``, ``dyld3/MachOFile.cpp: forEachLoadCommand()``).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final

from machochain.model.image import POINTER, DefectKind, Image, Segment
from machochain.model.loadcommand import Command
from machochain.model.paths import leaf
from machochain.model.platform import Platform
from machochain.model.value import frozen
from machochain.model.version import Version

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
_U64: Final = (1 << 64) - 1
_READ_EXECUTE: Final = 5
_TABLES: Final = frozenset({0x22, 0x80000022, 0x80000033, 0x80000034})
_INFO: Final = ("rebase", "bind", "weak bind", "lazy bind", "export")
_REQUIRED: Final = 0x80000000
_KNOWN: Final = frozenset(
    {0x80000022, 0x80000018, 0x8000001C, 0x8000001F, 0x80000023, 0x80000028, 0x80000033, 0x80000034}
)
_MOST_SYMBOLS: Final = 0x10000000


@frozen
class Demands:
    """What the process asks of its images, from the main executable (``_main()``).

    Attributes:
        strict: ``strictMachORequired``: built for macOS with the 10.15 SDK or later, or an iOS program.
        ios_on_mac: Catalyst, or an iOS program on Apple silicon.
    """

    strict: bool = False
    ios_on_mac: bool = False


LENIENT: Final = Demands()
_STRICT_SINCE: Final = Version.of(10, 15)
"""An SDK, not a release of macOS."""


def demands_of(main: Image, platform: int) -> Demands:
    """Return what a process asks of its images."""
    ios_on_mac = platform in {Platform.MAC_CATALYST, Platform.IOS}
    macos = any(b.platform == Platform.MACOS and b.sdk is not None and b.sdk >= _STRICT_SINCE for b in main.builds)
    return Demands(macos or ios_on_mac, ios_on_mac)


def main_halt(image: Image) -> str | None:
    """Return the text with which dyld2 ends a process before it looks at anything else, or None.

    The main executable may say one platform only; whether it says it once more is seen before a malformed command.
    """
    if not image.raw:
        return None
    if len(image.builds) > 1:
        return "MH_EXECUTE binaries may only specify one platform"
    return walk_halt(image)


def walk_halt(image: Image) -> str | None:
    """Return the text that ends the process where the load commands cannot be walked: ``diag.assertNoError()``."""
    if not image.raw:
        return None
    _, _, _, _, count, length, _ = _HEADER.unpack_from(image.raw)
    seen = min(len(image.commands), count)
    end = image.header_size + length
    for index in range(seen + 1):
        at = image.commands[index].offset if index < len(image.commands) else image.commands_end
        if index >= count:
            break
        size = _WORD.unpack_from(image.raw, at + 4)[0] if at + 8 <= len(image.raw) else 0
        where = f"malformed load command #{index} of {count} at {POINTER} with mh={POINTER}, size (0x{size:X})"
        if size < 8:
            return f"{where} too small"
        if at + size > end:
            return f"{where} is too large, load commands end at {POINTER}"
    return None


def sniff(image: Image, path: str, *, sdk_since_10_15: bool, demands: Demands = LENIENT) -> str | None:
    """Return the text with which dyld2 refuses an image, or None.

    Args:
        image: The header.
        path: The path as dyld tried it; some texts repeat it.
        sdk_since_10_15: Whether the image was built with the macOS 10.15 SDK or later.
        demands: What the process asks.
    """
    if not image.raw:
        return None  # a program that is still to be linked
    _, _, _, _, count, length, _ = _HEADER.unpack_from(image.raw)
    found = _Found(demands, path)
    for part in (
        _lengths(count, length),
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


def unmappable(image: Image, file_size: int, offset: int) -> str | None:
    """Return what mapping an image that is no main executable objects to, or None.

    ``assignSegmentAddresses()``, ``mapSegments()``: segments without a size in memory count for neither.

    Args:
        image: The header.
        file_size: The length of the whole file.
        offset: Where the slice begins.
    """
    page = 0x4000 if image.arch.uses_16k_pages else 0x1000
    segments = [x for x in image.segments if x.vmsize]
    high = 0
    for segment in segments:
        if segment.vmaddr < high:
            return "can't map segments into 16KB pages" if page > 0x1000 else "overlapping segments"
        high = max(high, -(-(segment.vmaddr + segment.vmsize) // page) * page & _U64)
    for segment in segments:
        end = offset + segment.fileoff + segment.filesize & _U64
        if segment.filesize and end > file_size:
            what = f"segment {segment.name} extends to {end} which is past end of file {file_size}"
            return f"truncated mach-o error: {what}"
    return None


def unknown_command(image: Image, path: str) -> str | None:
    """Return the text for a load command dyld2 would have to know, or None (``parseLoadCmds()``)."""
    unknown = next((x.cmd for x in image.commands if x.cmd & _REQUIRED and x.cmd not in _KNOWN), None)
    if unknown is None:
        return None
    oldest = next((b.minos for b in reversed(image.builds) if b.command != "LC_BUILD_VERSION"), None)
    built = f"because it was built for OS version {oldest.major}.{oldest.minor} " if oldest is not None else ""
    return f"cannot load '{leaf(path)}' {built}(load command 0x{unknown:08X} is unknown)"


class _Found:
    """What the walk over the load commands leaves for the checks behind it."""

    def __init__(self, demands: Demands, path: str) -> None:
        self.demands = demands
        self.path = path
        self.linkedit: Segment | None = None
        self.start: Segment | None = None
        self.names: set[str] = set()
        self.holds_commands = False
        self.tables: dict[str, tuple[int, ...]] = {}


def too_long(image: Image) -> str | None:
    """Return the text for load commands that go on behind the end of the file, or None."""
    for defect in image.defects:
        if defect.kind is DefectKind.COMMANDS_EXCEED_FILE:
            commands, size = defect.numbers
            return f"malformed mach-o: load commands size ({commands}) > mach-o file size ({size})"
    return None


def _lengths(count: int, length: int) -> Iterator[str]:
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
        elif number in _SIMULATOR and not found.demands.ios_on_mac:
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
            if number in _TABLES:
                fields = (command.size - 8) // 4
                found.tables[name] = struct.unpack_from(f"<{fields}I", image.raw, command.offset + 8)


def _end_of_walk(image: Image, path: str, count: int, length: int) -> Iterator[str]:
    """Why the walk ended before all commands were seen."""
    seen = len(image.commands)
    if seen < count:
        at = image.commands_end
        size = _WORD.unpack_from(image.raw, at + 4)[0] if at + 8 <= len(image.raw) else 0
        what = "too small" if size < 8 else f"would exceed sizeofcmds ({length})"
        yield f"{_IMAGE}load command #{seen} length ({size}) {what} in {path}"


def _segment(image: Image, segment: Segment | None, command: Command, found: _Found) -> Iterator[str]:  # noqa: C901, PLR0912  # the order of its steps is the rule
    if segment is None:
        yield f"{_IMAGE}LC_SEGMENT size too small"
        return
    if segment.vmsize and segment.filesize > -(-segment.vmsize // 0x1000) * 0x1000:
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
        if segment.initprot & 2 and found.demands.strict:
            yield f"{_IMAGE}{segment.name} segment maps start of file but is writable"
        if segment.filesize < len(image.raw):
            yield f"{_IMAGE}{segment.name} segment does not map all of load commands"
        if found.start is not None:
            yield f"{_IMAGE}multiple segments map start of file: {found.start.name} {segment.name}"
        found.start = segment
    if found.demands.strict:
        yield from _strict_segment(image, segment, command, found)


def _strict_segment(image: Image, segment: Segment, command: Command, found: _Found) -> Iterator[str]:  # noqa: C901  # the order of its steps is the rule
    size, content, name = segment.vmsize, segment.filesize, segment.name
    command_bytes = image.command_bytes
    if size >> 63:
        yield f"{_IMAGE}segment load command {name} vmsize too large in {found.path}"
    if segment.vmaddr + size > _U64:
        yield f"{_IMAGE}segment load command {name} wraps around address space"
    if size != content and not segment.initprot and content and size:
        yield f"{_IMAGE}unaccessable segment {name} has non-zero filesize and vmsize"
    if size != content and segment.initprot:
        if size < content:
            yield f"{_IMAGE}segment {name} has vmsize < filesize"
        if segment.initprot & 4:
            yield f"{_IMAGE}segment {name} has vmsize != filesize and is executable"
    if segment.fileoff < command_bytes and content:
        if segment.fileoff or content < command_bytes + image.header_size:
            yield f"{_IMAGE}segment {name} does not span all load commands"
        if segment.initprot != _READ_EXECUTE:
            yield f"{_IMAGE}load commands found in segment {name} with wrong permissions"
        if found.holds_commands:
            yield "load commands in multiple segments"
        found.holds_commands = True
    end = segment.fileoff + content & _U64
    for group, section, offset, length in _sections(image, segment, command):
        if offset and (offset + length & _U64) > end:
            yield f"{_IMAGE}section {group},{section} of '{found.path}' exceeds segment {name} booundary"


def _sections(image: Image, segment: Segment, command: Command) -> Iterator[tuple[str, str, int, int]]:
    """Yield (segment name, name, offset, size) of the sections of a segment."""
    wide = image.header_size == 32
    first, step, sizes = (72, 80, struct.Struct("<40xQI")) if wide else (56, 68, struct.Struct("<36xII"))
    for index in range(segment.section_count):
        at = command.offset + first + index * step
        if at + step > len(image.raw):
            return
        size, offset = sizes.unpack_from(image.raw, at)
        section, group = (image.raw[at + x : at + x + 16].partition(b"\0")[0] for x in (0, 16))
        yield group.decode("utf-8", "surrogateescape"), section.decode("utf-8", "surrogateescape"), offset, size


def _overlaps(segments: tuple[Segment, ...]) -> Iterator[str]:
    """Each segment against those before it, as the file lists them; __LINKEDIT ends the file."""

    def meet(one: tuple[int, int], two: tuple[int, int]) -> bool:
        (start1, end1), (start2, end2) = one, two
        return (start2 <= start1 < end2 and end1 > start1) or (start1 <= start2 < end1 and end2 > start2)

    spans = [
        (x.name, (x.vmaddr, x.vmaddr + x.vmsize & _U64), (x.fileoff, x.fileoff + x.filesize & _U64)) for x in segments
    ]
    for number, (name, memory, content) in enumerate(spans):
        for their_name, their_memory, their_content in spans[:number]:  # dyld's loop never gets past the segment itself
            if meet(memory, their_memory):
                yield f"{_IMAGE}segment {name} vm overlaps segment {their_name}"
            if meet(content, their_content):
                yield f"{_IMAGE}segment {name} file content overlaps segment {their_name}"
    last = max((x.fileoff for x in segments), default=0)
    linkedit = next((x.fileoff for x in reversed(segments) if x.name == "__LINKEDIT"), 0)
    if last != linkedit:
        yield f"{_IMAGE}__LINKEDIT must be last segment"


def _tables(found: _Found, linkedit: Segment) -> Iterator[str]:
    """Whether dyld's tables lie in __LINKEDIT; offsets and sizes wrap at 32 bits as dyld's do."""
    start = linkedit.fileoff & _U32
    end = linkedit.fileoff + linkedit.filesize & _U32
    after, before = start, "underruns __LINKEDIT"
    info = found.tables.get("LC_DYLD_INFO", ())
    for name, offset, size in zip(_INFO, info[0::2], info[1::2], strict=False):
        if size:
            if size & 0x80000000:
                yield f"{_IMAGE}dyld {name} info size overflow"
            if offset < after:
                yield f"{_IMAGE}dyld {name} info {before}"
            after = offset + size & _U32
            if after > end:
                yield f"{_IMAGE}dyld {name} info overruns __LINKEDIT"
        before = f"overlaps {name} info"
    for command in ("LC_DYLD_CHAINED_FIXUPS", "LC_DYLD_EXPORTS_TRIE"):
        if command in found.tables:
            offset, size = found.tables[command]
            if offset < start:
                yield f"{_IMAGE}dyld chained fixups info underruns __LINKEDIT"
            if (offset + size & _U32) > end:
                yield f"{_IMAGE}dyld chained fixups info overruns __LINKEDIT"


def _dylib(image: Image, index: int, command: Command) -> Iterator[str]:
    (offset,) = _WORD.unpack_from(image.raw.ljust(command.offset + 12, b"\0"), command.offset + 8)
    if offset > command.size:
        yield f"{_IMAGE}dylib load command #{index} has offset ({offset}) outside its size ({command.size})"
    elif image.raw.find(b"\0", command.offset + offset, command.offset + command.size) < 0:
        yield f"{_IMAGE}dylib load command #{index} string extends beyond end of load command"


def _whole(image: Image, found: _Found) -> Iterator[str]:
    strict = found.demands.strict
    if strict and not found.holds_commands:
        yield "load commands not in a segment"
    if found.linkedit is None:
        yield f"{_IMAGE}missing __LINKEDIT segment"
    if found.start is None:
        yield f"{_IMAGE}missing __TEXT segment that maps start of file"
    if strict:
        yield from _overlaps(image.segments)
    if not found.names & {"LC_DYLD_INFO", "LC_DYLD_CHAINED_FIXUPS", "LC_SYMTAB"}:
        yield f"{_IMAGE}missing LC_SYMTAB, LC_DYLD_INFO, or LC_DYLD_CHAINED_FIXUPS"
    if image.linkedit.dysymtab is None:
        yield f"{_IMAGE}missing LC_DYSYMTAB"
    if strict and found.linkedit is not None:
        yield from _tables(found, found.linkedit)


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
    if stroff + strsize > (end if found.demands.strict else end + 4095 & -4096):
        yield f"{_IMAGE}symbol strings overrun __LINKEDIT"
    if aligned and symoff % (8 if image.header_size == 32 else 4):
        yield f"{_IMAGE}mis-aligned symbol table __LINKEDIT"
    yield from _indirect(dysymtab, count, start, linkedit.filesize, stroff if found.demands.strict else _U32)


def _indirect(dysymtab: tuple[int, ...], total: int, start: int, linkedit_size: int, limit: int) -> Iterator[str]:
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
        if offset + count * 4 > limit:
            yield f"{table} overruns string pool"
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
