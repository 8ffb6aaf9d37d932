"""One cause is one finding, over releases, slices and processes."""

from __future__ import annotations

from pathlib import Path

import pytest

from machochain.judging.grouping import words_for
from machochain.model.result import Severity
from machochain.model.version import Version
from tests.factory import fat
from tests.findings.audited import audited, found, write_tree, zipped
from tests.findings.scenes import exe, lib

ALL = ("12", "13.3", "14", "15", "15.4", "26")


def versions(text: str) -> tuple[Version, ...]:
    return tuple(Version.parse(part) for part in text.split())


def test_a_refusal_of_newer_macos_is_one_finding_that_says_since_when(tmp_path: Path) -> None:
    write_tree(tmp_path, {"tool": exe(uuid=None, sdk="26.0")})

    (finding,) = found(audited(tmp_path, macos=ALL), "MC301")

    assert finding.severity is Severity.ERROR
    assert finding.when == "fails on macOS 26, launches on older ones"
    assert finding.count == len(ALL), "older releases warn of it"
    assert finding.finding.evidence["macos"] == "26.0", "the worst of them speaks"


def test_a_missing_library_is_one_finding_whatever_each_release_calls_it(tmp_path: Path) -> None:
    write_tree(tmp_path, {"tool": exe("@rpath/libfoo.dylib")})

    report = audited(tmp_path, macos=ALL)

    assert [f.finding.rule for f in report.findings if f.severity is Severity.ERROR] == ["MC101"]
    assert found(report, "MC904") == []
    assert found(report, "MC101")[0].macos == versions("12 13.3 14 15 15.4 26")


def test_slices_are_joined(tmp_path: Path) -> None:
    program = fat([exe("/gone/libx.dylib"), exe("/gone/libx.dylib", arch="x86_64")])
    write_tree(tmp_path, {"tool": program})

    (finding,) = found(audited(tmp_path), "MC101")

    assert finding.archs == ("arm64", "x86_64")
    assert finding.count == 2


def test_an_image_in_many_processes_is_told_once_and_names_them(tmp_path: Path) -> None:
    program = exe("@rpath/libfoo.dylib", rpaths=["@loader_path/../lib"])
    library = lib("@rpath/libfoo.dylib", rpaths=["/Users/runner/work/x"])
    write_tree(tmp_path, {"bin/a": program, "bin/b": program, "lib/libfoo.dylib": library})

    (finding,) = found(audited(tmp_path), "MC402")

    assert finding.path == "lib/libfoo.dylib"
    assert finding.processes == (f"{tmp_path}/bin/a", f"{tmp_path}/bin/b")


def test_different_subjects_are_different_causes(tmp_path: Path) -> None:
    write_tree(tmp_path, {"tool": exe("/gone/libx.dylib", "/gone/liby.dylib")})
    assert [f.finding.subject for f in found(audited(tmp_path), "MC101")] == ["/gone/libx.dylib", "/gone/liby.dylib"]


def test_a_rule_that_is_off_is_not_told(tmp_path: Path) -> None:
    write_tree(tmp_path, {"bin/tool": exe(rpaths=["/Users/runner/work/x"]), "lib/a.so": exe(rpaths=["/Users/x/y"])})
    policy = {"override": [{"path": "bin/*", "severity": {"MC402": "off"}}]}
    assert [f.path for f in found(audited(tmp_path, policy), "MC402")] == ["lib/a.so"]


def test_an_image_outside_of_the_input_is_named_by_its_place(tmp_path: Path) -> None:
    library = tmp_path / "elsewhere" / "libfoo.dylib"
    write_tree(
        tmp_path,
        {
            "dist/tool": exe(str(library)),
            "elsewhere/libfoo.dylib": lib(str(library), rpaths=["/Users/runner/work/x"]),
        },
    )
    (finding,) = found(audited(tmp_path / "dist"), "MC402")
    assert finding.path == str(library.resolve())


@pytest.mark.parametrize(
    ("macos", "clean", "ended", "fine", "words"),
    [
        ("26", "", "26", "", ""),
        ("12 13 26", "", "", "", ""),
        ("26", "12 15.4", "26", "12 15.4", "fails on macOS 26, launches on older ones"),
        ("26", "12 15.4", "26", "12", "fails on macOS 26, not on older ones"),
        ("12 12.3", "13 26", "12 12.3", "13 26", "fails on macOS 12 to 12.3, launches on newer ones"),
        ("12 26", "13", "12 26", "13", "fails on macOS 12, 26, launches on others"),
        ("15.4 26", "12", "", "12", "on macOS 15.4 to 26 only"),
        ("15.4 26", "", "26", "15.4", "fails on macOS 26, launches on older ones"),
        ("15.4 26", "", "26", "", ""),
        ("14.5.1", "15", "", "", "on macOS 14.5.1 only"),
    ],
)
def test_releases_in_words(macos: str, clean: str, ended: str, fine: str, words: str) -> None:
    assert words_for(versions(macos), versions(clean), versions(ended), set(versions(fine))) == words


def test_what_nobody_knows_is_not_said_to_be_otherwise() -> None:
    eleven, twelve, later = versions("11"), versions("12"), versions("15 26")

    assert words_for((*eleven, *twelve), later, (*eleven, *twelve), set(), set(later)) == (
        "fails on macOS 11 to 12, unknown on newer ones"
    )
    assert words_for((*eleven, *twelve), later, (*eleven, *twelve)) == "fails on macOS 11 to 12, not on newer ones"


def test_a_run_path_that_one_process_needs_is_deleted_for_none(tmp_path: Path) -> None:
    shared = lib("@rpath/libshared.dylib", "@rpath/libfoo.dylib", rpaths=["/Users/runner/x"])
    near = {"rpaths": ["@loader_path"]}
    tree = {
        "a": exe("@rpath/libshared.dylib", **near),
        "b": exe("@rpath/libshared.dylib", "@rpath/libfoo.dylib", **near),
        "libshared.dylib": shared,
        "c/libfoo.dylib": lib("@rpath/libfoo.dylib"),
    }

    (finding,) = found(audited(write_tree(tmp_path, tree)), "MC402")

    assert not any("-delete_rpath" in step for step in finding.finding.remedy)


def test_remedies_name_the_file_on_this_machine(tmp_path: Path) -> None:
    program = exe(rpaths=["/Users/runner/work/x"])
    folder = write_tree(tmp_path / "My App.app", {"Contents/MacOS/tool": program})
    packed = tmp_path / "release.zip"
    packed.write_bytes(zipped({"dist/bin/tool": program}))

    (installed,), (unpacked,) = (found(audited(path), "MC402") for path in (folder, packed))

    assert installed.finding.image == "/Applications/My App.app/Contents/MacOS/tool"
    assert f"'{folder}/Contents/MacOS/tool' && codesign" in installed.finding.remedy[0]
    assert "/Applications" not in installed.finding.remedy[0]
    assert unpacked.finding.remedy == (
        f"unpack {packed}, and go to the folder it is unpacked to",
        "install_name_tool -delete_rpath /Users/runner/work/x dist/bin/tool && codesign -f -s - dist/bin/tool",
        "pack release.zip again",
        f"or machochain fix {packed} -o fixed/ --only MC402",
    )
