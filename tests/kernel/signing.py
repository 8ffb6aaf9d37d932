"""Signatures the factory does not make: other page sizes, other directories, other blobs."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Sequence


def place(data: bytes) -> int:
    """Where the signature begins."""
    at = 32
    for _ in range(int.from_bytes(data[16:20], "little")):
        number, size = struct.unpack_from("<II", data, at)
        if number == 0x1D:
            return int.from_bytes(data[at + 8 : at + 12], "little")
        at += size
    raise AssertionError


def directory(
    data: bytes,
    *,
    shift: int = 12,
    hash_type: int = 2,
    flags: int = 2,
    limit: int | None = None,
    version: int = 0x20400,
) -> bytes:
    """A code directory over what lies before the signature."""
    name, kept = {1: ("sha1", 20), 2: ("sha256", 32), 3: ("sha256", 20), 4: ("sha384", 48)}[hash_type]
    limit = place(data) if limit is None else limit
    size = 1 << shift
    pages = [data[i : min(i + size, limit)] for i in range(0, limit, size)]
    hashes = b"".join(hashlib.new(name, p, usedforsecurity=False).digest()[:kept] for p in pages)
    ident = b"x\0".ljust(24, b"\0")
    hash_at = 88 + len(ident)
    head = struct.pack(
        ">9I4BIIIIQQQQ", 0xFADE0C02, hash_at + len(hashes), version, flags, hash_at, 88, 0, len(pages), limit,
        kept, hash_type, 0, shift, 0, 0, 0, 0, 0, 0, 0, 1,
    )  # fmt: skip
    return head + ident + hashes


def blob(magic: int, content: bytes) -> bytes:
    return struct.pack(">II", magic, 8 + len(content)) + content


def superblob(parts: Sequence[tuple[int, bytes]]) -> bytes:
    at = 12 + 8 * len(parts)
    index = content = b""
    for slot, part in parts:
        index += struct.pack(">II", slot, at + len(content))
        content += part
    return struct.pack(">III", 0xFADE0CC0, at + len(content), len(parts)) + index + content


def resigned(data: bytes, signature: bytes) -> bytes:
    """The file with another signature in the room of the old one; LC_CODE_SIGNATURE and __LINKEDIT stay.

    Hashes must be of a file whose load commands stay as they are, so the new signature may not be longer.
    """
    start = place(data)
    room = len(data) - start
    assert len(signature) <= room, (len(signature), room)
    return data[:start] + signature.ljust(room, b"\0")


def repaged(data: bytes, shift: int) -> bytes:
    return resigned(data, superblob([(0, directory(data, shift=shift))]))


def sealed(data: bytes) -> bytes:
    """Sign a file again whose load commands were edited."""
    return repaged(data, 12)
