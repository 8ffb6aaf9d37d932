"""A zip written anew in which some members have other bytes; all others are copied as they are, headers and all.

The format is PKWARE's APPNOTE. A member's bytes run from its local header to the next one, so that whatever stands
between (data descriptors, padding) goes with it.
"""

from __future__ import annotations

import struct
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO, Final

from machochain.model.value import frozen
from machochain.repair.obstacle import ObstacleKind, refuse

_LOCAL: Final = struct.Struct("<4s5H3I2H")
_CENTRAL: Final = struct.Struct("<4s6H3I5H2I")
_END: Final = struct.Struct("<4s4H2IH")
_END64: Final = b"PK\x06\x06"
_CHUNK: Final = 1 << 20
_LIMIT: Final = 0xFFFFFFFF
_DESCRIPTOR: Final = 0x8


@frozen
class _Entry:
    central: bytes
    offset: int
    name: str


def rewrite_zip(
    source: Path,
    out: BinaryIO,
    changed: Mapping[str, bytes],
    added: Mapping[str, bytes] | None = None,
) -> None:
    """Write a zip with some members replaced.

    Args:
        source: The zip.
        out: Where to write.
        changed: New bytes of members by their names.
        added: New members, which go to the end, dated as the last one is.

    Raises:
        RepairError: Two members have one name, members overlap, or it is a zip of more than 4 GiB.
    """
    with source.open("rb") as file:
        with zipfile.ZipFile(file) as archive:
            names = archive.namelist()
            start, comment = archive.start_dir, archive.comment
        if len(set(names)) != len(names):
            raise refuse(ObstacleKind.CONTAINER, "a name occurs twice in it")
        entries = _entries(file, start, len(names), names)
        spans = _spans(entries, start)
        central: list[bytes] = []
        for entry in sorted(entries, key=lambda e: e.offset):
            at = out.tell()
            if entry.name in changed:
                central.append(_replace(file, out, entry, changed[entry.name], at))
            else:
                _copy(file, out, entry.offset, spans[entry.offset])
                central.append(_moved(entry.central, at))
        for name, data in (added or {}).items():
            like = entries[-1].central if entries else b""
            central.append(_new(out, name, data, like, out.tell()))
        # The order of the directory stays that of the old one.
        order = {entry.offset: index for index, entry in enumerate(entries)}
        written = sorted(entries, key=lambda e: e.offset)
        placed = sorted(zip(written, central, strict=False), key=lambda pair: order[pair[0].offset])
        rows = [row for _, row in placed] + central[len(written) :]
        _finish(out, rows, comment)


def _entries(file: BinaryIO, start: int, count: int, names: list[str]) -> list[_Entry]:
    file.seek(start)
    found = []
    for index in range(count):
        head = file.read(_CENTRAL.size)
        fields = _CENTRAL.unpack(head)
        if fields[0] != b"PK\x01\x02":
            raise refuse(ObstacleKind.CONTAINER, "its directory is malformed")
        rest = file.read(fields[10] + fields[11] + fields[12])
        if _LIMIT in (fields[8], fields[9], fields[16]):
            raise refuse(ObstacleKind.CONTAINER, "it has members of more than 4 GiB")
        found.append(_Entry(head + rest, fields[16], names[index]))
    return found


def _spans(entries: list[_Entry], start: int) -> dict[int, int]:
    places = sorted(entry.offset for entry in entries)
    if len(set(places)) != len(places) or (places and places[-1] >= start):
        raise refuse(ObstacleKind.CONTAINER, "its members overlap")
    return {at: end - at for at, end in zip(places, [*places[1:], start], strict=True)}


def _copy(file: BinaryIO, out: BinaryIO, at: int, size: int) -> None:
    file.seek(at)
    while size:
        data = file.read(min(size, _CHUNK))
        if not data:
            raise refuse(ObstacleKind.CONTAINER, "it is cut off")
        out.write(data)
        size -= len(data)


def _moved(central: bytes, at: int) -> bytes:
    return central[:42] + struct.pack("<I", at) + central[46:]


def _replace(file: BinaryIO, out: BinaryIO, entry: _Entry, data: bytes, at: int) -> bytes:
    """Write a member with other contents; its name, dates, mode and method stay."""
    fields = list(_CENTRAL.unpack_from(entry.central))
    flags, method, time, date = fields[3:7]
    file.seek(entry.offset)
    local = _LOCAL.unpack(file.read(_LOCAL.size))
    texts = file.read(local[9] + local[10])
    packed, crc, length = _pack(data, method), zlib.crc32(data), len(data)
    flags &= ~_DESCRIPTOR
    head = (b"PK\x03\x04", local[1], flags, method, time, date, crc, len(packed), length, local[9], local[10])
    out.write(_LOCAL.pack(*head) + texts + packed)
    fields[3], fields[7], fields[8], fields[9], fields[16] = flags, crc, len(packed), length, at
    return _CENTRAL.pack(*fields) + entry.central[_CENTRAL.size :]


def _pack(data: bytes, method: int) -> bytes:
    if method == zipfile.ZIP_STORED:
        return data
    if method == zipfile.ZIP_DEFLATED:
        packer = zlib.compressobj(6, zlib.DEFLATED, -15)
        return packer.compress(data) + packer.flush()
    raise refuse(ObstacleKind.CONTAINER, f"a member is packed by method {method}")


def _new(out: BinaryIO, name: str, data: bytes, like: bytes, at: int) -> bytes:
    """Write a member that was not there, with the date of another."""
    time, date = struct.unpack_from("<2H", like, 12) if like else (0, 0x21)
    text = name.encode()
    packed = _pack(data, zipfile.ZIP_DEFLATED)
    flags = 0x800 if not name.isascii() else 0
    out.write(
        _LOCAL.pack(b"PK\x03\x04", 20, flags, 8, time, date, zlib.crc32(data), len(packed), len(data), len(text), 0)
        + text
        + packed
    )
    return (
        _CENTRAL.pack(
            b"PK\x01\x02",
            0x0314,
            20,
            flags,
            8,
            time,
            date,
            zlib.crc32(data),
            len(packed),
            len(data),
            len(text),
            0,
            0,
            0,
            0,
            0o100755 << 16,
            at,
        )
        + text
    )


def _finish(out: BinaryIO, rows: list[bytes], comment: bytes) -> None:
    at = out.tell()
    out.write(b"".join(rows))
    size = out.tell() - at
    if at > _LIMIT or len(rows) >= 0xFFFF:
        raise refuse(ObstacleKind.CONTAINER, "it has more members, or more bytes, than are written anew")
    out.write(_END.pack(b"PK\x05\x06", 0, 0, len(rows), len(rows), size, at, len(comment)) + comment)
