"""A dyld shared cache: which libraries a macOS has, by which paths, and what each exports, from the cache itself.

The format is that of dyld's ``include/mach-o/dyld_cache_format.h``, tags 195.5 to 1378; a field is there only if the
header, whose size is ``mappingOffset``, reaches beyond it (``dyld/SharedCacheRuntime.cpp`` asks the same). Only headers
and tries are read, never a whole file. Since macOS 12 a cache is split; the main file's table names the other files by
suffix and UUID, and a piece that is missing or of another build is an error: without it tries would look empty.
"""

from __future__ import annotations

import re
import struct
from bisect import bisect_right
from collections.abc import Iterator
from contextlib import ExitStack
from functools import cached_property
from typing import Final, NamedTuple, Self

from machochain.macho.exports import trie_names, trie_numbers
from machochain.macho.header import parse_image
from machochain.macho.source import FileSource
from machochain.model.errors import InputError
from machochain.model.image import Image
from machochain.model.paths import HostPath
from machochain.model.platform import Platform
from machochain.model.version import Version

MAGIC: Final = b"dyld_v1"
_SMALLEST: Final = 0x48
_KNOWN: Final = 0x228
"""The header of dyld-1284.13 to 1378; a larger one has fields nobody here knows."""
_LARGEST: Final = 1024
_MOST_MAPPINGS: Final = 20
_MOST_IMAGES: Final = 65535
_MOST_PIECES: Final = 1000
_LONGEST_PATH: Final = 1024
_MOST_COMMANDS: Final = 1 << 20
_LARGEST_TRIE: Final = 256 << 20
_TABLE_OF_PATHS: Final = 0x110
_SUFFIX: Final = re.compile(rb"\.[A-Za-z0-9_.]+")
_PIECE: Final = re.compile(r"(.*dyld(?:_sim)?_shared_cache_[^./]+)\.[^/]+")
_LIBDYLD: Final = "/usr/lib/system/libdyld.dylib"
_DYLIBS: Final = frozenset({6, 7})
"""MH_DYLIB, and MH_DYLINKER: dyld itself, an image since macOS 13."""


class _Mapping(NamedTuple):
    """Where a part of a file lies in memory."""

    address: int
    size: int
    offset: int
    source: FileSource


class _Header:
    """The fields of one file that are there."""

    def __init__(self, source: FileSource, path: str) -> None:
        self._path = path
        start = source.read(0, _LARGEST)
        if start[: len(MAGIC)] != MAGIC:
            raise InputError("not a dyld shared cache of the format dyld_v1", path=path)
        if len(start) < _SMALLEST:
            raise InputError("the shared cache ends in its header", path=path)
        self.magic = start[:16]
        self.size = int.from_bytes(start[0x10:0x14], "little")
        if not _SMALLEST <= self.size <= _LARGEST:
            why = f"a shared cache whose header has {self.size} bytes: no version of the format that is known"
            raise InputError(why, path=path)
        self._fields = start[: self.size]

    @property
    def arch(self) -> str:
        """The architecture of the code."""
        return self.magic[len(MAGIC) :].strip(b" \0").decode("ascii", "replace")

    @property
    def uuid(self) -> bytes:
        """What names this file of this build; nothing before macOS 10.9."""
        return self._fields[0x58:0x68] if self.size >= 0x68 else b""

    def number(self, offset: int, size: int = 4) -> int:
        """Return a field; 0 where the header is too short to have it."""
        end = offset + size
        return int.from_bytes(self._fields[offset:end], "little") if end <= len(self._fields) else 0


def _opened(piece: str, main: str) -> FileSource:
    try:
        return FileSource(HostPath(piece))
    except InputError as error:
        why = f"a piece of the shared cache {main}: {error.reason}; copy all files of the cache"
        raise InputError(why, path=piece, errno=error.errno) from None


class SharedCache:
    """One shared cache, opened for as long as the ``with`` block runs.

    Attributes:
        path: The main file.
        arch: Of its code, as its magic says: ``arm64e``, ``x86_64h``.
        newer: Whether its header has fields that are not known here.
    """

    def __init__(self, path: HostPath) -> None:
        """Open all files of a cache and read its tables.

        Args:
            path: Its main file, ``dyld_shared_cache_ARCH``.

        Raises:
            InputError: It is no shared cache of macOS, one of its files is missing, of another build or damaged.
        """
        self.path = path
        self._stack = ExitStack()
        with ExitStack() as stack:
            main = stack.enter_context(FileSource(path))
            self._main, self._header = main, _Header(main, path)
            self.arch, self.newer = self._header.arch, self._header.size > _KNOWN
            self._refuse_others()
            mappings = list(self._mappings(main, self._header, path))
            for piece, uuid in self._pieces():
                source = stack.enter_context(_opened(piece, path))
                header = _Header(source, piece)
                if header.magic != self._header.magic or header.uuid != uuid:
                    raise InputError(f"belongs to another build than {path}", path=piece)
                mappings += self._mappings(source, header, piece)
            self._memory = sorted(mappings)
            self._starts = [mapping.address for mapping in self._memory]
            for one, two in zip(self._memory, self._memory[1:], strict=False):
                if one.address + one.size > two.address:
                    raise self._damaged("two mappings overlap")
            self.images = self._read_images()
            self._stack = stack.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close all files."""
        self._stack.close()

    # Files

    def _damaged(self, why: str) -> InputError:
        return InputError(f"the shared cache is damaged: {why}", path=self.path)

    def _refuse_others(self) -> None:
        platform, bits = self._header.number(0xD8), self._header.number(0xDC)
        if platform not in {0, Platform.MACOS} or bits >> 9 & 1:
            name = next((p.name for p in Platform if p == platform), str(platform))
            kind = "a simulator" if bits >> 9 & 1 else f"platform {name}"
            raise InputError(f"the shared cache of {kind}, not of macOS", path=self.path)

    def _pieces(self) -> Iterator[tuple[str, bytes]]:
        """Yield the other files and their UUIDs (dyld-940 on: ``dyld_subcache_entry``, with suffixes since 1042)."""
        offset, count = self._header.number(0x188), self._header.number(0x18C)
        named = self._header.size > 0x1C8
        length = 56 if named else 24
        if count > _MOST_PIECES:
            raise self._damaged(f"it claims {count} files")
        table = self._main.read(offset, length * count) if count else b""
        if len(table) < length * count:
            raise self._damaged("the table of its files is cut")
        base = str(self.path).removesuffix(".development") if named else str(self.path)
        for index in range(count):
            entry = table[index * length : (index + 1) * length]
            suffix = entry[24:].partition(b"\0")[0] if named else b".%d" % (index + 1)
            if not _SUFFIX.fullmatch(suffix) or b".." in suffix:
                raise self._damaged(f"a file of it has the suffix {suffix!r}")
            yield base + suffix.decode("ascii"), entry[:16]

    def _mappings(self, source: FileSource, header: _Header, path: str) -> Iterator[_Mapping]:
        count = header.number(0x14)
        table = source.read(header.size, 32 * count) if count <= _MOST_MAPPINGS else b""
        if count > _MOST_MAPPINGS or len(table) < 32 * count:
            raise InputError(f"the shared cache is damaged: {count} mappings", path=path)
        for address, size, offset, _, _ in struct.iter_unpack("<QQQII", table):
            if offset + size > source.size or address + size >> 64:
                raise InputError("the shared cache is cut: a mapping ends behind the file", path=path)
            if size:
                yield _Mapping(address, size, offset, source)

    def _at(self, address: int, size: int) -> bytes:
        """Return bytes by their address in memory, no more than their mapping holds."""
        index = bisect_right(self._starts, address) - 1
        if index < 0 or size < 0:
            return b""
        found = self._memory[index]
        behind = address - found.address
        return found.source.read(found.offset + behind, min(size, found.size - behind)) if behind < found.size else b""

    # Libraries

    def _read_images(self) -> dict[str, int]:
        """Return the address of the header of each image, by its path, in the order of the cache."""
        offset, count = self._header.number(0x1C0), self._header.number(0x1C4)
        if self._header.size < 0x1C8:
            offset, count = self._header.number(0x18), self._header.number(0x1C)
        if not count and (match := _PIECE.fullmatch(self.path)):
            raise InputError(f"a piece of a split shared cache: give the main file, {match[1]}", path=self.path)
        table = self._main.read(offset, 32 * count) if count <= _MOST_IMAGES else b""
        if not count or count > _MOST_IMAGES or len(table) < 32 * count:
            raise self._damaged(f"it claims {count} images")
        found: dict[str, int] = {}
        for address, _, _, place, _ in struct.iter_unpack("<QQQII", table):
            raw, end, _ = self._main.read(place, _LONGEST_PATH + 1).partition(b"\0")
            if not end or not raw.startswith(b"/"):
                raise self._damaged("the path of an image is cut")
            found.setdefault(raw.decode("utf-8", "surrogateescape"), address)
        return found

    @cached_property
    def aliases(self) -> dict[str, str]:
        """The other paths by which dyld finds an image: each with the path of the image.

        Since macOS 10.14 a trie lists all paths; before, an alias was an image of the same address.

        Raises:
            InputError: The trie cannot be read.
        """
        paths = list(self.images)
        first: dict[int, str] = {}
        for path, address in self.images.items():
            first.setdefault(address, path)
        found = {path: first[address] for path, address in self.images.items() if first[address] != path}
        if self._header.size >= _TABLE_OF_PATHS + 8:
            address, size = self._header.number(0x108, 8), self._header.number(0x110, 8)
            listed, defects = trie_numbers(self._table(address, size, "the trie of paths"))
            if defects:
                raise self._damaged(f"the trie of paths: {defects[0].text}")
            for name, index in listed:
                if index < len(paths) and name != paths[index]:
                    found[name] = first[self.images[paths[index]]]
        return found

    def image(self, path: str) -> Image:
        """Return the header and load commands of an image.

        Args:
            path: One of ``images``.

        Raises:
            InputError: They cannot be read.
        """
        address = self.images[path]
        start = self._at(address, 32)
        if len(start) < 32 or int.from_bytes(start[12:16], "little") not in _DYLIBS:
            raise self._damaged(f"{path} has no header of a library")
        size = 32 + int.from_bytes(start[20:24], "little")
        if size > _MOST_COMMANDS:
            raise self._damaged(f"{path} claims {size} bytes of load commands")
        data = self._at(address, size)
        if len(data) < size:
            raise self._damaged(f"the load commands of {path} are cut")
        try:
            return parse_image(data, size=1 << 62)
        except InputError as error:
            raise self._damaged(f"{path}: {error.reason}") from None

    def exports(self, path: str, image: Image) -> tuple[str, ...]:
        """Return the names an image exports itself.

        Its tables lie where its __LINKEDIT is mapped, in a split cache in another file.

        Args:
            path: One of ``images``.
            image: Its header.

        Raises:
            InputError: The trie cannot be read to its end.
        """
        linkedit = next((s for s in image.segments if s.name == "__LINKEDIT"), None)
        offset, size = image.linkedit.exports_trie or (0, 0)
        if linkedit is None or not size:
            return ()
        what = f"the exports of {path}"
        names, defects = trie_names(self._table(linkedit.vmaddr + offset - linkedit.fileoff, size, what))
        if defects:
            raise self._damaged(f"{what}: {defects[0].text}")
        return tuple(names)

    def _table(self, address: int, size: int, what: str) -> bytes:
        data = self._at(address, size) if size <= _LARGEST_TRIE else b""
        if len(data) < size:
            raise self._damaged(f"{what}: {size} bytes at {address:#x} are not there")
        return data

    # Release

    @cached_property
    def version(self) -> Version | None:
        """The macOS it is of; None if nothing tells.

        Since dyld-940 the header holds the minimum version of libdyld (``computeCacheHeaders``), which is built with
        the OS; before, libdyld itself is asked.
        """
        packed = self._header.number(0x16C)
        if packed:
            return Version.unpack(packed)
        if _LIBDYLD not in self.images:
            return None
        builds = self.image(_LIBDYLD).builds
        return next((b.minos for b in builds if b.platform == Platform.MACOS), None)
