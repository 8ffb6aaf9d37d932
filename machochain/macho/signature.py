"""The embedded code signature: a superblob of big-endian blobs (xnu ``osfmk/kern/cs_blobs.h``)."""

from __future__ import annotations

import importlib
import struct
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import partial
from typing import Any, Final

from machochain.macho.constants import LC_CODE_SIGNATURE
from machochain.macho.symtab import read_table
from machochain.model.image import Image
from machochain.model.reading import ReadAt
from machochain.model.signature import HASHES, Signature, SignatureKind, digest
from machochain.model.symbols import TableDefect
from machochain.model.value import evolve, frozen

MAGIC_EMBEDDED: Final = 0xFADE0CC0
MAGIC_CODE_DIRECTORY: Final = 0xFADE0C02
MAGIC_ENTITLEMENTS: Final = 0xFADE7171
MAGIC_DER_ENTITLEMENTS: Final = 0xFADE7172
MAGIC_CMS: Final = 0xFADE0B01

_SLOT_ENTITLEMENTS: Final = 5
_SLOT_DER_ENTITLEMENTS: Final = 7
_SLOT_ALTERNATES: Final = range(0x1000, 0x1005)
_SLOT_CMS: Final = 0x10000

_MAX_BLOBS: Final = 64
"""codesign writes about ten; more would only cost time."""
_MAX_DEPTH: Final = 32
_INTEGER: Final = 8
"""Bytes of an integer: libCoreEntitlements has none that are wider."""
_CHUNK: Final = 1 << 20


class _Bad(Exception):  # noqa: N818 - control flow inside this module, never seen outside
    """A blob that cannot be read."""


@frozen
class _Blob:
    slot: int
    magic: int
    offset: int
    data: bytes
    """The whole blob, magic and length included."""


def read_signature(image: Image, read: ReadAt) -> Signature:
    """Read the signature LC_CODE_SIGNATURE points at.

    Args:
        image: The header.
        read: Bytes of the slice, offsets from its start.

    Returns:
        What it says; ``SignatureKind.NONE`` without the command or without a readable code directory.
    """
    place = image.linkedit.code_signature
    if place is None or not any(command.cmd == LC_CODE_SIGNATURE for command in image.commands):
        return Signature()
    data, defect = read_table(read, *place, "code signature")
    found = parse_signature(data, place[0])
    return evolve(found, defects=(defect, *found.defects)) if defect else found


def parse_signature(data: bytes, offset: int = 0) -> Signature:
    """Parse a superblob.

    Args:
        data: It, possibly padded.
        offset: Where it lies; only for the offsets in ``defects``.
    """
    defects: list[TableDefect] = []
    blobs: dict[int, _Blob] = {}
    for blob in _blobs(data, defects):
        blobs.setdefault(blob.slot, blob)
    signature = _best_directory([blobs[s] for s in (0, *_SLOT_ALTERNATES) if s in blobs], defects)
    if signature is None:
        defects.append(TableDefect("code signature without a code directory", 0))
        signature = Signature()
    else:
        cms = blobs.get(_SLOT_CMS)
        signed = cms is not None and cms.magic == MAGIC_CMS and len(cms.data) > 8
        signature = evolve(
            signature,
            kind=SignatureKind.SIGNED if signed else SignatureKind.AD_HOC,
            entitlements=_entitlements(blobs, defects),
        )
    return evolve(signature, defects=tuple(TableDefect(d.text, offset + d.offset) for d in defects))


def _blobs(data: bytes, defects: list[TableDefect]) -> Iterator[_Blob]:
    if len(data) < 12:
        defects.append(TableDefect("code signature too small", 0))
        return
    magic, length, count = struct.unpack_from(">3I", data)
    if magic == MAGIC_CODE_DIRECTORY and 12 <= length <= len(data):
        # a code directory without a superblob around it: the kernel takes it (cs_validate_csblob)
        yield _Blob(0, magic, 0, data[:length])
        return
    if magic != MAGIC_EMBEDDED:
        defects.append(TableDefect(f"code signature has wrong magic 0x{magic:08X}", 0))
        return
    if length > len(data) or 12 + 8 * count > length:
        defects.append(TableDefect("code signature extends beyond its space", 4))
    if count > _MAX_BLOBS:
        defects.append(TableDefect(f"code signature has {count} blobs", 8))
    for slot, at in struct.iter_unpack(">II", data[12 : 12 + 8 * min(count, _MAX_BLOBS, (len(data) - 12) // 8)]):
        if at + 8 > len(data):
            defects.append(TableDefect(f"signature blob {slot:#x} lies outside", at))
            continue
        blob_magic, blob_length = struct.unpack_from(">II", data, at)
        if blob_length < 8 or at + blob_length > len(data):
            defects.append(TableDefect(f"signature blob {slot:#x} has a bad length {blob_length}", at))
            continue
        yield _Blob(slot, blob_magic, at, data[at : at + blob_length])


def _best_directory(blobs: list[_Blob], defects: list[TableDefect]) -> Signature | None:
    """Take the directory with the best hash, as the kernel does; of two equals the first."""
    ranks = list(HASHES)
    best: Signature | None = None
    for blob in blobs:
        try:
            found = _directory(blob)
        except _Bad as error:
            defects.append(TableDefect(str(error), blob.offset))
            continue
        if best is None or ranks.index(found.hash_type) > ranks.index(best.hash_type):
            best = found
        elif found.hash_type == best.hash_type:
            text = f"two code directories with hash type {found.hash_type}: the kernel takes neither"
            defects.append(TableDefect(text, blob.offset))
    return best


def _directory(blob: _Blob) -> Signature:
    data = blob.data
    if blob.magic != MAGIC_CODE_DIRECTORY:
        raise _Bad(f"code directory has wrong magic 0x{blob.magic:08X}")
    if len(data) < 44:
        raise _Bad("code directory too small")
    version, flags, hash_at, ident_at, _, pages, limit = struct.unpack_from(">7I", data, 8)
    hash_size, hash_type, _, page_shift = struct.unpack_from("4B", data, 36)
    if hash_type not in HASHES:
        raise _Bad(f"code directory has unknown hash type {hash_type}")
    if hash_size != HASHES[hash_type][1]:
        raise _Bad(f"code directory has hash size {hash_size} for hash type {hash_type}")
    if hash_at + pages * hash_size > len(data):
        raise _Bad("code directory's hashes extend beyond it")
    if page_shift > 31:
        raise _Bad(f"code directory has page size 2^{page_shift}")
    team = runtime = None
    if version >= 0x20200 and len(data) >= 52:
        (team_at,) = struct.unpack_from(">I", data, 48)
        team = _text(data, team_at) if team_at else None
    if version >= 0x20300 and len(data) >= 64:
        limit = struct.unpack_from(">Q", data, 56)[0] or limit
    if version >= 0x20500 and len(data) >= 96:
        runtime = struct.unpack_from(">I", data, 88)[0] or None
    return Signature(
        flags=flags,
        identifier=_text(data, ident_at),
        team_id=team,
        version=version,
        hash_type=hash_type,
        page_size=1 << page_shift if page_shift else 0,
        code_limit=limit,
        page_hashes=data[hash_at : hash_at + pages * hash_size],
        hash_size=hash_size,
        code_directory=data,
        runtime=runtime,
    )


def _text(data: bytes, at: int) -> str:
    end = data.find(b"\0", at)
    if at >= len(data) or end < 0:
        raise _Bad("code directory has a text outside of it")
    return data[at:end].decode("utf-8", "surrogateescape")


# ---------------------------------------------------------------------------------------------------------------------
# Pages


def verify_pages(read: ReadAt, signature: Signature, end: int | None = None) -> int | None:
    """Hash the slice and compare with the signature's pages.

    The whole signed part is read, one mebibyte at a time (a page at a time where pages are larger).

    Args:
        read: Bytes of the slice, offsets from its start.
        signature: What ``read_signature`` gave, of a kind other than ``NONE``.
        end: Only the pages before this byte, if given; then one hash over everything (page size 0) is not looked at.

    Returns:
        Index of the first page that does not match or is not there; None if all match.
    """
    size, limit = signature.page_size, signature.code_limit
    hash_size, slots = signature.hash_size, signature.page_hashes
    if not hash_size:
        return None
    count = len(slots) // hash_size

    if not size:
        return _verify_whole(read, signature) if end is None else None
    if count != -(-limit // size):
        index = min(count, limit // size)
        if end is None or index * size < end:
            return index
    limit = limit if end is None else min(limit, -(-end // size) * size)
    made, kept = _hasher(signature.hash_type, few=limit <= _CHUNK)
    step = max(_CHUNK, size)
    for base in range(0, limit, step):
        wanted, first = min(step, limit - base), base // size
        chunk = memoryview(read(base, wanted))
        found = b"".join([made(chunk[at : at + size]).digest()[:kept] for at in range(0, len(chunk), size)])
        expected = slots[first * hash_size : (first - (-wanted // size)) * hash_size]
        if found != expected or len(chunk) < wanted:
            at = first + _first_difference(found, expected, hash_size)
            return min(at, (base + len(chunk)) // size) if len(chunk) < wanted else at
    return None


def _first_difference(found: bytes, expected: bytes, size: int) -> int:
    """Return the number of the first hash that differs, or where the shorter table ends."""
    end = min(len(found), len(expected))
    return next(
        (at // size for at in range(0, end, size) if found[at : at + size] != expected[at : at + size]), end // size
    )


def _hasher(hash_type: int, *, few: bool) -> tuple[Callable[[memoryview], Any], int]:
    """Return how to hash a page, and how many bytes of it count; for a few pages without OpenSSL, if Python can."""
    name, kept = HASHES[hash_type]
    if few and "hashlib" not in sys.modules:
        # OpenSSL takes longer to load than some pages take to hash.
        for module in ("_sha2", f"_{name}", "_sha512"):
            with suppress(ImportError, AttributeError):
                return getattr(importlib.import_module(module), name), kept
    return partial(getattr(importlib.import_module("hashlib"), name), usedforsecurity=False), kept


def _verify_whole(read: ReadAt, signature: Signature) -> int | None:
    """Page size 0: one hash over everything."""

    def chunks() -> Iterator[bytes]:
        for base in range(0, signature.code_limit, _CHUNK):
            chunk = read(base, min(_CHUNK, signature.code_limit - base))
            if not chunk:
                return
            yield chunk

    return None if digest(signature.hash_type, chunks()) == signature.page_hashes else 0


# ---------------------------------------------------------------------------------------------------------------------
# Entitlements


def _entitlements(blobs: Mapping[int, _Blob], defects: list[TableDefect]) -> dict[str, Any]:
    """Read the XML form; the DER form only where there is no XML that can be read."""
    for slot, parse in ((_SLOT_ENTITLEMENTS, _from_xml), (_SLOT_DER_ENTITLEMENTS, _from_der)):
        blob = blobs.get(slot)
        if blob is None:
            continue
        try:
            return parse(blob)
        except _Bad as error:
            defects.append(TableDefect(str(error), blob.offset))
    return {}


def _content(blob: _Blob, magic: int) -> bytes:
    if blob.magic != magic:
        raise _Bad(f"entitlements have wrong magic 0x{blob.magic:08X}")
    return blob.data[8:]


def _from_xml(blob: _Blob) -> dict[str, Any]:
    data = _content(blob, MAGIC_ENTITLEMENTS)
    if not data.strip(b"\0 \t\r\n"):
        return {}
    import plistlib  # noqa: PLC0415  # most binaries have no entitlements
    from xml.parsers.expat import ExpatError  # noqa: PLC0415

    try:
        found = plistlib.loads(data.rstrip(b"\0"), fmt=plistlib.FMT_XML)
    except (ValueError, TypeError, LookupError, AttributeError, OverflowError, ExpatError) as error:
        raise _Bad(f"entitlements are not a property list: {error}") from None
    if not isinstance(found, dict):
        raise _Bad("entitlements are not a dictionary")
    _check_depth(found)
    return {str(key): value for key, value in found.items()}


def _check_depth(found: dict[str, Any]) -> None:
    """Refuse what is nested so deep that nobody could walk it: plistlib reads any depth."""
    level: list[Any] = [found]
    for _ in range(_MAX_DEPTH + 1):
        level = [
            value
            for item in level
            for value in (item.values() if isinstance(item, dict) else item)
            if isinstance(value, dict | list)
        ]
        if not level:
            return
    raise _Bad("entitlements are nested too deeply")


def _from_der(blob: _Blob) -> dict[str, Any]:
    """Read ``[APPLICATION 16] { INTEGER 1, [16] { SEQUENCE { UTF8String key, value } … } }`` (libCoreEntitlements)."""
    tag, content, _ = _element(_content(blob, MAGIC_DER_ENTITLEMENTS), 0)
    if tag != 0x70:
        raise _Bad(f"entitlements have DER tag 0x{tag:02X}")
    for tag, inner in _elements(content):
        if tag == 0xB0:
            return _der_pairs(inner, 0)
    raise _Bad("entitlements hold no dictionary")


def _der_pairs(data: bytes, depth: int) -> dict[str, Any]:
    out = {}
    for tag, pair in _elements(data):
        parts = list(_elements(pair))
        if tag != 0x30 or len(parts) != 2 or parts[0][0] != 0x0C:
            raise _Bad("entitlements hold a pair that is none")
        out[parts[0][1].decode("utf-8", "surrogateescape")] = _der_value(*parts[1], depth + 1)
    return out


def _der_value(tag: int, content: bytes, depth: int) -> Any:
    if depth > _MAX_DEPTH:
        raise _Bad("entitlements are nested too deeply")
    if tag == 0x01:
        return content != b"\0"
    if tag == 0x02:
        if len(content) > _INTEGER:
            raise _Bad("entitlements hold an integer of more than 64 bits")
        return int.from_bytes(content, "big", signed=True)
    if tag == 0x0C:
        return content.decode("utf-8", "surrogateescape")
    if tag == 0x30:
        return [_der_value(*item, depth + 1) for item in _elements(content)]
    if tag == 0xB0:
        return _der_pairs(content, depth)
    return content


def _elements(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at < len(data):
        tag, content, at = _element(data, at)
        yield tag, content


def _element(data: bytes, at: int) -> tuple[int, bytes, int]:
    """Return (tag, content, offset behind it)."""
    if at + 2 > len(data):
        raise _Bad("entitlements are cut off")
    tag, length = data[at], data[at + 1]
    at += 2
    if length >= 0x80:
        width = length & 0x7F
        length = int.from_bytes(data[at : at + width], "big")
        at += width
    if at + length > len(data):
        raise _Bad("entitlements are cut off")
    return tag, data[at : at + length], at + length
