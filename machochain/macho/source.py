"""Files of this machine as byte sources."""

from __future__ import annotations

import os
import stat
from typing import Final, Self

from machochain.model.errors import InputError
from machochain.model.paths import HostPath

# Where they are unknown (Windows), neither is needed.
_OPEN_FLAGS: Final = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0)


class FileSource:
    """A regular file, opened for as long as the ``with`` block runs."""

    __slots__ = ("_fd", "_path", "size")

    def __init__(self, path: HostPath) -> None:
        """Open the file.

        Raises:
            InputError: It cannot be opened or is not a regular file.
        """
        self._path = path
        try:
            # a FIFO would block forever without O_NONBLOCK
            self._fd = os.open(path, _OPEN_FLAGS)
            status = os.fstat(self._fd)
        except (OSError, ValueError) as error:
            raise _unreadable(path, error) from error
        if not stat.S_ISREG(status.st_mode):
            self.close()
            raise InputError("not a regular file", path=path)
        self.size = status.st_size

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        os.close(self._fd)

    def read(self, offset: int, size: int) -> bytes:
        """Return the asked range; fewer bytes at the end of the file.

        Raises:
            InputError: The system reports an error.
        """
        # the system call would reserve memory for all that is asked, however short the file
        size = min(size, self.size - offset)
        if size <= 0:
            return b""
        try:
            return os.pread(self._fd, size, offset)
        except (OSError, OverflowError) as error:
            raise _unreadable(self._path, error, offset) from error


def _unreadable(path: str, error: Exception, offset: int | None = None) -> InputError:
    words = error.strerror if isinstance(error, OSError) else str(error)
    number = error.errno or 0 if isinstance(error, OSError) else 0
    return InputError(f"cannot be read: {words or type(error).__name__}", path=path, offset=offset, errno=number)
