"""What a run finds out once must be told of nothing else."""

from __future__ import annotations

from pathlib import Path

import machochain
from tests.factory import dylib, executable, load


def test_images_that_load_nothing_are_kept_apart(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.dylib").write_bytes(dylib(f"/usr/lib/system/{name}", rpaths=[f"/Users/{name}/lib"]))
    report = machochain.resolve([tmp_path], target=machochain.Target(macos=("14", "26")))
    found = [(r, f) for r in report.results for f in r.findings if f.rule == "MC402"]
    assert [(Path(r.input).name, str(r.macos), f.subject) for r, f in found] == [
        ("a.dylib", "14.0", "/Users/a/lib"),
        ("a.dylib", "26.0", "/Users/a/lib"),
        ("b.dylib", "14.0", "/Users/b/lib"),
        ("b.dylib", "26.0", "/Users/b/lib"),
    ]


def test_several_releases_say_what_each_says_alone(tmp_path: Path) -> None:
    lib = tmp_path / "lib"
    lib.mkdir()
    (tmp_path / "tool").write_bytes(
        executable(
            "@rpath/liba.1.dylib",
            "/gone.dylib",
            load("/opt/homebrew/lib/z.dylib", weak=True),
            rpaths=["@loader_path/lib", "@loader_path/none"],
        )
    )
    (lib / "liba.1.dylib").write_bytes(dylib("@rpath/liba.1.dylib", "@rpath/liba.2.dylib", "/usr/lib/libnetwork.dylib"))
    (lib / "liba.2.dylib").write_bytes(dylib("@rpath/liba.2.dylib", minos="13.0"))
    releases = ("11", "12", "12.3", "13", "14", "14.4", "15", "15.4", "26")
    together = machochain.resolve([tmp_path], target=machochain.Target(macos=releases)).results
    alone = [
        r for macos in releases for r in machochain.resolve([tmp_path], target=machochain.Target(macos=macos)).results
    ]
    assert sorted(map(repr, together)) == sorted(map(repr, alone))
    assert {f.rule for r in together for f in r.findings} >= {"MC101", "MC102", "MC115", "MC121"}


def test_what_is_missing_is_told_once_for_releases_that_share_a_walk(tmp_path: Path) -> None:
    (tmp_path / "tool").write_bytes(executable("@rpath/libgone.dylib", rpaths=["@loader_path"]))
    results = machochain.resolve([tmp_path], target=machochain.Target(macos=("14.4", "15", "26"))).results
    first, *others = [f for r in results for f in r.findings if f.rule == "MC101"]
    assert all(f.evidence["tried"] is first.evidence["tried"] and f.message is first.message for f in others)
    assert [f.evidence["macos"] for f in (first, *others)] == ["14.4", "15.0", "26.0"]
