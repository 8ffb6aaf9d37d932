"""What stands in an address to let one in is told nowhere."""

from __future__ import annotations

from pathlib import Path

import pytest

import machochain
from machochain.report.registry import Document, formats
from machochain.world.remote import fetched, redacted, without_secrets
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
        ("https://someone:hunter2/x@host/b", "https://***@host/b"),
        ("https://someone:hunter2?@host/b?k=t0ken", "https://***@host/b?***"),
        ("https://someone:hunter2#x@y@host/b#k", "https://***@host/b#***"),
        ("https://some one:hunter2 @host/b", "https://***@host/b"),
        ("https://host:8080/@scope/b.tgz", "https://host:8080/@scope/b.tgz"),
        ("https://[::1]:8080/a@b", "https://[::1]:8080/a@b"),
        ("https://host/b?x=::error::hunter2", "https://host/b?***"),
        ("zip://a::filecache::https://u:hunter2@host/b?\nhunter2", "zip://a::filecache::https://***@host/b?***"),
    ],
)
def test_an_address_is_told_without_what_lets_one_in(address: str, told: str) -> None:
    assert redacted(address) == told
    assert redacted(told) == told


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("https://u:hunter2@h/a?t0ken: cannot be read: x", "https://***@h/a?***: cannot be read: x"),
        ("https:/u:hunter2@h/a?t0ken: cannot be read", "https:/***@h/a?***: cannot be read"),
        ("no such command 'https://h/?hunter2'.", "no such command 'https://h/?***'."),
        ("/tmp/a?b#c: no such file", "/tmp/a?b#c: no such file"),
        ("C:/a?b", "C:/a?b"),
    ],
)
def test_a_sentence_about_an_address_is_told_without_its_secrets(text: str, told: str) -> None:
    assert without_secrets(text) == told


def test_an_address_where_none_is_taken_is_no_secret_given_away(tmp_path: Path) -> None:
    address = "https://someone:hunter2@127.0.0.1:1/b.json?token=t0ken%2Fvalue"
    tool = str(HELLO)
    (tmp_path / "go.mod").write_text("module m\n")
    for arguments in (
        ["diagnose", address],
        ["doctor", address],
        ["source", address],
        ["source", str(tmp_path), "--goenv", address],
        ["source", str(tmp_path), "--go-list", address],
        ["snapshot", "--import", address],
        ["sdk", "index", address],
        ["resolve", tool, "--sdk", address],
        ["resolve", tool, "--root", address],
        ["resolve", tool, "--arch", address],
        ["resolve", tool, "-o", address],
        ["audit", tool, "--policy", address],
        ["audit", tool, "--no-config", "--baseline", address],
        ["audit", tool, "--no-config", "--write-baseline", address],
        ["completion", address],
        [address],
    ):
        done = run(*arguments)
        assert done.returncode == 2, arguments
        assert not any(secret in done.stdout + done.stderr for secret in SECRETS), (arguments, done.stderr)


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
