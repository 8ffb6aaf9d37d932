"""What a CMS signature is of: its signed digest, held against the code directory (RFC 5652).

codesign writes BER with indefinite lengths, so both forms are read. Certificates are not checked here.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from machochain.model.value import frozen

_MESSAGE_DIGEST: Final = bytes.fromhex("2a864886f70d010904")
_SIGNED_DATA: Final = bytes.fromhex("2a864886f70d010702")
_DIGESTS: Final = {
    bytes.fromhex("2b0e03021a"): "sha1",
    bytes.fromhex("608648016503040201"): "sha256",
    bytes.fromhex("608648016503040202"): "sha384",
    bytes.fromhex("608648016503040203"): "sha512",
}
_DEEPEST: Final = 24
_MOST: Final = 4096
"""Elements of one signature that are looked at; real ones have some hundred."""

_SEQUENCE, _SET, _OID, _OCTETS, _CONTEXT_0 = 0x30, 0x31, 0x06, 0x04, 0xA0


class _Bad(Exception):  # noqa: N818 - control flow inside this module, never seen outside
    """No BER."""


@frozen
class Element:
    """One element: its tag byte, its content, and the elements in it if it is constructed."""

    tag: int
    content: bytes
    parts: tuple[Element, ...] = ()


class _Reader:
    def __init__(self, data: bytes) -> None:
        self.data = data
        self.left = _MOST

    def element(self, at: int, end: int, depth: int) -> tuple[Element | None, int]:
        """Return the element at a place and where it ends; None for the end of an indefinite one."""
        self.left -= 1
        if self.left < 0 or depth > _DEEPEST or at + 2 > end:
            raise _Bad
        tag, length = self.data[at], self.data[at + 1]
        at += 2
        if tag == 0 and length == 0:
            return None, at
        if tag & 0x1F == 0x1F:
            raise _Bad
        if length == 0x80:
            parts, stop = self.parts(at, end, depth, open_ended=True)
            return Element(tag, self.data[at : stop - 2], parts), stop
        if length > 0x80:
            width = length & 0x7F
            length = int.from_bytes(self.data[at : at + width], "big")
            at += width
        if at + length > end:
            raise _Bad
        parts = self.parts(at, at + length, depth, open_ended=False)[0] if tag & 0x20 else ()
        return Element(tag, self.data[at : at + length], parts), at + length

    def parts(self, at: int, end: int, depth: int, *, open_ended: bool) -> tuple[tuple[Element, ...], int]:
        found: list[Element] = []
        while at < end:
            part, at = self.element(at, end, depth + 1)
            if part is None:
                if not open_ended:
                    raise _Bad
                return tuple(found), at
            found.append(part)
        if open_ended:
            raise _Bad
        return tuple(found), at


def parse(data: bytes) -> Element | None:
    """Return the outermost element, or None where the bytes are no BER (within bounds)."""
    try:
        return _Reader(data).element(0, len(data), 0)[0]
    except (_Bad, IndexError):
        return None


def _signed_data(data: bytes) -> Element | None:
    outer = parse(data)
    if outer is None or len(outer.parts) < 2 or outer.parts[0].content != _SIGNED_DATA or not outer.parts[1].parts:
        return None
    return outer.parts[1].parts[0]


def certificates(data: bytes) -> tuple[bytes, ...]:
    """Return the certificates a signature carries, each as DER; none where it cannot be read."""
    signed = _signed_data(data)
    if signed is None:
        return ()
    held = next((p for p in signed.parts if p.tag == _CONTEXT_0), None)
    return tuple(_der(p) for p in held.parts if p.tag == _SEQUENCE) if held is not None else ()


def _der(element: Element) -> bytes:
    size = len(element.content)
    if size < 0x80:
        return bytes((element.tag, size)) + element.content
    width = (size.bit_length() + 7) // 8
    return bytes((element.tag, 0x80 | width)) + size.to_bytes(width, "big") + element.content


def _digests(signed: Element) -> Iterator[tuple[str, bytes]]:
    """Yield (algorithm, digest) that each signer vouches for."""
    signers = signed.parts[-1]
    for signer in signers.parts if signers.tag == _SET else ():
        algorithm = next(
            (_DIGESTS.get(p.parts[0].content) for p in signer.parts[2:] if p.tag == _SEQUENCE and p.parts), None
        )
        attributes = next((p for p in signer.parts if p.tag == _CONTEXT_0), None)
        for attribute in attributes.parts if attributes is not None and algorithm else ():
            if len(attribute.parts) == 2 and attribute.parts[0].content == _MESSAGE_DIGEST and attribute.parts[1].parts:
                yield algorithm or "", attribute.parts[1].parts[0].content


def signed_digest_fits(cms: bytes, signature: bytes) -> bool | None:
    """Whether a CMS signature is of the code directory it stands beside.

    Args:
        cms: Content of the CMS blob.
        signature: The superblob; its slot 0 is what is signed.

    Returns:
        None where the CMS signature cannot be read.
    """
    signed = _signed_data(cms)
    if signed is None or not signed.parts:
        return None
    found = list(_digests(signed))
    code = _slot_0(signature)
    if not found or code is None:
        return None
    import hashlib  # noqa: PLC0415  # loads OpenSSL, and most runs hash nothing

    return all(hashlib.new(name, code, usedforsecurity=False).digest() == digest for name, digest in found)


def _slot_0(signature: bytes) -> bytes | None:
    for index in range(min(int.from_bytes(signature[8:12], "big"), 64)):
        slot, at = (int.from_bytes(signature[i : i + 4], "big") for i in (12 + 8 * index, 16 + 8 * index))
        if slot == 0:
            return signature[at : at + int.from_bytes(signature[at + 4 : at + 8], "big")]
    return None
