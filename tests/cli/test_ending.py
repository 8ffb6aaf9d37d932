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
