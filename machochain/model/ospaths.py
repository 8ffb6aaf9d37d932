"""Where the operating system keeps its libraries: one place for prefixes and for what a path says by itself."""

from __future__ import annotations

from typing import Final

SYSTEM_PREFIXES: Final = (
    "/usr/lib/",
    "/System/Library/",
    "/System/iOSSupport/",
    "/System/DriverKit/",
    "/Library/Apple/",
)
"""Where the OS keeps libraries; nothing elsewhere comes with it."""

FRAMEWORKS: Final = "/System/Library/Frameworks/"
"""Where public frameworks lie."""
SWIFT_LIBRARIES: Final = "/usr/lib/swift/"
"""Where the OS keeps Swift's libraries since macOS 10.14.4."""
LIBSYSTEM: Final = "/usr/lib/libSystem.B.dylib"
"""The library every process has."""
DRIVERKIT_LIBSYSTEM: Final = "/System/DriverKit/usr/lib/libSystem.B.dylib"
"""The same for drivers."""
LIBDYLD: Final = "/usr/lib/system/libdyld.dylib"
"""The part of libSystem that dyld itself needs."""
SYSTEM_FOLDER: Final = "/usr/lib/system/"
"""What libSystem is made of: the only libraries of the OS that do not load it."""
IOS_SUPPORT: Final = "/System/iOSSupport/"
"""Where macOS keeps what programs of Mac Catalyst get instead of its own libraries."""
OS_FOLDERS: Final = ("/usr/lib/", "/System/")
"""Folders that every Mac has, whoever says what lies on it."""

CRYPTEX: Final = "/System/Volumes/Preboot/Cryptexes/OS"
"""Where the OS cryptex is mounted, as dyld prints it (kernel parameter, seen in logs of macOS 13 to 26)."""
CRYPTEXES: Final = (CRYPTEX, "/System/Cryptexes/OS")
"""Where the OS cryptex is mounted, and the link to it."""
_INSIDE_CRYPTEXES: Final = tuple(place + "/" for place in CRYPTEXES)


def inside_cryptex(path: str) -> str | None:
    """Return what follows the place of the OS cryptex, with its slash; None for a path elsewhere."""
    if not path.startswith(_INSIDE_CRYPTEXES):
        return None
    return next(path[len(place) - 1 :] for place in _INSIDE_CRYPTEXES if path.startswith(place))


def is_private_framework(path: str) -> bool:
    """Whether a path lies in a private framework: Apple may change or remove it in any release."""
    return "/PrivateFrameworks/" in path
