from __future__ import annotations

import lief
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from machochain.macho.exports import Exports, _Trie, open_exports
from machochain.macho.reader import read_bytes, slice_reader
from machochain.model.reading import BytesSource
from machochain.model.symbols import Export
from tests.factory import tables as t
from tests.factory.macho import MachO

REGULAR = t.uleb(0) + t.uleb(0x4000)
EXPORTS = {
    "_a": REGULAR,
    "_ab": t.uleb(4) + t.uleb(0x4010),
    "_abc": t.uleb(1) + t.uleb(0x4020),
    "_absolute": t.uleb(2) + t.uleb(0x123456789),
    "_moved": t.uleb(8) + t.uleb(2) + b"\0",
    "_renamed": t.uleb(8) + t.uleb(1) + b"_other_name\0",
    "_resolved": t.uleb(0x10) + t.uleb(0x4030) + t.uleb(0x4040),
    "_variant": t.uleb(0x20) + t.uleb(0x4050) + t.uleb(3),
}
WANTED = {
    "_a": Export("_a", 0, 0x4000),
    "_ab": Export("_ab", 4, 0x4010),
    "_abc": Export("_abc", 1, 0x4020),
    "_absolute": Export("_absolute", 2, 0x123456789),
    "_moved": Export("_moved", 8, 0, 2, "_moved"),
    "_renamed": Export("_renamed", 8, 0, 1, "_other_name"),
    "_resolved": Export("_resolved", 0x10, 0x4030, 0, "", 0x4040),
    "_variant": Export("_variant", 0x20, 0x4050, 0, "", 3),
}


def exports_of(data: bytes) -> Exports:
    file = read_bytes(data)
    image = file.slices[0].image
    assert image is not None
    return open_exports(image, slice_reader(BytesSource(data), file.slices[0]))


def of_trie(trie: bytes, **more: bytes) -> Exports:
    return exports_of(t.with_tables({"exports_trie": trie, **more}, install_name="/x"))


@pytest.mark.parametrize("name", WANTED)
def test_each_kind_of_export_is_found_by_name(name: str) -> None:
    assert of_trie(t.trie(EXPORTS)).find(name) == WANTED[name]


def test_flags_are_told_apart() -> None:
    table = of_trie(t.trie(EXPORTS))
    traits = {
        e.name: (e.weak, e.thread_local, e.absolute, e.reexport, e.has_resolver, e.function_variant)
        for e in table.all()
        if e.flags
    }
    assert [name for name, row in traits.items() if row.count(True) != 1] == []
    assert len(traits) == 7


@pytest.mark.parametrize("name", ["", "_", "_b", "_abcd", "_abso", "_absolutely", "a", "_\udcff"])
def test_names_that_are_only_part_of_a_way_are_not_exported(name: str) -> None:
    table = of_trie(t.trie(EXPORTS))
    assert table.find(name) is None
    assert table.defects == ()


def test_listing_gives_every_export_once() -> None:
    table = of_trie(t.trie(EXPORTS))
    assert sorted(table.all()) == sorted(WANTED.values())
    assert table.defects == ()


def test_the_trie_of_dyld_info_is_read_as_well() -> None:
    table = of_trie(t.trie(EXPORTS), bind=t.DONE)
    assert table.find("_ab") == WANTED["_ab"]


def test_a_payload_longer_than_127_bytes_is_read() -> None:
    long = "_" + "n" * 300
    table = of_trie(t.trie({"_x": t.uleb(8) + t.uleb(1) + long.encode() + b"\0"}))
    found = table.find("_x")
    assert found is not None
    assert found.imported_name == long


def test_names_that_are_not_utf8_are_found() -> None:
    name = "_\udcff\udcfe"
    assert of_trie(t.trie({name: REGULAR})).find(name) == Export(name, 0, 0x4000)


@pytest.mark.parametrize(
    ("trie", "name", "text"),
    [
        (b"\x00\x01_\0\x00", "_a", "malformed trie child, nodeOffset=0x0 out of range"),
        (b"\x00\x01_\0\x7f", "_a", "malformed trie child, nodeOffset=0x7F out of range"),
        (b"\x00\x01_\0\x05\x00\x01\0\x05", "_a", "malformed trie child, cycle to nodeOffset=0x5"),
        (b"\x7f\x01", "_a", "malformed trie node, terminalSize extends past end of trie"),
        (b"\x00\x01_a\0\x80", "_a", "malformed trie node, child node extends past end of trie"),
        (b"\x00\x01_a\0\x06\x82", "_a", "malformed uleb128"),
        (b"\x00\x01_a\0" + b"\x80" * 10 + b"\x01", "_a", "uleb128 too big for uint64"),
        (b"\x00\x01_a\0\x06\x01\x08\x00\x01x", "_a", "re-export name change not nul terminated"),
    ],
)
def test_a_malformed_way_finds_nothing_and_says_why(trie: bytes, name: str, text: str) -> None:
    table = of_trie(trie)
    assert table.find(name) is None
    assert [defect.text for defect in table.defects] == [text]
    listed = of_trie(trie)
    assert not listed.defects
    assert listed.all() == ()
    assert [defect.text for defect in listed.defects] == [text]


def test_an_edge_without_an_end_is_no_edge() -> None:
    table = of_trie(b"\x00\x01_a")
    assert table.find("_a") is None
    assert [defect.text for defect in table.defects] == ["malformed trie child, nodeOffset=0x0 out of range"]


def test_dyld_takes_the_first_edge_that_fits() -> None:
    # both edges fit; behind the first there is nothing
    trie = b"\x00\x02_\0\x09_a\0\x0b\x00\x00" + b"\x02\x00\x01\x00"
    table = of_trie(trie)
    assert table.find("_a") is None
    assert table.all() == (Export("_a", 0, 1),)


def test_a_trie_whose_branches_meet_again_is_not_listed_forever() -> None:
    # 12 diamonds in a row would spell 4,096 names; 50 of them more than anyone can print
    nodes = b"".join(b"\x00\x02a\0" + bytes([8 * i]) + b"b\0" + bytes([8 * i]) for i in range(1, 13))
    table = of_trie(nodes + b"\x02\x00\x01\x00")
    assert len(table.all()) <= 1
    assert "cycle" in table.defects[0].text


def test_a_chain_of_ever_longer_names_cannot_exhaust_memory() -> None:
    # every node exports its name and goes on with 300 more bytes
    step = 4 + 301 + 3
    children = [step * i for i in range(1, 601)]
    chain = b"".join(
        b"\x02\x00\x01\x01" + b"x" * 300 + b"\0" + bytes([at & 0x7F | 0x80, at >> 7 & 0x7F | 0x80, at >> 14])
        for at in children
    )
    table = of_trie(chain + b"\x02\x00\x01\x00")
    assert 0 < len(table.all()) < 600
    assert table.defects[0].text == "names of the export trie overlap without end"


@pytest.mark.parametrize(("tables", "found"), [({"bind": t.DONE}, True), ({"exports_trie": b""}, False)])
def test_an_empty_trie_exports_nothing_and_one_at_offset_0_is_none(tables: dict[str, bytes], found: bool) -> None:
    # dyld-1378, common/MachOLayout.cpp: MachOLayout::hasExportsTrie looks at the offset alone
    symtab, strtab = t.nlist([("_f", 0xF, 1, 0, 0x1000)])
    data = t.with_tables({**tables, "symtab": symtab, "strtab": strtab}, install_name="/x")
    assert (exports_of(data).find("_f") is not None) is found


def test_without_a_trie_the_external_symbols_of_sections_count() -> None:
    symtab, strtab = t.nlist(
        [
            ("_local", 0xE, 1, 0, 0x1000),
            ("_f", 0xF, 1, 0, 0x1000),
            ("_f", 0xF, 1, 0, 0x9999),
            ("_weak", 0xF, 1, 0x80, 0x1010),
            ("_resolver", 0xF, 1, 0x100, 0x1018),
            ("_absolute", 0x3, 0, 0, 0x1020),
            ("_indirect", 0xB, 0, 0, 1),
            ("_undefined", 0x1, 0, 0x100, 0),
            ("_stab", 0x2F, 1, 0, 0x1000),
        ]
    )
    table = exports_of(t.with_tables({"symtab": symtab, "strtab": strtab}, install_name="/x"))
    assert table.all() == (
        Export("_f", 0, 0x1000),
        Export("_weak", 4, 0x1010),
        Export("_resolver", 0x10, 0x1018),
    )
    assert table.find("_f") == Export("_f", 0, 0x1000)


def test_a_trie_behind_the_end_of_the_file_is_a_defect() -> None:
    data = MachO(install_name="/x", linkedit=bytes(16)).bytes()
    cut = t.with_tables({"exports_trie": t.trie(EXPORTS)}, install_name="/x", signed=False)
    table = exports_of(cut[: len(cut) - 20])
    assert [d.text for d in table.defects] == ["export trie extends beyond end of file"]
    assert exports_of(data).all() == ()


NAMES = st.lists(st.text(st.sampled_from("_abZ\xe9"), min_size=1, max_size=6), max_size=30, unique=True)


@settings(deadline=None)
@given(NAMES, NAMES)
def test_lookup_and_listing_agree(names: list[str], others: list[str]) -> None:
    table = of_trie(t.trie(dict.fromkeys(names, REGULAR)))
    assert sorted(e.name for e in table.all()) == sorted(names)
    assert {name for name in {*names, *others} if table.find(name)} == set(names)


@settings(deadline=None)
@given(st.lists(st.tuples(st.binary(min_size=1, max_size=4), st.integers(0, 2000)), max_size=3))
def test_the_listing_behind_many_lookups_answers_as_the_walk_does(changes: list[tuple[bytes, int]]) -> None:
    names = [f"_{a}{b}{c}" for a in "abc" for b in "xy" for c in range(10)]
    trie = bytearray(t.trie(dict.fromkeys(names, REGULAR)))
    for change, place in changes:
        at = place % (len(trie) - 4)
        trie[at : at + len(change)] = change
    asked = [*names, "_a", "_ax", "", "_zz"]
    fresh = [Exports(_Trie(bytes(trie), 0), ()).find(name) for name in asked]
    table = Exports(_Trie(bytes(trie), 0), ())
    for _ in range(3):
        assert [table.find(name) for name in asked] == fresh


@settings(deadline=None)
@given(NAMES, NAMES)
def test_many_names_are_found_as_each_is_alone(names: list[str], others: list[str]) -> None:
    trie = t.trie(dict.fromkeys(names, REGULAR))
    asked = {*names, *others, ""}
    assert of_trie(trie).find_many(asked) == {name: of_trie(trie).find(name) for name in asked}


@settings(deadline=None)
@given(st.lists(st.tuples(st.binary(min_size=1, max_size=4), st.integers(0, 2000)), min_size=1, max_size=3))
def test_many_names_of_a_mutated_trie_are_found_as_each_is_alone(changes: list[tuple[bytes, int]]) -> None:
    names = [f"_{a}{b}{c}" for a in "abc" for b in "xy" for c in range(5)]
    trie = bytearray(t.trie(dict.fromkeys(names, REGULAR)))
    for change, place in changes:
        at = place % (len(trie) - 4)
        trie[at : at + len(change)] = change
    asked = [*names, "_a", "_ax", "", "_zz"]
    alone = {name: Exports(_Trie(bytes(trie), 0), ()).find(name) for name in asked}
    assert Exports(_Trie(bytes(trie), 0), ()).find_many(asked) == alone


@settings(deadline=None)
@given(st.binary(min_size=1, max_size=6), st.integers(0, 200))
def test_mutated_tries_never_raise(change: bytes, at: int) -> None:
    trie = bytearray(t.trie(EXPORTS))
    at %= len(trie)
    trie[at : at + len(change)] = change
    table = of_trie(bytes(trie))
    for name in EXPORTS:
        table.find(name)
    table.all()


def test_lief_agrees_on_the_trie() -> None:
    plain = {name: value for name, value in EXPORTS.items() if name not in {"_moved", "_variant"}}
    data = t.with_tables({"exports_trie": t.trie(plain), "bind": t.DONE}, install_name="/x")
    fat = lief.MachO.parse(list(data))
    assert fat is not None
    binary = fat.at(0)
    assert binary is not None
    info = binary.dyld_info
    assert info is not None
    theirs = sorted((str(e.symbol.name), e.flags, e.address) for e in info.exports if e.symbol)
    assert theirs == sorted((e.name, e.flags, e.value) for e in exports_of(data).all())
