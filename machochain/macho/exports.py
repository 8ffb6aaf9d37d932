"""The symbols an image gives: looked up by name as dyld does, or listed.

A lookup walks the export trie and parses only the nodes on its way; after many lookups the trie is listed into a
dictionary instead. Images older than the trie (macOS 10.6) and object files are looked up in the symbol table.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from typing import Final

from machochain.macho.constants import LC_DYLD_EXPORTS_TRIE, LC_DYLD_INFO, LC_DYLD_INFO_ONLY
from machochain.macho.symtab import (
    N_EXT,
    N_SECT,
    N_STAB,
    N_SYMBOL_RESOLVER,
    N_TYPE,
    N_WEAK_DEF,
    external_symbols,
    name_budget,
    read_table,
)
from machochain.model.image import Image
from machochain.model.reading import ReadAt
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

    def problem(self, name: str) -> str | None:
        """Return dyld's words if the way to a name is malformed, else None."""
        try:
            self._table.find(name)
        except _Malformed as error:
            return error.text
        return None

    def find_many(self, names: Iterable[str]) -> dict[str, Export | None]:
        """Look up many names at once: the same answers as ``find`` gives, each node on their ways read once."""
        wanted = dict.fromkeys(names)
        try:
            return {**wanted, **self._table.find_many(wanted)}
        except _Malformed:
            # What is malformed counts only for the names whose way it lies on.
            return {name: self.find(name) for name in wanted}

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
        The table to ask: the trie, or the symbol table if the trie's offset is 0 (dyld-1378, JustInTimeLoader.cpp:
        getExportsTrie()).
    """
    offset, size = image.linkedit.exports_trie or (0, 0)
    if offset:
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


def trie_names(data: bytes) -> tuple[list[str], tuple[TableDefect, ...]]:
    """List the names of a whole trie, and what of it is malformed."""
    listed = _Trie(data, 0).listed()
    return [name.decode("utf-8", "surrogateescape") for name, _ in listed.found], tuple(listed.defects)


def trie_numbers(data: bytes) -> tuple[list[tuple[str, int]], tuple[TableDefect, ...]]:
    """List a trie of paths as a shared cache has one: each with its number, and what of the trie is malformed."""
    trie = _Trie(data, 0)
    listed = trie.listed()
    found = [(name.decode("utf-8", "surrogateescape"), trie.number(payload)) for name, payload in listed.found]
    return found, tuple(listed.defects)


class _SymbolTable:
    """Exports of an image without a trie, by name; the first of a name wins."""

    def __init__(self, exports: dict[str, Export]) -> None:
        self._exports = exports

    def find(self, name: str) -> Export | None:
        return self._exports.get(name)

    def find_many(self, names: Iterable[str]) -> dict[str, Export]:
        return {name: self._exports[name] for name in names if name in self._exports}

    def all(self) -> Iterator[Export | TableDefect]:
        yield from self._exports.values()


_EDGE: Final = re.compile(rb"([^\x00]*+)\x00([\x80-\xff]*+[\x00-\x7f])")
"""The text on an edge and the undecoded offset of the node it leads to."""


class _Listing:
    """What a walk through the whole trie gives.

    ``regular`` says that a lookup finds exactly the names in ``found``: nothing is malformed, no edge is empty
    and no two edges of a node begin alike.
    """

    def __init__(self) -> None:
        self.found: list[tuple[bytes, int]] = []
        self.defects: list[TableDefect] = []
        self.regular = True

    def fail(self, error: _Malformed) -> None:
        self.defects.append(TableDefect(error.text, error.offset))
        self.regular = False


class _Trie:
    """An export trie (<mach-o/loader.h>, LC_DYLD_EXPORTS_TRIE).

    A node is: ULEB128 length of the payload, payload, number of children, and for each child the text on
    the edge with a NUL and the ULEB128 offset of its node.
    """

    def __init__(self, data: bytes, offset: int) -> None:
        self._data = data
        self._offset = offset
        self._index: dict[bytes, int] | None = None
        # A walk costs what listing some 256 bytes of trie costs. Once the walks have cost as much as listing
        # everything would have, list everything: never worse than twice the best choice.
        self._walks_left = len(data) // 256

    def find(self, name: str) -> Export | None:
        raw = name.encode("utf-8", "surrogateescape")
        self._walks_left -= 1
        if self._walks_left == 0:
            listed = self.listed()
            # In an irregular trie dyld may not get to a name that is listed.
            self._index = dict(listed.found) if listed.regular else None
        payload = self._walk(raw) if self._index is None else self._index.get(raw)
        return None if payload is None else self._export(name, payload)

    def all(self) -> Iterator[Export | TableDefect]:
        """List the exports, parents before children, edges in their order; then what is malformed."""
        listed = self.listed()
        for name, payload in listed.found:
            try:
                yield self._export(name.decode("utf-8", "surrogateescape"), payload)
            except _Malformed as error:
                yield TableDefect(error.text, error.offset)
        yield from listed.defects

    def find_many(self, names: Iterable[str]) -> dict[str, Export]:
        """Look up names together: sorted, those that share an edge lie side by side and go down it as one.

        Raises:
            _Malformed: On the way to one of them.
        """
        spelled = {name.encode("utf-8", "surrogateescape"): name for name in names}
        if self._index is not None:
            payloads = {raw: self._index[raw] for raw in spelled if raw in self._index}
        else:
            payloads = dict(self._walk_many(sorted(spelled)))
        return {spelled[raw]: self._export(spelled[raw], payload) for raw, payload in payloads.items()}

    def _walk_many(self, names: list[bytes]) -> Iterator[tuple[bytes, int]]:
        """Yield the names that are there with their payloads."""
        visited = {0}
        stack = [(0, b"", 0, len(names))] if self._data and names else []
        while stack:
            at, prefix, low, high = stack.pop()
            if high - low == 1:
                payload = self._walk(names[low], at, len(prefix), visited)
                if payload is not None:
                    yield names[low], payload
                continue
            payload, edges = self._edges(at)
            if names[low] == prefix:
                if payload:
                    yield prefix, payload
                low += 1
            if len(edges) > 1 and len({text[:1] for text, _ in edges}) < len(edges):
                raise self._malformed("two edges begin alike", at)  # each name then finds its own way
            for text, raw in edges:
                if not text or text[-1] == 0xFF:
                    raise self._malformed("an edge without text, or without a text behind it", at)
                first = bisect_left(names, prefix + text, low, high)
                behind = text[:-1] + bytes((text[-1] + 1,))
                last = bisect_left(names, prefix + behind, first, high)
                if first < last:
                    stack.append((self._child(raw, at, visited), prefix + text, first, last))

    def _walk(self, name: bytes, at: int = 0, done: int = 0, visited: set[int] | None = None) -> int | None:
        """Return where the payload of a name lies. dyld follows the first edge that fits and never tries a second.

        Args:
            name: The name.
            at: The node to start at.
            done: How much of the name led there.
            visited: The nodes on the way there, and others that may not be visited again.
        """
        data, size, length, match = self._data, len(self._data), len(name), _EDGE.match
        visited = {0} if visited is None else visited
        while at < size:
            terminal_size, payload = self._uleb(at)
            if done == length and terminal_size:
                return payload
            end = payload + terminal_size
            if end >= size:
                raise self._malformed("malformed trie node, terminalSize extends past end of trie", at)
            count = data[end]
            end += 1
            for _ in range(count):
                edge = match(data, end)
                if edge is None:
                    cut = data[end:]
                    if b"\0" not in cut and name.startswith(cut, done):
                        # what lies behind the trie ends the edge, and the offset behind that is 0
                        raise self._malformed("malformed trie child, nodeOffset=0x0 out of range", end)
                    raise self._malformed("malformed trie node, child node extends past end of trie", end)
                if name.startswith(edge[1], done):
                    break
                end = edge.end()
            else:
                return None
            done += len(edge[1])
            at = self._child(edge[2], at, visited)
        return None

    def listed(self) -> _Listing:
        """Walk the whole trie.

        Linkers never let two edges meet in one node, so a node is taken once: otherwise a few bytes could spell
        out more names than there are atoms.
        """
        listing = _Listing()
        data = self._data
        visited = {0}
        budget = name_budget(len(data))
        stack = [(0, b"")] if data else []
        while stack:
            at, name = stack.pop()
            try:
                payload, edges = self._edges(at)
                if payload:
                    budget -= len(name)
                    if budget < 0:
                        raise self._malformed("names of the export trie overlap without end", at)
                    listing.found.append((name, payload))
                if len(edges) > 1 and len({text[:1] for text, _ in edges}) < len(edges):
                    listing.regular = False
                for text, raw in reversed(edges):
                    listing.regular &= bool(text)
                    stack.append((self._child(raw, at, visited), name + text))
            except _Malformed as error:
                listing.fail(error)
                if budget < 0:
                    return listing
        return listing

    def number(self, at: int) -> int:
        """Return the number at some place; 0 where none can be read."""
        try:
            return self._uleb(at)[0]
        except _Malformed:
            return 0

    def _edges(self, at: int) -> tuple[int, list[tuple[bytes, bytes]]]:
        """Return where the payload of a node lies (0: it has none), and its edges: text, undecoded offset."""
        data = self._data
        terminal_size, payload = self._uleb(at)
        end = payload + terminal_size
        if end >= len(data):
            raise self._malformed("malformed trie node, terminalSize extends past end of trie", at)
        count = data[end]
        end += 1
        edges: list[tuple[bytes, bytes]] = []
        for _ in range(count):
            edge = _EDGE.match(data, end)
            if edge is None:
                raise self._malformed("malformed trie node, child node extends past end of trie", end)
            edges.append((edge[1], edge[2]))
            end = edge.end()
        return payload if terminal_size else 0, edges

    def _child(self, raw: bytes, at: int, visited: set[int]) -> int:
        """Return the offset of the node an edge of the node ``at`` leads to; each may be visited once."""
        if len(raw) > 10:
            raise self._malformed("uleb128 too big for uint64", at)
        child = 0
        shift = 0
        for byte in raw:
            child |= (byte & 0x7F) << shift
            shift += 7
        if not 0 < child <= len(self._data):
            raise self._malformed(f"malformed trie child, nodeOffset=0x{child:X} out of range", at)
        if child in visited:
            raise self._malformed(f"malformed trie child, cycle to nodeOffset=0x{child:X}", at)
        visited.add(child)
        return child

    def _malformed(self, text: str, at: int) -> _Malformed:
        return _Malformed(text, self._offset + at)

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
