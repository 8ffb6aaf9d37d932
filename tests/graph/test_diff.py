"""What changed between two releases is what is told, and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from machochain import Target, diff
from machochain.graph.diff import BinaryDiff, Change, Diff, State
from machochain.judging.policy_file import parse_policy
from tests.factory import fat, load
from tests.findings.audited import Tree, plist, write_tree, zipped
from tests.findings.scenes import exe, lib

LEAK = "/Users/runner/work/x"


def compared(tmp_path: Path, old: Tree, new: Tree, **policy: Any) -> Diff:
    return diff(
        write_tree(tmp_path / "old", old),
        write_tree(tmp_path / "new", new),
        policy=parse_policy(policy, "p"),
        target=Target(macos=("26",)),
    )


def changes(tmp_path: Path, old: bytes, new: bytes) -> tuple[Change, ...]:
    """Compare two programs; empty if nothing changed."""
    found = compared(tmp_path, {"tool": old}, {"tool": new}).binaries
    return found[0].changes if found else ()


@pytest.mark.parametrize(
    ("old", "new", "change"),
    [
        (exe(), exe("/usr/lib/libz.1.dylib"), Change("library", "/usr/lib/libz.1.dylib", None, "1.0 (compatible 1.0)")),
        (exe("/usr/lib/libz.1.dylib"), exe(), Change("library", "/usr/lib/libz.1.dylib", "1.0 (compatible 1.0)", None)),
        (
            exe("/usr/lib/libz.1.dylib"),
            exe(load("/usr/lib/libz.1.dylib", weak=True, current="1.3.0")),
            Change("library", "/usr/lib/libz.1.dylib", "1.0 (compatible 1.0)", "1.3 (compatible 1.0) weak"),
        ),
        (exe(), exe(rpaths=["@loader_path"]), Change("run path", "@loader_path", None, "present")),
        (exe(rpaths=["/a"]), exe(rpaths=["/a", "/a"]), Change("run path", "/a", "present", "2 times")),
        (exe(rpaths=["/a", "/b"]), exe(rpaths=["/b", "/a"]), Change("run path order", "", "/a, /b", "/b, /a")),
        (exe(), exe(minos="13.0"), Change("minos", "", "12.0", "13.0")),
        (exe(), exe(sdk="26.0"), Change("sdk", "", "15.0", "26.0")),
        (exe(), exe(signed=False), Change("signature", "", "ad-hoc", "none")),
        (
            lib("@rpath/a.dylib", id_current="1.0"),
            lib("@rpath/a.dylib", id_current="2.0"),
            Change("version", "", "1.0", "2.0"),
        ),
        (lib("@rpath/a.dylib"), lib("@rpath/b.dylib"), Change("install name", "", "@rpath/a.dylib", "@rpath/b.dylib")),
    ],
)
def test_a_change_is_told(old: bytes, new: bytes, change: Change, tmp_path: Path) -> None:
    assert change in changes(tmp_path, old, new)
    assert changes(tmp_path / "back", new, old), "and so is its reverse"


def test_team_and_entitlements_are_compared(tmp_path: Path) -> None:
    old = exe(team_id="AAAA", cms=b"x", cs_flags=0x10000)
    new = exe(team_id="BBBB", cms=b"x", cs_flags=0, entitlements=plist(key=True))
    assert changes(tmp_path, old, new) == (
        Change("team", "", "AAAA", "BBBB"),
        Change("signing flags", "", "runtime", None),
        Change("entitlement", "key", None, "True"),
    )


def test_a_new_uuid_alone_is_no_change(tmp_path: Path) -> None:
    assert changes(tmp_path, exe(uuid=b"a" * 16), exe(uuid=b"b" * 16)) == ()


def test_what_serves_a_library_is_compared(tmp_path: Path) -> None:
    program = exe("@rpath/libfoo.dylib", rpaths=["@loader_path/a", "@loader_path/b"])
    found = compared(
        tmp_path, {"tool": program, "b/libfoo.dylib": lib()}, {"tool": program, "a/libfoo.dylib": lib()}
    ).binaries
    assert found == (
        BinaryDiff("a/libfoo.dylib", "arm64", State.ADDED),
        BinaryDiff("b/libfoo.dylib", "arm64", State.REMOVED),
        BinaryDiff(
            "tool",
            "arm64",
            State.CHANGED,
            (Change("served by", "@rpath/libfoo.dylib", "b/libfoo.dylib", "a/libfoo.dylib"),),
        ),
    )


def test_a_slice_that_came_is_told(tmp_path: Path) -> None:
    found = compared(tmp_path, {"tool": exe()}, {"tool": fat([exe(), exe(arch="x86_64")])}).binaries
    assert [(b.arch, b.state) for b in found] == [("arm64", State.CHANGED), ("x86_64", State.ADDED)]


def test_findings_that_came_and_went(tmp_path: Path) -> None:
    found = compared(tmp_path, {"a": exe(rpaths=[LEAK]), "b": exe()}, {"a": exe(), "b": exe("/gone/x.dylib")})
    assert [(f.finding.rule, f.path) for f in found.appeared] == [("MC101", "b")]
    assert [(f.finding.rule, f.path) for f in found.vanished] == [("MC402", "a")]
    assert found.failing == found.appeared


def test_a_finding_that_got_worse_is_a_new_one(tmp_path: Path) -> None:
    old = {"tool": exe(load("/gone/x.dylib", weak=True), rpaths=[LEAK])}
    worse = compared(tmp_path, {"tool": exe(uuid=None, sdk="15.0")}, {"tool": exe(uuid=None, sdk="26.0")})
    assert [(f.finding.rule, f.severity.value) for f in worse.appeared] == [("MC301", "error")]
    assert worse.vanished == ()
    assert compared(tmp_path / "same", old, old).appeared == ()


def test_a_suppressed_finding_does_not_fail(tmp_path: Path) -> None:
    ignore = [{"rule": "MC101", "reason": "there at run time"}]
    found = compared(tmp_path, {"tool": exe()}, {"tool": exe("/gone/x.dylib")}, ignore=ignore)
    assert found.failing == ()


def test_archives_are_paired_without_the_name_of_the_release(tmp_path: Path) -> None:
    for version, program in (("1.0", exe()), ("1.1", exe(minos="13.0"))):
        (tmp_path / f"tool-{version}.zip").write_bytes(zipped({f"tool-{version}/bin/tool": program}))
    found = diff(tmp_path / "tool-1.0.zip", tmp_path / "tool-1.1.zip", target=Target(macos=("26",)))
    assert found.binaries == (BinaryDiff("bin/tool", "arm64", State.CHANGED, (Change("minos", "", "12.0", "13.0"),)),)


def test_two_single_files_are_paired_whatever_their_names(tmp_path: Path) -> None:
    write_tree(tmp_path, {"tool-1": exe(rpaths=[LEAK], signed=False), "tool-2": exe(rpaths=[LEAK], signed=False)})
    found = diff(tmp_path / "tool-1", tmp_path / "tool-2", target=Target(macos=("26",)))
    assert (found.binaries, found.appeared, found.vanished) == ((), (), ())
