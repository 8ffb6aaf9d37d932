"""What the reader makes of well formed, odd and cut files."""

from __future__ import annotations

import os
import pickle
import struct
from pathlib import Path

import attrs
import macholib.mach_o
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from machochain.macho import constants as c
from machochain.macho import header
from machochain.macho.details import command_name, flag_names, header_room, linker_options, sections, sub_commands
from machochain.macho.fat import CROWDED
from machochain.macho.header import parse_image
from machochain.macho.kind import FileKind, is_macho, kind_of
from machochain.macho.reader import FIRST_READ, NOT_MACH_O, read_bytes, read_file, read_source, slice_reader
from machochain.macho.source import FileSource
from machochain.model.errors import InputError
from machochain.model.image import FileType, Image
from machochain.model.paths import HostPath
from machochain.model.reading import BytesSource
from machochain.model.version import Version
from machochain.repair.layout import read_layout
from tests.factory import (
    MachO,
    Section,
    build_version,
    delayed,
    dylib,
    executable,
    fat,
    lazy,
    load,
    over_one_another,
    raw_command,
    reexport,
    string_command,
    upward,
    use,
    version_min,
)


def parsed(data: bytes) -> Image:
    image = read_bytes(data).slices[0].image
    assert image is not None
    return image


def test_constants_agree_with_macholib() -> None:
    ours = {k: v for k, v in vars(c).items() if k.startswith("LC_") and isinstance(v, int)}
    theirs = {k: v for k, v in vars(macholib.mach_o).items() if k.startswith("LC_") and isinstance(v, int)}
    common = ours.keys() & theirs.keys()
    assert len(common) > 40
    assert {k: ours[k] for k in common} == {k: theirs[k] for k in common}


@pytest.mark.parametrize("kind", list(FileType))
@pytest.mark.parametrize("arch", ["arm64", "x86_64", "i386", "arm64e", "x86_64h"])
def test_every_file_type_and_architecture(kind: FileType, arch: str) -> None:
    image = parsed(MachO(file_type=kind, arch=arch, install_name="/a").bytes())
    assert (image.file_type, image.arch.name) == (kind, arch)
    assert image.header_size == (32 if image.arch.is_64 else 28)
    assert [x.name for x in image.segments][-1] == "__LINKEDIT"


def test_all_facts_of_a_dylib() -> None:
    image = parsed(
        dylib(
            "@rpath/liba.1.dylib",
            load("/b", current="2.3.4", compat="1.2.0"),
            load("/c", weak=True),
            lazy("/not-linked"),
            reexport("/d"),
            upward("/e", timestamp=0),
            delayed("/f"),
            use("/g", 1 | 2),
            id_current="7.8.9",
            id_compat="7.0.0",
            rpaths=["@loader_path", "/opt/lib"],
            dyld_env=["DYLD_LIBRARY_PATH=/x"],
            minos="11.0",
            sdk="14.5",
            tools=[(3, "1115.7.3")],
            uuid=bytes(range(16)),
            source_version=5,
            restrict=True,
            signed=True,
        )
    )
    assert image.install_name == "@rpath/liba.1.dylib"
    assert (str(image.id_current_version), str(image.id_compatibility_version)) == ("7.8.9", "7.0")
    facts = [(x.command, x.name, x.ordinal, x.weak, x.reexport, x.upward, x.delayed) for x in image.loads]
    assert facts == [
        ("LC_LOAD_DYLIB", "/b", 1, False, False, False, False),
        ("LC_LOAD_WEAK_DYLIB", "/c", 2, True, False, False, False),
        ("LC_REEXPORT_DYLIB", "/d", 3, False, True, False, False),
        ("LC_LOAD_UPWARD_DYLIB", "/e", 4, False, False, True, False),
        ("LC_LOAD_DYLIB", "/f", 5, False, False, False, True),
        ("LC_LOAD_WEAK_DYLIB", "/g", 6, True, True, False, False),
        ("LC_LOAD_DYLIB", "/usr/lib/libSystem.B.dylib", 7, False, False, False, False),
    ]
    assert (str(image.loads[0].current_version), str(image.loads[0].compatibility_version)) == ("2.3.4", "1.2")
    assert [x.timestamp for x in image.loads[:5]] == [2, 2, 2, 0, c.DYLIB_USE_MARKER]
    assert [command_name(image.commands[x.command_index].cmd) for x in image.run_paths] == ["LC_RPATH"] * 2
    assert [x.path for x in image.run_paths] == ["@loader_path", "/opt/lib"]
    assert image.dyld_environment == ("DYLD_LIBRARY_PATH=/x",)
    (build,) = image.builds
    assert (build.platform, str(build.minos), str(build.sdk)) == (1, "11.0", "14.5")
    assert build.tools == ((3, Version.parse("1115.7.3")),)
    assert image.uuid_text == "00010203-0405-0607-0809-0A0B0C0D0E0F"
    assert image.source_version == 5
    assert image.restricted
    assert not image.has_entry
    assert image.linkedit.code_signature is not None
    assert image.defects == ()


def test_a_use_command_is_told_by_marker_and_name_offset() -> None:
    # dyld-1378, loadCommandToDylibKind(): the marker alone is a time stamp
    plain = load("/a", timestamp=c.DYLIB_USE_MARKER)
    image = parsed(dylib("/x", plain, use("/b", 4, cmd=c.LC_REEXPORT_DYLIB)))
    assert [x.use_flags for x in image.loads] == [None, 4, None]
    assert (image.loads[1].upward, image.loads[1].reexport) == (True, False)


def test_what_few_ask_for_is_made_when_it_is_asked_for() -> None:
    image = parsed(MachO(install_name="/x/liba.dylib", loads=[load("/b"), load("/b")]).bytes())
    slots = {name: vars(Image)[name] for name in ("segments", "linkedit", "restricted", "defects")}
    for slot in slots.values():
        with pytest.raises(AttributeError):
            slot.__get__(image)
    assert [defect.subject for defect in image.defects] == ["/b"]
    assert (image.segments[0].name, image.linkedit.symtab is None, image.restricted) == ("__TEXT", False, False)
    assert all(slot.__get__(image) is getattr(image, name) for name, slot in slots.items())
    assert pickle.loads(pickle.dumps(image)) == image


def test_linkedit_tables() -> None:
    info = raw_command(c.LC_DYLD_INFO_ONLY, struct.pack("<10I", 1, 0, 2, 20, 0, 0, 4, 40, 5, 50))
    tables = [
        raw_command(c.LC_DYLD_CHAINED_FIXUPS, struct.pack("<II", 6, 60)),
        raw_command(c.LC_FUNCTION_STARTS, struct.pack("<II", 7, 70)),
    ]
    linkedit = parsed(dylib("/x", extra=[info, *tables])).linkedit
    assert (linkedit.rebase, linkedit.bind, linkedit.weak_bind) == (None, (2, 20), None)
    assert (linkedit.lazy_bind, linkedit.exports_trie) == ((4, 40), (5, 50))
    assert (linkedit.chained_fixups, linkedit.function_starts) == ((6, 60), (7, 70))
    assert linkedit.symtab is not None
    assert linkedit.dysymtab == (0,) * 18
    own_trie = raw_command(c.LC_DYLD_EXPORTS_TRIE, struct.pack("<II", 8, 80))
    assert parsed(dylib("/x", extra=[own_trie])).linkedit.exports_trie == (8, 80)


def test_platforms_in_all_spellings() -> None:
    assert parsed(dylib("/x", build=False)).builds == ()
    (old,) = parsed(dylib("/x", build=[version_min("10.9", 0)])).builds
    assert (old.command, str(old.minos), old.sdk) == ("LC_VERSION_MIN_MACOSX", "10.9", None)
    both = parsed(dylib("/x", build=[build_version(6, "15", "18"), build_version(1, "12", 0)]))
    assert [x.platform for x in both.builds] == [6, 1]
    assert both.build is both.builds[1]
    assert both.builds[1].sdk is None


@pytest.mark.parametrize(("entry", "expected"), [("main", True), ("unixthread", True), (None, False)])
def test_entry_points(entry: str | None, expected: bool) -> None:
    assert parsed(executable(entry=entry)).has_entry is expected


def test_names_that_are_not_utf8_survive() -> None:
    image = parsed(dylib(b"/\xff\xfe", load(b"/b\xe9"), rpaths=[b"\x80"]))
    assert image.install_name == "/\udcff\udcfe"
    assert image.loads[0].name.encode("utf-8", "surrogateescape") == b"/b\xe9"
    assert image.run_paths[0].path == "\udc80"


def test_sections_are_read_on_demand() -> None:
    more = [Section("__DATA", "__go_buildinfo", b"x" * 32), Section("__DATA", "__bss", size=4096)]
    for arch in ("arm64", "i386"):
        found = sections(parsed(dylib("/x", arch=arch, sections=more)))
        assert [(x.segment, x.name, x.size) for x in found] == [
            ("__TEXT", "__text", 4),
            ("__DATA", "__data", 8),
            ("__DATA", "__go_buildinfo", 32),
            ("__DATA", "__bss", 4096),
        ]
        assert found[2].offset == found[1].offset + 8
        assert (found[3].offset, found[3].flags) == (0, 1)
        assert found[0].addr == found[0].offset


def test_linker_options_and_sub_commands() -> None:
    options = raw_command(c.LC_LINKER_OPTION, struct.pack("<I", 2) + b"-framework\0Cocoa\0")
    subs = [string_command(x, f"name{x}") for x in (c.LC_SUB_FRAMEWORK, c.LC_SUB_UMBRELLA, c.LC_SUB_LIBRARY)]
    image = parsed(MachO(file_type=FileType.MH_OBJECT, extra=[options, *subs]).bytes())
    assert linker_options(image) == (("-framework", "Cocoa"),)
    assert sub_commands(image) == (
        ("LC_SUB_FRAMEWORK", "name18"),
        ("LC_SUB_UMBRELLA", "name19"),
        ("LC_SUB_LIBRARY", "name21"),
    )


def test_flags_and_commands_have_names() -> None:
    assert flag_names(parsed(executable(flags=0x85))) == ("MH_NOUNDEFS", "MH_DYLDLINK", "MH_TWOLEVEL")
    assert flag_names(parsed(executable(flags=0x60000004))) == ("MH_DYLDLINK", "0x60000000")
    assert command_name(0x80000028) == "LC_MAIN"
    assert command_name(0x7777) == "LC_0x7777"


def test_the_restrict_section_is_found() -> None:
    assert parsed(executable(restrict=True)).restricted
    assert not parsed(executable(sections=[Section("__RESTRICT", "__other")])).restricted


# -- recognition --


@pytest.mark.parametrize(
    ("first", "kind"),
    [
        (b"\xcf\xfa\xed\xfe\0\0\0\0", FileKind.MACHO),
        (b"\xce\xfa\xed\xfe\0\0\0\0", FileKind.MACHO),
        (b"\xfe\xed\xfa\xce\0\0\0\0", FileKind.MACHO),
        (b"\xfe\xed\xfa\xcf\0\0\0\0", FileKind.MACHO),
        (b"\xca\xfe\xba\xbe\0\0\0\x02", FileKind.UNIVERSAL),
        (b"\xca\xfe\xba\xbe\0\0\0\x2c", FileKind.UNIVERSAL),
        (b"\xca\xfe\xba\xbe\0\0\0\x2d", FileKind.UNRECOGNISED),  # Java 1.1
        (b"\xca\xfe\xba\xbe\0\0\0\x41", FileKind.UNRECOGNISED),  # Java 21
        (b"\xca\xfe\xba\xbe\0\x03\0\x2d", FileKind.UNRECOGNISED),
        (b"\xca\xfe\xba\xbf\0\0\0\x02", FileKind.UNIVERSAL),
        (b"!<arch>\n", FileKind.ARCHIVE),
        (b"\xbe\xba\xfe\xca\0\0\0\x02", FileKind.UNRECOGNISED),
        (b"\x7fELF\2\1\1\0", FileKind.UNRECOGNISED),
        (b"--- !tapi", FileKind.UNRECOGNISED),
        (b"\xcf\xfa\xed", FileKind.UNRECOGNISED),
        (b"\xca\xfe\xba\xbe", FileKind.UNRECOGNISED),
        (b"", FileKind.UNRECOGNISED),
    ],
)
def test_files_are_told_by_their_first_bytes(first: bytes, kind: FileKind) -> None:
    assert kind_of(first) is kind
    assert is_macho(first) is (kind in {FileKind.MACHO, FileKind.UNIVERSAL})


@pytest.mark.parametrize("data", [b"", b"#!/bin/sh\n", b"!<arch>\n", b"\xca\xfe\xba\xbe\0\0\0\x41" + bytes(99)])
def test_other_files_cannot_be_looked_at(data: bytes, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        read_bytes(data)
    assert caught.value.offset == 0
    path = tmp_path / "file"
    path.write_bytes(data)
    with pytest.raises(InputError, match="file: "):
        read_file(HostPath(str(path)))


def test_files_that_cannot_be_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    for name in ("absent", "fifo", ".", "nul\0byte"):
        with pytest.raises(InputError) as caught:
            read_file(HostPath(f"{tmp_path}/{name}"))
        assert caught.value.path == f"{tmp_path}/{name}"


@pytest.mark.parametrize("magic", [b"\xfe\xed\xfa\xce", b"\xfe\xed\xfa\xcf"])
def test_big_endian_images_are_named_but_not_read(magic: bytes) -> None:
    (piece,) = read_bytes(magic + struct.pack(">6I", 18, 0, 2, 0, 0, 0)).slices
    assert (piece.arch.name, piece.image, piece.error) == ("ppc", None, NOT_MACH_O)


def test_a_header_that_is_cut_short_is_no_image() -> None:
    (piece,) = read_bytes(dylib("/x")[:27]).slices
    assert (piece.image, piece.error) == (None, NOT_MACH_O)
    with pytest.raises(InputError):
        parse_image(b"\xcf\xfa\xed\xfe", size=4)


# -- bytes that are read --


class Counting(BytesSource):
    """Remembers what was asked for."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self.asked: list[tuple[int, int]] = []

    def read(self, offset: int, size: int) -> bytes:
        self.asked.append((offset, size))
        return super().read(offset, size)


def test_one_read_per_slice_however_large_the_file() -> None:
    source = Counting(dylib("/x") + bytes(5_000_000))
    read_source(source)
    assert source.asked == [(0, FIRST_READ)]
    universal = Counting(fat([dylib("/x"), dylib("/x", arch="x86_64")]))
    read_source(universal)
    assert universal.asked == [(0, FIRST_READ), (0x4000, FIRST_READ), (0x10000, FIRST_READ)]


def test_a_load_command_that_is_longer_than_any_path_is_not_kept_in_memory() -> None:
    def kept(name: str) -> int:
        before = header._known_dylib.cache_info().currsize
        (piece,) = read_bytes(executable(name)).slices
        assert piece.image is not None
        assert name in [load.name for load in piece.image.loads]
        return header._known_dylib.cache_info().currsize - before

    header._known_dylib.cache_clear()
    assert kept("/opt/short.dylib") > 0
    assert kept(f"/opt/{'long' * 300}.dylib") == 0


def test_long_load_commands_are_read_in_a_second_step() -> None:
    data = dylib("/x", *[load(f"/{'long' * 20}/{i}") for i in range(200)])
    source = Counting(data)
    image = read_source(source).slices[0].image
    assert image is not None
    assert len(image.loads) == 201
    assert image.defects == ()
    assert len(source.asked) == 2
    assert sum(x for _, x in source.asked) < 25_000


def test_a_file_on_disk_reads_as_its_bytes_do(tmp_path: Path) -> None:
    data = fat([dylib("/x"), executable(arch="x86_64")])
    path = tmp_path / "f"
    path.write_bytes(data)
    assert read_file(HostPath(str(path))) == read_bytes(data)


def test_nothing_is_reserved_for_what_a_short_file_claims(tmp_path: Path) -> None:
    # a 64-bit fat header may claim exabytes, and sizeofcmds 4 GiB
    path = tmp_path / "f"
    data = bytearray(dylib("/x"))
    struct.pack_into("<I", data, 20, 0xFFFFFF00)
    header = struct.pack(">IIIIQQII", 0xCAFEBABF, 1, 0x0100000C, 0, 0x4000, 1 << 60, 14, 0)
    path.write_bytes(header.ljust(0x4000, b"\0") + data)
    (piece,) = read_file(HostPath(str(path))).slices
    assert piece.size == 1 << 60
    with FileSource(HostPath(str(path))) as source:
        assert source.read(10, 1 << 62) == path.read_bytes()[10:]
        assert source.read(1 << 62, 1) == b""


def test_a_slice_is_read_from_its_start_and_not_beyond_its_end() -> None:
    one, two = dylib("/one"), dylib("/two", arch="x86_64")
    data = fat([one, two])
    source = BytesSource(data)
    first, second = (slice_reader(source, x) for x in read_bytes(data).slices)
    assert first(0, 10**9) == one
    assert second(4, 8) == two[4:12]
    assert first(len(one) - 2, 10) == one[-2:]
    assert (first(len(one), 1), first(10**12, 1), first(-1, 4)) == (b"", b"", b"")


# -- damage --

RICH = MachO(
    install_name="@rpath/liba.dylib",
    loads=[load("/b", weak=True), reexport("/c"), delayed("/d")],
    rpaths=["@loader_path", "@loader_path"],
    dyld_env=["DYLD_X=1"],
    tools=[(3, "1.2")],
    sections=[Section("__DATA_CONST", "__c", b"1" * 16)],
    extra=[
        raw_command(c.LC_LINKER_OPTION, struct.pack("<I", 1) + b"-lz\0"),
        raw_command(c.LC_DYLD_INFO_ONLY, bytes(40)),
        raw_command(c.LC_UNIXTHREAD, struct.pack("<II", 6, 68) + bytes(272)),
        string_command(c.LC_SUB_CLIENT, "me"),
    ],
    source_version=1,
).bytes()
HEADERS = 32 + struct.unpack_from("<I", RICH, 20)[0]


def examine(data: bytes) -> None:
    """Read and use everything; only ``InputError`` may come out."""
    try:
        file = read_bytes(data)
    except InputError:
        return
    for piece in file.slices:
        if piece.image is None:
            assert piece.error
            continue
        sections(piece.image)
        linker_options(piece.image)
        sub_commands(piece.image)
        flag_names(piece.image)
        assert repr([getattr(piece.image, field.name) for field in attrs.fields(Image)])
        assert [x.ordinal for x in piece.image.loads] == list(range(1, len(piece.image.loads) + 1))
        assert all(x.offset + x.size <= len(piece.image.raw) for x in piece.image.commands)


def test_truncation_at_every_byte_of_the_headers() -> None:
    for length in range(HEADERS + 64):
        examine(RICH[:length])
        if length >= 28:
            image = parsed(RICH[:length])
            assert image.defects, length


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.integers(0, HEADERS - 1), st.integers(0, 255)), min_size=1, max_size=8))
def test_flipped_bytes_raise_nothing_else(changes: list[tuple[int, int]]) -> None:
    data = bytearray(RICH)
    for at, value in changes:
        data[at] = value
    examine(bytes(data))


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=600), st.sampled_from([c.MH_MAGIC, c.MH_MAGIC_64]), st.integers(0, 40))
def test_random_load_commands_raise_nothing_else(body: bytes, magic: int, count: int) -> None:
    header = struct.pack("<7I", magic, 0x0100000C, 0, 2, count, len(body), 4) + bytes(4 * (magic == c.MH_MAGIC_64))
    examine(header + body)


def test_malformed_commands_keep_what_came_before() -> None:
    data = dylib("/x", "/b", extra=[raw_command(c.LC_NOTE, b"", size=4)])
    image = parsed(data)
    assert image.loads[0].name == "/b"
    assert len(image.defects) == 1


def test_a_string_that_leaves_its_command_is_cut_there() -> None:
    image = parsed(dylib("/x", extra=[raw_command(c.LC_RPATH, struct.pack("<I", 12) + b"abcd")]))
    assert image.run_paths[0].path == "abcd"


@pytest.mark.parametrize("pad", [0, 48, 1000])
def test_the_room_behind_the_load_commands_is_what_an_edit_may_use(pad: int) -> None:
    data = MachO(install_name="/a", headerpad=pad).bytes()
    image = read_bytes(data).slices[0].image
    assert image is not None
    assert header_room(image) == read_layout(data).room
    assert pad <= read_layout(data).room < pad + 16


def test_what_no_linker_laid_out_has_no_room() -> None:
    image = read_bytes(MachO(file_type=FileType.MH_OBJECT).bytes()).slices[0].image
    assert image is not None
    assert header_room(image) is None


def test_slices_that_lie_over_one_another_do_not_multiply_what_is_read() -> None:
    image = MachO(arch="x86_64", loads=[f"@rpath/lib{n}.dylib" for n in range(500)]).bytes()
    file = read_bytes(over_one_another(image, 100))
    read = [piece for piece in file.slices if piece.image is not None]
    assert 2 <= len(read) <= 8
    assert {piece.error for piece in file.slices if piece.image is None} == {CROWDED}
    side_by_side = read_bytes(fat([MachO(arch=arch).bytes() for arch in ("x86_64", "arm64", "arm64e", "i386")]))
    assert all(piece.image is not None for piece in side_by_side.slices)
