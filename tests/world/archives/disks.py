"""Writers of disk images: UDIF with every type of block, and file systems made by public tools."""

from __future__ import annotations

import bz2
import lzma
import plistlib
import shutil
import struct
import subprocess
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

SECTOR = 512


def adc(data: bytes) -> bytes:
    """Pack as ADC: copies where the last 64 KiB hold the same bytes, else literal bytes."""
    out = bytearray()
    literal = bytearray()

    def flush() -> None:
        for at in range(0, len(literal), 128):
            part = literal[at : at + 128]
            out.append(0x80 | len(part) - 1)
            out.extend(part)
        literal.clear()

    at = 0
    seen: dict[bytes, int] = {}
    while at < len(data):
        key = data[at : at + 4]
        start = seen.get(key, -1)
        if len(key) == 4:
            seen[key] = at
        length = 0
        if start >= 0 and at - start <= 65536:
            while length < 67 and at + length < len(data) and data[start + length] == data[at + length]:
                length += 1
        distance = at - start
        if length >= 4:
            flush()
            if length <= 18 and distance <= 1024:
                out += bytes([length - 3 << 2 | distance - 1 >> 8, distance - 1 & 0xFF])
            else:
                out += bytes([0x40 | length - 4]) + (distance - 1).to_bytes(2, "big")
            at += length
        else:
            literal.append(data[at])
            at += 1
    flush()
    return bytes(out)


def lzfse(data: bytes) -> bytes:
    module = pytest.importorskip("lzfse")
    packed: bytes = module.compress(data)
    return packed


RAW, ZERO, IGNORE, END, COMMENT = 1, 0, 2, 0xFFFFFFFF, 0x7FFFFFFE
PACKERS: dict[str, tuple[int, Callable[[bytes], bytes]]] = {
    "raw": (RAW, bytes),
    "ADC": (0x80000004, adc),
    "zlib": (0x80000005, zlib.compress),
    "bzip2": (0x80000006, bz2.compress),
    "LZFSE": (0x80000007, lzfse),
    "LZMA": (0x80000008, lzma.compress),
}


def mish(first: int, sectors: int, blocks: Sequence[tuple[int, int, int, int, int]], *, data_offset: int = 0) -> bytes:
    """Write a table: blocks are type, sector, sectors, offset and length."""
    out = struct.pack(">4sIQQQII", b"mish", 1, first, sectors, data_offset, 0, 0) + bytes(24)
    out += struct.pack(">II", 2, 32) + bytes(128) + struct.pack(">I", len(blocks))
    for kind, sector, many, offset, length in blocks:
        out += struct.pack(">IIQQQQ", kind, 0, sector, many, offset, length)
    return out


def koly(
    data_size: int, place: int, size: int, *, sectors: int = 0, segments: int = 1, crc: int | None = None,
    fork: tuple[int, int] = (0, 0), signature: tuple[int, int] = (0, 0),
) -> bytes:  # fmt: skip
    """Write a trailer."""
    out = bytearray(512)
    struct.pack_into(">4s3I", out, 0, b"koly", 4, 512, 1)
    struct.pack_into(">QQQQQII", out, 16, 0, 0, data_size, *fork, 1, segments)
    if crc is not None:
        struct.pack_into(">III", out, 80, 2, 32, crc)
    struct.pack_into(">QQ", out, 216, place, size)
    struct.pack_into(">QQ", out, 296, *signature)
    struct.pack_into(">IQ", out, 488, 1, sectors)
    return bytes(out)


def udif(
    image: bytes,
    encodings: Sequence[str] = ("zlib",),
    *,
    block: int = 128,
    data_offset: int = 0,
    split: int = 1,
    licence: bool = False,
    checksum: bool = True,
    sectors: bool = True,
    old: bool = False,
    change: Callable[[bytearray], object] = lambda _: None,
) -> bytes:
    """Write an image as UDIF.

    Args:
        image: What it shows; whole sectors.
        encodings: How its blocks are packed, by turns.
        block: Sectors of a block.
        data_offset: What every table adds to the offsets of its blocks.
        split: Into how many tables it is parted.
        licence: Whether it shows one.
        checksum: Whether the data's hash is stated.
        sectors: Whether the length of the image is stated.
        old: Whether the tables lie in a resource fork instead of a property list.
        change: Is given the packed data and may damage them.
    """
    assert len(image) % SECTOR == 0
    data = bytearray(data_offset)
    tables: list[bytes] = []
    total = len(image) // SECTOR
    share = -(-total // split)
    turn = 0
    for first in range(0, total, share):
        blocks: list[tuple[int, int, int, int, int]] = [(COMMENT, 0, 0, 0, 0)]
        here = min(share, total - first)
        for sector in range(0, here, block):
            many = min(block, here - sector)
            part = image[(first + sector) * SECTOR : (first + sector + many) * SECTOR]
            if not any(part):
                blocks.append((ZERO if turn % 2 else IGNORE, sector, many, 0, 0))
            else:
                kind, pack = PACKERS[encodings[turn % len(encodings)]]
                packed = pack(part)
                blocks.append((kind, sector, many, len(data) - data_offset, len(packed)))
                data += packed
            turn += 1
        blocks.append((END, here, 0, len(data), 0))
        tables.append(mish(first, here, blocks, data_offset=data_offset))
    crc = zlib.crc32(data) if checksum else None
    change(data)
    length = total if sectors else 0
    if old:
        fork = resource_fork({"blkx": tables})
        return bytes(data) + fork + koly(len(data), 0, 0, sectors=length, crc=crc, fork=(len(data), len(fork)))
    listed: dict[str, Any] = {"blkx": [{"ID": str(n), "Name": f"table {n}", "Data": t} for n, t in enumerate(tables)]}
    if licence:
        listed["LPic"] = [{"ID": "5000", "Data": b"x"}]
    text = plistlib.dumps({"resource-fork": listed})
    return bytes(data) + text + koly(len(data), len(data), len(text), sectors=length, crc=crc)


def resource_fork(resources: dict[str, list[bytes]]) -> bytes:
    """Write a resource fork."""
    body = b""
    types = struct.pack(">H", len(resources) - 1)
    references = b""
    at = 2 + 8 * len(resources)
    for name, items in resources.items():
        types += struct.pack(">4sHH", name.encode(), len(items) - 1, at + len(references))
        for number, item in enumerate(items):
            references += struct.pack(">HHII", number, 0xFFFF, len(body), 0)
            body += struct.pack(">I", len(item)) + item
    index = bytes(24) + struct.pack(">HH", 28, 28 + len(types) + len(references)) + types + references
    return struct.pack(">4I", 256, 256 + len(body), len(body), len(index)) + bytes(240) + body + index


def tool(name: str) -> str:
    """Return a program of this machine; without it the test is left out."""
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin")
    if found is None:
        pytest.skip(f"no {name} on this machine")
    return found


def run(*command: str | Path) -> None:
    subprocess.run([str(word) for word in command], check=True, capture_output=True, timeout=60)


def hfs_image(folder: Path, path: Path, name: str = "Foo 1.2") -> bytes:
    """Make a hybrid image whose Apple part is HFS+, from a folder."""
    run(
        tool("xorriso"), "-outdev", path, "-volid", "FOO", "-hfsplus", "on", "-as", "mkisofs", "-hfsplus", "-V", name,
        folder,
    )  # fmt: skip
    data = path.read_bytes()
    return data + bytes(-len(data) % SECTOR)


def fat_image(folder: Path, path: Path, *, bits: int, size: int) -> bytes:
    """Make a FAT volume from a folder without links."""
    path.write_bytes(b"")
    with path.open("r+b") as file:
        file.truncate(size)
    run(tool("mkfs.vfat"), "-F", str(bits), "-n", "FOO", path)
    run(tool("mcopy"), "-s", "-i", path, *sorted(folder.iterdir()), "::")
    return path.read_bytes()


def fat12(files: dict[str, bytes], *, clusters: int = 200) -> bytes:
    """Write a small FAT12 volume with files at its top, each with a long name."""
    boot = bytearray(512)
    boot[:3] = b"\xeb\x3c\x90"
    struct.pack_into("<HBHBHHBH", boot, 11, 512, 1, 1, 1, 64, 1 + 1 + 4 + clusters, 0xF8, 1)
    boot[43:54], boot[54:62], boot[510:512] = b"FOO        ", b"FAT12   ", b"\x55\xaa"
    table = [0xFF8, 0xFFF] + [0] * clusters
    root, data = b"", bytearray()
    for number, (name, content) in enumerate(files.items()):
        first = 2 + len(data) // 512
        many = -(-len(content) // 512)
        for cluster in range(first, first + many):
            table[cluster] = cluster + 1 if cluster + 1 < first + many else 0xFFF
        data += content + bytes(-len(content) % 512)
        units = name.encode("utf-16-le") + b"\0\0"
        parts = [units[at : at + 26].ljust(26, b"\xff") for at in range(0, len(units), 26)]
        for turn in range(len(parts), 0, -1):
            part = parts[turn - 1]
            last = 0x40 if turn == len(parts) else 0
            root += bytes([turn | last]) + part[:10] + b"\x0f\0\0" + part[10:22] + b"\0\0" + part[22:]
        root += f"FILE{number}".ljust(11).encode() + b"\x20" + bytes(14) + struct.pack("<HI", first, len(content))
    packed = bytearray()
    for at in range(0, len(table) & ~1, 2):
        packed += (table[at] | table[at + 1] << 12).to_bytes(3, "little")
    volume = bytes(boot) + bytes(packed)[:512].ljust(512, b"\0") + root.ljust(2048, b"\0") + bytes(data)
    return volume.ljust((6 + clusters) * 512, b"\0")
