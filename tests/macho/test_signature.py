from __future__ import annotations

import hashlib
import plistlib
import struct
from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from machochain.macho.reader import read_bytes, slice_reader
from machochain.macho.signature import parse_signature, read_signature, verify_pages
from machochain.model.reading import BytesSource
from machochain.model.signature import Signature, SignatureFlag, SignatureKind
from tests.factory.macho import MachO

PLIST = plistlib.dumps({"com.apple.security.cs.allow-dyld-environment-variables": True, "a": ["b", 1]})


def signature_of(data: bytes) -> Signature:
    file = read_bytes(data)
    image = file.slices[0].image
    assert image is not None
    return read_signature(image, slice_reader(BytesSource(data), file.slices[0]))


def first_bad_page(data: bytes) -> int | None:
    return verify_pages(slice_reader(BytesSource(data), read_bytes(data).slices[0]), signature_of(data))


def directory(code: bytes, *, hash_type: int = 2, page_shift: int = 12, flags: int = 2, ident: str = "id") -> bytes:
    """A code directory of the oldest layout, 44 bytes."""
    name, size = {1: ("sha1", 20), 2: ("sha256", 32), 3: ("sha256", 20), 4: ("sha384", 48)}.get(hash_type, ("md5", 16))
    step = 1 << page_shift if page_shift else len(code)
    hashes = [hashlib.new(name, code[i : i + step]).digest()[:size] for i in range(0, len(code), step)]
    hash_at = 44 + len(ident) + 1
    length = hash_at + size * len(hashes)
    head = struct.pack(">9I", 0xFADE0C02, length, 0x20001, flags, hash_at, 44, 0, len(hashes), len(code))
    return head + struct.pack("4BI", size, hash_type, 0, page_shift, 0) + ident.encode() + b"\0" + b"".join(hashes)


def blob(magic: int, content: bytes) -> bytes:
    return struct.pack(">II", magic, 8 + len(content)) + content


def superblob(blobs: Mapping[int, bytes]) -> bytes:
    index = content = b""
    for slot, data in blobs.items():
        index += struct.pack(">II", slot, 12 + 8 * len(blobs) + len(content))
        content += data
    return struct.pack(">III", 0xFADE0CC0, 12 + len(index) + len(content), len(blobs)) + index + content


def der(tag: int, content: bytes) -> bytes:
    length = len(content)
    return bytes([tag]) + (bytes([length]) if length < 128 else b"\x82" + length.to_bytes(2, "big")) + content


def pair(key: str, value: bytes) -> bytes:
    return der(0x30, der(0x0C, key.encode()) + value)


def test_no_command_means_no_signature() -> None:
    assert signature_of(MachO(signed=False).bytes()) == Signature()


def test_an_ad_hoc_signature_is_read_in_full() -> None:
    data = MachO(signed=True, identifier="com.example.tool", cs_flags=0x20002).bytes()
    found = signature_of(data)
    assert found.kind is SignatureKind.AD_HOC
    assert found.flag_names == ("adhoc", "linker-signed")
    assert (found.identifier, found.team_id, found.version) == ("com.example.tool", None, 0x20400)
    assert (found.hash_type, found.page_size, found.entitlements) == (2, 4096, {})
    assert found.code_limit < len(data)
    assert found.defects == ()
    assert not found.hardened


def test_team_flags_and_entitlements_of_a_hardened_binary_are_read() -> None:
    data = MachO(signed=True, team_id="ABCDE12345", cs_flags=0x12A00, entitlements=PLIST).bytes()
    found = signature_of(data)
    assert found.team_id == "ABCDE12345"
    assert found.hardened
    assert found.flag_names == ("kill", "restrict", "library-validation", "runtime")
    assert found.entitlements == plistlib.loads(PLIST)


def test_flags_without_a_name_are_shown_as_a_number() -> None:
    assert Signature(flags=SignatureFlag.HARD | 0x40000000).flag_names == ("hard", "0x40000000")


def test_a_cms_blob_with_content_means_signed() -> None:
    code = directory(b"x")
    assert parse_signature(superblob({0: code, 0x10000: blob(0xFADE0B01, b"cms")})).kind is SignatureKind.SIGNED
    assert parse_signature(superblob({0: code, 0x10000: blob(0xFADE0B01, b"")})).kind is SignatureKind.AD_HOC


def test_the_directory_with_the_best_hash_counts() -> None:
    code = bytes(5000)
    found = parse_signature(
        superblob(
            {
                0: directory(code, hash_type=1),
                0x1000: directory(code, hash_type=3),
                0x1001: directory(code, hash_type=4),
                0x1002: directory(code, hash_type=2),
            }
        )
    )
    assert found.hash_type == 4
    assert found.cdhash == hashlib.sha384(directory(code, hash_type=4)).digest()[:20]


@pytest.mark.parametrize("hash_type", [1, 2, 3, 4])
def test_pages_are_verified_with_every_hash(hash_type: int) -> None:
    code = bytes(i % 251 for i in range(4096 * 3 + 100))
    found = parse_signature(superblob({0: directory(code, hash_type=hash_type)}))
    assert verify_pages(lambda at, size: code[at : at + size], found) is None
    for place, page in ((0, 0), (4096, 1), (len(code) - 1, 3)):
        broken = bytearray(code)
        broken[place] ^= 1
        assert verify_pages(lambda at, size, b=bytes(broken): b[at : at + size], found) == page  # type: ignore[misc]


def test_pages_beyond_one_read_are_verified() -> None:
    code = bytes(i % 253 for i in range((1 << 20) + 4096 * 2 + 5))
    found = parse_signature(superblob({0: directory(code)}))
    assert verify_pages(lambda at, size: code[at : at + size], found) is None
    broken = bytearray(code)
    broken[-1] ^= 1
    assert verify_pages(lambda at, size: bytes(broken[at : at + size]), found) == 258
    assert verify_pages(lambda at, size: code[at : min(at + size, len(code) - 3)], found) == 258


def test_one_hash_may_cover_everything() -> None:
    code = bytes(3 << 20)
    found = parse_signature(superblob({0: directory(code, page_shift=0)}))
    assert found.page_size == 0
    assert verify_pages(lambda at, size: code[at : at + size], found) is None
    assert verify_pages(lambda at, size: code[at : at + size - 1], found) == 0
    assert verify_pages(lambda _at, _size: b"", found) == 0


def test_too_few_hashes_for_the_code_are_a_bad_page() -> None:
    code = bytes(4096 * 3)
    data = bytearray(superblob({0: directory(code)}))
    at = 20 + 28
    assert data[at : at + 8] == struct.pack(">II", 3, len(code))
    data[at : at + 4] = struct.pack(">I", 2)
    assert verify_pages(lambda at, size: code[at : at + size], parse_signature(bytes(data))) == 2


def test_the_factory_signs_what_verifies_until_a_byte_changes() -> None:
    data = MachO(signed=True).bytes()
    assert first_bad_page(data) is None
    changed = bytearray(data)
    changed[0x4000] ^= 0xFF
    assert first_bad_page(bytes(changed)) == 4


DER = blob(
    0xFADE7172,
    der(
        0x70,
        der(0x02, b"\1")
        + der(
            0xB0,
            pair("com.apple.security.cs.disable-library-validation", der(0x01, b"\xff"))
            + pair("off", der(0x01, b"\0"))
            + pair("text", der(0x0C, b"x" * 200))
            + pair("list", der(0x30, der(0x0C, b"one") + der(0x02, b"\xfe")))
            + pair("inner", der(0xB0, pair("k", der(0x01, b"\1"))))
            + pair("data", der(0x04, b"\0\1")),
        ),
    ),
)


def test_der_entitlements_are_read_where_there_is_no_xml() -> None:
    assert parse_signature(superblob({0: directory(b"x"), 7: DER})).entitlements == {
        "com.apple.security.cs.disable-library-validation": True,
        "off": False,
        "text": "x" * 200,
        "list": ["one", -2],
        "inner": {"k": True},
        "data": b"\0\1",
    }


def test_xml_entitlements_are_preferred_and_unreadable_ones_fall_back() -> None:
    xml = blob(0xFADE7171, PLIST)
    assert "a" in parse_signature(superblob({0: directory(b"x"), 5: xml, 7: DER})).entitlements
    found = parse_signature(superblob({0: directory(b"x"), 5: blob(0xFADE7171, b"<plist"), 7: DER}))
    assert "text" in found.entitlements
    assert "not a property list" in found.defects[0].text


def test_deeply_nested_entitlements_are_refused() -> None:
    value = der(0x01, b"\1")
    for _ in range(60):
        value = der(0x30, value)
    found = parse_signature(
        superblob({0: directory(b"x"), 7: blob(0xFADE7172, der(0x70, der(0xB0, pair("k", value))))})
    )
    assert found.entitlements == {}
    assert [d.text for d in found.defects] == ["entitlements are nested too deeply"]


@pytest.mark.parametrize(("depth", "read"), [(30, True), (60, False), (20_000, False)])
def test_deeply_nested_xml_is_refused_like_der(depth: int, read: bool) -> None:
    xml = b"<plist><dict><key>k</key>" + b"<array>" * depth + b"</array>" * depth + b"</dict></plist>"
    found = parse_signature(superblob({0: directory(b"x"), 5: blob(0xFADE7171, xml)}))
    assert ("k" in found.entitlements) is read
    assert [d.text for d in found.defects] == ([] if read else ["entitlements are nested too deeply"])


@pytest.mark.parametrize(("width", "read"), [(8, True), (9, False), (5000, False)])
def test_an_integer_of_entitlements_has_64_bits(width: int, read: bool) -> None:
    value = pair("k", der(0x02, b"\x7f" * width))
    found = parse_signature(superblob({0: directory(b"x"), 7: blob(0xFADE7172, der(0x70, der(0xB0, value)))}))
    assert ("k" in found.entitlements) is read
    assert [d.text for d in found.defects] == ([] if read else ["entitlements hold an integer of more than 64 bits"])


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", "code signature too small"),
        (bytes(64), "code signature has wrong magic 0x00000000"),
        (superblob({}), "code signature without a code directory"),
        (superblob({0: blob(0xFADE0C01, bytes(40))}), "code directory has wrong magic 0xFADE0C01"),
        (superblob({0: blob(0xFADE0C02, bytes(8))}), "code directory too small"),
        (superblob({0: directory(b"x", hash_type=9)}), "code directory has unknown hash type 9"),
        (superblob({0: directory(b"x", ident="")[:44] + b"a"}), "signature blob 0x0 has a bad length 77"),
    ],
)
def test_malformed_signatures_are_facts(data: bytes, text: str) -> None:
    found = parse_signature(data, 0x100)
    assert found.kind is SignatureKind.NONE
    assert text in [defect.text for defect in found.defects]
    assert all(defect.offset >= 0x100 for defect in found.defects)


def test_a_signature_behind_the_end_of_the_file_is_a_fact() -> None:
    data = MachO(signed=True).bytes()
    assert signature_of(data[:-200]).defects[0].text == "code signature extends beyond end of file"


@settings(deadline=None)
@given(st.binary(min_size=1, max_size=8), st.integers(0, 10_000))
def test_mutated_signatures_never_raise(change: bytes, at: int) -> None:
    code = bytes(9000)
    data = bytearray(superblob({0: directory(code), 5: blob(0xFADE7171, PLIST), 7: DER}))
    at %= len(data)
    data[at : at + len(change)] = change
    verify_pages(lambda at, size: code[at : at + size], parse_signature(bytes(data)))


@settings(deadline=None)
@given(st.binary(max_size=120))
def test_any_der_is_read_without_an_exception(content: bytes) -> None:
    parse_signature(superblob({0: directory(b"x"), 7: blob(0xFADE7172, content)}))
