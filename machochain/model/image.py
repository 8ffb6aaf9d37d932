"""What the header of one Mach-O image says, as plain facts.

Nothing here depends on a macOS version: whether a fact is an error on some release is for ``machochain.dyld``.
Numbers and names follow <mach-o/loader.h>.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, IntEnum, IntFlag
from functools import cached_property
from typing import Final

from machochain.model.arch import Arch
from machochain.model.loadcommand import Command, walk_commands
from machochain.model.platform import Platform
from machochain.model.tables import SEGMENTS, linked_tables, segment_fields
from machochain.model.value import field, frozen, later
from machochain.model.version import Version


class FileType(IntEnum):
    """``mach_header.filetype``. Files may hold other numbers: those stay plain ints."""

    MH_OBJECT = 1
    MH_EXECUTE = 2
    MH_FVMLIB = 3
    MH_CORE = 4
    MH_PRELOAD = 5
    MH_DYLIB = 6
    MH_DYLINKER = 7
    MH_BUNDLE = 8
    MH_DYLIB_STUB = 9
    MH_DSYM = 10
    MH_KEXT_BUNDLE = 11
    MH_FILESET = 12


def file_type_name(number: int) -> str:
    """Return ``MH_EXECUTE`` and the like; ``filetype N`` for a number without a name."""
    try:
        return FileType(number).name
    except ValueError:
        return f"filetype {number}"


class HeaderFlag(IntFlag):
    """``mach_header.flags``."""

    MH_NOUNDEFS = 0x1
    MH_INCRLINK = 0x2
    MH_DYLDLINK = 0x4
    MH_BINDATLOAD = 0x8
    MH_PREBOUND = 0x10
    MH_SPLIT_SEGS = 0x20
    MH_LAZY_INIT = 0x40
    MH_TWOLEVEL = 0x80
    MH_FORCE_FLAT = 0x100
    MH_NOMULTIDEFS = 0x200
    MH_NOFIXPREBINDING = 0x400
    MH_PREBINDABLE = 0x800
    MH_ALLMODSBOUND = 0x1000
    MH_SUBSECTIONS_VIA_SYMBOLS = 0x2000
    MH_CANONICAL = 0x4000
    MH_WEAK_DEFINES = 0x8000
    MH_BINDS_TO_WEAK = 0x10000
    MH_ALLOW_STACK_EXECUTION = 0x20000
    MH_ROOT_SAFE = 0x40000
    MH_SETUID_SAFE = 0x80000
    MH_NO_REEXPORTED_DYLIBS = 0x100000
    MH_PIE = 0x200000
    MH_DEAD_STRIPPABLE_DYLIB = 0x400000
    MH_HAS_TLV_DESCRIPTORS = 0x800000
    MH_NO_HEAP_EXECUTION = 0x1000000
    MH_APP_EXTENSION_SAFE = 0x2000000
    MH_NLIST_OUTOFSYNC_WITH_DYLDINFO = 0x4000000
    MH_SIM_SUPPORT = 0x8000000
    MH_IMPLICIT_PAGEZERO = 0x10000000
    MH_DYLIB_IN_CACHE = 0x80000000


@frozen
class LinkedDylib:
    """One dylib this image depends on (LC_LOAD_DYLIB and its kin).

    Attributes:
        command_index: Position among the image's load commands, 0-based.
        command: ``LC_LOAD_DYLIB``, ``LC_LOAD_WEAK_DYLIB``, ``LC_REEXPORT_DYLIB`` or ``LC_LOAD_UPWARD_DYLIB``.
        name: The load path as written; bytes that are not UTF-8 as surrogate escapes.
        ordinal: The library ordinal, 1-based over these four commands in file order.
        current_version: Version of the dylib that was linked against.
        compatibility_version: Oldest version the linker recorded as acceptable.
        timestamp: The recorded time stamp; 2 from ld and lld, 0 from Go's internal linker.
        use_flags: Flags word of a ``dylib_use_command`` (1 weak, 2 re-export, 4 upward, 8 delayed);
            None for the plain layout. macOS before 14.4 does not look at it.
    """

    command_index: int
    command: str
    name: str
    ordinal: int
    current_version: Version
    compatibility_version: Version
    timestamp: int = 0
    use_flags: int | None = None

    @property
    def weak(self) -> bool:
        """Whether the library may be absent, as current dyld reads the command."""
        return self.command == "LC_LOAD_WEAK_DYLIB" if self.use_flags is None else bool(self.use_flags & 1)

    @property
    def reexport(self) -> bool:
        """Whether its exports are this image's exports too, as current dyld reads the command."""
        return self.command == "LC_REEXPORT_DYLIB" if self.use_flags is None else bool(self.use_flags & 2)

    @property
    def upward(self) -> bool:
        """Whether the dependency points up (initialisers run later), as current dyld reads the command."""
        return self.command == "LC_LOAD_UPWARD_DYLIB" if self.use_flags is None else bool(self.use_flags & 4)

    @property
    def delayed(self) -> bool:
        """Whether only its initialisers wait for first use; it is located and mapped at launch all the same."""
        return bool(self.use_flags is not None and self.use_flags & 8)

    @property
    def kinds(self) -> tuple[str, ...]:
        """What sets it apart from a plain load, in words; empty for a plain one."""
        marks = (("weak", self.weak), ("re-export", self.reexport), ("upward", self.upward), ("delayed", self.delayed))
        return tuple(word for word, on in marks if on)


@frozen
class RunPath:
    """One LC_RPATH.

    Attributes:
        command_index: Position among the image's load commands, 0-based.
        path: The path as written.
    """

    command_index: int
    path: str


@frozen
class BuildVersion:
    """One LC_BUILD_VERSION or LC_VERSION_MIN_*.

    Attributes:
        command: ``LC_BUILD_VERSION`` or the LC_VERSION_MIN command's name.
        platform: A PLATFORM_* number; unknown numbers are kept.
        minos: The oldest release the image says it supports.
        sdk: The SDK it was built with; None where the field is 0 ("n/a").
        tools: (tool number, version) pairs of LC_BUILD_VERSION; 1 clang, 2 swift, 3 ld, 4 lld, 5 zig.
    """

    command: str
    platform: int
    minos: Version
    sdk: Version | None
    tools: tuple[tuple[int, Version], ...] = ()


@frozen
class Segment:
    """One LC_SEGMENT or LC_SEGMENT_64. Addresses and sizes are bytes, offsets count from the slice's start."""

    command_index: int
    name: str
    vmaddr: int
    vmsize: int
    fileoff: int
    filesize: int
    maxprot: int
    initprot: int
    section_count: int
    flags: int


@frozen
class Section:
    """One section of a segment. ``offset`` counts from the slice's start; 0 where nothing is in the file."""

    segment: str
    name: str
    addr: int
    size: int
    offset: int
    flags: int


@frozen
class LinkEdit:
    """Where the linker's tables lie: (offset, size) pairs from the slice's start, None where absent.

    Attributes:
        symtab: (symoff, nsyms, stroff, strsize) of LC_SYMTAB.
        dysymtab: The 18 fields of LC_DYSYMTAB after ``cmdsize``.
        rebase: Rebase opcodes of LC_DYLD_INFO[_ONLY].
        bind: Bind opcodes.
        weak_bind: Weak-bind opcodes.
        lazy_bind: Lazy-bind opcodes.
        exports_trie: Export trie, of LC_DYLD_EXPORTS_TRIE or LC_DYLD_INFO[_ONLY].
        chained_fixups: LC_DYLD_CHAINED_FIXUPS.
        code_signature: LC_CODE_SIGNATURE.
        function_starts: LC_FUNCTION_STARTS.
    """

    symtab: tuple[int, int, int, int] | None = None
    dysymtab: tuple[int, ...] | None = None
    rebase: tuple[int, int] | None = None
    bind: tuple[int, int] | None = None
    weak_bind: tuple[int, int] | None = None
    lazy_bind: tuple[int, int] | None = None
    exports_trie: tuple[int, int] | None = None
    chained_fixups: tuple[int, int] | None = None
    code_signature: tuple[int, int] | None = None
    function_starts: tuple[int, int] | None = None


class Question(Enum):
    """The question of dyld's policy that decides whether a defect is fatal (``mach_o/Policy.h``, ``enforce…``).

    ``ALWAYS`` stands for checks that no policy softens. When each question is answered yes is for
    ``machochain.dyld.policy``; the reader only records which one is asked.
    """

    ALWAYS = "always"
    HAS_UUID = "has UUID"
    NO_DUPLICATE_DYLIBS = "no duplicate dylibs"
    HAS_LINKED_DYLIBS = "has linked dylibs"
    NO_DUPLICATE_RPATHS = "no duplicate run paths"
    TEXT_PERMISSIONS = "__TEXT permissions"
    READ_ONLY_LINKEDIT = "read-only __LINKEDIT"
    DATA_PERMISSIONS = "__DATA permissions"
    DATA_CONST_PERMISSIONS = "__DATA_CONST permissions"
    DATA_CONST_READ_ONLY = "__DATA_CONST read-only flag"
    SECTIONS_IN_SEGMENT = "sections in segment"
    UNIQUE_SEGMENT_NAMES = "unique segment names"
    SEGMENT_ORDER = "segment order"
    MAIN_FLAGS = "main executable's flags"


POINTER = "0x0"
"""Stands in texts where dyld prints an address of the running process, which nobody can know in advance."""


class DefectKind(Enum):
    """What is wrong with a header, whatever the words for it."""

    COMMANDS_EXCEED_FILE = "load commands exceed file"
    FILE_TYPE = "file type"
    WALK = "load commands cannot be walked"
    COMMAND = "malformed load command"
    PLATFORM = "platform"
    UUID_TWICE = "several UUIDs"
    UUID_MISSING = "no UUID"
    INSTALL_NAME = "install name"
    DYLIB_TWICE = "a dylib linked twice"
    NO_DYLIBS = "no linked dylib"
    RUN_PATH_TWICE = "a run path twice"
    SEGMENT_BEYOND_FILE = "segment ends beyond the file"
    SEGMENT_SIZES = "segment larger in the file than in memory"
    PERMISSIONS = "segment permissions"
    READ_ONLY_FLAG = "SG_READ_ONLY missing"
    ADDRESSES = "address range wraps"
    SECTION = "section outside its segment"
    TEXT_SEGMENT = "__TEXT"
    OVERLAP = "segments overlap"
    SEGMENT_NAME_TWICE = "a segment name twice"
    SEGMENT_ORDER = "segments out of order"
    LINKER_OPTION = "linker option"
    ENTRY = "entry point"
    UNIVERSAL = "fat header"


@frozen
class Defect:
    """Something dyld may object to, in dyld's own words.

    Attributes:
        text: The exact text of current dyld (dyld-1378, ``mach_o/UnsafeHeader.cpp``).
        question: Whether it is fatal depends on the answer to this.
        command_index: The load command it is about, 0-based; None for the file as a whole.
        kind: What is wrong.
        subject: What it is about, where dyld quotes a name: the run path, the dylib, the segment.
        numbers: What dyld counts in the text, in its order.
    """

    text: str
    question: Question
    command_index: int | None = None
    kind: DefectKind = field(kw_only=True)
    subject: str | None = field(default=None, kw_only=True)
    numbers: tuple[int, ...] = field(default=(), kw_only=True)


_MASK_64: Final = 0xFFFFFFFFFFFFFFFF
_RESTRICT: Final = b"__restrict".ljust(16, b"\0") + b"__RESTRICT".ljust(16, b"\0")


def _walked(image: Image) -> list[tuple[int, int, int]]:
    count = int.from_bytes(image.raw[16:20], "little")
    return walk_commands(image.raw, image.header_size, count, len(image.raw))


def _segments(image: Image) -> tuple[Segment, ...]:
    commands = ((index, *found) for index, found in enumerate(_walked(image)) if found[0] in SEGMENTS)
    return tuple(Segment(*fields) for each in commands if (fields := segment_fields(image.raw, *each)) is not None)


def _linkedit(image: Image) -> LinkEdit:
    return LinkEdit(**linked_tables(image.raw, _walked(image)))  # type: ignore[arg-type]  # as many numbers as it says


def _defects(image: Image) -> tuple[Defect, ...]:
    return () if image.check is None else image.check(image)


def _restricted(image: Image) -> bool:
    return _RESTRICT in image.raw


@frozen
class Image:
    """One Mach-O header with its load commands.

    Attributes:
        arch: From ``cputype`` and ``cpusubtype`` of the mach_header.
        file_type: ``filetype``; compare with ``FileType``.
        flags: ``flags``; test with ``HeaderFlag``.
        uuid: 16 bytes of the first LC_UUID, or None.
        install_name: Path of LC_ID_DYLIB, or None.
        id_current_version: Current version of LC_ID_DYLIB, or None.
        id_compatibility_version: Compatibility version of LC_ID_DYLIB, or None.
        builds: Platform commands in file order; two only in zippered images.
        loads: Linked dylibs in file order.
        run_paths: LC_RPATHs in file order.
        dyld_environment: Strings of LC_DYLD_ENVIRONMENT in file order.
        segments: Segments in file order.
        linkedit: Where symbols, fixups and signature lie.
        source_version: Packed A.B.C.D.E of LC_SOURCE_VERSION, or None.
        restricted: Whether a ``__RESTRICT,__restrict`` section exists.
        has_entry: Whether LC_MAIN or LC_UNIXTHREAD is present.
        defects: What dyld may object to, in the order dyld checks.
        header_size: Bytes of mach_header (28 or 32).
        file_size: Length of the file it stands in, bytes: what dyld maps, other slices included.
        raw: The header and all load commands, for readers of what is not modelled here.
        behind: Some bytes that follow: dyld reads fields of a command that is too short to have them.
        check: What finds ``defects`` when they are asked for; without it there are none.
    """

    arch: Arch
    file_type: int
    flags: int
    uuid: bytes | None = None
    install_name: str | None = None
    id_current_version: Version | None = None
    id_compatibility_version: Version | None = None
    builds: tuple[BuildVersion, ...] = ()
    loads: tuple[LinkedDylib, ...] = ()
    run_paths: tuple[RunPath, ...] = ()
    dyld_environment: tuple[str, ...] = ()
    segments: tuple[Segment, ...] = later(_segments)
    linkedit: LinkEdit = later(_linkedit)
    source_version: int | None = None
    restricted: bool = later(_restricted)
    has_entry: bool = False
    defects: tuple[Defect, ...] = later(_defects)
    header_size: int = 32
    file_size: int = 0
    raw: bytes = field(default=b"", repr=False, eq=False)
    behind: bytes = field(default=b"", repr=False, eq=False)
    check: Callable[[Image], tuple[Defect, ...]] | None = field(default=None, repr=False, eq=False)

    @cached_property
    def commands(self) -> tuple[Command, ...]:
        """Every load command that could be walked, in file order; made when first asked for, which few readers do."""
        return tuple(Command(*found) for found in _walked(self))

    @cached_property
    def made_by_go(self) -> bool:
        """Whether the headers alone show that Go's toolchain made it.

        Section names of Go 1.18 to 1.27: ``__go_buildinfo``, or where that was taken out ``__gopclntab``.
        """
        return b"__go_buildinfo\0" in self.raw or b"__gopclntab\0" in self.raw

    @cached_property
    def odd_command(self) -> int | None:
        """Index of the first load command whose length is no multiple of four; None if there is none."""
        return next((index for index, command in enumerate(self.commands) if command.size % 4), None)

    @cached_property
    def first_mapped(self) -> Segment | None:
        """The first segment that has content and a place in memory."""
        return next((segment for segment in self.segments if segment.filesize and segment.vmsize), None)

    @cached_property
    def address_space(self) -> int:
        """Bytes from the lowest to the highest address, in whole pages (``MachOFile::analyzeSegmentsLayout``)."""
        mapped = [segment for segment in self.segments if segment.name != "__PAGEZERO"]
        page = 0x4000 if self.arch.uses_16k_pages else 0x1000
        lowest = min((segment.vmaddr for segment in mapped), default=0)
        highest = max((segment.vmaddr + segment.vmsize & _MASK_64 for segment in mapped), default=0)
        return (highest - lowest & _MASK_64) + page - 1 & ~(page - 1) & _MASK_64

    @property
    def commands_end(self) -> int:
        """Bytes from the start of the slice to the end of the last load command that could be walked."""
        return self.commands[-1].offset + self.commands[-1].size if self.commands else self.header_size

    @property
    def command_bytes(self) -> int:
        """``sizeofcmds`` as written."""
        return int.from_bytes(self.raw[20:24], "little")

    @property
    def build(self) -> BuildVersion | None:
        """The platform command that counts for a macOS process: macOS before any other."""
        for build in self.builds:
            if build.platform == Platform.MACOS:
                return build
        return self.builds[0] if self.builds else None

    @property
    def uuid_text(self) -> str | None:
        """The UUID in upper case, 8-4-4-4-12, as dyld and dwarfdump print it."""
        if self.uuid is None:
            return None
        h = self.uuid.hex().upper()
        return f"{h[:8]}-{h[8:12]}-{h[12:16]}-{h[16:20]}-{h[20:]}"

    @property
    def is_main_executable(self) -> bool:
        """Whether the kernel can start it (MH_EXECUTE)."""
        return self.file_type == FileType.MH_EXECUTE

    def __repr__(self) -> str:
        return f"<Image {file_type_name(self.file_type)} {self.arch.name} {self.install_name or ''}".rstrip() + ">"


@frozen
class Slice:
    """One architecture of a file; a thin file has exactly one.

    Attributes:
        arch: From the fat header; for a thin file the image's own.
        offset: Where the slice begins in the file, bytes.
        size: Its length in bytes.
        align: log2 of the alignment of the fat header; 0 for a thin file.
        image: What was read; None if the slice is not a Mach-O image.
        error: dyld's words for why ``image`` is None; None otherwise.
        head: Its first bytes where ``image`` is None; an image keeps its own (``Image.raw``).
    """

    arch: Arch
    offset: int
    size: int
    align: int
    image: Image | None
    error: str | None = None
    head: bytes = field(default=b"", repr=False, eq=False)


@frozen
class MachOFile:
    """A thin or universal Mach-O file.

    Attributes:
        universal: Whether there is a fat header.
        fat64: Whether that header is of the 64-bit kind.
        slices: In the order of the fat header (a hidden further arm64 slice last).
        size: Length of the file in bytes.
        defects: What dyld may object to in the fat header itself, in its order
            (dyld-1378, ``mach_o/Universal.cpp: Universal::valid``).
        slice_count: How many slices the fat header claims; ``slices`` may be shorter where the file has no room for
            them, or longer by the hidden one. 1 for a thin file.
        first: The fat header with all entries that the kernel's largest page has room for; empty for a thin file.
    """

    universal: bool
    fat64: bool
    slices: tuple[Slice, ...]
    size: int
    defects: tuple[Defect, ...] = ()
    slice_count: int = 1
    first: bytes = field(default=b"", repr=False, eq=False)
