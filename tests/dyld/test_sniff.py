"""dyld2's own checks (dyld-852.2, src/ImageLoaderMachO.cpp, sniffLoadCommands)."""

from __future__ import annotations

import struct
from typing import Any

import pytest

from machochain.dyld.policy import first_refusal
from machochain.dyld.profile import profile_for
from machochain.dyld.sniff import Demands, demands_of, sniff, unknown_command, unmappable
from machochain.macho import constants as c
from machochain.macho.reader import read_bytes
from machochain.model.image import FileType, Image
from machochain.model.platform import Platform
from machochain.model.version import Version
from tests.factory import Import, MachO, Section, load, raw_command, version_min


def said(image: Image, macos: Version, *, main: bool, path: str = "") -> str | None:
    """What dyld says when it refuses an image; None if it takes it."""
    objection = first_refusal(image, profile_for(macos), main=main, path=path)
    return objection.text if objection is not None else None


MACOS_11 = Version.of(11)


def parsed(data: bytes) -> Image:
    image = read_bytes(data).slices[0].image
    assert image is not None
    return image


def lib(**more: Any) -> bytes:
    return MachO(install_name="/x/liba.dylib", **more).bytes()


def segment(name: str, **fields: Any) -> bytes:
    return lib(tweak={name: fields})


def patched(data: bytes, *changes: tuple[int, int]) -> bytes:
    out = bytearray(data)
    for offset, value in changes:
        struct.pack_into("<I", out, offset, value)
    return bytes(out)


def command(data: bytes, cmd: int) -> int:
    return next(x.offset for x in parsed(data).commands if x.cmd == cmd)


def symtab(**fields: int) -> bytes:
    """A file whose LC_SYMTAB has other numbers."""
    at = command(SYMBOLS, c.LC_SYMTAB)
    places = {"symoff": 8, "nsyms": 12, "stroff": 16, "strsize": 20}
    return patched(SYMBOLS, *((at + places[k], v) for k, v in fields.items()))


def dysymtab(**fields: int) -> bytes:
    at = command(SYMBOLS, c.LC_DYSYMTAB)
    names = ["ilocal", "nlocal", "iextdef", "nextdef", "iundef", "nundef"]
    places = {name: 8 + 4 * i for i, name in enumerate(names)} | {"indirect": 8 + 48, "nindirect": 8 + 52}
    return patched(SYMBOLS, *((at + places[k], v) for k, v in fields.items()))


PLAIN = lib()
SYMBOLS = lib(exports=["_a"], imports=[Import("_b")])
LINKEDIT = parsed(SYMBOLS).segments[-1].fileoff


@pytest.mark.parametrize(
    "data",
    [
        PLAIN,
        SYMBOLS,
        lib(arch="x86_64"),
        lib(signed=True, restrict=True),
        lib(fixups="chained", imports=["_x"]),
        MachO(file_type=FileType.MH_EXECUTE).bytes(),
        # what only newer systems mind
        lib(uuid=None, rpaths=["a", "a"], loads=["/b", "/b"]),
    ],
)
def test_sound_images(data: bytes) -> None:
    assert said(parsed(data), MACOS_11, main=False) is None
    assert said(parsed(data), MACOS_11, main=True) is None


def test_dyld2_must_know_commands_that_say_so() -> None:
    # ImageLoaderMachO.cpp: parseLoadCmds()
    image = parsed(lib(extra=[raw_command(0x80000099, b"")]))
    text = "cannot load 'l' (load command 0x80000099 is unknown)"
    assert said(image, MACOS_11, main=True, path="/d/l") == unknown_command(image, "/d/l") == text
    old = parsed(lib(build="version_min", extra=[raw_command(0x80000099, b"")], minos="10.13"))
    text = "cannot load 'l' because it was built for OS version 10.13 (load command 0x80000099 is unknown)"
    assert unknown_command(old, "l") == text


STRICT = Demands(strict=True)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (segment("__DATA", vmsize=1 << 63), "segment load command __DATA vmsize too large in /p"),
        (segment("__DATA", vmaddr=(1 << 64) - 0x4000), "segment load command __DATA wraps around address space"),
        (segment("__LINKEDIT", filesize=0x40, vmsize=0x20), "segment __LINKEDIT has vmsize < filesize"),
        (segment("__TEXT", vmsize=0x8000), "segment __TEXT has vmsize != filesize and is executable"),
        (segment("__DATA", initprot=0, vmsize=0x8000), "unaccessable segment __DATA has non-zero filesize and vmsize"),
        (segment("__TEXT", initprot=7), "__TEXT segment maps start of file but is writable"),
        (segment("__TEXT", initprot=1), "load commands found in segment __TEXT with wrong permissions"),
        (segment("__DATA", fileoff=8), "segment __DATA does not span all load commands"),
        (segment("__DATA", vmaddr=0), "segment __DATA vm overlaps segment __TEXT"),
        (segment("__DATA", fileoff=0x400000), "__LINKEDIT must be last segment"),
        (lib(exports=["_a"], fixups="chained", tweak={}), None),
    ],
)
def test_what_dyld2_minds_where_the_main_executable_is_new(data: bytes, text: str | None) -> None:
    image = parsed(data)
    found = sniff(image, "/p", sdk_since_10_15=True, demands=STRICT)
    assert found == (None if text is None else f"malformed mach-o image: {text}")
    assert sniff(image, "/p", sdk_since_10_15=True) is None or text is None or "/p" not in text


def test_the_main_executable_decides_how_strict_dyld2_is() -> None:
    new, old = parsed(lib(sdk="10.15")), parsed(lib(sdk="10.14"))
    assert demands_of(new, Platform.MACOS) == Demands(strict=True)
    assert demands_of(old, Platform.MACOS) == Demands()
    assert demands_of(old, Platform.MAC_CATALYST) == Demands(strict=True, ios_on_mac=True)


def test_what_mapping_objects_to() -> None:
    image = parsed(PLAIN)
    end = image.segments[-1].fileoff + image.segments[-1].filesize
    assert unmappable(image, end, 0) is None
    text = unmappable(image, end - 1, 0)
    assert text == f"truncated mach-o error: segment __LINKEDIT extends to {end} which is past end of file {end - 1}"
    assert unmappable(parsed(segment("__DATA", vmaddr=0)), 1 << 30, 0) == "can't map segments into 16KB pages"
    intel = parsed(lib(arch="x86_64", tweak={"__DATA": {"vmaddr": 0}}))
    assert unmappable(intel, 1 << 30, 0) == "overlapping segments"


N = len(parsed(PLAIN).commands)
ROWS: list[tuple[bytes, str]] = [
    (PLAIN[:300], f"load commands size ({len(parsed(PLAIN).raw)}) > mach-o file size (300)"),
    (patched(PLAIN, (16, 9999)), f"ncmds (9999) too large to fit in sizeofcmds ({len(parsed(PLAIN).raw) - 32})"),
    (lib(extra=[raw_command(c.LC_NOTE, b"", size=4)]), f"load command #{N} length (4) too small in /p"),
    (
        lib(extra=[raw_command(c.LC_NOTE, b"", size=4096)]),
        f"load command #{N} length (4096) would exceed sizeofcmds ({len(parsed(PLAIN).raw) - 24}) in /p",
    ),
    (lib(extra=[raw_command(c.LC_DYLD_INFO, b"")]), "LC_DYLD_INFO size wrong"),
    (lib(extra=[raw_command(c.LC_DYLD_INFO_ONLY, b"")]), "LC_DYLD_INFO size wrong"),
    (lib(extra=[raw_command(c.LC_DYLD_CHAINED_FIXUPS, b"")]), "LC_DYLD_CHAINED_FIXUPS size wrong"),
    (lib(extra=[raw_command(c.LC_DYLD_EXPORTS_TRIE, b"")]), "LC_DYLD_EXPORTS_TRIE size wrong"),
    (lib(extra=[raw_command(c.LC_CODE_SIGNATURE, b"")]), "LC_CODE_SIGNATURE size wrong"),
    (
        lib(signed=True, extra=[raw_command(c.LC_CODE_SIGNATURE, bytes(8))]),
        "multiple LC_CODE_SIGNATURE load commands",
    ),
    (
        lib(extra=[raw_command(c.LC_ENCRYPTION_INFO, bytes(12), 4), raw_command(c.LC_ENCRYPTION_INFO_64, bytes(16))]),
        "multiple LC_ENCRYPTION_INFO_64 load commands",
    ),
    (
        segment("__DATA", vmsize=0x1000, filesize=0x8000),
        "segment load command __DATA filesize (0x8000) is larger than vmsize (0x1000)",
    ),
    (
        patched(PLAIN, (command(PLAIN, c.LC_SEGMENT_64) + 64, 3)),
        "LC_SEGMENT size wrong for number of sections",
    ),
    (lib(extra=[raw_command(c.LC_SEGMENT_64, bytes(8))]), "LC_SEGMENT size too small"),
    (lib(extra=[raw_command(c.LC_SEGMENT, bytes(48))]), "wrong LC_SEGMENT[_64] for architecture"),
    (segment("__LINKEDIT", fileoff=0), "__LINKEDIT has fileoff==0 which overlaps mach_header"),
    (
        lib(sections=[Section("__M", "__m", b"m")], tweak={"__M": {"name": "__LINKEDIT"}}),
        "multiple __LINKEDIT segments",
    ),
    (segment("__DATA", initprot=0x13), "__DATA segment has invalid permission bits (0x13) in initprot"),
    (segment("__DATA", maxprot=0x13), "__DATA segment has invalid permission bits (0x13) in maxprot"),
    (segment("__DATA", initprot=2), "__DATA segment is not mapped readable"),
    (segment("__TEXT", initprot=0), "__TEXT segment maps start of file but is not readable"),
    (segment("__TEXT", filesize=64), "__TEXT segment does not map all of load commands"),
    (segment("__DATA", fileoff=0), "multiple segments map start of file: __TEXT __DATA"),
    (
        patched(PLAIN, (next(x.offset for x in parsed(PLAIN).commands if x.cmd == c.LC_LOAD_DYLIB) + 8, 4000)),
        "dylib load command #{load} has offset (4000) outside its size (56)",
    ),
    (
        lib(extra=[raw_command(c.LC_LOAD_DYLIB, struct.pack("<4I", 24, 0, 0, 0) + b"12345678")]),
        f"dylib load command #{N} string extends beyond end of load command",
    ),
    (lib(tweak={"__LINKEDIT": {"name": "__LINKEDIX"}}), "missing __LINKEDIT segment"),
    (segment("__TEXT", fileoff=8, filesize=0x3000), "missing __TEXT segment that maps start of file"),
    (
        patched(PLAIN, (command(PLAIN, c.LC_SYMTAB), c.LC_NOTE)),
        "missing LC_SYMTAB, LC_DYLD_INFO, or LC_DYLD_CHAINED_FIXUPS",
    ),
    (patched(PLAIN, (command(PLAIN, c.LC_DYSYMTAB), c.LC_NOTE)), "missing LC_DYSYMTAB"),
    (symtab(symoff=8), "symbol table underruns __LINKEDIT"),
    (symtab(nsyms=0x10000001), "symbol table too large"),
    (symtab(nsyms=0x1000), "symbol table overruns __LINKEDIT"),
    (symtab(symoff=0xFFFFFFF8), "symbol table size wraps"),
    (symtab(stroff=LINKEDIT), "symbol table overlaps symbol strings"),
    (symtab(stroff=0xFFFFFFF0, strsize=0x20), "symbol string size wraps"),
    (symtab(strsize=0x2000), "symbol strings overrun __LINKEDIT"),
    (symtab(symoff=LINKEDIT + 4), "mis-aligned symbol table __LINKEDIT"),
    (dysymtab(nindirect=1), "indirect symbol table underruns __LINKEDIT"),
    (dysymtab(indirect=LINKEDIT, nindirect=0x10000001), "indirect symbol table too large"),
    (dysymtab(indirect=LINKEDIT, nindirect=0x1000), "indirect symbol table overruns __LINKEDIT"),
    (dysymtab(indirect=0xFFFFFFFC, nindirect=2), "indirect symbol table size wraps"),
    (dysymtab(nlocal=3), "indirect symbol table local symbol count exceeds total symbols"),
    (dysymtab(iextdef=3), "indirect symbol table extern symbol count exceeds total symbols"),
    (dysymtab(nundef=3), "indirect symbol table undefined symbol count exceeds total symbols"),
]


@pytest.mark.parametrize(("data", "text"), ROWS, ids=[x[1] for x in ROWS])
def test_each_text(data: bytes, text: str) -> None:
    image = parsed(data)
    start = "malformed mach-o: " if text.startswith(("load commands size", "ncmds")) else "malformed mach-o image: "
    number = image.loads[0].command_index if image.loads else 0
    found = said(image, MACOS_11, main=False, path="/p")
    assert found == start + text.replace("{load}", str(number))


def test_old_plugins_may_have_a_misaligned_symbol_table() -> None:
    at = command(SYMBOLS, c.LC_BUILD_VERSION)
    old = patched(symtab(symoff=LINKEDIT + 4), (at + 16, 0x000A0E00))
    assert said(parsed(old), MACOS_11, main=False) is None


def test_images_for_devices_are_taken_for_simulator_ones() -> None:
    image = parsed(lib(build=[version_min("9", "9", c.LC_VERSION_MIN_IPHONEOS)]))
    assert said(image, MACOS_11, main=False) == "mach-o, but built for simulator (not macOS)"


def test_too_many_segments_and_libraries() -> None:
    one = [raw_command(c.LC_SEGMENT_64, b"__X".ljust(16, b"\0") + struct.pack("<4Q4I", 0, 8, 0, 0, 3, 3, 0, 0))]
    text = said(parsed(lib(extra=one * 256)), MACOS_11, main=False, path="/p")
    assert text == "malformed mach-o image: more than 255 segments in /p"
    image = parsed(lib(loads=[load(f"/{i}") for i in range(4095)]))
    text = said(image, MACOS_11, main=False, path="/p")
    assert text == "malformed mach-o image: more than 4095 dependent libraries in /p"
