"""An embedded signature as bytes: taken apart, and put together again.

All numbers are big-endian. Fields and numbers are those of xnu ``osfmk/kern/cs_blobs.h``; the order of blobs and what
each signer writes where were learned from the signatures of released files, see docs/fix.md.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from typing import Final

from machochain.model.signature import HASHES, digest
from machochain.model.value import evolve, field, frozen
from machochain.repair.obstacle import ObstacleKind, refuse

MAGIC_EMBEDDED: Final = 0xFADE0CC0
MAGIC_DIRECTORY: Final = 0xFADE0C02
MAGIC_CMS: Final = 0xFADE0B01

SLOT_INFO_PLIST: Final = 1
SLOT_REQUIREMENTS: Final = 2
SLOT_RESOURCES: Final = 3
SLOT_ENTITLEMENTS: Final = 5
SLOT_DER_ENTITLEMENTS: Final = 7
SLOTS_CONSTRAINTS: Final = range(8, 12)
SLOT_ALTERNATE: Final = 0x1000
SLOT_CMS: Final = 0x10000

EMPTY_REQUIREMENTS: Final = bytes.fromhex("fade0c01 0000000c 00000000")
EMPTY_CMS: Final = bytes.fromhex("fade0b01 00000008")

SHA1: Final = 1
SHA256: Final = 2
_HEAD: Final = 12
_MOST_BLOBS: Final = 64
_HEAD_SIZES: Final = {0x20100: 48, 0x20200: 52, 0x20300: 64, 0x20400: 88, 0x20500: 96}


@frozen
class CodeDirectory:
    """One code directory.

    Attributes:
        version: Of its layout, from 0x20100 to 0x20500.
        flags: As the kernel reads them.
        identifier: The signing identifier.
        team: The team, if one is recorded.
        hash_type: 1 for SHA-1, 2 for SHA-256.
        page_shift: Logarithm of the bytes one hash covers; 0 if one covers all.
        limit: Bytes of the slice that are covered.
        special: Hash of each special slot by its number, zeros for those that are absent but counted.
        special_count: How many special slots are counted.
        pages: Hash of each page.
        platform: Not 0 for code of Apple's own.
        exec_limit: Where the main executable's segment ends, as recorded.
        exec_flags: 1 for a main executable, and what its entitlements ask for.
        runtime: Packed version of the hardened runtime.
        padding: Zeros behind the identifier, as lld writes them.
        whole: The blob it was read from.
    """

    version: int
    flags: int
    identifier: bytes
    team: bytes | None
    hash_type: int
    page_shift: int
    limit: int
    special: Mapping[int, bytes]
    special_count: int
    pages: tuple[bytes, ...]
    platform: int = 0
    exec_limit: int = 0
    exec_flags: int = 0
    runtime: int = 0
    padding: int = 0
    whole: bytes = field(default=b"", repr=False)

    @property
    def hash_size(self) -> int:
        """Bytes of one hash."""
        return HASHES[self.hash_type][1]

    @property
    def hash_offset(self) -> int:
        """Where the hash of the first page stands."""
        texts = len(self.identifier) + 1 + self.padding + (len(self.team) + 1 if self.team is not None else 0)
        return _HEAD_SIZES[self.version] + texts + self.special_count * self.hash_size

    @property
    def size(self) -> int:
        """Bytes of the blob."""
        return self.hash_offset + count_pages(self.limit, self.page_shift) * self.hash_size

    def build(self) -> bytes:
        """Return the blob."""
        size = _HEAD_SIZES[self.version]
        team_at = size + len(self.identifier) + 1 + self.padding if self.team is not None else 0
        head = struct.pack(
            ">9I4BI", MAGIC_DIRECTORY, self.size, self.version, self.flags, self.hash_offset, size,
            self.special_count, len(self.pages), self.limit, self.hash_size, self.hash_type, self.platform,
            self.page_shift, 0,
        )  # fmt: skip
        head += struct.pack(">I", 0)  # scatterOffset
        head += struct.pack(">I", team_at) if self.version >= 0x20200 else b""
        head += struct.pack(">IQ", 0, 0) if self.version >= 0x20300 else b""
        head += struct.pack(">3Q", 0, self.exec_limit, self.exec_flags) if self.version >= 0x20400 else b""
        head += struct.pack(">2I", self.runtime, 0) if self.version >= 0x20500 else b""
        texts = self.identifier + bytes(1 + self.padding) + (self.team + b"\0" if self.team is not None else b"")
        empty = bytes(self.hash_size)
        special = b"".join(self.special.get(k, empty) for k in range(self.special_count, 0, -1))
        return head + texts + special + b"".join(self.pages)


def count_pages(limit: int, shift: int) -> int:
    """Return how many hashes cover ``limit`` bytes."""
    return -(-limit >> shift) if shift else 1


def hash_pages(data: bytes | memoryview, hash_type: int, shift: int) -> tuple[bytes, ...]:
    """Return the hash of each page; the last one covers the rest only."""
    step = 1 << shift if shift else max(1, len(data))
    view = memoryview(data)
    return tuple(digest(hash_type, (bytes(view[at : at + step]),)) for at in range(0, len(view), step))


def read_directory(blob: bytes) -> CodeDirectory:
    """Take a code directory apart.

    Raises:
        RepairError: It is malformed, or has what is never made anew: a scatter vector, an encrypted part, a hash
            nobody uses any more, a layout that is not known.
    """
    if len(blob) < 48 or struct.unpack_from(">I", blob)[0] != MAGIC_DIRECTORY:
        raise refuse(ObstacleKind.UNUSUAL_SIGNATURE, "no code directory")
    version, flags, hash_at, ident_at, special, count, limit = struct.unpack_from(">7I", blob, 8)
    hash_size, hash_type, platform, shift = struct.unpack_from("4B", blob, 36)
    if hash_type not in (SHA1, SHA256) or hash_size != HASHES[hash_type][1]:
        raise refuse(ObstacleKind.UNUSUAL_SIGNATURE, f"hash type {hash_type}")
    size = _HEAD_SIZES.get(version)
    if size is None or len(blob) < size:
        raise refuse(ObstacleKind.UNUSUAL_SIGNATURE, f"layout {version:#x} of its code directory")
    if struct.unpack_from(">I", blob, 44)[0]:
        raise refuse(ObstacleKind.UNUSUAL_SIGNATURE, "scattered code")
    if version >= 0x20300 and struct.unpack_from(">Q", blob, 56)[0]:
        raise refuse(ObstacleKind.UNUSUAL_SIGNATURE, "more than 4 GiB of code")
    runtime = encrypted = 0
    if version >= 0x20500:
        runtime, encrypted = struct.unpack_from(">2I", blob, 88)
    if encrypted:
        raise refuse(ObstacleKind.UNUSUAL_SIGNATURE, "an encrypted part")
    if shift > 31 or not size <= ident_at < len(blob) or hash_at + count * hash_size > len(blob):
        raise refuse(ObstacleKind.UNUSUAL_SIGNATURE, "a malformed code directory")
    if special > _MOST_BLOBS or hash_at < ident_at + special * hash_size:
        raise refuse(ObstacleKind.UNUSUAL_SIGNATURE, "a malformed code directory")
    (team_at,) = struct.unpack_from(">I", blob, 48) if version >= 0x20200 else (0,)
    identifier = _text(blob, ident_at)
    team = _text(blob, team_at) if team_at else None
    exec_limit, exec_flags = struct.unpack_from(">2Q", blob, 72) if version >= 0x20400 else (0, 0)
    found = CodeDirectory(
        version, flags, identifier, team, hash_type, shift, limit,
        {k: blob[hash_at - k * hash_size : hash_at - (k - 1) * hash_size] for k in range(1, special + 1)},
        special,
        tuple(blob[at : at + hash_size] for at in range(hash_at, hash_at + count * hash_size, hash_size)),
        platform, exec_limit, exec_flags, runtime, whole=blob,
    )  # fmt: skip
    padding = hash_at - found.hash_offset
    return evolve(found, padding=padding) if padding > 0 and team is None else found


def _text(blob: bytes, at: int) -> bytes:
    end = blob.find(b"\0", at)
    if at >= len(blob) or end < 0:
        raise refuse(ObstacleKind.UNUSUAL_SIGNATURE, "a text outside of its code directory")
    return blob[at:end]


@frozen
class SuperBlob:
    """A whole signature.

    Attributes:
        blobs: Slot and bytes of each blob, in the order of the index.
        first: Where the first blob begins.
    """

    blobs: tuple[tuple[int, bytes], ...]
    first: int

    @property
    def directories(self) -> tuple[tuple[int, CodeDirectory], ...]:
        """Slot and contents of each code directory.

        Raises:
            RepairError: One of them cannot be read.
        """
        found = [
            (slot, read_directory(blob))
            for slot, blob in self.blobs
            if slot == 0 or SLOT_ALTERNATE <= slot < SLOT_ALTERNATE + 5
        ]
        if not found:
            raise refuse(ObstacleKind.UNUSUAL_SIGNATURE, "no code directory")
        return tuple(found)

    @property
    def best(self) -> CodeDirectory:
        """The directory the kernel goes by: the one with the best hash."""
        return max((d for _, d in self.directories), key=lambda d: d.hash_type)

    def blob(self, slot: int) -> bytes | None:
        """Return the blob of a slot."""
        return next((data for each, data in self.blobs if each == slot), None)

    @property
    def cms(self) -> bytes | None:
        """The CMS blob, if it holds more than its head."""
        found = self.blob(SLOT_CMS)
        return found if found is not None and len(found) > len(EMPTY_CMS) else None

    def build(self) -> bytes:
        """Return the bytes: the index, then the blobs in its order, one behind the other."""
        at = self.first
        index = []
        for slot, data in self.blobs:
            index.append(struct.pack(">II", slot, at))
            at += len(data)
        head = struct.pack(">3I", MAGIC_EMBEDDED, at, len(self.blobs)) + b"".join(index)
        return head + bytes(self.first - len(head)) + b"".join(data for _, data in self.blobs)


def read_superblob(data: bytes) -> SuperBlob:
    """Take a signature apart.

    Raises:
        RepairError: It is malformed.
    """
    if len(data) < _HEAD or struct.unpack_from(">I", data)[0] != MAGIC_EMBEDDED:
        raise refuse(ObstacleKind.UNUSUAL_SIGNATURE, "not a superblob")
    length, count = struct.unpack_from(">II", data, 4)
    if length > len(data) or count > _MOST_BLOBS or _HEAD + 8 * count > length:
        raise refuse(ObstacleKind.UNUSUAL_SIGNATURE, "a malformed superblob")
    blobs = []
    places = []
    for slot, at in struct.iter_unpack(">II", data[_HEAD : _HEAD + 8 * count]):
        size = struct.unpack_from(">I", data, at + 4)[0] if at + 8 <= length else 0
        if size < 8 or at + size > length:
            raise refuse(ObstacleKind.UNUSUAL_SIGNATURE, "a malformed superblob")
        places.append(at)
        blobs.append((slot, data[at : at + size]))
    return SuperBlob(tuple(blobs), min(places, default=_HEAD))


@frozen
class Identity:
    """What a signature says besides its hashes: what is kept when it is made anew.

    Attributes:
        directories: Slot of each code directory, and the directory whose fields count; its hashes do not.
        blobs: The other blobs by slot: requirements, entitlements, CMS.
        first: Where the first blob begins.
        reserved: Bytes LC_CODE_SIGNATURE gives to it.
    """

    directories: tuple[tuple[int, CodeDirectory], ...]
    blobs: tuple[tuple[int, bytes], ...] = ()
    first: int | None = None
    reserved: int = 0

    def with_limit(self, limit: int) -> Identity:
        """Return it for code of another length."""
        return evolve(self, directories=tuple((slot, evolve(d, limit=limit)) for slot, d in self.directories))

    @property
    def size(self) -> int:
        """Bytes of the superblob."""
        count = len(self.directories) + len(self.blobs)
        first = self.first if self.first is not None else _HEAD + 8 * count
        return first + sum(d.size for _, d in self.directories) + sum(len(data) for _, data in self.blobs)


def identity_of(signature: SuperBlob, reserved: int = 0) -> Identity:
    """Return what is to be kept of a signature."""
    directories = signature.directories
    slots = {slot for slot, _ in directories}
    rest = tuple((slot, data) for slot, data in signature.blobs if slot not in slots)
    natural = _HEAD + 8 * len(signature.blobs)
    return Identity(directories, rest, signature.first if signature.first != natural else None, reserved)


def sign_bytes(identity: Identity, code: bytes | memoryview, sealed: Mapping[int, bytes] | None = None) -> bytes:
    """Return the superblob over some code.

    Args:
        identity: What it says besides the hashes.
        code: The slice up to the signature.
        sealed: What special slots cover that lies outside of the signature: 1 for an Info.plist, 3 for
            CodeResources. A slot that is counted and not given keeps the hash it had.
    """
    covered = dict(sealed or {})
    covered |= {slot: data for slot, data in identity.blobs if slot < SLOT_ALTERNATE}
    made: dict[int, bytes] = dict(identity.blobs)
    pages: dict[tuple[int, int], tuple[bytes, ...]] = {}
    for slot, directory in identity.directories:
        key = directory.hash_type, directory.page_shift
        if key not in pages:
            pages[key] = hash_pages(code, *key)
        special = dict(directory.special)
        special |= {k: digest(key[0], (data,)) for k, data in covered.items()}
        count = max([directory.special_count, *covered]) if covered else directory.special_count
        made[slot] = evolve(directory, limit=len(code), pages=pages[key], special=special, special_count=count).build()
    blobs = tuple(sorted(made.items()))
    first = identity.first if identity.first is not None else _HEAD + 8 * len(blobs)
    return SuperBlob(blobs, first).build()


def cdhash(directory: bytes, hash_type: int = SHA256) -> bytes:
    """Return the hash by which the kernel knows a code directory."""
    return digest(hash_type, (directory,))[:20]


def fresh_identity(
    identifier: bytes, *, executable: bool, exec_limit: int, others: Iterable[tuple[int, bytes]] = ()
) -> Identity:
    """Return an ad hoc identity for what was never signed, as ``codesign -s -`` gives it.

    Args:
        identifier: The signing identifier.
        executable: Whether it is a main executable.
        exec_limit: Bytes of its ``__TEXT`` in the file.
        others: Further blobs by slot.
    """
    directory = CodeDirectory(
        version=0x20400,
        flags=0x2,
        identifier=identifier,
        team=None,
        hash_type=SHA256,
        page_shift=12,
        limit=0,
        special={},
        special_count=2,
        pages=(),
        exec_limit=exec_limit,
        exec_flags=1 if executable else 0,
    )
    return Identity(((0, directory),), ((SLOT_REQUIREMENTS, EMPTY_REQUIREMENTS), *others, (SLOT_CMS, EMPTY_CMS)))
