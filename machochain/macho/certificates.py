"""The certificates a code signature carries: who signed, until when, and whether they lead to Apple's root.

That is a fact about the file. Whether a certificate was revoked, or a Mac trusts it, is not in the file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from machochain.macho.cms import certificates
from machochain.model.signature import Certificate

if TYPE_CHECKING:
    from cryptography import x509

APPLE_ROOT: Final = "b0b1730ecbc7ff4505142c49f1295e6eda6bcaed7e2c68c5be91b5a11001f024"
"""SHA-256 of the certificate of Apple Root CA."""
_MOST: Final = 16


def read_certificates(cms: bytes) -> tuple[Certificate, ...] | None:
    """Return the certificates of a CMS signature, the signer's first; None without the extra ``machochain[cms]``.

    Certificates that cannot be read are left out.
    """
    try:
        from cryptography import x509  # noqa: PLC0415  # an extra
    except ImportError:
        return None
    found: list[x509.Certificate] = []
    for der in certificates(cms)[:_MOST]:
        try:
            found.append(x509.load_der_x509_certificate(der))
        except ValueError:
            continue
    issuers = {c.issuer for c in found if c.issuer != c.subject}
    leaves = [c for c in found if c.subject not in issuers]
    ordered = leaves + [c for c in found if c not in leaves]
    return tuple(
        Certificate(
            _name(c.subject),
            _name(c.issuer),
            c.not_valid_before_utc.strftime("%Y-%m-%d"),
            c.not_valid_after_utc.strftime("%Y-%m-%d"),
            _leads_to_apple(c, found),
        )
        for c in ordered
    )


def _name(name: x509.Name) -> str:
    from cryptography.x509.oid import NameOID  # noqa: PLC0415

    common = name.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(common[0].value) if common else name.rfc4514_string()


def _leads_to_apple(leaf: x509.Certificate, known: list[x509.Certificate]) -> bool:
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415
    from cryptography.hazmat.primitives.hashes import SHA256  # noqa: PLC0415

    at = leaf
    for _ in range(len(known)):
        if at.fingerprint(SHA256()).hex() == APPLE_ROOT:
            return True
        for issuer in known:
            try:
                at.verify_directly_issued_by(issuer)
            except (ValueError, TypeError, InvalidSignature):
                continue
            if issuer != at:
                at = issuer
                break
        else:
            return False
    return at.fingerprint(SHA256()).hex() == APPLE_ROOT
