"""Inputs that lie elsewhere: whatever fsspec reads (``s3://``, ``https://``, ``gs://`` …), copied here for a while."""

from __future__ import annotations

import posixpath
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final
from urllib.parse import urlsplit

from machochain.model.errors import InputError, UsageError

LIMIT: Final = 4 << 30
"""Bytes of one input."""
_CHUNK: Final = 1 << 20


def is_remote(path: str) -> bool:
    """Whether a path is an address: ``scheme://…``, chains of fsspec (``zip://a::s3://b``) included."""
    return "://" in path


@contextmanager
def fetched(address: str, limit: int = LIMIT) -> Iterator[str]:
    """Copy a file here, under its own name in a temporary folder that is gone when the context ends.

    Args:
        address: Where it is.
        limit: How many bytes it may have.

    Raises:
        UsageError: fsspec, or what it needs for this kind of address, is not installed.
        InputError: It cannot be read, or is too long.
    """
    try:
        import fsspec  # noqa: PLC0415  # an extra: most never need it
    except ImportError as error:
        raise UsageError(f"{address}: addresses need fsspec: pip install 'machochain[remote]'") from error
    import tempfile  # noqa: PLC0415

    folder = tempfile.mkdtemp(prefix="machochain-")
    try:
        local = Path(folder).resolve() / _name(address)
        try:
            with fsspec.open(address, "rb") as source, local.open("wb") as copy:
                whole = _copy(source, copy, limit)
        except ImportError as error:
            raise UsageError(f"{address}: {error}") from error
        except Exception as error:
            # Each of fsspec's file systems has errors of its own.
            raise InputError(f"cannot be fetched: {error or type(error).__name__}", path=address) from error
        if not whole:
            raise InputError(f"is longer than {limit} bytes", path=address)
        yield str(local)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _copy(source: IO[bytes], copy: IO[bytes], limit: int) -> bool:
    """Copy what there is; say whether that was all."""
    length = 0
    while chunk := source.read(_CHUNK):
        length += len(chunk)
        if length > limit:
            return False
        copy.write(chunk)
    return True


def _name(address: str) -> str:
    """Return the file's name, without what a web address says behind it."""
    first = address.partition("::")[0]
    path = urlsplit(first).path if first.startswith(("http://", "https://")) else first.partition("://")[2]
    name = posixpath.basename(path.rstrip("/")).replace("\0", "")
    return name if name not in {"", ".", ".."} else "download"
