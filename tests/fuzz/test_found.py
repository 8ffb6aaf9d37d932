"""Cases that fuzzing found, each mended where it says."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import pytest

from machochain import Target, doctor, examine, resolve
from machochain.diagnosis import diagnose, read
from machochain.golang.modules import VendoredModule, parse_vendor
from machochain.judging import baseline
from machochain.judging.baseline import read_baseline
from machochain.judging.policy_file import read_policy
from machochain.machine.facts import facts_of
from machochain.machine.script import read_framed
from machochain.machine.snapshot import document, parse
from machochain.macho.header import parse_image
from machochain.model.errors import InputError, UsageError
from machochain.model.image import DefectKind
from machochain.report.diagnosis import as_document, render_text
from machochain.report.registry import Document, render
from machochain.source.disk import read_bytes
from machochain.tbd.reader import read as read_stubs
from machochain.world.archives.opening import open_artifact
from machochain.world.archives.places import place_artifact
from machochain.world.placement import World
from tests.cli.running import run
from tests.factory.macho import MachO
from tests.fuzz.bounds import within_memory
from tests.fuzz.targets import void
from tests.machine.macs import DEVELOPER, SDK, mac
from tests.source.modules import GO_MOD, cgo, write
from tests.tbd import stubs
from tests.world.archives.packing import LIBRARY, wheel

ROOT = Path(__file__).parents[2]


def test_a_program_to_be_linked_has_no_bytes_for_dyld2_to_look_at() -> None:
    report = resolve([ROOT / "testdata" / "go" / "greet.a"], target=Target(macos="11"))
    assert not report.errors
    assert [str(result.macos) for result in report.results] == ["11.0"]


def test_a_baseline_is_not_read_into_a_buffer_of_its_largest_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(baseline, "_MAX_BYTES", 10)
    file = tmp_path / "known.json"
    file.write_text(" " * 11)
    with pytest.raises(UsageError, match="longer than 10 bytes"):
        read_baseline(file)


def crash_report(termination: dict[str, Any], **body: Any) -> str:
    return '{"bug_type": "309"}\n' + json.dumps({"procPath": "/opt/x", "termination": termination, **body})


@pytest.mark.parametrize("wrong", [1, True, "x", {"a": 1}, [1], None])
def test_a_crash_report_with_values_of_other_types_says_less_and_no_more(wrong: object) -> None:
    (found,) = read(crash_report({"namespace": wrong, "code": wrong, "reasons": wrong, "details": wrong}, pid=wrong))
    assert found.process == "/opt/x"
    assert found.pid == (1 if wrong == 1 and wrong is not True else None)


def test_a_surrogate_that_stands_for_no_byte_gets_no_further_than_the_reader() -> None:
    reasons = [
        "Library not loaded: @rpath/\ud800",
        "Referenced from: /opt/\ud800",
        "Reason: tried: '/\ud800' (no such file)",
    ]
    diagnosis = diagnose(crash_report({"reasons": reasons}, procPath="/\ud800"))
    assert diagnosis.answers[0].evidence.library == "@rpath/\ufffd"
    for text in (json.dumps(as_document(diagnosis), ensure_ascii=False), render_text(diagnosis)):
        text.encode("utf-8", "surrogateescape")
    (stub, _) = read_stubs(stubs.V5.replace(b"libdemo", b"\\ud800"))
    assert stub.install_name == "/usr/lib/\ufffd.1.dylib"


@pytest.mark.parametrize("depth", [20, 900])
def test_a_stub_of_json_that_is_nested_too_deep_is_told(depth: int) -> None:
    deep = b"[" * depth + b"]" * depth
    with pytest.raises(InputError, match="nested deeper than any stub"):
        read_stubs(stubs.V5.replace(b'["not_app_extension_safe"]', deep), "x.tbd")


def test_an_entry_without_a_name_takes_no_place_in_a_wheel(tmp_path: Path) -> None:
    path = wheel(tmp_path / "x.whl", {"": LIBRARY, "pkg/a.so": LIBRARY})
    with open_artifact(path) as artifact:
        assert [problem.reason for problem in artifact.problems] == ["it has no name"]
        assert any(target.endswith("/site-packages/pkg") for target, _ in place_artifact(World(), artifact).maps)


def test_a_wheel_may_hold_a_file_named_as_a_folder_of_its_scheme(tmp_path: Path) -> None:
    path = wheel(tmp_path / "x.whl", {"pkg-1.2.data/scripts": LIBRARY, "pkg-1.2.data/data": LIBRARY})
    assert resolve([path]).errors == ()


def test_a_number_with_too_many_digits_in_a_policy_is_told(tmp_path: Path) -> None:
    file = tmp_path / "machochain.toml"
    file.write_text(f"fail-on = {'9' * 5000}")
    with pytest.raises(UsageError, match="digits"):
        read_policy(file)


@pytest.mark.parametrize("command", ["audit", "resolve", "diff", "inspect"])
def test_a_link_whose_target_is_too_long_a_name_is_a_link_that_leads_nowhere(tmp_path: Path, command: str) -> None:
    path = tmp_path / "link"
    path.symlink_to("x" * 300)
    done = run(command, str(path), *([str(path)] if command == "diff" else []))
    assert (done.returncode, "fault of ours" in done.stderr) == (2, False)


@pytest.mark.parametrize("number", ["nan", "inf", "-inf"])
def test_a_number_that_json_has_not_is_a_text_there(tmp_path: Path, number: str) -> None:
    entitlements = f"<plist><dict><key>k</key><real>{number}</real></dict></plist>".encode()
    path = tmp_path / "tool"
    path.write_bytes(MachO(signed=True, entitlements=entitlements).bytes())
    (inspected,) = json.loads(run("inspect", str(path), "--json").stdout, parse_constant=pytest.fail)["files"]
    assert inspected["slices"][0]["signature"]["entitlements"] == {"k": number}


@pytest.mark.parametrize("line", ["go 1.2299999999999", f"go 1.{'9' * 5000}", "toolchain go1.99999999"])
def test_a_release_no_go_has_is_no_release(tmp_path: Path, line: str) -> None:
    write(tmp_path, {"go.mod": f"module example.org/m\n\n{line}\n", "x.go": cgo(package="m")})
    report = examine(tmp_path, target=Target(environment={"GOARM64": "v9.99999999"}))
    assert {t.minor for t in report.targets} == {27}
    assert len(report.targets[0].context.tags) < 100


@pytest.mark.parametrize(
    "text",
    [
        '{"ImportPath": "m", "CgoCFLAGS": 3}',
        '{"ImportPath": "m", "Imports": [null]}',
        '{"ImportPath": "m", "GoFiles": {}',
    ],
)
def test_a_list_that_is_none_in_what_go_list_printed_is_told(tmp_path: Path, text: str) -> None:
    (tmp_path / "list.json").write_text(text)
    with pytest.raises(InputError, match="not the output of go list -json"):
        examine(write(tmp_path / "m", {"go.mod": GO_MOD}), go_list=tmp_path / "list.json")


def test_a_directory_with_a_nul_in_its_name_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "list.json").write_text(json.dumps({"ImportPath": "x/y", "Dir": "/a\0b", "CgoFiles": ["x.go"]}))
    assert examine(write(tmp_path / "m", {"go.mod": GO_MOD}), go_list=tmp_path / "list.json").packages


def test_a_file_is_read_into_no_more_memory_than_it_fills(tmp_path: Path) -> None:
    (tmp_path / "list.json").write_text('{"ImportPath": "x"}')
    within_memory(lambda _: void(read_bytes(str(tmp_path / "list.json"), 256 << 20)), b"", 1)


def test_a_version_that_is_none_spoils_nothing_of_a_recorded_mac(tmp_path: Path) -> None:
    for changes in (
        {"env": {"MACOSX_DEPLOYMENT_TARGET": "latest"}},
        {"out": {"sdk_version": "9" * 5000}},
        {"out": {"go_env": "[" * 5000}},
        {"err": {"ld_version": "PROJECT:ld-."}},
    ):
        (tmp_path / "mac.json").write_text(json.dumps(document(mac(**changes))))  # type: ignore[arg-type]
        found = doctor(tmp_path / "mac.json").case
        assert {f.rule for f in found.findings} & {"MC756", "MC792"} or "MC747" in found.skipped, changes


def test_what_is_of_no_known_kind_was_not_recorded_rather_than_absent() -> None:
    data = document(mac())
    data["files"] = {DEVELOPER: {"kind": "directoryx"}, SDK: {}, "/x": {"kind": "absent"}}
    assert list(parse(json.dumps(data), "x").files) == ["/x"]
    assert facts_of(parse(json.dumps(data), "x")).developer_dir_there is None
    framed = b"@@ machochain-snapshot 1\n@@ file - 0 3 2\n???/y\n@@ file - 0 6 2\nabsent/z\n@@ end\n"
    assert list(read_framed(framed, "x").files) == ["/z"]


def test_a_command_that_was_stopped_says_nothing() -> None:
    framed = b"@@ machochain-snapshot 1\n@@ command which_cc 143 0 0\n\n@@ command translated 137 0 0\n\n@@ end\n"
    found = read_framed(framed, "x")
    assert found.commands["which_cc"].timed_out
    assert (facts_of(found).cc, facts_of(found).translated) == (None, None)


def test_nothing_a_recorded_mac_says_steers_a_terminal(tmp_path: Path) -> None:
    for out, go_env in (({"uname": "Darwin 25 \x1b[2J\n"}, {"GOARCH": "\x1b[2J"}), ({}, {"GOHOSTARCH": "\x1b[1m"})):
        (tmp_path / "mac.json").write_text(json.dumps(document(mac(out=out, go_env=go_env))))
        done = run("doctor", str(tmp_path / "mac.json"))
        assert "\x1b" not in done.stdout
        assert "\\x1b" in done.stdout


def test_a_directory_with_half_a_character_in_its_name_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "list.json").write_text('{"ImportPath": "x/y", "Dir": "/\\ud800", "CgoFiles": ["x.go"]}')
    assert examine(write(tmp_path / "m", {"go.mod": GO_MOD}), go_list=tmp_path / "list.json").packages


def test_load_commands_that_claim_more_than_there_is_end_wherever_the_file_does() -> None:
    whole = MachO().bytes()
    for length in range(28, 1000):
        cut = bytearray(whole[:length])
        struct.pack_into("<II", cut, 16, 0x7FFFFFFF, 0x7FFFFFFF)
        image = parse_image(bytes(cut), size=length)
        assert any(defect.kind is DefectKind.COMMANDS_EXCEED_FILE for defect in image.defects)


def test_a_replacement_of_nothing_in_modules_txt_is_passed_over() -> None:
    assert parse_vendor("# => ./d\nx\n# a v1\nb\n") == (VendoredModule("a", "v1", ("b",)),)


def test_half_a_character_gets_out_of_a_list_of_packages_in_no_form(tmp_path: Path) -> None:
    package = (
        '{"ImportPath": "x/\\ud800", "Dir": "/\\udc00", "CgoFiles": ["\\ud83d\\ude00.go"], "CgoLDFLAGS": ["-l\\ud800"]}'
    )
    (tmp_path / "list.json").write_text(package)
    report = examine(write(tmp_path / "m", {"go.mod": GO_MOD}), go_list=tmp_path / "list.json")
    assert report.packages["darwin/arm64"]["x/\ufffd"].files["CgoFiles"] == ("\U0001f600.go",)
    for name in ("sarif", "json", "text", "dot"):
        "".join(render(report, name, document=Document.SOURCE)).encode()


def test_a_recorded_mac_nested_deeper_than_any_is_told() -> None:
    for opened, closed in (("[", "]"), ('{"a":', "}")):
        text = f'{{"schema": "machochain.snapshot/1", "x": {opened * 400}1{closed * 400}}}'
        with pytest.raises(InputError, match="nested deeper than any"):
            parse(text, "x")


def test_a_program_that_loads_nothing_has_a_table_of_launches_alone(tmp_path: Path) -> None:
    data = bytearray(MachO().bytes())
    struct.pack_into("<I", data, 36, 0x7FFFFFFF)  # the first load command does not end
    (tmp_path / "alone").write_bytes(data)
    done = run("scenario", str(tmp_path / "alone"), "--contexts", "in-place,install:/opt", "--macos", "15.4")
    assert done.returncode in (0, 1)
    assert "launches" in done.stdout
