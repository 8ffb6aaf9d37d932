"""Inputs that lie elsewhere: whatever fsspec reads (``s3://``, ``https://``, ``gs://`` …), copied here for a while."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import IO, TYPE_CHECKING, Any, Final

from machochain.model.errors import InputError, UsageError

if TYPE_CHECKING:
    from queue import Queue
    from threading import Event

LIMIT: Final = 4 << 30
"""Bytes of one input."""
TIMEOUT: Final = 60.0
"""Seconds that nothing may come from an address."""
_CHUNK: Final = 1 << 20
_AHEAD: Final = 4


def is_remote(path: str) -> bool:
    """Whether a path is an address: ``scheme://…``, chains of fsspec (``zip://a::s3://b``) included."""
    return "://" in path


_PARTS: Final = re.compile(r"::(?=[A-Za-z][\w.+-]*:/)")
_SCHEME: Final = re.compile(r"[^/]*:/{1,2}")
_USER: Final = re.compile(r"(?s)[^/?#@]*@|(?!\[)[^/@:]*:(?!\d+[/?#])[^@]*@")
"""Who asks. A password may hold what should have been spelt otherwise; a port before a path is none."""
_QUERY: Final = re.compile(r"(?s)[?#].*")
_ADDRESS: Final = re.compile(r"[A-Za-z][\w.+-]+:/{1,2}\S+?(?=[:'\",.;)\]]*(?:\s|\Z))")


def redacted(address: str) -> str:
    """Return an address as it may be told: without user, password, query and fragment, where tokens stand."""
    return "::".join(map(_told, _PARTS.split(address)))


def without_secrets(text: str) -> str:
    """Return a sentence with each address in it as it may be told, one that has lost a slash as a path too."""
    return _ADDRESS.sub(lambda found: redacted(found[0]), text) if ":/" in text else text


def _told(part: str) -> str:
    head, user, rest = _split(part)
    return head + ("***@" if user else "") + _QUERY.sub(lambda found: f"{found[0][0]}***", rest)


def _split(part: str) -> tuple[str, str, str]:
    """Return the scheme with its slashes, who asks, and the rest."""
    scheme = _SCHEME.match(part)
    start = end = scheme.end() if scheme is not None else len(part)
    while found := _USER.match(part, end):
        end = found.end()
    return part[:start], part[start:end], part[end:]


def _without_secrets(text: str, address: str) -> str:
    """Return a foreign error's text without what `redacted` leaves out, however it is quoted there."""
    from urllib.parse import unquote  # noqa: PLC0415  # as below: most runs fetch nothing

    text = text.replace(address, redacted(address))
    secrets = []
    for _, user, rest in map(_split, _PARTS.split(address)):
        secrets += [user.rstrip("@"), *(found[0][1:] for found in _QUERY.finditer(rest))]
    secrets += [piece for secret in secrets for piece in re.split(r"[:&;/?#@]", secret)]
    secrets += [secret.partition("=")[2] for secret in secrets]
    for secret in sorted({s for s in (*secrets, *map(unquote, secrets)) if len(s) > _SHORT}, key=len, reverse=True):
        text = text.replace(secret, "***")
    return without_secrets(text)


_SHORT: Final = 3
"""So short a piece of an address is no secret, and taking it out would spoil the sentence."""


@contextmanager
def fetched(address: str, limit: int = LIMIT, timeout: float = TIMEOUT) -> Iterator[str]:
    """Copy a file here, under its own name in a temporary folder that is gone when the context ends.

    Args:
        address: Where it is.
        limit: How many bytes it may have.
        timeout: How many seconds nothing may come.

    Raises:
        UsageError: fsspec, or what it needs for this kind of address, is not installed.
        InputError: It cannot be read or kept, is too long, is not as long as it is said to be, or nothing comes.
    """
    try:
        import fsspec  # noqa: F401, PLC0415  # an extra: most never need it
    except ImportError as error:
        raise UsageError(f"{redacted(address)}: addresses need fsspec: pip install 'machochain[remote]'") from error
    import shutil  # noqa: PLC0415  # as are the next: most runs fetch nothing
    import tempfile  # noqa: PLC0415

    folder = tempfile.mkdtemp(prefix="machochain-")
    try:
        from pathlib import Path  # noqa: PLC0415

        local = Path(folder).resolve() / _name(address)
        try:
            with local.open("wb") as copy:
                _copy(address, copy, limit, timeout)
        except OSError as error:
            raise InputError(f"cannot be kept here: {error.strerror}", path=redacted(address)) from error
        yield str(local)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _copy(address: str, copy: IO[bytes], limit: int, timeout: float) -> None:
    """Copy what is at an address, which is read in a thread of its own: few of fsspec's file systems give up."""
    from queue import Empty, Full, Queue  # noqa: PLC0415
    from threading import Event, Thread  # noqa: PLC0415

    parts: Queue[bytes | int | Exception | None] = Queue(_AHEAD)
    done = Event()

    def put(part: bytes | int | Exception | None) -> None:
        while not done.is_set():
            with suppress(Full):
                parts.put(part, timeout=0.1)
                return

    Thread(target=_read, args=(address, timeout, put, done), daemon=True).start()
    length = 0
    stated: int | None = None
    try:
        while True:
            part = parts.get(timeout=timeout)
            if part is None:
                break
            if isinstance(part, int):
                stated = part
            elif isinstance(part, Exception):
                raise _reason(part, address) from part
            else:
                length += len(part)
                copy.write(part)
            if max(length, stated or 0) > limit:
                raise InputError(f"is longer than {limit} bytes", path=redacted(address))
    except Empty:
        raise InputError(
            f"cannot be fetched: nothing came for {timeout:g} seconds (--timeout)", path=redacted(address)
        ) from None
    finally:
        done.set()
    if stated is not None and length != stated:
        raise InputError(f"is cut: {length} bytes came where {stated} are stated", path=redacted(address))


def _read(address: str, timeout: float, put: Callable[[bytes | int | Exception | None], None], done: Event) -> None:
    """Hand over the length of a file, if it is stated, its bytes, and None at the end; or what went wrong."""
    try:
        from fsspec.core import url_to_fs  # noqa: PLC0415  # as in `fetched`

        files, path = url_to_fs(address, **_options(address, timeout))
        with suppress(Exception):  # many servers do not say; one that has no such file says so when it is opened
            size = files.info(path).get("size")
            if isinstance(size, int):
                put(size)
        with files.open(path, "rb") as source:
            while not done.is_set() and (chunk := source.read(_CHUNK)):
                put(chunk)
        put(None)
    except Exception as error:  # noqa: BLE001  # each of fsspec's file systems has errors of its own
        put(error)


def _options(address: str, timeout: float) -> dict[str, Any]:
    """Return what fsspec's file system is made with.

    A web server is asked once for the whole file, as it is: parts asked for by their place may be answered with others.
    """
    web = ("http", "https")
    if not address.rpartition("::")[2].startswith(tuple(f"{name}://" for name in web)):
        return {}
    try:
        import aiohttp  # noqa: PLC0415  # fsspec says what is missing
    except ImportError:
        return {}
    patience = aiohttp.ClientTimeout(total=None, sock_connect=timeout, sock_read=timeout)
    options: dict[str, Any] = {"client_kwargs": {"timeout": patience, "headers": {"Accept-Encoding": "identity"}}}
    if "::" in address:
        return dict.fromkeys(web, options)
    return {**options, "block_size": 0}


def _reason(error: Exception, address: str) -> Exception:
    """Return an error of ours for one of fsspec's."""
    if isinstance(error, ImportError):
        return UsageError(f"{redacted(address)}: {_without_secrets(str(error), address)}")
    text = str(error).strip()
    if text in {"", address} and (cause := error.__cause__ or error.__context__) is not None:
        # fsspec calls whatever went wrong on the web a file that is not found, and names it.
        text = str(cause).strip() or type(cause).__name__
    elif isinstance(error, FileNotFoundError):
        text = "there is no such file"
    words = _without_secrets(text, address)
    return InputError(f"cannot be fetched: {words or type(error).__name__}", path=redacted(address))


def _name(address: str) -> str:
    """Return the file's name, without what a web address says behind it."""
    first = address.partition("::")[0]
    path = re.split(r"[?#]", first.partition("://")[2])[0]
    name = posixpath.basename(path.rstrip("/")).replace("\0", "")
    if len(name.encode("utf-8", "surrogateescape")) > _LONGEST:
        name = f"download{posixpath.splitext(name)[1][:_LONGEST_SUFFIX]}"
    return name if name not in {"", ".", ".."} else "download"


_LONGEST: Final = 200
"""Bytes of a name that every file system takes."""
_LONGEST_SUFFIX: Final = 16
