"""What one expects of a command line: help, completion, guesses, standard input, names people use."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from unittest import mock

import pytest
from click.shell_completion import BashComplete

from machochain.cli import cli
from machochain.cli.completion import SHELLS
from tests.cli.running import Done, run

HELLO = Path(__file__).parents[2] / "testdata" / "hello" / "bin"


@pytest.mark.parametrize("arguments", [[], ["sdk"]])
def test_with_nothing_to_do_the_help_is_shown_line_by_line(arguments: list[str]) -> None:
    done = run(*arguments)
    told = done.stdout + done.stderr
    assert "\\x0a" not in told
    assert len(told.splitlines()) > 8
    assert "Usage: machochain" in told


def completed(words: str, number: int | None = None) -> list[str]:
    """Return what bash is offered for the last word."""
    every = words.split(" ")
    environment = {"COMP_WORDS": words, "COMP_CWORD": str(len(every) - 1 if number is None else number)}
    with mock.patch.dict(os.environ, environment):
        return BashComplete(cli, {}, "machochain", "_MACHOCHAIN_COMPLETE").complete().splitlines()


@pytest.mark.parametrize("command", ["resolve", "audit", "inspect", "explain", "scenario", "diff", "diagnose"])
def test_file_names_are_completed(command: str) -> None:
    assert any(line.startswith("file,") for line in completed(f"machochain {command} ./x"))


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("machochain au", "plain,audit"),
        ("machochain resolve --macos seq", "plain,sequoia"),
        ("machochain resolve --macos 12..2", "plain,12..26"),
        ("machochain resolve --arch arm", "plain,arm64e"),
        ("machochain resolve --format mer", "plain,mermaid"),
        ("machochain audit --format sa", "plain,sarif"),
        ("machochain audit --profile wh", "plain,wheel"),
        ("machochain scenario x --contexts go,app", "plain,go,app-bundle"),
        ("machochain explain MC10", "plain,MC101"),
        ("machochain explain missing-li", "plain,missing-library"),
        ("machochain completion z", "plain,zsh"),
        ("machochain fix x --only MC101,MC40", "plain,MC101,MC402"),
        ("machochain fix x --only missing-li", "plain,missing-library"),
        ("machochain fix x --profile wh", "plain,wheel"),
        ("machochain diff x y --fail-on w", "plain,warning"),
        ("machochain sdk show x --macos seq", "plain,sequoia"),
        ("machochain sdk symbols x --arch arm", "plain,arm64e"),
        ("machochain config init --profile a", "plain,app"),
        ("machochain config i", "plain,init"),
    ],
)
def test_values_are_completed(words: str, expected: str) -> None:
    assert expected in completed(words)


@pytest.mark.parametrize("shell", SHELLS)
def test_the_script_for_a_shell_can_be_had(shell: str) -> None:
    done = run("completion", shell)
    assert done.returncode == 0
    assert "_MACHOCHAIN_COMPLETE" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "guess"),
    [
        (["resolv", "x"], "resolve"),
        (["explain", "MC11"], "MC1"),
        (["explain", "mising-library"], "missing-library"),
        (["resolve", "x", "--arch", "arm46"], "arm64"),
        (["audit", "x", "--format", "sarfi"], "sarif"),
        (["resolve", "x", "--macoss", "12"], "--macos"),
        (["resolve", "x", "--format", "jsn"], "json"),
        (["resolve", "x", "--macos", "sequioa"], "sequoia"),
        (["resolve", "x", "--color", "alwys"], "always"),
        (["audit", "x", "--fail-on", "eror"], "error"),
        (["audit", "x", "--profile", "relese"], "release"),
        (["scenario", str(HELLO / "greeter"), "--contexts", "go-tst"], "go-test"),
        (["fix", "x", "-n", "--only", "missing-libary"], "missing-library"),
        (["completion", "bsh"], "bash"),
        (["config", "inti"], "init"),
    ],
)
def test_what_was_probably_meant_is_said(arguments: list[str], guess: str) -> None:
    done = run(*arguments)
    assert done.returncode == 2
    assert "did you mean" in done.stderr.lower()
    assert guess in done.stderr


def piped(data: bytes, *arguments: str) -> Done:
    command = [sys.executable, "-m", "machochain", *arguments]
    done = subprocess.run(command, input=data, capture_output=True, check=False)
    return Done(done.returncode, done.stdout.decode(), done.stderr.decode())


@pytest.mark.parametrize(
    "arguments",
    [
        ["resolve", "-"],
        ["inspect", "-"],
        ["audit", "--no-config", "-"],
        ["explain", "-", "libgreet.1.dylib"],
        ["scenario", "-", "--fail-on", "never"],
        ["diff", "--no-config", "-", str(HELLO / "greeter-universal")],
    ],
)
def test_a_dash_stands_for_standard_input(arguments: list[str]) -> None:
    done = piped((HELLO / "greeter-universal").read_bytes(), *arguments)
    assert done.returncode in {0, 1}, done.stderr
    assert "Traceback" not in done.stderr
    assert "machochain-" not in done.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ["resolve", "-", "-"],
        ["diff", "--no-config", "-", "-"],
        ["diagnose", "--binary", "-"],
        ["audit", "-", "--policy", "-"],
    ],
)
def test_standard_input_is_read_once(arguments: list[str]) -> None:
    done = run(*arguments, stdin="")
    assert done.returncode == 2
    assert "- is given twice" in done.stderr


def test_a_dash_stands_for_a_document_too(tmp_path: Path) -> None:
    greeter, broken = str(HELLO / "greeter"), str(HELLO / "greeter-broken")
    policy = '[severity]\nMC101 = "warning"\n'
    assert run("audit", broken, "--no-config").returncode == 1
    assert run("audit", broken, "--policy", "-", stdin=policy).returncode == 0
    known = tmp_path / "known.json"
    run("audit", broken, "--no-config", "--write-baseline", str(known))
    assert run("audit", broken, "--no-config", "--baseline", "-", stdin=known.read_text()).returncode == 0
    message = json.loads(run("resolve", broken, "--json").stdout)["results"][0]["message"]
    (tmp_path / "said.txt").write_text(f"dyld[1]: {message}\n")
    done = piped((HELLO / "greeter-broken").read_bytes(), "diagnose", str(tmp_path / "said.txt"), "--expect", "-")
    assert done.returncode == 0, done.stderr
    assert "as predicted" in done.stdout
    mended = tmp_path / "mended"
    done = piped(Path(greeter).read_bytes(), "fix", "-", "-o", str(mended), "--no-config")
    assert done.returncode in {0, 1}, done.stderr
    assert mended.is_file()


def test_the_rules_can_be_had_as_json() -> None:
    done = run("audit", "--rules", "--json")
    document = json.loads(done.stdout)
    assert document["schema"] == "machochain.rules/1"
    assert {rule["id"] for rule in document["rules"]} > {"MC101", "MC501"}
    assert done.returncode == 0
    assert run("audit").returncode == 2
    assert "PATH" in run("audit").stderr


def test_other_spellings_are_known() -> None:
    greeter = str(HELLO / "greeter-universal")
    for spelling, name in (("amd64", "x86_64"), ("aarch64", "arm64")):
        document = json.loads(run("resolve", greeter, "--arch", spelling, "--json").stdout)
        assert [result["arch"] for result in document["results"]] == [name]
    document = json.loads(run("resolve", greeter, "--macos", "sequoia", "--json").stdout)
    assert {result["macos"].partition(".")[0] for result in document["results"]} == {"15"}
