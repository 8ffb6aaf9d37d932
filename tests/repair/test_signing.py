"""A slice is signed again: by new hashes inside the old signature, or by one made anew; others' is never replaced."""

from __future__ import annotations

import hashlib
import plistlib
import struct
from typing import Any

import pytest

from machochain.macho.reader import read_bytes
from machochain.macho.signature import parse_signature, verify_pages
from machochain.model.signature import Signature, SignatureFlag, SignatureKind
from machochain.repair import superblob as sb
from machochain.repair.edits import AddRunPath, apply_edits
from machochain.repair.layout import read_layout
from machochain.repair.obstacle import ObstacleKind, RepairError
from machochain.repair.signing import (
    Signing,
    canonical_name,
    default_identifier,
    der,
    remove_signature,
    resign,
    restricted,
    sign,
    signature_of,
)
from tests.factory.macho import MachO, Section

ROOMY = 512
VALIDATION = "com.apple.security.cs.disable-library-validation"


def made(**more: Any) -> bytes:
    return MachO(**{"headerpad": ROOMY, "signed": True, **more}).bytes()


def edited(data: bytes) -> bytes:
    return apply_edits(data, [AddRunPath("@loader_path/zz")])


def verified(data: bytes) -> Signature:
    """What our other reader says, which shares no code with the signer; every page hashed by it."""
    image = read_bytes(data).slices[0].image
    assert image is not None
    place = image.linkedit.code_signature
    assert place is not None
    assert sum(place) == len(data)
    signature = parse_signature(data[place[0] : sum(place)])
    assert signature.code_limit == place[0]
    assert signature.defects == ()
    assert verify_pages(lambda at, size: data[at : at + size], signature) is None
    return signature


def xml(entitlements: dict[str, Any]) -> bytes:
    return plistlib.dumps(entitlements)


def test_a_patch_changes_the_hash_of_the_page_and_nothing_else_of_the_signature() -> None:
    old = made(team_id=None, identifier="org.example.tool")
    new = edited(old)
    done = resign(old, new, name="tool")
    assert done.how is Signing.PATCHED
    limit = read_layout(old).signature[0]  # type: ignore[index]
    changed = [i for i in range(limit, len(old)) if done.data[i] != old[i]]
    assert 0 < len(changed) <= 32
    assert done.data[:limit] == new[:limit]
    assert verified(done.data).identifier == "org.example.tool"


def test_what_did_not_change_keeps_its_signature_to_the_byte() -> None:
    old = made(cms=b"x" * 40)
    assert resign(old, old, name="x") == resign(old, old, name="y")
    assert resign(old, old, name="x").data is old


def test_a_superblob_is_made_again_byte_for_byte() -> None:
    for more in ({}, {"team_id": "TEAM123456"}, {"entitlements": xml({"a": True})}, {"cms": b"cms" * 9}):
        data = made(**more)
        signature = signature_of(data, read_layout(data))
        assert signature is not None
        offset, size = read_layout(data).signature or (0, 0)
        built = sb.sign_bytes(sb.identity_of(signature, size), memoryview(data)[:offset])
        assert built == data[offset : offset + len(built)]


def test_stripped_and_signed_again_it_is_the_same_file() -> None:
    data = made(identifier="a.out")
    signature = signature_of(data, read_layout(data))
    assert signature is not None
    commands = read_layout(data).commands
    index = next(i for i, x in enumerate(commands) if struct.unpack_from("<I", x)[0] == 0x1D)
    stripped = remove_signature(data)
    assert read_layout(stripped).signature is None
    assert sign(stripped, sb.identity_of(signature, read_layout(data).signature[1]), index=index) == data  # type: ignore[index]


def test_an_unsigned_arm64_slice_is_signed_as_codesign_does_and_an_intel_one_stays() -> None:
    arm = made(signed=False, uuid=bytes(range(16)))
    done = resign(arm, edited(arm), name="libfoo.2.3.4.dylib")
    signature = verified(done.data)
    assert done.how is Signing.MADE
    assert (signature.kind, signature.flags) == (SignatureKind.AD_HOC, 0x2)
    assert signature.identifier == "libfoo.2"
    assert signature.page_size == 4096
    found = signature_of(done.data, read_layout(done.data))
    assert found is not None
    assert found.best.special[2] == hashlib.sha256(sb.EMPTY_REQUIREMENTS).digest()
    intel = made(signed=False, arch="x86_64")
    assert resign(intel, edited(intel), name="x").how is Signing.UNTOUCHED
    assert resign(intel, edited(intel), name="x", wanted=True).how is Signing.MADE


def test_a_developers_signature_is_not_replaced_without_being_asked() -> None:
    old = made(team_id="TEAM123456", cms=b"c" * 100, identifier="org.example.x")
    with pytest.raises(RepairError) as caught:
        resign(old, edited(old), name="x")
    obstacle = caught.value.obstacle
    assert obstacle.kind is ObstacleKind.SIGNED_BY_OTHERS
    assert "TEAM123456" in obstacle.subject
    done = resign(old, edited(old), name="x", replace=True)
    signature = verified(done.data)
    assert (signature.kind, signature.team_id, signature.identifier) == (SignatureKind.AD_HOC, None, "org.example.x")
    assert any("TEAM123456" in note for note in done.notes)


@pytest.mark.parametrize(("entitled", "kept"), [(True, True), (False, False)])
def test_the_hardened_runtime_stays_only_where_an_ad_hoc_program_can_have_it(entitled: bool, kept: bool) -> None:
    entitlements = xml({VALIDATION: True, "com.apple.security.cs.allow-jit": True} if entitled else {})
    old = made(cms=b"c" * 100, cs_flags=0x10000, entitlements=entitlements)
    done = resign(old, edited(old), name="x", replace=True)
    signature = verified(done.data)
    assert bool(signature.flags & SignatureFlag.RUNTIME) is kept
    assert any("runtime" in note for note in done.notes) is not kept
    if entitled:
        assert signature.entitlements == {VALIDATION: True, "com.apple.security.cs.allow-jit": True}
        found = signature_of(done.data, read_layout(done.data))
        assert found is not None
        assert (found.blob(5) or b"")[8:] == entitlements
        assert found.blob(7) == struct.pack(">II", 0xFADE7172, 8 + len(der(plistlib.loads(entitlements)))) + der(
            plistlib.loads(entitlements)
        )


def test_entitlements_that_need_a_profile_are_refused_by_name_unless_they_may_go() -> None:
    old = made(cms=b"c" * 100, entitlements=xml({"com.apple.developer.team-identifier": "T", VALIDATION: True}))
    with pytest.raises(RepairError) as caught:
        resign(old, edited(old), name="x", replace=True)
    assert caught.value.obstacle.kind is ObstacleKind.RESTRICTED_ENTITLEMENTS
    assert caught.value.obstacle.subject == "com.apple.developer.team-identifier"
    done = resign(old, edited(old), name="x", replace=True, drop_entitlements=True)
    assert verified(done.data).entitlements == {VALIDATION: True}


def test_a_file_that_was_broken_before_is_not_made_to_look_sound() -> None:
    old = bytearray(made())
    old[read_layout(bytes(old)).low + 1] ^= 1
    broken = bytes(old)
    with pytest.raises(RepairError) as caught:
        resign(broken, edited(broken), name="x")
    assert (caught.value.obstacle.kind, caught.value.obstacle.amount) == (ObstacleKind.BROKEN_SIGNATURE, 0)
    assert verified(resign(broken, edited(broken), name="x", replace=True).data)


def test_bytes_behind_the_last_segment_cannot_be_signed() -> None:
    old = made(signed=False) + b"appended archive"
    with pytest.raises(RepairError) as caught:
        resign(old, edited(old), name="x")
    assert (caught.value.obstacle.kind, caught.value.obstacle.amount) == (ObstacleKind.TRAILING_DATA, 16)


@pytest.mark.parametrize(
    ("where", "value", "words"),
    [(44, 1, "scattered"), (36, 0x05050505, "hash type"), (8, 0x20600, "layout"), (8, 0x10000, "layout")],
)
def test_a_signature_of_a_kind_that_is_never_made_is_refused(where: int, value: int, words: str) -> None:
    old = bytearray(made())
    offset, _ = read_layout(bytes(old)).signature or (0, 0)
    directory = offset + struct.unpack_from(">I", old, offset + 16)[0]
    struct.pack_into(">I", old, directory + where, value)
    with pytest.raises(RepairError) as caught:
        resign(bytes(old), edited(bytes(old)), name="x")
    assert caught.value.obstacle.kind is ObstacleKind.UNUSUAL_SIGNATURE
    assert words in caught.value.obstacle.text


@pytest.mark.parametrize("at", range(0, 400, 5))
def test_a_damaged_signature_is_refused_or_made_anew_and_never_believed(at: int) -> None:
    old = bytearray(made())
    offset, size = read_layout(bytes(old)).signature or (0, 0)
    if at >= size:
        pytest.skip("behind the signature")
    old[offset + at] ^= 0x41
    try:
        done = resign(bytes(old), edited(bytes(old)), name="x")
    except RepairError:
        return
    found = signature_of(done.data, read_layout(done.data))
    assert found is not None
    assert all(sb.hash_pages(done.data[: d.limit], d.hash_type, d.page_shift) == d.pages for _, d in found.directories)


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("libcom_err.3.0.dylib", "libcom_err.3"),
        ("_webp.cpython-312-darwin.so", "_webp.cpython-312-darwin"),
        ("libfoo.2.3.4", "libfoo.2"),
        ("foo2.3", "foo2"),
        ("tool", "tool"),
        ("7zz", "7zz"),
    ],
)
def test_the_identifier_of_what_was_never_signed_is_codesigns(name: str, stem: str) -> None:
    assert canonical_name(name) == stem


def test_an_identifier_without_a_dot_gets_the_uuid_and_a_plist_names_its_own() -> None:
    data = made(signed=False, uuid=bytes(range(16)))
    assert (
        default_identifier(data, read_layout(data), "lib__x.dylib")
        == b"lib__x-55554944" + bytes(range(16)).hex().encode()
    )
    plist = plistlib.dumps({"CFBundleIdentifier": "org.example.embedded"})
    data = made(signed=False, sections=[Section("__TEXT", "__info_plist", plist)])
    assert default_identifier(data, read_layout(data), "x") == b"org.example.embedded"
    done = resign(data, edited(data), name="x")
    found = signature_of(done.data, read_layout(done.data))
    assert found is not None
    assert found.best.special[1] == hashlib.sha256(plist).digest()


def test_der_is_sorted_and_minimal() -> None:
    assert der({"b": True, "a": False}).hex(" ", 1) == (
        "70 15 02 01 01 b0 10 30 06 0c 01 61 01 01 00 30 06 0c 01 62 01 01 ff"
    )
    assert der({"n": 128})[-4:].hex() == "02020080"
    with pytest.raises(RepairError):
        der({"x": 1.5})


def test_free_entitlements_are_those_of_the_sandbox_and_the_runtime() -> None:
    free = ("com.apple.security.app-sandbox", "com.apple.security.network.client", VALIDATION, "org.example.own")
    bound = ("keychain-access-groups", "com.apple.developer.icloud-services", "com.apple.vm.networking")
    assert restricted(dict.fromkeys((*free, *bound), True)) == tuple(sorted(bound))
