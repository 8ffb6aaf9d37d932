"""What stands in an address to let one in is told nowhere."""

from __future__ import annotations

from pathlib import Path

import pytest

import machochain
from machochain.report.registry import Document, formats
from machochain.world.remote import fetched, redacted
from tests.cli.running import run

fsspec = pytest.importorskip("fsspec")
HELLO = Path(__file__).parents[2] / "testdata" / "hello" / "bin" / "greeter-broken"
SECRETS = ("hunter2", "t0ken%2Fvalue", "t0ken/value", "AKIAXYZ", "someone")


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("https://someone:hunter2@host/a/b.whl?token=t0ken%2Fvalue&x=AKIAXYZ", "https://***@host/a/b.whl?***"),
        ("zip://a::https://someone:hunter2@host/b.zip?k=t0ken", "zip://a::https://***@host/b.zip?***"),
        ("https://host/b.zip#access_token=hunter2", "https://host/b.zip#***"),
        ("s3://bucket/key", "s3://bucket/key"),
        ("https://host/@scope/b.tgz", "https://host/@scope/b.tgz"),
        ("https://some@one:hunter2@host/b", "https://***@host/b"),
    ],
)
def test_an_address_is_told_without_what_lets_one_in(address: str, told: str) -> None:
    assert redacted(address) == told
    assert redacted(told) == told


def test_what_cannot_be_fetched_tells_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    address = "https://someone:hunter2@host/b.whl?token=t0ken%2Fvalue"

    def refuse(what: str, **_: object) -> None:
        raise OSError(f"403 for {what}, user 'someone' with password hunter2 and token t0ken/value")

    monkeypatch.setattr("fsspec.core.url_to_fs", refuse)
    with pytest.raises(machochain.InputError) as caught, fetched(address):
        pass
    assert not any(secret in str(caught.value) for secret in SECRETS)
    assert "403" in str(caught.value)
    for command in (["audit", "--no-config"], ["resolve"], ["inspect"], ["diff", "--no-config", address]):
        done = run(*command, address)
        assert not any(secret in done.stdout + done.stderr for secret in SECRETS), command


def test_no_report_of_a_fetched_program_tells_a_secret() -> None:
    address = "memory://x/tool?token=hunter2"
    with fsspec.open(address, "wb") as file:
        file.write(HELLO.read_bytes())
    found = machochain.audit(address)
    assert [given.path for given in found.inputs] == ["memory://x/tool?***"]
    assert found.results[0].path == "/Users/user/Downloads/tool"
    for form in formats(Document.AUDIT):
        assert not any(secret in machochain.render(found, form) for secret in SECRETS), form
    for value in (machochain.resolve(address), machochain.inspect(address)):
        assert not any(secret in machochain.render(value, "json") for secret in SECRETS)
