"""What dyld objects to in one header: the shape of its load commands, then what they say together.

dyld prints raw addresses in some messages (``%p``); such a text carries ``POINTER`` in their place.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from typing import Final

from machochain.macho import constants as c
from machochain.macho.collected import Collected
from machochain.macho.validity import semantic_defects
from machochain.model.image import POINTER, Defect, DefectKind, FileType, Image, Question
from machochain.model.loadcommand import walk_commands, walk_end
from machochain.model.reading import signed
from machochain.model.tables import SEGMENTS, segment_fields

_MASK_32: Final = 0xFFFFFFFF
_ONE: Final = struct.Struct("<I")
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
_STRING_COMMANDS: Final = (
    c.LC_LOAD_DYLIB, c.LC_LOAD_WEAK_DYLIB, c.LC_REEXPORT_DYLIB, c.LC_LOAD_UPWARD_DYLIB, c.LC_RPATH, c.LC_SUB_UMBRELLA,
    c.LC_SUB_CLIENT, c.LC_SUB_LIBRARY,
)  # fmt: skip
_FILE_TYPES: Final = frozenset(FileType) - {FileType.MH_FVMLIB, FileType.MH_CORE}
_VERSION_MINS: Final = frozenset(
    {c.LC_VERSION_MIN_MACOSX, c.LC_VERSION_MIN_IPHONEOS, c.LC_VERSION_MIN_TVOS, c.LC_VERSION_MIN_WATCHOS}
)
_SECTIONS: Final = {c.LC_SEGMENT: (56, 68, "LC_SEGMENT"), c.LC_SEGMENT_64: (72, 80, "LC_SEGMENT_64")}


def objections(image: Image) -> tuple[Defect, ...]:
    """Return everything dyld could object to, whether or not any macOS enforces it for this file, in dyld-1378's order.

    Args:
        image: The facts of the header, with its bytes and those behind the load commands.
    """
    count, command_bytes = int.from_bytes(image.raw[16:20], "little"), image.command_bytes
    end = image.header_size + command_bytes
    walked = _Walk(image.raw + image.behind)
    # dyld adds in 32 bits
    if (end & _MASK_32) > image.file_size:
        text = f"load commands length ({end & _MASK_32}) exceeds length of file ({image.file_size})"
        kind = DefectKind.COMMANDS_EXCEED_FILE
        walked.defects.append(Defect(text, Question.ALWAYS, kind=kind, numbers=(end & _MASK_32, image.file_size)))
    if image.file_type not in _FILE_TYPES:
        number = signed(image.file_type)
        walked.defects.append(Defect(f"unknown filetype {number}", Question.ALWAYS, kind=DefectKind.FILE_TYPE))
    walked.walk(image.header_size, count, end, len(image.raw))
    return (*walked.defects, *semantic_defects(image, walked, image.file_size))


class _Walk(Collected):
    """One walk over the load commands of one image (dyld-1378, ``mach_o/UnsafeHeader.cpp``, ``forEachLoadCommand``).

    ``defects`` takes what ``validStructureLoadCommands`` says; the semantic checks come afterwards, over what the walk
    collected, as dyld's do.
    """

    __slots__ = ("defects",)

    def __init__(self, buffer: bytes) -> None:
        super().__init__(buffer)
        self.defects: list[Defect] = []

    def walk(self, start: int, count: int, end: int, available: int) -> None:
        """Visit ``count`` commands from ``start``; ``available`` is where the bytes at hand end."""
        sizes, handler_of = _PASSED_OVER.get, _HANDLERS.get
        found = walk_commands(self.buffer, start, count, available)
        for index, (number, at, length) in enumerate(found):
            if sizes(number) == length:
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

    # Handlers: (position, command number, offset in the buffer, length).

    def on_string(self, index: int, _number: int, at: int, length: int, where: int = 8) -> None:
        """Object to a string that leaves its command (``stringOverflow``); its lc_str stands at ``where``."""
        (offset,) = _ONE.unpack_from(self.buffer, at + where)
        if offset >= length:
            self.object_to(index, f"string offset ({offset}) outside its size ({length})")
        elif self.buffer.find(b"\0", at + offset, at + length) < 0:
            self.object_to(index, "string extends beyond end of load command")

    def on_id(self, index: int, number: int, at: int, length: int) -> None:
        self.on_string(index, number, at, length)
        self.ids += 1

    def on_fileset_entry(self, index: int, number: int, at: int, length: int) -> None:
        self.on_string(index, number, at, length, 24)

    def on_dylinker(self, _index: int, _number: int, _at: int, _length: int) -> None:
        self.has_dylinker = True

    def on_fixed(self, index: int, number: int, at: int, length: int) -> None:
        size, name = _FIXED_SIZES[number]
        if length != size:
            self.object_to(index, f"{name} size wrong")
        if number in _VERSION_MINS:
            self.build_indices.append(index)
        elif length >= size:
            self.keep(index, number, at)

    def keep(self, index: int, number: int, at: int) -> None:
        """Keep what the checks ask of a command whose size was found large enough."""
        if number == c.LC_UUID:
            self.uuids += 1
        elif number == c.LC_MAIN:
            self.mains.append(index)
        elif number == c.LC_SEGMENT_SPLIT_INFO and self.split_seg is None:
            (self.split_seg,) = _ONE.unpack_from(self.buffer, at + 12)

    def on_build_version(self, index: int, _number: int, at: int, length: int) -> None:
        (count,) = _ONE.unpack_from(self.buffer, at + 20)
        # dyld multiplies in 64 bits here (sizeof is size_t)
        if length != 24 + count * 8:
            self.object_to(index, "LC_BUILD_VERSION size wrong")
        self.build_indices.append(index)

    def on_segment(self, index: int, number: int, at: int, length: int) -> None:
        first, size, name = _SECTIONS[number]
        fields = segment_fields(self.buffer, index, number, at, length)
        if fields is not None:
            self.segments.append((fields, at, length))
            count = fields[8]
        else:
            (count,) = _ONE.unpack_from(self.buffer, at + first - 8)
        if length != first + count * size:
            self.object_to(index, f"{name} size does not match number of sections")

    def on_thread(self, index: int, _number: int, _at: int, _length: int) -> None:
        self.threads.append(index)

    def on_linker_option(self, index: int, _number: int, _at: int, _length: int) -> None:
        self.linker_options.append(index)


_HANDLERS: Final[Mapping[int, Callable[[_Walk, int, int, int, int], None]]] = {
    **dict.fromkeys(_FIXED_SIZES, _Walk.on_fixed),
    **dict.fromkeys(_STRING_COMMANDS, _Walk.on_string),
    c.LC_ID_DYLIB: _Walk.on_id,
    c.LC_FILESET_ENTRY: _Walk.on_fileset_entry,
    c.LC_LOAD_DYLINKER: _Walk.on_dylinker,
    c.LC_BUILD_VERSION: _Walk.on_build_version,
    **dict.fromkeys(SEGMENTS, _Walk.on_segment),
    c.LC_UNIXTHREAD: _Walk.on_thread,
    c.LC_LINKER_OPTION: _Walk.on_linker_option,
}
_KEPT: Final = _VERSION_MINS | {c.LC_UUID, c.LC_MAIN, c.LC_SEGMENT_SPLIT_INFO}
_PASSED_OVER: Final = {number: size for number, (size, _) in _FIXED_SIZES.items() if number not in _KEPT}
"""Commands of which nothing is said if they have their size."""
