"""Installer packages, cpio, pbzx and disk images, changed by who knows their fields; read as every container is."""

from __future__ import annotations

import gzip
import hashlib
import plistlib
import random
import struct
import zlib
from contextlib import suppress
from functools import cache

from tests.fuzz.containers import read
from tests.fuzz.mutators import WIDE, blind, bounded, text
from tests.world.archives.disks import PACKERS, fat12, udif
from tests.world.archives.packages import component, newc, odc, pbzx, product, xar
from tests.world.archives.packing import LIBRARY, TEXT, Content, Link

__all__ = ["cpios", "mutate_cpio", "mutate_pbzx", "mutate_udif", "mutate_xar", "pbzxs", "read", "udifs", "xars"]

SMALL = LIBRARY[:4000]
ENTRIES: list[tuple[str, Content]] = [
    (".", None), ("./usr/local/lib/libx.dylib", SMALL), ("./usr/local/lib/liby.dylib", Link("libx.dylib")),
    ("./Applications/Foo.app/Contents/MacOS/Foo", SMALL), ("./up", Link("../../etc")), ("./text", TEXT[:5000]),
]  # fmt: skip


@cache
def cpios() -> list[bytes]:
    """One archive of each kind."""
    hard: list[tuple[str, Content]] = [("h", Link("x", hard=True)), ("x", SMALL)]
    return [odc(ENTRIES), newc([*ENTRIES, *hard]), newc(hard, crc=True), gzip.compress(odc(ENTRIES), mtime=0)]


@cache
def pbzxs() -> list[bytes]:
    """Payloads in chunks, alone they are no archive."""
    forms: tuple[tuple[int, tuple[int, ...]], ...] = ((4096, ()), (9999, (1,)))
    return [xar({"Content": pbzx(odc(ENTRIES), size, stored), "Metadata": b"x"}) for size, stored in forms]


@cache
def xars() -> list[bytes]:
    """A component, a product, a plain archive."""
    scripts = {"postinstall": b"#!/bin/sh\nln -s a b\n"}
    distribution = (
        '<installer-gui-script><options hostArchitectures="arm64"/><choice id="c" customLocation="/opt/x">'
        '<pkg-ref id="com.example.tool"/></choice><pkg-ref id="com.example.tool">#a.pkg</pkg-ref>'
        "</installer-gui-script>"
    )
    return [
        xar(component(ENTRIES, scripts=scripts)),
        product(distribution, {"a.pkg": component(ENTRIES[:3], location="/opt")}),
        xar({"a/libx.dylib": SMALL, "a/l": Link("libx.dylib"), "h": Link("1", hard=True), "z.cpio": odc(ENTRIES)}),
        xar({"Content": pbzx(odc(ENTRIES)), "Metadata": b"x"}, style=3),
    ]


@cache
def udifs() -> list[bytes]:
    """A volume packed in every way, with tables in a list and in a resource fork."""
    image = fat12({"tool": SMALL, "A long name of a text": TEXT[:3000]})
    return [
        udif(image, [name for name in PACKERS if name != "LZFSE"], block=40), udif(image, ["zlib"], old=True, split=2),
        udif(image, ["ADC"], licence=True), image,
    ]  # fmt: skip


def mutate_cpio(data: bytes, chance: random.Random) -> bytes:
    """Change the numbers and names of headers, within what they are packed in."""
    if data.startswith(b"\x1f\x8b"):
        with suppress(OSError, EOFError, zlib.error):
            return gzip.compress(mutate_cpio(gzip.decompress(data), chance), 1, mtime=0)
    changed = bytearray(data)
    for magic, widths, digits in ((b"070707", (6,) * 7 + (11, 6, 11), 8), (b"07070", (8,) * 13, 16)):
        places = [at for at in range(len(changed)) if changed.startswith(magic, at)]
        if places and chance.random() < 0.85:
            at = chance.choice(places) + 6
            field = chance.randrange(len(widths))
            at += sum(widths[:field])
            value = chance.choice((0, 1, 2, 4096, 4097, 0o120755, 0o100644, 0o40755, 1 << 30, -1))
            form = f"{value & (digits ** widths[field] - 1):0{widths[field]}{'o' if digits == 8 else 'X'}}"
            width = widths[field]
            changed[at : at + width] = chance.choice((form.encode()[:width], b"x" * width, b" " * width))
            return bounded(bytes(changed))
    return blind(data, chance)


def mutate_xar(data: bytes, chance: random.Random) -> bytes:
    """Change the table as text, with its lengths and hash right, or the header, or the heap."""
    if not data.startswith(b"xar!") or len(data) < 28 or chance.random() < 0.15:
        return blind(data, chance)
    _, size, _, packed, _, style = struct.unpack_from(">4sHHQQI", data)
    with suppress(zlib.error):
        table = zlib.decompress(data[size : size + packed])
        heap = bytearray(data[size + packed :])
        if chance.random() < 0.7:
            table = _table(table, chance)
        elif heap:
            heap = bytearray(mutate_cpio(bytes(heap), chance))
        again = zlib.compress(table)
        if style == 1 and chance.random() < 0.9:
            heap[:20] = hashlib.sha1(again).digest()
        stated = len(table) if chance.random() < 0.95 else chance.choice(WIDE)
        header = struct.pack(">4sHHQQI", b"xar!", 28, 1, len(again), stated & (1 << 64) - 1, style)
        return bounded(header + again + bytes(heap))
    return blind(data, chance)


_XAR = (
    b"<name>..</name>", b"<name>a/b</name>", b"<name></name>", b"<type link='1'>hardlink</type>",
    b"<type>symlink</type>",
    b"<type>directory</type>", b"<offset></offset>", b"<offset>99999999999999</offset>", b"<size>-1</size>",
    b"<size>99999999999999999999</size>", b"<length>0</length>", b"<encoding style='application/x-gzip'/>",
    b"<encoding style='application/x-lzma'/>", b"<encoding style='x'/>", b"<!DOCTYPE x>", b"<file id='1'>", b"</file>",
    b"<name enctype='base64'>Li4=</name>", b"<link>../../etc</link>", b"<signature><x/></signature>",
)  # fmt: skip


def _table(table: bytes, chance: random.Random) -> bytes:
    places = [at for at in range(len(table)) if table[at : at + 1] == b"<"]
    if not places or chance.random() < 0.3:
        return text(table, chance)
    at = chance.choice(places)
    return table[:at] + chance.choice(_XAR) + table[at:]


def mutate_pbzx(data: bytes, chance: random.Random) -> bytes:
    """Change the lengths of chunks, or what is in them."""
    changed = bytearray(data)
    start = changed.find(b"pbzx")
    if start < 0 or chance.random() < 0.2:
        return mutate_xar(data, chance)
    at = start + 12
    chunks = []
    while at + 16 <= len(changed):
        chunks.append(at)
        at += 16 + int(struct.unpack_from(">Q", changed, at + 8)[0])
    at = chance.choice(chunks or [start])
    if chance.random() < 0.6 and at + 16 <= len(changed):
        struct.pack_into(">Q", changed, at + chance.choice((0, 8)), chance.choice((*WIDE, 4095, 4097)) & (1 << 64) - 1)
    else:
        where = min(at + 16 + chance.randrange(64), len(changed) - 1)
        changed[where] ^= chance.randrange(1, 256)
    return bounded(bytes(changed))


def mutate_udif(data: bytes, chance: random.Random) -> bytes:
    """Change numbers of the trailer, of tables and of the file system, or the blocks."""
    changed = bytearray(data)
    end = len(changed) - 512
    if end < 0 or not changed.startswith(b"koly", end) or chance.random() < 0.15:
        return blind(data, chance)
    place, size = struct.unpack_from(">2Q", changed, end + 216)
    if chance.random() < 0.3:
        width = chance.choice((4, 8))
        number = chance.choice((*WIDE, len(data))) & (1 << 8 * width) - 1
        where = end + chance.choice((12, 24, 32, 40, 48, 56, 60, 80, 84, 216, 224, 296, 304, 488, 492))
        changed[where : where + width] = number.to_bytes(width, "big")
        return bounded(bytes(changed[: end + 512]))
    with suppress(Exception):  # the list may be damaged already
        listed = plistlib.loads(bytes(changed[place : place + size]))
        item = chance.choice(listed["resource-fork"]["blkx"])
        table = bytearray(item["Data"])
        block = 204 + 40 * chance.randrange((len(table) - 204) // 40)
        fields = [(8, 8), (16, 8), (24, 8), (200, 4), (block, 4), *((block + n, 8) for n in (8, 16, 24, 32))]
        at, width = chance.choice(fields)
        value = chance.choice((*WIDE, 0x80000004, 0x80000006, 0x80000008, len(data), 1 << 20))
        table[at : at + width] = (value & (1 << 8 * width) - 1).to_bytes(width, "big")
        item["Data"] = bytes(table)
        again = plistlib.dumps(listed)
        trailer = bytearray(changed[end:])
        struct.pack_into(">Q", trailer, 224, len(again))
        return bounded(bytes(changed[:place]) + again + bytes(trailer))
    return blind(data, chance)
