"""cpio archives, the inside of installer packages: portable ASCII (odc), new ASCII with and without sums, old binary.

Layouts: cpio(5) of libarchive. Apple's own payloads are odc, in which numbers of inodes have 18 bits and repeat, so
that equal numbers with one link are not a hard link.
"""

from __future__ import annotations

import stat
import struct
from collections.abc import Iterator
from typing import Final

from machochain.model.errors import InputError
from machochain.model.value import field, frozen
from machochain.world.archives.stream import Stream

_ODC: Final = b"070707"
_NEWC: Final = (b"070701", b"070702")
_BINARY: Final = {b"\xc7\x71": "<", b"\x71\xc7": ">"}
_TRAILER: Final = "TRAILER!!!"
_NAME_LIMIT: Final = 4096


@frozen
class CpioEntry:
    """One entry.

    Attributes:
        name: As it stands.
        mode: Type and permissions as in <sys/stat.h>.
        size: Bytes of its data, which is a link's target.
        links: How many names the file has.
        identity: Device and inode.
        stream: Where its data is next.
        pad: Bytes that follow its data.
        shares: Whether of several names of one file only the last has the data.
    """

    name: str
    mode: int
    size: int
    links: int
    identity: tuple[int, ...]
    stream: Stream = field(repr=False)
    pad: int = 0
    shares: bool = False

    @property
    def is_link(self) -> bool:
        """Whether it is a symbolic link."""
        return stat.S_ISLNK(self.mode)


def is_cpio(head: bytes) -> bool:
    """Whether a cpio archive begins so: 26 bytes are enough."""
    if head.startswith((_ODC, *_NEWC)):
        return len(head) >= 26 and all(byte in b"0123456789abcdefABCDEF" for byte in head[:26])
    order = _BINARY.get(head[:2])
    if order is None or len(head) < 26:
        return False
    fields = struct.unpack(f"{order}13H", head[:26])
    return 0 < fields[10] <= 1024 and stat.S_IFMT(fields[3]) in {stat.S_IFDIR, stat.S_IFREG, stat.S_IFLNK}


def entries_of(stream: Stream) -> Iterator[CpioEntry]:
    """Yield the entries up to the one that ends the archive; what is not read of an entry's data is passed over.

    Raises:
        EOFError: It is cut.
        InputError: A header makes no sense.
    """
    while True:
        entry = _header(stream)
        if entry.name == _TRAILER:
            return
        end = stream.position + entry.size
        yield entry
        stream.skip(end + entry.pad - stream.position)


def _header(stream: Stream) -> CpioEntry:
    at = stream.position
    magic = stream.peek(6)
    if magic == _ODC:
        values = _numbers(stream.exactly(76)[6:], (6, 6, 6, 6, 6, 6, 6, 11, 6, 11), 8, at)
        device, inode, mode, links, length, size = (values[n] for n in (0, 1, 2, 5, 8, 9))
        return CpioEntry(_name(stream, length, at), mode, size, links, (device, inode), stream)
    if magic in _NEWC:
        values = _numbers(stream.exactly(110)[6:], (8,) * 13, 16, at)
        inode, mode, links, size, major, minor, length = (values[n] for n in (0, 1, 4, 6, 7, 8, 11))
        name = _name(stream, length, at)
        stream.skip(-(110 + length) % 4)
        return CpioEntry(name, mode, size, links, (major, minor, inode), stream, -size % 4, shares=True)
    order = _BINARY.get(magic[:2])
    if order is not None:
        words = struct.unpack(f"{order}13H", stream.exactly(26))
        length, size = words[10], words[11] << 16 | words[12]
        name = _name(stream, length, at)
        stream.skip(length % 2)
        return CpioEntry(name, words[3], size, words[6], (words[1], words[2]), stream, size % 2)
    if not magic:
        raise EOFError("its end is missing")
    raise InputError("what should be the header of an entry is none", offset=at)


def _numbers(data: bytes, widths: tuple[int, ...], base: int, at: int) -> list[int]:
    found: list[int] = []
    begin = 0
    for width in widths:
        text = data[begin : begin + width]
        begin += width
        if not text.isalnum():
            raise InputError("a number in the header of an entry is none", offset=at)
        try:
            found.append(int(text, base))
        except ValueError:
            raise InputError("a number in the header of an entry is none", offset=at) from None
    return found


def _name(stream: Stream, length: int, at: int) -> str:
    if not 0 < length <= _NAME_LIMIT:
        raise InputError(f"the name of an entry has {length} bytes", offset=at)
    name = stream.exactly(length)
    if name[-1:] != b"\0":
        raise InputError("the name of an entry does not end", offset=at)
    return name[:-1].decode("utf-8", "surrogateescape")
