"""Whether the kernel takes a signature at all (xnu ``bsd/kern/ubc_subr.c``, ``cs_validate_csblob``).

One bad blob spoils the whole signature. On macOS that alone does not fail the load: the program goes on as an unsigned
one (``load_code_signature``; ``cs_process_global_enforcement()`` is false there).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final

from machochain.kernel.releases import EXACT_HASH_PAGES, LIBRARY_CONSTRAINT
from machochain.model.execution import ExecRule
from machochain.model.value import frozen
from machochain.model.version import Version

SUPERBLOB: Final = 0xFADE0CC0
CODE_DIRECTORY: Final = 0xFADE0C02
ENTITLEMENTS: Final = 0xFADE7171
DER_ENTITLEMENTS: Final = 0xFADE7172
CONSTRAINT: Final = 0xFADE8181
CMS: Final = 0xFADE0B01

SELF_CONSTRAINT: Final = 8
SLOT_CMS: Final = 0x10000

_HASH_SIZES: Final = {1: 20, 2: 32, 3: 20, 4: 48}
_RANKS: Final = {1: 1, 3: 2, 2: 3, 4: 4}
"""``hashPriorities``: SHA-1, SHA-256 cut to 20 bytes, SHA-256, SHA-384."""
_ONLY_ONE: Final = {
    5: (ENTITLEMENTS, "entitlements"),
    7: (DER_ENTITLEMENTS, "DER entitlements"),
    8: (CONSTRAINT, "self constraint"),
    9: (CONSTRAINT, "parent constraint"),
    10: (CONSTRAINT, "responsible-process constraint"),
    11: (CONSTRAINT, "library constraint"),
}
_MOST_BLOBS: Final = 256
"""codesign writes about ten. The kernel has no limit, but nobody waits for a signature made of a million."""
_LONGEST_TEXT: Final = 4096
_DIRECTORY_SIZE: Final = 108
"""``sizeof(CS_CodeDirectory)`` with everything up to version 0x20600: a shorter one is refused whatever its version."""


@frozen
class BadBlob:
    """Why a signature counts for nothing."""

    rule: ExecRule
    why: str
    since: Version | None = None


@frozen
class Directory:
    """What the kernel takes from the best code directory.

    Attributes:
        flags: Flags the file may set.
        hash_type: 1 SHA-1, 2 SHA-256, 3 SHA-256 cut, 4 SHA-384.
        hash_size: Bytes of a hash.
        page_shift: log2 of the bytes a page hash covers.
        code_limit: Bytes that are covered. The kernel does not look at ``codeLimit64``.
        hashes: The page hashes, one after the other.
        team: The team identifier, or None.
        slots: The slots of the signature that are there.
    """

    flags: int
    hash_type: int
    hash_size: int
    page_shift: int
    code_limit: int
    hashes: memoryview | bytes
    team: bytes | None
    slots: frozenset[int]


def validate(data: bytes, macos: Version, page_shift: int) -> Directory | BadBlob:
    """Return the directory that counts, or why there is none.

    Args:
        data: What LC_CODE_SIGNATURE points at.
        macos: The release.
        page_shift: log2 of the kernel's page: 14 on Apple silicon, 12 on Intel.
    """
    view = memoryview(data)
    magic, length = _blob(view)
    if length is None:
        return BadBlob(ExecRule.SIGNATURE_BLOB, "the signature is longer than its space")
    view = view[:length]
    if magic == CODE_DIRECTORY:
        return _directory(view, macos, page_shift, frozenset({0}))
    if magic != SUPERBLOB:
        return BadBlob(ExecRule.SIGNATURE_BLOB, f"the signature has the wrong magic {magic:#010x}")
    if length < 12 or (length - 12) // 8 < int.from_bytes(view[8:12], "big"):
        return BadBlob(ExecRule.SIGNATURE_BLOB, "the index of the signature does not fit it")
    return _superblob(view, macos, page_shift)


def _blob(view: memoryview) -> tuple[int, int | None]:
    """Return magic and length; no length where the blob does not fit (``cs_validate_blob``)."""
    if len(view) < 8:
        return 0, None
    magic, length = struct.unpack_from(">II", view)
    return magic, length if length <= len(view) else None


def _superblob(view: memoryview, macos: Version, page_shift: int) -> Directory | BadBlob:
    count = int.from_bytes(view[8:12], "big")
    if count > _MOST_BLOBS:
        return BadBlob(ExecRule.SIGNATURE_BLOB, f"the signature has {count} blobs, which nobody looked at")
    best: Directory | None = None
    best_rank = 0
    seen: set[int] = set()
    index = list(struct.iter_unpack(">II", view[12 : 12 + 8 * count]))
    slots = frozenset(slot for slot, _ in index)
    for slot, offset in index:
        magic, length = _blob(view[offset:]) if offset <= len(view) else (0, None)
        if length is None:
            return BadBlob(ExecRule.SIGNATURE_BLOB, f"blob {slot:#x} of the signature lies outside of it")
        if slot == 0 or 0x1000 <= slot < 0x1005:
            found = _directory(view[offset : offset + length], macos, page_shift, slots)
            if isinstance(found, BadBlob):
                return found
            rank = _RANKS[found.hash_type]
            if rank > best_rank:
                best, best_rank = found, rank
            elif rank == best_rank:
                # one below the best may stand there twice: the kernel compares with the best only
                why = f"two code directories with hash type {found.hash_type}"
                return BadBlob(ExecRule.TWO_CODE_DIRECTORIES, why)
        elif slot in _ONLY_ONE and (slot != 11 or macos >= LIBRARY_CONSTRAINT):
            wanted, name = _ONLY_ONE[slot]
            since = LIBRARY_CONSTRAINT if slot == 11 else None
            if magic != wanted:
                return BadBlob(ExecRule.SIGNATURE_BLOB, f"the {name} have the wrong magic {magic:#010x}", since)
            if slot in seen:
                return BadBlob(ExecRule.SIGNATURE_BLOB, f"the {name} are there twice", since)
            seen.add(slot)
    if best is None:
        return BadBlob(ExecRule.SIGNATURE_BLOB, "the signature has no code directory")
    return best


def _directory(view: memoryview, macos: Version, page_shift: int, slots: frozenset[int]) -> Directory | BadBlob:  # noqa: C901, PLR0911  # the order of its steps is the rule
    """``cs_validate_codedirectory``, in its order."""
    size = len(view)

    def bad(why: str) -> BadBlob:
        return BadBlob(ExecRule.CODE_DIRECTORY, f"the code directory of the signature {why}")

    if size < _DIRECTORY_SIZE:
        return bad("is too short")
    (magic,) = struct.unpack_from(">I", view)
    if magic != CODE_DIRECTORY:
        return bad(f"has the wrong magic {magic:#010x}")
    version, flags, hash_at, ident_at, special, pages, limit = struct.unpack_from(">7I", view, 8)
    hash_size, hash_type, _, shift = struct.unpack_from("4B", view, 36)
    exact = macos >= EXACT_HASH_PAGES
    if shift not in {12, page_shift} if exact else not 12 <= shift <= page_shift:
        since = EXACT_HASH_PAGES if 12 <= shift <= page_shift else None
        why = f"the signature hashes pages of 2^{shift} bytes, which this kernel does not take"
        return BadBlob(ExecRule.SIGNATURE_PAGE_SIZE, why, since)
    if hash_type not in _HASH_SIZES:
        return bad(f"has an unknown hash type {hash_type}")
    if hash_size != _HASH_SIZES[hash_type]:
        return bad(f"has hashes of {hash_size} bytes for hash type {hash_type}")
    if size < hash_at or hash_at // hash_size < special or (size - hash_at) // hash_size < pages:
        return bad("has hashes outside of it")
    if version >= 0x20100 and not _scatter_fits(view):
        return bad("has a scatter table outside of it")
    if _string(view, ident_at) is None:
        return bad("has an identifier that does not end")
    team = b""
    if version >= 0x20200:
        found = _string(view, int.from_bytes(view[48:52], "big"))
        if found is None:
            return bad("has a team identifier that does not end")
        team = found
    if version >= 0x20600 and view[96]:
        at, length = struct.unpack_from(">II", view, 100)
        if at + length > size:
            return bad("has its linkage outside of it")
    hashes = view[hash_at : hash_at + pages * hash_size]
    return Directory(flags, hash_type, hash_size, shift, limit, hashes, team or None, slots)


def _string(view: memoryview, at: int) -> bytes | None:
    """Return a text of a directory, empty where there is none; None where it leaves the directory."""
    if not at:
        return b""
    if at > len(view):
        return None
    found, end, _ = bytes(view[at : at + _LONGEST_TEXT]).partition(b"\0")
    if not end:
        found, end, _ = bytes(view[at:]).partition(b"\0")
    return found if end else None


def _scatter_fits(view: memoryview) -> bool:
    at = int.from_bytes(view[44:48], "big")
    if not at:
        return True
    pages = 0
    for count in _scatter_counts(view, at):
        if count is None:
            return False
        pages += count
        if pages > 0xFFFFFFFF:
            return False
    return True


def _scatter_counts(view: memoryview, at: int) -> Iterator[int | None]:
    """Yield the page counts of a scatter table up to its end, None where it leaves the directory."""
    while True:
        if at + 24 > len(view):
            yield None
            return
        (count,) = struct.unpack_from(">I", view, at)
        if not count:
            return
        yield count
        at += 24
