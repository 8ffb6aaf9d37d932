"""Inputs that lie elsewhere: whatever fsspec reads (``s3://``, ``https://``, ``gs://`` …), copied here for a while."""

from __future__ import annotations

import posixpath
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final
from urllib.parse import unquote, urlsplit

from machochain.model.errors import InputError, UsageError

LIMIT: Final = 4 << 30
"""Bytes of one input."""
_CHUNK: Final = 1 << 20


def is_remote(path: str) -> bool:
    """Whether a path is an address: ``scheme://…``, chains of fsspec (``zip://a::s3://b``) included."""
    return "://" in path


_USER: Final = re.compile(r"(?<=://)[^/?#\s]*@")
_QUERY: Final = re.compile(r"[?#].*", re.DOTALL)


def redacted(address: str) -> str:
    """Return an address as it may be told: without user, password, query and fragment, where tokens stand."""
    return "::".join(
        _QUERY.sub(lambda found: f"{found[0][0]}***", _USER.sub("***@", part)) for part in address.split("::")
    )


def _without_secrets(text: str, address: str) -> str:
    """Return a foreign error's text without what `redacted` leaves out, however it is quoted there."""
    text = text.replace(address, redacted(address))
    secrets = [found[0].rstrip("@") for found in _USER.finditer(address)]
    secrets += [found[0][1:] for part in address.split("::") for found in _QUERY.finditer(part)]
    secrets += [piece for secret in secrets for piece in re.split(r"[:&;]", secret)]
    secrets += [secret.partition("=")[2] for secret in secrets]
    for secret in sorted({s for s in (*secrets, *map(unquote, secrets)) if len(s) > _SHORT}, key=len, reverse=True):
        text = text.replace(secret, "***")
    return text


_SHORT: Final = 3
"""So short a piece of an address is no secret, and taking it out would spoil the sentence."""


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
        raise UsageError(f"{redacted(address)}: addresses need fsspec: pip install 'machochain[remote]'") from error
    import tempfile  # noqa: PLC0415

    folder = tempfile.mkdtemp(prefix="machochain-")
    try:
        local = Path(folder).resolve() / _name(address)
        try:
            with fsspec.open(address, "rb") as source, local.open("wb") as copy:
                whole = _copy(source, copy, limit)
        except ImportError as error:
            raise UsageError(f"{redacted(address)}: {_without_secrets(str(error), address)}") from error
        except Exception as error:
            # Each of fsspec's file systems has errors of its own.
            reason = _without_secrets(str(error), address) or type(error).__name__
            raise InputError(f"cannot be fetched: {reason}", path=redacted(address)) from error
        if not whole:
            raise InputError(f"is longer than {limit} bytes", path=redacted(address))
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
