"""What an embedded code signature says (xnu ``osfmk/kern/cs_blobs.h``)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import Enum, IntFlag
from types import MappingProxyType
from typing import Any, Final

from machochain.model.frozen import FrozenDict, frozen_dict
from machochain.model.symbols import TableDefect
from machochain.model.value import field, frozen

HASHES: Final[Mapping[int, tuple[str, int]]] = MappingProxyType(
    {1: ("sha1", 20), 3: ("sha256", 20), 2: ("sha256", 32), 4: ("sha384", 48)}
)
"""Hash type to (name, bytes kept); the order is xnu's preference, the best last (``bsd/kern/ubc_subr.c``)."""


def digest(hash_type: int, parts: Iterable[bytes]) -> bytes:
    """Return the hash of some bytes, as long as code directories keep it; ``hash_type`` is one of ``HASHES``."""
    import hashlib  # noqa: PLC0415  # loads OpenSSL, and most runs hash nothing

    name, size = HASHES[hash_type]
    state = hashlib.new(name, usedforsecurity=False)
    for part in parts:
        state.update(part)
    return state.digest()[:size]


class SignatureKind(Enum):
    """Who vouches for an image: nobody, only its own hashes, or a certificate."""

    NONE = "none"
    AD_HOC = "ad-hoc"
    SIGNED = "signed"


class SignatureFlag(IntFlag):
    """Flags of a code directory that a signer sets. Names as ``codesign`` prints them."""

    ADHOC = 0x2
    FORCED_LIBRARY_VALIDATION = 0x10
    HARD = 0x100
    KILL = 0x200
    EXPIRES = 0x400
    RESTRICT = 0x800
    ENFORCEMENT = 0x1000
    LIBRARY_VALIDATION = 0x2000
    RUNTIME = 0x10000
    LINKER_SIGNED = 0x20000


@frozen
class Signature:
    """An embedded signature. Nothing here says that it is valid: certificates are not checked.

    Attributes:
        kind: ``SIGNED`` if a CMS blob with content is there, ``AD_HOC`` without one, ``NONE`` without a signature.
        flags: Flags of the code directory; test with ``SignatureFlag``.
        identifier: The signing identifier; None without a code directory.
        team_id: The team; None if none is recorded.
        version: Version of the code directory's layout, e.g. 0x20400.
        hash_type: 1 SHA-1, 2 SHA-256, 3 SHA-256 cut to 20 bytes, 4 SHA-384; 0 without a code directory.
        page_size: Bytes one page hash covers; 0 if one hash covers everything.
        code_limit: Bytes of the slice the page hashes cover, from its start.
        page_hashes: The hashes of the pages, one after the other.
        hash_size: Bytes of one of them.
        code_directory: The code directory itself.
        runtime: Packed version of the hardened runtime; None if not recorded.
        entitlements: Keys and values; empty if there are none or they cannot be read.
        defects: What is malformed.
    """

    kind: SignatureKind = SignatureKind.NONE
    flags: int = 0
    identifier: str | None = None
    team_id: str | None = None
    version: int = 0
    hash_type: int = 0
    page_size: int = 0
    code_limit: int = 0
    page_hashes: bytes = field(default=b"", repr=False)
    hash_size: int = 0
    code_directory: bytes = field(default=b"", repr=False)
    runtime: int | None = None
    entitlements: Mapping[str, Any] = field(factory=FrozenDict, converter=frozen_dict)
    defects: tuple[TableDefect, ...] = ()

    @property
    def flag_names(self) -> tuple[str, ...]:
        """The flags as ``codesign`` prints them; bits without a name in hexadecimal."""
        names = [x.name.lower().replace("_", "-") for x in SignatureFlag if x.name and self.flags & x]
        rest = self.flags & ~sum(SignatureFlag)
        return (*names, hex(rest)) if rest else tuple(names)

    @property
    def cdhash(self) -> bytes | None:
        """First 20 bytes of the hash of the code directory; None without one."""
        return digest(self.hash_type, (self.code_directory,))[:20] if self.code_directory else None

    @property
    def hardened(self) -> bool:
        """Whether the hardened runtime is asked for."""
        return bool(self.flags & SignatureFlag.RUNTIME)


@frozen
class Certificate:
    """One certificate of a code signature.

    Attributes:
        subject: Whom it names: the common name.
        issuer: Who issued it.
        not_before: First day it holds, as ``2026-01-31`` (UTC).
        not_after: Last day it holds.
        apple: Whether the certificates beside it lead from it to Apple's root, each signed by the next.
    """

    subject: str
    issuer: str
    not_before: str
    not_after: str
    apple: bool
