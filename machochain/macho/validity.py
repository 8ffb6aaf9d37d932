"""The checks dyld makes once the commands are known to be well formed (dyld-1378, ``mach_o/UnsafeHeader.cpp``)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from itertools import pairwise, permutations
from typing import Final

from machochain.macho import constants as c
from machochain.macho.collected import Collected
from machochain.macho.plain import PLAIN_PERMISSIONS, SECTIONS, SECTIONS_64, header_bytes, segments_are_plain
from machochain.model.arch import CPU_ARM, CPU_ARM64, CPU_ARM64_32, CPU_X86, CPU_X86_64
from machochain.model.image import Defect, DefectKind, FileType, HeaderFlag, Image, Question, Segment
from machochain.model.platform import ZIPPERED, Platform, is_known_platform, platform_name
from machochain.model.reading import text as decoded

_MASK_64: Final = 0xFFFFFFFFFFFFFFFF
_MASK_32: Final = 0xFFFFFFFF
_LONGEST_NAME: Final = 128

_ONE: Final = struct.Struct("<I")
_TWO: Final = struct.Struct("<II")
# Plain numbers: they are asked for in every file, and a look into an enumeration costs more than the answer.
_DYLIB_TYPES: Final = frozenset({int(FileType.MH_DYLIB), int(FileType.MH_DYLIB_STUB)})
_LIBRARY_TYPES: Final = frozenset({int(FileType.MH_DYLIB), int(FileType.MH_BUNDLE)})
_EXECUTE: Final = int(FileType.MH_EXECUTE)
_FILESET: Final = int(FileType.MH_FILESET)
_IN_CACHE: Final = int(HeaderFlag.MH_DYLIB_IN_CACHE)
_DYLDLINK: Final = int(HeaderFlag.MH_DYLDLINK)


def semantic_defects(image: Image, walked: Collected, size: int) -> list[Defect]:
    """Return dyld's objections in the order of ``UnsafeHeader::valid``.

    Args:
        image: The facts of the header.
        walked: What the walk over its load commands collected.
        size: Length of the slice in bytes.
    """
    return _Semantics(image, walked, size).defects()


def _c_string(buffer: bytes, at: int) -> str:
    """What ``%s`` prints for a pointer into the header: everything up to the next NUL, fields or not.

    Cut at ``_LONGEST_NAME`` bytes, so that the texts about a hostile file stay in proportion to it.
    """
    end = buffer.find(b"\0", at, at + _LONGEST_NAME)
    return decoded(buffer[at : at + _LONGEST_NAME if end < 0 else end])


class _Semantics:
    """The checks dyld makes once the commands are known to be well formed (dyld-1378, ``mach_o/UnsafeHeader.cpp``)."""

    __slots__ = ("buffer", "dyld_managed", "image", "in_cache", "size", "walked", "wide")

    def __init__(self, image: Image, walked: Collected, size: int) -> None:
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
        """Return the objections in the order of ``UnsafeHeader::valid``; most questions are asked in vain."""
        image, walked = self.image, self.walked
        builds, loads, run_paths = image.builds, image.loads, image.run_paths
        found: list[Defect] = []
        if len(builds) != 1 or not (builds[0].platform and is_known_platform(builds[0].platform)):
            found += self._platform()
        if walked.uuids != 1:
            found += self._uuid()
        if walked.ids != (image.file_type in _DYLIB_TYPES):
            found += self._install_name()
        if not loads or len({load.name for load in loads}) < len(loads):
            found += self._linked_dylibs()
        if len(run_paths) > 1:
            found += self._run_paths()
        if not segments_are_plain(walked, self.size, wide=self.wide, managed=self.dyld_managed):
            found += self._segments()
        if walked.linker_options:
            found += self._linker_options()
        if image.file_type == _EXECUTE:
            found += self._main()
        return found

    def _platform(self) -> Iterator[Defect]:
        """``validSemanticsPlatform``: one platform, or macOS with Mac Catalyst."""
        image = self.image
        if image.file_type == _FILESET:
            return
        platform = 0
        for index, build in zip(self.walked.build_indices, image.builds, strict=True):
            if not is_known_platform(build.platform):
                yield Defect("unknown platform", Question.ALWAYS, index, kind=DefectKind.PLATFORM)
                return
            joined = _join_platforms(platform, build.platform)
            if joined is None:
                names = f"{platform_name(platform)} - {platform_name(build.platform)}"
                yield Defect(f"incompatible platforms: {names}", Question.ALWAYS, index, kind=DefectKind.PLATFORM)
                return
            platform = joined
        if platform:
            return
        # Without any platform command macOS assumes macOS 10.5 for Intel and 11.0 for arm64
        assumed = image.arch.cputype in {CPU_X86_64, CPU_X86, CPU_ARM64}
        static = image.file_type == FileType.MH_EXECUTE and not self.walked.has_dylinker
        if not assumed and not static and image.file_type != FileType.MH_PRELOAD:
            yield Defect("unknown platform", Question.ALWAYS, kind=DefectKind.PLATFORM)

    def _uuid(self) -> Iterator[Defect]:
        if self.walked.uuids > 1:
            yield Defect("too many LC_UUID load commands", Question.ALWAYS, kind=DefectKind.UUID_TWICE)
        if not self.walked.uuids:
            yield Defect("missing LC_UUID load command", Question.HAS_UUID, kind=DefectKind.UUID_MISSING)

    def _install_name(self) -> Iterator[Defect]:
        count = self.walked.ids
        if count > 1:
            yield Defect("multiple LC_ID_DYLIB found", Question.ALWAYS, kind=DefectKind.INSTALL_NAME)
        is_dylib = self.image.file_type in _DYLIB_TYPES
        if is_dylib and not count:
            yield Defect("MH_DYLIB is missing LC_ID_DYLIB", Question.ALWAYS, kind=DefectKind.INSTALL_NAME)
        if count and not is_dylib:
            yield Defect("found LC_ID_DYLIB found in non-MH_DYLIB", Question.ALWAYS, kind=DefectKind.INSTALL_NAME)

    def _linked_dylibs(self) -> Iterator[Defect]:
        image = self.image
        if not image.loads:
            if self.dyld_managed and not (image.install_name or "").startswith(self._libsystem_directory()):
                text = "missing LC_LOAD_DYLIB (must link with at least libSystem.dylib)"
                yield Defect(text, Question.HAS_LINKED_DYLIBS, kind=DefectKind.NO_DYLIBS)
            return
        seen: set[str] = set()
        # dyld remembers 256
        for load in image.loads[:256]:
            if load.name in seen:
                text = f"duplicate linked dylib '{load.name}'"
                yield Defect(
                    text,
                    Question.NO_DUPLICATE_DYLIBS,
                    load.command_index,
                    kind=DefectKind.DYLIB_TWICE,
                    subject=load.name,
                )
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
                yield Defect(
                    text,
                    Question.NO_DUPLICATE_RPATHS,
                    run_path.command_index,
                    kind=DefectKind.RUN_PATH_TWICE,
                    subject=run_path.path,
                )
            seen.add(run_path.path)

    def _segments(self) -> Iterator[Defect]:
        """``validSemanticsSegments``: each by itself, __TEXT against the header, each against the others."""
        segments = self.image.segments
        for segment in segments:
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
        return _c_string(self.buffer, self.image.commands[segment.command_index].offset + 8)

    def _places(self, segment: Segment) -> Iterator[tuple[int, int]]:
        """Address and size of each section."""
        first, step, layout = SECTIONS_64 if self.wide else SECTIONS
        command = self.image.commands[segment.command_index]
        start = command.offset + first
        room = min(segment.section_count, (command.size - first) // step)
        return layout.iter_unpack(self.buffer[start : start + room * step])

    def _segment(self, segment: Segment) -> Iterator[Defect]:
        """``validSegment``."""
        image, index, name = self.image, segment.command_index, segment.name
        mask = _MASK_64 if self.wide else _MASK_32
        always = Question.ALWAYS
        file_end = segment.fileoff + segment.filesize
        if file_end > self.size or file_end > mask:
            yield Defect(
                f"segment '{self._name(segment)}' load command content extends beyond end of file",
                always,
                index,
                kind=DefectKind.ADDRESSES if file_end > mask else DefectKind.SEGMENT_BEYOND_FILE,
                subject=name,
            )
        if segment.filesize > segment.vmsize and image.file_type != FileType.MH_OBJECT:
            if segment.vmsize == 0 and segment.initprot == 0:
                return
            yield Defect(
                f"segment '{self._name(segment)}' filesize exceeds vmsize",
                always,
                index,
                kind=DefectKind.SEGMENT_SIZES,
                subject=name,
            )
        if segment.initprot & 0xFFFFFFF8:
            bits = f"(0x{segment.initprot:08X})"
            yield Defect(
                f"{self._name(segment)} segment permissions has invalid bits set {bits}",
                always,
                index,
                kind=DefectKind.PERMISSIONS,
                subject=name,
            )
        if name in PLAIN_PERMISSIONS:
            yield from self._permissions(segment)
        if segment.vmaddr + segment.vmsize > mask:
            yield Defect(
                f"'{self._name(segment)}' segment vm range wraps",
                always,
                index,
                kind=DefectKind.ADDRESSES,
                subject=name,
            )
        if segment.section_count and image.file_type != FileType.MH_DYLIB_STUB:
            yield from self._sections(segment, mask)

    def _permissions(self, segment: Segment) -> Iterator[Defect]:
        image, index, prot = self.image, segment.command_index, segment.initprot
        stub = image.file_type == FileType.MH_DYLIB_STUB
        kind = DefectKind.PERMISSIONS
        if segment.name == "__TEXT" and prot != c.VM_PROT_READ | c.VM_PROT_EXECUTE and self.dyld_managed:
            yield Defect("__TEXT segment permissions is not 'r-x'", Question.TEXT_PERMISSIONS, index, kind=kind)
        if segment.name == "__LINKEDIT" and prot != c.VM_PROT_READ:
            yield Defect("__LINKEDIT segment permissions is not 'r--'", Question.READ_ONLY_LINKEDIT, index, kind=kind)
        if segment.name == "__DATA" and prot != c.VM_PROT_READ | c.VM_PROT_WRITE and not stub:
            yield Defect("__DATA segment permissions is not 'rw-'", Question.DATA_PERMISSIONS, index, kind=kind)
        if segment.name == "__DATA_CONST" and not stub:
            if prot != c.VM_PROT_READ | c.VM_PROT_WRITE:
                yield Defect(
                    "__DATA_CONST segment permissions is not 'rw-'", Question.DATA_CONST_PERMISSIONS, index, kind=kind
                )
            if not segment.flags & c.SG_READ_ONLY and not self._may_lack_read_only():
                yield Defect(
                    "__DATA_CONST segment missing SG_READ_ONLY flag",
                    Question.DATA_CONST_READ_ONLY,
                    index,
                    kind=DefectKind.READ_ONLY_FLAG,
                )

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
        start = self.image.commands[segment.command_index].offset + first
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
            yield Defect(text, question, segment.command_index, kind=DefectKind.SECTION, subject=name)

    def _text(self) -> Iterator[Defect]:
        # dyld looks at the last of several
        text = next((x for x in reversed(self.image.segments) if x.name == "__TEXT"), None)
        if text is None:
            yield Defect("missing __TEXT segment", Question.ALWAYS, kind=DefectKind.TEXT_SEGMENT)
            return
        if text.fileoff and not self.in_cache:
            yield Defect(
                "__TEXT segment fileoffset is not zero",
                Question.ALWAYS,
                text.command_index,
                kind=DefectKind.TEXT_SEGMENT,
            )
        headers = header_bytes(self.buffer)
        if text.filesize < headers:
            where = "load commands do not fit in __TEXT segment filesize"
            yield Defect(where, Question.ALWAYS, text.command_index, kind=DefectKind.TEXT_SEGMENT)
        if text.vmsize < headers:
            yield Defect(
                "load commands do not fit in __TEXT segment vmsize",
                Question.ALWAYS,
                text.command_index,
                kind=DefectKind.TEXT_SEGMENT,
            )

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
                yield Defect(
                    f"vm range of segment '{names[i]}' overlaps segment '{names[j]}'",
                    Question.ALWAYS,
                    index,
                    kind=DefectKind.OVERLAP,
                )
                return
            if not self.in_cache and other[2] < one[3] and other[3] > one[2]:
                yield Defect(
                    f"file range of segment '{names[i]}' overlaps segment '{names[j]}'",
                    Question.ALWAYS,
                    index,
                    kind=DefectKind.OVERLAP,
                )
                return
            if i < j and self.dyld_managed and names[i] == names[j]:
                yield Defect(
                    f"duplicate segment name '{names[i]}'",
                    Question.UNIQUE_SEGMENT_NAMES,
                    index,
                    kind=DefectKind.SEGMENT_NAME_TWICE,
                    subject=names[i],
                )

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
                yield Defect(
                    f"segment '{self._name(before)}' file offset out of order",
                    Question.SEGMENT_ORDER,
                    index,
                    kind=DefectKind.SEGMENT_ORDER,
                )
            if segment.vmaddr < before.vmaddr and not legacy:
                if image.file_type == FileType.MH_FILESET and segment.name == "__PRELINK_INFO":
                    continue
                yield Defect(
                    f"segment '{self._name(segment)}' vm address out of order",
                    Question.SEGMENT_ORDER,
                    index,
                    kind=DefectKind.SEGMENT_ORDER,
                )

    def _linker_options(self) -> Iterator[Defect]:
        for index in self.walked.linker_options:
            start = self.image.commands[index].offset
            size, count = _TWO.unpack_from(self.buffer, start + 4)
            at, end = start + 12, start + size
            for _ in range(count):
                stop = self.buffer.find(b"\0", at)
                at = stop + 1
                if stop < 0 or at > end:
                    yield Defect(
                        "malformed LC_LINKER_OPTION command", Question.ALWAYS, index, kind=DefectKind.LINKER_OPTION
                    )
                    break

    def _main(self) -> Iterator[Defect]:
        """``validSemanticsMain``: one entry point."""
        if self.in_cache:
            yield Defect("MH_EXECUTE has MH_DYLIB_IN_CACHE bit set", Question.MAIN_FLAGS, kind=DefectKind.ENTRY)
        mains, threads = self.walked.mains, self.walked.threads
        # dyld walks on after these errors, so the last one in file order is what it prints
        found = [(x, "multiple LC_MAIN load commands") for x in mains[1:]]
        found += [(x, "multiple LC_UNIXTHREAD load commands") for x in threads[1:]]
        found += [(x, "invalid LC_UNIXTHREAD") for x in threads if not self._known_thread_state(x)]
        for index, text in sorted(found, key=lambda x: x[0], reverse=True):
            yield Defect(text, Question.ALWAYS, index, kind=DefectKind.ENTRY)
        driverkit = any(x.platform == Platform.DRIVERKIT for x in self.image.builds)
        if mains and threads:
            yield Defect(
                "can't have LC_MAIN and LC_UNIXTHREAD load commands", Question.ALWAYS, threads[0], kind=DefectKind.ENTRY
            )
        if driverkit and (mains or threads):
            yield Defect(
                "LC_MAIN not allowed for driverkit", Question.ALWAYS, (mains or threads)[0], kind=DefectKind.ENTRY
            )
        if not driverkit and not mains and not threads:
            yield Defect("missing LC_MAIN or LC_UNIXTHREAD in main executable", Question.ALWAYS, kind=DefectKind.ENTRY)

    def _known_thread_state(self, index: int) -> bool:
        """``entryAddrFromThreadCmd``: the flavor must be the processor's own."""
        (flavor,) = _ONE.unpack_from(self.buffer, self.image.commands[index].offset + 8)
        return bool(_THREAD_FLAVORS.get(self.image.arch.cputype) == flavor)


_MANY: Final = 256
_THREAD_FLAVORS: Final = {CPU_X86: 1, CPU_X86_64: 4, CPU_ARM: 1, CPU_ARM64: 6, CPU_ARM64_32: 6}


def _join_platforms(one: int, other: int) -> int | None:
    """What two platform commands mean together; None where dyld refuses (``PlatformAndVersions::zip``)."""
    if one in {0, other}:
        return other
    if {one, other} <= {Platform.MACOS, Platform.MAC_CATALYST, ZIPPERED} and other != ZIPPERED:
        return ZIPPERED
    return None
