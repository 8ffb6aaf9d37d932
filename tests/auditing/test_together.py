"""Packages that are installed together lie side by side on one Mac."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import machochain
from machochain.model.paths import HostPath
from tests.cli.running import run
from tests.findings.audited import zipped
from tests.findings.scenes import lib, plugin


def wheel(path: Path, name: str, files: dict[str, bytes], *, needs: str = "", tag: str = "cp312-cp312") -> str:
    info = f"{name.replace('-', '_')}-1.0.dist-info"
    stated = {
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nTag: {tag}-macosx_11_0_arm64\n".encode(),
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n{needs}".encode(),
        f"{info}/RECORD": b"",
    }
    file = path / f"{name.replace('-', '_')}-1.0-{tag}-macosx_11_0_arm64.whl"
    file.write_bytes(zipped({**files, **stated}))
    return str(file)


@pytest.fixture
def pair(tmp_path: Path) -> list[str]:
    """As PyQt6 and PyQt6-Qt6: both bring files into one package."""
    return [
        wheel(
            tmp_path,
            "pkg",
            {"pkg/__init__.py": b"", "pkg/a.so": plugin("@loader_path/lib/libx.dylib"), "pkg/lib/mine.txt": b"x"},
            needs="Requires-Dist: pkg-lib\n",
        ),
        wheel(tmp_path, "pkg-lib", {"pkg/lib/libx.dylib": lib()}, tag="py3-none"),
    ]


def test_a_library_of_the_other_package_is_found(pair: list[str]) -> None:
    target = machochain.Target(macos="26")
    apart = machochain.resolve(pair, target=target)
    assert {Path(r.path).name: r.launches for r in apart}["a.so"] is None
    both = machochain.resolve(pair, target=target, together=True)
    plug_in = next(r for r in both if r.path.endswith("a.so"))
    assert plug_in.launches is True
    assert [load.outcome.value for load in plug_in.loads if "libx" in load.dylib.name] == ["loaded"]


def test_each_package_keeps_its_own_part_of_the_report(pair: list[str]) -> None:
    report = machochain.audit(pair, target=machochain.Target(macos="26"), together=True)
    assert [given.path for given in report.inputs] == pair
    assert [given.members for given in report.inputs] == [("pkg/a.so",), ("pkg/lib/libx.dylib",)]
    assert {binary.path: binary.origin for binary in report.binaries} == {
        "pkg/a.so": pair[0],
        "pkg/lib/libx.dylib": pair[1],
    }
    assert report.coverage.unknown == 0


def test_a_folder_of_packages_can_be_laid_together(pair: list[str]) -> None:
    folder = str(Path(pair[0]).parent)
    for command in (["resolve"], ["audit", "--no-config"]):
        done = run(*command, folder, "--together", "--macos", "26", "--json")
        document = json.loads(done.stdout)
        assert document["coverage"]["unknown"] == 0, command
        assert document["coverage"]["libraries"] == 2


def test_what_cannot_be_read_hides_no_other(pair: list[str], tmp_path: Path) -> None:
    (tmp_path / "gone").mkdir()
    report = machochain.audit([*pair, tmp_path / "no-such"], target=machochain.Target(macos="26"), together=True)
    assert [error.path for error in report.errors] == [str(tmp_path / "no-such")]
    assert len(report.binaries) == 2


def test_folders_are_joined_and_of_a_file_the_first_counts(tmp_path: Path) -> None:
    from machochain.world.archives.together import _Layers

    for top, files in (("one", ["a/x", "a/b/y"]), ("two", ["a/x", "a/b/z", "c/w"]), ("three", ["a/b/v", "a/x/n"])):
        for name in files:
            path = tmp_path / top / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(top)
    layers = _Layers()
    for top in ("one", "two", "three"):
        layers.add("/t", str(tmp_path / top))
    assert layers.maps == [
        ("/t", HostPath(str(tmp_path / "one"))),
        ("/t/a/b/z", HostPath(str(tmp_path / "two/a/b/z"))),
        ("/t/c", HostPath(str(tmp_path / "two/c"))),
        ("/t/a/b/v", HostPath(str(tmp_path / "three/a/b/v"))),
    ]
