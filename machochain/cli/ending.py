"""Ending by a signal: what was unpacked goes away first."""

from __future__ import annotations

import signal
from types import FrameType

_SIGNALS = ("SIGTERM", "SIGHUP")


def clean_up_on_signals() -> None:
    """Answer the signals that end a process by leaving every context on the way out; the exit code is 128 and theirs.

    One that is ignored already (``nohup``) stays ignored.
    """
    for name in _SIGNALS:
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, _end)


def _end(number: int, _: FrameType | None) -> None:
    for name in _SIGNALS:
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    raise SystemExit(128 + number)
