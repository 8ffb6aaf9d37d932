"""Wheels, zips, tars and packages, changed by who knows their headers; what is unpacked stays in its folder."""

from __future__ import annotations

import gzip
import io
import random
import struct
import sys
import tempfile
import zipfile
import zlib
from contextlib import suppress
from functools import cache
from pathlib import Path
from unittest import mock

from machochain.model.artifact import Limits
from machochain.model.errors import MachochainError
from machochain.world.archives.opening import is_artifact, open_artifact
from machochain.world.archives.places import place_artifact
from machochain.world.placement import World
from tests.fuzz.mutators import NUMBERS, blind, bounded, text
from tests.fuzz.places import scratch
from tests.world.archives.packing import LIBRARY, TEXT, Content, Link, add, conda, tar_bytes, wheel, zip_bytes, zipped

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

LIMITS = Limits(total_bytes=16 << 20, file_bytes=8 << 20, entries=300, ratio_floor=1 << 20)


@cache
def seeds() -> list[bytes]:
    """One container of each kind, and one within another."""
    small = LIBRARY[:4000]
    entries: list[tuple[str, Content]] = [
        ("d/libx.dylib", small), ("d/link", Link("libx.dylib")), ("n" * 180 + "/" + "m" * 90, TEXT), ("e", b""),
        ("\N{EURO SIGN}/x", small), ("in.zip", zip_bytes([("libx.dylib", small)])), ("d/up", Link("../e")),
    ]  # fmt: skip
    hard: list[tuple[str, Content]] = [*entries, ("hard", Link("d/libx.dylib", hard=True)), ("dir", None)]
    plain = tar_bytes(hard)
    folder = Path(tempfile.mkdtemp(dir=scratch()))
    bottle: list[tuple[str, Content]] = [
        ("x/1.0/INSTALL_RECEIPT.json", b'{"runtime_dependencies": [{"full_name": "y", "version": "2"}]}'),
        ("x/1.0/lib/libx.dylib", small), ("x/1.0/.brew/x.rb", b"class X < Formula\nend\n"),
    ]  # fmt: skip
    npm: list[tuple[str, Content]] = [
        ("package/package.json", b'{"name": "@a/b", "version": "1.0.0"}'),
        ("package/x.node", small),
    ]
    made = [
        wheel(
            folder / "w",
            {"pkg/a.so": small, "pkg-1.2.data/scripts/x": small, "pkg/.dylibs/b.dylib": small},
            needs="Requires-Dist: y",
        ),
        conda(folder / "c", hard),
    ]
    return [
        plain,
        zip_bytes(entries),
        gzip.compress(plain, mtime=0),
        zstd.compress(plain),
        gzip.compress(tar_bytes(bottle), mtime=0),
        gzip.compress(tar_bytes(npm), mtime=0),
        *(path.read_bytes() for path in made),
        _global_headers(),
        *(_zip_by(method, entries) for method in (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)),
    ]


def _zip_by(method: int, entries: list[tuple[str, Content]]) -> bytes:
    out = io.BytesIO()
    zipped(out, entries, method)
    return out.getvalue()


def _global_headers() -> bytes:
    import tarfile

    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", pax_headers={"comment": "ä"}) as archive:
        add(archive, [("\N{EURO SIGN}" * 60, LIBRARY[:4000]), ("x", Link("y" * 200))])
    return out.getvalue()


def mutate(data: bytes, chance: random.Random) -> bytes:
    """Change header fields, and what is within a compressed stream; the sums of tar headers are mostly made right."""
    if data.startswith(b"\x1f\x8b") and chance.random() < 0.8:
        with suppress(OSError, EOFError, zlib.error):
            return gzip.compress(_tar(gzip.decompress(data), chance), 1, mtime=0)
    if data.startswith(b"\x28\xb5\x2f\xfd") and chance.random() < 0.8:
        with suppress(zstd.ZstdError):
            return zstd.compress(_tar(zstd.decompress(data), chance))
    if data.startswith(b"PK"):
        return _zip(data, chance)
    return _tar(data, chance) if data[257:262] == b"ustar" else blind(data, chance)


_TAR_FIELDS = ((0, 100), (100, 8), (124, 12), (136, 12), (148, 8), (156, 1), (157, 100), (257, 8), (345, 155))
_TAR_VALUES = (
    b"",
    b"0",
    b"00000000001",
    b"77777777777",
    b"\x80" + b"\xff" * 11,
    b"\xff" * 12,
    b"-1",
    b"x",
    b"\0x",
    b"L",
    b"K",
    b"x",
    b"g",
    b"S",
    b"1",
    b"2",
    b"5",
    b"3",
    b"../x",
    b"/etc/x",
    b"d/link/x",
    b"d",
    b".",
    b"..",
    b"\xff\xfe",
    b"a" * 155,
    b"d//x",
    b"D/LIBX.DYLIB",
    b"PaxHeaders",
    b"\x1b[2J",
)
_PAX = (b"path", b"size", b"linkpath", b"GNU.sparse.map", b"GNU.sparse.major", b"hdrcharset", b"comment", b"mtime")


def _tar(data: bytes, chance: random.Random) -> bytes:
    changed = bytearray(data)
    headers = [i for i in range(0, len(changed) - 511, 512) if changed[i + 257 : i + 262] == b"ustar"]
    if not headers or chance.random() < 0.15:
        return blind(data, chance)
    for _ in range(chance.choice((1, 1, 2, 4))):
        at = chance.choice(headers)
        match chance.randrange(6):
            case 0 | 1 | 2:
                start, size = chance.choice(_TAR_FIELDS)
                value = chance.choice(_TAR_VALUES)[:size]
                changed[at + start : at + start + size] = value.ljust(size, b"\0")
            case 3:
                other = chance.choice(headers)
                changed[at : at + 512] = changed[other : other + 512]
            case 4:
                record = b" %s=%s\n" % (
                    chance.choice(_PAX),
                    chance.choice((b"-1", b"99999999999999999999", b"../../x", b"1,2", b"\xff", b"")),
                )
                changed[at:at] = _pax(b"%d" % (len(record) + 2) + record, chance)
                break
            case _:
                del changed[at : at + 512 * chance.randrange(1, 4)]
                break
    if chance.random() < 0.9:
        for start in range(0, len(changed) - 511, 512):
            if changed[start + 257 : start + 262] == b"ustar":
                changed[start + 148 : start + 156] = b" " * 8
                changed[start + 148 : start + 156] = b"%06o\0 " % sum(changed[start : start + 512])
    return bounded(bytes(changed))


def _pax(records: bytes, chance: random.Random) -> bytes:
    head = bytearray(512)
    head[0:1], head[124:135], head[156:157], head[257:263] = (
        b"p",
        b"%011o" % len(records),
        chance.choice((b"x", b"g")),
        b"ustar\0",
    )
    return bytes(head) + records.ljust(512, b"\0")


def _zip(data: bytes, chance: random.Random) -> bytes:
    """Change entries by what they mean, or the numbers of the three kinds of header."""
    if chance.random() < 0.4:
        with suppress(Exception):  # the input may be damaged already
            return _entries(data, chance)
    changed = bytearray(data)
    kinds = ((b"PK\x03\x04", 30), (b"PK\x01\x02", 46), (b"PK\x05\x06", 22))
    places = [(i, n) for magic, n in kinds for i in range(len(data) - n) if data.startswith(magic, i)]
    if not places or chance.random() < 0.2:
        return blind(data, chance)
    for _ in range(chance.choice((1, 1, 2, 4))):
        at, size = chance.choice(places)
        where = at + 4 + 2 * chance.randrange((size - 4) // 2)
        if chance.random() < 0.5:
            changed[where : where + 2] = struct.pack("<H", chance.choice(NUMBERS) & 0xFFFF)
        else:
            changed[where : where + 4] = struct.pack("<I", chance.choice((*NUMBERS, len(data), at)) & 0xFFFFFFFF)
    return bounded(bytes(changed))


_ZIP_NAMES = (
    "../x",
    "/x",
    "d",
    "d/",
    "D/LIBX.DYLIB",
    "a\0b",
    "C:\\x",
    "x" * 300,
    "d/" * 150,
    "",
    ".",
    "pkg-1.2.dist-info/WHEEL",
    "pkg-1.2.dist-info/METADATA",
    "pkg-1.2.data/purelib/../../x",
    "pkg-1.2.data/x",
    "metadata.json",
    "pkg-a.tar.zst",
    "d/link/x",
)


def _entries(data: bytes, chance: random.Random) -> bytes:
    """Write a zip anew with some entries renamed, turned into links, doubled, or with other content."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        infos = old.infolist()
        chosen = chance.choice(infos)
        for info in infos:
            content = old.read(info)
            copy = zipfile.ZipInfo("x", (1980, 1, 1, 0, 0, 0))
            copy.filename = copy.orig_filename = info.filename
            copy.create_system, copy.external_attr, copy.compress_type = 3, info.external_attr, info.compress_type
            if info is chosen:
                match chance.randrange(4):
                    case 0:
                        copy.filename = copy.orig_filename = chance.choice(_ZIP_NAMES)
                    case 1:
                        copy.external_attr = chance.choice((0xA1FF, 0x41ED, 0x1180, 0x81A4)) << 16
                    case 2:
                        content = text(content, chance)
                    case _:
                        content = mutate(content, chance)
            new.writestr(copy, content)
    return bounded(out.getvalue())


def read(data: bytes) -> None:
    """Unpack a container: nothing is written elsewhere, nothing leads out, nothing is left behind."""
    home = scratch() / "container"
    inside = home / "inside"
    inside.mkdir(parents=True, exist_ok=True)
    file = home / "x.whl"
    file.write_bytes(data)
    is_artifact(file)
    with (
        mock.patch.object(tempfile, "tempdir", str(inside)),
        suppress(MachochainError),
        open_artifact(file, LIMITS) as artifact,
    ):
        top = Path(artifact.folder).resolve()
        assert all(found.resolve().is_relative_to(top) for found in top.rglob("*")), "a link leads out of the archive"
        place_artifact(World(), artifact)
    left = [path for path in home.rglob("*") if path not in (inside, file)]
    assert not left, f"left behind: {left}"
