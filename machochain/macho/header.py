"""Reads one Mach-O header with its load commands: facts and dyld's objections, from header bytes only.

dyld prints raw addresses in some messages (``%p``); such a text carries ``POINTER`` in their place.
"""

from __future__ import annotations

import struct
from functools import lru_cache
from typing import Any, Final

from machochain.macho import constants as c
from machochain.macho.collected import Collected
from machochain.macho.validity import semantic_defects
from machochain.model.arch import CPU_X86, CPU_X86_64, Arch
from machochain.model.errors import InputError
from machochain.model.image import (
    POINTER,
    BuildVersion,
    Defect,
    DefectKind,
    FileType,
    Image,
    LinkedDylib,
    LinkEdit,
    Question,
    RunPath,
    Segment,
)
from machochain.model.loadcommand import walk_commands, walk_end
from machochain.model.platform import Platform
from machochain.model.reading import signed, text
from machochain.model.value import evolve
from machochain.model.version import Version

MARGIN: Final = 128
"""dyld reads the fixed part of a command before it checks where the command ends; no such part is longer."""
_MASK_32: Final = 0xFFFFFFFF

_SEVEN: Final = struct.Struct("<7I")
_ONE: Final = struct.Struct("<I")
_TWO: Final = struct.Struct("<II")
_FOUR: Final = struct.Struct("<4I")
_TEN: Final = struct.Struct("<10I")
_SEGMENT: Final = struct.Struct("<16s8I")
_SEGMENT_64: Final = struct.Struct("<16s4Q4I")
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
_LINKED: Final = {
    c.LC_LOAD_DYLIB: "LC_LOAD_DYLIB",
    c.LC_LOAD_WEAK_DYLIB: "LC_LOAD_WEAK_DYLIB",
    c.LC_REEXPORT_DYLIB: "LC_REEXPORT_DYLIB",
    c.LC_LOAD_UPWARD_DYLIB: "LC_LOAD_UPWARD_DYLIB",
}
_FILE_TYPES: Final = frozenset(FileType) - {FileType.MH_FVMLIB, FileType.MH_CORE}
_VERSION_MINS: Final = {
    c.LC_VERSION_MIN_MACOSX: ("LC_VERSION_MIN_MACOSX", Platform.MACOS, Platform.MACOS),
    c.LC_VERSION_MIN_IPHONEOS: ("LC_VERSION_MIN_IPHONEOS", Platform.IOS, Platform.IOS_SIMULATOR),
    c.LC_VERSION_MIN_TVOS: ("LC_VERSION_MIN_TVOS", Platform.TVOS, Platform.TVOS_SIMULATOR),
    c.LC_VERSION_MIN_WATCHOS: ("LC_VERSION_MIN_WATCHOS", Platform.WATCHOS, Platform.WATCHOS_SIMULATOR),
}


@lru_cache(maxsize=4096)
def name16(raw: bytes) -> str:
    """A fixed field of 16 bytes; it need not end in a NUL."""
    return text(raw.partition(b"\0")[0])


def _lc_string(command: bytes, length: int, at: int = 8) -> tuple[str, str | None]:
    """The string of a command whose lc_str stands at ``at``, cut at the command's end; and what dyld says about it.

    dyld-1378, ``mach_o/UnsafeHeader.cpp``, ``stringOverflow``.
    """
    (offset,) = _ONE.unpack_from(command, at)
    if offset >= length:
        return "", f"string offset ({offset}) outside its size ({length})"
    end = command.find(b"\0", offset, length)
    if end < 0:
        return text(command[offset:length]), "string extends beyond end of load command"
    return text(command[offset:end]), None


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


class _Commands(Collected):
    """One walk over the load commands of one image (dyld-1378, ``mach_o/UnsafeHeader.cpp``, ``forEachLoadCommand``).

    ``defects`` takes what ``validStructureLoadCommands`` says; the semantic checks come afterwards, over what the walk
    collected, as dyld's do.
    """

    __slots__ = (
        "builds", "defects", "environment", "linkedit", "loads", "run_paths", "segments", "simulator", "source_version",
    )  # fmt: skip

    def __init__(self, buffer: bytes, cputype: int) -> None:
        super().__init__(buffer)
        # before LC_BUILD_VERSION the simulators were told by their processor
        self.simulator = cputype in {CPU_X86_64, CPU_X86}
        self.defects: list[Defect] = []
        self.loads: list[LinkedDylib] = []
        self.run_paths: list[RunPath] = []
        self.environment: list[str] = []
        self.builds: list[BuildVersion] = []
        self.segments: list[Segment] = []
        self.linkedit: dict[str, Any] = {}
        self.source_version: int | None = None

    def walk(self, start: int, count: int, end: int, available: int) -> None:
        """Visit ``count`` commands from ``start``; ``available`` is where the bytes at hand end."""
        buffer = self.buffer
        linked, loads = _LINKED, self.loads
        handler_of = _HANDLERS.get
        self.commands = found = walk_commands(buffer, start, count, available)
        for index, (number, at, length) in enumerate(found):
            if number in linked:  # half of all commands
                room = length if length > 28 else 28  # noqa: FURB136  # max() is a call
                load, complaint = _linked(index, len(loads) + 1, buffer[at : at + room])
                if complaint:
                    self.object_to(index, complaint)
                loads.append(load)
                continue
            handler = handler_of(number)
            if handler is not None:
                handler(self, index, number, at, length)
            elif number & c.LC_REQ_DYLD:
                self.object_to(index, f"unknown required load command 0x{number:08X}")
        if len(found) < count:
            self._stopped(len(found), count, walk_end(found, start), end, available)

    def _stopped(self, index: int, count: int, at: int, end: int, available: int) -> None:
        """Say why the walk ended before the last command; nothing where only the bytes at hand ended."""
        if at >= available:
            if at >= end:
                self._malformed(index, count, "off end of load commands")
            return
        length = int.from_bytes(self.buffer[at + 4 : at + 8], "little")  # what is cut off is mapped as zeros
        if length < 8:
            self._malformed(index, count, f"size (0x{length:X}) too small")
        elif at + length > end:
            self._malformed(index, count, f"size (0x{length:X}) is too large, load commands end at {POINTER}")

    def _malformed(self, index: int, count: int, what: str) -> None:
        text = f"malformed load command ({index + 1} of {signed(count)}) at {POINTER} with mh={POINTER}, {what}"
        self.defects.append(Defect(text, Question.ALWAYS, index, kind=DefectKind.WALK))

    def object_to(self, index: int, what: str) -> None:
        """Record an objection to one command; dyld counts them from 1."""
        text = f"load command #{index + 1} {what}"
        self.defects.append(Defect(text, Question.ALWAYS, index, kind=DefectKind.COMMAND))

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
        if length >= size or number in _VERSION_MINS:
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
        # dyld reads the platform before it looks at the size
        sdk_version = Version.unpack(sdk) if sdk else None
        self.build_indices.append(index)
        self.builds.append(BuildVersion("LC_BUILD_VERSION", platform, Version.unpack(minos), sdk_version, tools))

    def on_segment_64(self, index: int, _number: int, at: int, length: int) -> None:
        if length >= 72:
            name, *places = _SEGMENT_64.unpack_from(self.buffer, at + 8)
            self.segments.append(Segment(index, name16(name), *places))
        count = _ONE.unpack_from(self.buffer, at + 64)[0]
        if length != 72 + count * 80:
            self.object_to(index, "LC_SEGMENT_64 size does not match number of sections")

    def on_segment(self, index: int, _number: int, at: int, length: int) -> None:
        if length >= 56:
            name, *places = _SEGMENT.unpack_from(self.buffer, at + 8)
            self.segments.append(Segment(index, name16(name), *places))
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
            if size or (offset and name == "exports_trie"):
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


_MOST_ZEROS: Final = 1 << 16


def parse_image(data: bytes | memoryview, *, size: int) -> Image:
    """Read one header with its load commands.

    Everything dyld could object to is recorded in ``Image.defects``, whether or not any macOS enforces it for this
    file, in the order in which dyld-1378 looks. A command that cannot be walked ends the walk; what came before it
    is kept.

    Args:
        data: The beginning of the slice. All of header and load commands should be there; bytes behind them do no harm.
        size: Length of the file in bytes, other slices included: so much of it dyld maps and compares with.

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
    if available < end + MARGIN:
        # What is mapped behind the end of a file is zero.
        buffer += bytes(MARGIN + (end - available if available < end <= available + _MOST_ZEROS else 0))
    walked = _Commands(buffer, cputype)
    # dyld adds in 32 bits
    if (end & _MASK_32) > size:
        text = f"load commands length ({end & _MASK_32}) exceeds length of file ({size})"
        kind = DefectKind.COMMANDS_EXCEED_FILE
        walked.defects.append(Defect(text, Question.ALWAYS, kind=kind, numbers=(end & _MASK_32, size)))
    if file_type not in _FILE_TYPES:
        number = signed(file_type)
        walked.defects.append(Defect(f"unknown filetype {number}", Question.ALWAYS, kind=DefectKind.FILE_TYPE))
    walked.walk(header_size, count, end, min(end, len(buffer)))
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
        file_size=size,
        raw=buffer[: min(end, len(buffer))],
    )
    defects = (*walked.defects, *semantic_defects(facts, walked, size))
    return evolve(facts, defects=defects) if defects else facts
