"""The whole of it: audited, edited on a copy, signed, proved by a second audit, and only then put in place."""

from __future__ import annotations

import errno
import os
import plistlib
import shutil
import zipfile
from pathlib import Path
from typing import Any

import pytest

from machochain import Target, UsageError, World, resolve
from machochain.mending import fix
from machochain.model.result import Severity
from machochain.repair.obstacle import ObstacleKind
from machochain.repair.result import Repair, RepairOutcome
from machochain.repair.seal import SEAL, write_plist
from machochain.repair.signing import Signing
from tests.cli.running import run
from tests.factory.macho import MachO
from tests.repair.test_containers import true_record, wheel

HELLO = Path(__file__).parents[2] / "testdata" / "hello"
LEAK = "/Users/runner/work/x/lib"


def program(**more: Any) -> bytes:
    return MachO(**{"headerpad": 512, "signed": True, **more}).bytes()


def library(name: str, **more: Any) -> bytes:
    return program(install_name=name, **more)


def mended(path: Path, out: Path | None = None, **more: Any) -> Repair:
    macos = more.pop("macos", "26")
    return fix(path, out, target=Target(macos=macos), **more)


def rules(repair: Repair, kind: str = "gone") -> set[str]:
    proof = repair.inputs[0].proof
    assert proof is not None
    return {f.finding.rule for f in getattr(proof, kind)}


def test_a_run_path_is_added_and_the_copy_launches_where_the_input_lies(tmp_path: Path) -> None:
    folder = tmp_path / "hello"
    shutil.copytree(HELLO, folder)
    broken = folder / "bin" / "greeter-broken"
    before = broken.read_bytes()
    done = mended(broken, tmp_path / "fixed")
    assert done.inputs[0].outcome is RepairOutcome.REPAIRED
    assert done.helped
    assert rules(done) == {"MC101"}
    assert broken.read_bytes() == before
    assert resolve([broken], target=Target(macos="26")).launches is False
    shutil.copy(tmp_path / "fixed", broken)
    assert resolve([broken], target=Target(macos="26")).launches is True


def test_a_leaked_run_path_goes_and_a_wheel_stays_a_wheel(tmp_path: Path) -> None:
    path = wheel(
        tmp_path / "pkg-1.0-cp312-abi3-macosx_12_0_arm64.whl", pkg___y_DOT_so=program(rpaths=[LEAK], file_type=8)
    )
    (tmp_path / "out").mkdir()
    done = mended(path, tmp_path / "out")
    (given,) = done.inputs
    assert given.outcome is RepairOutcome.REPAIRED
    assert rules(done) == {"MC402"}
    out = Path(given.output or "")
    assert out == tmp_path / "out" / path.name
    assert true_record(out)
    with zipfile.ZipFile(path) as a, zipfile.ZipFile(out) as b:
        changed = {n for n in a.namelist() if a.read(n) != b.read(n)}
    assert changed == {"pkg/_y.so", "pkg-1.0.dist-info/RECORD"}


def test_equal_run_paths_go_but_for_the_first(tmp_path: Path) -> None:
    tool = tmp_path / "tool"
    tool.write_bytes(program(rpaths=["@loader_path/a", "@loader_path/b", "@loader_path/a"], sdk="26.0", minos="12.0"))
    done = mended(tool, tmp_path / "out", only=["MC302"])
    assert rules(done) == {"MC302"}
    assert done.inputs[0].changes[0].slices[0].signing is Signing.PATCHED


def test_a_uuid_is_added_where_a_macos_asks_for_one(tmp_path: Path) -> None:
    tool = tmp_path / "tool"
    tool.write_bytes(program(uuid=None, sdk="26.0"))
    done = mended(tool, tmp_path / "out")
    assert "MC301" in rules(done)
    assert resolve([tmp_path / "out"], target=Target(macos="26")).launches is True


def test_only_the_rules_that_are_named_are_mended(tmp_path: Path) -> None:
    tool = tmp_path / "tool"
    tool.write_bytes(program(rpaths=[LEAK, "@loader_path/a", "@loader_path/a"], sdk="26.0"))
    done = mended(tool, tmp_path / "out", only=["MC402"])
    assert rules(done) == {"MC402"}
    assert "MC302" in rules(done, "stays")
    assert not done.helped


@pytest.mark.parametrize("run_path", ["@loader_path", "@loader_path/nothing"])
def test_an_idle_run_path_goes_only_where_that_is_asked_for(run_path: str, tmp_path: Path) -> None:
    """A plugin that the program opens itself may be found by it."""
    tool = tmp_path / "tool"
    tool.write_bytes(program(rpaths=[run_path]))
    done = mended(tool, tmp_path / "out")
    assert done.inputs[0].outcome is RepairOutcome.NOTHING_TO_DO
    assert (tmp_path / "out").read_bytes() == tool.read_bytes()
    rule = done.inputs[0].left[0].finding.rule
    assert rules(mended(tool, tmp_path / "asked", only=[rule])) == {rule}


def test_a_leaked_run_path_that_is_there_twice_goes_altogether(tmp_path: Path) -> None:
    tool = tmp_path / "tool"
    tool.write_bytes(program(rpaths=[LEAK, LEAK]))
    done = mended(tool, tmp_path / "out")
    assert done.inputs[0].outcome is RepairOutcome.REPAIRED
    assert rules(done) >= {"MC402"}
    assert not done.inputs[0].refusals


def test_an_input_in_which_nothing_was_examined_is_no_success(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.txt").write_text("text")
    done = mended(tmp_path / "docs", tmp_path / "out")
    assert "nothing was examined" in str(done.errors[0])
    assert not done.helped
    assert not (tmp_path / "out").exists()
    assert run("fix", str(tmp_path / "docs"), "-o", str(tmp_path / "out")).returncode == 2


def test_what_is_left_is_named_where_nothing_can_be_mended(tmp_path: Path) -> None:
    tool = tmp_path / "tool"
    tool.write_bytes(program(platform=2))
    said = run("fix", str(tool), "-n")
    assert "left: error[MC811]" in said.stdout


def test_entitlements_that_nothing_grants_go_where_that_is_allowed(tmp_path: Path) -> None:
    tool = tmp_path / "tool"
    tool.write_bytes(
        program(entitlements=plistlib.dumps({"com.apple.developer.x": True, "com.apple.security.network.client": True}))
    )
    left = mended(tool, dry_run=True)
    assert left.inputs[0].outcome is RepairOutcome.NOTHING_TO_DO
    done = mended(tool, tmp_path / "out", drop_entitlements=True)
    assert rules(done) == {"MC808"}
    assert resolve([tmp_path / "out"], target=Target(macos="26")).launches is True
    assert b"com.apple.security.network.client" in (tmp_path / "out").read_bytes()


def test_a_copy_that_still_does_not_pass_is_repaired_in_part_only(tmp_path: Path) -> None:
    tool = tmp_path / "tool"
    tool.write_bytes(program(platform=2, rpaths=[LEAK]))
    for way in (["-n"], ["-o", str(tmp_path / "out")]):
        done = run("fix", str(tool), *way)
        assert done.returncode == 1
        assert "repaired in part" in done.stdout
        assert "✔" not in done.stdout


def test_a_run_path_that_somebody_may_need_stays(tmp_path: Path) -> None:
    """A library that nobody here can find is looked for by the run path that looks like a leak."""
    module = tmp_path / "x.so"
    module.write_bytes(program(file_type=8, loads=["@rpath/libomp.dylib"], rpaths=["/opt/homebrew/opt/libomp/lib"]))
    done = mended(module, tmp_path / "out", only=["MC402"], world=World(unseen=["/opt/homebrew"]))
    (given,) = done.inputs
    assert given.outcome in {RepairOutcome.NO_HELP, RepairOutcome.REFUSED, RepairOutcome.NOTHING_TO_DO}
    assert (tmp_path / "out").read_bytes() == module.read_bytes()


def test_without_room_the_copy_is_the_input_and_the_missing_bytes_are_told(tmp_path: Path) -> None:
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "liba.dylib").write_bytes(library("@rpath/liba.dylib"))
    tool = tmp_path / "tool"
    tool.write_bytes(program(loads=["@rpath/liba.dylib"], headerpad=0))
    done = mended(tmp_path, tmp_path.with_name("out"))
    (given,) = done.inputs
    (refusal,) = given.refusals
    assert given.outcome is RepairOutcome.REFUSED
    assert (refusal.path, refusal.obstacle.kind) == ("tool", ObstacleKind.NO_ROOM)
    assert refusal.obstacle.amount > 0
    assert (tmp_path.with_name("out") / "tool").read_bytes() == tool.read_bytes()
    assert not done.helped


def test_a_developers_signature_is_left_alone_unless_it_may_go(tmp_path: Path) -> None:
    tool = tmp_path / "tool"
    tool.write_bytes(program(rpaths=[LEAK], team_id="TEAM123456", cms=b"c" * 60))
    done = mended(tool, tmp_path / "out")
    assert done.inputs[0].refusals[0].obstacle.kind is ObstacleKind.SIGNED_BY_OTHERS
    assert (tmp_path / "out").read_bytes() == tool.read_bytes()
    again = mended(tool, tmp_path / "second", resign=True)
    assert again.inputs[0].changes[0].slices[0].signing is Signing.MADE
    assert any("TEAM123456" in note for note in again.inputs[0].changes[0].slices[0].notes)


def test_a_broken_signature_is_made_anew(tmp_path: Path) -> None:
    data = bytearray(program(sections=[]))
    data[data.index(b"\xc0\x03\x5f\xd6")] ^= 1
    tool = tmp_path / "tool"
    tool.write_bytes(bytes(data))
    done = mended(tool, tmp_path / "out")
    assert rules(done) & {"MC520", "MC801", "MC802", "MC803", "MC810"}
    assert done.helped


def test_nothing_to_do_copies_the_input(tmp_path: Path) -> None:
    tool = tmp_path / "tool"
    tool.write_bytes(program())
    done = mended(tool, tmp_path / "out")
    assert done.inputs[0].outcome is RepairOutcome.NOTHING_TO_DO
    assert (tmp_path / "out").read_bytes() == tool.read_bytes()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no such files there")
@pytest.mark.parametrize("sound", [True, False])
def test_what_cannot_be_copied_is_told_and_nothing_is_written(tmp_path: Path, sound: bool) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "tool").write_bytes(program(rpaths=[] if sound else ["/Users/me/lib", "/Users/me/lib"]))
    os.mkfifo(folder / "pipe")
    (repaired,) = mended(folder, tmp_path / "out").inputs
    assert repaired.outcome is RepairOutcome.REFUSED
    assert [refusal.obstacle.kind for refusal in repaired.refusals] == [ObstacleKind.CONTAINER]
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


@pytest.mark.parametrize("name", ["tool", "folder", "x.zip"])
def test_a_disk_that_is_full_is_told_and_nothing_is_left_on_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    (tmp_path / "tool").write_bytes(program(rpaths=["/Users/me/lib"]))
    (tmp_path / "folder").mkdir()
    shutil.copy(tmp_path / "tool", tmp_path / "folder")
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.write(tmp_path / "tool", "tool")

    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    for place in ("shutil.copy2", "machochain.repair.containers.rewrite_zip", "pathlib.Path.write_bytes"):
        monkeypatch.setattr(place, full)
    with pytest.raises(UsageError, match=f"a copy of .*{name} cannot be written: .*No space left on device"):
        mended(tmp_path / name, tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder", "tool", "x.zip"]


def test_a_wheel_keeps_the_name_that_pip_goes_by(tmp_path: Path) -> None:
    path = wheel(tmp_path / "pkg-1.0-cp312-abi3-macosx_12_0_arm64.whl", pkg___y_DOT_so=program(file_type=8))
    done = mended(path, tmp_path / "fixed")
    assert done.inputs[0].output == str(tmp_path / "fixed" / path.name)


def test_in_place_and_dry_run_write_where_they_say_and_nowhere_else(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    tool = folder / "tool"
    tool.write_bytes(program(rpaths=[LEAK]))
    before = tool.read_bytes()
    done = mended(tool, dry_run=True)
    assert (done.inputs[0].outcome, done.inputs[0].output) == (RepairOutcome.REPAIRED, None)
    assert tool.read_bytes() == before
    assert mended(tool, in_place=True).helped
    assert tool.read_bytes() != before
    assert os.listdir(folder) == ["tool"]  # noqa: PTH208
    other = folder / "second"
    other.write_bytes(before)
    assert mended(folder, in_place=True).helped
    assert sorted(os.listdir(tmp_path)) == ["in"]  # noqa: PTH208
    assert other.read_bytes() != before


def test_an_app_is_sealed_again(tmp_path: Path) -> None:
    contents = tmp_path / "X.app" / "Contents"
    (contents / "MacOS").mkdir(parents=True)
    (contents / "Frameworks").mkdir()
    (contents / "_CodeSignature").mkdir()
    (contents / "Info.plist").write_bytes(
        plistlib.dumps(
            {"CFBundleExecutable": "X", "CFBundleIdentifier": "org.example.x", "CFBundlePackageType": "APPL"}
        )
    )
    (contents / "MacOS" / "X").write_bytes(
        program(loads=["@executable_path/../Frameworks/liba.dylib"], entitlements=plistlib.dumps({}))
    )
    name = "@executable_path/../Frameworks/liba.dylib"
    (contents / "Frameworks" / "liba.dylib").write_bytes(library(name, rpaths=[LEAK]))
    nested = {"cdhash": bytes(20), "requirement": 'cdhash H"00"'}
    (contents / SEAL).write_bytes(write_plist({"files": {}, "files2": {"Frameworks/liba.dylib": nested}}))
    (tmp_path / "out").mkdir()
    done = mended(tmp_path / "X.app", tmp_path / "out" / "X.app")
    assert done.inputs[0].outcome is RepairOutcome.REPAIRED
    assert {c.path for c in done.inputs[0].changes} == {
        "Contents/Frameworks/liba.dylib", f"Contents/{SEAL}", "Contents/MacOS/X",
    }  # fmt: skip
    seal = plistlib.loads((tmp_path / "out" / "X.app" / "Contents" / SEAL).read_bytes())
    assert seal["files2"]["Frameworks/liba.dylib"]["cdhash"] != bytes(20)


def test_a_library_that_is_found_only_after_the_repair_is_not_harmed(tmp_path: Path) -> None:
    """Audited by itself before, it is part of the program's process after."""
    contents = tmp_path / "X.app" / "Contents"
    (contents / "MacOS").mkdir(parents=True)
    (contents / "Frameworks").mkdir()
    shutil.copy(HELLO / "bin" / "greeter-broken", contents / "MacOS" / "X")
    shutil.copy(HELLO / "lib" / "libgreet.1.dylib", contents / "Frameworks")
    (tmp_path / "out").mkdir()
    done = mended(tmp_path / "X.app", tmp_path / "out" / "X.app")
    assert done.inputs[0].proof is not None
    assert done.inputs[0].proof.harms == ()
    assert done.inputs[0].outcome is RepairOutcome.REPAIRED


def test_libraries_from_outside_are_brought_in_and_named_anew(tmp_path: Path) -> None:
    brew = tmp_path / "brew"
    brew.mkdir()
    prefix = "/opt/homebrew/lib"
    (brew / "liba.dylib").write_bytes(library(f"{prefix}/liba.dylib", loads=[f"{prefix}/libb.dylib"], rpaths=[prefix]))
    (brew / "libb.dylib").write_bytes(library(f"{prefix}/libb.dylib"))
    module = program(file_type=8, loads=[f"{prefix}/liba.dylib"])
    path = wheel(tmp_path / "pkg-1.0-cp312-abi3-macosx_12_0_arm64.whl", pkg___y_DOT_so=module)
    (tmp_path / "out").mkdir()
    done = mended(path, tmp_path / "out", bundle=True, world=World(maps={prefix: brew}))
    (given,) = done.inputs
    assert given.outcome is RepairOutcome.REPAIRED, given
    out = Path(given.output or "")
    assert true_record(out)
    with zipfile.ZipFile(out) as archive:
        assert {"pkg/.dylibs/liba.dylib", "pkg/.dylibs/libb.dylib"} <= set(archive.namelist())
    (result,) = [r for r in resolve([out], target=Target(macos="26")).results if r.path.endswith("_y.so")]
    assert [i.path.rpartition("/pkg/")[2] for i in result.images if i.host is not None] == [
        "_y.so", ".dylibs/liba.dylib", ".dylibs/libb.dylib",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({}, "say one of three"),
        ({"dry_run": True, "in_place": True}, "say one of three"),
        ({"out": "exists"}, "exists already"),
        ({"dry_run": True, "only": ["MC999"]}, "no such rule: 'MC999'"),
    ],
)
def test_a_request_that_makes_no_sense_is_refused(more: dict[str, Any], words: str, tmp_path: Path) -> None:
    tool = tmp_path / "tool"
    tool.write_bytes(program())
    (tmp_path / "exists").write_bytes(b"mine")
    if "out" in more:
        more = {"out": tmp_path / "exists"}
    with pytest.raises(UsageError, match=words):
        fix(tool, **more)
    assert (tmp_path / "exists").read_bytes() == b"mine"


def test_a_copy_does_not_go_into_the_folder_that_is_copied(tmp_path: Path) -> None:
    folder = tmp_path / "app"
    folder.mkdir()
    (folder / "tool").write_bytes(program())
    with pytest.raises(UsageError, match="lies inside"):
        fix(folder, folder / "out")
    with pytest.raises(UsageError, match="lies inside"):
        fix(folder, folder)
    assert [p.name for p in folder.iterdir()] == ["tool"]


@pytest.mark.parametrize("cut", [0, 3, 200, 5000, 20000])
def test_of_a_damaged_file_no_part_comes_out(cut: int, tmp_path: Path) -> None:
    tool = tmp_path / "tool"
    tool.write_bytes(program(rpaths=[LEAK])[:cut])
    done = run("fix", str(tool), "-o", str(tmp_path / "out"), "--no-config")
    assert done.returncode in (0, 1, 2), done
    if (tmp_path / "out").exists():
        assert (tmp_path / "out").read_bytes() == tool.read_bytes()
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []


def test_a_program_mended_for_its_place_is_said_to_belong_there(tmp_path: Path) -> None:
    shutil.copytree(HELLO, tmp_path / "hello")
    broken = tmp_path / "hello" / "bin" / "greeter-broken"
    more = ("--no-config", "--macos", "26")
    done = run("fix", str(broken), "-o", str(tmp_path / "out") + "/", *more)
    assert f"  proved at {broken}, where the libraries beside it are: it belongs there" in done.stdout.splitlines()
    beside = run("fix", str(broken), "-o", str(broken) + "-fixed", *more)
    assert "repaired" in beside.stdout
    assert "belongs there" not in beside.stdout
    whole = run("fix", str(tmp_path / "hello"), "-o", str(tmp_path / "whole"), "--only", "MC101", *more)
    assert "add run path" in whole.stdout
    assert "belongs there" not in whole.stdout


def test_an_input_without_findings_has_nothing_to_mend(tmp_path: Path) -> None:
    (tmp_path / "tool").write_bytes(program())
    done = run("fix", str(tmp_path / "tool"), "--dry-run", "--no-config", "--macos", "26")
    assert done.stdout == f"{tmp_path / 'tool'}  ✔ nothing to mend\n"


def test_the_command_says_what_it_did(tmp_path: Path) -> None:
    tool = tmp_path / "tool"
    tool.write_bytes(program(rpaths=[LEAK]))
    done = run("fix", str(tool), "-o", str(tmp_path / "out"), "--no-config", "--macos", "26")
    assert done.returncode == 0, done
    lines = done.stdout.splitlines()
    assert lines[0] == f"{tool} → {tmp_path / 'out'}  ✔ repaired, and proved by a second audit"
    assert f"    delete run path {LEAK}" in lines
    assert "  1 finding gone, 0 left" in lines
    assert run("fix", str(tool)).returncode == 2
    assert run("fix", str(tmp_path / "absent"), "--dry-run").returncode == 2


def test_severities_decide_whether_what_is_left_counts(tmp_path: Path) -> None:
    tool = tmp_path / "tool"
    tool.write_bytes(program(loads=["/nowhere/liba.dylib"], rpaths=[LEAK]))
    done = mended(tool, tmp_path / "out")
    assert done.fail_on is Severity.ERROR
    assert done.inputs[0].outcome is RepairOutcome.REPAIRED
    assert {f.finding.rule for f in done.inputs[0].failing} == {"MC101"}
    assert not done.helped
