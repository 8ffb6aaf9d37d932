"""Reads one Mach-O header with its load commands: facts, from header bytes only."""

from __future__ import annotations

import struct
from functools import lru_cache
from typing import Final

from machochain.macho import constants as c
from machochain.macho.objections import objections
from machochain.model.arch import CPU_X86, CPU_X86_64, Arch
from machochain.model.errors import InputError
from machochain.model.image import BuildVersion, Image, LinkedDylib, RunPath
from machochain.model.platform import Platform
from machochain.model.reading import text
from machochain.model.version import Version

MARGIN: Final = 128
"""dyld reads the fixed part of a command before it checks where the command ends; no such part is longer."""

_ONE: Final = struct.Struct("<I")
_TWO: Final = struct.Struct("<II")
_FOUR: Final = struct.Struct("<4I")
_SIX: Final = struct.Struct("<6I")
_SEVEN: Final = struct.Struct("<7I")
_VERSION_MINS: Final = {
    c.LC_VERSION_MIN_MACOSX: ("LC_VERSION_MIN_MACOSX", Platform.MACOS, Platform.MACOS),
    c.LC_VERSION_MIN_IPHONEOS: ("LC_VERSION_MIN_IPHONEOS", Platform.IOS, Platform.IOS_SIMULATOR),
    c.LC_VERSION_MIN_TVOS: ("LC_VERSION_MIN_TVOS", Platform.TVOS, Platform.TVOS_SIMULATOR),
    c.LC_VERSION_MIN_WATCHOS: ("LC_VERSION_MIN_WATCHOS", Platform.WATCHOS, Platform.WATCHOS_SIMULATOR),
}


_LINKED: Final = {
    c.LC_LOAD_DYLIB: "LC_LOAD_DYLIB",
    c.LC_LOAD_WEAK_DYLIB: "LC_LOAD_WEAK_DYLIB",
    c.LC_REEXPORT_DYLIB: "LC_REEXPORT_DYLIB",
    c.LC_LOAD_UPWARD_DYLIB: "LC_LOAD_UPWARD_DYLIB",
}
"""The commands that name a library an image depends on."""


def _lc_string(command: bytes, length: int) -> str:
    """The string of a command whose lc_str stands first, cut at the command's end."""
    (offset,) = _ONE.unpack_from(command, 8)
    end = command.find(b"\0", offset, length)
    return text(command[offset : end if end >= 0 else length])


def _linked_dylib(index: int, ordinal: int, command: bytes) -> LinkedDylib:
    """A dylib command from its bytes."""
    number, length, offset, stamp, current, compatible, flags = _SEVEN.unpack_from(command)
    # dyld-1378, mach_o/UnsafeHeader.cpp, loadCommandToDylibKind: whichever of the four commands it is
    if stamp != c.DYLIB_USE_MARKER or offset != 28:
        flags = None
    versions = Version.unpack(current), Version.unpack(compatible)
    return LinkedDylib(index, _LINKED[number], _lc_string(command, length), ordinal, *versions, stamp, flags)


# Equal values are shared: files of one project repeat each other, and an lru_cache is faster than a constructor.
_known_dylib: Final = lru_cache(maxsize=1 << 14)(_linked_dylib)
_LONGEST_PATH: Final = 1024
"""Bytes of a path that a Mac opens (PATH_MAX): longer commands are not kept in memory."""


def _build_version(command: bytes) -> BuildVersion:
    """An LC_BUILD_VERSION from its bytes."""
    _, length, platform, minos, sdk, count = _SIX.unpack_from(command)
    room = min(count, max(0, length - 24) // 8)
    tools = tuple((tool, Version.unpack(version)) for tool, version in _TWO.iter_unpack(command[24 : 24 + room * 8]))
    sdk_version = Version.unpack(sdk) if sdk else None
    return BuildVersion("LC_BUILD_VERSION", platform, Version.unpack(minos), sdk_version, tools)


_known_build: Final = lru_cache(maxsize=1 << 10)(_build_version)
_SHORT: Final = 128
"""Bytes of an LC_BUILD_VERSION that names as many tools as any linker does: longer ones are not kept in memory."""


class _Walk:
    """One walk over the load commands of one image, as `walk_commands` makes it; positions count commands."""

    __slots__ = (
        "buffer", "builds", "environment", "has_entry", "id", "loads", "run_paths", "simulator", "source_version",
        "uuid",
    )  # fmt: skip

    def __init__(self, buffer: bytes, cputype: int) -> None:
        self.buffer = buffer
        # before LC_BUILD_VERSION the simulators were told by their processor
        self.simulator = cputype in {CPU_X86_64, CPU_X86}
        self.builds: list[BuildVersion] = []
        self.environment: list[str] = []
        self.has_entry = False
        self.id: tuple[str | None, Version | None, Version | None] = (None, None, None)
        self.loads: list[LinkedDylib] = []
        self.run_paths: list[RunPath] = []
        self.source_version: int | None = None
        self.uuid: bytes | None = None

    def walk(self, at: int, count: int, end: int) -> None:
        """Visit ``count`` commands from ``at``; ``end`` is where they or the bytes at hand end."""
        buffer, loads, unpack = self.buffer, self.loads, _TWO.unpack_from
        linked, handler_of = _LINKED, _HANDLERS.get
        last = end - 8
        for index in range(count):
            if at > last:
                break
            number, length = unpack(buffer, at)
            following = at + length
            if length < 8 or following > end:
                break
            if number in linked:  # half of all commands
                room = length if length > 28 else 28  # noqa: FURB136  # max() is a call
                make = _known_dylib if room <= _LONGEST_PATH else _linked_dylib
                loads.append(make(index, len(loads) + 1, buffer[at : at + room]))
            else:
                handler = handler_of(number)
                if handler is not None:
                    handler(self, index, number, at, length)
            at = following

    def string(self, at: int, length: int) -> str:
        """Return the string of a command whose lc_str stands first."""
        return _lc_string(self.buffer[at : at + max(length, 12)], length)

    # Handlers: (position, command number, offset in the buffer, length).

    def on_id(self, _index: int, _number: int, at: int, length: int) -> None:
        if self.id[0] is None:
            _, _, current, compatible = _FOUR.unpack_from(self.buffer, at + 8)
            self.id = self.string(at, length), Version.unpack(current), Version.unpack(compatible)

    def on_run_path(self, index: int, _number: int, at: int, length: int) -> None:
        self.run_paths.append(RunPath(index, self.string(at, length)))

    def on_environment(self, _index: int, _number: int, at: int, length: int) -> None:
        self.environment.append(self.string(at, length))

    def on_build_version(self, _index: int, _number: int, at: int, length: int) -> None:
        make = _known_build if length <= _SHORT else _build_version
        self.builds.append(make(self.buffer[at : at + max(length, 24)]))

    def on_version_min(self, _index: int, number: int, at: int, _length: int) -> None:
        name, device, simulator = _VERSION_MINS[number]
        minos, sdk = _TWO.unpack_from(self.buffer, at + 8)
        sdk_version = Version.unpack(sdk) if sdk else None
        platform = simulator if self.simulator else device
        self.builds.append(BuildVersion(name, platform, Version.unpack(minos), sdk_version))

    def on_entry(self, _index: int, number: int, _at: int, length: int) -> None:
        if number != c.LC_MAIN or length >= 24:
            self.has_entry = True

    def on_source_version(self, _index: int, _number: int, at: int, length: int) -> None:
        if length >= 16:
            self.source_version = int.from_bytes(self.buffer[at + 8 : at + 16], "little")

    def on_uuid(self, _index: int, _number: int, at: int, length: int) -> None:
        if length >= 24 and self.uuid is None:
            self.uuid = self.buffer[at + 8 : at + 24]


_HANDLERS: Final = {
    **dict.fromkeys(_VERSION_MINS, _Walk.on_version_min),
    c.LC_ID_DYLIB: _Walk.on_id,
    c.LC_RPATH: _Walk.on_run_path,
    c.LC_DYLD_ENVIRONMENT: _Walk.on_environment,
    c.LC_BUILD_VERSION: _Walk.on_build_version,
    c.LC_MAIN: _Walk.on_entry,
    c.LC_UNIXTHREAD: _Walk.on_entry,
    c.LC_SOURCE_VERSION: _Walk.on_source_version,
    c.LC_UUID: _Walk.on_uuid,
}

_MOST_ZEROS: Final = 1 << 16


def parse_image(data: bytes | memoryview, *, size: int) -> Image:
    """Read one header with its load commands.

    A command that cannot be walked ends the walk; what came before it is kept. What dyld could object to is found when
    ``Image.defects`` is asked for.

    Args:
        data: The beginning of the slice. All of header and load commands should be there; bytes behind them do no harm.
        size: Length of the file in bytes, other slices included: so much of it dyld maps and compares with.

    Raises:
        InputError: The bytes do not begin with a little-endian mach_header.
    """
    buffer = bytes(data)
    available = len(buffer)
    if available < 28 or buffer[:4] not in {b"\xce\xfa\xed\xfe", b"\xcf\xfa\xed\xfe"}:
        raise InputError("no mach_header", offset=0)
    _, cputype, cpusubtype, file_type, count, command_bytes, flags = _SEVEN.unpack_from(buffer)
    header_size = 32 if buffer[0] == 0xCF else 28
    end = header_size + command_bytes
    if available < end + MARGIN:
        # What is mapped behind the end of a file is zero.
        buffer += bytes(MARGIN + (end - available if available < end <= available + _MOST_ZEROS else 0))
    end = min(end, len(buffer))
    walked = _Walk(buffer, cputype)
    walked.walk(header_size, count, end)
    install_name, current, compatible = walked.id
    return Image(
        arch=Arch.of(cputype, cpusubtype),
        file_type=file_type,
        flags=flags,
        uuid=walked.uuid,
        install_name=install_name,
        id_current_version=current,
        id_compatibility_version=compatible,
        builds=tuple(walked.builds),
        loads=tuple(walked.loads),
        run_paths=tuple(walked.run_paths),
        dyld_environment=tuple(walked.environment),
        source_version=walked.source_version,
        has_entry=walked.has_entry,
        header_size=header_size,
        file_size=size,
        raw=buffer[:end],
        behind=buffer[end : end + MARGIN],
        check=objections,
    )
