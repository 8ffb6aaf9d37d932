"""A bundle whose files changed is sealed again: entries, the executable over the seal, and the bundle around it."""

from __future__ import annotations

import hashlib
import plistlib
from typing import Any

import pytest

from machochain.repair.file import repair_file
from machochain.repair.layout import read_layout
from machochain.repair.obstacle import RepairError
from machochain.repair.seal import SEAL, Bundle, bundles_of, main_executable, renew, write_plist
from machochain.repair.signing import signature_of
from machochain.repair.superblob import cdhash
from tests.factory.macho import MachO

APP = "X.app/Contents"
FRAMEWORK = f"{APP}/Frameworks/F.framework/Versions/A"


def sealed(**files2: Any) -> bytes:
    files = {name: entry["hash2"][:20] for name, entry in files2.items() if "hash2" in entry}
    return write_plist({"files": files, "files2": files2, "rules": {"^.*": True}, "rules2": {"^.*": {"weight": 20.0}}})


def signed(**more: Any) -> bytes:
    """A program whose signature has the slots of a bundle's: the factory counts slots up to the entitlements'."""
    return MachO(signed=True, headerpad=256, entitlements=plistlib.dumps({}), **more).bytes()


def tree() -> dict[str, bytes]:
    nested = {"cdhash": bytes(20), "requirement": 'cdhash H"00"'}
    return {
        f"{APP}/Info.plist": plistlib.dumps({"CFBundleExecutable": "X"}),
        f"{APP}/MacOS/X": signed(),
        f"{APP}/Resources/note.txt": b"note",
        f"{APP}/Frameworks/liba.dylib": MachO(install_name="/a", signed=True, headerpad=256).bytes(),
        f"{APP}/{SEAL}": sealed(**{
            "Resources/note.txt": {"hash2": hashlib.sha256(b"note").digest()},
            "Frameworks/liba.dylib": nested,
            "Frameworks/F.framework": nested,
        }),
        f"{FRAMEWORK}/Resources/Info.plist": plistlib.dumps({"CFBundleExecutable": "F"}),
        f"{FRAMEWORK}/F": signed(install_name="/f"),
        f"{FRAMEWORK}/Resources/data": b"data",
        f"{FRAMEWORK}/{SEAL}": sealed(**{"Resources/data": {"hash2": hashlib.sha256(b"data").digest()}}),
    }  # fmt: skip


def renewed(files: dict[str, bytes], changed: dict[str, bytes]) -> tuple[dict[str, bytes], list[str]]:
    def read(path: str) -> bytes | None:
        return changed.get(path, files.get(path))

    def sign(path: str, covered: dict[int, bytes]) -> bytes:
        return repair_file(read(path) or b"", {}, path, sealed=covered).data

    added = renew(changed, frozenset(files), read, sign)
    return changed, added


def hash_of(data: bytes) -> bytes:
    found = signature_of(data, read_layout(data))
    assert found is not None
    return cdhash(found.best.whole)


def special(data: bytes, slot: int) -> bytes:
    found = signature_of(data, read_layout(data))
    assert found is not None
    return found.best.special[slot]


def test_bundles_are_found_deepest_first_with_their_executables() -> None:
    files = tree()
    assert [b.root for b in bundles_of(frozenset(files))] == [FRAMEWORK, APP]
    assert [main_executable(b, files.get) for b in bundles_of(frozenset(files))] == [f"{FRAMEWORK}/F", f"{APP}/MacOS/X"]
    assert [Bundle(r).folder for r in (APP, FRAMEWORK, "Y.bundle")] == [
        "X.app", f"{APP}/Frameworks/F.framework", "Y.bundle",
    ]  # fmt: skip


def test_a_changed_resource_changes_its_entry_and_the_executables_signature() -> None:
    files = tree()
    changed, added = renewed(files, {f"{APP}/Resources/note.txt": b"other"})
    assert added == [f"{APP}/{SEAL}", f"{APP}/MacOS/X"]
    seal = plistlib.loads(changed[f"{APP}/{SEAL}"])
    assert seal["files2"]["Resources/note.txt"]["hash2"] == hashlib.sha256(b"other").digest()
    assert seal["files"]["Resources/note.txt"] == hashlib.sha1(b"other", usedforsecurity=False).digest()
    assert special(changed[f"{APP}/MacOS/X"], 3) == hashlib.sha256(changed[f"{APP}/{SEAL}"]).digest()
    assert special(changed[f"{APP}/MacOS/X"], 1) == hashlib.sha256(files[f"{APP}/Info.plist"]).digest()
    assert b"<real>20</real>" in changed[f"{APP}/{SEAL}"]


def test_a_changed_library_is_sealed_by_its_code_directory() -> None:
    files = tree()
    new = MachO(install_name="/b", signed=True, headerpad=256).bytes()
    changed, _ = renewed(files, {f"{APP}/Frameworks/liba.dylib": new})
    entry = plistlib.loads(changed[f"{APP}/{SEAL}"])["files2"]["Frameworks/liba.dylib"]
    assert entry == {"cdhash": hash_of(new), "requirement": f'cdhash H"{hash_of(new).hex()}"'}


def test_a_change_deep_inside_reaches_every_bundle_around_it() -> None:
    files = tree()
    changed, added = renewed(files, {f"{FRAMEWORK}/Resources/data": b"new"})
    assert added == [f"{FRAMEWORK}/{SEAL}", f"{FRAMEWORK}/F", f"{APP}/{SEAL}", f"{APP}/MacOS/X"]
    entry = plistlib.loads(changed[f"{APP}/{SEAL}"])["files2"]["Frameworks/F.framework"]
    assert entry["cdhash"] == hash_of(changed[f"{FRAMEWORK}/F"])


def test_what_lies_in_no_bundle_seals_nothing() -> None:
    changed, added = renewed(tree(), {"elsewhere": b"x"})
    assert (list(changed), added) == (["elsewhere"], [])


@pytest.mark.parametrize("damage", [{f"{APP}/{SEAL}": b"junk"}, {f"{APP}/Info.plist": b"junk"}])
def test_a_seal_nobody_can_read_or_sign_is_refused(damage: dict[str, bytes]) -> None:
    with pytest.raises(RepairError):
        renewed({**tree(), **damage}, {f"{APP}/Resources/note.txt": b"other"})
