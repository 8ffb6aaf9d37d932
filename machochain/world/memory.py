"""A modelled Mac that exists only in memory: what the rules are tested on, and a base for made-up worlds."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from machochain.model.errors import InputError, UsageError
from machochain.model.filesystem import Node
from machochain.model.paths import HostPath
from machochain.model.reading import ByteSource, BytesSource
from machochain.world.filesystem import EACCES, Entry, EntryKind, WalkedFileSystem, components

MEMORY_DEVICE: Final = -2
"""Device number of every node in memory: no real device has it."""


class MemoryFileSystem(WalkedFileSystem):
    """Files, directories and links held in memory; answers as the host's file system would for the same tree."""

    def __init__(
        self,
        tree: Mapping[str, bytes | str | None],
        *,
        unseen: Iterable[str] = (),
        denied: Iterable[str] = (),
        special: Iterable[str] = (),
        case_sensitive: bool = False,
    ) -> None:
        """Build the tree; directories above an entry come into being by themselves.

        Args:
            tree: Absolute path to: bytes (a file with them), text (a link that points there), None (a directory).
            unseen: Paths at and below which nobody can tell.
            denied: Paths whose look-up fails with EACCES.
            special: Paths of things that are neither file nor directory (a FIFO, a device).
            case_sensitive: Whether names that differ in case only are two names.

        Raises:
            UsageError: An entry lies below something that is no directory.
        """
        self._files: dict[tuple[int, int], bytes] = {}
        self._count = 0
        root = _MemoryFolder(self._number())
        for path, what in tree.items():
            self._add(root, path, what)
        for paths, kind, errno in (
            (unseen, EntryKind.UNSEEN, 0),
            (denied, EntryKind.DENIED, EACCES),
            (special, EntryKind.OTHER, 0),
        ):
            for path in paths:
                folder, name = self._parent(root, path)
                folder.children[name] = Entry(name, kind, self._number(), errno=errno)
        super().__init__(root, case_sensitive=case_sensitive)

    @classmethod
    def from_text(
        cls, text: str, files: Mapping[str, bytes] | None = None, *, case_sensitive: bool = False
    ) -> MemoryFileSystem:
        """Build from an indented tree, one name a line, what is inside a directory indented below it.

        ``name`` is an empty file, ``name/`` a directory, ``name -> target`` a link, ``name ?`` unseen,
        ``name !`` denied, ``name |`` neither file nor directory. A name may hold slashes; lines that are empty
        or begin with ``#`` say nothing.

        Args:
            text: The tree.
            files: What is in the files, by absolute path; may name further files.
            case_sensitive: Whether names that differ in case only are two names.
        """
        tree: dict[str, bytes | str | None] = {}
        marked: dict[str, list[str]] = {"?": [], "!": [], "|": []}
        above: list[tuple[int, str]] = []
        for line in text.splitlines():
            item = line.strip()
            if not item or item.startswith("#"):
                continue
            indent = len(line) - len(line.lstrip())
            while above and above[-1][0] >= indent:
                above.pop()
            base = above[-1][1] if above else ""
            name, arrow, target = item.partition(" -> ")
            bare, _, mark = item.rpartition(" ")
            if arrow:
                tree[f"{base}/{name}"] = target
            elif bare and mark in marked:
                marked[mark].append(f"{base}/{bare}")
            elif item.endswith("/"):
                above.append((indent, f"{base}/{item.strip('/')}"))
                tree[above[-1][1]] = None
            else:
                tree[f"{base}/{item}"] = b""
        return cls(
            {**tree, **(files or {})},
            unseen=marked["?"],
            denied=marked["!"],
            special=marked["|"],
            case_sensitive=case_sensitive,
        )

    @contextmanager
    def opened(self, node: Node) -> Iterator[ByteSource]:
        """Open the file of a node that `look` gave.

        Raises:
            InputError: The node is no file.
        """
        data = self._files.get(node.identity) if node.identity else None
        if data is None:
            raise InputError("not a file", path=node.real)
        yield BytesSource(data)

    def read_bytes(self, node: Node, offset: int, length: int) -> bytes:
        """Return ``length`` bytes of the file of a node from ``offset``, fewer at its end.

        Raises:
            InputError: The node is no file.
        """
        with self.opened(node) as source:
            return source.read(offset, length)

    def _number(self) -> tuple[int, int]:
        self._count += 1
        return MEMORY_DEVICE, self._count

    def _parent(self, root: _MemoryFolder, path: str) -> tuple[_MemoryFolder, str]:
        *parents, name = components(path)
        folder = root
        for parent in parents:
            entry = folder.children.get(parent)
            if entry is None:
                below = _MemoryFolder(self._number())
                folder.children[parent] = Entry(parent, EntryKind.DIRECTORY, below.identity, folder=below)
            elif isinstance(entry.folder, _MemoryFolder):
                below = entry.folder
            else:
                raise UsageError(f"{path}: {parent} is not a directory")
            folder = below
        return folder, name

    def _add(self, root: _MemoryFolder, path: str, what: bytes | str | None) -> None:
        if not components(path):
            return
        folder, name = self._parent(root, path)
        if what is None:
            self._parent(root, f"{path}/x")
        elif isinstance(what, str):
            folder.children[name] = Entry(name, EntryKind.LINK, self._number(), link=what)
        else:
            identity = self._number()
            self._files[identity] = what
            folder.children[name] = Entry(name, EntryKind.FILE, identity, size=len(what))


class _MemoryFolder:
    """The inside of one directory in memory."""

    __slots__ = ("children", "identity")

    host: HostPath | None = None
    complete = True

    def __init__(self, identity: tuple[int, int]) -> None:
        self.identity = identity
        self.children: dict[str, Entry] = {}

    def child(self, name: str) -> Entry | None:
        return self.children.get(name)

    def names(self) -> Collection[str]:
        return self.children.keys()
