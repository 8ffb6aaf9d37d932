"""The table of contents of a XAR archive. Layout: apple-oss-distributions/xar, xar/include/xar.h.in and xar/lib."""

from __future__ import annotations

import base64
import binascii
import hashlib
import struct
import zlib
from collections.abc import Callable, Iterator
from typing import IO, Final

from machochain.model.errors import InputError
from machochain.model.value import field, frozen
from machochain.world.archives.certificate import common_name
from machochain.world.archives.compression import Read
from machochain.world.archives.xmltree import Element, parse_xml

XAR: Final = b"xar!"
_TABLE_LIMIT: Final = 64 << 20
_HEADER: Final = struct.Struct(">4sHHQQI")
_CHECKSUMS: Final = {1: "sha1", 2: "md5", 3: "sha256", 4: "sha512"}
"""Numbers of Apple's xar; the free fork has 3 for a name that stands at 28."""
_HASHES: Final = frozenset({"sha1", "md5", "sha256", "sha512"})


@frozen
class XarData:
    """Bytes in the heap.

    Attributes:
        offset: Where they begin in the file.
        length: How many there are as stored.
        size: How many come out.
        encoding: How they are stored, a media type.
        checksum: Name and value of the hash of the stored bytes; None if it is not stated, or of a kind unknown here.
    """

    offset: int
    length: int
    size: int
    encoding: str
    checksum: tuple[str, bytes] | None = None


@frozen
class XarMember:
    """One file of the archive.

    Attributes:
        name: Its path, ``/`` between names.
        kind: ``file``, ``directory``, ``symlink``, ``hardlink`` and others.
        number: Its id, which hard links refer to.
        link: Target of a symbolic link; of a hard link the id of the original, or ``original``.
        data: Where its bytes are; None for an empty file.
    """

    name: str
    kind: str
    number: str
    link: str = ""
    data: XarData | None = None


@frozen
class XarTable:
    """What the table says.

    Attributes:
        members: The files, folders before what is in them.
        checksum: Whether the table's own hash is right; None if there is none, or of a kind unknown here.
        signers: Subjects of the first certificate of each signature.
        refused: Names that no file may have, as they stand.
    """

    members: tuple[XarMember, ...]
    checksum: bool | None
    signers: tuple[str, ...]
    refused: tuple[str, ...] = field(default=())


def read_table(file: IO[bytes]) -> XarTable:
    """Read the table.

    Raises:
        InputError: It is damaged, or longer than a table may be.
    """
    file.seek(0)
    header = file.read(64)
    if len(header) < _HEADER.size:
        raise InputError("is cut: its header is not whole")
    magic, size, _, packed, expanded, style = _HEADER.unpack(header[: _HEADER.size])
    if magic != XAR or size < _HEADER.size:
        raise InputError("its header makes no sense")
    if packed > _TABLE_LIMIT or expanded > _TABLE_LIMIT:
        raise InputError(f"its table is longer than {_TABLE_LIMIT} bytes")
    file.seek(size)
    table = file.read(packed)
    if len(table) < packed:
        raise InputError("is cut: its table is not whole", offset=size)
    try:
        text = zlib.decompressobj().decompress(table, expanded + 1)
    except zlib.error as error:
        raise InputError(f"its table cannot be decompressed: {error}", offset=size) from None
    if len(text) != expanded:
        raise InputError("its table has not the length that is stated", offset=size)
    toc = parse_xml(text).first("toc")
    if toc is None:
        raise InputError("its table lists nothing", offset=size)
    heap = size + packed
    name = header[28:64].partition(b"\0")[0].decode("ascii", "replace") if size >= 64 else ""
    right = _verified(file, toc, heap, table, name if style == 3 and name in _HASHES else _CHECKSUMS.get(style, ""))
    members: list[XarMember] = []
    refused: list[str] = []
    _members(toc, heap, members, refused)
    return XarTable(tuple(members), right, tuple(_signers(toc)), tuple(refused))


def _verified(file: IO[bytes], toc: Element, heap: int, table: bytes, style: str) -> bool | None:
    """Compare the table with its hash, which stands in the heap."""
    stated = toc.first("checksum")
    if stated is None or style not in _HASHES:
        return None
    digest = hashlib.new(style, table, usedforsecurity=False).digest()
    offset, size = stated.number("offset"), stated.number("size")
    if offset is None or size != len(digest):
        return False
    file.seek(heap + offset)
    return file.read(size) == digest


def _signers(toc: Element) -> Iterator[str]:
    found: dict[str, None] = {}
    for tag in ("signature", "x-signature"):
        for signature in toc.all(tag):
            text = next(
                (each.text for each in signature.walk() if each.tag.rpartition(":")[2] == "X509Certificate"), ""
            )
            try:
                name = common_name(base64.b64decode("".join(text.split())))
            except (binascii.Error, ValueError):
                name = None
            found.setdefault(name or "a certificate that cannot be read")
    yield from found


def _members(toc: Element, heap: int, members: list[XarMember], refused: list[str]) -> None:
    pending = [("", child) for child in reversed(list(toc.all("file")))]
    while pending:
        above, element = pending.pop()
        name = _name(element)
        if name in {"", ".", ".."} or "/" in name or "\0" in name:
            refused.append(f"{above}{name}")
            continue
        kind = element.first("type")
        what = "file" if kind is None else kind.text.strip()
        link = element.first("link")
        to = "" if link is None else link.text
        if what == "hardlink" and kind is not None:
            to = kind.attributes.get("link", "")
        members.append(XarMember(f"{above}{name}", what, element.attributes.get("id", ""), to, _data(element, heap)))
        pending += [(f"{above}{name}/", child) for child in reversed(list(element.all("file")))]


def _name(element: Element) -> str:
    first = element.first("name")
    if first is None:
        return ""
    if first.attributes.get("enctype") != "base64":
        return first.text
    try:
        return base64.b64decode(first.text).decode("utf-8", "surrogateescape")
    except (binascii.Error, ValueError):
        return ""


def _data(element: Element, heap: int) -> XarData | None:
    data = element.first("data")
    if data is None:
        return None
    offset, length, size = (data.number(tag) for tag in ("offset", "length", "size"))
    if offset is None or length is None or size is None:
        return None
    encoding = data.first("encoding")
    style = "application/octet-stream" if encoding is None else encoding.attributes.get("style", "")
    stated = data.first("archived-checksum")
    checksum = None
    if stated is not None and stated.attributes.get("style", "").lower() in _HASHES:
        try:
            checksum = stated.attributes["style"].lower(), bytes.fromhex(stated.text.strip())
        except ValueError:
            checksum = None
    return XarData(heap + offset, length, size, style, checksum)


def stored_bytes(file: IO[bytes], data: XarData, wrong: Callable[[], None]) -> Read:
    """Return a reader of bytes as they are stored; ``wrong`` is called if their hash is not the one that is stated."""
    position = data.offset
    left = data.length
    digest = None if data.checksum is None else hashlib.new(data.checksum[0], usedforsecurity=False)

    def read(size: int) -> bytes:
        nonlocal position, left
        file.seek(position)
        found = file.read(min(size, left))
        position += len(found)
        left -= len(found)
        if digest is not None and found:
            digest.update(found)
            if not left and data.checksum is not None and digest.digest() != data.checksum[1]:
                wrong()
        return found

    return read
