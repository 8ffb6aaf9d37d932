"""``machochain diagnose``: pasted text in, an answer out, and the prediction beside it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from machochain.api import resolve
from machochain.diagnosis import read
from machochain.dyld.profile import PROFILES
from machochain.graph.resolve import Target
from machochain.model.search import Attempt
from tests.cli.running import run
from tests.factory.macho import MachO, load

HELLO = Path(__file__).parents[2] / "testdata" / "hello"
BROKEN = str(HELLO / "bin" / "greeter-broken")
RELEASES = [p.since for p in PROFILES]


def program(folder: Path, **more: Any) -> Path:
    path = folder / "program"
    path.write_bytes(MachO(**more).bytes())
    return path


def shown(attempts: tuple[Attempt, ...]) -> list[tuple[str, str, str]]:
    return [(a.candidate.path, a.reason, a.suffix) for a in attempts]


LOADS: dict[str, dict[str, Any]] = {
    "run paths": {"loads": [load("@rpath/libx.dylib")], "rpaths": ["@loader_path/../lib", "/opt/x", "relative"]},
    "absolute": {"loads": [load("/opt/homebrew/opt/x/lib/libx.dylib")]},
    "old sdk": {"loads": [load("/opt/x/libx.1.dylib")], "sdk": "12.0"},
    "leaf": {"loads": [load("libx.dylib")]},
    "executable": {"loads": [load("@executable_path/../Frameworks/X.framework/Versions/A/X")]},
    "no run path": {"loads": [load("@rpath/libx.dylib")]},
    "odd name": {"loads": [load("/opt/a, 'b' (c)/libx.dylib")]},
}


@pytest.mark.parametrize("macos", RELEASES, ids=str)
@pytest.mark.parametrize("case", LOADS)
def test_every_message_the_model_predicts_is_read_back_to_the_same_facts(case: str, macos: Any, tmp_path: Path) -> None:
    path = program(tmp_path, **LOADS[case])
    (result,) = resolve([path], target=Target(macos=macos)).results
    if result.message is None:
        assert case == "no run path"
        assert result.launches is None
        return
    (load_,) = [x for x in result.loads if x.to is None]
    prefix = "dyld: " if macos < PROFILES[1].since else "dyld[123]: "
    (evidence,) = read(prefix + result.message + "\n")
    if case != "odd name" or str(macos) != "12.5":  # quotes in paths are lost in that release's wording
        assert evidence.library == load_.dylib.name
    assert evidence.referenced_from == result.path
    if macos >= PROFILES[1].since and case != "odd name":
        assert [(t.path, t.reason, t.suffix) for t in evidence.attempts] == shown(load_.tried)
    if macos >= next(p.since for p in PROFILES if p.uuids):
        header = result.images[0].image
        assert header is not None
        assert evidence.uuid == header.uuid_text


def test_a_pasted_message_gets_a_cause_and_a_way_out() -> None:
    text = (
        "$ ./server\ndyld[4711]: Library not loaded: /opt/homebrew/opt/xz/lib/liblzma.5.dylib\n"
        "  Referenced from: <0C9304DB-9D1C-3BD2-9215-1F4D315FA114> /Users/me/server\n"
        "  Reason: tried: '/opt/homebrew/opt/xz/lib/liblzma.5.dylib' (no such file), "
        "'/System/Volumes/Preboot/Cryptexes/OS/opt/homebrew/opt/xz/lib/liblzma.5.dylib' (no such file), "
        "'/opt/homebrew/opt/xz/lib/liblzma.5.dylib' (no such file)\nAbort trap: 6\n"
    )
    done = run("diagnose", stdin=text)
    assert done.returncode == 0
    assert "liblzma.5.dylib" in done.stdout
    assert "build-machine-path" in done.stdout
    found = json.loads(run("diagnose", "--json", stdin=text).stdout)
    assert found["schema"] == "machochain.diagnose/1"


def test_a_text_without_any_message_says_so() -> None:
    done = run("diagnose", stdin="nothing to see here\n")
    assert done.returncode == 3
    assert "No message of dyld" in done.stdout


def test_binary_input_is_refused_politely(tmp_path: Path) -> None:
    path = tmp_path / "core"
    path.write_bytes(bytes(range(256)) * 64)
    done = run("diagnose", str(path))
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def message(macos: str) -> str:
    (result,) = resolve([BROKEN], target=Target(macos=macos, arch="arm64")).results
    assert result.message is not None
    return f"dyld[1]: {result.message}\n"


def test_expect_holds_the_prediction_against_the_mac() -> None:
    assert run("diagnose", "--expect", BROKEN, stdin=message("15.4")).returncode == 0
    done = run("diagnose", "--expect", BROKEN, stdin=message("15.4").replace("libgreet.1", "libother.1"))
    assert done.returncode == 1
    assert "nothing in it asks for this library" in done.stdout


def test_the_first_difference_is_told_with_what_explains_it(tmp_path: Path) -> None:
    path = program(tmp_path, loads=[load("/opt/x/libx.dylib")])
    (result,) = resolve([path]).results
    text = f"dyld[1]: {result.message}\n".replace("tried: ", "tried: '/tmp/mine/libx.dylib' (no such file), ")
    done = run("diagnose", "--binary", str(path), stdin=text)
    assert done.returncode == 0
    assert "attempt 1: the Mac tried /tmp/mine/libx.dylib, the model /opt/x/libx.dylib" in done.stdout
    assert "--env DYLD_LIBRARY_PATH=/tmp/mine" in done.stdout


def test_another_build_is_recognised_by_its_uuid() -> None:
    text = message("15.4").replace("20C9CAAB", "00000000")
    done = run("diagnose", "--binary", BROKEN, stdin=text)
    assert "another build" in done.stdout


def test_a_message_without_attempts_that_differs_is_explained_too() -> None:
    pasted = "dyld[7]: " + message("26")
    older = run("diagnose", "--expect", BROKEN, "--macos", "12.5", stdin=pasted).stdout
    assert "perhaps: another macOS: the wording is of 14.0 to …, the model is 12.5" in older
    other = run("diagnose", "--expect", str(HELLO / "bin" / "greeter"), stdin=pasted)
    assert other.returncode == 1
    assert "perhaps: another program: greeter-broken with UUID" in other.stdout
    assert "perhaps: the run paths differ: the Mac found none, here are @executable_path/../lib" in other.stdout


@pytest.mark.parametrize("words", ["dyld[1]: Library not loaded: @rpath/x.dylib", "a\nb", "dyld: " + "x" * 9000])
def test_a_message_given_as_a_word_is_asked_for_on_standard_input(words: str) -> None:
    done = run("diagnose", words)
    assert done.returncode == 2
    assert "paste it after `machochain diagnose`" in done.stderr


def test_a_file_may_have_any_name(tmp_path: Path) -> None:
    path = tmp_path / "log: of today"
    path.write_text(
        "dyld[1]: Library not loaded: @rpath/x.dylib\n  Referenced from: /a/b\n  Reason: no LC_RPATH's found\n"
    )
    assert run("diagnose", str(path)).returncode == 0


def test_an_answer_that_only_points_to_a_message_nobody_knows_is_no_answer() -> None:
    pointer = "/usr/lib/go/pkg/tool/linux_amd64/link: running gcc failed: exit status 1\n"
    done = run("diagnose", "-", stdin=pointer + "tin: error: the lid is purple\n")
    assert done.returncode == 3
    assert "The message that this points to is none that this tool knows" in done.stdout
    assert "    tin: error: the lid is purple" in done.stdout.splitlines()
    known = run("diagnose", "-", stdin=pointer + "ld: library not found for -ltin\n")
    assert known.returncode == 0
    assert "none that this tool knows" not in known.stdout
