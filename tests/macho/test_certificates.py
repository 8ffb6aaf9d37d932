"""Who signed: the certificates of a code signature, with the extra."""

from __future__ import annotations

import datetime as dt
import sys

import pytest

from machochain.macho.certificates import read_certificates
from tests.graph.test_launching import der

pytest.importorskip("cryptography")


def authority() -> tuple[bytes, bytes]:
    """A root of nobody and a certificate it signed, as DER."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import Encoding

    def name(text: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])

    def certificate(subject: str, key: ec.EllipticCurvePrivateKey, by: ec.EllipticCurvePrivateKey) -> bytes:
        day = dt.datetime(2026, 1, 2, tzinfo=dt.UTC)
        built = (
            x509.CertificateBuilder()
            .subject_name(name(subject))
            .issuer_name(name("Root"))
            .public_key(key.public_key())
            .serial_number(7)
            .not_valid_before(day)
            .not_valid_after(day + dt.timedelta(days=365))
            .sign(by, hashes.SHA256())
        )
        return built.public_bytes(Encoding.DER)

    root, leaf = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    return certificate("Root", root, root), certificate("Developer ID: X", leaf, root)


def cms(*certificates: bytes) -> bytes:
    signed = der(0x30, b"\2\1\1", der(0x31), der(0x30), der(0xA0, *certificates), der(0x31))
    return der(0x30, bytes.fromhex("06092a864886f70d010702"), der(0xA0, signed))


def test_the_signer_comes_first_and_a_chain_to_nobody_is_not_apples() -> None:
    root, leaf = authority()
    found = read_certificates(cms(root, leaf))
    assert found is not None
    assert [(c.subject, c.issuer, c.not_before, c.not_after) for c in found] == [
        ("Developer ID: X", "Root", "2026-01-02", "2027-01-02"),
        ("Root", "Root", "2026-01-02", "2027-01-02"),
    ]
    assert [c.apple for c in found] == [False, False]


def test_a_chain_leads_to_the_root_that_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    import hashlib

    root, leaf = authority()
    monkeypatch.setattr("machochain.macho.certificates.APPLE_ROOT", hashlib.sha256(root).hexdigest())
    assert [c.apple for c in read_certificates(cms(leaf, root)) or ()] == [True, True]
    # named alike, signed by nobody there
    other, _ = authority()
    assert [c.apple for c in read_certificates(cms(leaf, other)) or ()] == [False, False]


def test_what_is_no_certificate_is_left_out() -> None:
    root, _ = authority()
    found = read_certificates(cms(der(0x30, der(4, b"x")), root))
    assert [c.subject for c in found or ()] == ["Root"]
    assert read_certificates(b"certificate") == ()


def test_without_the_extra_nothing_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cryptography", None)
    assert read_certificates(cms()) is None
