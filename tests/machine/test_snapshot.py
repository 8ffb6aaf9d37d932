"""Recording: the shell script under a POSIX shell, its frames, redaction, what is kept and what is not."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from machochain.machine.collect import collect, run, words_of
from machochain.machine.facts import facts_of
from machochain.machine.probes import PROBES, secret, told
from machochain.machine.script import read_framed, script
from machochain.machine.snapshot import Snapshot, document, is_snapshot, parse, redact
from machochain.model.errors import InputError
from machochain.source.values import Mode
from tests.cli.running import run as command
from tests.machine.macs import mac

SHELLS = [s for s in ("dash", "bash", "sh") if shutil.which(s)]
MARKS = {
    "GOPROXY": "https://user:secret@proxy",
    "SECRET_TOKEN": "hidden",
    "CGO_LDFLAGS": "-L/a b\n",
    "GOFLAGS": "-mod=mod",
}


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("script")
    (folder / "collect.sh").write_text(script())
    fake = folder / "bin"
    fake.mkdir()
    for name, text in {
        "sw_vers": "printf 'ProductVersion:\\t26.1\\n'", "xcode-select": "echo /Dev", "slow": "sleep 60",
        "clang": "echo 'two  lines'; echo; echo err >&2", "brew": f"echo {folder}/brew",
        "go": "echo go version go1.27.3 x",
    }.items():  # fmt: skip
        (fake / name).write_text(f"#!/bin/sh\n{text}\n")
        (fake / name).chmod(0o755)
    (folder / "brew" / "lib").mkdir(parents=True)
    (folder / "brew" / "lib" / "libx.dylib").write_text("")
    env = {"PATH": f"{fake}:/usr/bin:/bin", "TMPDIR": str(folder), **MARKS}
    return {
        shell: subprocess.run(
            [shell, str(folder / "collect.sh"), "DYLD_LIBRARY_PATH=/x y"], env=env, capture_output=True, check=True
        ).stdout
        for shell in SHELLS
    }


def test_the_script_records_what_the_commands_print(recorded: dict[str, bytes]) -> None:
    assert recorded
    for shell, data in recorded.items():
        found = read_framed(data, "x")
        assert set(found.commands) == {p.id for p in PROBES}, shell
        assert found.commands["cc_version"].stdout == "two  lines\n\n"
        assert found.commands["cc_version"].stderr == "err\n"
        assert found.commands["csrutil"].rc is None, "there is no such command here"
        assert str(facts_of(found).macos) == "26.1"
        assert [e[0] for path, names in found.listings.items() if path.endswith("brew/lib") for e in names] == [
            "libx.dylib"
        ]


def test_the_script_tells_variables_of_the_list_only(recorded: dict[str, bytes]) -> None:
    for data in recorded.values():
        found = read_framed(data, "x")
        assert found.environment["GOPROXY"] == "(set)"
        assert found.environment["CGO_LDFLAGS"] == "-L/a b\n"
        assert found.environment["DYLD_LIBRARY_PATH"] == "/x y"
        assert found.dyld_seen
        assert b"hidden" not in data
        assert b"secret@" not in data


def test_a_record_that_was_cut_off_is_read_as_far_as_it_goes(recorded: dict[str, bytes]) -> None:
    data = next(iter(recorded.values()))
    found = read_framed(data[: len(data) // 2], "x")
    assert found.more == {"truncated": True}
    assert 0 < len(found.commands) < len(PROBES)
    with pytest.raises(InputError, match="neither a snapshot nor"):
        read_framed(b"hello", "x")


def test_the_collector_keeps_to_its_list_and_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("machochain.machine.collect.SECONDS", 0.2)
    assert run(["sleep", "5"], {"PATH": "/usr/bin:/bin"}).timed_out
    assert run(["/nonexistent"], {}).rc is None
    found = collect({"PATH": "/nonexistent", **MARKS})
    assert set(found.commands) == {p.id for p in PROBES}
    assert found.environment == {
        "PATH": "/nonexistent", "GOPROXY": "(set)", "CGO_LDFLAGS": "-L/a b\n", "GOFLAGS": "-mod=mod",
    }  # fmt: skip
    probe = next(p for p in PROBES if p.id == "cc_version")
    assert words_of(probe, {"CC": "zig cc -target x"}) == ("zig", "cc", "-target", "x", "--version")
    assert (told("CGO_LDFLAGS"), told("HOME"), secret("GONOSUMDB")) == (True, False, True)


def test_a_snapshot_survives_being_written_with_keys_nobody_knows() -> None:
    data = {**document(mac()), "later": [1]}
    found = parse(json.dumps(data), "x")
    assert found.more == {"later": [1]}
    assert document(found) == data
    assert is_snapshot(json.dumps(data).encode())
    for bad in ("[]", "{", '{"schema": "machochain.snapshot/2"}', "null"):
        with pytest.raises(InputError):
            parse(bad, "x")


@pytest.mark.parametrize("value", [None, 3, "x", [], {"commands": {"go_env": 3}}, {"commands": {"uname": {"rc": 0}}}])
def test_broken_parts_of_a_snapshot_are_not_recorded(value: object) -> None:
    data = {"schema": "machochain.snapshot/1", **(value if isinstance(value, dict) else {"commands": value})}
    facts = facts_of(parse(json.dumps(data), "x"))
    assert (facts.macos, facts.go_env, facts.arch) == (None, None, None)


def test_redaction_takes_names_out_everywhere() -> None:
    found = redact(
        mac(env={"SDKROOT": "/Users/jane/sdk", "CGO_LDFLAGS": "-L/Users/jane/lib"}, files={"/Users/jane/x": "file"}),
        home="/Users/jane", user="jane", host="janes-mac.local",
    )  # fmt: skip
    assert found.redacted
    assert "jane" not in json.dumps(document(found))
    assert found.environment["CGO_LDFLAGS"] == "-L~/lib"


def test_facts_say_how_the_compiler_finds_its_directories() -> None:
    assert facts_of(mac()).mode is Mode.SHIM
    assert facts_of(mac(env={"SDKROOT": "/x"})).mode is Mode.SDK
    assert facts_of(mac(out={"which_cc": "/nix/store/clang\n"})).mode is Mode.CLANG
    assert facts_of(mac(env={"CC": "zig cc"})).mode is Mode.CROSS
    assert facts_of(mac()).header_directories is not None
    assert facts_of(Snapshot()).mode is None


def test_the_command_prints_the_script_and_reads_its_output(tmp_path: Path, recorded: dict[str, bytes]) -> None:
    assert command("snapshot", "--script").stdout == script()
    (tmp_path / "mac.txt").write_bytes(next(iter(recorded.values())))
    found = json.loads(command("snapshot", "--import", str(tmp_path / "mac.txt"), "--dyld", "DYLD_A=b").stdout)
    assert (found["schema"], found["environment"]["DYLD_A"]) == ("machochain.snapshot/1", "b")
    assert command("snapshot", "--dyld", "A=b").returncode == 2
    assert command("snapshot", "--import", str(tmp_path / "gone")).returncode == 2


def test_the_script_is_syntax_that_old_shells_read() -> None:
    for shell in SHELLS:
        done = subprocess.run([shell, "-n"], input=script(), text=True, capture_output=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")
    assert not [word for word in ("[[ ", "function ", "local ", "<(", "$'", "&>", "declare ") if word in script()]
