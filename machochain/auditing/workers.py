"""Processes that work for this one: how they start, what they answer to signals, and what is said of those lost."""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import active_children, get_context
from typing import Any, Final, TypeVar

T = TypeVar("T")

LOST: Final = "was not finished: the process that looked at it was killed, perhaps for want of memory"


@contextmanager
def workers(count: int, begin: Callable[..., None] | None = None, *arguments: Any) -> Iterator[Executor]:
    """Open a pool of processes, spawned so that threads of this one do not matter; each first calls ``begin``."""
    pool = ProcessPoolExecutor(count, get_context("spawn"), _prepare, (begin, *arguments))
    try:
        yield pool
    except SystemExit:
        # This process was told to end: so are its workers, which remove what they unpacked.
        for child in active_children():
            child.terminate()
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _prepare(begin: Callable[..., None] | None, *arguments: Any) -> None:
    """Set what a worker answers to signals, and that it seldom looks for garbage, as the command does."""
    gc.set_threshold(50_000, 50, 50)
    signal.signal(signal.SIGINT, _remember)
    signal.signal(signal.SIGTERM, _end)
    if begin is not None:
        begin(*arguments)


_told_to_end: list[bool] = []


def _end(*_: object) -> None:
    """Answer being told to end: once, because a pool that breaks tells its workers again while they clean up."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    _told_to_end.append(True)
    _stop()


def _remember(*_: object) -> None:
    """Answer Ctrl-C in a worker that waits: from now on it is ignored, by which the next task knows of it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _stop(*_: object) -> None:
    """Answer Ctrl-C in a worker that works: end the task, and with it the files it unpacked."""
    _remember()
    raise KeyboardInterrupt


def interruptible(task: Callable[..., T], *arguments: Any) -> T:
    """Do a task in a worker so that Ctrl-C ends it, and no task after it begins.

    Raises:
        KeyboardInterrupt: That happened.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # Tasks that a pool has handed out already cannot be taken back.
        raise KeyboardInterrupt
    signal.signal(signal.SIGINT, _stop)
    try:
        return task(*arguments)
    finally:
        if _told_to_end:
            # What the task unpacked is gone by now. A pool catches every exception and would hand out the next task.
            os._exit(1)
        if signal.getsignal(signal.SIGINT) is _stop:
            signal.signal(signal.SIGINT, _remember)
