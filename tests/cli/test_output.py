"""Where results go: a file that is whole or as it was, a stream that is full or closed; and colours."""

from __future__ import annotations

import contextlib
import os
import shlex
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from machochain.cli.output import coloured, linked, write_file
from machochain.model.errors import UsageError
from tests.cli.running import run

HELLO = Path(__file__).parents[2] / "testdata" / "hello" / "bin"
BROKEN = HELLO / "greeter-broken"
COMMAND = [sys.executable, "-m", "machochain"]


def test_a_file_is_whole_or_as_it_was(tmp_path: Path) -> None:
    file = tmp_path / "out"
    file.write_text("before")

    def parts() -> Iterator[str]:
        yield "half"
        raise RuntimeError

    with pytest.raises(RuntimeError):
        write_file(str(file), parts())
    assert file.read_text() == "before"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_file_keeps_its_mode_and_a_link_its_target(tmp_path: Path) -> None:
    file, link = tmp_path / "out", tmp_path / "link"
    file.write_text("before")
    file.chmod(0o640)
    link.symlink_to(file)
    write_file(str(link), ["after"])
    assert file.read_text() == "after"
    assert link.is_symlink()
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    write_file(str(tmp_path / "new"), ["x"])
    mask = os.umask(0)
    os.umask(mask)
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o666 & ~mask
    write_file(os.devnull, ["x"])
    with pytest.raises(UsageError, match="cannot be written"):
        write_file(str(tmp_path), ["x"])


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no device that is always full")
@pytest.mark.parametrize("form", ["text", "json"])
def test_a_full_disk_is_no_fault_of_ours(form: str) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [*COMMAND, "resolve", str(HELLO / "greeter"), "--format", form],
            stdout=full, stderr=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip
    assert (done.returncode, done.stderr) == (
        2, "machochain: standard output cannot be written: No space left on device\n",
    )  # fmt: skip


SAYING = (["completion", "bash"], ["env"], ["config", "init", "-o", "-"], ["audit", "--rules"], ["diagnose", "--list"])


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no device that is always full")
@pytest.mark.parametrize("arguments", [*SAYING, ["--help"], ["--version"], ["resolve", "--help"]])
def test_no_command_takes_a_full_standard_output_for_a_fault_of_ours(arguments: list[str]) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "machochain", *arguments],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.skipif(os.name != "posix", reason="closes a stream as a shell does")
@pytest.mark.parametrize("arguments", SAYING)
def test_what_a_closed_standard_output_loses_is_told(arguments: list[str]) -> None:
    words = shlex.join([sys.executable, "-m", "machochain", *arguments])
    done = subprocess.run(["sh", "-c", f"{words} >&-"], stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, "is closed" in done.stderr) == (2, True)


def test_closed_streams_end_in_no_traceback() -> None:
    greeter = str(HELLO / "greeter")
    for arguments, closing in (
        (["resolve", greeter], ">&-"),
        (["audit", "--no-config", greeter], ">&-"),
        (["diagnose"], "<&-"),
        (["resolve", "-"], "<&-"),
    ):
        words = " ".join(f"'{word}'" for word in [*COMMAND, *arguments])
        done = subprocess.run(["sh", "-c", f"{words} {closing}"], capture_output=True, text=True, check=False)
        assert done.returncode == 2, done.stderr
        assert "Traceback" not in done.stderr
        assert "is closed" in done.stderr


@pytest.mark.parametrize(
    ("wanted", "environment", "terminal", "expected"),
    [
        ("auto", {}, True, True),
        ("auto", {}, False, False),
        ("auto", {"NO_COLOR": "1"}, True, False),
        ("auto", {"NO_COLOR": "1", "FORCE_COLOR": "1"}, True, False),
        ("auto", {"FORCE_COLOR": "1"}, False, True),
        ("auto", {"FORCE_COLOR": "0"}, False, False),
        ("auto", {"CLICOLOR_FORCE": "1"}, False, True),
        ("auto", {"CLICOLOR": "0"}, True, False),
        ("auto", {"TERM": "dumb"}, True, False),
        ("always", {"NO_COLOR": "1"}, False, True),
        ("never", {"FORCE_COLOR": "1"}, True, False),
    ],
)
def test_text_is_coloured_where_it_is_wanted(
    wanted: str, environment: dict[str, str], terminal: bool, expected: bool
) -> None:
    assert coloured(wanted, environment, terminal=terminal) is expected


def test_colours_can_be_asked_for() -> None:
    greeter = str(HELLO / "greeter-broken")
    assert "\x1b[" in run("resolve", greeter, "--color", "always").stdout
    assert "\x1b[" in run("audit", "--no-config", greeter, "--color", "always").stdout
    assert "\x1b[" not in run("resolve", greeter).stdout


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"TERM": "xterm-256color"}, False),
        ({"TERM": "xterm-kitty"}, True),
        ({"TERM_PROGRAM": "WezTerm", "TERM": "dumb"}, False),
        ({"TERM_PROGRAM": "iTerm.app", "CI": "true"}, False),
        ({"TERM_PROGRAM": "vscode"}, True),
        ({"TERM_PROGRAM": "Apple_Terminal"}, False),
        ({"VTE_VERSION": "4999"}, False),
        ({"VTE_VERSION": "7603"}, True),
        ({"VTE_VERSION": "\u0669\u0669\u0669\u0669"}, False),
        ({"WT_SESSION": "x"}, True),
        ({"WT_SESSION": "x", "FORCE_HYPERLINK": "0"}, False),
        ({"FORCE_HYPERLINK": "1"}, True),
        ({}, False),
    ],
)
def test_links_are_for_terminals_that_have_them(environment: dict[str, str], expected: bool) -> None:
    assert linked(environment) is expected


def test_there_are_links_in_a_terminal_and_none_in_a_pipe_or_a_file(tmp_path: Path) -> None:
    pty = pytest.importorskip("pty")
    command = [sys.executable, "-m", "machochain", "audit", "--no-config", str(BROKEN)]
    environment = {**os.environ, "FORCE_HYPERLINK": "1", "MACHOCHAIN_DOCS": "https://docs.example.org", "TERM": "xterm"}
    ours, theirs = pty.openpty()
    with subprocess.Popen(command, stdout=theirs, env=environment):
        os.close(theirs)
        shown = b""
        with contextlib.suppress(OSError):  # how the end of a terminal is told
            while part := os.read(ours, 4096):
                shown += part
    os.close(ours)
    assert b"\x1b]8;;https://docs.example.org/rules/MC101.html\x1b\\\x1b[31merror[MC101]" in shown
    piped = subprocess.run([*command, "--color", "always"], capture_output=True, env=environment, check=False).stdout
    assert b"\x1b[31m" in piped
    assert b"\x1b]8" not in piped
    file = tmp_path / "report.txt"
    subprocess.run([*command, "-o", str(file)], env=environment, check=False)
    assert "\x1b" not in file.read_text()


def test_in_one_terminal_an_input_that_cannot_be_read_is_told_once_and_in_a_pipe_on_standard_error(
    tmp_path: Path,
) -> None:
    pty = pytest.importorskip("pty")
    (tmp_path / "tin").write_bytes(b"\x7fELF" + bytes(60))
    command = [sys.executable, "-m", "machochain", "audit", "--no-config", str(tmp_path / "tin")]
    ours, theirs = pty.openpty()
    with subprocess.Popen(command, stdout=theirs, stderr=theirs):
        os.close(theirs)
        shown = b""
        with contextlib.suppress(OSError):
            while part := os.read(ours, 4096):
                shown += part
    os.close(ours)
    assert shown.count(b"an ELF file") == 1
    piped = subprocess.run(command, capture_output=True, check=False)
    assert b"an ELF file" in piped.stdout
    assert b"an ELF file" in piped.stderr
