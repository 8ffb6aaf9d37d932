"""Which slice a process takes and what dyld says of the others (MachOFile.cpp, GradedArchitectures.cpp)."""

from __future__ import annotations

from typing import Any

import pytest

from machochain.dyld.slices import arch_name, best_slice, choose_slice, classic_choose_slice, grades, refusal
from machochain.macho.reader import read_bytes
from machochain.model.arch import CPU_ARM64, CPU_POWERPC, Arch
from machochain.model.image import FileType, Image, MachOFile, Slice
from machochain.model.platform import Platform
from machochain.model.search import Objection, ObjectionKind
from machochain.model.version import Version
from tests.dyld.processes import DYLD4, header, process
from tests.factory import MachO, build_version, bundle, dylib, executable, fat

ARM64E_V1 = Arch.of(CPU_ARM64, 0x81000002)
ARM64E_OLD = Arch.of(CPU_ARM64, 2)


def library(arch: str | Arch = "arm64", **more: Any) -> bytes:
    return dylib("/lib/x.dylib", arch=arch, **more)


def chosen(data: bytes, macos: str, arch: str = "arm64", **more: Any) -> str:
    found = choose_slice(read_bytes(data), process(macos, arch=Arch.named(arch), **more), "/lib/x.dylib")
    return found.text if isinstance(found, Objection) else f"takes {found.arch.name}"


def thin(have: str, need: str) -> str:
    return f"mach-o file, but is an incompatible architecture (have {have}, need {need})"


def universal(have: str, need: str) -> str:
    return f"fat file, but missing compatible architecture (have {have}, need {need})"


def image_of(data: bytes) -> Image:
    image = read_bytes(data).slices[0].image
    assert image is not None
    return image


# -- architectures --


@pytest.mark.parametrize(
    ("macos", "main", "haswell", "names"),
    [
        # dyld-957, MachOFile.cpp: GradedArchs::forCurrentOS(); DyldProcessConfig.cpp: getMainArchs()
        ("12.3", "arm64", True, ["arm64e", "arm64"]),
        ("12.3", "arm64e", True, ["arm64e"]),
        ("12.3", "x86_64", True, ["x86_64h", "x86_64"]),
        # dyld-1042.1 to 1122.1: osBinariesOnly, so arm64e counts for Apple's own files alone
        ("13", "arm64", True, ["arm64"]),
        ("14", "arm64", True, ["arm64"]),
        ("14", "arm64e", True, []),
        # dyld-1162
        ("14.4", "arm64", True, ["arm64e", "arm64"]),
        ("15.4", "arm64", True, ["arm64e", "arm64"]),
        ("15.4", "arm64e", True, ["arm64e"]),
        # dyld-1323.3, GradedArchitectures.cpp: load_arm64e_keysOff
        ("26", "arm64", True, ["arm64e", "arm64e.v1", "arm64", "arm64"]),
        ("26", "arm64e", True, ["arm64e"]),
        # isHaswell(): a process that Rosetta translates is on an older processor
        ("26", "x86_64", True, ["x86_64h", "x86_64"]),
        ("26", "x86_64", False, ["x86_64"]),
        ("11", "arm64", True, ["arm64"]),
    ],
)
def test_what_a_process_accepts_best_first(macos: str, main: str, haswell: bool, names: list[str]) -> None:
    assert [g.name for g in grades(process(macos, arch=Arch.named(main), haswell=haswell))] == names


@pytest.mark.parametrize(
    ("macos", "main", "slices", "takes"),
    [
        ("26", "arm64", ["x86_64", "arm64", "arm64e"], "arm64e"),
        ("15.4", "arm64", ["arm64", "arm64e"], "arm64e"),
        ("14", "arm64", ["arm64e", "arm64"], "arm64"),
        ("26", "arm64e", ["arm64", "arm64e"], "arm64e"),
        ("26", "x86_64", ["x86_64", "x86_64h"], "x86_64h"),
        ("26", "x86_64", ["arm64", "x86_64"], "x86_64"),
    ],
)
def test_the_best_slice_wins_wherever_it_stands(macos: str, main: str, slices: list[str], takes: str) -> None:
    data = fat([library(a) for a in slices])
    assert chosen(data, macos, main) == f"takes {takes}"
    assert best_slice(read_bytes(data), process(macos, arch=Arch.named(main))).arch.name == takes  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("macos", "main", "have", "reason"),
    [
        ("12.3", "arm64", "x86_64", thin("'x86_64'", "'arm64e'")),
        ("12.3", "x86_64", "arm64", thin("'arm64'", "'x86_64h'")),
        ("12.5", "arm64", "x86_64", thin("(x86_64)", "(arm64e)")),
        ("13", "arm64", "x86_64", thin("'x86_64'", "'arm64'")),
        ("13.3", "arm64", "arm64e", thin("'arm64e'", "'arm64'")),
        ("14.4", "arm64", "x86_64", thin("'x86_64'", "'arm64e' or 'arm64'")),
        ("15.4", "x86_64", "arm64", thin("'arm64'", "'x86_64h' or 'x86_64'")),
        ("26", "arm64", "x86_64", thin("'x86_64'", "'arm64e' or 'arm64e.v1' or 'arm64' or 'arm64'")),
        ("26", "arm64e", "arm64", thin("'arm64'", "'arm64e'")),
        ("26", "arm64", "arm64e", "takes arm64e"),
        ("12.3", "arm64", "arm64e", "takes arm64e"),
    ],
)
def test_a_thin_file_of_another_architecture(macos: str, main: str, have: str, reason: str) -> None:
    # MachOFile::compatibleSlice()
    assert chosen(library(have), macos, main) == reason


@pytest.mark.parametrize(
    ("macos", "reason"),
    [
        ("12", universal("'x86_64,x86_64h'", "'arm64e'")),
        ("12.5", universal("(x86_64,x86_64h)", "(arm64e)")),
        ("14", universal("'x86_64,x86_64h'", "'arm64'")),
        ("15", universal("'x86_64,x86_64h'", "'arm64e' or 'arm64'")),
        ("26", universal("'x86_64,x86_64h'", "'arm64e' or 'arm64e.v1' or 'arm64' or 'arm64'")),
    ],
)
def test_a_universal_file_without_a_fitting_slice(macos: str, reason: str) -> None:
    assert chosen(fat([library("x86_64"), library("x86_64h")]), macos) == reason


@pytest.mark.parametrize(
    ("arch", "names"),
    [
        # _s_archInfos of dyld-957, of dyld-1245.1; mach_o/Architecture.cpp of dyld-1284.13 on
        (Arch.named("x86_64h"), ("x86_64h", "x86_64h", "x86_64h")),
        (Arch.of(CPU_POWERPC, 0), ("unknown", "unknown", "ppc")),
        (Arch.of(12, 6), ("unknown", "unknown", "armv6")),
        (Arch.of(12, 15), ("unknown", "armv7m", "armv7m")),
        (Arch.named("arm64e"), ("arm64e", "arm64e", "arm64e")),
        (ARM64E_OLD, ("arm64e", "arm64e", "arm64e.old")),
        (ARM64E_V1, ("arm64e", "arm64e", "arm64e.v1")),
        (Arch.of(CPU_ARM64, 1), ("unknown", "unknown", "arm64")),
        (Arch.of(1, 2), ("unknown", "unknown", "unknown")),
    ],
)
def test_the_names_of_architectures(arch: Arch, names: tuple[str, str, str]) -> None:
    assert tuple(arch_name(arch, process(x).profile) for x in ("12.3", "15", "15.4")) == names


@pytest.mark.parametrize(("macos", "takes"), [("26", False), ("15.4", True), ("12.3", True)])
def test_only_macos_26_compares_the_capability_byte(macos: str, takes: bool) -> None:
    # dyld-1323.3, mach_o/Architecture.cpp: operator==
    assert (chosen(library(ARM64E_OLD), macos) == "takes arm64e") is takes


# -- what is no Mach-O, what is for another platform, what is no dylib --


@pytest.mark.parametrize("macos", DYLD4)
@pytest.mark.parametrize("image", [None])
def test_what_is_no_mach_o(macos: str, image: None) -> None:
    # dyld-1284.13: isMachO(); dyld-1245.1 and older: hasMachOMagic()
    file = MachOFile(False, False, (Slice(Arch.named("arm64"), 0, 100, 0, image, "x"),), 100)
    expected = "slice is not valid mach-o file" if Version.parse(macos) >= Version.of(15, 4) else "not a mach-o file"
    objection = Objection(ObjectionKind.NOT_MACH_O, expected)
    assert choose_slice(file, process(macos), "/x") == objection
    assert choose_slice(MachOFile(False, False, (), 0), process(macos), "/x") == objection


@pytest.mark.parametrize(
    ("macos", "platform", "name"),
    [
        ("26", Platform.IOS, "iOS"),
        ("26", Platform.MAC_CATALYST, "macCatalyst"),
        ("15", Platform.MAC_CATALYST, "MacCatalyst"),
        ("26", Platform.IOS_SIMULATOR, "iOS-simulator"),
        ("15", Platform.IOS_SIMULATOR, "iOS-sim"),
        ("26", Platform.DRIVERKIT, "driverKit"),
        ("26", 99, "future"),
        ("15", 99, "unknown"),
        ("14.3", Platform.VISIONOS, "unknown"),
        ("14.4", Platform.VISIONOS, "xrOS"),
        ("15", Platform.VISIONOS, "visionOS"),
        ("15", 16, "macOSExclaveKit"),
        ("15", 22, "unknown"),
        ("26", 22, "watchOS-exclaveKit"),
    ],
)
def test_another_platform_is_refused_by_name(macos: str, platform: int, name: str) -> None:
    assert chosen(library(platform=platform), macos) == (
        f"mach-o file (/lib/x.dylib), but incompatible platform (have '{name}', need 'macOS')"
    )


def test_macos_12_5_puts_platforms_in_brackets() -> None:
    assert chosen(library(platform=2), "12.5").endswith("incompatible platform (have (iOS), need (macOS))")


@pytest.mark.parametrize(
    ("process_platform", "have", "accepted"),
    [
        # dyld-1378, mach_o/UnsafeHeader.cpp: loadableIntoProcess()
        (Platform.MACOS, (1,), True),
        (Platform.MACOS, (1, 6), True),
        (Platform.MACOS, (6,), False),
        (Platform.MAC_CATALYST, (6,), True),
        (Platform.MAC_CATALYST, (1,), True),
        (Platform.MAC_CATALYST, (1, 6), True),
        (Platform.MAC_CATALYST, (2,), False),
        (Platform.IOS, (6,), True),
        (Platform.IOS, (1,), True),
        (Platform.IOS, (11,), True),
        (Platform.IOS_SIMULATOR, (1,), False),
    ],
)
def test_which_platform_goes_into_which_process(process_platform: int, have: tuple[int, ...], accepted: bool) -> None:
    data = library(build=[build_version(p, "14.0", "14.0") for p in have])
    assert (chosen(data, "26", platform=process_platform) == "takes arm64") is accepted


@pytest.mark.parametrize(("arch", "takes"), [("arm64", True), ("x86_64", True)])
def test_a_file_without_platform_counts_as_macos(arch: str, takes: bool) -> None:
    assert (chosen(library(arch, build=False), "26", arch) == f"takes {arch}") is takes


@pytest.mark.parametrize(
    ("data", "static", "reason"),
    [
        # dyld-1378, JustInTimeLoader.cpp: makeJustInTimeLoaderDisk()
        (library(), True, None),
        (bundle(), True, "cannot link against bundle '/f'"),
        (bundle(), False, None),
        (executable(), True, "cannot link against a main executable '/f'"),
        (executable(), False, None),
        (MachO(file_type=FileType.MH_DYLIB_STUB).bytes(), True, "unloadable mach-o file type 9 '/f'"),
        (MachO(file_type=FileType.MH_DSYM).bytes(), False, "unloadable mach-o file type 10 '/f'"),
    ],
)
def test_the_file_type_must_suit_the_request(data: bytes, static: bool, reason: str | None) -> None:
    objection = None if reason is None else Objection(ObjectionKind.WRONG_FILE_TYPE, reason)
    assert refusal(image_of(data), process("15"), "/f", static=static) == objection


# -- dyld2 --


def classic(data: bytes, *, static: bool = True, size: int | None = None, **more: Any) -> str:
    try:
        file: MachOFile | None = read_bytes(data)
    except Exception:  # noqa: BLE001  # whatever the reader says, dyld2 has its own words
        file = None
    config = process("11", **more)
    found = classic_choose_slice(file, config, "/f", data[:8], len(data) if size is None else size, static=static)
    return found.text if isinstance(found, Objection) else f"takes {found.arch.name}"


@pytest.mark.parametrize(
    ("data", "static", "reason"),
    [
        # dyld-852.2, dyld2.cpp: loadPhase6(), checkandAddImage()
        (library(), True, "takes arm64"),
        (library("x86_64"), True, "mach-o, but wrong architecture"),
        (library("arm64e"), True, "incompatible cpu-subtype: 0x00000002 in /f"),
        (fat([library("x86_64"), library("arm64")]), True, "takes arm64"),
        (fat([library("x86_64"), library("x86_64h")]), True, "no matching architecture in universal wrapper"),
        (bundle(), True, "not a dylib"),
        (bundle(), False, "takes arm64"),
        (MachO(file_type=FileType.MH_DSYM).bytes(), False, "mach-o, but wrong filetype"),
        (library(platform=2), True, "mach-o, but not built for platform macOS"),
        (b"hello, world" * 400, True, "unknown file type, first eight bytes: 0x68 0x65 0x6C 0x6C 0x6F 0x2C 0x20 0x77"),
        (b"short", True, "file too short"),
    ],
)
def test_what_dyld2_says_of_a_file(data: bytes, static: bool, reason: str) -> None:
    assert classic(data, static=static) == reason


def test_dyld2_measures_the_slice_it_needs() -> None:
    data = fat([library("x86_64"), library("arm64")])
    needed = read_bytes(data).slices[1]
    end = needed.offset + needed.size
    assert classic(data, size=end - 1) == (
        f"truncated fat file.  file length={end - 1}, but needed slice goes to {end}"
    )


def test_the_made_up_header_is_what_the_tables_think() -> None:
    assert header(arch="x86_64").arch.name == "x86_64"
