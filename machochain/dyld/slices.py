"""Which slice of a file a process takes, and why dyld refuses one (dyld: compatibleSlice(), GradedArchitectures)."""

from __future__ import annotations

from itertools import pairwise
from typing import Final

from machochain.dyld.config import ProcessConfig
from machochain.dyld.facts import builds, platforms
from machochain.dyld.policy import clashes, enforcement, fat_refusal, first_refusal, walk_refusal
from machochain.dyld.profile import Profile
from machochain.dyld.sniff import main_halt, too_long, unknown_command, unmappable, walk_halt
from machochain.model.arch import CPU_ARM64, CPU_X86, CPU_X86_64, Arch
from machochain.model.image import FileType, Image, MachOFile, Slice
from machochain.model.platform import LAST_PLATFORM, ZIPPERED, Platform, platform_name
from machochain.model.reading import signed
from machochain.model.search import Objection, ObjectionKind

_ARM64: Final = (CPU_ARM64, 0)
_ARM64_V8: Final = (CPU_ARM64, 1)
_ARM64E: Final = (CPU_ARM64, 2)
_X86_64: Final = (CPU_X86_64, 3)
_X86_64H: Final = (CPU_X86_64, 8)

_OLDEST_NAMES: Final[dict[int, str]] = {
    Platform.MACOS: "macOS",
    Platform.IOS: "iOS",
    Platform.TVOS: "tvOS",
    Platform.WATCHOS: "watchOS",
    Platform.BRIDGEOS: "bridgeOS",
    Platform.MAC_CATALYST: "MacCatalyst",
    Platform.IOS_SIMULATOR: "iOS-sim",
    Platform.TVOS_SIMULATOR: "tvOS-sim",
    Platform.WATCHOS_SIMULATOR: "watchOS-sim",
    Platform.DRIVERKIT: "driverKit",
}
_EXCLAVE_NAMES: Final[dict[int, str]] = {
    15: "macOSExclaveCore",
    16: "macOSExclaveKit",
    17: "iOSExclaveCore",
    18: "iOSExclaveKit",
    19: "tvOSExclaveCore",
    20: "tvOSExclaveKit",
}
_OLD_PLATFORM_NAMES: Final[dict[str, dict[int, str]]] = {
    "oldest": _OLDEST_NAMES,
    "xrOS": _OLDEST_NAMES | {Platform.VISIONOS: "xrOS", Platform.VISIONOS_SIMULATOR: "xrOS-sim"},
    "visionOS": _OLDEST_NAMES
    | _EXCLAVE_NAMES
    | {Platform.VISIONOS: "visionOS", Platform.VISIONOS_SIMULATOR: "visionOS-sim"},
}
"""By what is new in dyld's table (common/MachOFile.cpp: PlatformInfo); later ones are in mach_o/Platform.cpp."""

_EARLY_ARCH_NAMES: Final = frozenset(
    {"x86_64", "x86_64h", "i386", "arm64", "arm64e", "arm64_32", "armv7k", "armv7s", "armv7"}
)
_MIDDLE_ARCH_NAMES: Final = frozenset({"armv6m", "armv7m", "armv7em"})
"""Names that dyld-1042.1 to 1245.1 know as well."""

_SIMULATOR_SUPPORT: Final = frozenset(
    {
        "/usr/lib/system/libsystem_kernel.dylib",
        "/usr/lib/system/libsystem_platform.dylib",
        "/usr/lib/system/libsystem_pthread.dylib",
        "/usr/lib/system/libsystem_platform_debug.dylib",
        "/usr/lib/system/libsystem_pthread_debug.dylib",
        "/usr/lib/system/host/liblaunch_sim.dylib",
    }
)


class _Grade:
    """One acceptable architecture: its encoding and dyld's name for it."""

    __slots__ = ("capability", "cpu", "name")

    def __init__(self, cpu: tuple[int, int], name: str, capability: int | None = None) -> None:
        self.cpu = cpu
        self.name = name
        self.capability = capability

    def accepts(self, arch: Arch) -> bool:
        """Whether an architecture is this one; arm64 compares the capability byte too where that is asked."""
        if (arch.cputype, arch.subtype) != self.cpu:
            return False
        return self.capability is None or arch.cpusubtype >> 24 == self.capability


def grades(config: ProcessConfig) -> tuple[_Grade, ...]:
    """Return what the process accepts, best first.

    dyld-1042.1, common/MachOFile.cpp: GradedArchs; dyld-1323.3, mach_o/GradedArchitectures.cpp. dyld itself is
    arm64e on Apple silicon; pointer authentication is off in an arm64 process. An Intel Mac is taken to be a
    Haswell or newer, as every Mac that runs macOS 11 is.
    """
    arch = config.arch
    strict = config.profile.arm64e_v1
    if arch.cputype == CPU_X86_64:
        haswell = _Grade(_X86_64H, "x86_64h")
        return (haswell, _Grade(_X86_64, "x86_64")) if config.haswell else (_Grade(_X86_64, "x86_64"),)
    if arch.cputype != CPU_ARM64:
        return (_Grade((arch.cputype, arch.subtype), arch.name),)
    arm64e = _Grade(_ARM64E, "arm64e", 0x80 if strict else None)
    if arch.is_arm64e:
        return (arm64e,) if config.profile.third_party_arm64e else ()
    arm64 = _Grade(_ARM64, "arm64", 0 if strict else None)
    if strict:
        return (arm64e, _Grade(_ARM64E, "arm64e.v1", 0x81), arm64, _Grade(_ARM64_V8, "arm64", 0))
    return (arm64e, arm64) if config.profile.third_party_arm64e else (arm64,)


def best_slice(file: MachOFile, config: ProcessConfig) -> Slice | None:
    """Return the slice whose facts stand for a file before it is loaded (``SyscallDelegate::getDylibInfo()``).

    Of a universal file the best that the process accepts, of a thin one its only one whatever its architecture.
    """
    if not file.universal:
        return file.slices[0] if file.slices else None
    return next((s for g in grades(config) for s in file.slices if g.accepts(s.arch)), None)


def _quoted_list(names: str, profile: Profile) -> str:
    return f"({names})" if profile.wording == "quoted" else f"'{names}'"


def _need(config: ProcessConfig) -> str:
    names = [g.name for g in grades(config)]
    profile = config.profile
    return _quoted_list("' or '".join(names) if profile.need_all_archs else names[0] if names else "", profile)


def arch_name(arch: Arch, profile: Profile) -> str:
    """Return dyld's name of an architecture; ``unknown`` for one it has no name for.

    dyld-1284.13 on: mach_o/Architecture.cpp; before: common/MachOFile.cpp, ``_s_archInfos``.
    """
    if profile.arch_names == "all":
        return arch.dyld_name
    name = arch.name
    if arch.is_arm64 and arch.subtype == 1:
        return "unknown"
    known = name in _EARLY_ARCH_NAMES or (profile.arch_names == "armv6m" and name in _MIDDLE_ARCH_NAMES)
    return name if known else "unknown"


def platform_text(number: int, profile: Profile) -> str:
    """Return dyld's name of a platform (dyld-1378, mach_o/Platform.cpp; dyld-1245.1, common/MachOFile.cpp)."""
    if profile.platform_names == "all":
        name = platform_name(number)
        if name.startswith("platform "):
            return "future" if number > LAST_PLATFORM else "unknown"
        return name
    return _OLD_PLATFORM_NAMES[profile.platform_names].get(number, "unknown")


def platform_accepted(image: Image, config: ProcessConfig, path: str) -> bool:
    """Whether an image's platform may be loaded into the process (dyld: loadableIntoProcess())."""
    have = platforms(image)
    if config.profile.platform_clash == "first" and clashes(image):
        have = frozenset({stated_platform(image, config.profile)})  # the others are not zipped with it
    process = config.platform
    if config.profile.classic and not image.builds and image.arch.cputype not in _INTEL:
        return False
    if process in have or (process == ZIPPERED and {Platform.MACOS, Platform.MAC_CATALYST} <= have):
        return True
    if config.is_simulator and Platform.MACOS in have and path in _SIMULATOR_SUPPORT:
        return True
    if process == Platform.IOS and Platform.MAC_CATALYST in have:
        return True
    if config.profile.ios_takes_visionos and process in _TAKEN_TOO and have == _TAKEN_TOO[process]:
        return True
    return process in (Platform.MAC_CATALYST, Platform.IOS) and have == {Platform.MACOS}


_TAKEN_TOO: Final[dict[int, set[int]]] = {
    Platform.IOS: {Platform.VISIONOS},
    Platform.IOS_SIMULATOR: {Platform.VISIONOS_SIMULATOR},
}
_INTEL: Final = frozenset({CPU_X86_64, CPU_X86})
"""What dyld2 takes for macOS where no platform is written (MachOFile::builtForPlatform())."""
_SHORTEST: Final = 28
"""Bytes of the shortest mach_header."""


def _short_file(profile: Profile) -> Objection:
    """The objection to a file that begins like a Mach-O header and ends within it (``MachOFile::isMachO``)."""
    if profile.validation == "walk strictly":
        return Objection(ObjectionKind.NOT_MACH_O, "MachO header exceeds file length")
    if profile.validation == "walk":
        return Objection(ObjectionKind.NOT_MACH_O, "load commands exceed length of first segmentnot a mach-o file")
    return not_mach_o(profile)


def stated_platform(image: Image, profile: Profile) -> int:
    """The platform of an image as dyld names it.

    Up to dyld-1245.1 the last platform command counts; later macOS and Catalyst together are one platform, and of two
    that do not go together the first is named (``PlatformAndVersions::zip``).
    """
    if profile.platform_clash == "last":
        return builds(image)[-1].platform
    platform, _ = enforcement(image)
    return platform


def choose_slice(file: MachOFile, config: ProcessConfig, path: str) -> Slice | Objection:
    """Return the slice the process would use, or dyld's reason for refusing the file.

    dyld-1378, common/MachOFile.cpp: compatibleSlice(); JustInTimeLoader.cpp: makeJustInTimeLoaderDisk(): fat header,
    magic, architecture, platform, file type, structure: the first that fails is the reason.

    Args:
        file: What was read at the path.
        config: The process.
        path: The path as dyld tried it: some reasons repeat it.
    """
    profile = config.profile
    best: Slice | None
    if file.universal:
        missing = _no_such_slice(file, config)
        refused = _refused_as_a_whole(file, config, missing)
        if refused is not None:
            return refused
        best = next((s for g in grades(config) for s in file.slices if g.accepts(s.arch)), None)
        if best is None:
            return Objection(ObjectionKind.WRONG_ARCHITECTURE, missing)
    else:
        best = file.slices[0] if file.slices else None
    if best is None or best.image is None:
        short = best is not None and not file.universal and best.size < _SHORTEST
        return _short_file(profile) if short else not_mach_o(profile)
    image = best.image
    if not profile.validates_dylibs:
        unwalkable = walk_refusal(image, profile, file.size)
        if unwalkable is not None:
            return unwalkable
    if not any(g.accepts(image.arch) for g in grades(config)):
        have = arch_name(image.arch, profile)
        return Objection(
            ObjectionKind.WRONG_ARCHITECTURE,
            f"mach-o file, but is an incompatible architecture (have {_quoted_list(have, profile)}, "
            f"need {_need(config)})",
        )
    aborted = abortion(image, profile, main=False)
    if aborted is not None:
        return aborted
    if not platform_accepted(image, config, path):
        have = platform_text(stated_platform(image, profile), profile)
        need = platform_text(config.platform, profile)
        return Objection(
            ObjectionKind.WRONG_PLATFORM,
            f"mach-o file ({path}), but incompatible platform "
            f"(have {_quoted_list(have, profile)}, need {_quoted_list(need, profile)})",
        )
    return best


def _no_such_slice(file: MachOFile, config: ProcessConfig) -> str:
    profile = config.profile
    have = _quoted_list(",".join(arch_name(s.arch, profile) for s in file.slices), profile)
    return f"fat file, but missing compatible architecture (have {have}, need {_need(config)})"


def _refused_as_a_whole(file: MachOFile, config: ProcessConfig, missing: str) -> Objection | None:
    profile = config.profile
    refused = fat_refusal(file, profile, missing, twice=profile.slices_twice and config.arch.is_arm64)
    return None if refused is None else Objection(ObjectionKind.UNIVERSAL, refused)


def opening_refusal(file: MachOFile, config: ProcessConfig) -> Objection | None:
    """Return why dyld takes no slice at all of a universal file that is opened, however sound each is; else None."""
    if not file.universal:
        return None
    if config.profile.classic:
        chosen = _classic_slice_of(file, config, file.size)
        return chosen if isinstance(chosen, Objection) else None
    return _refused_as_a_whole(file, config, _no_such_slice(file, config))


def abortion(image: Image, profile: Profile, *, main: bool) -> Objection | None:
    """Return what ends the whole process when dyld asks an image for its platform, or None.

    dyld-1284.13 to 1323.3, mach_o/Header.cpp: platformAndVersions() asserts that two platform commands go together;
    dyld-940 to 1245.1, common/MachOFile.cpp: forEachSupportedPlatform() asserts that the load commands can be walked,
    which has been looked at before for all but main executables. dyld2 looks at every image's platform first.
    """
    if profile.classic:
        halt = main_halt(image) if main else walk_halt(image)
        return None if halt is None else Objection(ObjectionKind.ABORTS, halt)
    if profile.platform_clash == "assertion" and clashes(image):
        text = "Assertion failed: (err.noError()), function platformAndVersions_block_invoke, file Header.cpp"
        return Objection(ObjectionKind.ABORTS, text)
    if profile.platform_clash == "last" and main:
        walked = walk_refusal(image, profile, image.file_size)
        if walked is not None:
            return Objection(ObjectionKind.ABORTS, walked.text.removesuffix("not a mach-o file"))
    return None


def not_mach_o(profile: Profile) -> Objection:
    """Return the objection to a file, or a slice, that is no Mach-O image."""
    return Objection(ObjectionKind.NOT_MACH_O, profile.not_mach_o_text)


def type_refusal(image: Image, path: str, *, static: bool) -> Objection | None:
    """Return why an image of this file type cannot be loaded here, or None.

    dyld-1378, JustInTimeLoader.cpp: makeJustInTimeLoaderDisk(): a load command takes dylibs only, ``dlopen`` takes
    bundles and (on macOS) executables too.
    """
    kind = image.file_type
    if kind == FileType.MH_DYLIB:
        return None
    if kind in {FileType.MH_BUNDLE, FileType.MH_EXECUTE}:
        what = "bundle" if kind == FileType.MH_BUNDLE else "a main executable"
        return _wrong_type(f"cannot link against {what} '{path}'") if static else None
    return _wrong_type(f"unloadable mach-o file type {signed(kind)} '{path}'")


def _wrong_type(text: str) -> Objection:
    return Objection(ObjectionKind.WRONG_FILE_TYPE, text)


def refusal(image: Image, config: ProcessConfig, path: str, *, static: bool) -> Objection | None:
    """Return dyld's reason for refusing the chosen slice, or None."""
    return type_refusal(image, path, static=static) or first_refusal(image, config.profile, main=False)


def classic_choose_slice(
    file: MachOFile | None, config: ProcessConfig, path: str, first_bytes: bytes, size: int, *, static: bool = True
) -> Slice | Objection:
    """Return the slice dyld2 would use, or its reason for refusing the file.

    dyld-852.2, dyld2.cpp: loadPhase6(), fatFindBest(), isCompatibleMachO(), checkandAddImage().

    Args:
        file: What was read; None if the file is no Mach-O at all.
        config: The process.
        path: The path as dyld tried it.
        first_bytes: The first eight bytes of the file.
        size: Its length in bytes.
        static: Asked by a load command, which takes dylibs only; ``dlopen`` takes bundles and executables too.
    """
    piece = file.slices[0] if file is not None and file.slices else None
    if first_bytes[:4] == _FAT_64:
        piece = None
    elif file is not None and file.universal:
        chosen = _classic_slice_of(file, config, size)
        if isinstance(chosen, Objection):
            return chosen
        piece = chosen
    if size < _CLASSIC_SHORTEST:
        return Objection(ObjectionKind.NOT_MACH_O, "file too short")
    if piece is None or piece.image is None:
        shown = " ".join(f"0x{b:02X}" for b in first_bytes.ljust(8, b"\0"))
        return Objection(ObjectionKind.NOT_MACH_O, f"unknown file type, first eight bytes: {shown}")
    refused = _classic_objection(piece.image, config, path)
    if refused is not None:
        return refused
    text = unmappable(piece.image, size, piece.offset) or unknown_command(piece.image, path)
    if text is not None:
        return Objection(ObjectionKind.MALFORMED, text)
    # checkandAddImage(); LoadContext.mustBeDylib
    return _wrong_type("not a dylib") if static and piece.image.file_type != FileType.MH_DYLIB else piece


FAT: Final = bytes.fromhex("CAFEBABE")
_FAT_64: Final = bytes.fromhex("CAFEBABF")
_CLASSIC_SHORTEST: Final = 4096
_NO_SLICE: Final = Objection(ObjectionKind.WRONG_ARCHITECTURE, "no matching architecture in universal wrapper")


def _classic_slice_of(file: MachOFile, config: ProcessConfig, size: int) -> Slice | Objection:
    """``fatValidate()``, ``fatFindBest()`` and what reading the slice objects to."""
    spans = sorted((s.offset, s.offset + s.size) for s in file.slices)
    kinds = [(s.arch.cputype, s.arch.cpusubtype) for s in file.slices]
    overlap = any(end > start for (_, end), (start, _) in pairwise(spans))
    if overlap or len(set(kinds)) < len(kinds) or any(s < _CLASSIC_SHORTEST or e >> 32 for s, e in spans):
        return _NO_SLICE
    piece = next((s for g in grades(config) for s in file.slices if g.accepts(s.arch)), None)
    if piece is None:
        return _NO_SLICE
    end = piece.offset + piece.size
    if end > size:
        text = f"truncated fat file.  file length={size}, but needed slice goes to {end}"
        return Objection(ObjectionKind.UNIVERSAL, text)
    if piece.offset + _CLASSIC_SHORTEST > size:
        # errno is what the search for a file that is not there has left
        return Objection(ObjectionKind.UNIVERSAL, "pread of fat file failed: 2")
    return piece


def _classic_objection(image: Image, config: ProcessConfig, path: str) -> Objection | None:
    """What dyld2 minds in the header, in its order."""
    if not any(g.accepts(image.arch) for g in grades(config)):
        if image.arch.cputype == config.arch.cputype:
            subtype = image.arch.subtype & 0xFFFFFF
            text = f"incompatible cpu-subtype: 0x{subtype:08X} in {path}"
            return Objection(ObjectionKind.WRONG_ARCHITECTURE, text)
        return Objection(ObjectionKind.WRONG_ARCHITECTURE, "mach-o, but wrong architecture")
    if image.file_type not in (FileType.MH_EXECUTE, FileType.MH_DYLIB, FileType.MH_BUNDLE):
        return _wrong_type("mach-o, but wrong filetype")
    halt = abortion(image, config.profile, main=False) if too_long(image) is None else None
    if halt is not None:
        return halt
    if too_long(image) is None and not platform_accepted(image, config, path):
        text = f"mach-o, but not built for platform {platform_text(config.platform, config.profile)}"
        return Objection(ObjectionKind.WRONG_PLATFORM, text)
    return first_refusal(image, config.profile, main=False, path=path, demands=config.demands)
