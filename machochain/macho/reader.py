"""Reads Mach-O headers: facts and dyld's objections, from header bytes only.

The cost of reading a file does not grow with its size: one ``pread`` per slice is the rule, and a second one only
where the load commands are longer than the first.

dyld prints raw addresses in some messages (``%p``); such a text carries ``POINTER`` in their place.
"""

from __future__ import annotations

import os
import stat
import struct
from collections.abc import Callable, Iterator
from enum import Enum
from functools import lru_cache
from itertools import pairwise, permutations
from typing import Any, Final, Protocol, Self

from attrs import evolve

from machochain.macho import constants as c
from machochain.macho.fat import HEADER_BYTES, FatEntry, fat_defects, is_fat, parse_fat
from machochain.model.arch import CPU_ARM, CPU_ARM64, CPU_ARM64_32, CPU_X86, CPU_X86_64, Arch
from machochain.model.errors import InputError
from machochain.model.image import (
    POINTER,
    BuildVersion,
    Defect,
    FileType,
    HeaderFlag,
    Image,
    LinkedDylib,
    LinkEdit,
    MachOFile,
    Question,
    RunPath,
    Section,
    Segment,
    Slice,
)
from machochain.model.paths import HostPath
from machochain.model.platform import ZIPPERED, Platform, is_known_platform, platform_name
from machochain.model.version import Version

FIRST_READ: Final = 8192
"""Bytes of a slice that are read first. Of 2,960 real slices none had load commands longer than 7,784 bytes."""
NOT_MACH_O: Final = "slice is not valid mach-o file"
"""dyld-1378, ``common/MachOFile.cpp``, ``compatibleSlice``; before dyld-1284 the text is ``not a mach-o file``."""

_MASK_64: Final = 0xFFFFFFFFFFFFFFFF
_MASK_32: Final = 0xFFFFFFFF


class FileKind(Enum):
    """What a file is by its first bytes; names are never looked at."""

    MACHO = "macho"
    UNIVERSAL = "universal"
    ARCHIVE = "archive"
    UNRECOGNISED = "unrecognised"


_MAGICS: Final = frozenset(
    {b"\xce\xfa\xed\xfe", b"\xcf\xfa\xed\xfe", b"\xfe\xed\xfa\xce", b"\xfe\xed\xfa\xcf"},
)


def kind_of(first_bytes: bytes) -> FileKind:
    """Recognise a file by its first bytes (8 are enough). A Java class shares a magic number and is none of ours."""
    if first_bytes[:4] in _MAGICS:
        return FileKind.MACHO
    if is_fat(first_bytes):
        return FileKind.UNIVERSAL
    if first_bytes[:8] == c.ARCHIVE_MAGIC:
        return FileKind.ARCHIVE
    return FileKind.UNRECOGNISED


def is_macho(first_bytes: bytes) -> bool:
    """Whether a file that begins with these bytes (8 are enough) is thin or universal Mach-O."""
    return kind_of(first_bytes) in {FileKind.MACHO, FileKind.UNIVERSAL}


class ByteSource(Protocol):
    """Bytes that can be read at any place.

    Attributes:
        size: How many there are.
    """

    size: int

    def read(self, offset: int, size: int) -> bytes:
        """Return ``size`` bytes from ``offset``; fewer at the end.

        Raises:
            InputError: The bytes cannot be read.
        """
        ...


class BytesSource:
    """Bytes in memory."""

    __slots__ = ("_data", "size")

    def __init__(self, data: bytes | memoryview) -> None:
        """Keep a view; nothing is copied."""
        self._data = memoryview(data)
        self.size = len(data)

    def read(self, offset: int, size: int) -> bytes:
        """Return a copy of the asked range."""
        return bytes(self._data[offset : offset + size])


# Where they are unknown (Windows), neither is needed.
_OPEN_FLAGS: Final = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0)


class FileSource:
    """A regular file, opened for as long as the ``with`` block runs."""

    __slots__ = ("_fd", "_path", "size")

    def __init__(self, path: HostPath) -> None:
        """Open the file.

        Raises:
            InputError: It cannot be opened or is not a regular file.
        """
        self._path = path
        try:
            # a FIFO would block forever without O_NONBLOCK
            self._fd = os.open(path, _OPEN_FLAGS)
            status = os.fstat(self._fd)
        except (OSError, ValueError) as error:
            raise _unreadable(path, error) from error
        if not stat.S_ISREG(status.st_mode):
            self.close()
            raise InputError("not a regular file", path=path)
        self.size = status.st_size

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        os.close(self._fd)

    def read(self, offset: int, size: int) -> bytes:
        """Return the asked range; fewer bytes at the end of the file.

        Raises:
            InputError: The system reports an error.
        """
        # the system call would reserve memory for all that is asked, however short the file
        size = min(size, self.size - offset)
        if size <= 0:
            return b""
        try:
            return os.pread(self._fd, size, offset)
        except (OSError, OverflowError) as error:
            raise _unreadable(self._path, error, offset) from error


class RangeSource:
    """A part of a byte source that stands for a file of its own: an archive member, say."""

    __slots__ = ("_offset", "_source", "size")

    def __init__(self, source: ByteSource, offset: int, size: int) -> None:
        """Cut the range; what lies behind the end of the source is not there."""
        self._source = source
        self._offset = offset
        self.size = max(0, min(size, source.size - offset))

    def read(self, offset: int, size: int) -> bytes:
        """Return bytes of the range; fewer at its end."""
        size = min(size, self.size - offset)
        return self._source.read(self._offset + offset, size) if size > 0 and offset >= 0 else b""


def _unreadable(path: str, error: Exception, offset: int | None = None) -> InputError:
    words = error.strerror if isinstance(error, OSError) else str(error)
    number = error.errno or 0 if isinstance(error, OSError) else 0
    return InputError(f"cannot be read: {words or type(error).__name__}", path=path, offset=offset, errno=number)


def kind_of_file(path: HostPath) -> FileKind:
    """Recognise a file of this machine; nothing but its first bytes is read.

    Raises:
        InputError: It cannot be opened or read, or is not a regular file.
    """
    with FileSource(path) as source:
        return kind_of(source.read(0, 8))


def slice_reader(source: ByteSource, piece: Slice) -> Callable[[int, int], bytes]:
    """Return ``read(offset, size)`` over one slice: offsets count from its start, nothing behind its end is given."""
    start, length = piece.offset, min(piece.size, max(0, source.size - piece.offset))

    def read(offset: int, size: int) -> bytes:
        size = min(size, length - offset)
        return source.read(start + offset, size) if size > 0 and offset >= 0 else b""

    return read


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
        piece = _read_slice(source, first, FatEntry(_thin_arch(first), 0, source.size, 0))
        return MachOFile(universal=False, fat64=False, slices=(piece,), size=source.size)
    if kind is FileKind.UNIVERSAL:
        return _read_universal(source, first)
    raise InputError("an archive, not a Mach-O file" if kind is FileKind.ARCHIVE else "not a Mach-O file", offset=0)


def _read_universal(source: ByteSource, first: bytes) -> MachOFile:
    header = parse_fat(first[:HEADER_BYTES])
    heads = [source.read(x.offset, min(x.size, FIRST_READ)) if x.offset < source.size else b"" for x in header.entries]
    return MachOFile(
        universal=True,
        fat64=header.fat64,
        slices=tuple(_read_slice(source, head, x) for head, x in zip(heads, header.entries, strict=True)),
        size=source.size,
        defects=fat_defects(header, source.size, [x[:28] for x in heads]),
        slice_count=header.count,
    )


def _thin_arch(first: bytes) -> Arch:
    order = "big" if first[:2] == b"\xfe\xed" else "little"
    return Arch.of(_u32(first[4:8], order), _u32(first[8:12], order))


def _u32(data: bytes, order: str) -> int:
    return int.from_bytes(data, "big" if order == "big" else "little")


def _read_slice(source: ByteSource, head: bytes, entry: FatEntry) -> Slice:
    """Parse one slice whose first bytes are at hand; read on where its load commands are longer than these."""
    if len(head) < 28 or head[:4] not in {b"\xce\xfa\xed\xfe", b"\xcf\xfa\xed\xfe"}:
        return Slice(entry.arch, entry.offset, entry.size, entry.align, None, NOT_MACH_O)
    wanted = min(32 + int.from_bytes(head[20:24], "little") + _MARGIN, entry.size)
    if wanted > len(head) and len(head) >= FIRST_READ:
        head += source.read(entry.offset + len(head), wanted - len(head))
    return Slice(entry.arch, entry.offset, entry.size, entry.align, parse_image(head, size=entry.size))


_LONGEST_NAME: Final = 128
_MARGIN: Final = 128
"""dyld reads the fixed part of a command before it checks where the command ends; no such part is longer."""

_SEVEN: Final = struct.Struct("<7I")
_ONE: Final = struct.Struct("<I")
_TWO: Final = struct.Struct("<II")
_FOUR: Final = struct.Struct("<4I")
_TEN: Final = struct.Struct("<10I")
_SEGMENT: Final = struct.Struct("<16s8I")
_SEGMENT_64: Final = struct.Struct("<16s4Q4I")
_SECTION_PLACE: Final = struct.Struct("<32xII28x")
_SECTION_PLACE_64: Final = struct.Struct("<32xQQ32x")
_SECTION: Final = struct.Struct("<16s16sIII12xI8x")
_SECTION_64: Final = struct.Struct("<16s16sQQI12xI12x")
_DYSYMTAB: Final = struct.Struct("<18I")
_RESTRICT: Final = b"__restrict".ljust(16, b"\0") + b"__RESTRICT".ljust(16, b"\0")

# dyld-1378, mach_o/UnsafeHeader.cpp, validStructureLoadCommands: commands whose size never varies
_FIXED_SIZES: Final = {
    c.LC_SYMTAB: (24, "LC_SYMTAB"),
    c.LC_DYSYMTAB: (80, "LC_DYSYMTAB"),
    c.LC_SEGMENT_SPLIT_INFO: (16, "LC_SEGMENT_SPLIT_INFO"),
    c.LC_ATOM_INFO: (16, "LC_ATOM_INFO"),
    c.LC_FUNCTION_STARTS: (16, "LC_FUNCTION_STARTS"),
    c.LC_DYLD_EXPORTS_TRIE: (16, "LC_DYLD_EXPORTS_TRIE"),
    c.LC_DYLD_CHAINED_FIXUPS: (16, "LC_DYLD_CHAINED_FIXUPS"),
    c.LC_ENCRYPTION_INFO: (20, "LC_ENCRYPTION_INFO"),
    c.LC_ENCRYPTION_INFO_64: (24, "LC_ENCRYPTION_INFO_64"),
    c.LC_DYLD_INFO: (48, "LC_DYLD_INFO_ONLY"),
    c.LC_DYLD_INFO_ONLY: (48, "LC_DYLD_INFO_ONLY"),
    c.LC_VERSION_MIN_MACOSX: (16, "LC_VERSION_MIN_*"),
    c.LC_VERSION_MIN_IPHONEOS: (16, "LC_VERSION_MIN_*"),
    c.LC_VERSION_MIN_TVOS: (16, "LC_VERSION_MIN_*"),
    c.LC_VERSION_MIN_WATCHOS: (16, "LC_VERSION_MIN_*"),
    c.LC_UUID: (24, "LC_UUID"),
    c.LC_MAIN: (24, "LC_MAIN"),
    c.LC_FUNCTION_VARIANTS: (16, "LC_FUNCTION_VARIANTS"),
    c.LC_FUNCTION_VARIANT_FIXUPS: (16, "LC_FUNCTION_VARIANT_FIXUPS"),
}
_STRING_COMMANDS: Final = frozenset({c.LC_SUB_UMBRELLA, c.LC_SUB_CLIENT, c.LC_SUB_LIBRARY})
_SUB_COMMANDS: Final = frozenset({c.LC_SUB_FRAMEWORK, c.LC_SUB_UMBRELLA, c.LC_SUB_CLIENT, c.LC_SUB_LIBRARY})
_LINKED: Final = {
    c.LC_LOAD_DYLIB: "LC_LOAD_DYLIB",
    c.LC_LOAD_WEAK_DYLIB: "LC_LOAD_WEAK_DYLIB",
    c.LC_REEXPORT_DYLIB: "LC_REEXPORT_DYLIB",
    c.LC_LOAD_UPWARD_DYLIB: "LC_LOAD_UPWARD_DYLIB",
}
_FILE_TYPES: Final = frozenset(FileType) - {FileType.MH_FVMLIB, FileType.MH_CORE}
# Plain numbers: they are asked for in every file, and a look into an enumeration costs more than the answer.
_DYLIB_TYPES: Final = frozenset({int(FileType.MH_DYLIB), int(FileType.MH_DYLIB_STUB)})
_LIBRARY_TYPES: Final = frozenset({int(FileType.MH_DYLIB), int(FileType.MH_BUNDLE)})
_EXECUTE: Final = int(FileType.MH_EXECUTE)
_FILESET: Final = int(FileType.MH_FILESET)
_IN_CACHE: Final = int(HeaderFlag.MH_DYLIB_IN_CACHE)
_DYLDLINK: Final = int(HeaderFlag.MH_DYLDLINK)
_VERSION_MINS: Final = {
    c.LC_VERSION_MIN_MACOSX: ("LC_VERSION_MIN_MACOSX", Platform.MACOS, Platform.MACOS),
    c.LC_VERSION_MIN_IPHONEOS: ("LC_VERSION_MIN_IPHONEOS", Platform.IOS, Platform.IOS_SIMULATOR),
    c.LC_VERSION_MIN_TVOS: ("LC_VERSION_MIN_TVOS", Platform.TVOS, Platform.TVOS_SIMULATOR),
    c.LC_VERSION_MIN_WATCHOS: ("LC_VERSION_MIN_WATCHOS", Platform.WATCHOS, Platform.WATCHOS_SIMULATOR),
}


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")


@lru_cache(maxsize=4096)
def _name16(raw: bytes) -> str:
    """A fixed field of 16 bytes; it need not end in a NUL."""
    return _text(raw.partition(b"\0")[0])


def _lc_string(command: bytes, length: int, at: int = 8) -> tuple[str, str | None]:
    """The string of a command whose lc_str stands at ``at``, cut at the command's end; and what dyld says about it.

    dyld-1378, ``mach_o/UnsafeHeader.cpp``, ``stringOverflow``.
    """
    (offset,) = _ONE.unpack_from(command, at)
    if offset >= length:
        return "", f"string offset ({offset}) outside its size ({length})"
    end = command.find(b"\0", offset, length)
    if end < 0:
        return _text(command[offset:length]), "string extends beyond end of load command"
    return _text(command[offset:end]), None


# Equal values are shared: files of one project repeat each other, and an lru_cache is faster than a constructor.
@lru_cache(maxsize=1 << 14)
def _linked(index: int, ordinal: int, command: bytes) -> tuple[LinkedDylib, str | None]:
    """A dylib command from its bytes, and what dyld says about its name."""
    number, length, offset, stamp, current, compatible, flags = _SEVEN.unpack_from(command)
    name, complaint = _lc_string(command, length)
    # dyld-1378, mach_o/UnsafeHeader.cpp, loadCommandToDylibKind: whichever of the four commands it is
    if stamp != c.DYLIB_USE_MARKER or offset != 28:
        flags = None
    versions = Version.unpack(current), Version.unpack(compatible)
    return LinkedDylib(index, _LINKED[number], name, ordinal, *versions, stamp, flags), complaint


def _c_string(buffer: bytes, at: int) -> str:
    """What ``%s`` prints for a pointer into the header: everything up to the next NUL, fields or not.

    Cut at ``_LONGEST_NAME`` bytes, so that the texts about a hostile file stay in proportion to it.
    """
    end = buffer.find(b"\0", at, at + _LONGEST_NAME)
    return _text(buffer[at : at + _LONGEST_NAME if end < 0 else end])


class _Commands:
    """One walk over the load commands of one image (dyld-1378, ``mach_o/UnsafeHeader.cpp``, ``forEachLoadCommand``).

    ``defects`` takes what ``validStructureLoadCommands`` says; the semantic checks come afterwards, over what the walk
    collected, as dyld's do.
    """

    __slots__ = (
        "buffer", "build_indices", "builds", "defects", "environment", "has_dylinker", "ids", "linkedit",
        "linker_options", "loads", "mains", "offsets", "run_paths", "segments", "simulator", "source_version",
        "split_seg", "threads", "uuids",
    )  # fmt: skip

    def __init__(self, buffer: bytes, cputype: int) -> None:
        self.buffer = buffer
        # before LC_BUILD_VERSION the simulators were told by their processor
        self.simulator = cputype in {CPU_X86_64, CPU_X86}
        self.defects: list[Defect] = []
        self.offsets: list[int] = []
        self.loads: list[LinkedDylib] = []
        self.run_paths: list[RunPath] = []
        self.environment: list[str] = []
        self.builds: list[BuildVersion] = []
        self.build_indices: list[int] = []
        self.segments: list[Segment] = []
        self.uuids: list[bytes] = []
        self.ids: list[tuple[str, int, int]] = []
        self.mains: list[int] = []
        self.threads: list[int] = []
        self.linker_options: list[int] = []
        self.linkedit: dict[str, Any] = {}
        self.source_version: int | None = None
        self.split_seg: int | None = None
        self.has_dylinker = False

    def walk(self, start: int, count: int, end: int, available: int) -> None:
        """Visit ``count`` commands from ``start``; ``available`` is where the bytes at hand end."""
        buffer = self.buffer
        found = self.offsets.append
        linked, loads = _LINKED, self.loads
        handler_of = _HANDLERS.get
        unpack = _TWO.unpack_from
        at = start
        for index in range(count):
            if at >= available:
                if at >= end:
                    self._malformed(index, count, "off end of load commands")
                return
            number, length = unpack(buffer, at)
            following = at + length
            if length < 8 or following > available:
                if length < 8:
                    self._malformed(index, count, f"size (0x{length:X}) too small")
                elif following > end:
                    text = f"size (0x{length:X}) is too large, load commands end at {POINTER}"
                    self._malformed(index, count, text)
                return
            found(at)
            if number in linked:  # half of all commands
                room = length if length > 28 else 28  # noqa: FURB136  # max() is a call
                load, complaint = _linked(index, len(loads) + 1, buffer[at : at + room])
                if complaint:
                    self.object_to(index, complaint)
                loads.append(load)
                at = following
                continue
            handler = handler_of(number)
            if handler is not None:
                handler(self, index, number, at, length)
            elif number & c.LC_REQ_DYLD:
                self.object_to(index, f"unknown required load command 0x{number:08X}")
            at = following

    def _malformed(self, index: int, count: int, what: str) -> None:
        text = f"malformed load command ({index + 1} of {count}) at {POINTER} with mh={POINTER}, {what}"
        self.defects.append(Defect(text, Question.ALWAYS, index))

    def object_to(self, index: int, what: str) -> None:
        """Record an objection to one command; dyld counts them from 1."""
        self.defects.append(Defect(f"load command #{index + 1} {what}", Question.ALWAYS, index))

    def string(self, index: int, at: int, length: int) -> str:
        """Return the string of a command whose lc_str stands first, and object to one that leaves the command."""
        text, complaint = _lc_string(self.buffer[at : at + max(length, 12)], length)
        if complaint:
            self.object_to(index, complaint)
        return text

    # Handlers: (position, command number, offset in the buffer, length).

    def on_id(self, index: int, _number: int, at: int, length: int) -> None:
        name = self.string(index, at, length)
        _, _, current, compatible = _FOUR.unpack_from(self.buffer, at + 8)
        self.ids.append((name, current, compatible))

    def on_run_path(self, index: int, _number: int, at: int, length: int) -> None:
        self.run_paths.append(RunPath(index, self.string(index, at, length)))

    def on_checked_string(self, index: int, _number: int, at: int, length: int) -> None:
        self.string(index, at, length)

    def on_fileset_entry(self, index: int, _number: int, at: int, length: int) -> None:
        _, complaint = _lc_string(self.buffer[at : at + max(length, 28)], length, 24)
        if complaint:
            self.object_to(index, complaint)

    def on_environment(self, _index: int, _number: int, at: int, length: int) -> None:
        self.environment.append(_lc_string(self.buffer[at : at + max(length, 12)], length)[0])

    def on_dylinker(self, _index: int, _number: int, _at: int, _length: int) -> None:
        self.has_dylinker = True

    def on_fixed(self, index: int, number: int, at: int, length: int) -> None:
        size, name = _FIXED_SIZES[number]
        if length != size:
            self.object_to(index, f"{name} size wrong")
        if length >= size:
            reader = _FIXED_READERS.get(number)
            if reader is not None:
                reader(self, index, number, at)

    def on_build_version(self, index: int, _number: int, at: int, length: int) -> None:
        platform, minos, sdk, count = _FOUR.unpack_from(self.buffer, at + 8)
        # dyld multiplies in 64 bits here (sizeof is size_t)
        if length != 24 + count * 8:
            self.object_to(index, "LC_BUILD_VERSION size wrong")
        room = min(count, max(0, length - 24) // 8)
        tools = tuple(
            (tool, Version.unpack(version))
            for tool, version in _TWO.iter_unpack(self.buffer[at + 24 : at + 24 + room * 8])
        )
        if length >= 24:
            sdk_version = Version.unpack(sdk) if sdk else None
            self.build_indices.append(index)
            self.builds.append(BuildVersion("LC_BUILD_VERSION", platform, Version.unpack(minos), sdk_version, tools))

    def on_segment_64(self, index: int, _number: int, at: int, length: int) -> None:
        if length >= 72:
            name, *places = _SEGMENT_64.unpack_from(self.buffer, at + 8)
            self.segments.append(Segment(index, _name16(name), *places))
        count = _ONE.unpack_from(self.buffer, at + 64)[0]
        if length != 72 + count * 80:
            self.object_to(index, "LC_SEGMENT_64 size does not match number of sections")

    def on_segment(self, index: int, _number: int, at: int, length: int) -> None:
        if length >= 56:
            name, *places = _SEGMENT.unpack_from(self.buffer, at + 8)
            self.segments.append(Segment(index, _name16(name), *places))
        count = _ONE.unpack_from(self.buffer, at + 48)[0]
        if length != 56 + count * 68:
            self.object_to(index, "LC_SEGMENT size does not match number of sections")

    def on_thread(self, index: int, _number: int, _at: int, _length: int) -> None:
        self.threads.append(index)

    def on_linker_option(self, index: int, _number: int, _at: int, _length: int) -> None:
        self.linker_options.append(index)

    def on_source_version(self, _index: int, _number: int, at: int, length: int) -> None:
        if length >= 16:
            self.source_version = int.from_bytes(self.buffer[at + 8 : at + 16], "little")

    def on_signature(self, _index: int, _number: int, at: int, length: int) -> None:
        if length >= 16:
            self.linkedit["code_signature"] = _TWO.unpack_from(self.buffer, at + 8)

    # Readers of commands whose size was found large enough: (position, command number, offset in the buffer).

    def read_uuid(self, _index: int, _number: int, at: int) -> None:
        self.uuids.append(self.buffer[at + 8 : at + 24])

    def read_main(self, index: int, _number: int, _at: int) -> None:
        self.mains.append(index)

    def read_version_min(self, index: int, number: int, at: int) -> None:
        name, device, simulator = _VERSION_MINS[number]
        minos, sdk = _TWO.unpack_from(self.buffer, at + 8)
        sdk_version = Version.unpack(sdk) if sdk else None
        platform = simulator if self.simulator else device
        self.build_indices.append(index)
        self.builds.append(BuildVersion(name, platform, Version.unpack(minos), sdk_version))

    def read_symtab(self, _index: int, _number: int, at: int) -> None:
        self.linkedit["symtab"] = _FOUR.unpack_from(self.buffer, at + 8)

    def read_dysymtab(self, _index: int, _number: int, at: int) -> None:
        self.linkedit["dysymtab"] = _DYSYMTAB.unpack_from(self.buffer, at + 8)

    def read_dyld_info(self, _index: int, _number: int, at: int) -> None:
        values = _TEN.unpack_from(self.buffer, at + 8)
        for name, offset, size in zip(_DYLD_INFO_TABLES, values[::2], values[1::2], strict=True):
            if size:
                self.linkedit[name] = (offset, size)

    def read_table(self, _index: int, number: int, at: int) -> None:
        self.linkedit[_TABLES[number]] = _TWO.unpack_from(self.buffer, at + 8)

    def read_split_seg(self, _index: int, _number: int, at: int) -> None:
        if self.split_seg is None:
            (self.split_seg,) = _ONE.unpack_from(self.buffer, at + 12)


_DYLD_INFO_TABLES: Final = ("rebase", "bind", "weak_bind", "lazy_bind", "exports_trie")
_TABLES: Final = {
    c.LC_DYLD_EXPORTS_TRIE: "exports_trie",
    c.LC_DYLD_CHAINED_FIXUPS: "chained_fixups",
    c.LC_FUNCTION_STARTS: "function_starts",
}
_FIXED_READERS: Final = {
    c.LC_UUID: _Commands.read_uuid,
    c.LC_MAIN: _Commands.read_main,
    c.LC_SYMTAB: _Commands.read_symtab,
    c.LC_DYSYMTAB: _Commands.read_dysymtab,
    c.LC_DYLD_INFO: _Commands.read_dyld_info,
    c.LC_DYLD_INFO_ONLY: _Commands.read_dyld_info,
    c.LC_SEGMENT_SPLIT_INFO: _Commands.read_split_seg,
    **dict.fromkeys(_VERSION_MINS, _Commands.read_version_min),
    **dict.fromkeys(_TABLES, _Commands.read_table),
}
_HANDLERS: Final = {
    **dict.fromkeys(_FIXED_SIZES, _Commands.on_fixed),
    **dict.fromkeys(_STRING_COMMANDS, _Commands.on_checked_string),
    c.LC_ID_DYLIB: _Commands.on_id,
    c.LC_RPATH: _Commands.on_run_path,
    c.LC_FILESET_ENTRY: _Commands.on_fileset_entry,
    c.LC_DYLD_ENVIRONMENT: _Commands.on_environment,
    c.LC_LOAD_DYLINKER: _Commands.on_dylinker,
    c.LC_BUILD_VERSION: _Commands.on_build_version,
    c.LC_SEGMENT_64: _Commands.on_segment_64,
    c.LC_SEGMENT: _Commands.on_segment,
    c.LC_UNIXTHREAD: _Commands.on_thread,
    c.LC_LINKER_OPTION: _Commands.on_linker_option,
    c.LC_SOURCE_VERSION: _Commands.on_source_version,
    c.LC_CODE_SIGNATURE: _Commands.on_signature,
}


def parse_image(data: bytes | memoryview, *, size: int) -> Image:
    """Read one header with its load commands.

    Everything dyld could object to is recorded in ``Image.defects``, whether or not any macOS enforces it for this
    file, in the order in which dyld-1378 looks. A command that cannot be walked ends the walk; what came before it
    is kept.

    Args:
        data: The beginning of the slice. All of header and load commands should be there; bytes behind them do no harm.
        size: Length of the slice in bytes.

    Raises:
        InputError: The bytes do not begin with a little-endian mach_header.
    """
    buffer = bytes(data)
    available = len(buffer)
    if available < 28 or buffer[:4] not in {b"\xce\xfa\xed\xfe", b"\xcf\xfa\xed\xfe"}:
        raise InputError("no mach_header", offset=0)
    _, cputype, cpusubtype, file_type, count, command_bytes, flags = _SEVEN.unpack_from(buffer)
    header_size = 32 if buffer[0] == 0xCF else 28
    end = header_size + command_bytes
    if available < end + _MARGIN:
        buffer += bytes(_MARGIN)
    walked = _Commands(buffer, cputype)
    # dyld adds in 32 bits
    if (end & _MASK_32) > size:
        text = f"load commands length ({end & _MASK_32}) exceeds length of file ({size})"
        walked.defects.append(Defect(text, Question.ALWAYS))
    if file_type not in _FILE_TYPES:
        number = file_type - (1 << 32) if file_type >> 31 else file_type
        walked.defects.append(Defect(f"unknown filetype {number}", Question.ALWAYS))
    walked.walk(header_size, count, end, min(end, available))
    facts = Image(
        arch=Arch.of(cputype, cpusubtype),
        file_type=file_type,
        flags=flags,
        uuid=walked.uuids[0] if walked.uuids else None,
        install_name=walked.ids[0][0] if walked.ids else None,
        id_current_version=Version.unpack(walked.ids[0][1]) if walked.ids else None,
        id_compatibility_version=Version.unpack(walked.ids[0][2]) if walked.ids else None,
        builds=tuple(walked.builds),
        loads=tuple(walked.loads),
        run_paths=tuple(walked.run_paths),
        dyld_environment=tuple(walked.environment),
        segments=tuple(walked.segments),
        linkedit=LinkEdit(**walked.linkedit),
        source_version=walked.source_version,
        restricted=buffer.find(_RESTRICT, 0, end) >= 0,
        has_entry=bool(walked.mains or walked.threads),
        header_size=header_size,
        raw=buffer[: min(end, available)],
    )
    defects = (*walked.defects, *_Semantics(facts, walked, size).defects())
    return evolve(facts, defects=defects) if defects else facts


class _Semantics:
    """The checks dyld makes once the commands are known to be well formed (dyld-1378, ``mach_o/UnsafeHeader.cpp``)."""

    __slots__ = ("buffer", "dyld_managed", "image", "in_cache", "size", "walked", "wide")

    def __init__(self, image: Image, walked: _Commands, size: int) -> None:
        self.image = image
        self.walked = walked
        self.size = size
        self.buffer = walked.buffer
        self.wide = image.header_size == 32
        self.in_cache = bool(image.flags & _IN_CACHE)
        self.dyld_managed = image.file_type in _LIBRARY_TYPES or (
            image.file_type == _EXECUTE and bool(image.flags & _DYLDLINK)
        )

    def defects(self) -> list[Defect]:
        """Return the objections in the order of ``UnsafeHeader::valid``."""
        return [
            *self._platform(),
            *self._uuid(),
            *self._install_name(),
            *self._linked_dylibs(),
            *self._run_paths(),
            *self._segments(),
            *self._linker_options(),
            *(self._main() if self.image.file_type == _EXECUTE else ()),
        ]

    def _platform(self) -> Iterator[Defect]:
        """``validSemanticsPlatform``: one platform, or macOS with Mac Catalyst."""
        image = self.image
        if image.file_type == _FILESET:
            return
        platform = 0
        for index, build in zip(self.walked.build_indices, image.builds, strict=True):
            if not is_known_platform(build.platform):
                yield Defect("unknown platform", Question.ALWAYS, index)
                return
            joined = _join_platforms(platform, build.platform)
            if joined is None:
                names = f"{platform_name(platform)} - {platform_name(build.platform)}"
                yield Defect(f"incompatible platforms: {names}", Question.ALWAYS, index)
                return
            platform = joined
        if platform:
            return
        # Without any platform command macOS assumes macOS 10.5 for Intel and 11.0 for arm64
        assumed = image.arch.cputype in {CPU_X86_64, CPU_X86, CPU_ARM64}
        static = image.file_type == FileType.MH_EXECUTE and not self.walked.has_dylinker
        if not assumed and not static and image.file_type != FileType.MH_PRELOAD:
            yield Defect("unknown platform", Question.ALWAYS)

    def _uuid(self) -> Iterator[Defect]:
        if len(self.walked.uuids) > 1:
            yield Defect("too many LC_UUID load commands", Question.ALWAYS)
        if not self.walked.uuids:
            yield Defect("missing LC_UUID load command", Question.HAS_UUID)

    def _install_name(self) -> Iterator[Defect]:
        count = len(self.walked.ids)
        if count > 1:
            yield Defect("multiple LC_ID_DYLIB found", Question.ALWAYS)
        is_dylib = self.image.file_type in _DYLIB_TYPES
        if is_dylib and not count:
            yield Defect("MH_DYLIB is missing LC_ID_DYLIB", Question.ALWAYS)
        if count and not is_dylib:
            yield Defect("found LC_ID_DYLIB found in non-MH_DYLIB", Question.ALWAYS)

    def _linked_dylibs(self) -> Iterator[Defect]:
        image = self.image
        if not image.loads:
            if self.dyld_managed and not (image.install_name or "").startswith(self._libsystem_directory()):
                text = "missing LC_LOAD_DYLIB (must link with at least libSystem.dylib)"
                yield Defect(text, Question.HAS_LINKED_DYLIBS)
            return
        if len({load.name for load in image.loads}) == len(image.loads):
            return
        seen: set[str] = set()
        # dyld remembers 256
        for load in image.loads[:256]:
            if load.name in seen:
                text = f"duplicate linked dylib '{load.name}'"
                yield Defect(text, Question.NO_DUPLICATE_DYLIBS, load.command_index)
            seen.add(load.name)

    def _libsystem_directory(self) -> str:
        """``Platform::libSystemDir``: dylibs there may link with nothing."""
        build = self.image.build
        platform = build.platform if build else Platform.MACOS
        if platform == Platform.DRIVERKIT:
            return "/System/DriverKit/usr/lib/system/"
        name = platform_name(platform)
        if name.endswith("-exclaveKit"):
            return "/System/ExclaveKit/usr/lib/system/"
        return "" if name in {"firmware", "sepOS"} or name.endswith("-exclaveCore") else "/usr/lib/system/"

    def _run_paths(self) -> Iterator[Defect]:
        seen: set[str] = set()
        # dyld remembers 64
        for run_path in self.image.run_paths[:64]:
            if run_path.path in seen:
                text = f"duplicate LC_RPATH '{run_path.path}'"
                yield Defect(text, Question.NO_DUPLICATE_RPATHS, run_path.command_index)
            seen.add(run_path.path)

    def _segments(self) -> Iterator[Defect]:
        """``validSemanticsSegments``: each by itself, __TEXT against the header, each against the others."""
        segments = self.image.segments
        for segment in segments:
            if not self._is_plain(segment):
                yield from self._segment(segment)
        if self.dyld_managed:
            yield from self._text()
        if not self._plainly_ordered():
            yield from self._overlaps()
            yield from self._order()
        elif self.dyld_managed and len({x.name for x in segments}) < len(segments):
            yield from self._overlaps()

    def _name(self, segment: Segment) -> str:
        """The name as dyld prints it: one of 16 characters runs on into the fields behind it."""
        if len(segment.name) < 16:
            return segment.name
        return _c_string(self.buffer, self.walked.offsets[segment.command_index] + 8)

    def _is_plain(self, segment: Segment) -> bool:
        """Whether nothing can be said against a segment: the quick answer for nearly all of them."""
        high = segment.vmaddr + segment.vmsize
        if (
            segment.fileoff + segment.filesize > self.size
            or segment.filesize > segment.vmsize
            or high > (_MASK_64 if self.wide else _MASK_32)
            or segment.initprot != _PLAIN_PERMISSIONS.get(segment.name, segment.initprot & 7)
            or (segment.name == "__DATA_CONST" and not segment.flags & c.SG_READ_ONLY)
        ):
            return False
        low = segment.vmaddr
        for address, length in self._places(segment):  # noqa: SIM110  # a loop is half the price of all()
            if address < low or address + length > high:
                return False
        return True

    def _places(self, segment: Segment) -> Iterator[tuple[int, int]]:
        """Address and size of each section."""
        first, step, layout = (72, 80, _SECTION_PLACE_64) if self.wide else (56, 68, _SECTION_PLACE)
        at = self.walked.offsets[segment.command_index]
        (size,) = _ONE.unpack_from(self.buffer, at + 4)
        start = at + first
        room = min(segment.section_count, (size - first) // step)
        return layout.iter_unpack(self.buffer[start : start + room * step])

    def _segment(self, segment: Segment) -> Iterator[Defect]:
        """``validSegment``."""
        image, index, name = self.image, segment.command_index, segment.name
        mask = _MASK_64 if self.wide else _MASK_32
        always = Question.ALWAYS
        file_end = segment.fileoff + segment.filesize
        if file_end > self.size or file_end > mask:
            yield Defect(
                f"segment '{self._name(segment)}' load command content extends beyond end of file", always, index
            )
        if segment.filesize > segment.vmsize and image.file_type != FileType.MH_OBJECT:
            if segment.vmsize == 0 and segment.initprot == 0:
                return
            yield Defect(f"segment '{self._name(segment)}' filesize exceeds vmsize", always, index)
        if segment.initprot & 0xFFFFFFF8:
            bits = f"(0x{segment.initprot:08X})"
            yield Defect(f"{self._name(segment)} segment permissions has invalid bits set {bits}", always, index)
        if name in _PLAIN_PERMISSIONS:
            yield from self._permissions(segment)
        if segment.vmaddr + segment.vmsize > mask:
            yield Defect(f"'{self._name(segment)}' segment vm range wraps", always, index)
        if segment.section_count and image.file_type != FileType.MH_DYLIB_STUB:
            yield from self._sections(segment, mask)

    def _permissions(self, segment: Segment) -> Iterator[Defect]:
        image, index, prot = self.image, segment.command_index, segment.initprot
        stub = image.file_type == FileType.MH_DYLIB_STUB
        if segment.name == "__TEXT" and prot != c.VM_PROT_READ | c.VM_PROT_EXECUTE and self.dyld_managed:
            yield Defect("__TEXT segment permissions is not 'r-x'", Question.TEXT_PERMISSIONS, index)
        if segment.name == "__LINKEDIT" and prot != c.VM_PROT_READ:
            yield Defect("__LINKEDIT segment permissions is not 'r--'", Question.READ_ONLY_LINKEDIT, index)
        if segment.name == "__DATA" and prot != c.VM_PROT_READ | c.VM_PROT_WRITE and not stub:
            yield Defect("__DATA segment permissions is not 'rw-'", Question.DATA_PERMISSIONS, index)
        if segment.name == "__DATA_CONST" and not stub:
            if prot != c.VM_PROT_READ | c.VM_PROT_WRITE:
                yield Defect("__DATA_CONST segment permissions is not 'rw-'", Question.DATA_CONST_PERMISSIONS, index)
            if not segment.flags & c.SG_READ_ONLY and not self._may_lack_read_only():
                yield Defect("__DATA_CONST segment missing SG_READ_ONLY flag", Question.DATA_CONST_READ_ONLY, index)

    def _may_lack_read_only(self) -> bool:
        """Images meant for the shared cache, already in it, static, or stripped of their data."""
        file_type = self.image.file_type
        return (
            (file_type == FileType.MH_DYLIB and bool(self.walked.split_seg))
            or self.in_cache
            or (file_type == FileType.MH_EXECUTE and not self.walked.has_dylinker)
            or file_type == FileType.MH_DSYM
        )

    def _sections(self, segment: Segment, mask: int) -> Iterator[Defect]:
        first, step = (72, 80) if self.wide else (56, 68)
        start = self.walked.offsets[segment.command_index] + first
        low = segment.vmaddr
        high = low + segment.vmsize & mask
        # a 32-bit size is never negative as a 64-bit number
        largest = _MASK_64 >> 1
        for number, (address, length) in enumerate(self._places(segment)):
            if low <= address and address + length <= high:
                continue
            name = _c_string(self.buffer, start + number * step)
            end = address + length & mask
            if length > largest:
                text, question = f"section '{name}' size too large 0x{length:X}", Question.ALWAYS
            elif address < low:
                where = f"is before containing segment's address 0x{low:X}"
                text, question = f"section '{name}' start address 0x{address:X} {where}", Question.ALWAYS
            elif end > high:
                where = f"is beyond containing segment's end address 0x{high:X}"
                text, question = f"section '{name}' end address 0x{end:X} {where}", Question.SECTIONS_IN_SEGMENT
            else:
                continue
            yield Defect(text, question, segment.command_index)

    def _text(self) -> Iterator[Defect]:
        # dyld looks at the last of several
        text = next((x for x in reversed(self.image.segments) if x.name == "__TEXT"), None)
        if text is None:
            yield Defect("missing __TEXT segment", Question.ALWAYS)
            return
        if text.fileoff and not self.in_cache:
            yield Defect("__TEXT segment fileoffset is not zero", Question.ALWAYS, text.command_index)
        (command_bytes,) = _ONE.unpack_from(self.buffer, 20)
        headers = self.image.header_size + command_bytes & _MASK_32
        if text.filesize < headers:
            where = "load commands do not fit in __TEXT segment filesize"
            yield Defect(where, Question.ALWAYS, text.command_index)
        if text.vmsize < headers:
            yield Defect("load commands do not fit in __TEXT segment vmsize", Question.ALWAYS, text.command_index)

    def _plainly_ordered(self) -> bool:
        """Whether addresses and file ranges rise from segment to segment, as linkers lay them out."""
        address = offset = 0
        for segment in self.image.segments:
            if segment.vmaddr < address or segment.fileoff < offset:
                return False
            address = segment.vmaddr + segment.vmsize
            offset = segment.fileoff + segment.filesize
        return address <= _MASK_64

    def _ranges(self) -> list[tuple[int, int, int, int]]:
        mask = _MASK_64 if self.wide else _MASK_32
        return [
            (x.vmaddr, x.vmaddr + x.vmsize & mask, x.fileoff, x.fileoff + x.filesize & mask)
            for x in self.image.segments
        ]

    def _overlaps(self) -> Iterator[Defect]:
        """Every pair in dyld's order, up to the first that cannot be forgiven.

        Real images have a few segments. Of hostile ones with more than ``_MANY`` only neighbours by address are
        compared, so that time stays bound to the size of the file.
        """
        segments, ranges = self.image.segments, self._ranges()
        names = [self._name(x) for x in segments]
        everyone = range(len(segments))
        if len(segments) > _MANY:
            by_address = sorted(everyone, key=lambda i: ranges[i])
            pairs: Iterator[tuple[int, int]] = pairwise(by_address)
        else:
            pairs = permutations(everyone, 2)
        for i, j in pairs:
            one, other = ranges[i], ranges[j]
            index = segments[i].command_index
            if other[0] < one[1] and other[1] > one[0]:
                yield Defect(f"vm range of segment '{names[i]}' overlaps segment '{names[j]}'", Question.ALWAYS, index)
                return
            if not self.in_cache and other[2] < one[3] and other[3] > one[2]:
                yield Defect(
                    f"file range of segment '{names[i]}' overlaps segment '{names[j]}'", Question.ALWAYS, index
                )
                return
            if i < j and self.dyld_managed and names[i] == names[j]:
                yield Defect(f"duplicate segment name '{names[i]}'", Question.UNIQUE_SEGMENT_NAMES, index)

    def _order(self) -> Iterator[Defect]:
        """Load commands, file content and addresses in one order; dyld leaves out the last segment."""
        image = self.image
        if self.in_cache:
            return
        # old Intel programs that cannot be moved are forgiven
        legacy = (
            image.arch.is_x86_64 and self.walked.has_dylinker and image.is_main_executable
        ) and not image.flags & HeaderFlag.MH_PIE
        for before, segment in zip(image.segments[:-2], image.segments[1:-1], strict=True):
            index = segment.command_index
            if segment.fileoff < before.fileoff and segment.filesize:
                yield Defect(f"segment '{self._name(before)}' file offset out of order", Question.SEGMENT_ORDER, index)
            if segment.vmaddr < before.vmaddr and not legacy:
                if image.file_type == FileType.MH_FILESET and segment.name == "__PRELINK_INFO":
                    continue
                yield Defect(f"segment '{self._name(segment)}' vm address out of order", Question.SEGMENT_ORDER, index)

    def _linker_options(self) -> Iterator[Defect]:
        for index in self.walked.linker_options:
            start = self.walked.offsets[index]
            size, count = _TWO.unpack_from(self.buffer, start + 4)
            at, end = start + 12, start + size
            for _ in range(count):
                stop = self.buffer.find(b"\0", at)
                at = stop + 1
                if stop < 0 or at > end:
                    yield Defect("malformed LC_LINKER_OPTION command", Question.ALWAYS, index)
                    break

    def _main(self) -> Iterator[Defect]:
        """``validSemanticsMain``: one entry point."""
        if self.in_cache:
            yield Defect("MH_EXECUTE has MH_DYLIB_IN_CACHE bit set", Question.MAIN_FLAGS)
        mains, threads = self.walked.mains, self.walked.threads
        # dyld walks on after these errors, so the last one in file order is what it prints
        found = [(x, "multiple LC_MAIN load commands") for x in mains[1:]]
        found += [(x, "multiple LC_UNIXTHREAD load commands") for x in threads[1:]]
        found += [(x, "invalid LC_UNIXTHREAD") for x in threads if not self._known_thread_state(x)]
        for index, text in sorted(found, key=lambda x: x[0], reverse=True):
            yield Defect(text, Question.ALWAYS, index)
        driverkit = any(x.platform == Platform.DRIVERKIT for x in self.image.builds)
        if mains and threads:
            yield Defect("can't have LC_MAIN and LC_UNIXTHREAD load commands", Question.ALWAYS, threads[0])
        if driverkit and (mains or threads):
            yield Defect("LC_MAIN not allowed for driverkit", Question.ALWAYS, (mains or threads)[0])
        if not driverkit and not mains and not threads:
            yield Defect("missing LC_MAIN or LC_UNIXTHREAD in main executable", Question.ALWAYS)

    def _known_thread_state(self, index: int) -> bool:
        """``entryAddrFromThreadCmd``: the flavor must be the processor's own."""
        (flavor,) = _ONE.unpack_from(self.buffer, self.walked.offsets[index] + 8)
        return bool(_THREAD_FLAVORS.get(self.image.arch.cputype) == flavor)


_MANY: Final = 256
_PLAIN_PERMISSIONS: Final = {"__TEXT": 5, "__LINKEDIT": 1, "__DATA": 3, "__DATA_CONST": 3}
_THREAD_FLAVORS: Final = {CPU_X86: 1, CPU_X86_64: 4, CPU_ARM: 1, CPU_ARM64: 6, CPU_ARM64_32: 6}


def _join_platforms(one: int, other: int) -> int | None:
    """What two platform commands mean together; None where dyld refuses (``PlatformAndVersions::zip``)."""
    if one in {0, other}:
        return other
    if {one, other} <= {Platform.MACOS, Platform.MAC_CATALYST, ZIPPERED} and other != ZIPPERED:
        return ZIPPERED
    return None


# -- what is not stored in an Image --


def sections(image: Image) -> tuple[Section, ...]:
    """Return all sections in file order."""
    wide = image.header_size == 32
    first, step, layout = (72, 80, _SECTION_64) if wide else (56, 68, _SECTION)
    found = []
    for segment in image.segments:
        command = image.commands[segment.command_index]
        start = command.offset + first
        room = min(segment.section_count, max(0, command.size - first) // step)
        for name, owner, address, size, offset, flags in layout.iter_unpack(image.raw[start : start + room * step]):
            found.append(Section(_name16(owner), _name16(name), address, size, offset, flags))
    return tuple(found)


def linker_options(image: Image) -> tuple[tuple[str, ...], ...]:
    """Return the texts of each LC_LINKER_OPTION, in file order."""
    found = []
    for command in image.commands:
        if command.cmd == c.LC_LINKER_OPTION and command.size >= 12:
            payload = image.raw[command.offset + 12 : command.offset + command.size]
            (count,) = _ONE.unpack_from(image.raw, command.offset + 8)
            found.append(tuple(map(_text, payload.split(b"\0")[: min(count, len(payload))])))
    return tuple(found)


def sub_commands(image: Image) -> tuple[tuple[str, str], ...]:
    """Return (command name, text) of LC_SUB_FRAMEWORK, LC_SUB_UMBRELLA, LC_SUB_CLIENT, LC_SUB_LIBRARY in file order."""
    found = []
    for command in image.commands:
        if command.cmd in _SUB_COMMANDS and command.size >= 12:
            (offset,) = _ONE.unpack_from(image.raw, command.offset + 8)
            text = image.raw[command.offset + offset : command.offset + command.size] if offset >= 12 else b""
            found.append((c.command_name(command.cmd), _text(text.partition(b"\0")[0])))
    return tuple(found)


def flag_names(image: Image) -> tuple[str, ...]:
    """Return the names of the header flags that are set, lowest bit first; bits without a name as ``0x…``."""
    known = [x for x in HeaderFlag if image.flags & x]
    rest = image.flags & ~sum(known)
    names = [x.name or "" for x in known]
    return (*names, f"{rest:#x}") if rest else tuple(names)


def command_name(cmd: int) -> str:
    """Return ``LC_RPATH`` and the like; ``LC_0x…`` for a number without a name."""
    return c.command_name(cmd)
