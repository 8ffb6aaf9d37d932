"""LIEF in a process of its own: what goes wrong there is told, and ends nothing here."""

from __future__ import annotations

import atexit
import json
import subprocess  # only a copy of this very program is started, with none of the words of an input
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

from machochain.model.errors import InputError

PATIENCE: Final = 600
"""Seconds after which an answer is given up, whatever the process does with them."""
MOST: Final = 256 << 20, 64
"""Bytes of an answer: a constant, and bytes a byte of the image. libvtkCommonCore gets 0.6."""


READER: Final = (sys.executable, "-P", "-m", "machochain.macho.lieftables")
"""With -P nothing of the directory this is run in is taken for a module."""
STRIKES: Final = 3
"""Images on which the process may end before no other is started: each may have taken all its time."""


class Apart:
    """A process that reads images with LIEF, one after the other; a new one when it has ended."""

    def __init__(self, words: Sequence[str] = READER) -> None:
        """Start nothing yet; ``words`` is what is started."""
        self._words = words
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()
        self._strikes = 0

    def ask(self, data: bytes) -> Mapping[str, Any]:
        """Return the tables of an image: see `machochain.macho.lieftables.tables`.

        Raises:
            InputError: LIEF refuses it, or reading it takes more memory or time than it is given.
        """
        with self._lock:
            if self._strikes >= STRIKES:
                raise InputError(f"LIEF is not asked: it failed on {STRIKES} images before")
            try:
                process = self._running()
            except (OSError, ValueError) as error:
                raise InputError(f"LIEF cannot be started: {error}") from None
            given_up = threading.Event()

            def give_up() -> None:
                given_up.set()
                process.kill()

            timer = threading.Timer(PATIENCE, give_up)
            timer.daemon = True
            timer.start()
            try:
                told = _exchange(process, data)
            except BaseException:
                self.end()
                raise
            finally:
                timer.cancel()
            if told is None:
                raise InputError(self._why(process, slow=given_up.is_set()))
            found: dict[str, Any] = json.loads(told)
            if found.get("ends"):
                self.end()
        if "error" in found:
            raise InputError(found["error"])
        return found

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None or self._process.poll() is not None:
            self._process = subprocess.Popen(  # noqa: S603  # this program, none of the words of an input
                self._words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
            )
        return self._process

    def _why(self, process: subprocess.Popen[bytes], *, slow: bool) -> str:
        """Say why there was no answer, and see to it that nothing of the process is left."""
        self._strikes += 1
        with suppress(subprocess.TimeoutExpired):
            process.wait(5)
        self.end()
        code = process.returncode
        if slow or code == -_SIGXCPU:
            return "LIEF takes longer for it than it is given"
        return f"LIEF crashed on it (signal {-code})" if code < 0 else f"LIEF ended without a word (exit code {code})"

    def end(self) -> None:
        """End the process, if there is one."""
        process, self._process = self._process, None
        if process is None:
            return
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                with suppress(OSError):
                    stream.close()
        with suppress(OSError):
            process.terminate()
        try:
            process.wait(1)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


_SIGXCPU: Final = 24


def _exchange(process: subprocess.Popen[bytes], data: bytes) -> bytes | None:
    """Send an image and take the answer; None if the process ends before it is complete."""
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(len(data).to_bytes(8, "little"))
        process.stdin.write(data)
        process.stdin.flush()
    except OSError:
        return None
    head = process.stdout.read(8)
    length = int.from_bytes(head, "little")
    if len(head) < 8:
        return None
    if length > MOST[0] + MOST[1] * len(data):
        raise InputError("LIEF has more to say of it than there is room for")
    told = process.stdout.read(length)
    return told if len(told) == length else None


LIEF: Final = Apart()
"""The process of this program; started when first asked."""
atexit.register(LIEF.end)
