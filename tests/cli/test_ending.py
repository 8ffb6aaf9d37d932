"""A run that is told to end leaves nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.world.archives.packing import LIBRARY, Content, tar


@pytest.mark.skipif(os.name != "posix", reason="other systems have no such signals")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("jobs", ["1", "2"])
def test_what_was_unpacked_goes_away_when_a_signal_ends_the_run(
    tmp_path: Path, number: signal.Signals, jobs: str
) -> None:
    scratch = tmp_path / "tmp"
    scratch.mkdir()
    entries: list[tuple[str, Content]] = [(f"d{n % 50}/lib{n}.dylib", LIBRARY[:64]) for n in range(15_000)]
    one = tar(tmp_path / "x.tar", entries)
    two = tmp_path / "y.tar"
    two.write_bytes(one.read_bytes())
    command = [sys.executable, "-m", "machochain", "audit", str(one), str(two), "--jobs", jobs]
    environment = {**os.environ, "TMPDIR": str(scratch)}
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as process:
        while process.poll() is None and len(list(scratch.glob("machochain-*/files/*"))) < 20:
            time.sleep(0.02)
        assert process.poll() is None, "it was to be ended in its midst"
        process.send_signal(number)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    assert "Traceback" not in errors
    assert list(scratch.iterdir()) == []


def test_a_signal_that_is_ignored_stays_ignored() -> None:
    program = (
        "import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN);"
        "from machochain.cli.ending import clean_up_on_signals; clean_up_on_signals();"
        "assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN; assert callable(signal.getsignal(signal.SIGTERM))"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_an_interrupt_before_anything_is_loaded_is_answered_as_any_other() -> None:
    program = (
        "import sys\n"
        "class Pressed:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name == 'click': raise KeyboardInterrupt\n"
        "sys.meta_path.insert(0, Pressed())\n"
        "from machochain.__main__ import main\n"
        "main()"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "interrupted\n")


COMMANDS = {
    "resolve": ["resolve", "{tar}"],
    "audit": ["audit", "--no-config", "{tar}"],
    "diff": ["diff", "--no-config", "{tar}", "{tar}"],
    "inspect": ["inspect", "{tar}"],
    "fix": ["fix", "{tar}", "-o", "{out}"],
    "source": ["source", "{module}"],
}


@pytest.mark.skipif(os.name != "posix", reason="other systems have no such signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_ends_in_its_first_input_with_the_code_of_the_signal(
    tmp_path: Path, command: str, number: signal.Signals
) -> None:
    scratch, module = tmp_path / "tmp", tmp_path / "module"
    for folder in (scratch, module, *(module / f"p{n}" for n in range(200))):
        folder.mkdir()
        (folder / "a.go").write_text('package p\n\n// #include "a.h"\nimport "C"\n')
        (folder / "a.h").write_text("#define X 1\n" * 20_000)
    for made in scratch.iterdir():
        made.unlink()
    (module / "go.mod").write_text("module example.org/m\n\ngo 1.22\n")
    packed = tar(tmp_path / "x.tar", [(f"d{n % 50}/lib{n}.dylib", LIBRARY[:64]) for n in range(15_000)])
    places = {"tar": packed, "out": tmp_path / "out", "module": module}
    words = [word.format(**places) for word in COMMANDS[command]]
    # The command says itself when it has begun: no time is waited for.
    program = (
        "import sys, machochain.cli as cli\n"
        f"cli.cli.get_command(None, {command!r})\n"
        "sys.stderr.write('begun\\n'); sys.stderr.flush()\n"
        "from machochain.__main__ import main\n"
        f"sys.argv = ['machochain', *{words!r}]\n"
        "main()"
    )
    environment = {**os.environ, "TMPDIR": str(scratch)}
    with subprocess.Popen(
        [sys.executable, "-c", program], env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stderr is not None
        assert process.stderr.readline() == "begun\n"
        while process.poll() is None and command != "source" and not list(scratch.glob("machochain-*/files")):
            time.sleep(0.01)
        if command == "source":
            time.sleep(0.3)
        assert process.poll() is None, "it was to be ended in its midst"
        process.send_signal(number)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 128 + number, errors
    assert "Traceback" not in errors
    assert list(scratch.iterdir()) == []
    assert not (tmp_path / "out").exists() or list((tmp_path / "out").iterdir()) == []
