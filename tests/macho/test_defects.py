"""Every text of dyld's validator (dyld-1378, mach_o/UnsafeHeader.cpp), with the question that decides about it."""

from __future__ import annotations

import struct
from typing import Any

import pytest

from machochain.macho import constants as c
from machochain.macho.header import parse_image
from machochain.macho.reader import read_bytes
from machochain.model.image import Defect, DefectKind, FileType, HeaderFlag, Image, Question
from tests.factory import (
    MachO,
    Section,
    build_version,
    dylib,
    executable,
    load,
    raw_command,
    reexport,
    string_command,
    upward,
    version_min,
)

ALWAYS = Question.ALWAYS


def parsed(data: bytes) -> Image:
    image = read_bytes(data).slices[0].image
    assert image is not None
    return image


def defects(data: bytes) -> list[tuple[str, Question]]:
    return [(x.text, x.question) for x in parsed(data).defects]


def patched(data: bytes, *changes: tuple[int, int]) -> bytes:
    """Overwrite 32-bit words."""
    out = bytearray(data)
    for offset, value in changes:
        struct.pack_into("<I", out, offset, value)
    return bytes(out)


def command(data: bytes, cmd: int, nth: int = 0) -> int:
    """Offset of the nth load command of a kind."""
    return [x.offset for x in parsed(data).commands if x.cmd == cmd][nth]


def lib(**more: Any) -> bytes:
    return MachO(install_name="/x/liba.dylib", **more).bytes()


def segment(name: str, **fields: Any) -> bytes:
    return lib(tweak={name: fields})


def position(data: bytes, cmd: int) -> int:
    """1-based position of the first load command of a kind, as dyld counts."""
    return next(i for i, x in enumerate(parsed(data).commands, 1) if x.cmd == cmd)


@pytest.mark.parametrize(
    "data",
    [
        lib(),
        lib(arch="x86_64"),
        lib(arch="arm64e"),
        lib(arch="i386"),
        lib(sections=[Section("__DATA_CONST", "__const", b"12345678")]),
        lib(restrict=True, signed=True, dyld_env=["DYLD_X=1"], rpaths=["a", "b"]),
        lib(build="version_min"),
        lib(build=False),
        lib(build=[build_version(1, "12", "26"), build_version(6, "15", "26")]),
        lib(build=[build_version(6, "15", "26"), build_version(1, "12", "26")]),
        lib(loads=[reexport("/x"), upward("/y"), load("/z", weak=True)]),
        executable(),
        executable(entry="unixthread"),
        executable(entry="unixthread", arch="x86_64"),
        MachO(file_type=FileType.MH_BUNDLE).bytes(),
        dylib("/usr/lib/system/libx.dylib", libsystem=False),
        # non-allocatable segments: __LLVM, and Go's __DWARF
        segment("__DATA", vmsize=0, initprot=0),
        # ld puts __LINKEDIT last in addresses, but the order of the last segment is never looked at
        segment("__LINKEDIT", vmaddr=0x1000000),
    ],
)
def test_sound_files_have_no_defects(data: bytes) -> None:
    assert defects(data) == []


def two_segments(**fields: Any) -> bytes:
    """__DATA and __MORE, the latter with changed fields."""
    return lib(sections=[Section("__MORE", "__more", b"m" * 8)], tweak={"__MORE": fields})


DATA = lib()
EXE = executable()
STRING = dylib("/x/liba.dylib", rpaths=["@loader_path"], extra=[string_command(c.LC_SUB_CLIENT, "x")])

ROWS: list[tuple[bytes, str, Question]] = [
    # validStructureLoadCommands
    (patched(DATA, (20, 0x10000)), f"load commands length ({0x10020}) exceeds length of file ({len(DATA)})", ALWAYS),
    (patched(DATA, (12, 3)), "unknown filetype 3", ALWAYS),
    (patched(DATA, (12, 0xFFFFFFFE)), "unknown filetype -2", ALWAYS),
    (lib(extra=[raw_command(c.LC_SYMTAB, bytes(24))]), "load command #{n} LC_SYMTAB size wrong", ALWAYS),
    (lib(extra=[raw_command(c.LC_DYSYMTAB, bytes(80))]), "load command #{n} LC_DYSYMTAB size wrong", ALWAYS),
    (
        lib(extra=[raw_command(c.LC_SEGMENT_SPLIT_INFO, b"")]),
        "load command #{n} LC_SEGMENT_SPLIT_INFO size wrong",
        ALWAYS,
    ),
    (lib(extra=[raw_command(c.LC_ATOM_INFO, b"")]), "load command #{n} LC_ATOM_INFO size wrong", ALWAYS),
    (lib(extra=[raw_command(c.LC_FUNCTION_STARTS, b"")]), "load command #{n} LC_FUNCTION_STARTS size wrong", ALWAYS),
    (
        lib(extra=[raw_command(c.LC_DYLD_EXPORTS_TRIE, b"")]),
        "load command #{n} LC_DYLD_EXPORTS_TRIE size wrong",
        ALWAYS,
    ),
    (
        lib(extra=[raw_command(c.LC_DYLD_CHAINED_FIXUPS, b"")]),
        "load command #{n} LC_DYLD_CHAINED_FIXUPS size wrong",
        ALWAYS,
    ),
    (lib(extra=[raw_command(c.LC_ENCRYPTION_INFO, b"")]), "load command #{n} LC_ENCRYPTION_INFO size wrong", ALWAYS),
    (
        lib(extra=[raw_command(c.LC_ENCRYPTION_INFO_64, b"")]),
        "load command #{n} LC_ENCRYPTION_INFO_64 size wrong",
        ALWAYS,
    ),
    (lib(extra=[raw_command(c.LC_DYLD_INFO, b"")]), "load command #{n} LC_DYLD_INFO_ONLY size wrong", ALWAYS),
    (lib(extra=[raw_command(c.LC_DYLD_INFO_ONLY, b"")]), "load command #{n} LC_DYLD_INFO_ONLY size wrong", ALWAYS),
    *(
        (lib(build=False, extra=[raw_command(x, b"")]), "load command #{n} LC_VERSION_MIN_* size wrong", ALWAYS)
        for x in (
            c.LC_VERSION_MIN_MACOSX,
            c.LC_VERSION_MIN_IPHONEOS,
            c.LC_VERSION_MIN_TVOS,
            c.LC_VERSION_MIN_WATCHOS,
        )
    ),
    (lib(uuid=None, extra=[raw_command(c.LC_UUID, bytes(24))]), "load command #{n} LC_UUID size wrong", ALWAYS),
    (
        lib(build=[build_version(1, "12", "15")], extra=[raw_command(c.LC_BUILD_VERSION, b"\1" * 24)]),
        "load command #{n} LC_BUILD_VERSION size wrong",
        ALWAYS,
    ),
    (executable(entry=None, extra=[raw_command(c.LC_MAIN, bytes(24))]), "load command #{n} LC_MAIN size wrong", ALWAYS),
    (
        lib(extra=[raw_command(c.LC_FUNCTION_VARIANTS, b"")]),
        "load command #{n} LC_FUNCTION_VARIANTS size wrong",
        ALWAYS,
    ),
    (
        lib(extra=[raw_command(c.LC_FUNCTION_VARIANT_FIXUPS, b"")]),
        "load command #{n} LC_FUNCTION_VARIANT_FIXUPS size wrong",
        ALWAYS,
    ),
    (
        patched(DATA, (command(DATA, c.LC_SEGMENT_64) + 64, 2)),
        "load command #1 LC_SEGMENT_64 size does not match number of sections",
        ALWAYS,
    ),
    (
        patched(lib(arch="i386"), (command(lib(arch="i386"), c.LC_SEGMENT) + 48, 0)),
        "load command #1 LC_SEGMENT size does not match number of sections",
        ALWAYS,
    ),
    (
        lib(extra=[raw_command(0x80000044, b"")]),
        "load command #{n} unknown required load command 0x80000044",
        ALWAYS,
    ),
    *(
        (
            patched(STRING, (command(STRING, x) + 8, 4000)),
            (
                f"load command #{position(STRING, x)} string offset (4000) outside its size "
                f"({struct.unpack_from('<I', STRING, command(STRING, x) + 4)[0]})"
            ),
            ALWAYS,
        )
        for x in (c.LC_LOAD_DYLIB, c.LC_ID_DYLIB, c.LC_RPATH, c.LC_SUB_CLIENT)
    ),
    (
        lib(extra=[raw_command(c.LC_RPATH, struct.pack("<I", 12) + b"abcd")]),
        "load command #{n} string extends beyond end of load command",
        ALWAYS,
    ),
    (
        lib(extra=[raw_command(c.LC_FILESET_ENTRY, bytes(16) + struct.pack("<II", 32, 0))]),
        "load command #{n} string offset (32) outside its size (32)",
        ALWAYS,
    ),
    # forEachLoadCommand
    (
        patched(DATA, (16, 99)),
        "malformed load command ({after} of 99) at 0x0 with mh=0x0, off end of load commands",
        ALWAYS,
    ),
    (
        lib(extra=[raw_command(c.LC_NOTE, b"", size=4)]),
        "malformed load command ({n} of {n}) at 0x0 with mh=0x0, size (0x4) too small",
        ALWAYS,
    ),
    (
        lib(extra=[raw_command(c.LC_NOTE, b"", size=0x1000)]),
        "malformed load command ({n} of {n}) at 0x0 with mh=0x0, size (0x1000) is too large, load commands end at 0x0",
        ALWAYS,
    ),
    # validSemanticsPlatform
    (lib(platform=99), "unknown platform", ALWAYS),
    (
        lib(build=[build_version(1, "12", "15"), build_version(2, "12", "15")]),
        "incompatible platforms: macOS - iOS",
        ALWAYS,
    ),
    (
        lib(build=[build_version(1, "12", "15"), build_version(6, "12", "15"), build_version(12, "12", "15")]),
        "incompatible platforms: zippered(macOS/Catalyst) - visionOS-simulator",
        ALWAYS,
    ),
    # validSemanticsUUID
    (lib(extra=[raw_command(c.LC_UUID, bytes(16))]), "too many LC_UUID load commands", ALWAYS),
    (lib(uuid=None), "missing LC_UUID load command", Question.HAS_UUID),
    # validSemanticsInstallName
    (lib(extra=[load("/b").command().replace(b"\x0c", b"\x0d", 1)]), "multiple LC_ID_DYLIB found", ALWAYS),
    (MachO(file_type=FileType.MH_DYLIB).bytes(), "MH_DYLIB is missing LC_ID_DYLIB", ALWAYS),
    (
        MachO(file_type=FileType.MH_BUNDLE, install_name="/x").bytes(),
        "found LC_ID_DYLIB found in non-MH_DYLIB",
        ALWAYS,
    ),
    # validSemanticsLinkedDylibs
    (
        lib(loads=[load("/x/b"), reexport("/x/b")]),
        "duplicate linked dylib '/x/b'",
        Question.NO_DUPLICATE_DYLIBS,
    ),
    (
        lib(libsystem=False),
        "missing LC_LOAD_DYLIB (must link with at least libSystem.dylib)",
        Question.HAS_LINKED_DYLIBS,
    ),
    # validSemanticsRPath
    (
        lib(rpaths=["@loader_path", "/x", "@loader_path"]),
        "duplicate LC_RPATH '@loader_path'",
        Question.NO_DUPLICATE_RPATHS,
    ),
    # validSegment
    (
        segment("__LINKEDIT", filesize=0x1000, vmsize=0x4000),
        "segment '__LINKEDIT' load command content extends beyond end of file",
        ALWAYS,
    ),
    (segment("__DATA", vmsize=0x1000), "segment '__DATA' filesize exceeds vmsize", ALWAYS),
    (segment("__DATA", initprot=0x13), "__DATA segment permissions has invalid bits set (0x00000013)", ALWAYS),
    (segment("__TEXT", initprot=7), "__TEXT segment permissions is not 'r-x'", Question.TEXT_PERMISSIONS),
    (segment("__LINKEDIT", initprot=3), "__LINKEDIT segment permissions is not 'r--'", Question.READ_ONLY_LINKEDIT),
    (segment("__DATA", initprot=7), "__DATA segment permissions is not 'rw-'", Question.DATA_PERMISSIONS),
    (
        lib(sections=[Section("__DATA_CONST", "__c", b"1")], tweak={"__DATA_CONST": {"initprot": 1}}),
        "__DATA_CONST segment permissions is not 'rw-'",
        Question.DATA_CONST_PERMISSIONS,
    ),
    (
        lib(sections=[Section("__DATA_CONST", "__c", b"1")], tweak={"__DATA_CONST": {"flags": 0}}),
        "__DATA_CONST segment missing SG_READ_ONLY flag",
        Question.DATA_CONST_READ_ONLY,
    ),
    (
        segment("__DATA", vmaddr=0xFFFFFFFFFFFFF000),
        "'__DATA' segment vm range wraps",
        ALWAYS,
    ),
    (
        segment("__DATA", vmaddr=0x4004, vmsize=0x4000 - 4, filesize=0x3FFC),
        "section '__data' start address 0x4000 is before containing segment's address 0x4004",
        ALWAYS,
    ),
    (
        lib(sections=[Section("__DATA", "__zero", size=0x40000)], tweak={"__DATA": {"vmsize": 0x4000}}),
        "section '__zero' end address 0x44008 is beyond containing segment's end address 0x8000",
        Question.SECTIONS_IN_SEGMENT,
    ),
    # validSemanticsSegments
    (
        patched(DATA, (command(DATA, c.LC_SEGMENT_64) + 8, int.from_bytes(b"__TE", "little") + 1)),
        "missing __TEXT segment",
        ALWAYS,
    ),
    (segment("__TEXT", fileoff=0x10, filesize=0x3FF0), "__TEXT segment fileoffset is not zero", ALWAYS),
    (segment("__TEXT", filesize=0x10), "load commands do not fit in __TEXT segment filesize", ALWAYS),
    (
        segment("__TEXT", filesize=0x10, vmsize=0x10),
        "load commands do not fit in __TEXT segment vmsize",
        ALWAYS,
    ),
    (two_segments(vmaddr=0x4000), "vm range of segment '__DATA' overlaps segment '__MORE'", ALWAYS),
    (two_segments(fileoff=0x4000), "file range of segment '__DATA' overlaps segment '__MORE'", ALWAYS),
    (two_segments(name="__DATA"), "duplicate segment name '__DATA'", Question.UNIQUE_SEGMENT_NAMES),
    (
        lib(
            sections=[Section("__MORE", "__more", b"m" * 8)],
            tweak={"__DATA": {"fileoff": 0x8000}, "__MORE": {"fileoff": 0x4000}},
        ),
        "segment '__DATA' file offset out of order",
        Question.SEGMENT_ORDER,
    ),
    (
        lib(
            sections=[Section("__MORE", "__more", b"m" * 8)],
            tweak={"__DATA": {"vmaddr": 0x20000}, "__MORE": {"vmaddr": 0x8000}},
        ),
        "segment '__MORE' vm address out of order",
        Question.SEGMENT_ORDER,
    ),
    # validSemanticsLinkerOptions
    (
        lib(extra=[raw_command(c.LC_LINKER_OPTION, struct.pack("<I", 9) + b"-lz\0")]),
        "malformed LC_LINKER_OPTION command",
        ALWAYS,
    ),
    # validSemanticsMain
    (
        executable(flags=HeaderFlag.MH_DYLIB_IN_CACHE | HeaderFlag.MH_DYLDLINK),
        "MH_EXECUTE has MH_DYLIB_IN_CACHE bit set",
        Question.MAIN_FLAGS,
    ),
    (executable(extra=[raw_command(c.LC_MAIN, bytes(16))]), "multiple LC_MAIN load commands", ALWAYS),
    (
        executable(entry="unixthread", extra=[raw_command(c.LC_UNIXTHREAD, struct.pack("<II", 6, 68) + bytes(272))]),
        "multiple LC_UNIXTHREAD load commands",
        ALWAYS,
    ),
    (
        executable(entry=None, extra=[raw_command(c.LC_UNIXTHREAD, struct.pack("<II", 4, 42) + bytes(168))]),
        "invalid LC_UNIXTHREAD",
        ALWAYS,
    ),
    (
        executable(extra=[raw_command(c.LC_UNIXTHREAD, struct.pack("<II", 6, 68) + bytes(272))]),
        "can't have LC_MAIN and LC_UNIXTHREAD load commands",
        ALWAYS,
    ),
    (executable(platform=10), "LC_MAIN not allowed for driverkit", ALWAYS),
    (executable(entry=None), "missing LC_MAIN or LC_UNIXTHREAD in main executable", ALWAYS),
]


@pytest.mark.parametrize(("data", "text", "question"), ROWS, ids=[x[1] for x in ROWS])
def test_each_text_of_the_validator(data: bytes, text: str, question: Question) -> None:
    image = parsed(data)
    count = len(image.commands)
    (claimed,) = struct.unpack_from("<I", data, 16)
    expected = text.replace("{n}", str(claimed)).replace("{after}", str(count + 1))
    assert (expected, question) in [(x.text, x.question) for x in image.defects]


def test_defects_keep_dylds_order() -> None:
    data = lib(
        uuid=None,
        rpaths=["/a", "/a"],
        loads=[load("/b"), load("/b")],
        tweak={"__TEXT": {"initprot": 7}},
        platform=99,
        extra=[raw_command(0x80000099, b"")],
    )
    assert [x.question for x in parsed(data).defects] == [
        ALWAYS,
        ALWAYS,
        Question.HAS_UUID,
        Question.NO_DUPLICATE_DYLIBS,
        Question.NO_DUPLICATE_RPATHS,
        Question.TEXT_PERMISSIONS,
    ]


def test_defects_name_their_load_command() -> None:
    image = parsed(lib(rpaths=["/a", "/b", "/a"]))
    (found,) = image.defects
    assert found.command_index == image.run_paths[2].command_index


def test_only_what_dyld_remembers_can_be_a_duplicate() -> None:
    many = [f"/r{i}" for i in range(64)]
    assert defects(lib(rpaths=[*many, "/r0"])) == []
    assert defects(lib(rpaths=[*many[:63], "/r0"])) != []
    loads = [f"/l{i}" for i in range(256)]
    assert defects(lib(loads=[*loads, "/l0"])) == []
    assert defects(lib(loads=[*loads[:255], "/l0"])) != []


def test_a_name_of_sixteen_characters_runs_on_in_messages() -> None:
    # %s prints up to the next NUL: sectname is followed by segname, segname by vmaddr
    data = lib(sections=[Section("__DATA", "__objc_classlist", size=0x40000)], tweak={"__DATA": {"vmsize": 0x4000}})
    (found,) = parsed(data).defects
    assert found.text.startswith("section '__objc_classlist__DATA' end address")


def test_the_last_error_of_a_main_executable_wins() -> None:
    # validSemanticsMain() walks on after an error, so a later one overwrites it
    thread = raw_command(c.LC_UNIXTHREAD, struct.pack("<II", 4, 42) + bytes(168))
    image = parsed(executable(extra=[raw_command(c.LC_MAIN, bytes(16)), thread]))
    assert image.defects[0].text == "invalid LC_UNIXTHREAD"


def test_split_segment_info_excuses_a_plain_data_const() -> None:
    plain: dict[str, Any] = {
        "sections": [Section("__DATA_CONST", "__c", b"1")],
        "tweak": {"__DATA_CONST": {"flags": 0}},
    }
    assert defects(lib(extra=[raw_command(c.LC_SEGMENT_SPLIT_INFO, struct.pack("<II", 0, 8))], **plain)) == []
    assert defects(lib(extra=[raw_command(c.LC_SEGMENT_SPLIT_INFO, struct.pack("<II", 0, 0))], **plain)) != []


def test_old_intel_programs_may_have_addresses_out_of_order() -> None:
    def empty(name: bytes, address: int) -> bytes:
        fields = struct.pack("<4Q4I", address, 0x1000, 0, 0, 3, 3, 0, 0)
        return raw_command(c.LC_SEGMENT_64, name.ljust(16, b"\0") + fields)

    def program(flags: int) -> bytes:
        places = {b"__A": 0x1_2000_0000, b"__B": 0x1_1000_0000, b"__C": 0x1_3000_0000}
        return executable(arch="x86_64", flags=flags, extra=[empty(*x) for x in places.items()])

    assert defects(program(HeaderFlag.MH_DYLDLINK)) == []
    movable = program(HeaderFlag.MH_DYLDLINK | HeaderFlag.MH_PIE)
    assert defects(movable) == [("segment '__B' vm address out of order", Question.SEGMENT_ORDER)]


def test_a_platform_is_assumed_for_macs_only() -> None:
    image = bytearray(lib(build=False))
    assert defects(bytes(image)) == []
    # armv7k without a platform command
    struct.pack_into("<II", image, 4, 12, 12)
    assert ("unknown platform", ALWAYS) in defects(bytes(image))


def test_old_version_commands_mean_a_platform() -> None:
    image = parsed(lib(build=[version_min("9.0", "10.0", c.LC_VERSION_MIN_IPHONEOS)]))
    assert [x.platform for x in image.builds] == [2]
    image = parsed(lib(arch="x86_64", build=[version_min("9.0", "10.0", c.LC_VERSION_MIN_IPHONEOS)]))
    assert [x.platform for x in image.builds] == [7]


def test_many_segments_take_no_quadratic_time() -> None:
    # 20,000 overlapping segments: all pairs would be 400 million
    one = raw_command(c.LC_SEGMENT_64, b"__X".ljust(16, b"\0") + struct.pack("<4Q4I", 0x9000, 8, 0, 0, 3, 3, 0, 0))
    body = one * 20_000
    header = struct.pack("<8I", c.MH_MAGIC_64, 0x0100000C, 0, 6, 20_000, len(body), 0, 0)
    image = parse_image(header + body, size=len(header) + len(body))
    assert any(x.text.startswith("vm range of segment '__X' overlaps") for x in image.defects)


def test_defects_are_values() -> None:
    kind = DefectKind.WALK
    assert Defect("a", ALWAYS, kind=kind) == Defect("a", ALWAYS, kind=kind)


def test_a_32_bit_segment_does_not_reach_beyond_4_gib_of_a_larger_file() -> None:
    data = lib(arch="i386", tweak={"__DATA": {"fileoff": 0xFFFFF000, "filesize": 0x2000, "vmsize": 0x2000}})
    found = parse_image(data, size=1 << 33).defects
    assert [(x.text, x.subject) for x in found if x.kind is DefectKind.ADDRESSES] == [
        ("segment '__DATA' load command content extends beyond end of file", "__DATA")
    ]
