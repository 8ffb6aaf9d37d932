"""What the page asks and is answered, without a browser."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from docs.page.answer import Desk
from tests.cli.running import run
from tests.factory import dylib, executable

HELLO = Path(__file__).parents[2] / "testdata" / "hello"
Ask = Callable[..., dict[str, Any]]


@pytest.fixture
def dropped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "dropped"
    folder.mkdir()
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(folder)  # so that it is left again
    return folder


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
def ask(desk: Desk, dropped: Path) -> Ask:
    def asked(*names: str, **more: Any) -> dict[str, Any]:
        request = {"kind": "files", "folder": str(dropped), "names": names, "empty": str(dropped.parent / "empty")}
        answer: dict[str, Any] = json.loads(desk.handle(json.dumps(request | more)))
        return answer

    return asked


def rendered(desk: Desk, form: str) -> str:
    return str(json.loads(desk.handle(json.dumps({"kind": "render", "form": form})))["text"])


def cli_json(*arguments: str) -> Any:
    return json.loads(run("audit", "--no-config", *arguments, "--json").stdout)


def test_a_program_is_answered_with_verdict_words_remedy_tree_and_picture(ask: Ask, dropped: Path) -> None:
    shutil.copy(HELLO / "bin" / "greeter-broken", dropped)
    answer = ask("greeter-broken")
    assert answer["kind"] == "audit"
    assert answer["state"] == "no"
    assert "Reason: no LC_RPATH&#x27;s found" in answer["card"]
    assert "install_name_tool -add_rpath" in answer["card"]
    assert "MISSING" in answer["tree"]
    assert "<svg" in answer["report"]
    assert 'class="banner' not in answer["report"]


@pytest.mark.parametrize("others", ["absent", "unknown"])
def test_the_answer_is_that_of_the_command_line(ask: Ask, desk: Desk, dropped: Path, others: str) -> None:
    shutil.copy(HELLO / "bin" / "greeter", dropped)
    answer = ask("greeter", at="/opt/tool/bin/greeter", macos="15..26", arch="arm64", others=others)
    words = answer["command"].split()[2:]
    assert words[-1] == "EMPTY_FOLDER"
    assert json.loads(rendered(desk, "json")) == cli_json(*words[:-1], str(dropped.parent / "empty"))


def test_a_zip_lies_where_such_a_thing_is_put_and_launches(ask: Ask, dropped: Path) -> None:
    with zipfile.ZipFile(dropped / "hello.zip", "w") as archive:
        for name in ("bin/greeter", "lib/libgreet.1.dylib"):
            archive.write(HELLO / name, f"hello/{name}")
    answer = ask("hello.zip")
    assert answer["state"] == "yes"
    assert "/Users/user/Downloads" in answer["card"]


def test_loose_files_lie_in_one_folder_and_find_each_other(ask: Ask, dropped: Path) -> None:
    (dropped / "tool").write_bytes(executable("@loader_path/libx.dylib"))
    (dropped / "libx.dylib").write_bytes(dylib("@loader_path/libx.dylib"))
    assert ask("tool")["state"] == "no"
    assert ask("tool", "libx.dylib")["state"] == "yes"


def test_what_nobody_knows_is_not_missing_and_not_fine(ask: Ask, dropped: Path) -> None:
    (dropped / "tool").write_bytes(executable("/opt/homebrew/lib/libx.dylib"))
    assert ask("tool")["state"] == "no"
    answer = ask("tool", others="unknown")
    assert answer["state"] == "unknown"
    assert "What is not known" in answer["card"]


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("tool", b"\x7fELF\x02\x01\x01" + bytes(200), "an ELF file (Linux, BSD)"),
        ("tool.exe", b"MZ" + bytes(58) + b"\x40\0\0\0PE\0\0" + bytes(60), "a PE file (Windows)"),
        ("none", b"", "empty"),
        ("noise", bytes(range(128, 256)) * 4, "not a Mach-O file"),
    ],
)
def test_a_wrong_file_is_named_for_what_it_is(ask: Ask, dropped: Path, name: str, data: bytes, words: str) -> None:
    (dropped / name).write_bytes(data)
    answer = ask(name)
    assert answer["state"] == "none"
    assert words in answer["card"]
    assert answer["report"] == answer["tree"] == ""


def test_a_text_file_is_read_as_a_message(ask: Ask, desk: Desk, dropped: Path) -> None:
    text = "dyld[514]: Library not loaded: @rpath/libx.dylib\n  Referenced from: /opt/tool\n  Reason: image not found\n"
    (dropped / "crash.log").write_text(text, encoding="utf-8")
    from_file = ask("crash.log")
    pasted = json.loads(desk.handle(json.dumps({"kind": "text", "text": text})))
    assert from_file == pasted
    assert from_file["kind"] == "diagnosis"
    assert "@rpath/libx.dylib" in from_file["card"]
    assert json.loads(rendered(desk, "json"))["schema"] == "machochain.diagnose/1"


def test_a_text_that_is_no_message_says_what_to_paste(desk: Desk) -> None:
    answer = json.loads(desk.handle(json.dumps({"kind": "text", "text": "good morning"})))
    assert "No message that this page knows" in answer["card"]


def test_what_makes_no_sense_is_refused_in_words(ask: Ask, desk: Desk, dropped: Path) -> None:
    (dropped / "tool").write_bytes(executable())
    answer = ask("tool", macos="17")
    assert answer["kind"] == "refused"
    assert "17" in answer["reason"]
    assert json.loads(Desk().handle('{"kind": "render", "form": "json"}'))["kind"] == "refused"
    assert json.loads(desk.handle('{"kind": "render", "form": "docx"}'))["kind"] == "refused"


def test_an_archive_that_would_fill_the_browser_is_refused_with_the_limit(ask: Ask, dropped: Path) -> None:
    with zipfile.ZipFile(dropped / "big.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("tool", executable() + bytes(1 << 20))
    answer = ask("big.zip", room=1 << 18)
    assert answer["state"] == "none"
    assert "big.zip" in answer["card"]


def test_every_form_that_is_offered_can_be_had(ask: Ask, desk: Desk, dropped: Path) -> None:
    shutil.copy(HELLO / "bin" / "greeter", dropped)
    for form in ask("greeter")["forms"]:
        assert rendered(desk, form)
