"""Which dyld refuses which file: when each of the reader's observations is an error.

What was read:

* macOS 11 runs third-party programs with dyld2, which has checks and texts of its own (``machochain.dyld.sniff``).
* macOS 12 to 15.3 (dyld-940 to 1245.1) only walk the load commands of dylibs (``MachOFile::isMachO``); the calls of the
  full validator are compiled out (``JustInTimeLoader.cpp``, ``dyldMain.cpp``, ``#if 0``).
* macOS 15.4 to 15.6 (dyld-1284.13, 1286.10) validate dylibs and bundles (``Header::valid``), not the main executable.
* macOS 26 (dyld-1323.3, 1378) validates the main executable too (``JustInTimeLoader::makeLaunchLoader``) and has
  shifted several thresholds (``mach_o/Policy.cpp``).

Texts and order of the checks are the same in 1284.13, 1286.10, 1323.3 and 1378, but for ``duplicate segment name``,
which came with 1323.3.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Final

from machochain.dyld.profile import PROFILES, Profile
from machochain.dyld.sniff import LENIENT, Demands, demands_of, sniff, too_long, unknown_command
from machochain.model.arch import CPU_ARM64, CPU_POWERPC, CPU_POWERPC64, CPU_X86, CPU_X86_64
from machochain.model.image import POINTER, Defect, DefectKind, FileType, Image, MachOFile, Question, Slice
from machochain.model.platform import ZIPPERED, Platform, is_known_platform, platform_name
from machochain.model.search import Objection, ObjectionKind
from machochain.model.value import frozen
from machochain.model.version import Version

# -- epochs (dyld-1378, mach_o/Platform.cpp) --


def _fall(year: int) -> int:
    return year * 10 + 5


def _spring(year: int) -> int:
    return year * 10


FALL_2015: Final = _fall(2015)
FALL_2019: Final = _fall(2019)
FALL_2020: Final = _fall(2020)
FALL_2021: Final = _fall(2021)
FALL_2024: Final = _fall(2024)
SPRING_2025: Final = _spring(2025)
FALL_2025: Final = _fall(2025)
NEVER: Final = 1 << 32
"""Later than any epoch, the wrapped one of an sdk before 10.0 included."""

_ALIGNED_MAJOR: Final = 26
"""In 2025 the major version of most platforms became 26."""
# the year in which version 1.0 would have shipped
_BASE_YEARS: Final[Mapping[str, int]] = {
    "macOS": 2009,
    "zippered(macOS/Catalyst)": 2009,
    "iOS": 2006,
    "tvOS": 2006,
    "macCatalyst": 2006,
    "watchOS": 2013,
    "bridgeOS": 2015,
    "driverKit": 2000,
    "visionOS": 2022,
}
_NOT_ALIGNED: Final = frozenset({"bridgeOS", "driverKit"})


def epoch(platform: int, version: Version) -> int:
    """Return when a version of a platform came out: ten times the year, plus 5 for fall and 0 for spring.

    dyld compares the epoch of a file's sdk with the one at which it began to enforce a rule; 0 is before all.
    """
    name = platform_name(platform).removesuffix("-simulator")
    name = name.removesuffix("-exclaveCore").removesuffix("-exclaveKit")
    if name in {"firmware", "sepOS"}:
        return _fall(2020)
    base = _BASE_YEARS.get(name)
    if base is None:
        return 0
    if base == _BASE_YEARS["macOS"] and version < Version.of(11):
        # 10.15 is fall 2019; a patch level of 4 or more counts as a spring, but one of the year before. Below 10.0
        # the subtraction wraps around: an sdk of 0 ("n/a") in LC_BUILD_VERSION is in the far future and has every
        # rule enforced.
        year = 2004 + (version.packed - 0x000A0000 >> 8) & 0xFFFF
        return _spring(year - 1) if version.patch >= 4 else _fall(year)
    major = version.major
    if name in _NOT_ALIGNED:
        year = base + major
    elif major >= _ALIGNED_MAJOR:
        year = 2000 + major - 1
    else:
        year = min(base + major, 2026)
    return _spring(year + 1) if version.minor >= _spring_minor(name, major) else _fall(year)


def _spring_minor(name: str, major: int) -> int:
    """The minor version of a major release that came out in spring."""
    if name == "visionOS" and major == 1:
        return 1
    last = {"macOS": 13, "zippered(macOS/Catalyst)": 13, "bridgeOS": 8}.get(name, 0)
    return 3 if major <= last else 4


@lru_cache(maxsize=256)
def first_version_of(platform: int, wanted: int) -> Version | None:
    """Return the first version of a platform that belongs to an epoch or a later one; None if none is known."""
    name = platform_name(platform)
    base = _BASE_YEARS.get(name.removesuffix("-simulator"))
    if base is None:
        return None
    # most platforms jumped to 26 in 2025
    jumped = range(0) if name in _NOT_ALIGNED else range(2025 - base, _ALIGNED_MAJOR)
    first = 10 if base == _BASE_YEARS["macOS"] else 1
    majors = (x for x in range(first, 40) if x not in jumped)
    versions = (Version.of(major, minor) for major in majors for minor in range(16 if major == 10 else 5))
    return next((x for x in versions if epoch(platform, x) >= wanted), None)


def enforcement(image: Image) -> tuple[int, Version]:
    """Return platform and sdk by which dyld judges an image (dyld-1378, ``UnsafeHeader::platformAndVersions``).

    Of two commands for one platform the last counts; macOS with Mac Catalyst is judged by the macOS sdk; without any,
    Intel files count as macOS 10.5 and arm64 files as 11.0. LC_VERSION_MIN_MACOSX without an sdk means its minos.
    """
    platform, sdk = 0, Version.of(0)
    for build in image.builds:
        own = build.sdk or Version.of(0)
        if build.sdk is None and build.command == "LC_VERSION_MIN_MACOSX":
            own = build.minos
        pair = {platform, build.platform}
        if platform in {0, build.platform}:
            platform, sdk = build.platform, own
        elif pair <= {Platform.MACOS, Platform.MAC_CATALYST, ZIPPERED}:
            sdk = own if build.platform == Platform.MACOS else sdk
            platform = ZIPPERED
    if platform:
        return platform, sdk
    if image.arch.cputype == CPU_ARM64:
        return Platform.MACOS, Version.of(11)
    if image.arch.cputype in {CPU_X86, CPU_X86_64}:
        return Platform.MACOS, Version.of(10, 5)
    return 0, sdk


def clashes(image: Image) -> bool:
    """Whether the platform commands of an image do not go together (``PlatformAndVersions::zip``)."""
    platform = 0
    if image.file_type > FileType.MH_FILESET:
        return False  # its load commands are not looked at
    for build in image.builds:
        pair = {platform, build.platform}
        if platform in {0, build.platform}:
            platform = build.platform
        elif not is_known_platform(build.platform):
            return True
        elif pair <= {Platform.MACOS, Platform.MAC_CATALYST, ZIPPERED}:
            platform = ZIPPERED
        else:
            return True
    return False


# -- thresholds (mach_o/Policy.cpp) --

_DYLIBS_1284: Final[Mapping[Question, int]] = {
    Question.ALWAYS: 0,
    Question.HAS_UUID: FALL_2021,
    Question.NO_DUPLICATE_DYLIBS: FALL_2024,
    Question.HAS_LINKED_DYLIBS: SPRING_2025,
    Question.NO_DUPLICATE_RPATHS: SPRING_2025,
    Question.TEXT_PERMISSIONS: FALL_2019,
    Question.READ_ONLY_LINKEDIT: FALL_2015,
    Question.DATA_PERMISSIONS: FALL_2025,
    Question.DATA_CONST_PERMISSIONS: FALL_2025,
    # asked inside the branch of DATA_PERMISSIONS, so its own spring 2025 never shows
    Question.DATA_CONST_READ_ONLY: FALL_2025,
    Question.SECTIONS_IN_SEGMENT: FALL_2020,
    Question.UNIQUE_SEGMENT_NAMES: NEVER,
    Question.SEGMENT_ORDER: FALL_2019,
    Question.MAIN_FLAGS: FALL_2021,
}
_DYLIBS_1323: Final[Mapping[Question, int]] = {
    **_DYLIBS_1284,
    Question.NO_DUPLICATE_DYLIBS: FALL_2025,
    Question.NO_DUPLICATE_RPATHS: FALL_2025,
    Question.UNIQUE_SEGMENT_NAMES: FALL_2025,
}
_MAIN_1323: Final[Mapping[Question, int]] = {
    **_DYLIBS_1323,
    Question.HAS_UUID: FALL_2025,
    Question.READ_ONLY_LINKEDIT: FALL_2025,
    Question.SEGMENT_ORDER: FALL_2025,
}


_OBJECTS: Final[Mapping[Question, int]] = {**_DYLIBS_1323, Question.HAS_UUID: NEVER}


def _thresholds(profile: Profile, file_type: int) -> Mapping[Question, int]:
    if file_type == FileType.MH_OBJECT:
        return _OBJECTS
    if profile.policy == "1284":
        return _DYLIBS_1284
    return _MAIN_1323 if file_type == FileType.MH_EXECUTE else _DYLIBS_1323


def _validates(profile: Profile, *, main: bool) -> bool:
    return profile.validates_main if main else profile.validates_dylibs


# dyld-1323.3 on, DyldProcessConfig.cpp: Process: mainExecutableSliceSize is -1
_NEVER_OF_MAIN: Final = frozenset({DefectKind.COMMANDS_EXCEED_FILE, DefectKind.SEGMENT_BEYOND_FILE})


def first_refusal(
    image: Image, profile: Profile, *, main: bool, path: str = "", demands: Demands | None = None
) -> Objection | None:
    """Return what dyld of a release objects to in an image, or None if it takes it.

    Args:
        image: The header.
        profile: The generation of dyld.
        main: Whether the image is the main executable of the process.
        path: The path as dyld tried it; only dyld2 (macOS 11) repeats it in some texts.
        demands: What a process of dyld2 asks; if not given, the main executable's own, and little of libraries.
    """
    if profile.classic:
        return _refused(_classic_refusal(image, path, demands, main=main))
    if _validates(profile, main=main):
        fatal = next(fatal_defects(image, profile, main=main), None) if image.defects else None
        if fatal is not None:
            return _refused(fatal.text, fatal.question)
    elif main:
        return None
    else:
        refused = walk_refusal(image, profile, image.file_size)
        if refused is not None:
            return refused
    return None if main else _first_segment(image, profile)


def _classic_refusal(image: Image, path: str, demands: Demands | None, *, main: bool) -> str | None:
    platform, sdk = enforcement(image)
    if demands is None:
        demands = demands_of(image, platform) if main else LENIENT
    late = platform == Platform.MACOS and sdk >= Version.of(10, 15)
    text = None if main else too_long(image)
    text = text or sniff(image, path, sdk_since_10_15=late, demands=demands)
    return text or (unknown_command(image, path) if main else None)


def fatal_defects(image: Image, profile: Profile, *, main: bool) -> Iterator[Defect]:
    """Yield the defects for which a validating dyld refuses an image, in its order.

    Args:
        image: The header.
        profile: The generation of dyld.
        main: Whether the image is the main executable of the process.
    """
    if not _validates(profile, main=main):
        return
    limits = _thresholds(profile, image.file_type)
    built = epoch(*enforcement(image))
    for defect in image.defects:
        if built >= limits[defect.question] and not (main and defect.kind in _NEVER_OF_MAIN):
            yield defect


def walk_refusal(image: Image, profile: Profile, size: int) -> Objection | None:
    """Return the objection of a dyld that does nothing but walk the load commands of a file it has mapped.

    dyld-940 to 1245.1, common/MachOFile.cpp: compatibleSlice(), isMachO().
    """
    if not image.raw:
        return None  # a program that is still to be linked
    text = _walk_error(image, size, strict=profile.validation != "walk")
    if text is not None and profile.validation == "walk":
        # Diagnostics::error() appends, and dyld-940 to 960 say this in any case
        text += "not a mach-o file"
    return _refused(text)


def _first_segment(image: Image, profile: Profile) -> Objection | None:
    """What mapping objects to: the first segment that has content must hold the load commands.

    dyld-940 on, Loader.cpp: mapSegments(): MachOFile::isMachO() over the first region that is mapped.
    """
    first = image.first_mapped
    if first is None or not image.raw:
        return None
    if image.address_space >= _MOST_SPACE:
        return _refused(f"vm_allocate(size=0x{image.address_space:X}) failed with result=3")
    strict = profile.validation != "walk"
    last = first is image.segments[-1] and first.initprot == 1
    size = (first.vmsize if last else first.filesize) & 0xFFFFFFFF
    if first.fileoff:
        short = strict and size < _SHORTEST_HEADER
        return _refused("MachO header exceeds file length" if short else "file does not start with MH_MAGIC[_64]")
    return _refused(_walk_error(image, size, strict=strict))


_SHORTEST_HEADER: Final = 28
_MOST_SPACE: Final = 1 << 47
"""No process of a Mac has more addresses; what the kernel gives of these depends on the machine."""


def _refused(text: str | None, question: Question = Question.ALWAYS) -> Objection | None:
    return None if text is None else Objection(ObjectionKind.MALFORMED, text, question=question)


@frozen
class Refusal:
    """A defect, and who minds it.

    Attributes:
        defect: What is wrong.
        macos: The first macOS that refuses the file for it, as the file is; None if none does.
        sdk: The sdk version from which the newest macOS refuses such a file; None if it does whatever the sdk, or
            never does (then ``macos`` is None as well).
        until: The last macOS that refuses the file for it; None if the newest still does, or none does.
    """

    defect: Defect
    macos: Version | None
    sdk: Version | None
    until: Version | None = None


_WALKED: Final = (DefectKind.COMMANDS_EXCEED_FILE, DefectKind.WALK)
"""What every dyld4 meets when it walks the load commands."""


def refusals(image: Image, *, main: bool) -> tuple[Refusal, ...]:
    """Return every defect of an image with the macOS and sdk from which it is fatal, in dyld's order.

    What dyld2 minds on macOS 11 it says in other words (``first_refusal``); it is not counted here.

    Args:
        image: The header.
        main: Whether the image is judged as the main executable of a process.
    """
    platform, sdk = enforcement(image)
    built = epoch(platform, sdk)
    newest = _thresholds(PROFILES[-1], image.file_type)
    found = []
    for defect in image.defects:
        refusing = [p for p in PROFILES if not p.classic and _refuses(p, defect, image.file_type, built, main=main)]
        limit = newest[defect.question]
        since, last = (refusing[0].since, refusing[-1]) if refusing else (None, None)
        until = last.last if last is not None and last is not PROFILES[-1] else None
        found.append(Refusal(defect, since, first_version_of(platform, limit) if limit else None, until))
    return tuple(found)


def _refuses(profile: Profile, defect: Defect, file_type: int, built: int, *, main: bool) -> bool:
    if not main and defect.kind in _WALKED:
        return True
    if not _validates(profile, main=main) or (main and defect.kind in _NEVER_OF_MAIN):
        return False
    return built >= _thresholds(profile, file_type)[defect.question]


# -- what dyld-940 to 1286.10 check in dyld3::MachOFile and dyld3::FatFile (common/MachOFile.cpp) --

_HEADER: Final = struct.Struct("<7I")
_COMMAND: Final = struct.Struct("<II")


def _walk_error(image: Image, size: int, *, strict: bool) -> str | None:  # noqa: PLR0911  # one answer a case
    """``MachOFile::isMachO``, ``forEachLoadCommand``: can the load commands be walked?"""
    if strict and size < _SHORTEST_HEADER:
        return "MachO header exceeds file length"
    if image.header_size + image.command_bytes > size:
        return "load commands exceed length of first segment"
    if strict and image.file_type > FileType.MH_FILESET:
        return f"unknown mach-o filetype ({image.file_type})"
    _, _, _, _, count, length, _ = _HEADER.unpack_from(image.raw)
    end = image.header_size + length
    if strict and image.odd_command is not None:
        size = image.commands[image.odd_command].size
        return f"{_malformed(image.odd_command, count)}, size (0x{size:X}) not multiple of 4"
    index = len(image.commands)
    if index == count:
        return None
    at = image.commands_end
    where = _malformed(index, count)
    if at + 8 > end and strict:
        return f"{where}, extends past sizeofcmds"
    # what follows the commands is padding
    size = _COMMAND.unpack_from(image.raw, at)[1] if at + 8 <= len(image.raw) else 0
    if size < 8:
        return f"{where}, size (0x{size:X}) too small"
    if size % 4 and strict:
        return f"{where}, size (0x{size:X}) not multiple of 4"
    return f"{where}, size (0x{size:X}) is too large, load commands end at {POINTER}"


def _malformed(index: int, count: int) -> str:
    return f"malformed load command #{index} of {count} at {POINTER} with mh={POINTER}"


def fat_refusal(file: MachOFile, profile: Profile, missing: str = "", *, twice: bool = False) -> str | None:
    """Return the text with which dyld of a release refuses a universal file for its layout, or None.

    From macOS 26 on that is the first objection of ``Universal::valid``. dyld before looks at each slice by itself
    (``FatFile::forEachSlice``), strings its objections together, and then says that no architecture fits, because
    ``Diagnostics::error`` appends to what is already there (libplatform, ``_simple_vsprintf``).

    Args:
        file: The file; a thin one is never refused here.
        profile: The generation of dyld. dyld2 (macOS 11) does not look at the fat header as a whole.
        twice: Whether the slices are walked twice with one diagnostic (`Profile.slices_twice`, arm64 processes).
        missing: What dyld says where no architecture fits (``fat file, but missing compatible architecture (…)``).
    """
    if not file.universal or profile.classic:
        return None
    if profile.whole_fat_file:
        return file.defects[0].text if file.defects else None
    text = _fat_file_error(file, strict=profile.validation != "walk")
    if twice:
        text += text
    return text + missing if text else None


def _fat_file_error(file: MachOFile, *, strict: bool) -> str:
    entry = 32 if file.fat64 else 20
    if file.slice_count > (4096 - 8) // entry:
        return f"fat header too large: {file.slice_count} entries"
    if strict and 8 + entry * (file.slice_count + (not file.fat64)) > file.size:
        return "fat header malformed, architecture slices extend beyond end of file"
    return "".join(_slice_errors(file, strict=strict))


def _slice_errors(file: MachOFile, *, strict: bool) -> Iterator[str]:
    for index, piece in enumerate(file.slices):
        text = _slice_error(piece, index, file.size, strict=strict)
        if text:
            # separated in 32-bit files only, and not behind the hidden slice
            yield text + (", " if not file.fat64 and index < file.slice_count else "")


def _slice_error(piece: Slice, index: int, size: int, *, strict: bool) -> str | None:
    """``FatFile::isValidSlice``."""
    if piece.offset + piece.size > size:
        return f"slice {index} extends beyond end of file"
    image = piece.image
    if image is None:
        if piece.size < 28 and strict:
            return "MachO header exceeds file length"
        # big-endian slices are left out without a word
        return None if piece.arch.cputype in {CPU_POWERPC, CPU_POWERPC64} else "file does not start with MH_MAGIC[_64]"
    text = _walk_error(image, piece.size, strict=strict)
    if text:
        return text
    own, named = image.arch, piece.arch
    if own.cputype != named.cputype:
        return f"cpu type in slice (0x{own.cputype:08X}) does not match fat header (0x{named.cputype:08X})"
    if own.subtype != named.subtype:
        return f"cpu subtype in slice (0x{own.cpusubtype:08X}) does not match fat header (0x{named.cpusubtype:08X})"
    if piece.offset & (0x3FFF if own.uses_16k_pages else 0xFFF):
        return "slice is not page aligned"
    return None
