"""What a task or a command costs: CPU seconds and peak memory of a process of its own, with how much it found."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from attrs import frozen

ROOT = Path(__file__).parents[1]

LAUNCHER = """
import os, sys
out, *command = sys.argv[1:]
kept = [(os.POSIX_SPAWN_OPEN, 1, out, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)]
kept += [(os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0)]
_, status, used = os.wait4(os.posix_spawnp(command[0], command, os.environ, file_actions=kept), 0)
print(os.waitstatus_to_exitcode(status), used.ru_utime + used.ru_stime, used.ru_maxrss)
"""
"""A process takes over the peak memory of the one that starts it, so a command is started by one that is small."""


class AbsentError(Exception):
    """A tool is not installed."""


class FailedError(Exception):
    """A tool does not do what was asked of it; its time means nothing."""


@frozen
class Cost:
    """What something cost.

    Attributes:
        seconds: CPU time, the least of some runs, with that of the processes it started.
        peak: Memory of the largest process, MB.
        count: How much was found; None if that is no question.
    """

    seconds: float
    peak: float
    count: int | None = None


def megabytes(maxrss: float) -> float:
    """Turn ``ru_maxrss`` into MB: it is in bytes on macOS and in kB elsewhere."""
    return maxrss / (1 << 20 if sys.platform == "darwin" else 1 << 10)


def command_cost(command: list[str], times: int, count: Callable[[str], int] | None = None) -> Cost:
    """Return what a command costs.

    Args:
        command: The command line, run in the root of the project.
        times: How often to run it; the fastest counts.
        count: Takes what it printed and says how much it found.

    Raises:
        FailedError: It ended with an error.
    """
    seconds, peak = float("inf"), 0.0
    with tempfile.TemporaryDirectory() as folder:
        printed = Path(folder) / "out"
        for _ in range(times):
            launch = [sys.executable, "-I", "-S", "-c", LAUNCHER, str(printed), *command]
            done = subprocess.run(launch, cwd=ROOT, capture_output=True, text=True, check=False)
            if done.returncode:
                raise FailedError(done.stderr.strip().splitlines()[-1])
            status, used, most = done.stdout.split()
            if status != "0":
                raise FailedError(f"exit code {status}")
            seconds, peak = min(seconds, float(used)), max(peak, megabytes(float(most)))
        answer = printed.read_text(encoding="utf-8", errors="replace")
    return Cost(seconds, peak, None if count is None else count(answer))


def task_cost(task: str, tree: Path, times: int) -> Cost:
    """Return what a task of `benchmarks.tasks` costs on a tree.

    Raises:
        AbsentError: Its tool is not installed.
        FailedError: It ended with an error.
    """
    command = [sys.executable, "-m", "benchmarks.child", task, str(tree), str(times)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise FailedError(done.stderr.strip().splitlines()[-1] if done.stderr.strip() else f"exit {done.returncode}")
    found = json.loads(done.stdout.splitlines()[-1])
    if "absent" in found:
        raise AbsentError(found["absent"])
    return Cost(found["seconds"], found["peak"], found["count"])
