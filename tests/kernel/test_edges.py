"""Each rule of the kernel once just inside and once just outside."""

from __future__ import annotations

import struct
from typing import Any

import pytest

from machochain.kernel.blob import BadBlob, Directory, validate
from machochain.kernel.failure import Failure
from machochain.kernel.file import Program, check_fat, grade
from machochain.kernel.load import Context, Loaded, load
from machochain.kernel.memory import Memory, SegmentFields
from machochain.kernel.policy import restricted_entitlement
from machochain.kernel.verdict import default_host
from machochain.kernel.words import errno_text, refused_text
from machochain.model.arch import CPU_ARM64, CPU_ARM64_32, CPU_X86, CPU_X86_64, Arch
from machochain.model.execution import ExecRule, Host, Launcher
from machochain.model.version import Version
from tests.factory import executable, fat, raw_command, string_command
from tests.kernel.asking import AS, INTEL, ask, edited, outcome, unixthread
from tests.kernel.signing import blob, directory, place, resigned, sealed, superblob

NOW = Version.of(26)
GIB4 = 1 << 32


def arm(**more: Any) -> bytes:
    return executable(**more)


def intel(**more: Any) -> bytes:
    return executable(arch="x86_64", **more)


# -- grades --


@pytest.mark.parametrize(
    ("arch", "host", "expected"),
    [
        (Arch.of(CPU_ARM64, 0), Host.APPLE_SILICON, 9),
        (Arch.of(CPU_ARM64, 1), Host.APPLE_SILICON, 10),
        (Arch.of(CPU_ARM64, 2), Host.APPLE_SILICON, 12),
        (Arch.of(CPU_ARM64, 0x80000002), Host.APPLE_SILICON, 12),
        (Arch.of(CPU_ARM64, 0x81000002), Host.APPLE_SILICON, 11),
        (Arch.of(CPU_ARM64, 3), Host.APPLE_SILICON, 0),
        (Arch.of(CPU_ARM64_32, 1), Host.APPLE_SILICON, 0),
        (Arch.of(CPU_X86_64, 3), Host.APPLE_SILICON, 0),
        (Arch.of(CPU_X86_64, 3), Host.INTEL, 2),
        (Arch.of(CPU_X86_64, 0x80000003), Host.INTEL, 2),
        (Arch.of(CPU_X86_64, 8), Host.INTEL, 3),
        (Arch.of(CPU_X86_64, 4), Host.INTEL, 0),
        (Arch.of(CPU_X86, 3), Host.INTEL, 0),
        (Arch.of(CPU_ARM64, 0), Host.INTEL, 0),
    ],
)
def test_grades(arch: Arch, host: Host, expected: int) -> None:
    assert grade(arch, host) == expected


def test_the_first_of_equal_grades_is_taken() -> None:
    other = Arch.of(CPU_X86_64, 0x80000003)
    data = fat([intel(), intel(flags=0)], archs=[Arch.of(CPU_X86_64, 3), other])
    # the second one's own header says another subtype, so it would be refused
    assert outcome(data, INTEL) == "D"


def test_there_is_no_second_choice() -> None:
    assert outcome(fat([arm(), executable(arch="arm64e")]), AS, "15") == "K85"
    assert outcome(fat([arm(), executable(arch="arm64e")]), AS, "15", arch="arm64") == "D"


def test_a_hidden_slice_is_none_for_the_kernel() -> None:
    data = fat([intel(), arm()], hidden=True)
    assert ask(data, AS).translated
    assert outcome(data, AS, installed=False) == "E86"


def test_capability_bits_tell_slices_apart() -> None:
    one = fat([intel(), intel()], archs=[Arch.of(CPU_X86_64, 3), Arch.of(CPU_X86_64, 0x80000003)])
    assert outcome(one, INTEL) == "D"
    assert outcome(fat([intel(), intel()]), INTEL) == "E88"


# -- the fat header --


def fat_of(*places: tuple[int, int], size: int | None = None, macos: str = "26") -> str:
    """A universal file with x86_64 in the first place, and arm64_32 in the others, which nobody runs."""
    image = intel()
    out = bytearray(struct.pack(">II", 0xCAFEBABE, len(places)))
    for n, (offset, length) in enumerate(places):
        arch = (CPU_X86_64, 3) if n == 0 else (CPU_ARM64_32, n)
        out += struct.pack(">5I", *arch, offset, length, 12)
    out = out.ljust(size or max(o + n for o, n in places), b"\0")
    out[places[0][0] : places[0][0] + len(image)] = image
    return outcome(bytes(out), INTEL, macos)


SIZE = len(intel())


@pytest.mark.parametrize(
    ("places", "size", "macos", "expected"),
    [
        ([(0x1000, SIZE), (0x1000 + SIZE, 0x10)], None, "26", "D"),
        ([(0x1000, SIZE), (0x1000 + SIZE - 1, 0x10)], None, "26", "E88"),
        ([(0x2000, SIZE), (0x2000 - 0x10, 0x10)], None, "26", "D"),
        ([(0x2000, SIZE), (0x2000 - 0x10, 0x11)], None, "26", "E88"),
        ([(0x1000, SIZE), (0x8, 0x10)], None, "26", "E88"),
        ([(0x1000, SIZE), (0x30, 0x10)], None, "26", "D"),
        ([(0x1000, SIZE), (0x2F, 0x10)], None, "26", "E88"),
        ([(0x1000, SIZE), (0xFFFFFFF0, 0x10)], 0x20000, "12", "E88"),
        ([(0x1000, SIZE), (0x20000, 0x10)], 0x20010, "12.3", "D"),
        ([(0x1000, SIZE), (0x20000, 0x11)], 0x20010, "12", "D"),
        ([(0x1000, SIZE), (0x20000, 0x11)], 0x20010, "12.3", "E88"),
    ],
)
def test_slices_in_a_file(places: list[tuple[int, int]], size: int | None, macos: str, expected: str) -> None:
    assert fat_of(*places, size=size, macos=macos) == expected


@pytest.mark.parametrize(
    ("count", "host", "fits"),
    [
        (204, Host.INTEL, True),
        (205, Host.INTEL, False),
        (818, Host.APPLE_SILICON, True),
        (819, Host.APPLE_SILICON, False),
    ],
)
def test_the_first_page_holds_so_many_slices(count: int, host: Host, *, fits: bool) -> None:
    out = bytearray(struct.pack(">II", 0xCAFEBABE, count))
    for n in range(count):
        out += struct.pack(">5I", CPU_ARM64_32, n, 0x40000 + n, 1, 0)
    found = check_fat(Program(bytes(out), 0x50000, ()), host, NOW)
    assert (found is None) is fits
    assert found is None or found.rule is ExecRule.TOO_MANY_SLICES


# -- header and commands --


def test_load_commands_may_end_where_the_file_ends() -> None:
    data = arm(signed=False)
    end = 32 + int.from_bytes(data[20:24], "little")
    found = load(data[:end], Context(NOW, 0x4000, 0, end))
    assert isinstance(found, Failure)
    assert found.rule is ExecRule.SEGMENT_BEHIND_END
    found = load(data[:end], Context(NOW, 0x4000, 0, end - 1))
    assert isinstance(found, Failure)
    assert found.rule is ExecRule.COMMANDS_BEHIND_END


def test_fewer_commands_than_there_are_hide_the_rest() -> None:
    data = arm(extra=(string_command(0xE, "/usr/lib/dyld"),))
    count = int.from_bytes(data[16:20], "little")
    assert outcome(sealed(data)) == "K85"
    assert outcome(sealed(data[:16] + struct.pack("<I", count - 1) + data[20:])) == "D"


def test_commands_need_no_alignment_and_unknown_ones_are_passed_over() -> None:
    assert outcome(arm(extra=(struct.pack("<II", 0x80000099, 13) + b"x" * 5,))) == "D"


@pytest.mark.parametrize(("payload", "expected"), [(0, "K88"), (15, "K88"), (16, "D")])
def test_a_uuid_has_16_bytes(payload: int, expected: str) -> None:
    command = struct.pack("<II", 0x1B, 8 + payload) + b"u" * payload
    assert outcome(arm(uuid=None, extra=(command,))) == expected


@pytest.mark.parametrize(
    ("stack", "expected"),
    [(0, "D"), (0x800000, "D"), (0x7FFFFFE00001, "K12"), (0xFFFFFFFFFFFEFFFF, "K12"), (0xFFFFFFFFFFFF0000, "K88")],
)
def test_stacks(stack: int, expected: str) -> None:
    assert outcome(sealed(edited(arm(), 0x80000028, 16, struct.pack("<Q", stack)))) == expected


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (unixthread("arm64"), "D"),
        (unixthread("arm64", pc=0), "K85"),
        (unixthread("arm64", pc=0x1_0000_8000), "K85"),
        (unixthread("arm64", flavor=1, words=17), "K85"),
        (unixthread("arm64", flavor=1, words=68), "K85"),
        (unixthread("arm64", words=67), "K85"),
        (raw_command(0x5, b""), "K88"),
        (raw_command(0x5, struct.pack("<II", 6, 69) + bytes(272)), "K88"),
        (raw_command(0x5, struct.pack("<II", 6, 0xFFFFFFFF) + bytes(272)), "K88"),
    ],
)
def test_thread_states(command: bytes, expected: str) -> None:
    assert outcome(arm(entry=None, extra=(command,))) == expected


@pytest.mark.parametrize(
    ("name", "expected"), [("/usr/lib/dyld", "D"), ("/usr/lib/dyld2", "K88"), ("usr/lib/dyld", "K88"), ("", "K88")]
)
def test_there_is_one_dylinker(name: str, expected: str) -> None:
    data = arm()
    raw = string_command(0xE, name)
    at = 32
    while data[at] != 0xE:
        at += int.from_bytes(data[at + 4 : at + 8], "little")
    room = int.from_bytes(data[at + 4 : at + 8], "little")
    text = raw[12:].rstrip(b"\0").ljust(room - 12, b"\0")
    assert outcome(sealed(data[: at + 12] + text + data[at + room :])) == expected


def test_a_name_that_does_not_end_is_none() -> None:
    data = edited(arm(), 0xE, 12, b"/" * 20)
    assert outcome(sealed(data)) == "K88"
    assert outcome(sealed(edited(arm(), 0xE, 8, struct.pack("<I", 400)))) == "K88"


@pytest.mark.parametrize(
    ("kind", "size", "macos", "expected"),
    [
        (0, 0x1000, "26", "D"),
        (1, 0, "26", "D"),
        (0x10, 0x1000, "26", "D"),
        (0x11, 0x1000, "26", "K88"),
        (1, 0x1000, "26", "K80"),
        (1, 0x4000000, "26", "K88"),
    ],
)
def test_encryption(kind: int, size: int, macos: str, expected: str) -> None:
    assert outcome(arm(extra=(raw_command(0x2C, struct.pack("<4I", 0, size, kind, 0)),)), AS, macos) == expected


# -- segments --


def fields(name: str = "__X", **more: int) -> SegmentFields:
    return SegmentFields(
        **{
            "command_index": 0, "name": name, "vmaddr": 0, "vmsize": 0, "fileoff": 0, "filesize": 0, "maxprot": 0,
            "initprot": 0, "section_count": 0, "flags": 0, **more,
        }  # type: ignore[arg-type]
    )  # fmt: skip


def rules(
    *segments: SegmentFields, page: int = 0x4000, offset: int = 0, size: int = 0x20000, macos: Version = NOW
) -> list[ExecRule | None]:
    memory = Memory(page, offset, size, macos)
    found = [memory.add(x, 0) for x in segments]
    return [x.rule if x is not None else None for x in found]


ZERO = fields("__PAGEZERO", vmsize=GIB4)
TEXT = fields("__TEXT", vmaddr=GIB4, vmsize=0x8000, filesize=0x8000, maxprot=5, initprot=5)


@pytest.mark.parametrize(
    ("segments", "expected"),
    [
        ([ZERO, TEXT], [None, None]),
        ([TEXT, ZERO], [None, None]),
        ([fields(vmaddr=0x4000, vmsize=0x4000, initprot=3, maxprot=3), ZERO], [None, ExecRule.PAGE_ZERO_LATE]),
        ([ZERO, fields("__PAGEZERO", vmsize=0x4000)], [None, ExecRule.PAGE_ZERO_LATE]),
        ([ZERO, fields(vmaddr=GIB4 - 0x4000, vmsize=0x4000, initprot=3)], [None, ExecRule.SEGMENT_OVERLAP]),
        ([ZERO, fields(vmaddr=GIB4, vmsize=0x4000, initprot=3)], [None, None]),
        ([ZERO, TEXT, fields(vmaddr=GIB4 + 0x8000, vmsize=1, initprot=3)], [None, None, None]),
        ([ZERO, TEXT, fields(vmaddr=GIB4 + 0x7FFF, vmsize=1, initprot=3)], [None, None, ExecRule.SEGMENT_OVERLAP]),
        # the file is mapped in whole pages, even past the end of the addresses
        (
            [
                ZERO,
                fields("__TEXT", vmaddr=GIB4, vmsize=0x4000, filesize=0x8000, initprot=5),
                fields(vmaddr=GIB4 + 0x4000, vmsize=0x4000, initprot=3),
            ],
            [None, None, ExecRule.SEGMENT_OVERLAP],
        ),
        ([fields(vmaddr=0x7FFFFFDFC000, vmsize=0x4000, initprot=3)], [None]),
        ([fields(vmaddr=0x7FFFFFE00000, vmsize=0x4000, initprot=3)], [ExecRule.SEGMENT_ADDRESS]),
        ([fields(vmaddr=0xFFFFFFFFFFFFC000, vmsize=0x4000, initprot=3)], [ExecRule.SEGMENT_ADDRESS]),
        ([fields(fileoff=0x20000)], [None]),
        ([fields(fileoff=0x20000, filesize=1)], [ExecRule.SEGMENT_BEHIND_END]),
        ([fields(fileoff=0xFFFFFFFFFFFFC000, filesize=0x8000)], [ExecRule.SEGMENT_BEHIND_END]),
        ([fields(fileoff=0x2000)], [ExecRule.SEGMENT_ALIGNMENT]),
        ([fields(section_count=1)], [ExecRule.SECTION_COUNT]),
        ([fields(vmaddr=GIB4, vmsize=0x4000, flags=0x10), fields(vmaddr=2 * GIB4, vmsize=0, flags=0x10)], [None, None]),
    ],
)
def test_segments(segments: list[SegmentFields], expected: list[ExecRule | None]) -> None:
    assert rules(*segments) == expected


@pytest.mark.parametrize(
    ("page", "offset", "expected"),
    [
        (0x4000, 0x8000, None),
        (0x4000, 0xA000, ExecRule.SEGMENT_ALIGNMENT),
        (0x1000, 0xA000, None),
        (0x1000, 0x800, ExecRule.SEGMENT_ALIGNMENT),
    ],
)
def test_what_counts_is_the_place_in_the_whole_file(page: int, offset: int, expected: ExecRule | None) -> None:
    assert rules(fields(), page=page, offset=offset) == [expected]


def test_protection_begins_behind_three_small_pages() -> None:
    inside = fields(vmaddr=GIB4, vmsize=0x4000, filesize=0x3000, flags=8, initprot=5)
    outside = fields(vmaddr=GIB4, vmsize=0x4000, filesize=0x3001, flags=8, initprot=5)
    assert rules(inside, page=0x1000) == [None]
    assert rules(outside, page=0x1000) == [ExecRule.PROTECTED_SEGMENT]


def test_many_segments_take_no_time_and_are_not_judged() -> None:
    memory = Memory(0x1000, 0, 0x1000, NOW)
    many = [fields(vmaddr=GIB4 + (9000 - n) * 0x1000, vmsize=0x1000, initprot=3) for n in range(9000)]
    found = [memory.add(x, 0) for x in many]
    assert found[4095] is None
    last = found[-1]
    assert last is not None
    assert last.unknown


# -- signatures --


def directory_of(data: bytes, macos: Version = NOW, shift: int = 14) -> Directory | ExecRule:
    found = validate(data, macos, shift)
    return found.rule if isinstance(found, BadBlob) else found


BODY = b"x" * 0x2000


def plain(**more: Any) -> bytes:
    return directory(BODY, limit=len(BODY), **more)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (superblob([(0, plain())]), 2),
        (plain(), 2),
        (superblob([(0, plain(hash_type=1)), (0x1000, plain())]), 2),
        (superblob([(0, plain()), (0x1000, plain(hash_type=4))]), 4),
        (superblob([(0, plain(hash_type=3)), (0x1000, plain(hash_type=1))]), 3),
        (superblob([(0, plain()), (0x1000, plain())]), ExecRule.TWO_CODE_DIRECTORIES),
        (superblob([(0, plain(hash_type=1)), (0x1000, plain(hash_type=1))]), ExecRule.TWO_CODE_DIRECTORIES),
        # only the best is compared with: two lesser ones behind it pass
        (superblob([(0, plain()), (0x1000, plain(hash_type=1)), (0x1001, plain(hash_type=1))]), 2),
        (superblob([(0, plain()), (0x1005, plain())]), 2),
        (superblob([(5, blob(0xFADE7171, b""))]), ExecRule.SIGNATURE_BLOB),
        (superblob([(0, plain()), (5, blob(0xFADE7171, b"")), (5, blob(0xFADE7171, b""))]), ExecRule.SIGNATURE_BLOB),
        (superblob([(0, plain()), (5, blob(0xFADE7172, b""))]), ExecRule.SIGNATURE_BLOB),
        (superblob([(0, plain()), (7, blob(0xFADE7172, b""))]), 2),
        (superblob([(0, plain()), (0x10000, b"\xfa\xde\x0b\x01\0\0\xff\xff")]), ExecRule.SIGNATURE_BLOB),
        (superblob([(0, plain(shift=14))]), 2),
        (superblob([(0, plain(shift=13))]), ExecRule.SIGNATURE_PAGE_SIZE),
        (superblob([(0, plain(shift=11))]), ExecRule.SIGNATURE_PAGE_SIZE),
        (b"", ExecRule.SIGNATURE_BLOB),
        (superblob([(0, plain())])[:-1], ExecRule.SIGNATURE_BLOB),
        (superblob([(0, plain())]) + b"padding", 2),
        (superblob([(0, plain()[:107])]), ExecRule.SIGNATURE_BLOB),
        (superblob([(0, blob(0xFADE0C02, plain()[8:107]))]), ExecRule.CODE_DIRECTORY),
    ],
)
def test_signatures(data: bytes, expected: int | ExecRule) -> None:
    found = directory_of(data)
    assert (found.hash_type if isinstance(found, Directory) else found) == expected


def test_pages_of_16_kib_are_the_kernels_on_apple_silicon_only() -> None:
    data = superblob([(0, plain(shift=14))])
    assert isinstance(directory_of(data, shift=14), Directory)
    assert directory_of(data, shift=12) is ExecRule.SIGNATURE_PAGE_SIZE


def test_the_library_constraint_counts_from_macos_14_on() -> None:
    data = superblob([(0, plain()), (11, blob(0xFADE0000, b""))])
    assert isinstance(directory_of(data, Version.of(13, 3)), Directory)
    assert directory_of(data, Version.of(14)) is ExecRule.SIGNATURE_BLOB


def test_a_signature_of_a_million_blobs_takes_no_time() -> None:
    part = (0x1000, plain(hash_type=1))
    assert isinstance(directory_of(superblob([(0, plain()), *[part] * 255])), Directory)
    assert directory_of(superblob([(0, plain()), *[part] * 256])) is ExecRule.SIGNATURE_BLOB


def test_bytes_without_a_hash_do_not_fit_it() -> None:
    data = arm()
    short = superblob([(0, directory(data, limit=0x100))])
    assert outcome(resigned(data, short)) == "K85"
    whole = superblob([(0, directory(data, limit=0x1000))])
    assert place(data) > 0x1000
    assert outcome(resigned(data, whole)) == "D"


def test_nothing_is_hashed_when_nobody_wants_it() -> None:
    data = arm()
    assert outcome(data[:0x900] + b"\1" + data[0x901:], pages=False) == "D"


def test_a_bare_code_directory_is_a_signature() -> None:
    data = arm()
    assert outcome(resigned(data, directory(data))) == "D"


@pytest.mark.parametrize(
    ("entitlements", "expected"),
    [
        ({}, None),
        ({"com.apple.security.app-sandbox": True}, None),
        ({"com.apple.developer.team-identifier": "T"}, "com.apple.developer.team-identifier"),
        ({"com.apple.private.x": False}, None),
        ({"keychain-access-groups": ["T.x"]}, "keychain-access-groups"),
        ({"com.apple.developer.hardened-process": True}, None),
        ({"com.apple.vm.hypervisor": True}, None),
        ({"com.apple.vm.networking": True}, "com.apple.vm.networking"),
    ],
)
def test_which_entitlements_need_a_profile(entitlements: dict[str, Any], expected: str | None) -> None:
    assert restricted_entitlement(entitlements) == expected


# -- hosts, Rosetta, words --


@pytest.mark.parametrize(
    ("macos", "host"), [("26", Host.INTEL), ("27", Host.APPLE_SILICON), ("28", Host.APPLE_SILICON)]
)
def test_intel_code_is_for_intel_macs_while_there_are_any(macos: str, host: Host) -> None:
    assert default_host(True, Version.parse(macos)) is host
    assert default_host(False, Version.parse(macos)) is Host.APPLE_SILICON


@pytest.mark.parametrize(
    ("macos", "installed", "expected"),
    [
        ("26", None, "D"),
        ("27", None, "D"),
        ("27", True, "D"),
        ("27", False, "E86"),
        ("28", None, "E86"),
        ("28", True, "D"),
    ],
)
def test_rosetta_ends(macos: str, installed: bool | None, expected: str) -> None:
    assert outcome(intel(), AS, macos, installed=installed) == expected


def test_only_words_and_signals_differ_between_launchers() -> None:
    broken = arm(flags=0x85)
    shell, spawn = ask(broken), ask(broken, launcher=Launcher.SPAWN)
    assert (shell.errno, shell.signal, spawn.errno, spawn.signal) == (None, "SIGKILL", 85, None)
    assert (shell.shell_text, shell.spawn_text) == (spawn.shell_text, spawn.spawn_text)
    assert shell.shell_text == "zsh: killed     ./x"
    assert shell.spawn_text == "posix_spawn: error 85 (Bad executable (or shared library))"
    refused = ask(arm(), INTEL), ask(arm(), INTEL, launcher=Launcher.SPAWN)
    assert [x.errno for x in refused] == [86, 86]
    unsigned = ask(arm(signed=False), launcher=Launcher.SPAWN)
    assert (unsigned.errno, unsigned.signal) == (None, "SIGKILL")


def test_errors_read_as_macos_writes_them() -> None:
    assert errno_text(88) == "Malformed Mach-o file"
    assert errno_text(200) == "Unknown error: 200"
    assert refused_text(86, "./x") == "zsh: bad CPU type in executable: ./x"


@pytest.mark.parametrize(
    "data", [bytes(0x100), b"\xcf\xfa\xed\xfe", b"\xca\xfe\xba\xbe\0\0\0\1", b"#!/bin/sh\n" + bytes(0x100)]
)
def test_what_is_no_program_is_refused(data: bytes) -> None:
    found = ask(data)
    assert found.starts is False


def test_a_loaded_program_is_told_by_its_facts() -> None:
    data = arm(platform=1)
    found = load(data, Context(NOW, 0x4000, 0, len(data)))
    assert isinstance(found, Loaded)
    assert (found.platform, found.static, found.writable_code) == (1, False, None)
