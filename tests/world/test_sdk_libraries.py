"""SDKs and the catalogue together: who is believed about what."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from machochain.model.filesystem import Presence
from machochain.model.paths import HostPath
from machochain.model.version import Version
from machochain.world.system.build_catalogue import build
from machochain.world.system.catalogue import EmbeddedCatalogue
from machochain.world.system.oslibs import SdkLibraries
from machochain.world.system.sdk import Sdk
from tests.world.sdk_tree import FRAMEWORK, NAME, sdk, settings, stub, write
from tests.world.test_sdk import big

PRESENT, ABSENT, UNSEEN = Presence.PRESENT, Presence.ABSENT, Presence.UNSEEN
SYSTEM = "/usr/lib/libSystem.B.dylib"
PRIVATE = "/System/Library/PrivateFrameworks/P.framework/Versions/A/P"


def facts(tmp_path: Path, *libraries: dict[str, Any], **more: Any) -> EmbeddedCatalogue:
    document = {
        "schema": "machochain.sdk-facts/1",
        "sdk": "12.0",
        "low": "12.0",
        "high": "12.0",
        "complete": ["/usr/lib/"],
        "libraries": list(libraries),
    }
    file = tmp_path / "facts.bin"
    file.write_bytes(build([document, {"schema": "machochain.os-facts/1", **more}]))
    return EmbeddedCatalogue(file)


def small(tmp_path: Path, version: str = "14.2") -> Sdk:
    return Sdk(HostPath(str(sdk(tmp_path / f"{version}.sdk", version))), cache=False)


def presence(libraries: SdkLibraries, path: str, macos: str) -> Presence:
    answer = libraries.find(path, Version.parse(macos))
    assert answer.why
    return answer.presence


def symbol(libraries: SdkLibraries, library: str, name: str, macos: str, arch: str | None = None) -> Presence:
    answer = libraries.lookup(library, name, Version.parse(macos), arch)
    assert answer.why
    return answer.presence


def test_what_the_sdk_has_is_there_on_its_release_and_later(tmp_path: Path) -> None:
    libraries = SdkLibraries([small(tmp_path)], facts(tmp_path))
    assert [presence(libraries, f"/{FRAMEWORK}/Demo", v) for v in ("14.2", "14.0", "15.0")] == [PRESENT] * 3
    assert libraries.find(f"/{FRAMEWORK}/Demo", Version.of(14, 2)).path == NAME


def test_what_a_newer_sdk_has_is_unseen_before(tmp_path: Path) -> None:
    libraries = SdkLibraries([small(tmp_path)], facts(tmp_path))
    assert presence(libraries, NAME, "13.0") is UNSEEN


def test_what_a_whole_sdk_lacks_is_absent(tmp_path: Path) -> None:
    libraries = SdkLibraries([small(tmp_path)], facts(tmp_path))
    answers = [presence(libraries, "/usr/lib/libnone.dylib", v) for v in ("13.0", "14.2", "14.5", "15.0")]
    assert answers == [ABSENT, ABSENT, ABSENT, UNSEEN]


def test_an_absent_name_comes_with_a_hint_at_its_case(tmp_path: Path) -> None:
    libraries = SdkLibraries([small(tmp_path)], facts(tmp_path))
    assert "/usr/lib/libz.1.dylib" in libraries.find("/usr/lib/LIBZ.1.dylib", Version.of(14)).why


def test_private_frameworks_are_never_ruled_out(tmp_path: Path) -> None:
    assert presence(SdkLibraries([small(tmp_path)], facts(tmp_path)), PRIVATE, "14.2") is UNSEEN


def test_the_catalogue_vouches_for_what_the_sdk_lacks(tmp_path: Path) -> None:
    known = facts(tmp_path, {"install_name": "/usr/lib/libold.dylib"})
    answer = SdkLibraries([small(tmp_path)], known).find("/usr/lib/libold.dylib", Version.of(12, 6))
    assert (answer.presence, answer.why) == (PRESENT, "in the SDK 12.0")


def test_a_dated_removal_outweighs_an_older_sdk_but_not_that_of_the_release(tmp_path: Path) -> None:
    gone = facts(tmp_path, removed=[["/usr/lib/libz.1.dylib", "14.0", "notes"]])
    libraries = SdkLibraries([small(tmp_path)], gone)
    assert [presence(libraries, "/usr/lib/libz.1.dylib", v) for v in ("14.2", "14.5", "15.0")] == [
        PRESENT, ABSENT, ABSENT
    ]  # fmt: skip


def test_a_folder_without_version_stands_for_the_modelled_release(tmp_path: Path) -> None:
    root = sdk(tmp_path / "sysroot")
    (root / "SDKSettings.json").unlink()
    libraries = SdkLibraries([Sdk(HostPath(str(root)), cache=False)], facts(tmp_path))
    for macos in ("11.0", "26.0"):
        assert presence(libraries, "/usr/lib/libz.dylib", macos) is PRESENT
        assert presence(libraries, "/usr/lib/libnone.dylib", macos) is ABSENT


def test_an_incomplete_sdk_rules_nothing_out(tmp_path: Path) -> None:
    libraries = SdkLibraries([big(tmp_path / "S.sdk")], EmbeddedCatalogue())
    answer = libraries.find("/usr/lib/libnone.dylib", Version.of(11, 3))
    assert (answer.presence, "incomplete" in answer.why) == (UNSEEN, True)


def test_an_sdk_without_swift_libraries_says_nothing_about_them(tmp_path: Path) -> None:
    libraries = SdkLibraries([big(tmp_path / "S.sdk")], facts(tmp_path))
    assert "usr/lib/swift" in libraries.find("/usr/lib/swift/libswiftNone.dylib", Version.of(11, 3)).why


def test_the_nearest_of_several_sdks_answers(tmp_path: Path) -> None:
    old, new = small(tmp_path, "13.0"), small(tmp_path, "15.0")
    write(Path(new.root), "usr/lib/libnew.tbd", stub("/usr/lib/libnew.dylib", "_new"))
    libraries = SdkLibraries([Sdk(new.root, cache=False), old], facts(tmp_path))
    answers = [presence(libraries, "/usr/lib/libnew.dylib", v) for v in ("13.0", "14.0", "15.0", "26.0")]
    assert answers == [UNSEEN, UNSEEN, PRESENT, PRESENT]


def test_cryptex_paths_and_foreign_folders_follow_the_same_rules(tmp_path: Path) -> None:
    libraries = SdkLibraries([small(tmp_path)], facts(tmp_path))
    assert presence(libraries, "/opt/lib/libz.1.dylib", "14.2") is ABSENT
    assert presence(libraries, "/System/Cryptexes/OS/usr/lib/libnone.dylib", "14.2") is ABSENT
    assert presence(libraries, "/System/Cryptexes/OS/usr/lib/libz.1.dylib", "14.2") is UNSEEN


def test_symbols_are_found_through_reexports(tmp_path: Path) -> None:
    libraries = SdkLibraries([small(tmp_path)], facts(tmp_path))
    answer = libraries.lookup("/usr/lib/libSystem.dylib", "_inner", Version.of(14, 2), "arm64")
    assert (answer.presence, answer.library) == (PRESENT, "/usr/lib/system/libinner.dylib")
    assert symbol(libraries, SYSTEM, "_nope", "14.2", "arm64") is ABSENT
    assert symbol(libraries, SYSTEM, "_nope", "14.2") is ABSENT


@pytest.mark.parametrize(("macos", "expected"), [("13.0", UNSEEN), ("14.0", PRESENT), ("15.0", PRESENT)])
def test_a_symbol_of_a_newer_sdk_is_unseen_before(tmp_path: Path, macos: str, expected: Presence) -> None:
    assert symbol(SdkLibraries([small(tmp_path)], facts(tmp_path)), SYSTEM, "_printf", macos, "arm64") is expected


def test_an_older_sdk_cannot_rule_a_symbol_out(tmp_path: Path) -> None:
    assert symbol(SdkLibraries([small(tmp_path)], facts(tmp_path)), SYSTEM, "_nope", "15.0", "arm64") is UNSEEN


def test_an_architecture_the_stub_does_not_serve_is_unknown(tmp_path: Path) -> None:
    assert symbol(SdkLibraries([small(tmp_path)], facts(tmp_path)), SYSTEM, "_printf", "14.2", "i386") is UNSEEN


def test_the_catalogue_knows_history_the_sdk_does_not(tmp_path: Path) -> None:
    known = facts(tmp_path, {"install_name": SYSTEM, "symbols": ["_printf"]})
    libraries = SdkLibraries([small(tmp_path)], known)
    assert symbol(libraries, SYSTEM, "_printf", "12.0", "arm64") is PRESENT
    assert symbol(libraries, SYSTEM, "_printf", "11.0", "arm64") is UNSEEN


def test_a_reexport_the_sdk_lacks_leaves_symbols_open(tmp_path: Path) -> None:
    root = tmp_path / "S.sdk"
    settings(root, "14.2")
    write(root, "usr/lib/liba.tbd", stub("/usr/lib/liba.dylib", "_a", reexports=("/usr/lib/liblost.dylib",)))
    libraries = SdkLibraries([Sdk(HostPath(str(root)), cache=False)], facts(tmp_path))
    assert symbol(libraries, "/usr/lib/liba.dylib", "_a", "14.2", "arm64") is PRESENT
    assert symbol(libraries, "/usr/lib/liba.dylib", "_b", "14.2", "arm64") is UNSEEN


def test_stripped_reexports_are_taken_from_the_catalogue(tmp_path: Path) -> None:
    root = tmp_path / "S.sdk"
    kernel = "/usr/lib/system/libsystem_kernel.dylib"
    big(root, SYSTEM)
    write(root, "usr/lib/system/libsystem_kernel.tbd", stub(kernel, "_read_only_here"))
    opened = Sdk(HostPath(str(root)), cache=False)
    libraries = SdkLibraries([opened], EmbeddedCatalogue())
    assert kernel in libraries.closure(opened, SYSTEM, "arm64")
    assert symbol(libraries, SYSTEM, "_read_only_here", "11.3", "arm64") is PRESENT


def test_a_library_no_sdk_has_is_left_to_the_catalogue(tmp_path: Path) -> None:
    known = facts(tmp_path, {"install_name": "/usr/lib/libold.dylib", "symbols": ["_old"]})
    libraries = SdkLibraries([small(tmp_path)], known)
    assert symbol(libraries, "/usr/lib/libold.dylib", "_old", "12.6", "arm64") is PRESENT
    assert symbol(libraries, "/usr/lib/libnone.dylib", "_old", "14.2", "arm64") is UNSEEN


def test_the_catalogue_knows_what_became_of_a_library_since_an_older_sdk(tmp_path: Path) -> None:
    later = {"schema": "machochain.sdk-facts/1", "sdk": "15.0", "low": "15.0", "high": "15.0"}
    known = facts(tmp_path, {"install_name": "/usr/lib/libz.1.dylib", "symbols": ["_inflate"]})
    without = {**later, "complete": ["/usr/lib/"], "libraries": []}
    file = tmp_path / "more.bin"
    file.write_bytes(build([*known.documents(), without]))
    libraries = SdkLibraries([small(tmp_path)], EmbeddedCatalogue(file))
    answer = libraries.find("/usr/lib/libz.1.dylib", Version.of(15, 1))
    assert (answer.presence, "SDK 15.0" in answer.why) == (UNSEEN, True)
    assert presence(libraries, "/usr/lib/libz.1.dylib", "14.2") is PRESENT


def test_the_catalogue_knows_what_became_of_a_symbol_since_an_older_sdk(tmp_path: Path) -> None:
    known = facts(tmp_path, {"install_name": "/usr/lib/libz.1.dylib", "symbols": ["_inflate", "_old"]})
    later = {"schema": "machochain.sdk-facts/1", "sdk": "15.0", "low": "15.0", "high": "15.0"}
    without = {**later, "libraries": [{"install_name": "/usr/lib/libz.1.dylib", "symbols": []}]}
    file = tmp_path / "more.bin"
    file.write_bytes(build([*known.documents(), without]))
    libraries = SdkLibraries([small(tmp_path)], EmbeddedCatalogue(file))
    assert symbol(libraries, "/usr/lib/libz.1.dylib", "_inflate", "15.0", "arm64") is UNSEEN
    assert symbol(libraries, "/usr/lib/libz.1.dylib", "_inflate", "14.2", "arm64") is PRESENT
    # The given SDK, newer than the release, lacks a symbol the release may have had.
    assert symbol(libraries, "/usr/lib/libz.1.dylib", "_old", "11.0", "arm64") is UNSEEN


def test_an_sdk_older_than_the_release_rules_nothing_out(tmp_path: Path) -> None:
    libraries = SdkLibraries([small(tmp_path, "13.0"), small(tmp_path, "15.0")], facts(tmp_path))
    assert presence(libraries, "/usr/lib/libnone.dylib", "14.0") is ABSENT
    assert presence(libraries, "/usr/lib/libnone.dylib", "26.0") is UNSEEN
