"""The symbols an image gives: looked up by name as dyld does, or listed.

A lookup walks the export trie and parses only the nodes on its way, each once. Images older than the trie
(macOS 10.6) and object files are looked up in the symbol table.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from machochain.macho.constants import LC_DYLD_EXPORTS_TRIE, LC_DYLD_INFO, LC_DYLD_INFO_ONLY
from machochain.macho.symtab import (
    N_EXT,
    N_SECT,
    N_STAB,
    N_SYMBOL_RESOLVER,
    N_TYPE,
    N_WEAK_DEF,
    ReadAt,
    external_symbols,
    name_budget,
    read_table,
)
from machochain.model.image import Image
from machochain.model.symbols import (
    EXPORT_FUNCTION_VARIANT,
    EXPORT_REEXPORT,
    EXPORT_STUB_AND_RESOLVER,
    EXPORT_WEAK_DEFINITION,
    Export,
    TableDefect,
)

_TRIE_COMMANDS: Final = frozenset({LC_DYLD_EXPORTS_TRIE, LC_DYLD_INFO, LC_DYLD_INFO_ONLY})


class _Malformed(Exception):  # noqa: N818 - control flow inside this module, never seen outside
    """The trie cannot be read at some place."""

    def __init__(self, text: str, offset: int) -> None:
        self.text = text
        self.offset = offset
        super().__init__(text)


class Exports:
    """What one image exports. Holds the table in memory; made by ``open_exports``."""

    __slots__ = ("_defects", "_table")

    def __init__(self, table: _Trie | _SymbolTable, defects: tuple[TableDefect, ...]) -> None:
        """Take the table that counts and what was already wrong with it."""
        self._table = table
        self._defects = dict.fromkeys(defects)

    @property
    def defects(self) -> tuple[TableDefect, ...]:
        """What was found malformed so far; a lookup looks only at its own way through the trie."""
        return tuple(self._defects)

    def find(self, name: str) -> Export | None:
        """Look up one name in this image alone; None if it is not exported or the way to it is malformed.

        dyld-1378: ``dyld/Loader.cpp``, ``hasExportedSymbol``; ``common/MachOFile.cpp``, ``trieWalk``.
        """
        try:
            return self._table.find(name)
        except _Malformed as error:
            self._defects[TableDefect(error.text, error.offset)] = None
            return None

    def all(self) -> tuple[Export, ...]:
        """List every export, in the order of the table; a malformed branch of the trie is left out."""
        out: list[Export] = []
        for found in self._table.all():
            if isinstance(found, Export):
                out.append(found)
            else:
                self._defects[found] = None
        return tuple(out)


def open_exports(image: Image, read: ReadAt) -> Exports:
    """Read the table of exports into memory.

    Args:
        image: The header.
        read: Bytes of the slice, offsets from its start.

    Returns:
        The table to ask. LC_DYLD_INFO with an empty trie means no exports, not a look at the symbol table.
    """
    offset, size = image.linkedit.exports_trie or (0, 0)
    if size or any(command.cmd in _TRIE_COMMANDS for command in image.commands):
        data, defect = read_table(read, offset, size, "export trie")
        return Exports(_Trie(data, offset), (defect,) if defect else ())
    symbols = external_symbols(image, read)
    base = next((s.vmaddr for s in image.segments if s.name == "__TEXT"), 0)
    exports: dict[str, Export] = {}
    for symbol in symbols.entries:
        # Nothing but N_SECT: dyld finds neither absolute nor indirect symbols here.
        if symbol.type & (N_STAB | N_TYPE | N_EXT) == N_SECT | N_EXT:
            flags = EXPORT_WEAK_DEFINITION if symbol.desc & N_WEAK_DEF else 0
            flags |= EXPORT_STUB_AND_RESOLVER if symbol.desc & N_SYMBOL_RESOLVER else 0
            exports.setdefault(symbol.name, Export(symbol.name, flags, symbol.value - base))
    return Exports(_SymbolTable(exports), symbols.defects)


class _SymbolTable:
    """Exports of an image without a trie, by name; the first of a name wins."""

    def __init__(self, exports: dict[str, Export]) -> None:
        self._exports = exports

    def find(self, name: str) -> Export | None:
        return self._exports.get(name)

    def all(self) -> Iterator[Export | TableDefect]:
        yield from self._exports.values()


class _Node:
    """One node: where its payload lies, its edges in order, and where reading of the edges failed.

    ``by_first`` has the edges by their first byte; None where that would not find the first edge that fits
    (an empty edge, two edges with one first byte), which no linker writes.
    """

    __slots__ = ("broken", "by_first", "edges", "payload", "terminal_size")

    def __init__(self, terminal_size: int, payload: int) -> None:
        self.terminal_size = terminal_size
        self.payload = payload
        self.edges: list[tuple[bytes, int]] = []
        self.by_first: dict[int, tuple[bytes, int]] | None = None
        self.broken: _Malformed | None = None

    def index(self) -> None:
        """Fill ``by_first``."""
        by_first = {edge[0][0]: edge for edge in self.edges if edge[0]}
        if len(by_first) == len(self.edges):
            self.by_first = by_first

    def follow(self, name: bytes, done: int) -> tuple[bytes, int] | None:
        """Return the first edge that continues the name."""
        if self.by_first is not None:
            found = self.by_first.get(name[done]) if done < len(name) else None
            return found if found and name.startswith(found[0], done) else None
        return next((edge for edge in self.edges if name.startswith(edge[0], done)), None)


class _Trie:
    """An export trie (<mach-o/loader.h>, LC_DYLD_EXPORTS_TRIE).

    A node is: ULEB128 length of the payload, payload, number of children, and for each child the text on
    the edge with a NUL and the ULEB128 offset of its node.
    """

    def __init__(self, data: bytes, offset: int) -> None:
        self._data = data
        self._offset = offset
        self._nodes: dict[int, _Node] = {}

    def find(self, name: str) -> Export | None:
        """Follow the first edge that fits at each node; dyld never tries a second one."""
        rest = name.encode("utf-8", "surrogateescape")
        length, size, nodes = len(rest), len(self._data), self._nodes
        done = at = 0
        visited = {0}
        while at < size:
            node = nodes.get(at) or self._node(at)
            if done == length and node.terminal_size:
                return self._export(name, node.payload)
            found = node.follow(rest, done)
            if found is None:
                if node.broken:
                    raise node.broken
                return None
            edge, child = found
            if not 0 < child <= size or child in visited:
                self._check_child(child, at)
                raise self._malformed(f"malformed trie child, cycle to nodeOffset=0x{child:X}", at)
            visited.add(child)
            done += len(edge)
            at = child
        return None

    def all(self) -> Iterator[Export | TableDefect]:
        """Walk the whole trie, parents before children, edges in their order.

        Linkers never let two edges meet in one node, so a node is taken once: otherwise a few bytes could spell
        out more names than there are atoms.
        """
        if not self._data:
            return
        visited = {0}
        budget = name_budget(len(self._data))
        stack = [(0, b"")]
        while stack:
            at, name = stack.pop()
            try:
                node = self._node(at)
                if node.terminal_size and node.payload + node.terminal_size < len(self._data):
                    budget -= len(name)
                    if budget < 0:
                        raise self._malformed("names of the export trie overlap without end", at)
                    yield self._export(name.decode("utf-8", "surrogateescape"), node.payload)
                if node.broken:
                    yield TableDefect(node.broken.text, node.broken.offset)
                for edge, child in reversed(node.edges):
                    self._check_child(child, at)
                    if child in visited:
                        raise self._malformed(f"malformed trie child, cycle to nodeOffset=0x{child:X}", at)
                    visited.add(child)
                    stack.append((child, name + edge))
            except _Malformed as error:
                yield TableDefect(error.text, error.offset)
                if budget < 0:
                    return

    def _check_child(self, child: int, at: int) -> None:
        if not 0 < child <= len(self._data):
            raise self._malformed(f"malformed trie child, nodeOffset=0x{child:X} out of range", at)

    def _malformed(self, text: str, at: int) -> _Malformed:
        return _Malformed(text, self._offset + at)

    def _node(self, at: int) -> _Node:
        """Parse and keep the node at an offset."""
        data = self._data
        size = len(data)
        terminal_size, payload = self._uleb(at)
        node = _Node(terminal_size, payload)
        here = payload + terminal_size
        if here >= size:
            # dyld looks at the payload before it looks for children.
            node.broken = self._malformed("malformed trie node, terminalSize extends past end of trie", at)
            self._nodes[at] = node
            return node
        count = data[here]
        here += 1
        try:
            for _ in range(count):
                end = data.find(b"\0", here)
                if end < 0:
                    raise self._malformed("malformed trie node, child node extends past end of trie", here)
                child, behind = self._uleb(end + 1)
                node.edges.append((data[here:end], child))
                here = behind
        except _Malformed as error:
            node.broken = error
        node.index()
        self._nodes[at] = node
        return node

    def _uleb(self, at: int) -> tuple[int, int]:
        """Return (value, offset behind it)."""
        data = self._data
        if at < len(data) and data[at] < 0x80:
            return data[at], at + 1
        value = shift = 0
        for place in range(at, min(at + 10, len(data))):
            byte = data[place]
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value & 0xFFFFFFFFFFFFFFFF, place + 1
        text = "uleb128 too big for uint64" if at + 10 <= len(data) else "malformed uleb128"
        raise self._malformed(text, at)

    def _export(self, name: str, at: int) -> Export:
        """Read a payload in the order dyld looks at its flags (dyld-1378, ``dyld/Loader.cpp``)."""
        flags, at = self._uleb(at)
        value, at = self._uleb(at)
        if flags & EXPORT_REEXPORT:
            end = self._data.find(b"\0", at)
            if end < 0:
                raise self._malformed("re-export name change not nul terminated", at)
            imported = self._data[at:end].decode("utf-8", "surrogateescape")
            return Export(name, flags, 0, value, imported or name)
        other = 0
        if flags & (EXPORT_FUNCTION_VARIANT | EXPORT_STUB_AND_RESOLVER):
            other, _ = self._uleb(at)
        return Export(name, flags, value, other=other)
