"""What is kept from run to run: regular files of our own, below a folder of our own, and nothing else.

A folder or file that is a link, belongs to somebody else, or that others may write to is passed over: what lies there
may say anything, and what is removed there may be anything. A FIFO or a device is not waited for.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from machochain.model.paths import HostPath

_OURS: Final = re.compile(
    r"(?:[0-9a-f]{24}\.json|catalogue-[0-9a-f]{32}-[0-9a-f]{32}\.bin|tmp[A-Za-z0-9_]{8}(?:\.tmp)?)"
)
"""The names of what we keep, and of what a run that was killed left aside."""
_MOST: Final = 512 << 20
_OTHERS: Final = stat.S_IWGRP | stat.S_IWOTH


def cache_folder() -> HostPath | None:
    """Return the folder indexes are kept in, whether or not it exists; None if the user has no such place."""
    base = Path(os.environ.get("XDG_CACHE_HOME", ""))
    if not base.is_absolute():  # the specification says to ignore a relative one
        try:
            base = Path.home() / ".cache"
        except RuntimeError:
            return None
    return HostPath(str(base / "machochain" / "sdk")) if base.is_absolute() else None


def _is_own(status: os.stat_result) -> bool:
    # Windows knows neither owner nor these bits; a user's folder is his own there.
    return os.name != "posix" or (status.st_uid == os.getuid() and not status.st_mode & _OTHERS)


def own_folder(*, make: bool = False) -> Path | None:
    """Return the folder if it is one of our own.

    Args:
        make: Whether to make it if it is not there.
    """
    place = cache_folder()
    if place is None:
        return None
    folder = Path(place)
    with contextlib.suppress(OSError):
        if make:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Whoever may write to the folder above can put another one here, but not one that belongs to us.
        above, status = folder.parent.lstat(), folder.lstat()
        if not (stat.S_ISDIR(above.st_mode) and stat.S_ISDIR(status.st_mode) and _is_own(status)):
            return None
        return folder
    return None


def read_kept(path: Path) -> bytes | None:
    """Return what is in a kept file; None unless it is a regular one of our own."""
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    with contextlib.suppress(OSError):
        descriptor = os.open(path, flags)
        with open(descriptor, "rb") as stream:  # noqa: PTH123  # a descriptor, not a path
            status = os.fstat(descriptor)
            if stat.S_ISREG(status.st_mode) and _is_own(status) and status.st_size <= _MOST:
                return stream.read()
    return None


def keep(name: str, data: bytes) -> Path | None:
    """Keep some bytes under a name, written aside and put in place at once; None if they cannot be kept."""
    folder = own_folder(make=True)
    if folder is None:
        return None
    with contextlib.suppress(OSError):
        descriptor, aside = tempfile.mkstemp(dir=folder, suffix=".tmp")
        try:
            with open(descriptor, "wb") as stream:  # noqa: PTH123  # a descriptor, not a path
                stream.write(data)
            return Path(aside).replace(folder / name)
        except OSError:
            Path(aside).unlink(missing_ok=True)
    return None


def kept_files(start: str = "") -> Iterator[Path]:
    """Yield the kept files whose names begin so, sorted; links, and names that we never gave, are none."""
    folder = own_folder()
    if folder is None:
        return
    for path in sorted(folder.iterdir()):
        if path.name.startswith(start) and _OURS.fullmatch(path.name):
            with contextlib.suppress(OSError):
                status = path.lstat()
                if stat.S_ISREG(status.st_mode) and _is_own(status):
                    yield path


def clear_cache() -> int:
    """Delete all kept files; returns how many."""
    count = 0
    for path in kept_files():
        with contextlib.suppress(OSError):
            path.unlink()
            count += 1
    return count
