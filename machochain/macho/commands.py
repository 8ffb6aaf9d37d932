"""Values of single load commands, from their bytes."""

from __future__ import annotations

import struct
from functools import lru_cache
from typing import Final

from machochain.macho import constants as c
from machochain.model.image import BuildVersion, LinkedDylib
from machochain.model.reading import text
from machochain.model.version import Version

_ONE: Final = struct.Struct("<I")
_TWO: Final = struct.Struct("<II")
_SIX: Final = struct.Struct("<6I")
_SEVEN: Final = struct.Struct("<7I")
LINKED: Final = {
    c.LC_LOAD_DYLIB: "LC_LOAD_DYLIB",
    c.LC_LOAD_WEAK_DYLIB: "LC_LOAD_WEAK_DYLIB",
    c.LC_REEXPORT_DYLIB: "LC_REEXPORT_DYLIB",
    c.LC_LOAD_UPWARD_DYLIB: "LC_LOAD_UPWARD_DYLIB",
}
"""The commands that name a library an image depends on."""


def lc_string(command: bytes, length: int, at: int = 8) -> tuple[str, str | None]:
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
def linked_dylib(index: int, ordinal: int, command: bytes) -> tuple[LinkedDylib, str | None]:
    """A dylib command from its bytes, and what dyld says about its name."""
    number, length, offset, stamp, current, compatible, flags = _SEVEN.unpack_from(command)
    name, complaint = lc_string(command, length)
    # dyld-1378, mach_o/UnsafeHeader.cpp, loadCommandToDylibKind: whichever of the four commands it is
    if stamp != c.DYLIB_USE_MARKER or offset != 28:
        flags = None
    versions = Version.unpack(current), Version.unpack(compatible)
    return LinkedDylib(index, LINKED[number], name, ordinal, *versions, stamp, flags), complaint


def _built(command: bytes) -> tuple[BuildVersion, bool]:
    """An LC_BUILD_VERSION from its bytes, and whether it is as long as it says."""
    _, length, platform, minos, sdk, count = _SIX.unpack_from(command)
    room = min(count, max(0, length - 24) // 8)
    tools = tuple((tool, Version.unpack(version)) for tool, version in _TWO.iter_unpack(command[24 : 24 + room * 8]))
    # dyld reads the platform before it looks at the size
    sdk_version = Version.unpack(sdk) if sdk else None
    # dyld multiplies in 64 bits here (sizeof is size_t)
    fits = length == 24 + count * 8
    return BuildVersion("LC_BUILD_VERSION", platform, Version.unpack(minos), sdk_version, tools), fits


_known_build: Final = lru_cache(maxsize=1 << 10)(_built)
_SHORT: Final = 128
"""Bytes of an LC_BUILD_VERSION that names as many tools as any linker does: longer ones are not kept in memory."""


def build_version(command: bytes) -> tuple[BuildVersion, bool]:
    """An LC_BUILD_VERSION from its bytes, and whether it is as long as it says."""
    return _known_build(command) if len(command) <= _SHORT else _built(command)
