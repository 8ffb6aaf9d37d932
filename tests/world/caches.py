"""Made-up dyld shared caches: headers of every version, split or whole, with images, paths and export tries.

Written from ``include/mach-o/dyld_cache_format.h`` of dyld; no code of the reader is used.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from itertools import accumulate, groupby, takewhile
from pathlib import Path

from attrs import evolve, frozen

BASE = 0x1_8000_0000
STEP = 0x200_0000
"""Addresses of the files of a cache lie this far apart."""
PAGE = 0x4000
CPUS = {"arm64e": (0x0100000C, 2), "arm64": (0x0100000C, 0), "x86_64": (0x01000007, 3), "x86_64h": (0x01000007, 8)}
HEADERS = (0x48, 0x68, 0x70, 0x98, 0xF8, 0x138, 0x140, 0x1C8, 0x200, 0x208, 0x228)


def uleb(value: int, width: int = 0) -> bytes:
    """Encode a number; with a width it is padded, which is legal."""
    out = bytearray()
    while True:
        byte, value = value & 0x7F, value >> 7
        more = value or len(out) + 1 < width
        out.append(byte | (0x80 if more else 0))
        if not more:
            return bytes(out)


def trie(entries: Mapping[str, bytes]) -> bytes:
    """Lay out a trie; the offsets of nodes have three bytes each."""
    nodes: list[tuple[bytes, list[tuple[bytes, int]]]] = []

    def node(items: list[tuple[bytes, bytes]]) -> int:
        """Add the node of some sorted (rest of the name, payload); returns its number."""
        number = len(nodes)
        edges: list[tuple[bytes, int]] = []
        own = items.pop(0)[1] if items and not items[0][0] else b""
        nodes.append((own, edges))
        for _, group in groupby(items, key=lambda item: item[0][0]):
            members = list(group)
            first, last = members[0][0], members[-1][0]
            same = (one == other for one, other in zip(first, last, strict=False))
            shared = first[: sum(1 for _ in takewhile(bool, same))]
            edges.append((shared, node([(name[len(shared) :], payload) for name, payload in members])))
        return number

    if not entries:
        return b""
    node(sorted((name.encode(), payload) for name, payload in entries.items()))
    starts = [uleb(len(own)) + own + bytes([len(edges)]) for own, edges in nodes]
    edged = list(zip(starts, (edges for _, edges in nodes), strict=True))
    sizes = [len(start) + sum(len(text) + 4 for text, _ in edges) for start, edges in edged]
    places = [0, *accumulate(sizes)]
    return b"".join(
        start + b"".join(text + b"\0" + uleb(places[child], 3) for text, child in edges) for start, edges in edged
    )


@frozen
class Dylib:
    """One library of a made-up cache."""

    path: str
    exports: Sequence[str] = ()
    install_name: str | None = None
    reexports: Sequence[str] = ()
    platforms: Sequence[int] = (1,)
    minos: int = 0x1A0100
    dyld_info: bool = False
    file_type: int = 6
    exports_trie: bytes | None = None

    def trie(self) -> bytes:
        """Its exports; one that is re-exported, the others with some address."""
        return (
            self.exports_trie
            if self.exports_trie is not None
            else trie({n: b"\0" + uleb(0x4000) for n in self.exports})
        )


@frozen
class Recipe:
    """How a cache is made."""

    dylibs: Sequence[Dylib]
    arch: str = "arm64e"
    header: int = 0x228
    aliases: Mapping[str, str] = {}
    split: bool = True
    platform: int = 1
    bits: int = 0
    os_version: int = 0x1A0100
    suffixes: tuple[str, ...] = (".01", ".02.dylddata", ".03.dyldlinkedit")
    magic: bytes | None = None


def text_of(dylib: Dylib, recipe: Recipe, linkedit: int, trie_at: int, size: int) -> bytes:
    """Write the header and load commands of a library whose trie lies at an offset of the file of its __LINKEDIT."""

    def string(cmd: int, text: str, *numbers: int) -> bytes:
        raw = text.encode() + b"\0"
        length = (8 + 4 + 4 * len(numbers) + len(raw) + 7) & ~7
        start = struct.pack("<III", cmd, length, 12 + 4 * len(numbers)) + struct.pack(f"<{len(numbers)}I", *numbers)
        return (start + raw).ljust(length, b"\0")

    commands = [
        struct.pack("<II16sQQQQiiII", 0x19, 72, b"__TEXT", BASE, PAGE, 0, PAGE, 5, 5, 0, 0),
        struct.pack("<II16sQQQQiiII", 0x19, 72, b"__LINKEDIT", linkedit + PAGE, PAGE, PAGE, PAGE, 1, 1, 0, 0),
    ]
    if dylib.file_type == 6:
        commands.append(string(0xD, dylib.install_name or dylib.path, 0, 0x10203, 0x10000))
    if dylib.dyld_info:
        commands.append(struct.pack("<12I", 0x80000022, 48, 0, 0, 0, 0, 0, 0, 0, 0, trie_at, size))
    else:
        commands.append(struct.pack("<IIII", 0x80000033, 16, trie_at, size))
    commands += [
        struct.pack("<IIIIII", 0x32, 24, platform, dylib.minos, dylib.minos, 0) for platform in dylib.platforms
    ]
    commands += [string(0x8000001F, name, 0, 0x10000, 0x10000) for name in dylib.reexports]
    body = b"".join(commands)
    cpu, sub = CPUS[recipe.arch]
    flags = 0x80000000 | 0x85
    return struct.pack("<IiiIIIII", 0xFEEDFACF, cpu, sub, dylib.file_type, len(commands), len(body), flags, 0) + body


class _File:
    """One file of a cache in the making."""

    def __init__(self, recipe: Recipe, index: int) -> None:
        self.recipe = recipe
        self.address = BASE + index * STEP
        self.header = bytearray(recipe.header)
        magic = recipe.magic or (b"dyld_v1" + recipe.arch.rjust(8).encode()).ljust(16, b"\0")
        self.put(0, magic[:16])
        self.put(0x10, struct.pack("<I", recipe.header))
        self.put(0x14, struct.pack("<I", 1))
        self.put(0x58, self.uuid(index))
        self.body = bytearray()
        self.start = (recipe.header + 32 + 7) & ~7

    @staticmethod
    def uuid(index: int) -> bytes:
        return bytes([index + 1]) * 16

    def put(self, at: int, data: bytes) -> None:
        """Set a field, if the header is long enough to have it."""
        if at + len(data) <= len(self.header):
            self.header[at : at + len(data)] = data

    def add(self, data: bytes, align: int = 8) -> int:
        """Append bytes; returns their offset in the file."""
        self.body += bytes(-(self.start + len(self.body)) % align)
        place = self.start + len(self.body)
        self.body += data
        return place

    def bytes(self) -> bytes:
        size = self.start + len(self.body)
        mapping = struct.pack("<QQQII", self.address, size, 0, 5, 5)
        return (bytes(self.header) + mapping).ljust(self.start, b"\0") + bytes(self.body)


def make(recipe: Recipe, folder: Path) -> Path:
    """Write a cache; returns its main file."""
    folder.mkdir(parents=True, exist_ok=True)
    split = recipe.split and recipe.header >= 0x1C8
    names = ["", *(recipe.suffixes if split else ())]
    files = [_File(recipe, index) for index in range(len(names))]
    main, last = files[0], files[-1]
    texts: list[tuple[int, Dylib]] = []
    for index, dylib in enumerate(recipe.dylibs):
        data = dylib.trie()
        trie_at = last.add(data)
        # the file of __LINKEDIT is mapped at its beginning, so its offsets count from its address
        raw = text_of(dylib, recipe, last.address, trie_at, len(data))
        home = files[1] if split and index % 2 else main
        texts.append((home.address + home.add(raw, 64), dylib))
    images = list(texts)
    if recipe.header < 0x118:  # an alias is an image of the same address
        by_path = {dylib.path: address for address, dylib in texts}
        images += [(by_path[path], Dylib(alias)) for alias, path in recipe.aliases.items()]
    else:
        order = {dylib.path: index for index, (_, dylib) in enumerate(texts)}
        paths = {path: uleb(index) for path, index in order.items()}
        paths |= {alias: uleb(order[path]) for alias, path in recipe.aliases.items()}
        data = trie(paths)
        main.put(0x108, struct.pack("<QQ", last.address + last.add(data), len(data)))
    table = b"".join(
        struct.pack("<QQQII", address, 0, 0, main.add(dylib.path.encode() + b"\0", 1), 0) for address, dylib in images
    )
    place = (0x1C0 if recipe.header >= 0x1C8 else 0x18, struct.pack("<II", main.add(table), len(images)))
    main.put(*place)
    main.put(0xD8, struct.pack("<II", recipe.platform, recipe.bits))
    main.put(0x16C, struct.pack("<I", recipe.os_version))
    if split:
        entries = b""
        for index, suffix in enumerate(recipe.suffixes, 1):
            entries += _File.uuid(index) + struct.pack("<Q", index * STEP)
            entries += suffix.encode().ljust(32, b"\0") if recipe.header > 0x1C8 else b""
        main.put(0x188, struct.pack("<II", main.add(entries), len(recipe.suffixes)))
    path = folder / f"dyld_shared_cache_{recipe.arch}"
    for name, file in zip(names, files, strict=True):
        path.with_name(path.name + name).write_bytes(file.bytes())
    return path


SYSTEM = Dylib("/usr/lib/libSystem.B.dylib", ("_environ",), reexports=("/usr/lib/system/libsystem_c.dylib",))
DYLIBS = (
    SYSTEM,
    Dylib("/usr/lib/system/libsystem_c.dylib", ("_printf", "_puts", "_malloc")),
    Dylib("/usr/lib/system/libdyld.dylib", ("_dlopen",)),
    Dylib("/usr/lib/libz.1.dylib", ("_inflate", "_deflate", "_zlibVersion"), dyld_info=True),
    Dylib(
        "/System/Library/Frameworks/X.framework/Versions/A/X",
        ("_OBJC_CLASS_$_X", "_x"),
        platforms=(1, 6),
    ),
    Dylib("/usr/lib/libnothing.dylib"),
)
ALIASES = {"/usr/lib/libz.dylib": "/usr/lib/libz.1.dylib"}
USUAL = Recipe(DYLIBS, aliases=ALIASES)


def older(header: int) -> Recipe:
    """The usual cache with the header of an older dyld."""
    if header == 0x1C8:
        return evolve(USUAL, header=header, suffixes=(".1", ".2"))
    return evolve(USUAL, header=header)
