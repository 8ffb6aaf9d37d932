"""What one input may cost, measured: memory, calls, bytes read."""

from __future__ import annotations

import sys
import time
import tracemalloc
from collections.abc import Callable
from typing import Any

MEMORY = 24 << 20, 400
"""Peak of what Python allocates: a constant, and bytes per byte of the input."""
CALLS = 400_000, 150
"""Calls of functions: a constant, and per byte of the input."""
SECONDS = 20.0
"""CPU time: ten times what the slowest input took on a loaded machine."""


class TooExpensive(AssertionError):  # noqa: N818 - it is the finding of a fuzzer
    """An input costs more than its size allows."""


def within_memory(run: Callable[[bytes], None], data: bytes) -> None:
    """Run with a bound on the peak of memory."""
    tracemalloc.start()
    try:
        run(data)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    if peak > MEMORY[0] + MEMORY[1] * len(data):
        raise TooExpensive(f"{peak} bytes of memory for {len(data)} bytes")


def within_calls(run: Callable[[bytes], None], data: bytes) -> None:
    """Run with a bound on the number of calls: unlike time, they do not depend on the machine."""
    most = CALLS[0] + CALLS[1] * len(data)
    count = 0

    def counted(_frame: Any, event: str, _argument: Any) -> None:
        nonlocal count
        if event in ("call", "c_call"):
            count += 1
            if count > most:
                raise TooExpensive(f"more than {most} calls for {len(data)} bytes")

    sys.setprofile(counted)
    try:
        run(data)
    finally:
        sys.setprofile(None)


def within_time(run: Callable[[bytes], None], data: bytes) -> None:
    """Run with a bound on CPU time."""
    start = time.process_time()
    run(data)
    taken = time.process_time() - start
    if taken > SECONDS:
        raise TooExpensive(f"{taken:.1f} s of CPU time for {len(data)} bytes")


HOW = (within_memory, within_calls, within_time, within_time, within_time, within_time)
"""Measuring slows down, so most inputs are only timed."""
