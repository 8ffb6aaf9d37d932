"""Tables of __LINKEDIT in bytes: bind opcodes, chained imports, export tries, symbol tables."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from machochain.macho import constants as c
from machochain.macho.reader import read_bytes
from tests.factory.macho import MachO, raw_command

DONE: Final = b"\x00"
BIND: Final = b"\x90"
POINTER: Final = b"\x51"


def uleb(value: int) -> bytes:
    out = bytearray()
    while True:
        byte = value & 0x7F
        value >>= 7
        if not value:
            out.append(byte)
            return bytes(out)
        out.append(byte | 0x80)


def ordinal(number: int) -> bytes:
    """BIND_OPCODE_SET_DYLIB_*, the shortest form."""
    if number <= 0:
        return bytes([0x30 | number & 0xF])
    return bytes([0x10 | number]) if number < 16 else b"\x20" + uleb(number)


def symbol(name: str | bytes, flags: int = 0) -> bytes:
    raw = name if isinstance(name, bytes) else name.encode("utf-8", "surrogateescape")
    return bytes([0x40 | flags]) + raw + b"\0"


def place(segment: int, offset: int) -> bytes:
    return bytes([0x70 | segment]) + uleb(offset)


def chained(
    imports: Sequence[tuple[str, int, bool]],
    *,
    imports_format: int = 1,
    symbols_format: int = 0,
    version: int = 0,
    count: int | None = None,
    segments: int = 4,
) -> bytes:
    """LC_DYLD_CHAINED_FIXUPS data without fixups: header, starts, import table, names."""
    pool = b"\0"
    table = b""
    for name, number, weak in imports:
        at = len(pool)
        pool += name.encode("utf-8", "surrogateescape") + b"\0"
        if imports_format == 3:
            table += struct.pack("<QQ", number & 0xFFFF | weak << 16 | at << 32, 7)
        else:
            table += struct.pack("<I", number & 0xFF | weak << 8 | at << 9)
            table += struct.pack("<i", -7) if imports_format == 2 else b""
    starts = struct.pack(f"<{1 + segments}I", segments, *[0] * segments)
    starts += bytes(-len(starts) % 8)
    imports_at = 32 + len(starts)
    header = struct.pack(
        "<8I",
        version,
        32,
        imports_at,
        imports_at + len(table),
        len(imports) if count is None else count,
        imports_format,
        symbols_format,
        0,
    )
    return header + starts + table + pool


def trie(exports: Mapping[str, bytes]) -> bytes:
    """An export trie: a node per character where names branch, payloads as given (``uleb(flags) + …``)."""
    nodes: list[tuple[bytes, list[tuple[bytes, int]]]] = []

    def build(items: list[tuple[bytes, bytes]]) -> int:
        index = len(nodes)
        nodes.append((b"", []))
        payload = next((value for key, value in items if not key), b"")
        edges = []
        for first in sorted({key[:1] for key, _ in items if key}):
            group = [(key, value) for key, value in items if key[:1] == first]
            prefix = group[0][0]
            while not all(key.startswith(prefix) for key, _ in group):
                prefix = prefix[:-1]
            edges.append((prefix, build([(key[len(prefix) :], value) for key, value in group])))
        nodes[index] = (payload, edges)
        return index

    build([(key.encode("utf-8", "surrogateescape"), value) for key, value in exports.items()])
    offsets = [0] * len(nodes)
    while True:
        out = b""
        now = []
        for payload, edges in nodes:
            now.append(len(out))
            out += uleb(len(payload)) + payload + bytes([len(edges)])
            out += b"".join(text + b"\0" + uleb(offsets[child]) for text, child in edges)
        if now == offsets:
            return out
        offsets = now


def nlist(entries: Iterable[tuple[str | bytes, int, int, int, int]], *, wide: bool = True) -> tuple[bytes, bytes]:
    """(symbol table, string table) of (name, n_type, n_sect, n_desc, n_value)."""
    strings = b" \0"
    table = b""
    for name, n_type, sect, desc, value in entries:
        table += struct.pack("<IBBHQ" if wide else "<IBBHI", len(strings), n_type, sect, desc, value)
        strings += (name if isinstance(name, bytes) else name.encode("utf-8", "surrogateescape")) + b"\0"
    return table, strings


_INFO: Final = ("rebase", "bind", "weak_bind", "lazy_bind", "exports_trie")


def with_tables(tables: Mapping[str, bytes], **more: Any) -> bytes:
    """An image whose __LINKEDIT holds the tables, named as in ``LinkEdit``.

    ``rebase``, ``bind``, ``weak_bind`` and ``lazy_bind`` bring an LC_DYLD_INFO_ONLY that takes ``exports_trie`` in;
    without them the trie has a command of its own. ``symtab`` and ``strtab`` bring a second LC_SYMTAB;
    ``relocations`` are the external ones of LC_DYSYMTAB.
    """
    more.setdefault("data", True)

    def make(start: int) -> bytes:
        blob = b""
        where = {}
        for name, data in tables.items():
            blob += bytes(-len(blob) % 8)
            where[name] = (start + len(blob), len(data))
            blob += data
        commands = []
        info = any(name in where for name in _INFO[:-1])
        if info:
            fields = [x for name in _INFO for x in where.get(name, (0, 0))]
            commands.append(raw_command(c.LC_DYLD_INFO_ONLY, struct.pack("<10I", *fields)))
        elif "exports_trie" in where:
            commands.append(raw_command(c.LC_DYLD_EXPORTS_TRIE, struct.pack("<II", *where["exports_trie"])))
        if "chained_fixups" in where:
            commands.append(raw_command(c.LC_DYLD_CHAINED_FIXUPS, struct.pack("<II", *where["chained_fixups"])))
        built = MachO(linkedit=blob, **{**more, "extra": (*more.get("extra", ()), *commands)}).bytes()
        if "symtab" in where:
            built = _point_symtab(built, where)
        if "relocations" in where:
            built = _point_relocations(built, *where["relocations"])
        return built

    image = read_bytes(make(0x4000)).slices[0].image
    assert image is not None
    return make(next(s.fileoff for s in image.segments if s.name == "__LINKEDIT"))


def _point_relocations(built: bytes, offset: int, size: int) -> bytes:
    """Let the LC_DYSYMTAB that is there point at external relocations."""
    image = read_bytes(built).slices[0].image
    assert image is not None
    at = next(x.offset for x in image.commands if x.cmd == c.LC_DYSYMTAB) + 8 + 14 * 4
    return built[:at] + struct.pack("<II", offset, size // 8) + built[at + 8 :]


def _point_symtab(built: bytes, where: Mapping[str, tuple[int, int]]) -> bytes:
    """Let the LC_SYMTAB that is there point at the symbols."""
    image = read_bytes(built).slices[0].image
    assert image is not None
    at = next(x.offset for x in image.commands if x.cmd == c.LC_SYMTAB)
    entry = 16 if image.arch.is_64 else 12
    (symoff, size), (stroff, strsize) = where["symtab"], where["strtab"]
    out = bytearray(built)
    struct.pack_into("<4I", out, at + 8, symoff, size // entry, stroff, strsize)
    return bytes(out)
