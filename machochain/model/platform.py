"""Platform numbers of LC_BUILD_VERSION (<mach-o/loader.h>, PLATFORM_*)."""

from __future__ import annotations

from enum import IntEnum


class Platform(IntEnum):
    """The platforms this tool reasons about. Files may hold other numbers: those stay plain ints."""

    MACOS = 1
    IOS = 2
    TVOS = 3
    WATCHOS = 4
    BRIDGEOS = 5
    MAC_CATALYST = 6
    IOS_SIMULATOR = 7
    TVOS_SIMULATOR = 8
    WATCHOS_SIMULATOR = 9
    DRIVERKIT = 10
    VISIONOS = 11
    VISIONOS_SIMULATOR = 12


ZIPPERED = 0xFF000001
"""dyld's own number for an image built for macOS and Mac Catalyst at once; never in a file."""

_NAMES: dict[int, str] = {
    Platform.MACOS: "macOS",
    Platform.IOS: "iOS",
    Platform.TVOS: "tvOS",
    Platform.WATCHOS: "watchOS",
    Platform.BRIDGEOS: "bridgeOS",
    Platform.MAC_CATALYST: "macCatalyst",
    Platform.IOS_SIMULATOR: "iOS-simulator",
    Platform.TVOS_SIMULATOR: "tvOS-simulator",
    Platform.WATCHOS_SIMULATOR: "watchOS-simulator",
    Platform.DRIVERKIT: "driverKit",
    Platform.VISIONOS: "visionOS",
    Platform.VISIONOS_SIMULATOR: "visionOS-simulator",
    13: "firmware",
    14: "sepOS",
    15: "macOS-exclaveCore",
    16: "macOS-exclaveKit",
    17: "iOS-exclaveCore",
    18: "iOS-exclaveKit",
    19: "tvOS-exclaveCore",
    20: "tvOS-exclaveKit",
    21: "watchOS-exclaveCore",
    22: "watchOS-exclaveKit",
    23: "visionOS-exclaveCore",
    24: "visionOS-exclaveKit",
    ZIPPERED: "zippered(macOS/Catalyst)",
}


LAST_PLATFORM = 24
"""The highest number current dyld knows; what lies beyond it calls ``future``."""


def platform_name(number: int) -> str:
    """Return dyld's name of a platform (dyld-1378, ``mach_o/Platform.cpp``); ``platform N`` for one that has none."""
    return _NAMES.get(number) or f"platform {number}"


def is_known_platform(number: int) -> bool:
    """Whether current dyld knows the platform (dyld-1378, ``knownPlatformInfos``)."""
    return number in _NAMES
