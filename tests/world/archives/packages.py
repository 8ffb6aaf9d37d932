"""Writers of XAR, cpio and pbzx, for what no public tool on Linux makes, and for what no tool should make."""

from __future__ import annotations

import base64
import bz2
import gzip
import hashlib
import lzma
import struct
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from xml.sax.saxutils import escape, quoteattr

from attrs import frozen

from tests.world.archives.packing import Content, Link

PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "application/octet-stream": bytes,
    "application/x-gzip": zlib.compress,
    "application/x-bzip2": bz2.compress,
    "application/x-lzma": lzma.compress,
}


def _mode(content: Content) -> tuple[int, bytes]:
    if content is None:
        return 0o40755, b""
    if isinstance(content, Link):
        return 0o120755, content.to.encode()
    assert isinstance(content, bytes)
    return 0o100755, content


def odc(entries: Iterable[tuple[str, Content]], *, end: bool = True) -> bytes:
    """Write a portable cpio archive, as Apple's tools do: equal numbers of inodes mean nothing."""
    out = b""
    listed = [*entries, *([("TRAILER!!!", b"")] if end else [])]
    for name, content in listed:
        mode, data = _mode(content)
        raw = name.encode() + b"\0"
        out += b"070707" + b"%06o%06o%06o%06o%06o%06o%06o%011o%06o%011o" % (
            1, 7, mode, 501, 20, 1, 0, 0, len(raw), len(data)
        ) + raw + data  # fmt: skip
    return out


def newc(entries: Sequence[tuple[str, Content]], *, crc: bool = False) -> bytes:
    """Write a new ASCII cpio archive; a hard link is given before the file it names, without data."""
    out = b""
    inodes = {name: number for number, (name, _) in enumerate(entries, 1)}
    for name, content in [*entries, ("TRAILER!!!", b"")]:
        hard = isinstance(content, Link) and content.hard
        mode, data = (0o100755, b"") if hard else _mode(content)
        names = sum(isinstance(c, Link) and c.hard and c.to == name for _, c in entries)
        inode = inodes.get(content.to if isinstance(content, Link) and content.hard else name, 0)
        raw = name.encode() + b"\0"
        values = (
            inode,
            mode,
            0,
            0,
            2 if hard or names else 1,
            0,
            len(data),
            0,
            1,
            0,
            0,
            len(raw),
            sum(data) if crc else 0,
        )
        out += (b"070702" if crc else b"070701") + b"".join(b"%08X" % (value & 0xFFFFFFFF) for value in values) + raw
        out += bytes(-len(out) % 4) + data
        out += bytes(-len(out) % 4)
    return out


def binary(entries: Iterable[tuple[str, Content]], order: str = "<") -> bytes:
    """Write an old binary cpio archive."""
    out = b""
    for name, content in [*entries, ("TRAILER!!!", b"")]:
        mode, data = _mode(content)
        raw = name.encode() + b"\0"
        out += struct.pack(
            f"{order}13H", 0o70707, 1, 1, mode, 0, 0, 1, 0, 0, 0, len(raw), len(data) >> 16, len(data) & 0xFFFF
        )
        out += raw + bytes(len(raw) % 2) + data + bytes(len(data) % 2)
    return out


def pbzx(data: bytes, chunk: int = 1 << 16, stored: Iterable[int] = ()) -> bytes:
    """Write pbzx with chunks of some size; those of some numbers are not compressed."""
    out = b"pbzx" + struct.pack(">Q", chunk)
    plain = set(stored)
    for number, at in enumerate(range(0, len(data), chunk)):
        part = data[at : at + chunk]
        packed = part if number in plain else lzma.compress(part)
        out += struct.pack(">2Q", len(part), len(packed)) + packed
    return out


@frozen
class Xar:
    """One file of a XAR archive: what it is, and how it is stored."""

    content: Content
    encoding: str = "application/octet-stream"
    checksum: str = "sha1"
    extra: str = ""


def xar(
    files: Mapping[str, Content | Xar],
    *,
    style: int = 1,
    toc: str | None = None,
    certificate: bytes | None = None,
    damage: bool = False,
) -> bytes:
    """Write a XAR archive.

    Args:
        files: Names with slashes, folders left out, and what they are.
        style: The kind of the table's hash: 1 SHA-1, 3 SHA-256, 4 SHA-512; 0 for none.
        toc: A table of one's own, instead.
        certificate: DER of a certificate that is said to have signed it.
        damage: Whether the table's hash is wrong.
    """
    digest = {1: "sha1", 3: "sha256", 4: "sha512"}.get(style)
    length = hashlib.new(digest).digest_size if digest else 0
    heap = bytearray(length)
    tree: dict[str, object] = {}
    for name, content in files.items():
        here = tree
        *above, leaf = name.split("/")
        for part in above:
            here = here.setdefault(part, {})  # type: ignore[assignment]
        here[leaf] = content if isinstance(content, Xar) else Xar(content)
    numbers = iter(range(1, 1_000_000))

    def listing(folder: Mapping[str, object]) -> str:
        text = ""
        for name, item in folder.items():
            text += f'<file id="{next(numbers)}"><name>{escape(name)}</name>'
            if isinstance(item, dict):
                text += f"<type>directory</type>{listing(item)}"
            else:
                assert isinstance(item, Xar)
                text += entry(item)
            text += "</file>"
        return text

    def entry(item: Xar) -> str:
        if item.content is None:
            return f"<type>directory</type>{item.extra}"
        if isinstance(item.content, Link):
            return (
                f"<type link={quoteattr(item.content.to)}>hardlink</type>" if item.content.hard
                else f"<type>symlink</type><link type='file'>{escape(item.content.to)}</link>"
            )  # fmt: skip
        assert isinstance(item.content, bytes)
        stored = PACKERS.get(item.encoding, bytes)(item.content)
        offset = len(heap)
        heap.extend(stored)
        return (
            f"<type>file</type>{item.extra}<data><offset>{offset}</offset><length>{len(stored)}</length>"
            f"<size>{len(item.content)}</size><encoding style={quoteattr(item.encoding)}/>"
            f"<archived-checksum style='{item.checksum}'>{hashlib.new(item.checksum, stored).hexdigest()}"
            f"</archived-checksum></data>"
        )

    signed = ""
    if certificate is not None:
        signed = (
            '<signature style="RSA"><offset>0</offset><size>0</size><KeyInfo xmlns="http://www.w3.org/2000/09/xmldsig#">'
            f"<X509Data><X509Certificate>{base64.encodebytes(certificate).decode()}</X509Certificate></X509Data></KeyInfo>"
            "</signature>"
        )
    check = f"<checksum style='x'><offset>0</offset><size>{length}</size></checksum>" if digest else ""
    made = f"<?xml version='1.0' encoding='UTF-8'?><xar><toc>{check}{signed}{listing(tree)}</toc></xar>"
    text = toc or made
    table = zlib.compress(text.encode())
    if digest:
        heap[:length] = hashlib.new(digest, table + (b"x" if damage else b"")).digest()
    return struct.pack(">4sHHQQI", b"xar!", 28, 1, len(table), len(text.encode()), style) + table + bytes(heap)


def info(
    identifier: str = "com.example.tool", location: str | None = "/", version: str = "1.2", inside: str = ""
) -> bytes:
    """Write a PackageInfo."""
    place = "" if location is None else f" install-location={quoteattr(location)}"
    return (
        f'<?xml version="1.0"?><pkg-info format-version="2" identifier="{identifier}" version="{version}"{place}>'
        f"{inside}</pkg-info>"
    ).encode()


def component(
    payload: Sequence[tuple[str, Content]],
    *,
    scripts: Mapping[str, bytes] | None = None,
    location: str | None = "/",
    identifier: str = "com.example.tool",
    inside: str = "",
) -> dict[str, Content | Xar]:
    """Return the files of a component."""
    found: dict[str, Content | Xar] = {
        "Bom": b"BOMStore", "PackageInfo": Xar(info(identifier, location, inside=inside), "application/x-gzip"),
        "Payload": gzip.compress(odc([(".", None), *payload]), mtime=0),
    }  # fmt: skip
    if scripts is not None:
        found["Scripts"] = gzip.compress(odc([(".", None), *((f"./{n}", d) for n, d in scripts.items())]), mtime=0)
    return found


def product(distribution: str, components: Mapping[str, Mapping[str, Content | Xar]]) -> bytes:
    """Write a product package."""
    files: dict[str, Content | Xar] = {"Distribution": Xar(distribution.encode(), "application/x-gzip")}
    for name, parts in components.items():
        files.update({f"{name}/{part}": content for part, content in parts.items()})
    return xar(files)


def certificate(name: str) -> bytes:
    """Write as much of a certificate as tells its subject."""

    def der(tag: int, *parts: bytes) -> bytes:
        body = b"".join(parts)
        size = bytes([len(body)]) if len(body) < 128 else bytes([0x82]) + len(body).to_bytes(2, "big")
        return bytes([tag]) + size + body

    def named(text: str) -> bytes:
        pair = der(0x30, der(0x06, b"\x55\x04\x03"), der(0x0C, text.encode()))
        return der(0x30, der(0x31, der(0x30, der(0x06, b"\x55\x04\x0a"), der(0x0C, b"Org"))), der(0x31, pair))

    version, serial = der(0xA0, der(0x02, b"\x02")), der(0x02, b"\x05")
    tbs = der(0x30, version, serial, der(0x30), named("The Issuer"), der(0x30), named(name), der(0x30))
    return der(0x30, tbs, der(0x30), der(0x03, bytes(200)))
