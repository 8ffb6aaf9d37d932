"""UDIF, the form of ``.dmg``: a trailer, a property list of tables, and blocks that are decompressed when asked for.

Layout: mozilla/libdmg-hfsplus, includes/dmg/dmg.h; indygreg/apple-platform-rs, apple-dmg/src/koly.rs. All numbers are
big-endian. Of the trailer only the places of the list and of the data are trusted: writers in circulation leave sector
counts, checksums and places of signatures senseless.
"""

from __future__ import annotations

import io
import plistlib
import struct
import zlib
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Iterator
from itertools import pairwise
from typing import IO, Any, Final
from xml.parsers.expat import ExpatError

from machochain.model.errors import InputError
from machochain.model.value import field, frozen
from machochain.world.archives.budget import Budget
from machochain.world.archives.compression import damage_errors
from machochain.world.archives.disks.codecs import CODECS, COMMENT, END, IGNORE, RAW, ZERO
from machochain.world.archives.errors import NotReadError, OverLimitError

KOLY: Final = b"koly"
SECTOR: Final = 512
_TRAILER: Final = 512
_LIST_LIMIT: Final = 64 << 20
_BLOCK_LIMIT: Final = 32 << 20
_CACHE: Final = 16 << 20
_READ_LIMIT: Final = 256 << 20
_CRC32: Final = 2
_SUPERBLOB: Final = b"\xfa\xde\x0c\xc0"
_TABLE: Final = struct.Struct(">4sIQQQ")
_BLOCK: Final = struct.Struct(">IIQQQQ")
_LICENCE: Final = frozenset({"LPic", "STR#", "TEXT", "RTF ", "styl"})


@frozen(slots=True)
class Run:
    """Bytes of the image that come from one block.

    Attributes:
        start: Where they begin in the image.
        size: How many there are.
        kind: Type of the block.
        offset: Where it is in the file.
        length: Its bytes in the file.
    """

    start: int
    size: int
    kind: int
    offset: int
    length: int


@frozen
class Udif:
    """What an image says of itself.

    Attributes:
        runs: Every run that is not zeros, by place.
        size: Length of the image.
        encodings: Names of the encodings of its blocks, sorted.
        starts: Where its partitions begin.
        licence: Whether it shows a licence before it opens.
        signed: Whether a code signature stands behind the list.
        checksum: CRC-32 of the data as stored, with their place and length; None if it is not stated.
    """

    runs: tuple[Run, ...] = field(repr=False)
    size: int
    encodings: tuple[str, ...]
    starts: tuple[int, ...]
    licence: bool = False
    signed: bool = False
    checksum: tuple[int, int, int] | None = None


def read_udif(file: IO[bytes], length: int, budget: Budget) -> Udif:
    """Read the tables of an image.

    Args:
        file: The image.
        length: Its length.
        budget: Every block is a step.

    Raises:
        InputError: It is damaged.
        NotReadError: It is one of several segments.
    """
    trailer = _trailer(file, length)
    base, data_size, fork, fork_size, _, segments = struct.unpack_from(">4QII", trailer, 24)
    if segments > 1:
        raise NotReadError(f"is one of {segments} segments of a disk image: join them with 'hdiutil convert'")
    place, size, signature, signature_size = (
        *struct.unpack_from(">2Q", trailer, 216),
        *struct.unpack_from(">2Q", trailer, 296),
    )
    tables, licence = _tables(file, length, place, size, fork, fork_size)
    runs: list[Run] = []
    starts: list[int] = []
    end = struct.unpack_from(">Q", trailer, 492)[0] * SECTOR
    kinds: set[int] = set()
    for table in tables:
        starts.append(struct.unpack_from(">Q", table, 8)[0] * SECTOR if len(table) >= 204 else 0)
        for run in _runs(table, base, length, budget):
            kinds.add(run.kind)
            end = max(end, run.start + run.size)
            if run.kind in CODECS:
                runs.append(run)
    runs.sort(key=lambda run: run.start)
    for before, after in pairwise(runs):
        if before.start + before.size > after.start:
            raise InputError("two blocks of the image overlap", offset=after.offset)
    kind, bits, crc = struct.unpack_from(">3I", trailer, 80)
    whole = (crc, base, data_size) if kind == _CRC32 and bits == 32 and base + data_size <= length else None
    file.seek(min(signature, length))
    signed = 0 < signature_size < length and file.read(4) == _SUPERBLOB
    names = tuple(sorted({CODECS[kind][0] for kind in kinds if kind in CODECS}))
    return Udif(tuple(runs), min(end, 1 << 62), names, tuple(dict.fromkeys(starts)), licence, signed, whole)


def _trailer(file: IO[bytes], length: int) -> bytes:
    for place in (length - _TRAILER, 0):  # old images have it in front
        if place < 0:
            continue
        file.seek(place)
        trailer = file.read(_TRAILER)
        if trailer.startswith(KOLY) and len(trailer) == _TRAILER:
            return trailer
    raise InputError("is cut: the trailer of the disk image is missing")


def _tables(file: IO[bytes], length: int, place: int, size: int, fork: int, fork_size: int) -> tuple[list[bytes], bool]:
    """Return the tables, and whether there is a licence."""
    if not size and not fork_size:
        raise InputError("the disk image lists no blocks")
    at, count = (place, size) if size else (fork, fork_size)
    if count > _LIST_LIMIT or at + count > length:
        raise InputError("the list of the disk image lies outside of it, or is too long", offset=at)
    file.seek(at)
    data = file.read(count)
    if not size:
        resources = _resources(data)
        return resources.get("blkx", []), not _LICENCE.isdisjoint(resources)
    try:
        found: Any = plistlib.loads(data)
        listed = found["resource-fork"]
        tables = [bytes(item["Data"]) for item in listed["blkx"]]
    except (
        plistlib.InvalidFileException, ExpatError, ValueError, TypeError, LookupError, AttributeError, OverflowError,
        RecursionError, MemoryError,
    ) as error:  # fmt: skip
        raise InputError(f"the list of the disk image cannot be read: {error}", offset=at) from None
    return tables, not _LICENCE.isdisjoint(listed)


def _resources(data: bytes) -> dict[str, list[bytes]]:
    """Return the resources of a resource fork by type (Inside Macintosh: More Macintosh Toolbox, 1-121).

    Raises:
        InputError: It is damaged.
    """
    found: dict[str, list[bytes]] = {}
    try:
        body, index, _, _ = struct.unpack_from(">4I", data)
        (types,) = struct.unpack_from(">H", data, index + 24)
        (count,) = struct.unpack_from(">H", data, index + types)
        for number in range((count + 1) & 0xFFFF):
            name, many, references = struct.unpack_from(">4sHH", data, index + types + 2 + number * 8)
            for each in range(many + 1):
                (where,) = struct.unpack_from(">I", data, index + types + references + each * 12 + 4)
                at = body + (where & 0xFFFFFF)
                (size,) = struct.unpack_from(">I", data, at)
                found.setdefault(name.decode("latin-1"), []).append(data[at + 4 : at + 4 + size])
    except struct.error:
        raise InputError("the resource fork of the disk image is damaged") from None
    return found


def _runs(table: bytes, base: int, length: int, budget: Budget) -> Iterator[Run]:
    if len(table) < 204 or not table.startswith(b"mish"):
        raise InputError("a table of the disk image makes no sense")
    _, _, first, sectors, data_offset = _TABLE.unpack_from(table)
    (count,) = struct.unpack_from(">I", table, 200)
    if count * _BLOCK.size + 204 > len(table):
        raise InputError("a table of the disk image is cut")
    budget.step(count)
    for number in range(count):
        kind, _, sector, many, offset, size = _BLOCK.unpack_from(table, 204 + number * _BLOCK.size)
        if kind == END:
            return
        if kind == COMMENT or not many:
            continue
        if sector + many > sectors:
            raise InputError("a block of the disk image lies outside of its partition")
        run = Run((first + sector) * SECTOR, many * SECTOR, kind, base + data_offset + offset, size)
        if kind in {ZERO, IGNORE}:
            yield run
            continue
        if kind not in CODECS:
            raise NotReadError(f"holds blocks of an unknown type ({kind:#x})")
        if run.offset + run.length > length:
            raise InputError("a block of the disk image lies outside of the file", offset=run.offset)
        if kind != RAW and run.size > _BLOCK_LIMIT:
            raise OverLimitError(f"holds a block of {run.size} bytes, more than {_BLOCK_LIMIT}")
        yield run


class UdifFile(io.RawIOBase):
    """The image behind a UDIF file: read where it is asked for, a few blocks kept.

    Attributes:
        failures: What could not be decompressed, and where it is in the file.
    """

    def __init__(self, file: IO[bytes], udif: Udif, budget: Budget) -> None:
        """Read from an open file; what is decompressed is spent of the budget."""
        super().__init__()
        self.failures: list[InputError] = []
        self._file = file
        self._runs = udif.runs
        self._starts = [run.start for run in udif.runs]
        self._size = udif.size
        self._budget = budget
        self._position = 0
        self._kept: OrderedDict[int, bytes] = OrderedDict()
        self._room = 0

    def get_size(self) -> int:
        """Return the length of the image; libyal asks for it so."""
        return self._size

    def seekable(self) -> bool:
        """Whether it can be read anywhere."""
        return True

    def readable(self) -> bool:
        """Whether it can be read."""
        return True

    def tell(self) -> int:
        """Return where the next byte is."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go somewhere."""
        origin = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        self._position = max(origin + offset, 0)
        return self._position

    def read(self, size: int = -1) -> bytes:
        """Return bytes from here.

        Raises:
            OSError: A block is damaged; `failures` says which.
            OverLimitError: The budget is spent.
        """
        if size < 0:
            size = self._size
        size = max(min(size, self._size - self._position), 0)
        if size > _READ_LIMIT:
            raise OSError(f"{size} bytes are asked for at once")
        out = bytearray(size)
        at = self._position
        index = max(bisect_right(self._starts, at) - 1, 0)
        while index < len(self._runs) and self._runs[index].start < at + size:
            run = self._runs[index]
            index += 1
            begin, end = max(run.start, at), min(run.start + run.size, at + size)
            if begin >= end:
                continue
            out[begin - at : end - at] = self._part(run, begin - run.start, end - run.start)
        self._position += size
        return bytes(out)

    def _part(self, run: Run, begin: int, end: int) -> bytes:
        if run.kind == RAW:
            self._file.seek(run.offset + begin)
            return self._file.read(max(min(end, run.length) - begin, 0)).ljust(end - begin, b"\0")
        data = self._kept.get(run.start)
        if data is None:
            data = self._decoded(run)
            self._kept[run.start] = data
            self._room += len(data)
            while self._room > _CACHE and len(self._kept) > 1:
                self._room -= len(self._kept.popitem(last=False)[1])
        else:
            self._kept.move_to_end(run.start)
        return data[begin:end]

    def _decoded(self, run: Run) -> bytes:
        self._budget.spend(run.size)
        self._file.seek(run.offset)
        name, decode = CODECS[run.kind]
        try:
            data = decode(self._file.read(run.length), run.size)
            if len(data) != run.size:
                raise ValueError(f"gives {len(data)} bytes where {run.size} belong")
        except InputError:
            raise
        except damage_errors() as error:
            failure = InputError(f"a block of the disk image ({name}) is damaged: {error}", offset=run.offset)
            self.failures.append(failure)
            raise OSError(failure.reason) from error
        return data


def matches_checksum(file: IO[bytes], udif: Udif) -> bool | None:
    """Whether the data as stored have the hash that is stated; None if none is."""
    if udif.checksum is None:
        return None
    stated, place, size = udif.checksum
    file.seek(place)
    found = 0
    while size:
        data = file.read(min(size, 1 << 20))
        if not data:
            return False
        found = zlib.crc32(data, found)
        size -= len(data)
    return found == stated
