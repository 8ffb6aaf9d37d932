"""SDK folders in every shape they come in."""

from __future__ import annotations

import json
import os
import plistlib
from pathlib import Path

import pytest

from machochain.model.errors import InputError
from machochain.model.paths import HostPath
from machochain.model.version import Version
from machochain.world.system import sdk_index
from machochain.world.system.catalogue import EmbeddedCatalogue
from machochain.world.system.kept import cache_folder, clear_cache
from machochain.world.system.sdk import Sdk
from machochain.world.system.sdk_index import index, library_path, sdk_version
from tests import factory
from tests.world.sdk_tree import FRAMEWORK, NAME, sdk, settings, stub, write

SYSTEM = "/usr/lib/libSystem.B.dylib"


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def opened(root: Path) -> Sdk:
    return Sdk(HostPath(str(root)), cache=False)


@pytest.mark.parametrize("links", ["links", "text", "copies"])
@pytest.mark.parametrize(
    ("path", "name"),
    [
        (SYSTEM, SYSTEM),
        ("/usr/lib/libSystem.dylib", SYSTEM),
        ("/usr/lib/system/libinner.dylib", "/usr/lib/system/libinner.dylib"),
        ("/usr/lib/libz.dylib", "/usr/lib/libz.1.dylib"),
        ("//usr/lib/./libz.dylib", "/usr/lib/libz.1.dylib"),
        (f"/{FRAMEWORK}/Demo", NAME),
        (f"/{FRAMEWORK}/Versions/Current/Demo", NAME),
        (f"/{FRAMEWORK}/Versions/A/Demo", None),
        ("/usr/lib/libZ.1.dylib", None),
        ("/usr/lib/libnone.dylib", None),
    ],
)
def test_links_lead_to_install_names_in_whole_and_damaged_sdks(
    tmp_path: Path, links: str, path: str, name: str | None
) -> None:
    assert opened(sdk(tmp_path / "S.sdk", links=links)).canonical(path) == name


@pytest.mark.parametrize("links", ["links", "text", "copies"])
def test_each_library_is_listed_once(tmp_path: Path, links: str) -> None:
    found = opened(sdk(tmp_path / "S.sdk", links=links))
    assert found.libraries() == (NAME, SYSTEM, "/usr/lib/libz.1.dylib", "/usr/lib/system/libinner.dylib")
    assert found.index.text_links == (4 if links == "text" else 0)
    assert found.index.duplicates == (3 if links == "copies" else 0)
    assert found.index.dangling == ()


def test_other_paths_of_a_library_are_listed(tmp_path: Path) -> None:
    aliases = opened(sdk(tmp_path / "S.sdk")).aliases()
    assert aliases == {
        f"/{FRAMEWORK}/Demo": NAME,
        "/usr/lib/libSystem.dylib": SYSTEM,
        "/usr/lib/libz.dylib": "/usr/lib/libz.1.dylib",
    }


@pytest.mark.parametrize("links", ["links", "text"])
def test_current_decides_between_versions_of_a_framework(tmp_path: Path, links: str) -> None:
    root = sdk(tmp_path / "S.sdk")
    for version in ("8.4", "8.5"):
        name = f"/System/Library/Frameworks/Tk.framework/Versions/{version}/Tk"
        write(root, f"{name[1:]}.tbd", stub(name))
    current = root / "System/Library/Frameworks/Tk.framework/Versions/Current"
    if links == "links":
        current.symlink_to("8.4")
    else:
        current.write_text("8.4\n")
    assert opened(root).canonical("/System/Library/Frameworks/Tk.framework/Tk") == (
        "/System/Library/Frameworks/Tk.framework/Versions/8.4/Tk"
    )
    current.unlink()
    assert opened(root).canonical("/System/Library/Frameworks/Tk.framework/Tk") == (
        "/System/Library/Frameworks/Tk.framework/Versions/8.5/Tk"
    )


def test_executables_beside_stubs_are_no_libraries(tmp_path: Path) -> None:
    root = sdk(tmp_path / "S.sdk")
    (root / f"{FRAMEWORK}/Versions/C/Demo").write_bytes(factory.executable())
    (root / "usr/lib/plugin.dylib").write_bytes(factory.bundle())
    (root / "usr/lib/cut.dylib").write_bytes(factory.dylib("/usr/lib/cut.dylib")[:40])
    assert len(opened(root).libraries()) == 4


def test_a_name_in_another_case_is_only_a_hint(tmp_path: Path) -> None:
    found = opened(sdk(tmp_path / "S.sdk"))
    assert found.hint("/usr/lib/libZ.1.DYLIB") == "/usr/lib/libz.1.dylib"
    assert found.hint("/usr/lib/libz.1.dylib") is None
    assert found.hint("/usr/lib/other.dylib") is None


def test_inlined_documents_are_read_alone(tmp_path: Path) -> None:
    found = opened(sdk(tmp_path / "S.sdk"))
    assert set(found.exports("/usr/lib/system/libinner.dylib", "arm64")) == {"_inner"}
    assert set(found.exports(SYSTEM, "arm64")) == {"_printf"}
    assert found.exports("/usr/lib/libnone.dylib", "arm64") == {}


def test_the_own_file_of_a_library_beats_an_inlined_copy(tmp_path: Path) -> None:
    root = sdk(tmp_path / "S.sdk")
    write(root, "usr/lib/system/libinner.tbd", stub("/usr/lib/system/libinner.dylib", "_own"))
    assert set(opened(root).exports("/usr/lib/system/libinner.dylib", "arm64")) == {"_own"}


def test_catalyst_only_documents_are_left_out(tmp_path: Path) -> None:
    root = sdk(tmp_path / "S.sdk")
    write(
        root, "System/iOSSupport/usr/lib/libc.tbd", stub("/System/iOSSupport/x", "_c", targets=("arm64-maccatalyst",))
    )
    found = opened(root)
    assert "/System/iOSSupport/x" not in found.libraries()
    assert found.index.other_platforms == 1


def test_a_file_away_from_its_install_name_is_found_by_both(tmp_path: Path) -> None:
    root = sdk(tmp_path / "S.sdk")
    write(root, "usr/lib/libpq.5.6.tbd", stub("/usr/lib/libpq.5.dylib", "_p"))
    found = opened(root)
    assert found.canonical("/usr/lib/libpq.5.6.dylib") == found.canonical("/usr/lib/libpq.5.dylib") is not None


def test_debugging_variants_are_for_the_linker_only(tmp_path: Path) -> None:
    root = sdk(tmp_path / "S.sdk")
    write(root, "usr/lib/libSystem.B_asan.tbd", stub(SYSTEM, "_asan"))
    (root / "usr/lib/libz_debug.tbd").symlink_to("libz.1.tbd")
    found = opened(root)
    assert found.canonical("/usr/lib/libSystem.B_asan.dylib") is found.canonical("/usr/lib/libz_debug.dylib") is None
    assert set(found.exports(SYSTEM, "arm64")) == {"_printf"}


def test_a_stub_with_an_odd_install_name_counts_at_its_place(tmp_path: Path) -> None:
    root = sdk(tmp_path / "S.sdk")
    write(root, "System/Library/Frameworks/Odd.framework/Odd.tbd", stub("@rpath/Odd", "_odd"))
    found = opened(root)
    assert set(found.exports("/System/Library/Frameworks/Odd.framework/Odd", "arm64")) == {"_odd"}
    assert "@rpath/Odd" not in found.libraries()


def test_links_that_lead_nowhere_or_in_a_circle_are_counted(tmp_path: Path) -> None:
    root = sdk(tmp_path / "S.sdk")
    (root / "usr/lib/liba.tbd").symlink_to("libb.tbd")
    (root / "usr/lib/libb.tbd").symlink_to("liba.tbd")
    (root / "usr/lib/libc.tbd").write_text("nowhere.tbd")
    (root / "usr/lib/libd.tbd").symlink_to("/usr/lib/libz.1.tbd")
    found = opened(root)
    assert found.index.dangling == ("/usr/lib/liba.dylib", "/usr/lib/libb.dylib", "/usr/lib/libc.dylib")
    assert found.canonical("/usr/lib/libd.dylib") == "/usr/lib/libz.1.dylib"


def test_stubs_that_cannot_be_read_are_named_and_the_rest_is_read(tmp_path: Path) -> None:
    root = sdk(tmp_path / "S.sdk")
    write(root, "usr/lib/libbad.tbd", "--- !tapi-tbd\n[ nonsense\n" * 200)
    write(root, "usr/lib/libempty.tbd", "")
    write(root, "usr/lib/libnul.tbd", "a\0b")
    found = opened(root)
    assert [file for file, _ in found.index.unreadable] == [
        "usr/lib/libbad.tbd", "usr/lib/libempty.tbd", "usr/lib/libnul.tbd"
    ]  # fmt: skip
    assert len(found.libraries()) == 4


def test_a_stub_that_changed_meanwhile_is_an_input_error(tmp_path: Path) -> None:
    root = sdk(tmp_path / "S.sdk")
    found = opened(root)
    write(root, "usr/lib/libz.1.tbd", stub("/usr/lib/libother.dylib"))
    with pytest.raises(InputError, match="no longer holds"):
        found.stub("/usr/lib/libz.1.dylib")
    (root / "usr/lib/libSystem.B.tbd").unlink()
    with pytest.raises(InputError, match="cannot be read"):
        found.stub(SYSTEM)


def test_macho_stubs_are_read_as_well(tmp_path: Path) -> None:
    root = sdk(tmp_path / "S.sdk")
    data = factory.dylib("/usr/lib/libold.1.dylib", factory.reexport(SYSTEM), exports=["_old", "$ld$hide$os10.4$_old"])
    (root / "usr/lib/libold.1.dylib").write_bytes(data)
    (root / "usr/lib/libold.dylib").symlink_to("libold.1.dylib")
    (root / "usr/lib/nothing.dylib").write_bytes(b"not Mach-O")
    found = opened(root)
    stub_of = found.stub("/usr/lib/libold.dylib")
    assert stub_of is not None
    assert (stub_of.install_name, stub_of.version) == ("/usr/lib/libold.1.dylib", 0)
    arch = stub_of.targets[0].removesuffix("-macos")
    assert set(found.exports("/usr/lib/libold.dylib", arch)) == {"_old"}
    assert [d.symbol for d in stub_of.directives(arch)] == ["_old"]
    assert stub_of.reexported_libraries(arch) == (SYSTEM,)


@pytest.mark.parametrize(
    ("file", "path"),
    [
        ("usr/lib/libz.1.tbd", "/usr/lib/libz.1.dylib"),
        ("usr/lib/libz.1.dylib", "/usr/lib/libz.1.dylib"),
        (f"{FRAMEWORK}/Versions/C/Demo.tbd", f"/{FRAMEWORK}/Versions/C/Demo"),
        (f"{FRAMEWORK}/Demo.tbd", f"/{FRAMEWORK}/Demo"),
        (f"{FRAMEWORK}/Versions/C/Libraries/libX.tbd", f"/{FRAMEWORK}/Versions/C/Libraries/libX.dylib"),
    ],
)
def test_a_stub_stands_for_a_library_path(file: str, path: str) -> None:
    assert library_path(file) == path


# Versions


@pytest.mark.parametrize(
    ("settings", "version"),
    [
        ({"Version": "14.2", "CanonicalName": "macosx14.2"}, "14.2"),
        ({"MinimalDisplayName": "14.0"}, "14.0"),
        ({"Version": "27.0"}, "27.0"),
        ({"DisplayName": "macOS 13.3"}, "13.3"),
        ({"DisplayName": "Mac OS X 10.9"}, "10.9"),
        ({"CanonicalName": "macosx10.13"}, "10.13"),
        ({"CanonicalName": "macosx26.4.internal"}, "26.4"),
        ({"Version": "10.16"}, "11.0"),
        ({"Version": 14, "MinimalDisplayName": "14.1"}, "14.1"),
        ({"Version": "99999999", "MinimalDisplayName": "14.1"}, "14.1"),
        ({"Version": "14.999", "MinimalDisplayName": "14.1"}, "14.1"),
    ],
)
def test_the_version_is_found_in_each_shape_of_settings(
    tmp_path: Path, settings: dict[str, object], version: str
) -> None:
    (tmp_path / "SDKSettings.json").write_text(json.dumps(settings))
    assert sdk_version(HostPath(str(tmp_path))) == (Version.parse(version), "SDKSettings.json")


def test_property_lists_serve_where_there_is_no_json(tmp_path: Path) -> None:
    (tmp_path / "SDKSettings.plist").write_bytes(plistlib.dumps({"CanonicalName": "macosx10.12"}))
    assert sdk_version(HostPath(str(tmp_path))) == (Version.of(10, 12), "SDKSettings.plist")
    (tmp_path / "SDKSettings.plist").write_bytes(b"<plist><broken")
    write(
        tmp_path, "System/Library/CoreServices/SystemVersion.plist", plistlib.dumps({"ProductVersion": "12.1"}).decode()
    )
    assert sdk_version(HostPath(str(tmp_path)))[0] == Version.of(12, 1)


@pytest.mark.parametrize("name", ["MacOSX13.1.sdk", "MacOSX13.1.Internal.sdk"])
def test_the_folder_name_serves_last(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    (tmp_path / name / "SDKSettings.json").write_text("[broken")
    expected = Version.of(13, 1) if name == "MacOSX13.1.sdk" else None
    assert sdk_version(HostPath(str(tmp_path / name)))[0] == expected


def test_the_folder_name_is_looked_for_behind_a_link(tmp_path: Path) -> None:
    (tmp_path / "MacOSX14.5.sdk").mkdir()
    (tmp_path / "MacOSX.sdk").symlink_to("MacOSX14.5.sdk")
    assert sdk_version(HostPath(str(tmp_path / "MacOSX.sdk")))[0] == Version.of(14, 5)


def test_the_sdk_of_another_platform_is_refused(tmp_path: Path) -> None:
    (tmp_path / "SDKSettings.json").write_text(json.dumps({"CanonicalName": "iphoneos17.0", "Version": "17.0"}))
    with pytest.raises(InputError, match="iphoneos"):
        sdk_version(HostPath(str(tmp_path)))


def test_what_is_no_sdk_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="neither usr/lib"):
        opened(tmp_path)
    with pytest.raises(InputError, match="no such folder"):
        opened(tmp_path / "none")


# The kept index


def kept() -> list[Path]:
    folder = cache_folder()
    assert folder is not None
    return sorted(Path(folder).glob("*.json"))


def test_the_index_is_kept_and_found_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = HostPath(str(sdk(tmp_path / "S.sdk")))
    first = index(root)
    assert len(kept()) == 1
    monkeypatch.setattr(sdk_index, "_build", lambda *_: pytest.fail("the kept index was not used"))
    assert index(root) == first
    assert first == index(root, cache=True)


def test_without_cache_nothing_is_written(tmp_path: Path) -> None:
    index(HostPath(str(sdk(tmp_path / "S.sdk"))), cache=False)
    assert kept() == []


@pytest.mark.parametrize("change", ["new", "gone", "other", "link"])
def test_any_change_of_the_sdk_outdates_the_kept_index(tmp_path: Path, change: str) -> None:
    root = sdk(tmp_path / "S.sdk")
    before = index(HostPath(str(root)))
    file = root / "usr/lib/libz.1.tbd"
    if change == "new":
        write(root, "usr/lib/libnew.tbd", stub("/usr/lib/libnew.dylib"))
    elif change == "gone":
        file.unlink()
    elif change == "other":
        times = file.stat()
        file.write_text(file.read_text().replace("libz.1.dylib", "libq.1.dylib"))
        os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns + 1))
    else:
        (root / "usr/lib/libmore.tbd").symlink_to("libz.1.tbd")
    assert index(HostPath(str(root))) != before


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", '{"schema": "other"}', "HEAD", "HEAD\n", "HEAD\n{}", "\u00e9", "[" * 100000]
)
def test_a_broken_kept_index_is_ignored_and_replaced(tmp_path: Path, text: str) -> None:
    root = HostPath(str(sdk(tmp_path / "S.sdk")))
    first = index(root)
    file = kept()[0]
    written = file.read_text()
    file.write_text(text.replace("HEAD", written.partition("\n")[0]))
    assert index(root) == first
    assert file.read_text() == written


def test_a_kept_index_whose_content_was_changed_is_not_believed(tmp_path: Path) -> None:
    root = HostPath(str(sdk(tmp_path / "S.sdk")))
    first = index(root)
    file = kept()[0]
    file.write_text(file.read_text().replace("libz.1.tbd", "libq.1.tbd"))
    assert index(root) == first


@pytest.mark.parametrize(
    "body",
    [
        '{"libraries": {"/a": ["../../etc", 0, 1, false]}}',
        '{"libraries": {"/a": ["a", 5, 1, false]}}',
        '{"libraries": {"/a": ["a", 1, 2, 0]}}',
        '{"libraries": {"/a": ["a", 1, Infinity, false]}}',
        '{"libraries": {}, "links": {"a": 1}}',
        "{",
        "null",
        "[" * 100000,
    ],
)
def test_a_kept_index_that_makes_no_sense_is_ignored_though_its_sum_be_right(tmp_path: Path, body: str) -> None:
    root = HostPath(str(sdk(tmp_path / "S.sdk")))
    first = index(root)
    file = kept()[0]
    fingerprint = json.loads(file.read_text().partition("\n")[0])["fingerprint"]
    file.write_text(f"{sdk_index._head(fingerprint, body)}\n{body}")
    assert index(root) == first


def test_only_regular_files_are_looked_at(tmp_path: Path) -> None:
    root = sdk(tmp_path / "S.sdk")
    os.mkfifo(root / "usr/lib/libfifo.tbd")
    assert index(HostPath(str(root))).files == 3


def test_a_cache_that_cannot_be_written_costs_nothing_but_time(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file stands where the folder should")
    assert index(HostPath(str(sdk(tmp_path / "S.sdk")))).files == 3


def test_kept_indexes_can_be_cleared(tmp_path: Path) -> None:
    assert clear_cache() == 0
    index(HostPath(str(sdk(tmp_path / "S.sdk"))))
    assert clear_cache() == 1
    assert kept() == []


def test_a_fifo_or_a_link_in_the_place_of_a_kept_index_is_passed_over(tmp_path: Path) -> None:
    root = HostPath(str(sdk(tmp_path / "S.sdk")))
    first = index(root)
    (file,) = kept()
    file.unlink()
    os.mkfifo(file)
    assert index(root) == first
    (file,) = kept()
    real = tmp_path / "elsewhere"
    file.rename(real)
    file.symlink_to(real)
    assert index(root) == first


def test_only_what_we_keep_is_deleted_and_no_linked_folder_is_followed(tmp_path: Path) -> None:
    index(HostPath(str(sdk(tmp_path / "S.sdk"))))
    folder = Path(cache_folder() or "")
    for name in ("notes.json", "precious.bin"):
        (folder / name).write_text("mine")
    assert clear_cache() == 1
    assert sorted(p.name for p in folder.iterdir()) == ["notes.json", "precious.bin"]
    index(HostPath(str(tmp_path / "S.sdk")))
    other = tmp_path / "other"
    folder.rename(other)
    folder.symlink_to(other)
    assert clear_cache() == 0
    assert len(list(other.glob("*.json"))) == 2


def test_a_folder_that_others_may_write_to_is_not_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = HostPath(str(sdk(tmp_path / "S.sdk")))
    index(root)
    folder = Path(cache_folder() or "")
    folder.chmod(0o777)
    monkeypatch.setattr(sdk_index, "_build", lambda *_: pytest.fail("built anew"))
    with pytest.raises(pytest.fail.Exception, match="built anew"):
        index(root)
    assert clear_cache() == 0


def test_a_relative_cache_home_is_ignored(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == f"{tmp_path}/.cache/machochain/sdk"


# Quality


def big(root: Path, *names: str) -> Sdk:
    """Make a folder with enough libraries to be taken for a copy of Apple's SDK."""
    settings(root, "11.3")
    for number in range(120):
        write(root, f"usr/lib/lib{number}.tbd", stub(f"/usr/lib/lib{number}.dylib"))
    for name in names:
        write(root, f"usr/lib/{name.rpartition('/')[2].removesuffix('.dylib')}.tbd", stub(name))
    return opened(root)


def test_a_small_sysroot_is_what_it_is_meant_to_be(tmp_path: Path) -> None:
    quality = opened(sdk(tmp_path / "S.sdk")).quality(EmbeddedCatalogue())
    assert (quality.poor, quality.sentences(), quality.libraries, quality.files) == (False, (), 4, 3)


def test_a_large_sdk_without_known_libraries_is_poor(tmp_path: Path) -> None:
    quality = big(tmp_path / "S.sdk").quality(EmbeddedCatalogue())
    assert quality.poor
    assert SYSTEM in quality.missing
    assert quality.no_swift
    assert "public libraries" in quality.sentences()[-1]


def test_stripped_reexports_are_noticed(tmp_path: Path) -> None:
    quality = big(tmp_path / "S.sdk", SYSTEM).quality(EmbeddedCatalogue())
    assert quality.stripped == (SYSTEM,)
    assert any(SYSTEM in sentence for sentence in quality.sentences())


def test_each_kind_of_damage_is_told_in_one_sentence(tmp_path: Path) -> None:
    root = sdk(tmp_path / "S.sdk", links="text")
    (root / "usr/lib/liblost.tbd").symlink_to("nowhere.tbd")
    write(root, "usr/lib/libz.2.tbd", stub("/usr/lib/libz.1.dylib"))
    write(root, "usr/lib/libbad.tbd", "--- [\n" * 500)
    sentences = opened(root).quality(EmbeddedCatalogue()).sentences()
    assert len(sentences) == 4
    assert "text files" in sentences[0]
    assert "/usr/lib/liblost.dylib" in sentences[2]
    assert "usr/lib/libbad.tbd" in sentences[3]


def test_a_settings_file_nobody_writes_to_is_not_waited_for(tmp_path: Path) -> None:
    root = sdk(tmp_path / "MacOSX14.2.sdk")
    (root / "SDKSettings.json").unlink(missing_ok=True)
    (root / "SDKSettings.plist").unlink(missing_ok=True)
    os.mkfifo(root / "SDKSettings.json")
    os.mkfifo(root / "SDKSettings.plist")
    assert sdk_version(HostPath(str(root)))[0] == Version.of(14, 2)


def test_a_stub_larger_than_any_is_not_read(tmp_path: Path) -> None:
    root = sdk(tmp_path / "S.sdk")
    huge = root / "usr/lib/libhuge.tbd"
    huge.touch()
    os.truncate(huge, 8 << 30)
    found = opened(root)
    assert found.index.unreadable == (("usr/lib/libhuge.tbd", "longer than 268435456 bytes"),)
    assert found.canonical(SYSTEM) == SYSTEM


def test_a_folder_that_may_not_be_listed_is_not_called_something_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = sdk(tmp_path / "S.sdk")

    def denied(path: object) -> list[str]:
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(os, "listdir", denied)
    with pytest.raises(InputError, match="cannot be read: Permission denied"):
        index(HostPath(str(root)), cache=False)


def test_two_stubs_of_one_wrong_name_keep_their_own_exports(tmp_path: Path) -> None:
    root = sdk(tmp_path / "S.sdk")
    for name in ("one", "two"):
        write(root, f"usr/lib/lib{name}.tbd", stub("@rpath/libslip.dylib", f"_{name}") + "...\n")
    found = opened(root)
    assert [set(found.exports(f"/usr/lib/lib{name}.dylib", "arm64")) for name in ("one", "two")] == [{"_one"}, {"_two"}]
