from __future__ import annotations

import struct
from collections.abc import Sequence

import lief
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from machochain.macho import constants as c
from machochain.macho.imports import _STREAMS, _opcodes, _walk, read_imports
from machochain.macho.reader import read_bytes, slice_reader
from machochain.macho.symtab import N_EXT, N_UNDF, N_WEAK_REF
from machochain.model.image import FileType, HeaderFlag
from machochain.model.reading import BytesSource
from machochain.model.symbols import Import, ImportKind, Imports
from tests.factory import tables as t
from tests.factory.macho import MachO

BIND, LAZY, WEAK = ImportKind.BIND, ImportKind.LAZY_BIND, ImportKind.WEAK_BIND


def imports_of(data: bytes) -> Imports:
    file = read_bytes(data)
    image = file.slices[0].image
    assert image is not None
    return read_imports(image, slice_reader(BytesSource(data), file.slices[0]))


def plain(found: Imports) -> list[tuple[str, int, bool]]:
    return [entry[:3] for entry in found.entries]


def stream(data: bytes, kind: ImportKind) -> tuple[list[Import], str | None]:
    entries, defect = _opcodes(lambda offset, size: data[offset : offset + size], (0, len(data)), kind)
    return entries, defect.text if defect else None


LD_STYLE = (
    t.ordinal(1) + t.symbol("_malloc") + t.POINTER + t.place(2, 0x10) + t.BIND
    + t.symbol("_free", 1) + t.place(2, 0x4000) + t.BIND + b"\x90\xb3\xa0\x88\x01"
    + t.ordinal(300) + t.symbol("_far") + b"\x80\x10\xc0\x02\x08"
    + t.ordinal(-2) + t.symbol("_flat") + b"\x60\x7e" + t.BIND + b"\x60\x10" + t.BIND
    + t.ordinal(0) + t.symbol("_own") + t.BIND + t.ordinal(-1) + t.symbol("_main") + t.BIND + t.DONE * 5
)  # fmt: skip
LD_STYLE_IMPORTS = [
    ("_malloc", 1, False),
    ("_free", 1, True),
    ("_far", 300, False),
    ("_flat", -2, False),
    ("_own", 0, False),
    ("_main", -1, False),
]


def test_bind_opcodes_give_name_ordinal_and_weak_flag() -> None:
    found = imports_of(t.with_tables({"bind": LD_STYLE}))
    assert plain(found) == LD_STYLE_IMPORTS
    assert {(entry.kind, entry.lazy) for entry in found.entries} == {(BIND, False)}
    assert found.defects == ()


def test_an_ordinal_behind_the_name_counts_as_zig_writes_it() -> None:
    data = t.symbol("_a") + t.POINTER + t.ordinal(2) + t.place(1, 8) + t.BIND
    data += t.symbol("_b") + t.POINTER + t.ordinal(3) + t.place(1, 16) + t.BIND
    assert [e[:2] for e in stream(data, BIND)[0]] == [("_a", 2), ("_b", 3)]


def test_lazy_streams_go_on_behind_done() -> None:
    lazy = b"".join(t.place(2, i * 8) + t.ordinal(1 + i % 3) + t.symbol(f"_f{i}") + t.BIND + t.DONE for i in range(5))
    found = imports_of(t.with_tables({"lazy_bind": lazy + bytes(7)}))
    assert plain(found) == [(f"_f{i}", 1 + i % 3, False) for i in range(5)]
    assert all(entry.lazy and entry.kind is LAZY for entry in found.entries)


def test_weak_bind_opcodes_look_up_by_coalescing_and_strong_definitions_are_no_imports() -> None:
    data = t.symbol("__Znwm") + t.POINTER + t.place(1, 0) + t.BIND + t.symbol("__ZdlPv", 8) + t.DONE
    assert plain(imports_of(t.with_tables({"weak_bind": data}))) == [("__Znwm", -3, False)]


def test_a_bind_table_ends_at_done() -> None:
    data = t.ordinal(1) + t.symbol("_a") + t.BIND + t.DONE + t.symbol("_never") + t.BIND
    assert [e.name for e in stream(data, BIND)[0]] == ["_a"]


def test_binds_are_read_before_lazy_before_weak() -> None:
    one = t.symbol("_x") + t.BIND
    found = imports_of(t.with_tables({"weak_bind": one, "lazy_bind": one, "bind": one}))
    assert [entry.kind for entry in found.entries] == [BIND, LAZY, WEAK]


def test_threaded_binds_of_old_arm64e_fill_an_import_table() -> None:
    data = b"\xd0\x02" + t.ordinal(1) + t.symbol("_a") + t.POINTER + t.BIND + t.ordinal(2) + t.symbol("_b", 1) + t.BIND
    data += t.place(2, 0x40) + b"\xd1" + t.DONE
    found = imports_of(t.with_tables({"bind": data}, arch="arm64e"))
    assert found.entries == (
        Import("_a", 1, False, False, ImportKind.CHAINED),
        Import("_b", 2, True, False, ImportKind.CHAINED),
    )


def test_an_ordinal_changed_between_binds_counts_only_with_a_new_addend() -> None:
    same = t.ordinal(1) + t.symbol("_a") + t.BIND + t.ordinal(2) + t.BIND
    assert [e[:2] for e in stream(same, BIND)[0]] == [("_a", 1)]
    assert [e[:2] for e in stream(same + b"\x60\x08" + t.BIND, BIND)[0]] == [("_a", 1), ("_a", 2)]
    assert [e[:2] for e in stream(same, LAZY)[0]] == [("_a", 1), ("_a", 2)]


def test_a_bind_repeated_zero_times_binds_nothing() -> None:
    assert stream(t.symbol("_a") + b"\xc0\x00\x08" + t.DONE, BIND) == ([], None)


def test_names_that_are_not_utf8_survive() -> None:
    assert stream(t.symbol(b"_\xff\xc3") + t.BIND, BIND)[0][0].name == "_\udcff\udcc3"


@pytest.mark.parametrize(
    ("data", "kind", "text"),
    [
        (b"\x72\xff", BIND, "malformed uleb128"),
        (b"\x72" + b"\x80" * 10 + b"\x01", BIND, "uleb128 too big for uint64"),
        (b"\x40_endless", BIND, "symbol name extends beyond bind opcodes"),
        (t.BIND, BIND, "BIND_OPCODE_DO_BIND missing preceding BIND_OPCODE_SET_SYMBOL_TRAILING_FLAGS_IMM"),
        (b"\xe0\x12", BIND, "bad bind opcode 0x12"),
        (b"\xd1\x34", WEAK, "bad bind opcode 0x34"),
        (b"\xe5", ImportKind.CHAINED, "bad bind opcode 0x05"),
        (b"\x51", LAZY, "bad lazy bind opcode 0x50"),
        (t.ordinal(1), WEAK, "unexpected dylib ordinal in weak_bind"),
        (b"\xd2", ImportKind.CHAINED, "bad BIND_OPCODE_THREADED sub-opcode 0x02"),
    ],
)
def test_a_malformed_stream_keeps_what_came_before_and_says_why(data: bytes, kind: ImportKind, text: str) -> None:
    start = t.symbol("_first") + t.BIND
    entries, defect = stream(data, kind)
    assert (entries, defect) == ([], text)
    if kind is not ImportKind.BIND or data != t.BIND:
        entries, defect = stream(start + data, kind)
        assert ([e.name for e in entries], defect) == (["_first"], text)


OPCODE = st.one_of(
    st.integers(-3, 40).map(t.ordinal),
    st.sampled_from([b"\x10", b"\x20\xff\xff\xff\xff\x0f", t.DONE, t.POINTER, t.BIND, b"\xb4", b"\xc0\x03\x10"]),
    st.builds(t.symbol, st.sampled_from(["_a", "_b", "", "_long_name"]), st.integers(0, 15)),
    st.builds(t.place, st.integers(0, 15), st.integers(0, 1 << 40)),
    st.sampled_from([b"\x60\x7f", b"\x80\x90\x02", b"\xa0\x08", b"\xc0\x00\x01", b"\xc0\x80\x00\x01", b"\x57"]),
)


@settings(deadline=None)
@given(st.lists(OPCODE, max_size=40), st.binary(max_size=4), st.sampled_from(list(_STREAMS)))
def test_the_fast_path_reads_what_one_opcode_at_a_time_reads(
    opcodes: Sequence[bytes], tail: bytes, kind: ImportKind
) -> None:
    data = b"".join(opcodes) + tail
    walked, defect = _walk(data, 0, kind)
    assert stream(data, kind) == (walked, defect.text if defect else None)


@settings(deadline=None)
@given(st.binary(max_size=300), st.sampled_from(list(ImportKind)))
def test_any_bytes_are_read_without_an_exception(data: bytes, kind: ImportKind) -> None:
    if kind is not ImportKind.SYMBOL_TABLE:
        entries, _ = stream(data, kind)
        assert len(entries) <= len(data)


@pytest.mark.parametrize(
    "byte", [b"\x51", b"\x00", b"\x10", b"\x80", b"\xff", b"\x72", b"\x90", b"\x60", b"\x40", b"\xc0"]
)
@pytest.mark.parametrize("kind", [BIND, LAZY, WEAK])
def test_a_long_run_of_one_byte_is_read_in_linear_steps(byte: bytes, kind: ImportKind) -> None:
    entries, _ = stream(byte * (1 << 16), kind)
    assert entries == []


# --- chained fixups ---------------------------------------------------------------------------------------------------

CHAINED = [("_malloc", 1, False), ("_gone", 2, True), ("_flat", -2, False), ("_weak", -3, False), ("_main", -1, False)]


@pytest.mark.parametrize("imports_format", [1, 2, 3])
def test_all_chained_import_formats_are_read(imports_format: int) -> None:
    wanted = [*CHAINED, ("_high", 0xF0, False)]
    if imports_format == 3:
        wanted.append(("_higher", 0xFFF0, True))
    found = imports_of(t.with_tables({"chained_fixups": t.chained(wanted, imports_format=imports_format)}))
    assert plain(found) == wanted
    assert found.defects == ()
    assert {(entry.kind, entry.lazy) for entry in found.entries} == {(ImportKind.CHAINED, False)}


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"version": 1}, "chained fixups, unknown header version (1)"),
        ({"imports_format": 4}, "chained fixups, unknown imports_format (4)"),
        ({"symbols_format": 1}, "chained fixups, symbols_format unknown (1)"),
    ],
)
def test_a_chained_header_dyld_refuses_gives_no_imports(changes: dict[str, int], text: str) -> None:
    found = imports_of(t.with_tables({"chained_fixups": t.chained(CHAINED, **changes)}))
    assert found.entries == ()
    assert [defect.text for defect in found.defects] == [text]


def test_a_table_that_overlaps_its_names_is_read_as_far_as_it_goes() -> None:
    found = imports_of(t.with_tables({"chained_fixups": t.chained(CHAINED, count=0xFFFFFFFF)}))
    assert plain(found) == CHAINED
    assert found.defects[0].text.startswith("malformed import table, imports[5].name_offset")


def test_a_name_outside_the_pool_ends_the_table() -> None:
    data = bytearray(t.chained(CHAINED))
    at = int.from_bytes(data[8:12], "little") + 4
    data[at : at + 4] = (0x1 | 5000 << 9).to_bytes(4, "little")
    found = imports_of(t.with_tables({"chained_fixups": bytes(data)}))
    assert plain(found) == CHAINED[:1]
    assert found.defects[0].text == "malformed import table, imports[1].name_offset (5000) out of range"


def test_names_that_share_one_long_string_cannot_exhaust_memory() -> None:
    count, length = 40_000, 200_000
    table = b"".join((1 | (i + 1) << 9).to_bytes(4, "little") for i in range(count))
    data = bytearray(t.chained([])[:-1])
    symbols_at = len(data) + len(table)
    data[12:20] = symbols_at.to_bytes(4, "little") + count.to_bytes(4, "little")
    found = imports_of(t.with_tables({"chained_fixups": bytes(data) + table + b"\0" + b"_" * length + b"\0"}))
    assert found.defects[0].text == "names of the import table overlap without end"
    assert 0 < len(found.entries) < count // 10


def test_chained_fixups_win_over_opcodes() -> None:
    found = imports_of(t.with_tables({"bind": LD_STYLE, "chained_fixups": t.chained(CHAINED)}))
    assert plain(found) == CHAINED


# --- symbol table -----------------------------------------------------------------------------------------------------


def symbol_image(
    *, flags: int | None = None, arch: str = "arm64", file_type: int = FileType.MH_KEXT_BUNDLE, **tables: bytes
) -> bytes:
    entries = [
        ("_local", 0xE, 1, 0, 0x1000),
        ("_defined", 0xF, 1, 0, 0x1000),
        ("_u1", N_UNDF | N_EXT, 0, 1 << 8, 0),
        ("_weak", N_UNDF | N_EXT, 0, 2 << 8 | N_WEAK_REF, 0),
        ("_lazy", N_UNDF | N_EXT, 0, 1 << 8 | 1, 0),
        ("_dynamic", N_UNDF | N_EXT, 0, 0xFE00, 0),
        ("_main", N_UNDF | N_EXT, 0, 0xFF00, 0),
        ("_self", N_UNDF | N_EXT, 0, 0, 0),
        ("_common", N_UNDF | N_EXT, 0, 0, 64),
    ]
    symtab, strtab = t.nlist(entries, wide=arch != "i386")
    tables |= {"symtab": symtab, "strtab": strtab}
    return t.with_tables(tables, flags=flags, arch=arch, install_name="/x", file_type=file_type)


@pytest.mark.parametrize("arch", ["arm64", "i386"])
def test_without_fixups_the_undefined_symbols_count_where_dyld_binds_nothing(arch: str) -> None:
    found = imports_of(symbol_image(arch=arch))
    assert [(e.name, e.ordinal, e.weak, e.lazy) for e in found.entries] == [
        ("_u1", 1, False, False),
        ("_weak", 2, True, False),
        ("_lazy", 1, False, True),
        ("_dynamic", -2, False, False),
        ("_main", -1, False, False),
        ("_self", 0, False, False),
    ]
    assert {entry.kind for entry in found.entries} == {ImportKind.SYMBOL_TABLE}


def test_a_flat_namespace_knows_no_ordinals() -> None:
    found = imports_of(symbol_image(flags=HeaderFlag.MH_DYLDLINK))
    assert {entry.ordinal for entry in found.entries} == {-2}


def test_without_fixups_dyld_binds_what_relocations_name() -> None:
    # dyld-1378, common/MachOLayout.cpp: Fixups::forEachBind_Relocations
    relocations = b"".join(struct.pack("<II", 8 * i, n | 3 << 25 | 1 << 27) for i, n in enumerate([2, 2, 3, 5, 2]))
    found = imports_of(symbol_image(file_type=FileType.MH_DYLIB, relocations=relocations))
    assert plain(found) == [("_u1", 1, False), ("_weak", 2, True), ("_dynamic", -2, False), ("_u1", 1, False)]
    assert imports_of(symbol_image(file_type=FileType.MH_DYLIB)) == Imports()


@pytest.mark.parametrize(
    ("info", "words"),
    [
        (2 | 2 << 25, "external relocation has wrong r_length"),
        (2 | 3 << 25 | 1 << 28, "external relocation has wrong r_type"),
        (99 | 3 << 25, "external relocation has out of range r_symbolnum"),
    ],
)
def test_a_malformed_relocation_stops_the_binding(info: int, words: str) -> None:
    data = symbol_image(file_type=FileType.MH_DYLIB, relocations=struct.pack("<4I", 0, 3 | 3 << 25, 8, info))
    found = imports_of(data)
    assert (plain(found), [x.text for x in found.defects], found.stops) == (
        [("_weak", 2, True)],
        [words],
        ((1, words),),
    )


def test_tables_behind_the_end_of_the_file_are_a_defect() -> None:
    data = bytearray(t.with_tables({"chained_fixups": t.chained(CHAINED)}))
    image = read_bytes(bytes(data)).slices[0].image
    assert image is not None
    at = next(x.offset for x in image.commands if x.cmd == c.LC_DYLD_CHAINED_FIXUPS)
    data[at + 8 : at + 12] = (1 << 30).to_bytes(4, "little")
    found = imports_of(bytes(data))
    assert found.entries == ()
    assert found.defects[0].text.endswith("extends beyond end of file")


# --- oracle -----------------------------------------------------------------------------------------------------------


def lief_bindings(data: bytes) -> list[tuple[str, int, bool]]:
    fat = lief.MachO.parse(list(data))
    assert fat is not None
    binary = fat.at(0)
    assert binary is not None
    return [(str(b.symbol.name), b.library_ordinal, b.weak_import) for b in binary.bindings if b.symbol is not None]


def test_lief_agrees_on_bind_opcodes() -> None:
    names = [t.place(1, 8 * i) + t.ordinal(1) + t.symbol(f"_s{i}", i % 2) + t.POINTER + t.BIND for i in range(20)]
    data = t.with_tables({"bind": b"".join(names) + t.DONE})
    assert sorted(plain(imports_of(data))) == sorted(lief_bindings(data)) != []


@settings(deadline=None)
@given(st.binary(min_size=1, max_size=8), st.integers(0, 400))
def test_mutated_files_never_raise(change: bytes, back: int) -> None:
    tables = {"bind": LD_STYLE, "lazy_bind": LD_STYLE} if back % 2 else {"chained_fixups": t.chained(CHAINED)}
    data = bytearray(t.with_tables(tables))
    data[len(data) - back - len(change) : len(data) - back] = change
    found = imports_of(bytes(data))
    assert len(found.entries) <= len(data)


def test_an_image_without_any_table_imports_nothing() -> None:
    assert imports_of(MachO().bytes()) == Imports()
