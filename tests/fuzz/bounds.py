"""What one input may cost, measured: memory, calls, CPU time. None of it depends on what else the machine does."""

from __future__ import annotations

import resource
import signal
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

MEMORY = 24 << 20, 400
"""Peak of what Python allocates: a constant, and bytes per byte of the input."""
CALLS = 400_000, 150
"""Calls of functions: a constant, and per byte of the input."""
SECONDS = 20.0
"""CPU time of this process: ten times what the slowest input took on a loaded machine."""
ADDRESSES = 4 << 30
"""Address space of this process beyond what it has at the start: the machine is not to suffer from a fault of ours."""


class TooExpensive(AssertionError):  # noqa: N818 - it is the finding of a fuzzer
    """An input costs more than its size allows."""


def within_memory(run: Callable[[bytes], None], data: bytes, cost: float = 1) -> None:
    """Run with a bound on the peak of memory."""
    tracemalloc.start()
    try:
        run(data)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    if peak > cost * (MEMORY[0] + MEMORY[1] * len(data)):
        raise TooExpensive(f"{peak} bytes of memory for {len(data)} bytes")


def within_calls(run: Callable[[bytes], None], data: bytes, cost: float = 1) -> None:
    """Run with a bound on the number of calls."""
    most = cost * (CALLS[0] + CALLS[1] * len(data))
    count = 0

    def counted(_frame: Any, event: str, _argument: Any) -> None:
        nonlocal count
        if event in ("call", "c_call"):
            count += 1

    sys.setprofile(counted)
    try:
        run(data)
    finally:
        sys.setprofile(None)
    if count > most:
        raise TooExpensive(f"{count} calls for {len(data)} bytes")


def within_time(run: Callable[[bytes], None], data: bytes, cost: float = 1) -> None:
    """Run with nothing but the bound on CPU time that holds for each."""
    del cost
    run(data)


HOW = (within_memory, within_calls, within_time, within_time, within_time, within_time)
"""Measuring slows down, so most inputs are only timed."""


@contextmanager
def limited() -> Iterator[None]:
    """Stop what takes too much CPU time where it is at that moment, an endless loop too.

    What is raised there may be caught on its way by code that catches everything: hence the look at the end.
    """
    stopped = False

    def _stop(_signal: int, _frame: FrameType | None) -> None:
        nonlocal stopped
        stopped = True
        raise TooExpensive(f"more than {SECONDS} s of CPU time")

    old = signal.signal(signal.SIGPROF, _stop)
    # Once more every second: whoever caught the first does not get away.
    signal.setitimer(signal.ITIMER_PROF, SECONDS, 1)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, old)
    if stopped:
        raise TooExpensive(f"more than {SECONDS} s of CPU time")


@contextmanager
def limited_process() -> Iterator[None]:
    """Let this process have so much address space and no more; without effect where its size cannot be told."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[0])
    except OSError:
        yield
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + ADDRESSES, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
