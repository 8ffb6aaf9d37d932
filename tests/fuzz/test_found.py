"""Cases that fuzzing found, each mended where it says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from machochain import Target, resolve
from machochain.diagnosis import diagnose, read
from machochain.judging import baseline
from machochain.judging.baseline import read_baseline
from machochain.judging.policy_file import read_policy
from machochain.model.errors import InputError, UsageError
from machochain.report.diagnosis import as_document, render_text
from machochain.tbd.reader import read as read_stubs
from machochain.world.archives.opening import open_artifact
from machochain.world.archives.places import place_artifact
from machochain.world.placement import World
from tests.cli.running import run
from tests.factory.macho import MachO
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
