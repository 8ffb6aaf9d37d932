"""CMS signatures: which directory they are of, whatever bytes stand there."""

from __future__ import annotations

import hashlib
import struct

from hypothesis import given
from hypothesis import strategies as st

from machochain.macho.cms import certificates, parse, signed_digest_fits
from tests.graph.test_launching import der, foreign_cms

CODE = b"\xfa\xde\x0c\x02" + struct.pack(">I", 16) + b"12345678"
SIGNATURE = struct.pack(">IIIII", 0xFADE0CC0, 36, 1, 0, 20) + CODE


def test_a_digest_of_the_directory_fits() -> None:
    assert signed_digest_fits(foreign_cms(hashlib.sha256(CODE).digest()), SIGNATURE) is True
    assert signed_digest_fits(foreign_cms(), SIGNATURE) is False


def test_what_cannot_be_read_is_not_known() -> None:
    assert signed_digest_fits(b"", SIGNATURE) is None
    assert signed_digest_fits(b"certificate", SIGNATURE) is None
    assert signed_digest_fits(foreign_cms()[:-3], SIGNATURE) is None
    assert signed_digest_fits(foreign_cms(), b"") is None


def test_certificates_are_handed_out_as_they_stand() -> None:
    one = der(0x30, b"\2\1\7" * 60)
    signed = der(0x30, b"\2\1\1", der(0x31), der(0x30), der(0xA0, one, one), der(0x31))
    data = der(0x30, bytes.fromhex("06092a864886f70d010702"), der(0xA0, signed))
    assert certificates(data) == (one, one)
    assert certificates(b"") == ()


@given(st.binary(max_size=200))
def test_no_bytes_break_the_reader(data: bytes) -> None:
    parse(data)
    signed_digest_fits(data, data)


def test_deep_and_wide_ones_end() -> None:
    assert parse(b"\x30\x80" * 5000 + b"\0\0" * 5000) is None
    assert parse(der(0x30, b"\5\0" * 5000)) is None
