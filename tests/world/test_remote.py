"""Files elsewhere: fetched whole or not at all, with the reason, and never waited for without end."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from machochain.model.errors import InputError
from machochain.world.remote import fetched

pytest.importorskip("aiohttp")

BODY = b"what is there" * 100


@contextmanager
def server(answer: bytes | None, *, head: bytes = b"") -> Iterator[tuple[str, list[bytes]]]:
    """Serve one answer to every request, or none; yield the address and what was asked."""
    asked: list[bytes] = []
    held: list[socket.socket] = []
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            held.append(connection)
            with suppress(OSError):
                asked.append(connection.recv(65536))
                if answer is None:
                    continue
                connection.sendall(head if head and asked[-1].startswith(b"HEAD") else answer)
            connection.close()

    thread = Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/x.whl", asked
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        for each in held:
            each.close()
        thread.join(1)


def http(body: bytes, *, length: int | None = None, status: bytes = b"200 OK") -> bytes:
    stated = len(body) if length is None else length
    return b"HTTP/1.1 " + status + b"\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % stated + body


def test_a_file_is_asked_for_once_and_whole() -> None:
    with server(http(BODY)) as (address, asked), fetched(address) as local:
        assert Path(local).read_bytes() == BODY
        assert Path(local).name == "x.whl"
        assert not any(b"\r\nrange:" in each.lower() for each in asked if each.startswith(b"GET"))


def refused(address: str, limit: int = 1 << 20, timeout: float = 5) -> InputError:
    """Return the error that an address ends in."""
    with pytest.raises(InputError) as caught, fetched(address, limit, timeout):
        pass
    assert caught.value.path == address
    return caught.value


def test_a_server_that_says_nothing_is_given_up() -> None:
    with server(None) as (address, _):
        assert refused(address, timeout=0.3).reason.startswith("cannot be fetched: ")


def test_a_server_that_stops_in_the_midst_is_given_up() -> None:
    with server(http(BODY[:50], length=len(BODY))) as (address, _):
        assert refused(address).reason.startswith(("cannot be fetched: ", "is cut"))


def test_a_length_beyond_the_limit_is_refused_before_anything_comes() -> None:
    with server(http(b"", length=1 << 40)) as (address, asked):
        assert refused(address, 1000).reason == "is longer than 1000 bytes"
        assert asked[0].startswith(b"HEAD")


def test_a_file_that_is_not_as_long_as_stated_is_cut() -> None:
    with server(http(BODY[:50]), head=http(b"", length=len(BODY))) as (address, _):
        assert refused(address).reason == "is cut: 50 bytes came where 1300 are stated"


@pytest.mark.parametrize("status", [b"404 Not Found", b"403 Forbidden", b"500 Oops"])
def test_every_refusal_has_a_reason(status: bytes) -> None:
    with server(http(b"", status=status)) as (address, _):
        assert status[:3].decode() in refused(address).reason
    nobody = "http://127.0.0.1:9/x"
    assert nobody not in refused(nobody).reason
    assert refused("memory://gone").reason == "cannot be fetched: there is no such file"


def test_an_error_without_words_is_called_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: Any, **__: Any) -> None:
        raise TimeoutError

    monkeypatch.setattr("fsspec.core.url_to_fs", fails)
    with pytest.raises(InputError, match="cannot be fetched: TimeoutError"), fetched("memory://x", timeout=5):
        pass


def test_a_name_too_long_for_a_file_system_is_not_kept() -> None:
    with server(http(BODY)) as (address, _), fetched(f"{address}/{'a' * 300}.whl") as local:
        assert Path(local).name == "download.whl"
        assert Path(local).read_bytes() == BODY


def test_a_disk_that_is_full_is_the_reason_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("machochain.world.remote._copy", full)
    with pytest.raises(InputError, match="cannot be kept here: No space left"), fetched("https://h/x.whl"):
        pass
