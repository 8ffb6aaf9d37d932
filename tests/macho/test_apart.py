"""LIEF reads in a process of its own: what it cannot do with a file is told, and the next file is read all the same."""

from __future__ import annotations

import struct
import subprocess
import sys
from pathlib import Path

import pytest

from machochain.macho import apart
from machochain.macho.apart import READER, STRIKES, Apart
from machochain.macho.deep import read_deep
from machochain.macho.details import sections
from machochain.macho.reader import read_bytes
from machochain.model.errors import InputError
from machochain.model.reading import BytesSource
from tests.factory.macho import Import, MachO
from tests.factory.tables import with_tables

PLAIN = MachO(imports=[Import("_a", 1)]).bytes()


def sharing(count: int, length: int) -> bytes:
    """An image whose symbols share the bytes of one long name."""
    table = b"".join(struct.pack("<IBBHQ", 1 + n % 1000, 0x0F, 1, 0, n) for n in range(count))
    return with_tables({"symtab": table, "strtab": b" " + b"a" * length + b"\0"})


def reader(code: str) -> Apart:
    return Apart((sys.executable, "-P", "-c", f"from machochain.macho import lieftables as t\n{code}\nt.main()"))


def test_a_megabyte_that_unfolds_to_gigabytes_is_refused_in_words_and_the_next_image_is_read() -> None:
    data = sharing(32_768, 1_000_000)
    assert len(data) < 2_000_000
    lief = Apart()
    try:
        with pytest.raises(InputError, match=r"more memory for it than it is given|overlap without end"):
            lief.ask(data)
        assert lief.ask(PLAIN)["bound"] == [["_a", 1, False]]
    finally:
        lief.end()


def test_names_that_overlap_without_end_are_told_by_both_readers() -> None:
    data = sharing(1000, 100_000)
    (piece,) = read_bytes(data).slices
    assert piece.image is not None
    found = read_deep(piece.image, sections(piece.image), BytesSource(data).read, len(data))
    assert "overlap without end" in (found.error or "")
    assert sum(len(each.name) for each in found.imports.entries) < 16 * len(data) + (8 << 20)


def test_one_process_reads_many_images() -> None:
    lief = Apart()
    try:
        lief.ask(PLAIN)
        first = lief._process
        with pytest.raises(InputError, match="LIEF"):
            lief.ask(b"no image")
        assert lief.ask(PLAIN)["exports"] is not None
        assert first is not None
        assert lief._process is first
    finally:
        lief.end()
    assert first.poll() is not None
    lief.end()


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("t.tables = lambda _: __import__('os').abort()", "LIEF crashed on it"),
        ("t.SECONDS = 0\ndef spin(_):\n while True: pass\nt.tables = spin", "LIEF takes longer for it"),
        ("t.tables = lambda _: bytearray(1 << 34)", "more memory for it than it is given"),
        ("t.tables = lambda _: __import__('os')._exit(3)", "ended without a word"),
        ("t.tables = lambda _: {'x': 'y' * (2 << 20)}", "more to say of it than there is room for"),
    ],
)
def test_whatever_becomes_of_the_process_is_told(code: str, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apart, "MOST", (1 << 20, 1))
    lief = reader(code)
    for _ in range(2):
        with pytest.raises(InputError, match=words):
            lief.ask(PLAIN)
    lief.end()


def test_what_takes_too_long_in_whatever_way_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apart, "PATIENCE", 0.5)
    lief = reader("t.tables = lambda _: __import__('time').sleep(60)")
    with pytest.raises(InputError, match="takes longer"):
        lief.ask(PLAIN)


def test_after_three_images_that_ended_it_no_process_is_started(monkeypatch: pytest.MonkeyPatch) -> None:
    lief = reader("t.tables = lambda _: __import__('os').abort()")
    for _ in range(STRIKES):
        with pytest.raises(InputError, match="crashed"):
            lief.ask(PLAIN)

    def started(*_: object, **__: object) -> None:
        raise AssertionError("another process")

    monkeypatch.setattr(subprocess, "Popen", started)
    with pytest.raises(InputError, match="it failed on 3 images before"):
        lief.ask(PLAIN)


def test_a_program_that_cannot_be_started_is_told() -> None:
    with pytest.raises(InputError, match="cannot be started"):
        Apart(("/nowhere/python",)).ask(PLAIN)


def test_nothing_of_the_directory_it_is_run_in_becomes_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("lief", "json", "machochain"):
        (tmp_path / f"{name}.py").write_text("open('taken', 'w').close()")
    monkeypatch.chdir(tmp_path)
    lief = Apart(READER)
    assert lief.ask(PLAIN)["bound"]
    lief.end()
    assert not (tmp_path / "taken").exists()


def test_what_lief_prints_is_no_answer() -> None:
    lief = reader(
        "real = t.tables\ndef loud(data):\n __import__('os').write(1, b'x' * 99)\n return real(data)\nt.tables = loud"
    )
    assert lief.ask(PLAIN)["bound"]
    lief.end()
