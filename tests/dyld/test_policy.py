"""When dyld's objections are fatal: by release, sdk, file type (dyld-1284.13 … 1378, mach_o/Policy.cpp)."""

from __future__ import annotations

import struct
from typing import Any

import pytest

from machochain.dyld.policy import (
    NEVER,
    enforcement,
    epoch,
    fat_refusal,
    first_refusal,
    first_version_of,
    refusals,
)
from machochain.dyld.profile import profile_for
from machochain.macho import constants as c
from machochain.macho.reader import read_bytes
from machochain.model.arch import Arch
from machochain.model.image import FileType, Image, MachOFile
from machochain.model.platform import ZIPPERED, Platform
from machochain.model.version import Version
from tests.factory import MachO, Section, build_version, dylib, executable, fat, raw_command, version_min


def said(image: Image, macos: Version, *, main: bool, path: str = "") -> str | None:
    """What dyld says when it refuses an image; None if it takes it."""
    objection = first_refusal(image, profile_for(macos), main=main, path=path)
    return objection.text if objection is not None else None


V = Version.parse
RELEASES = ("11", "12", "12.5", "13", "14.4", "15.3", "15.4", "15.6", "26", "26.4")


def parsed(data: bytes) -> Image:
    image = read_bytes(data).slices[0].image
    assert image is not None
    return image


# -- epochs (mach_o/Platform.cpp) --


@pytest.mark.parametrize(
    ("platform", "version", "expected"),
    [
        (1, "10.5", 20095),
        (1, "10.15", 20195),
        (1, "10.15.3", 20195),
        (1, "10.15.4", 20180),  # "spring" steps back a year: yearForTenMinorVersion()
        (1, "11", 20205),
        (1, "11.3", 20210),
        (1, "13.3", 20230),
        (1, "14.3", 20235),
        (1, "14.4", 20240),
        (1, "15.3", 20245),
        (1, "15.4", 20250),
        (1, "16", 20255),
        (1, "20", 20265),
        (1, "26", 20255),
        (1, "26.3", 20255),
        (1, "26.4", 20260),
        (1, "27", 20265),
        (ZIPPERED, "15.4", 20250),
        (2, "13", 20195),
        (2, "13.4", 20200),
        (6, "18", 20245),
        (7, "18.4", 20250),
        (3, "26", 20255),
        (4, "11", 20245),
        (5, "8.3", 20240),
        (5, "9.3", 20245),
        (10, "24", 20245),
        (10, "26", 20265),
        (11, "1.1", 20240),
        (11, "2.1", 20245),
        (13, "1", 20205),
        (15, "15.4", 20250),
        (99, "15", 0),
    ],
)
def test_epochs(platform: int, version: str, expected: int) -> None:
    assert epoch(platform, V(version)) == expected


def test_an_sdk_of_zero_is_in_the_far_future() -> None:
    # yearForTenMinorVersion() subtracts 10.0 without a sign: dyld enforces every rule for "sdk n/a"
    assert epoch(1, V("0")) == 64980 * 10 + 5
    image = parsed(dylib("/x", rpaths=["a", "a"], sdk=0))
    assert said(image, V("15.4"), main=False) == "duplicate LC_RPATH 'a'"
    # the field of LC_VERSION_MIN_MACOSX came later than the command, so 0 means the minos there
    image = parsed(dylib("/x", rpaths=["a", "a"], build=[version_min("10.9", 0)]))
    assert said(image, V("26"), main=False) is None


@pytest.mark.parametrize(
    ("build", "arch", "expected"),
    [
        (True, "arm64", (1, "15.0")),
        (False, "arm64", (1, "11.0")),
        (False, "x86_64", (1, "10.5")),
        (False, "i386", (1, "10.5")),
        ([version_min("10.9", 0)], "x86_64", (1, "10.9")),
        ([version_min("10.9", "10.14")], "x86_64", (1, "10.14")),
        ([version_min("9", 0, c.LC_VERSION_MIN_IPHONEOS)], "arm64", (2, "0.0")),
        ([build_version(1, "12", "15"), build_version(1, "12", "26")], "arm64", (1, "26.0")),
        ([build_version(1, "12", "15"), build_version(6, "15", "18")], "arm64", (ZIPPERED, "15.0")),
        ([build_version(6, "15", "18"), build_version(1, "12", "15")], "arm64", (ZIPPERED, "15.0")),
        # what cannot be joined leaves the first
        ([build_version(1, "12", "15"), build_version(2, "15", "18")], "arm64", (1, "15.0")),
    ],
)
def test_the_sdk_that_counts(build: Any, arch: str, expected: tuple[int, str]) -> None:
    platform, sdk = enforcement(parsed(dylib("/x", build=build, arch=arch)))
    assert (platform, str(sdk)) == expected


def test_no_platform_at_all_is_before_everything() -> None:
    data = bytearray(dylib("/x", build=False))
    struct.pack_into("<II", data, 4, 12, 12)
    assert enforcement(parsed(bytes(data))) == (0, V("0"))


@pytest.mark.parametrize(
    ("platform", "wanted", "expected"),
    [
        (1, 20195, "10.15"),
        (1, 20205, "11.0"),
        (1, 20250, "15.4"),
        (1, 20255, "26.0"),
        (1, 20265, "27.0"),
        (6, 20255, "26.0"),
        (6, 20245, "18.0"),
        (7, 20245, "18.0"),
        (11, 20240, "1.1"),
        (10, 20255, "25.0"),
        (1, NEVER, "None"),
        (99, 20205, "None"),
    ],
)
def test_first_version_of_an_epoch(platform: int, wanted: int, expected: str) -> None:
    assert str(first_version_of(platform, wanted)) == expected


# -- the table of rules --


def lib(**more: Any) -> MachO:
    return MachO(install_name="/x/liba.dylib", **more)


def exe(**more: Any) -> MachO:
    return MachO(file_type=FileType.MH_EXECUTE, **more)


ALWAYS_FATAL = "0"
DATA_CONST = [Section("__DATA_CONST", "__c", b"1")]
MORE = [Section("__MORE", "__more", b"m" * 8)]

RULES: list[tuple[str, dict[str, Any], str | None, str | None, str | None]] = [
    # text, how to make it, the sdk from which dylibs are refused by 15.4 and by 26, executables by 26 (Policy.cpp)
    ("missing LC_UUID load command", {"uuid": None}, "12.0", "12.0", "26.0"),
    ("duplicate linked dylib '/b'", {"loads": ["/b", "/b"]}, "15.0", "26.0", "26.0"),
    (
        "missing LC_LOAD_DYLIB (must link with at least libSystem.dylib)",
        {"libsystem": False},
        "15.4",
        "15.4",
        "15.4",
    ),
    ("duplicate LC_RPATH 'a'", {"rpaths": ["a", "a"]}, "15.4", "26.0", "26.0"),
    ("__TEXT segment permissions is not 'r-x'", {"tweak": {"__TEXT": {"initprot": 7}}}, "10.15", "10.15", "10.15"),
    (
        "__LINKEDIT segment permissions is not 'r--'",
        {"tweak": {"__LINKEDIT": {"initprot": 3}}},
        "10.11",
        "10.11",
        "26.0",
    ),
    ("__DATA segment permissions is not 'rw-'", {"tweak": {"__DATA": {"initprot": 7}}}, "26.0", "26.0", "26.0"),
    (
        "__DATA_CONST segment permissions is not 'rw-'",
        {"sections": DATA_CONST, "tweak": {"__DATA_CONST": {"initprot": 1}}},
        "26.0",
        "26.0",
        "26.0",
    ),
    (
        "__DATA_CONST segment missing SG_READ_ONLY flag",
        {"sections": DATA_CONST, "tweak": {"__DATA_CONST": {"flags": 0}}},
        "26.0",
        "26.0",
        "26.0",
    ),
    ("segment '__DATA' file offset out of order", {"swapped": "fileoff"}, "10.15", "10.15", "26.0"),
    ("segment '__B' vm address out of order", {"swapped": "vmaddr"}, "10.15", "10.15", "26.0"),
    (
        "duplicate segment name '__DATA'",
        {"sections": MORE, "tweak": {"__MORE": {"name": "__DATA"}}},
        None,
        "26.0",
        "26.0",
    ),
    ("unknown platform", {"build": [build_version(99, "12", "12")]}, ALWAYS_FATAL, ALWAYS_FATAL, ALWAYS_FATAL),
    (
        "load command #{n} unknown required load command 0x80000099",
        {"extra": [raw_command(0x80000099, b"")]},
        ALWAYS_FATAL,
        ALWAYS_FATAL,
        ALWAYS_FATAL,
    ),
]


def empty_segment(name: bytes, address: int) -> bytes:
    fields = struct.pack("<4Q4I", address, 0x1000, 0, 0, 3, 3, 0, 0)
    return raw_command(c.LC_SEGMENT_64, name.ljust(16, b"\0") + fields)


def make(recipe: dict[str, Any], kind: FileType, sdk: str) -> Image:
    """An image of the recipe: as a dylib or an executable built with an sdk."""
    more = dict(recipe)
    swapped = more.pop("swapped", None)
    if swapped == "vmaddr":
        more["extra"] = [empty_segment(*x) for x in ((b"__A", 0x2_2000_0000), (b"__B", 0x2_1000_0000), (b"__C", 0))]
        more["extra"][2] = empty_segment(b"__C", 0x2_3000_0000)
    elif swapped == "fileoff":
        more.update(sections=MORE, tweak={"__DATA": {"fileoff": 0x8000}, "__MORE": {"fileoff": 0x4000}})
    return parsed((lib if kind is FileType.MH_DYLIB else exe)(sdk=sdk, **more).bytes())


SDKS = (
    "10.10",
    "10.11",
    "10.14",
    "10.15",
    "10.16",
    "11.0",
    "11.7",
    "12.0",
    "14.6",
    "15.0",
    "15.3",
    "15.4",
    "15.6",
    "26.0",
    "26.2",
)


@pytest.mark.parametrize(("text", "recipe", "dylib_15_4", "dylib_26", "main_26"), RULES, ids=[x[0] for x in RULES])
def test_each_rule_by_release_and_sdk(
    text: str, recipe: dict[str, Any], dylib_15_4: str | None, dylib_26: str | None, main_26: str | None
) -> None:
    for kind, main, column in (
        (FileType.MH_DYLIB, False, {"15.4": dylib_15_4, "15.6": dylib_15_4, "26": dylib_26, "26.4": dylib_26}),
        (FileType.MH_EXECUTE, True, {"26": main_26, "26.4": main_26}),
    ):
        for sdk in SDKS:
            image = make(recipe, kind, sdk)
            expected_text = text.replace("{n}", str(len(image.commands)))
            for macos in RELEASES[1:] if main else RELEASES:  # dyld2 has words of its own: test_sniff.py
                limit = column.get(macos)
                fatal = limit is not None and V(sdk) >= V(limit)
                found = said(image, V(macos), main=main)
                assert found == (expected_text if fatal else None), (kind, sdk, macos)


def test_the_first_fatal_defect_is_the_one_that_is_printed() -> None:
    image = parsed(lib(uuid=None, rpaths=["a", "a"], sdk="11.0").bytes())
    assert len(image.defects) == 2
    assert said(image, V("26"), main=False) is None
    image = parsed(lib(loads=["/b", "/b"], rpaths=["a", "a"], sdk="15.4").bytes())
    assert said(image, V("15.4"), main=False) == "duplicate linked dylib '/b'"
    assert said(image, V("26"), main=False) is None


def test_a_bundle_is_judged_like_a_dylib() -> None:
    image = parsed(MachO(file_type=FileType.MH_BUNDLE, uuid=None, sdk="12.0").bytes())
    assert said(image, V("15.4"), main=False) == "missing LC_UUID load command"


def test_objects_need_no_uuid() -> None:
    for sdk in ("26.0", 0):
        image = parsed(MachO(file_type=FileType.MH_OBJECT, uuid=None, sdk=sdk).bytes())
        assert said(image, V("26"), main=False) is None


def test_refusals_tell_release_and_sdk() -> None:
    def table(image: Image, *, main: bool) -> list[tuple[str, str, str]]:
        return [(x.defect.text, str(x.macos), str(x.sdk)) for x in refusals(image, main=main)]

    recipe: dict[str, Any] = {"uuid": None, "rpaths": ["a", "a"], "sdk": "15.4", "platform": 1}
    assert table(parsed(lib(**recipe).bytes()), main=False) == [
        ("missing LC_UUID load command", "15.4", "12.0"),
        ("duplicate LC_RPATH 'a'", "15.4", "26.0"),
    ]
    assert table(parsed(exe(**recipe).bytes()), main=True) == [
        ("missing LC_UUID load command", "None", "26.0"),
        ("duplicate LC_RPATH 'a'", "None", "26.0"),
    ]
    assert table(parsed(exe(**{**recipe, "sdk": "26.0"}).bytes()), main=True) == [
        ("missing LC_UUID load command", "26.0", "26.0"),
        ("duplicate LC_RPATH 'a'", "26.0", "26.0"),
    ]
    (unknown,) = table(parsed(lib(platform=99).bytes()), main=False)
    assert unknown == ("unknown platform", "15.4", "None")
    (cut,) = table(parsed(lib(extra=[raw_command(c.LC_NOTE, b"", size=4)]).bytes()), main=False)
    assert cut[1:] == ("12.0", "None")


def test_refusals_of_another_platform_use_its_own_versions() -> None:
    image = parsed(lib(uuid=None, platform=Platform.MAC_CATALYST, sdk="18.0").bytes())
    (found,) = refusals(image, main=False)
    assert (str(found.macos), str(found.sdk)) == ("15.4", "15.0")


WHERE = "malformed load command #{i} of {n} at 0x0 with mh=0x0, "


# -- macOS 12 to 15.3: only the walk (dyld-940 … 1245.1, common/MachOFile.cpp) --


@pytest.mark.parametrize(
    ("command", "text_12", "text_13"),
    [
        (
            raw_command(c.LC_NOTE, b"", size=4),
            WHERE + "size (0x4) too small",
            WHERE + "size (0x4) too small",
        ),
        (
            raw_command(c.LC_NOTE, b"", size=0x999),
            WHERE + "size (0x999) is too large, load commands end at 0x0",
            WHERE + "size (0x999) not multiple of 4",
        ),
        (
            raw_command(c.LC_NOTE, b"12", 1),
            None,
            WHERE + "size (0xA) not multiple of 4",
        ),
    ],
)
def test_what_cannot_be_walked_is_refused_since_macos_12(command: bytes, text_12: str | None, text_13: str) -> None:
    image = parsed(lib(extra=[command]).bytes())
    (count,) = struct.unpack_from("<I", image.raw, 16)
    old = text_12 and text_12.format(i=count - 1, n=count) + "not a mach-o file"
    new = text_13.format(i=count - 1, n=count)
    assert [said(image, V(x), main=False) for x in RELEASES[1:6]] == [old, old, new, new, new]
    assert [said(image, V(x), main=True) for x in RELEASES[1:6]] == [None] * 5


def test_too_many_commands() -> None:
    data = bytearray(lib().bytes())
    (count,) = struct.unpack_from("<I", data, 16)
    struct.pack_into("<I", data, 16, count + 1)
    image = parsed(bytes(data))
    where = f"malformed load command #{count} of {count + 1} at 0x0 with mh=0x0"
    assert said(image, V("12"), main=False) == f"{where}, size (0x0) too smallnot a mach-o file"
    assert said(image, V("14"), main=False) == f"{where}, extends past sizeofcmds"


def test_commands_beyond_the_file_and_unknown_types() -> None:
    data = lib().bytes()
    cut = parsed(data[:200])
    assert said(cut, V("14"), main=False) == "load commands exceed length of first segment"
    assert (said(cut, V("26"), main=False) or "").startswith("load commands length (")
    odd = bytearray(data)
    struct.pack_into("<I", odd, 12, 13)
    image = parsed(bytes(odd))
    assert said(image, V("12"), main=False) is None
    assert said(image, V("13"), main=False) == "unknown mach-o filetype (13)"
    assert said(image, V("15.4"), main=False) == "unknown filetype 13"


# -- universal files --

ARM = dylib("/x")
INTEL = dylib("/x", arch="x86_64")
BEYOND, ARM_BEYOND = "slice 1 extends beyond end of file", "arm64 slice extends beyond end of file"
MISSING = "fat file, but missing compatible architecture (have 'x', need 'y')"


def universal(data: bytes) -> MachOFile:
    return read_bytes(data)


def entries(*rows: tuple[int, int, int, int], count: int | None = None, fat64: bool = False) -> bytes:
    out = struct.pack(">II", 0xCAFEBABF if fat64 else 0xCAFEBABE, len(rows) if count is None else count)
    for row in rows:
        out += struct.pack(">IIQQII", *row, 14, 0) if fat64 else struct.pack(">5I", *row, 14)
    return out


@pytest.mark.parametrize(
    ("data", "old", "new"),
    [
        (fat([INTEL, ARM]), None, None),
        (ARM, None, None),
        (fat([INTEL, ARM])[:-1], BEYOND + ", ", ARM_BEYOND),
        (fat([INTEL, ARM], fat64=True)[:-1], BEYOND, ARM_BEYOND),
        (fat([INTEL, ARM], hidden=True)[:-1], BEYOND, ARM_BEYOND),
        (fat([ARM], align=12), "slice is not page aligned, ", "slice is not page aligned"),
        (
            fat([ARM], archs=[Arch.named("x86_64")]),
            "cpu type in slice (0x0100000C) does not match fat header (0x01000007), ",
            "cpu type/subtype in slice (arm64) does not match fat header (x86_64)",
        ),
        (
            fat([INTEL], archs=[Arch.named("x86_64h")]),
            "cpu subtype in slice (0x00000003) does not match fat header (0x00000008), ",
            "cpu type/subtype in slice (x86_64) does not match fat header (x86_64h)",
        ),
        (fat([ARM, ARM]), None, "duplicate arm64 slices"),
        # big-endian slices are passed over, others must be Mach-O
        (entries((18, 0, 0x4000, 0x100)) + bytes(0x8000), None, None),
        (entries((7, 3, 0x4000, 0x100)) + bytes(0x8000), "file does not start with MH_MAGIC[_64], ", None),
        (entries((7, 3, 0x4000, 8)) + bytes(0x8000), "MachO header exceeds file length, ", None),
        (
            entries((7, 3, 0x9000, 8), (12, 9, 0x9000, 8)) + bytes(0x80),
            "slice 0 extends beyond end of file, slice 1 extends beyond end of file, ",
            "i386 slice extends beyond end of file",
        ),
        (
            entries((0x0100000C, 0, 0, 0)),
            "fat header malformed, architecture slices extend beyond end of file",
            "slice headers extend beyond end of file",
        ),
        (
            entries(count=128, fat64=True) + bytes(8000),
            "fat header too large: 128 entries",
            "fat file has too many slices (128)",
        ),
    ],
)  # fmt: skip
def test_fat_headers_by_release(data: bytes, old: str | None, new: str | None) -> None:
    file = universal(data)
    for macos in ("13", "15.3", "15.6"):
        # Diagnostics::error() appends to what an earlier call left (libplatform, _simple_vsprintf)
        assert fat_refusal(file, profile_for(V(macos)), MISSING) == (old and old + MISSING), macos
    assert fat_refusal(file, profile_for(V("26")), MISSING) == new
    assert fat_refusal(file, profile_for(V("11")), MISSING) is None


def test_macos_12_does_not_look_where_fat_headers_end() -> None:
    file = universal(entries((0x0100000C, 0, 0, 0)))
    assert fat_refusal(file, profile_for(V("12")), MISSING) != fat_refusal(file, profile_for(V("13")), MISSING)


def test_a_slice_that_cannot_be_walked_spoils_the_file() -> None:
    bad = dylib("/x", extra=[raw_command(c.LC_NOTE, b"", size=4)])
    text = fat_refusal(universal(fat([INTEL, bad])), profile_for(V("14")), MISSING)
    assert text is not None
    assert text.endswith("size (0x4) too small, " + MISSING)


def test_a_main_executable_that_is_sound_starts_everywhere() -> None:
    image = parsed(executable(sdk="26.0", minos="11.0"))
    assert [said(image, V(x), main=True) for x in RELEASES] == [None] * len(RELEASES)
