"""A slice signed again: by renewing the hashes of what changed, or by a signature made anew.

Where a signature goes follows ``codesign_allocate`` (cctools-1035, ``misc/codesign_allocate.c``): the last thing in
``__LINKEDIT``, aligned to 16 bytes, which covers all before it.
"""

from __future__ import annotations

import hashlib
import plistlib
import re
import struct
from collections.abc import Mapping
from enum import Enum
from typing import Any, Final

from machochain.kernel.policy import restricted_entitlement
from machochain.macho import constants as lc
from machochain.model.image import FileType
from machochain.model.signature import SignatureFlag
from machochain.model.value import evolve, frozen
from machochain.repair import superblob as sb
from machochain.repair.edits import check_room, linkedit_of
from machochain.repair.layout import Layout, header_bytes, number, read_layout
from machochain.repair.obstacle import ObstacleKind, RepairError, refuse
from machochain.repair.superblob import CodeDirectory, Identity, SuperBlob, identity_of, read_superblob, sign_bytes

_PAGE: Final = 0x4000
_LIMIT: Final = 1 << 32
_KEPT_FLAGS: Final = ~(SignatureFlag.EXPIRES.value | SignatureFlag.LINKER_SIGNED.value)
_NO_LIBRARY_VALIDATION: Final = "com.apple.security.cs.disable-library-validation"


class Signing(Enum):
    """What became of a slice's signature."""

    UNTOUCHED = "untouched"
    """The slice did not change, or has none and needs none."""
    PATCHED = "patched"
    """The hashes of the changed pages were renewed inside the signature that was there."""
    MADE = "made"
    """A new ad hoc signature took the place of the old one, or was added."""


@frozen
class Signed:
    """A slice with its signature.

    Attributes:
        data: The slice.
        how: What became of its signature.
        notes: What the new signature does not say any more, one sentence each.
    """

    data: bytes
    how: Signing
    notes: tuple[str, ...] = ()


def signature_of(data: bytes, layout: Layout) -> SuperBlob | None:
    """Return the signature of a slice, taken apart; None if there is none.

    Raises:
        RepairError: It cannot be read.
    """
    place = layout.signature
    if place is None:
        return None
    offset, size = place
    if offset + size > len(data):
        raise refuse(ObstacleKind.UNUSUAL_SIGNATURE, "it extends beyond the file")
    return read_superblob(data[offset : offset + size])


def first_wrong_page(data: bytes, signature: SuperBlob) -> int | None:
    """Return the number of the first page that is not what a signature says; None if all are."""
    for _, directory in signature.directories:
        found = sb.hash_pages(memoryview(data)[: directory.limit], directory.hash_type, directory.page_shift)
        if len(found) != len(directory.pages):
            return min(len(found), len(directory.pages))
        for index, (is_, was) in enumerate(zip(found, directory.pages, strict=True)):
            if is_ != was:
                return index
    return None


def patch(old: bytes, new: bytes, signature: SuperBlob, sealed: Mapping[int, bytes] | None = None) -> bytes | None:
    """Renew the hashes of the pages in which two slices differ; everything else of the signature stays.

    Args:
        old: The slice as it was signed.
        new: The same slice, edited, with the old signature still in place.
        signature: That signature.
        sealed: What special slots cover outside of the slice, if it changed.

    Returns:
        The slice; None if a special slot is needed that the signature does not count.

    Raises:
        RepairError: The signature does not cover what it should, or was broken before.
    """
    layout = read_layout(new)
    assert layout.signature is not None
    offset, reserved = layout.signature
    for _, directory in signature.directories:
        if directory.limit != offset:
            raise refuse(ObstacleKind.UNUSUAL_SIGNATURE, "it does not cover all before it")
        if any(k > directory.special_count for k in sealed or {}):
            return None
    wrong = first_wrong_page(old, signature)
    if wrong is not None:
        raise refuse(ObstacleKind.BROKEN_SIGNATURE, amount=wrong)
    made = sign_bytes(identity_of(signature, reserved), memoryview(new)[:offset], sealed)
    return new[:offset] + made + new[offset + len(made) :]


def remove_signature(data: bytes) -> bytes:
    """Return a slice without its signature: the command, the bytes, and their part of ``__LINKEDIT`` are gone.

    Raises:
        RepairError: Something lies behind the signature.
    """
    layout = read_layout(data)
    place = layout.signature
    if place is None:
        return data
    linkedit = linkedit_of(layout)
    offset, size = place
    if offset + size != len(data) or offset < linkedit.fileoff:
        raise refuse(ObstacleKind.TRAILING_DATA, amount=max(0, len(data) - offset - size))
    commands = list(layout.commands)
    commands[linkedit.command] = _resized(commands[linkedit.command], offset - linkedit.fileoff, None, layout.is64)
    commands = [c for c in commands if number(c) != lc.LC_CODE_SIGNATURE]
    return header_bytes(data, layout, commands) + data[layout.low : offset]


def _resized(command: bytes, filesize: int, vmsize: int | None, is64: bool) -> bytes:
    form, vm_at, file_at = ("<Q", 32, 48) if is64 else ("<I", 28, 36)
    changed = bytearray(command)
    struct.pack_into(form, changed, file_at, filesize)
    if vmsize is not None:
        struct.pack_into(form, changed, vm_at, vmsize)
    return bytes(changed)


def sign(
    data: bytes, identity: Identity, *, index: int | None = None, sealed: Mapping[int, bytes] | None = None
) -> bytes:
    """Add a signature to a slice that has none.

    Args:
        data: The slice.
        identity: What the signature says; its ``reserved`` bytes are kept if they are enough.
        index: Where LC_CODE_SIGNATURE stands among the load commands; last by default.
        sealed: What special slots cover outside of the slice.

    Raises:
        RepairError: There is no room for the command, or the signature cannot stand at the end.
    """
    layout = read_layout(data)
    linkedit = linkedit_of(layout)
    offset = -(-len(data) // 16) * 16
    if offset >= _LIMIT:
        raise refuse(ObstacleKind.SIZE, amount=len(data))
    covered = dict(sealed or {})
    info = _info_plist_section(data, layout)
    if info is not None:
        covered.setdefault(sb.SLOT_INFO_PLIST, info)
    identity = _counted(identity, covered).with_limit(offset)
    size = identity.size
    reserved = identity.reserved if identity.reserved >= size else -(-size // 16) * 16
    filesize = offset + reserved - linkedit.fileoff
    vmsize = None
    if filesize > linkedit.vmsize:
        vmsize = -(-filesize // _PAGE) * _PAGE
        if any(s.vmaddr >= linkedit.vmaddr + linkedit.vmsize for s in layout.segments if s is not linkedit):
            raise refuse(ObstacleKind.UNUSUAL_SIGNATURE, "a segment lies behind __LINKEDIT")
    commands = list(layout.commands)
    commands[linkedit.command] = _resized(commands[linkedit.command], filesize, vmsize, layout.is64)
    command = struct.pack("<4I", lc.LC_CODE_SIGNATURE, 16, offset, reserved)
    commands.insert(len(commands) if index is None else index, command)
    check_room(data, layout, commands)
    code = header_bytes(data, layout, commands) + data[layout.low :]
    code += bytes(offset - len(code))
    made = sign_bytes(identity, code, covered)
    return code + made + bytes(reserved - len(made))


def _counted(identity: Identity, covered: Mapping[int, bytes]) -> Identity:
    """Count the special slots that are to be filled, so that the size is right before anything is hashed."""
    own = [slot for slot, _ in identity.blobs if slot < sb.SLOT_ALTERNATE]
    most = max([0, *own, *covered])
    return evolve(
        identity,
        directories=tuple(
            (slot, evolve(d, special_count=max(d.special_count, most))) for slot, d in identity.directories
        ),
    )


def _info_plist_section(data: bytes, layout: Layout) -> bytes | None:
    for segment in layout.segments:
        if segment.name == "__TEXT":
            for section in segment.sections:
                if section.name == "__info_plist":
                    return data[section.offset : section.offset + section.size]
    return None


def resign(
    old: bytes,
    new: bytes,
    *,
    name: str,
    replace: bool = False,
    drop_entitlements: bool = False,
    sealed: Mapping[int, bytes] | None = None,
    wanted: bool = False,
    mend: bool = False,
) -> Signed:
    """Sign a slice again after it was edited, in the way that changes least.

    Args:
        old: The slice as it was.
        new: The slice as it shall be, with the old signature in place.
        name: The file's name, for the identifier of what was never signed.
        replace: Whether a developer's signature, or a broken one, may be replaced by an ad hoc one.
        drop_entitlements: Whether entitlements that ad hoc code cannot have may be dropped.
        sealed: What special slots cover outside of the slice, where that changed.
        wanted: Whether a slice that has no signature and needs none is signed, too.
        mend: Whether an ad hoc signature that does not fit, or cannot be read, may be replaced, or one be added.

    Raises:
        RepairError: The signature is one that is not replaced, or cannot be made.
    """
    layout = read_layout(old)
    try:
        signature = signature_of(old, layout)
    except RepairError:
        if not mend:
            raise
        stripped = remove_signature(new)
        return Signed(sign(stripped, _fresh(stripped, name), sealed=sealed), Signing.MADE)
    if signature is None:
        if not wanted and not (_must_be_signed(new) and (mend or old != new)):
            return Signed(new, Signing.UNTOUCHED)
        return Signed(sign(new, _fresh(new, name), sealed=sealed), Signing.MADE)
    if old == new and not sealed and not mend:
        return Signed(old, Signing.UNTOUCHED)
    if signature.cms is not None:
        if not replace:
            raise refuse(ObstacleKind.SIGNED_BY_OTHERS, _signer(signature.best))
        return _replaced(new, signature, sealed, drop_entitlements=drop_entitlements)
    if signature.best.platform:
        raise refuse(ObstacleKind.SIGNED_BY_OTHERS, "Apple")
    wrong = first_wrong_page(old, signature)
    if wrong is not None and not (replace or mend):
        raise refuse(ObstacleKind.BROKEN_SIGNATURE, amount=wrong)
    if wrong is not None or (mend and drop_entitlements and _claims_too_much(signature)):
        return _replaced(new, signature, sealed, drop_entitlements=drop_entitlements)
    patched = patch(old, new, signature, sealed)
    if patched is not None:
        return Signed(patched, Signing.UNTOUCHED if patched == old else Signing.PATCHED)
    return _replaced(new, signature, sealed, drop_entitlements=drop_entitlements)


def _signer(directory: CodeDirectory) -> str:
    name = directory.identifier.decode("utf-8", "backslashreplace")
    if directory.team is None:
        return f"a certificate (identifier {name})"
    return f"team {directory.team.decode('utf-8', 'backslashreplace')} (identifier {name})"


def _claims_too_much(signature: SuperBlob) -> bool:
    xml = signature.blob(sb.SLOT_ENTITLEMENTS)
    return xml is not None and bool(restricted(entitlements_of(xml)))


def _must_be_signed(data: bytes) -> bool:
    """Whether macOS runs such code only with a signature: arm64, from macOS 11 on."""
    return bool(struct.unpack_from("<I", data, 4)[0] == 0x0100000C)


def _replaced(
    new: bytes, signature: SuperBlob, sealed: Mapping[int, bytes] | None, *, drop_entitlements: bool
) -> Signed:
    """Take the place of a signature with an ad hoc one that keeps what it can: identifier, flags, entitlements."""
    notes: list[str] = []
    index = next((i for i, c in enumerate(read_layout(new).commands) if number(c) == lc.LC_CODE_SIGNATURE), None)
    stripped = remove_signature(new)
    best = signature.best
    flags = best.flags & _KEPT_FLAGS | SignatureFlag.ADHOC.value
    blobs: list[tuple[int, bytes]] = [(sb.SLOT_REQUIREMENTS, sb.EMPTY_REQUIREMENTS)]
    entitlements: dict[str, Any] = {}
    xml = signature.blob(sb.SLOT_ENTITLEMENTS)
    executable = read_layout(new).file_type == FileType.MH_EXECUTE
    if xml is not None and executable:
        entitlements = entitlements_of(xml)
        refused = restricted(entitlements)
        if refused and not drop_entitlements:
            raise refuse(ObstacleKind.RESTRICTED_ENTITLEMENTS, ", ".join(refused))
        if refused:
            notes.append(f"the entitlements {', '.join(refused)} are gone, which only a provisioning profile grants")
            entitlements = {k: v for k, v in entitlements.items() if k not in refused}
            if entitlements:
                blobs.append((sb.SLOT_ENTITLEMENTS, blob(0xFADE7171, plistlib.dumps(entitlements))))
                blobs.append((sb.SLOT_DER_ENTITLEMENTS, blob(0xFADE7172, der(entitlements))))
        else:
            blobs.append((sb.SLOT_ENTITLEMENTS, xml))
            kept = signature.blob(sb.SLOT_DER_ENTITLEMENTS)
            blobs.append((sb.SLOT_DER_ENTITLEMENTS, kept if kept is not None else blob(0xFADE7172, der(entitlements))))
    elif xml is not None:
        notes.append("the entitlements are gone: a library has none")
    if any(signature.blob(slot) for slot in sb.SLOTS_CONSTRAINTS):
        notes.append("the launch constraints are gone")
    if flags & SignatureFlag.RUNTIME.value and entitlements.get(_NO_LIBRARY_VALIDATION) is not True:
        flags &= ~(SignatureFlag.RUNTIME.value | SignatureFlag.LIBRARY_VALIDATION.value)
        notes.append(
            "the hardened runtime is off: an ad hoc program that has it refuses its own libraries "
            f"without the entitlement {_NO_LIBRARY_VALIDATION}"
        )
    if best.team is not None:
        notes.append(f"team {best.team.decode('utf-8', 'backslashreplace')} does not vouch for it any more")
    blobs.append((sb.SLOT_CMS, sb.EMPTY_CMS))
    special = {k: v for k, v in best.special.items() if k in (sb.SLOT_INFO_PLIST, sb.SLOT_RESOURCES) and any(v)}
    count = max([sb.SLOT_REQUIREMENTS, *special, *(slot for slot, _ in blobs if slot < sb.SLOT_ALTERNATE)])
    runtime = bool(flags & SignatureFlag.RUNTIME.value)
    directory = CodeDirectory(
        version=0x20500 if runtime else 0x20400,
        flags=flags,
        identifier=best.identifier,
        team=None,
        hash_type=sb.SHA256,
        page_shift=best.page_shift or 12,
        limit=0,
        special=special if best.hash_type == sb.SHA256 else {},
        special_count=count,
        pages=(),
        exec_limit=best.exec_limit or _text_size(read_layout(new)),
        exec_flags=best.exec_flags if best.version >= 0x20400 else int(executable),
        runtime=best.runtime if runtime else 0,
    )
    identity = Identity(((0, directory),), tuple(blobs))
    return Signed(sign(stripped, identity, index=index, sealed=sealed), Signing.MADE, tuple(notes))


def blob(magic: int, data: bytes) -> bytes:
    """Return a blob of a signature: its head, then its bytes."""
    return struct.pack(">II", magic, len(data) + 8) + data


def entitlements_of(xml: bytes) -> dict[str, Any]:
    """Return the entitlements of the XML blob.

    Raises:
        RepairError: They cannot be read.
    """
    try:
        found = plistlib.loads(xml[8:].rstrip(b"\0"))
    except Exception as error:  # plistlib raises whatever its parsers do
        raise refuse(ObstacleKind.UNUSUAL_SIGNATURE, "entitlements that cannot be read") from error
    return found if isinstance(found, dict) else {}


def restricted(entitlements: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the entitlements that make an ad hoc program unlaunchable, since only a profile grants them."""
    return tuple(sorted(k for k, v in entitlements.items() if restricted_entitlement({k: v}) is not None))


def der(value: Mapping[str, Any]) -> bytes:
    """Return entitlements in the DER form that macOS 12 and newer reads.

    Raises:
        RepairError: A value has a type it has no form for.
    """
    return _tlv(0x70, b"\x02\x01\x01" + _der(dict(value)))


def _tlv(tag: int, data: bytes) -> bytes:
    size = len(data)
    if size < 0x80:
        return bytes((tag, size)) + data
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(length))) + length + data


def _der(value: Any) -> bytes:
    if isinstance(value, bool):
        return b"\x01\x01\xff" if value else b"\x01\x01\x00"
    if isinstance(value, int):
        return _tlv(0x02, value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True))
    if isinstance(value, str):
        return _tlv(0x0C, value.encode())
    if isinstance(value, list):
        return _tlv(0x30, b"".join(map(_der, value)))
    if isinstance(value, dict):
        pairs = sorted((key.encode(), item) for key, item in value.items())
        return _tlv(0xB0, b"".join(_tlv(0x30, _tlv(0x0C, key) + _der(item)) for key, item in pairs))
    raise refuse(ObstacleKind.UNUSUAL_SIGNATURE, f"an entitlement of type {type(value).__name__}")


def _text_size(layout: Layout) -> int:
    return next((s.filesize for s in layout.segments if s.name == "__TEXT"), 0)


def _fresh(data: bytes, name: str) -> Identity:
    layout = read_layout(data)
    executable = layout.file_type == FileType.MH_EXECUTE
    return sb.fresh_identity(
        default_identifier(data, layout, name), executable=executable, exec_limit=_text_size(layout)
    )


def default_identifier(data: bytes, layout: Layout, name: str, bundle: Mapping[str, Any] | None = None) -> bytes:
    """Return the identifier codesign gives to what names none.

    That is: the bundle's, that of the ``__info_plist`` section, or the file's name without its extension and without a
    version behind the first number; and where no dot is left in it, the UUID is appended (Security-61901,
    ``diskrep.cpp: canonicalIdentifier``, ``signer.cpp``).
    """
    info = _info_plist_section(data, layout)
    for plist in (bundle, _plist(info) if info is not None else None):
        if plist:
            found = plist.get("CFBundleIdentifier") or plist.get("CFBundleName")
            if isinstance(found, str) and found:
                return found.encode("utf-8", "surrogateescape")
    stem = canonical_name(name)
    text = stem.encode("utf-8", "surrogateescape")
    if b"." in text:
        return text
    uuid = next((c[8:24] for c in layout.commands if number(c) == lc.LC_UUID), None)
    unique = (
        b"UUID" + uuid
        if uuid is not None
        else hashlib.sha1(data[:28] + b"".join(layout.commands), usedforsecurity=False).digest()
    )
    return text + b"-" + unique.hex().encode()


def canonical_name(name: str) -> str:
    """Return a file's name without its extension and without what follows the first number of its version."""
    stem, dot, extension = name.rpartition(".")
    if dot and stem and not extension[:1].isdigit():
        name = stem
    if not name or name[0].isdigit() or name[0] == ".":
        return name
    head = name.rstrip("0123456789.")
    tail = name[len(head) :]
    first = re.match(r"\.?[0-9]+", tail)
    return head + first[0] if first else head or name


def _plist(data: bytes) -> dict[str, Any] | None:
    try:
        found = plistlib.loads(data.rstrip(b"\0"))
    except Exception:  # noqa: BLE001  # plistlib raises whatever its parsers do; a section that is none names nothing
        return None
    return found if isinstance(found, dict) else None
