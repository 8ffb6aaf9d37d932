"""Nothing passes that nobody looked at: what was examined, what is unknown, what was passed over, in every format."""

from __future__ import annotations

import json
import re
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

import machochain
from machochain.report.registry import Document, formats
from tests.cli.running import run
from tests.factory.macho import MachO
from tests.findings.audited import plist, write_tree, zipped
from tests.findings.golang_cases import ar
from tests.findings.scenes import exe, lib, plugin

HELLO = Path(__file__).parents[2] / "testdata" / "hello"
FORMATS = formats(Document.AUDIT)
ELF = b"\x7fELF\x02\x01\x01" + bytes(200)
PE = b"MZ" + bytes(58) + (64).to_bytes(4, "little") + b"PE\0\0" + bytes(100)
WASM = b"\0asm\x01\0\0\0" + bytes(50)
BROKEN = exe("@rpath/libfoo.dylib")
BROKEN_PLUGIN = plugin("@loader_path/libgone.dylib")


def audit(*arguments: str | Path) -> tuple[int, str, str]:
    done = run("audit", "--no-config", *map(str, arguments))
    return done.returncode, done.stdout, done.stderr


def wheel(files: dict[str, bytes], name: str = "x") -> bytes:
    info = f"{name}-1.0.dist-info"
    stated = {
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nTag: cp312-cp312-macosx_11_0_arm64\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n".encode(),
        f"{info}/RECORD": b"",
    }
    return zipped({f"{name}/__init__.py": b"", **files, **stated})


@pytest.fixture
def wheelhouse(tmp_path: Path) -> Path:
    folder = tmp_path / "wheelhouse"
    folder.mkdir()
    (folder / "x-1.0-cp312-cp312-macosx_11_0_arm64.whl").write_bytes(wheel({"x/a.so": BROKEN_PLUGIN}))
    (folder / "y-1.0-cp312-cp312-macosx_11_0_arm64.whl").write_bytes(wheel({"y/b.so": plugin()}, "y"))
    return folder


def test_the_archives_in_a_folder_are_audited_each_on_a_mac_of_its_own(wheelhouse: Path) -> None:
    report = machochain.audit(wheelhouse, profile="wheel")
    assert [Path(given.path).name[:1] for given in report.inputs] == ["w", "x", "y"]
    assert [given.within for given in report.inputs] == [None, str(wheelhouse), str(wheelhouse)]
    assert [f.path for f in report.failing if f.finding.rule == "MC101"] == ["x/a.so"]
    assert not report.passed
    alone = machochain.audit(wheelhouse / "x-1.0-cp312-cp312-macosx_11_0_arm64.whl", profile="wheel")
    assert alone.findings == tuple(f for f in report.findings if f.origin == alone.inputs[0].path)


def test_a_loose_binary_beside_a_broken_wheel_does_not_make_the_folder_pass(wheelhouse: Path) -> None:
    (wheelhouse / "tool").write_bytes(exe())
    assert audit(wheelhouse)[0] == 1


def test_archives_are_found_wherever_they_lie_three_levels_deep(tmp_path: Path) -> None:
    data = zipped({"bin/tool": BROKEN})
    for level in range(1, 5):
        (tmp_path / "x").mkdir(exist_ok=True)
        (tmp_path / "x" / "y.zip").write_bytes(data)
        code, out, _ = audit(tmp_path / "x")
        strict, _, _ = audit(tmp_path / "x", "--strict")
        if level <= 3:
            assert (code, strict) == (1, 1), level
            assert "MC101" in out
        else:
            assert (code, strict) == (2, 2)
            assert "not looked into: " in out
            assert "nothing examined" in out
            deeper, out, _ = audit(tmp_path / "x", "--archive-levels", "4")
            assert deeper == 1, out
        data = zipped({f"level{level}.jar": data})
    code, out, _ = audit(tmp_path / "x", "--archive-levels", "0")
    assert code == 2
    assert "--archive-levels 0" in out


def test_how_much_is_unpacked_can_be_said(wheelhouse: Path) -> None:
    code, out, _ = audit(wheelhouse, "--archive-size", "1K")
    assert code == 2
    assert out.count("not looked into: ") == 2
    assert run("audit", str(wheelhouse), "--archive-size", "much").returncode == 2


@pytest.mark.parametrize("form", FORMATS)
def test_no_format_says_so_of_what_nobody_looked_at(form: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    write_tree(tmp_path / "empty", {"readme.txt": b"text", "tool": ELF})
    target = tmp_path / "empty"
    code, out, err = audit(target, "--format", form)
    assert code == 2
    assert "no Mach-O file in " in err
    assert not re.search('passed(?! over|_over| on|": false)', out)
    assert "nothing examined" in out or form in {"json", "jsonl", "junit"}
    if form in {"json", "jsonl"}:
        assert json.loads(out)["passed"] is False
        assert json.loads(out)["unexamined"] == [str(target)]
    if form == "junit":
        suites = ET.fromstring(out)
        assert suites.get("errors") == "1"
        assert suites.get("tests") == "2"
    if form == "sarif":
        (run_,) = json.loads(out)["runs"]
        assert run_["invocations"][0]["executionSuccessful"] is False
        assert run_["properties"]["verdict"] == "nothing examined"


def test_one_empty_input_among_others_does_not_pass(tmp_path: Path) -> None:
    write_tree(tmp_path, {"good/tool": exe(), "empty/text": b"x"})
    code, out, err = audit(tmp_path / "good", tmp_path / "empty")
    assert code == 2
    assert f"no Mach-O file in {tmp_path / 'empty'}" in err
    assert "passed" not in out
    assert run("resolve", str(tmp_path / "good"), str(tmp_path / "empty")).returncode == 2
    assert run("diff", "--no-config", str(tmp_path / "empty"), str(tmp_path / "empty")).returncode == 2
    report = machochain.audit([])
    assert not report.passed


@pytest.mark.parametrize("form", FORMATS)
def test_every_summary_says_how_much_was_looked_at(form: str, tmp_path: Path) -> None:
    write_tree(
        tmp_path / "in",
        {
            "bin/tool": exe("@rpath/libx.dylib", rpaths=["@loader_path/../lib"]),
            "lib/libx.dylib": lib(),
            "lib/p.so": plugin("@executable_path/liby.dylib"),
            "linux": ELF,
            "tool.exe": PE,
            "a.wasm": WASM,
            "cut.zip": zipped({"a": b"x" * 4000})[:400],
        },
    )
    code, out, _ = audit(tmp_path / "in", "--macos", "26", "--format", form)
    assert code == 0, out
    if form == "jsonl":
        folder, archive = (json.loads(line)["coverage"]["passed_over"] for line in out.splitlines())
        assert [Path(each["path"]).name for each in folder] == ["a.wasm", "linux", "tool.exe"]
        assert [Path(each["path"]).name for each in archive] == ["cut.zip"]
        return
    if form in {"json", "statement"}:
        found = json.loads(out)["examined" if form == "statement" else "coverage"]
        assert (found["programs"], found["libraries"], found["processes"], found["unknown"]) == (1, 2, 2, 1)
        assert found["unknown_because"] == [{"kind": "unknown-process", "processes": 1}]
        kinds = [(Path(each["path"]).name, each["kind"]) for each in found["passed_over"]]
        assert kinds == [
            ("a.wasm", "foreign-format"),
            ("linux", "foreign-format"),
            ("tool.exe", "foreign-format"),
            ("cut.zip", "archive"),
        ]
        return
    if form == "sarif":
        assert json.loads(out)["runs"][0]["properties"]["coverage"]["libraries"] == 2
    else:
        told = " ".join(out.split())
        assert "1 program and 2 libraries examined" in told
        assert "1 of 2 processes unknown (it depends on the process that loads it (--main))" in told
    assert "cut.zip" in out
    assert "an ELF file (Linux, BSD)" in out or form == "github"
    assert audit(tmp_path / "in", "--macos", "26", "--strict")[0] == 3


def test_what_was_passed_over_counts_where_one_is_strict(tmp_path: Path) -> None:
    write_tree(tmp_path / "in", {"tool": exe(), "linux": ELF})
    for command in ("audit", "resolve"):
        more = ["--no-config"] if command == "audit" else []
        assert run(command, *more, str(tmp_path / "in")).returncode == 0
        done = run(command, *more, str(tmp_path / "in"), "--strict")
        assert done.returncode == 3
        assert "not looked into: " in done.stdout
    (tmp_path / "in" / "linux").unlink()
    assert run("resolve", str(tmp_path / "in"), "--strict").returncode == 0


def test_code_for_other_systems_in_an_archive_is_told(tmp_path: Path) -> None:
    (tmp_path / "x.zip").write_bytes(zipped({"bin/tool": exe(), "lib/libx.so": ELF}))
    report = machochain.audit(tmp_path / "x.zip")
    assert [(each.path, each.kind.value) for each in report.passed_over] == [
        (f"{tmp_path / 'x.zip'}:lib/libx.so", "foreign-format")
    ]
    assert report.incomplete
    assert report.passed


def test_the_truncated_member_of_a_static_library_counts(tmp_path: Path) -> None:
    whole = ar(("a.o", MachO(file_type=1).bytes()), ("b.o", MachO(file_type=1).bytes()))
    (tmp_path / "x.a").write_bytes(whole[:-200])
    done = run("audit", "--no-config", str(tmp_path / "x.a"), "--strict")
    assert done.returncode == 3, done.stdout + done.stderr
    assert "unreadable part of a static library" in " ".join(done.stdout.split())


def test_a_foreign_file_is_named_for_what_it_is(tmp_path: Path) -> None:
    write_tree(
        tmp_path, {"elf": ELF, "pe": PE, "wasm": WASM, "text": b"hello\n", "script": b"#!/bin/sh\n", "empty": b""}
    )
    told = {
        name: run("resolve", str(tmp_path / name)).stderr for name in ("elf", "pe", "wasm", "text", "script", "empty")
    }
    assert "an ELF file (Linux, BSD)" in told["elf"]
    assert "a PE file (Windows)" in told["pe"]
    assert "a WebAssembly module" in told["wasm"]
    assert "but text" in told["text"]
    assert "a script" in told["script"]
    assert "but empty" in told["empty"]


def test_a_main_program_for_a_folder_drops_no_root(tmp_path: Path) -> None:
    write_tree(
        tmp_path,
        {"bin/python": exe(), "site/a.so": plugin("@executable_path/libgone.dylib"), "site/libb.dylib": lib()},
    )
    report = machochain.audit(tmp_path / "site", target=machochain.Target(macos="26", main=tmp_path / "bin" / "python"))
    assert sorted(Path(result.path).name for result in report.results) == ["a.so", "libb.dylib"]
    assert [f.finding.rule for f in report.failing] == ["MC101"]


@pytest.fixture
def app(tmp_path: Path) -> Path:
    root = tmp_path / "A.app"
    contents = {
        "Contents/Info.plist": plist(CFBundleExecutable="tool", CFBundleIdentifier="com.example.a"),
        "Contents/MacOS/tool": exe(),
        "Contents/Frameworks/libx.dylib": lib(),
        "Contents/PlugIns/p.bundle/Contents/MacOS/p": plugin("@executable_path/../Frameworks/libx.dylib"),
    }
    write_tree(root, contents)
    return root


def test_the_plug_ins_of_an_application_belong_to_its_program(app: Path) -> None:
    report = machochain.resolve(app, target=machochain.Target(macos="26"))
    assert {Path(result.path).name: result.launches for result in report} == {"tool": True, "p": True}
    (plug_in,) = (result for result in report if result.path.endswith("/p"))
    assert plug_in.images[0].path.endswith("/MacOS/tool")


def test_a_main_program_may_be_an_application(app: Path, tmp_path: Path) -> None:
    write_tree(tmp_path, {"extra/q.so": plugin("@executable_path/../Frameworks/libx.dylib")})
    done = run("resolve", str(tmp_path / "extra"), "--main", str(app), "--macos", "26")
    assert done.returncode == 0, done.stdout + done.stderr
    assert run("resolve", str(tmp_path / "extra"), "--main", str(tmp_path), "--macos", "26").returncode == 2


def test_a_slice_that_the_application_has_not_is_looked_at_without_it(app: Path) -> None:
    from tests.factory import fat

    plug_in = app / "Contents/PlugIns/p.bundle/Contents/MacOS/p"
    plug_in.write_bytes(fat([plugin(arch="x86_64"), plugin("@executable_path/../Frameworks/libx.dylib")]))
    report = machochain.resolve(app, target=machochain.Target(macos="26"))
    found = {(Path(result.path).name, result.arch): result.launches for result in report}
    assert found == {("tool", "arm64"): True, ("p", "x86_64"): True, ("p", "arm64"): True}


def test_two_wheelhouses_are_compared_archive_by_archive(wheelhouse: Path, tmp_path: Path) -> None:
    other = tmp_path / "new"
    other.mkdir()
    same = wheelhouse / "x-1.0-cp312-cp312-macosx_11_0_arm64.whl"
    (other / same.name).write_bytes(same.read_bytes())
    (other / "y-1.0-cp312-cp312-macosx_11_0_arm64.whl").write_bytes(wheel({"y/b.so": BROKEN_PLUGIN}, "y"))
    assert run("diff", "--no-config", str(wheelhouse), str(wheelhouse)).returncode == 0
    changed = machochain.diff(wheelhouse, other)
    assert [binary.path for binary in changed.binaries] == ["y-cp312-cp312-macosx_11_0_arm64.whl:y/b.so"]
    assert [f.finding.rule for f in changed.appeared if f.severity.value == "error"] == ["MC101"]
    assert changed.vanished == ()


def test_one_of_many_files_for_another_system_stands_for_all(tmp_path: Path) -> None:
    for number in range(5):
        (tmp_path / f"{number}.so").write_bytes(b"\x7fELF" + bytes(60))
    (tmp_path / "tool").write_bytes(MachO().bytes())
    _, out, _ = audit(tmp_path)
    assert (
        f"not looked into: {tmp_path}/0.so and 4 more, each of which is an ELF file (Linux, BSD) (-v lists them)" in out
    )
    assert "1.so" not in out
    _, every, _ = audit(tmp_path, "-v")
    assert all(f"{number}.so" in every for number in range(5))
