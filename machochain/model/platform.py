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


_NAMES = {
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
}


def platform_name(number: int) -> str:
    """Return the name of a platform number; ``platform N`` for one that has none here."""
    try:
        return _NAMES[Platform(number)]
    except ValueError:
        return f"platform {number}"
