"""What is decided although not everything was seen, and what stays open although something was found."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import pytest

import machochain
from machochain.model.result import Outcome, Result
from tests.factory import bundle, dylib, executable

SWIFT = "/usr/lib/swift"
FOO = "@rpath/libfoo.dylib"
SPARKLE = "@rpath/Sparkle.framework/Versions/B/Sparkle"


def run(folder: Path, tree: dict[str, bytes], name: str, macos: str = "26", **more: Any) -> Result:
    for path, data in tree.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    (result,) = machochain.resolve(folder / name, target=machochain.Target(macos=macos, **more)).results
    return result


@pytest.mark.parametrize("macos", ["11", "12", "14", "26"])
@pytest.mark.parametrize("first", [SWIFT, "/System/Library/Frameworks", "/usr/lib"])
def test_the_os_has_nothing_by_the_name_of_what_a_program_brings_along(first: str, macos: str, tmp_path: Path) -> None:
    program = executable(FOO, SPARKLE, rpaths=[first, "@loader_path/lib"])
    tree = {
        "tool": program,
        "lib/libfoo.dylib": dylib(FOO),
        "lib/Sparkle.framework/Versions/B/Sparkle": dylib(SPARKLE),
    }

    result = run(tmp_path, tree, "tool", macos)

    assert (result.launches, result.unknowns) == (True, ())
    assert not [f for f in result.findings if f.rule == "MC901"]


def test_a_library_of_swift_that_no_sdk_knows_stays_open(tmp_path: Path) -> None:
    tree = {"tool": executable("@rpath/libswiftQuantum.dylib", rpaths=[SWIFT])}

    assert run(tmp_path, tree, "tool").launches is None
    assert run(tmp_path, {"tool": executable(FOO, rpaths=[SWIFT])}, "tool").launches is False


@pytest.mark.parametrize(("macos", "launches"), [("12", True), ("26", None)])
def test_a_fallback_to_a_library_that_the_os_once_had_is_no_certain_miss(
    macos: str, launches: bool | None, tmp_path: Path
) -> None:
    """Nobody has seen whether macOS 26 still has libstdc++.6."""
    tree = {"tool": executable("/nowhere/libstdc++.6.dylib", sdk="13.0")}

    assert run(tmp_path, tree, "tool", macos).launches is launches
    assert run(tmp_path, {"tool": executable("/nowhere/libx.dylib", sdk="13.0")}, "tool", macos).launches is False


def wheel(folder: Path, **files: bytes) -> Path:
    path = folder / "pkg-1-py3-none-macosx_11_0_arm64.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("pkg/__init__.py", b"")
        for name, data in files.items():
            archive.writestr("pkg/" + name.replace("_", "."), data)
        archive.writestr("pkg-1.dist-info/WHEEL", b"Tag: py3-none-macosx_11_0_arm64\n")
    return path


def test_a_package_of_somebody_else_is_not_expected_to_have_what_this_one_brings(tmp_path: Path) -> None:
    module = bundle(FOO, rpaths=["@loader_path/../lib", "@loader_path"])
    path = wheel(tmp_path, a_so=module, libfoo_dylib=dylib(FOO))

    (result,) = (r for r in machochain.resolve(path).results if r.path.endswith(".so"))

    assert (result.launches, result.unknowns) == (True, ())
    assert [f.rule for f in result.findings if f.rule == "MC901"] == ["MC901"]
    load = next(x for x in result.loads if x.dylib.name == FOO)
    assert load.outcome is Outcome.LOADED
    assert load.tried[0].unseen


def test_what_the_user_says_was_not_seen_stays_open(tmp_path: Path) -> None:
    tree = {"tool": executable(FOO, rpaths=["/opt/x", "@loader_path"]), "libfoo.dylib": dylib(FOO)}
    for name, data in tree.items():
        (tmp_path / name).write_bytes(data)

    (result,) = machochain.resolve(tmp_path / "tool", world=machochain.World(unseen=("/opt/x",))).results

    assert result.launches is None


CATALYST = 6
UIKIT = "/System/Library/Frameworks/UIKit.framework/UIKit"


@pytest.mark.parametrize("macos", ["11", "11.3", "12", "13", "15.4", "26"])
def test_a_catalyst_program_finds_the_libraries_of_macos_where_macos_has_them(macos: str, tmp_path: Path) -> None:
    program = executable("/usr/lib/libSystem.B.dylib", "/usr/lib/libz.1.dylib", platform=CATALYST, minos="14.0")
    result = run(tmp_path, {"tool": program}, "tool", macos)

    assert [i.path for i in result.images[1:]] == ["/usr/lib/libSystem.B.dylib", "/usr/lib/libz.1.dylib"]
    assert not [u for u in result.unknowns if "iOSSupport" in u.text]
    assert not {f.rule for f in result.findings} & {"MC110", "MC203", "MC901"}


def test_a_catalyst_program_finds_what_is_kept_for_it(tmp_path: Path) -> None:
    known = run(tmp_path, {"tool": executable(UIKIT, platform=CATALYST, minos="14.0")}, "tool", "12")
    later = run(tmp_path, {"tool": executable(UIKIT, platform=CATALYST, minos="14.0")}, "tool", "26")

    assert known.images[1].path.startswith("/System/iOSSupport/")
    assert "MC203" not in {f.rule for f in later.findings}


@pytest.mark.parametrize(("platform", "name"), [(2, "iOS"), (7, "iOS-simulator"), (11, "visionOS")])
def test_what_is_built_for_another_system_is_passed_over_in_a_folder_and_no_error(
    platform: int, name: str, tmp_path: Path
) -> None:
    (tmp_path / "mac.dylib").write_bytes(dylib("@rpath/mac.dylib", signed=True))
    (tmp_path / "other.dylib").write_bytes(dylib("@rpath/other.dylib", platform=platform))

    report = machochain.audit(tmp_path, target=machochain.Target(macos="26"))

    assert [f for f in report.findings if f.severity.value == "error"] == []
    assert [(Path(p.path).name, p.reason) for p in report.passed_over] == [
        ("other.dylib", f"is built for {name}, not for macOS")
    ]
    assert [Path(r.input).name for r in report.results] == ["mac.dylib"]
    assert machochain.resolve(tmp_path / "other.dylib").results
