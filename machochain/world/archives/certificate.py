"""The subject of a certificate, for telling who signed something; nothing is verified."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

_SEQUENCE: Final = 0x30
_VERSION: Final = 0xA0
_OBJECT: Final = 0x06
_COMMON_NAME: Final = bytes((0x55, 0x04, 0x03))


def common_name(der: bytes) -> str | None:
    """Return the common name in the subject of an X.509 certificate (RFC 5280, 4.1); None if there is none to read."""
    try:
        certificate = _content(der, _SEQUENCE)
        fields = [item for item in _elements(_content(certificate, _SEQUENCE)) if item[0] != _VERSION]
        # serial number, signature, issuer, validity, subject
        for _, names in _elements(fields[4][1]):
            for _, pair in _elements(names):
                parts = list(_elements(pair))
                if parts[0] == (_OBJECT, _COMMON_NAME):
                    return parts[1][1].decode("utf-8", "replace")
    except (ValueError, IndexError):
        return None
    return None


def _content(data: bytes, tag: int) -> bytes:
    first = next(_elements(data), None)
    if first is None or first[0] != tag:
        raise ValueError("not what it should be")
    return first[1]


def _elements(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield tag and content of the elements in DER."""
    at = 0
    while at < len(data):
        tag, length = data[at], data[at + 1]
        at += 2
        if length & 0x80:
            width = length & 0x7F
            length = int.from_bytes(data[at : at + width], "big")
            at += width
        if at + length > len(data):
            raise ValueError("cut off")
        yield tag, data[at : at + length]
        at += length
