from __future__ import annotations

import pytest
from attrs import evolve

from machochain.macho.symtab import defined_symbols, external_symbols, undefined_symbols
from machochain.model.arch import Arch
from machochain.model.image import FileType, Image, LinkEdit
from machochain.model.symbols import Symbol, Symbols
from tests.factory import tables as t

ENTRIES = [
    ("_local", 0x0E, 1, 0, 0x1000),
    ("", 0x24, 1, 0, 0x1000),
    ("_global", 0x0F, 1, 0x80, 0x1010),
    ("_abs", 0x03, 0, 0, 7),
    ("_hidden\udcff", 0x1F, 2, 0, 0x1020),
    ("_undefined", 0x01, 0, 0x100, 0),
    ("_common", 0x01, 0, 0, 16),
]
RUNS = (0, 2, 2, 3, 5, 2)


def image(*, arch: str = "arm64", dysymtab: tuple[int, ...] | None = None) -> tuple[Image, bytes]:
    table, strings = t.nlist(ENTRIES, wide=arch != "i386")
    link = LinkEdit(symtab=(16, len(ENTRIES), 16 + len(table), len(strings)), dysymtab=dysymtab)
    return Image(Arch.named(arch), FileType.MH_DYLIB, 0, linkedit=link), bytes(16) + table + strings


def names(found: Symbols) -> list[str]:
    return [symbol.name for symbol in found.entries]


@pytest.mark.parametrize("arch", ["arm64", "i386"])
def test_defined_symbols_are_all_but_undefined_and_debugger_entries(arch: str) -> None:
    header, data = image(arch=arch)
    found = defined_symbols(header, lambda at, size: data[at : at + size])
    assert found == Symbols(tuple(Symbol(*e) for e in (ENTRIES[0], *ENTRIES[2:5])))


@pytest.mark.parametrize("dysymtab", [None, (0,) * 18, RUNS + (0,) * 12])
def test_undefined_symbols_are_found_with_and_without_runs(dysymtab: tuple[int, ...] | None) -> None:
    header, data = image(dysymtab=dysymtab)
    assert names(undefined_symbols(header, lambda at, size: data[at : at + size])) == ["_undefined"]


def test_a_run_is_all_that_is_read() -> None:
    header, data = image(dysymtab=RUNS + (0,) * 12)
    reads = []

    def read(at: int, size: int) -> bytes:
        reads.append((at, size))
        return data[at : at + size]

    assert names(external_symbols(header, read)) == ["_global", "_abs", "_hidden\udcff"]
    assert reads[0] == (16 + 2 * 16, 3 * 16)
    assert reads[1][0] > 16 + 7 * 16 + 2


def test_a_run_that_leaves_the_table_is_cut() -> None:
    header, data = image(dysymtab=(0, 2, 4, 100, 104, 3) + (0,) * 12)
    found = external_symbols(header, lambda at, size: data[at : at + size])
    assert names(found) == ["_hidden\udcff", "_undefined", "_common"]
    assert [d.text for d in found.defects] == ["symbol range of LC_DYSYMTAB exceeds the symbol table"]
    assert undefined_symbols(header, lambda at, size: data[at : at + size]).entries == ()


def test_names_outside_the_string_table_are_left_out() -> None:
    header, data = image()
    assert header.linkedit.symtab is not None
    symoff, nsyms, stroff, _ = header.linkedit.symtab
    header = evolve(header, linkedit=evolve(header.linkedit, symtab=(symoff, nsyms, stroff, 14)))
    assert names(defined_symbols(header, lambda at, size: data[at : at + size])) == ["_local", "_glo"]


def test_a_cut_file_gives_what_is_there() -> None:
    header, data = image()
    found = defined_symbols(header, lambda at, size: data[: 16 + 40][at : at + size])
    assert found.entries == ()
    assert [d.text for d in found.defects] == [
        "symbol table extends beyond end of file",
        "string table extends beyond end of file",
    ]


def test_symbols_that_share_one_long_name_cannot_exhaust_memory() -> None:
    count, length = 20_000, 100_000
    table = b"".join(t.nlist([("", 0xF, 1, 0, 0)])[0][4:].join([i.to_bytes(4, "little"), b""]) for i in range(count))
    data = table + b"_" * length
    header = Image(Arch.named("arm64"), 6, 0, linkedit=LinkEdit(symtab=(0, count, len(table), length)))
    found = defined_symbols(header, lambda at, size: data[at : at + size])
    assert 0 < len(found.entries) < count // 10
    assert [d.text for d in found.defects] == ["names of the string table overlap without end"]


def test_no_symbol_table_means_no_symbols() -> None:
    assert defined_symbols(Image(Arch.named("arm64"), 6, 0), lambda _at, _size: b"") == Symbols()
