"""Facts about an image as dyld derives them from its load commands."""

from __future__ import annotations

from typing import Final

from machochain.model.arch import CPU_ARM64
from machochain.model.image import BuildVersion, FileType, Image
from machochain.model.platform import ZIPPERED, Platform
from machochain.model.version import Version

_CACHE_PREFIXES: Final = (
    "/usr/lib/",
    "/System/Library/",
    "/System/iOSSupport/usr/lib/",
    "/System/iOSSupport/System/Library/",
    "/System/DriverKit/",
)


_OLD_SDK: Final[dict[int, Version]] = {
    Platform.MACOS: Version.of(14),
    Platform.MAC_CATALYST: Version.of(17),
    Platform.IOS: Version.of(17),
    Platform.TVOS: Version.of(17),
    Platform.IOS_SIMULATOR: Version.of(17),
    Platform.TVOS_SIMULATOR: Version.of(17),
    Platform.WATCHOS: Version.of(10),
    Platform.WATCHOS_SIMULATOR: Version.of(10),
    Platform.VISIONOS: Version.of(2),
    Platform.VISIONOS_SIMULATOR: Version.of(2),
}


def might_be_in_shared_cache(path: str) -> bool:
    """Whether dyld thinks a path could be in its cache (dyld-1378, Loader.cpp: mightBeInSharedCache())."""
    return path.startswith(_CACHE_PREFIXES)


def is_file_relative(path: str) -> bool:
    """Whether a path depends on the working directory (dyld-1378, Loader.cpp: isFileRelativePath())."""
    return not path.startswith(("/", "@"))


def builds(image: Image) -> tuple[BuildVersion, ...]:
    """The platforms an image supports; one is made up if it names none.

    dyld-1378, mach_o/UnsafeHeader.cpp: platformAndVersions(): without a platform command an arm64 file counts as
    macOS 11.0 ("the Go linker emits non-standard binaries without a platform"), an Intel file as macOS 10.5.
    A version-min command whose sdk is 0 takes its minos for it.
    """
    if not image.builds or image.file_type > FileType.MH_FILESET:  # then no command is looked at
        version = Version.of(11) if image.arch.cputype == CPU_ARM64 else Version.of(10, 5)
        return (BuildVersion("", Platform.MACOS, version, version),)
    return tuple(
        BuildVersion(b.command, b.platform, b.minos, b.minos, b.tools)
        if b.sdk is None and b.command != "LC_BUILD_VERSION"
        else b
        for b in image.builds
    )


def platforms(image: Image) -> frozenset[int]:
    """The platform numbers an image supports."""
    return frozenset(b.platform for b in builds(image))


def process_platform(main: Image, *, zippered: bool = False) -> int:
    """The platform a main executable runs as: its only one.

    One for both macOS and Catalyst runs as ``zippered(macOS/Catalyst)`` or, up to dyld-1245.1, as Catalyst
    (``getMainPlatform``: the last platform command counts there, macOS never replaces Catalyst). The kernel refuses
    such a program anyway.
    """
    found = platforms(main)
    if {Platform.MACOS, Platform.MAC_CATALYST} <= found:
        return ZIPPERED if zippered else Platform.MAC_CATALYST
    return Platform.MACOS if Platform.MACOS in found else builds(main)[0].platform


def needs_fallbacks(image: Image) -> bool:
    """Whether an image was built before default fallback directories were dropped.

    dyld-1042.1 on, JustInTimeLoader.cpp: ``pre2022Binary`` = not enforceFormat(sdkOnOrAfter2022): every platform's
    sdk is older than macOS 14, iOS 17 and so on. An unknown sdk counts as 0.
    """
    for build in builds(image):
        threshold = _OLD_SDK.get(build.platform)
        if threshold is not None and (build.sdk or Version.of(0)) >= threshold:
            return False
    return True


def sdk_before(image: Image, limit: Version) -> bool:
    """Whether the macOS sdk of an image is older than a limit; an unknown one counts as 0."""
    return all((b.sdk or Version.of(0)) < limit for b in builds(image) if b.platform == Platform.MACOS)


def enforces_compatibility(provider: Image) -> bool:
    """Whether dyld2 compares compatibility versions against this provider.

    dyld-852.2, dyld3/MachOFile.cpp: enforceCompatVersion(): only providers for macOS before 10.14.
    """
    for build in builds(provider):
        if build.platform == Platform.MACOS and build.minos >= Version.of(10, 14):
            return False
        if build.platform in (Platform.MAC_CATALYST, Platform.DRIVERKIT):
            return False
        if build.platform in (Platform.IOS, Platform.TVOS) and build.minos >= Version.of(12):
            return False
        if build.platform == Platform.WATCHOS and build.minos >= Version.of(5):
            return False
    return True


def too_new(image: Image, platform: int, macos: Version) -> Version | None:
    """The minos of an image that is newer than the running OS, or None.

    dyld-1378, Loader.cpp: tooNewErrorAddendum() compares with dyld's own minOS, which is the release itself.
    """
    for build in builds(image):
        if build.platform == platform and build.minos > macos:
            return build.minos
    return None
