"""Another process of Python, with other hash values: whoever relies on the order of a set is found out by it.

Run as ``python -m tests.fuzz.twin FOLDER``, it reads folders from standard input, each behind its length, runs the same
command over each as the fuzzer does, at the same place, and writes what came out behind its length.
"""

from __future__ import annotations

import os
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import IO
from unittest import mock

from tests.fuzz import places
from tests.fuzz.bounds import limited


def said(data: bytes) -> bytes:
    """Return what a command says about a folder: exit code and both streams."""
    from tests.fuzz.commands import work

    words, done = work(data)
    return repr((words, done)).encode("utf-8", "surrogateescape")


@cache
def _process() -> subprocess.Popen[bytes]:
    environment = {**os.environ, "PYTHONHASHSEED": "1"}
    command = [sys.executable, "-m", "tests.fuzz.twin", str(places.scratch())]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)


def agrees(data: bytes) -> None:
    """Run a command here and there: the same must come out, byte by byte."""
    here = said(data)
    process = _process()
    assert process.stdin is not None
    assert process.stdout is not None
    _put(process.stdin, data)
    there = _take(process.stdout)
    assert there is not None, "the other process ended"
    assert here == there, f"\n{here.decode('utf-8', 'replace')}\n{there.decode('utf-8', 'replace')}"


def _put(stream: IO[bytes], data: bytes) -> None:
    stream.write(len(data).to_bytes(8, "little") + data)
    stream.flush()


def _take(stream: IO[bytes]) -> bytes | None:
    head = stream.read(8)
    return stream.read(int.from_bytes(head, "little")) if len(head) == 8 else None


def main(folder: str) -> None:
    with mock.patch.object(places, "scratch", return_value=Path(folder)):
        out = os.fdopen(os.dup(1), "wb")
        while (data := _take(sys.stdin.buffer)) is not None:
            with limited():
                answer = said(data)
            _put(out, answer)


if __name__ == "__main__":
    main(sys.argv[1])
