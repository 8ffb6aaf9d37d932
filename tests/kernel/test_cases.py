"""What becomes of a program, by what is wrong with it: Apple silicon, Intel, Rosetta, on every macOS."""

from __future__ import annotations

import struct
from typing import Any

import pytest

from machochain.model.arch import CPU_ARM64, CPU_X86_64, Arch
from machochain.model.image import FileType
from tests.factory import MachO, build_version, dylib, executable, fat, raw_command, string_command, version_min
from tests.kernel.asking import AS, INTEL, RELEASES, ROSETTA, Case, edited, outcome, unixthread
from tests.kernel.signing import repaged, sealed

PIE, DYLDLINK, TWOLEVEL, NOUNDEFS = 0x200000, 4, 0x80, 1
PLAIN = PIE | DYLDLINK | TWOLEVEL | NOUNDEFS
PREVIEW, VERSION_1 = Arch.of(CPU_ARM64, 0x80000002), Arch.of(CPU_ARM64, 0x81000002)


def arm(**more: Any) -> bytes:
    return executable(arch="arm64", **more)


def intel(**more: Any) -> bytes:
    return executable(arch="x86_64", **{"signed": True, **more})


def two(first: bytes, second: bytes, **more: Any) -> bytes:
    return fat([first, second], **more)


def fat_field(data: bytes, entry: int, field: int, value: int) -> bytes:
    at = 8 + entry * 20 + field * 4
    return data[:at] + struct.pack(">I", value) + data[at + 4 :]


def cut(data: bytes, behind: int) -> bytes:
    return data[: len(data) - behind]


def tweaked(segment: str, arch: str = "arm64", **fields: Any) -> bytes:
    return executable(arch=arch, signed=True, tweak={segment: fields})


def each(segment: str, **fields: Any) -> bytes:
    return fat([tweaked(segment, "arm64", **fields), tweaked(segment, "x86_64", **fields)])


def blob_at(data: bytes) -> int:
    count, at = int.from_bytes(data[16:20], "little"), 32
    for _ in range(count):
        number, size = struct.unpack_from("<II", data, at)
        if number == 0x1D:
            return int.from_bytes(data[at + 8 : at + 12], "little")
        at += size
    raise AssertionError


def signature_byte(data: bytes, offset: int, value: int) -> bytes:
    """Change a byte of the code directory."""
    start = blob_at(data)
    at = start + int.from_bytes(data[start + 16 : start + 20], "big") + offset
    return data[:at] + bytes([value]) + data[at + 1 :]


def changed(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :]


def without_command(data: bytes, number: int) -> bytes:
    """Make the kernel pass a command over: a number nobody knows stands in its place."""
    count, at = int.from_bytes(data[16:20], "little"), 32
    for _ in range(count):
        cmd, size = struct.unpack_from("<II", data, at)
        if cmd == number:
            return data[:at] + struct.pack("<I", 0x7F) + data[at + 4 :]
        at += size
    raise AssertionError


def pair(**more: Any) -> bytes:
    return fat([executable(arch=a, **{"signed": True, **more}) for a in ("arm64", "x86_64")])


TWO_VERSIONS = (build_version(1, "12.0", "15.0"), build_version(6, "15.0", "15.0"))
STACK = struct.pack("<Q", 0xFFFFFFFFFFFFF000)
THREAD = {"arm64": unixthread("arm64"), "x86_64": unixthread("x86_64")}


def per_arch(commands: dict[str, bytes], **more: Any) -> bytes:
    return fat([executable(arch=a, signed=True, extra=(commands[a],), **more) for a in ("arm64", "x86_64")])


XML = b'<?xml version="1.0"?><plist version="1.0"><dict>%s</dict></plist>'


def entitled(*keys: str, **more: Any) -> bytes:
    body = "".join(f"<key>{k}</key><true/>" for k in keys).encode()
    return pair(entitlements=XML % body, **more)


CASES = {
    "1 arm64 signed ad hoc": Case(arm, "D", "E86"),
    "1 arm64 linker-signed": Case(lambda: arm(cs_flags=0x20002), "D", "E86"),
    "2 arm64 unsigned": Case(lambda: arm(signed=False), "S8", "E86"),
    "3 x86_64 signed": Case(intel, None, "D", "D"),
    "3 x86_64 unsigned": Case(lambda: intel(signed=False), None, "D", "D"),
    "4 fat arm64 and x86_64": Case(lambda: two(arm(), intel()), "D", "D", "D"),
    "5 fat64": Case(lambda: two(arm(), intel(), fat64=True), "E8", "E8", "E8"),
    "6 fat with x86_64 only": Case(lambda: fat([intel()]), None, "D", "D"),
    "7 fat with two equal slices": Case(lambda: fat([arm(), intel(), intel()]), "E88", "E88", "E88"),
    "8 fat with overlapping slices": Case(
        lambda: fat_field(two(arm(), intel()), 0, 3, 0x20000), "E88", "E88", "E88"
    ),
    "9 fat whose arm64 slice ends behind the file": Case(
        lambda: cut(two(intel(), arm()), 1), {"11": "K88", "12.3": "E88"}, {"11": "D", "12.3": "E88"}
    ),
    "10 fat entry with another subtype than the slice": Case(
        lambda: fat([arm(), intel()], archs=[Arch.of(CPU_ARM64, 1), Arch.of(CPU_X86_64, 8)]), "E86", "E86"
    ),
    "11 fat with the arm64 slice at 4 KiB": Case(lambda: fat([intel(), arm()], align=12), "K88", "D", "D"),
    "12 fat i386 and x86_64": Case(lambda: fat([executable(arch="i386"), intel()]), None, "D", "D"),
    "13 fat arm64e of the preview ABI and arm64": Case(
        lambda: fat([executable(arch=PREVIEW), arm()]), {"11": "K85", "26": "?"}, "E86"
    ),
    "14 fat arm64e of the preview ABI and x86_64": Case(
        lambda: fat([executable(arch=PREVIEW), intel()]), {"11": "K85", "26": "?"}, "D", "D"
    ),
    "15 arm64e of ABI version 1": Case(lambda: executable(arch=VERSION_1), "D", "E86"),
    "16 arm64 subtype 1": Case(lambda: executable(arch=Arch.of(CPU_ARM64, 1)), "D", "E86"),
    "16 arm64 subtype 7": Case(lambda: executable(arch=Arch.of(CPU_ARM64, 7)), "E86", "E86"),
    "17 i386": Case(lambda: executable(arch="i386"), "E86", "E86"),
    "17 ppc": Case(lambda: b"\xfe\xed\xfa\xce\0\0\0\x12" + bytes(4) + b"\0\0\0\2" + bytes(4096), "E86", "E86"),
    "18 a dylib": Case(lambda: dylib("/x"), "E8", "E8"),
    "18 a dSYM": Case(lambda: MachO(file_type=FileType.MH_DSYM).bytes(), "E8", "E8"),
    "19 ELF": Case(lambda: b"\x7fELF" + bytes(4096), "E8", "E8"),
    "19 an empty file": Case(bytes, "E8", "E8"),
    "20 arm64 without MH_PIE": Case(lambda: arm(flags=PLAIN & ~PIE), "K85", "E86"),
    "21 x86_64 without MH_PIE": Case(lambda: intel(flags=PLAIN & ~PIE), None, "D", "D"),
    "22 static": Case(
        lambda: fat([
            without_command(executable(arch=a, signed=False, flags=1, entry="unixthread"), 0xE)
            for a in ("arm64", "x86_64")
        ]), "K85", "D", "?",
    ),
    "23 sizeofcmds behind the file": Case(
        lambda: fat([x[:20] + struct.pack("<I", 0x7000000) + x[24:] for x in (arm(), intel())]), "K88", "K88", "K88"
    ),
    "23 ncmds too large": Case(
        lambda: fat([x[:16] + struct.pack("<I", 900) + x[20:] for x in (arm(), intel())]), "K88", "K88", "K88"
    ),
    "23 cmdsize 4": Case(
        lambda: fat([edited(x, 0x1B, 4, b"\4\0\0\0") for x in (arm(), intel())]), "K88", "K88", "K88"
    ),
    "24 LC_SEGMENT in a 64-bit file": Case(
        lambda: pair(extra=(raw_command(0x1, bytes(48)),)), "K88", "K88", "K88"
    ),
    "25 too many sections": Case(
        lambda: fat([sealed(edited(x, 0x19, 64, b"\xff\0\0\0", nth=1)) for x in (arm(), intel())]), "K88", "K88", "K88"
    ),
    "26 zippered program": Case(lambda: pair(build=TWO_VERSIONS), "K88", "K88", "K88"),
    "26 macOS twice": Case(lambda: pair(build=(TWO_VERSIONS[0], TWO_VERSIONS[0])), "K88", "K88", "K88"),
    "26 with LC_VERSION_MIN_MACOSX": Case(
        lambda: pair(build=(TWO_VERSIONS[0], version_min("12.0", "15.0"))), "K88", "K88", "K88"
    ),
    "27 LC_UUID of 16 bytes": Case(
        lambda: pair(uuid=None, extra=(raw_command(0x1B, bytes(8)),)), "K88", "K88", "K88"
    ),
    "27 no LC_UUID": Case(lambda: pair(uuid=None), "D", "D", "D"),
    "28 LC_MAIN of 16 bytes": Case(
        lambda: pair(entry=None, extra=(raw_command(0x80000028, bytes(8)),)), "K88", "K88", "K88"
    ),
    "28 a stack that overflows": Case(
        lambda: fat([sealed(edited(x, 0x80000028, 16, STACK)) for x in (arm(), intel())]),
        "K88", "K88", "K88",
    ),
    "29 LC_MAIN twice": Case(
        lambda: pair(extra=(raw_command(0x80000028, bytes(16)),)), "K85", "K85", "K85"
    ),
    "29 LC_MAIN and LC_UNIXTHREAD": Case(lambda: per_arch(THREAD), "K85", "K85", "K85"),
    "30 no entry": Case(lambda: pair(entry=None), "K85", "K85", "K85"),
    "31 no LC_LOAD_DYLINKER": Case(
        lambda: fat([without_command(x, 0xE) for x in (arm(), intel())]), "K85", "K85", "K85"
    ),
    "31 two of them": Case(lambda: pair(extra=(string_command(0xE, "/usr/lib/dyld"),)), "K85", "K85", "K85"),
    "32 another dylinker": Case(
        lambda: fat([sealed(edited(x, 0xE, 12 + 12, b"x")) for x in (arm(), intel())]), "K88", "K88", "K88"
    ),
    "33 a page zero of 16 KiB": Case(lambda: each("__PAGEZERO", vmsize=0x4000), "K88", "D", "D"),
    "34 no page zero": Case(lambda: each("__PAGEZERO", vmsize=0), "K88", "K88", "K88"),
    "34 a page zero one may read": Case(lambda: each("__PAGEZERO", initprot=1, vmsize=0x4000), "K88", "K88", "K88"),
    "34 a page zero whose protection may be raised": Case(
        lambda: each("__PAGEZERO", maxprot=7, vmsize=0x4000), "K88", "K88", "K88"
    ),
    "35 __TEXT rw-": Case(lambda: each("__TEXT", initprot=3), "K88", "K88", "K88"),
    "36 __TEXT rwx": Case(lambda: each("__TEXT", initprot=7, maxprot=7), "?", "D", "D"),
    "37 the header in no segment": Case(lambda: each("__TEXT", fileoff=0x4000, filesize=0), "K88", "K88", "K88"),
    "38 two segments map the header": Case(
        lambda: each("__DATA", fileoff=0, initprot=5), "K88", "K88", "K88"
    ),
    "39 __DATA behind the file": Case(lambda: each("__DATA", filesize=0x4000000), "K88", "K88", "K88"),
    "39 __LINKEDIT behind the file": Case(lambda: each("__LINKEDIT", filesize=0x4000000), "K88", "K88", "K88"),
    "40 __DATA on __TEXT": Case(lambda: each("__DATA", vmaddr=0x1_0000_0000), "K12", "K12", "K12"),
    "41 __LINKEDIT without addresses": Case(lambda: each("__LINKEDIT", vmsize=0), "D", "D", "D"),
    "42 two SG_READ_ONLY segments": Case(
        lambda: fat([
            executable(arch=a, signed=True, tweak={"__DATA": {"flags": 0x10}, "__LINKEDIT": {"flags": 0x10}})
            for a in ("arm64", "x86_64")
        ]), {"11": "D", "14": "K88"}, {"11": "D", "14": "K88"}, {"11": "D", "14": "K88"},
    ),
    "43 SG_PROTECTED_VERSION_1": Case(lambda: each("__DATA", flags=8), "K85", "K85", "K85"),
    "44 encryption of kind 2": Case(
        lambda: pair(extra=(raw_command(0x2C, struct.pack("<4I", 0, 0x1000, 2, 0)),)), "K88", "K88", "K88"
    ),
    "44 FairPlay": Case(
        lambda: pair(extra=(raw_command(0x2C, struct.pack("<4I", 0, 0x1000, 1, 0)),)), "K80", "K80", "K80"
    ),
    "46 LC_CODE_SIGNATURE behind the file": Case(
        lambda: fat([edited(x, 0x1D, 12, b"\0\0\0\7") for x in (arm(), intel())]), "S8", "?", "?"
    ),
    "46 bad magic": Case(
        lambda: fat([x.replace(b"\xfa\xde\x0c\xc0", b"\xfa\xde\x0c\xc9") for x in (arm(), intel())]), "S8", "?", "?"
    ),
    "46 hash type 9": Case(lambda: fat([signature_byte(x, 37, 9) for x in (arm(), intel())]), "S8", "?", "?"),
    "46 hash size 20 for SHA-256": Case(
        lambda: fat([signature_byte(x, 36, 20) for x in (arm(), intel())]), "S8", "?", "?"
    ),
    "46 pages of 2^15 bytes": Case(lambda: fat([signature_byte(x, 39, 15) for x in (arm(), intel())]), "S8", "?", "?"),
    "48 another hash of page 0": Case(lambda: fat([changed(x, 0x900) for x in (arm(), intel())]), "K85", "D", "D"),
    "48 the same, hardened": Case(
        lambda: fat([changed(x, 0x900) for x in (arm(cs_flags=0x10002), intel(cs_flags=0x10002))]), "K85", "K85", "K85"
    ),
    "49 another hash of a page of __DATA": Case(
        lambda: fat([changed(x, 0x4100) for x in (arm(), intel())]), "P", "D", "D"
    ),
    "49 the same, hardened": Case(
        lambda: fat([changed(x, 0x4100) for x in (arm(cs_flags=0x10002), intel(cs_flags=0x10002))]), "P", "P", "P"
    ),
    "54 com.apple.developer in an ad-hoc signature": Case(
        lambda: entitled("com.apple.developer.networking.multicast"), "S8", "S8", "S8"
    ),
    "54 com.apple.private in an ad-hoc signature": Case(
        lambda: entitled("com.apple.private.tcc.allow"), "S8", "S8", "S8"
    ),
    "55 app sandbox, cs, get-task-allow": Case(
        lambda: entitled(
            "com.apple.security.app-sandbox", "com.apple.security.cs.allow-jit", "com.apple.security.get-task-allow"
        ), "D", "D", "D",
    ),
    "56 iOS": Case(lambda: pair(platform=2), "S14", "S14", "S14"),
    "57 the iOS simulator": Case(lambda: pair(platform=7), "D", "D", "D"),
    "58 both spellings of hardened-process": Case(
        lambda: entitled("com.apple.developer.hardened-process", "com.apple.security.hardened-process"),
        {"11": "D", "26": "K88"}, {"11": "D", "26": "K88"}, {"11": "D", "26": "K88"},
    ),
}  # fmt: skip


ASKED = [
    pytest.param(name, mac, macos, id=f"{name}-{mac}-{macos}")
    for name, case in CASES.items()
    for mac in (AS, INTEL, ROSETTA)
    for macos in RELEASES
    if case.expected(mac, macos) is not None
]


@pytest.mark.parametrize(("name", "mac", "macos"), ASKED)
def test_the_kernel_says(name: str, mac: str, macos: str) -> None:
    assert outcome(CASES[name].data(), mac, macos) == CASES[name].expected(mac, macos)


def test_a_file_without_execute_bit_is_refused_to_everybody() -> None:
    assert outcome(arm(), mode=0o644) == "E13"
    assert outcome(arm(), mode=0o755) == "D"


def test_an_intel_program_without_rosetta_is_of_the_wrong_cpu_type() -> None:
    assert outcome(intel(), AS, installed=False) == "E86"
    assert outcome(fat([intel()]), AS, installed=False) == "E86"
    assert outcome(fat([executable(arch="i386"), intel()]), AS, installed=False) == "E86"
    assert outcome(intel(), AS, installed=None) == "D"


@pytest.mark.parametrize(("macos", "expected"), [("11", "D"), ("12.3", "D"), ("13", "S8"), ("26", "S8")])
def test_hash_pages_of_8_kib_end_with_macos_13(macos: str, expected: str) -> None:
    assert outcome(repaged(arm(), 13), AS, macos) == expected


def test_a_file_upx_left_broken_gets_a_crash_report() -> None:
    from tests.factory import Section
    from tests.kernel.asking import ask

    data = executable(sections=(Section("__XHDR", "__xhdr", b"x"),), tweak={"__LINKEDIT": {"filesize": 0x4000000}})
    found = ask(data)
    assert (found.errno, found.reason is not None and found.reason.code) == (None, 12)
    assert found.reason is not None
    assert found.reason.crash_report
    assert outcome(data) == "K88"
