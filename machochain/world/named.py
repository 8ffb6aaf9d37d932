"""Files that a user names beside the inputs: texts a Mac printed, policies, baselines."""

from __future__ import annotations

from typing import Final

from machochain.macho.source import FileSource
from machochain.model.errors import InputError
from machochain.model.paths import HostPath

_DESCRIPTORS: Final = ("/dev/fd/", "/proc/self/fd/")
_STANDARD_INPUT: Final = "/dev/stdin"


def read_named(path: str, most: int) -> bytes:
    """Return the content of a file.

    What the shell hands over as a descriptor (``<(…)`` is ``/dev/fd/N``) is read to its end, whatever it is. Under any
    other name only a regular file is read: a FIFO may never get a writer, and a device never ends.

    Args:
        path: The file on this machine.
        most: How many bytes it may have.

    Raises:
        InputError: It cannot be read, is no regular file, or is longer.
    """
    if path.startswith(_DESCRIPTORS) or path == _STANDARD_INPUT:
        data = _read_to_the_end(path, most + 1)
        if len(data) > most:
            raise _too_long(path, most)
        return data
    with FileSource(HostPath(path)) as source:
        if source.size > most:
            raise _too_long(path, most)
        return source.read(0, most)


def _too_long(path: str, most: int) -> InputError:
    return InputError(f"longer than {most} bytes", path=path)


def _read_to_the_end(path: str, most: int) -> bytes:
    try:
        with open(path, "rb") as stream:  # noqa: PTH123  # the raw path of the user
            return stream.read(most)
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", path=path, errno=error.errno or 0) from error
