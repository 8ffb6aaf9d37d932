"""Walking a path of the modelled Mac the way its kernel does, over any store of files.

A store only answers what one directory holds (`Folder`). Everything a path means (links, ``..``, case, limits)
is decided here, once, so that every store answers alike. Rules: xnu ``bsd/vfs/vfs_lookup.c: namei(), lookup()``
and <sys/syslimits.h>; APFS compares names without regard to their Unicode normalisation and, unless the volume is
case-sensitive, to their case.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Collection
from contextlib import AbstractContextManager
from enum import Enum
from typing import Final, Protocol

from machochain.model.filesystem import ABSENT, UNSEEN, FileSystem, Node, NodeKind, Presence
from machochain.model.paths import HostPath, TargetPath
from machochain.model.reading import ByteSource
from machochain.model.value import define, field, frozen

ENOENT: Final = 2
EACCES: Final = 13
ENOTDIR: Final = 20
ELOOP: Final = 62
ENAMETOOLONG: Final = 63
"""Error numbers of macOS (<sys/errno.h>); other systems number the last two differently."""

NAME_MAX: Final = 255
PATH_MAX: Final = 1024
"""Bytes of one name; bytes of one path, its final NUL included (<sys/syslimits.h>)."""
MAXSYMLINKS: Final = 32
"""Symbolic links that one look-up may follow (<sys/param.h>)."""


class EntryKind(Enum):
    """What stands under a name in a directory, links not followed."""

    FILE = "file"
    DIRECTORY = "directory"
    LINK = "link"
    OTHER = "other"
    DENIED = "denied"
    UNSEEN = "unseen"


@frozen
class Entry:
    """What stands under one name in one directory.

    Attributes:
        name: The name as the volume spells it.
        kind: What it is; a link is not followed.
        identity: (device, inode).
        size: Length of a file in bytes.
        link: Where a link points.
        folder: The inside of a directory; None for anything else.
        host: The file or directory on this machine; None if it is not on this machine.
        errno: Why a look-up is denied; 0 for any other kind.
    """

    name: str
    kind: EntryKind
    identity: tuple[int, int] = (0, 0)
    size: int = 0
    link: str = ""
    folder: Folder | None = field(default=None, repr=False)
    host: HostPath | None = None
    errno: int = 0


class Folder(Protocol):
    """The inside of one directory, as a store of files answers it."""

    @property
    def identity(self) -> tuple[int, int]:
        """(device, inode)."""
        ...

    @property
    def host(self) -> HostPath | None:
        """The directory on this machine; None if it is not on this machine."""
        ...

    @property
    def complete(self) -> bool:
        """Whether what is not here is absent. If not, it is unseen."""
        ...

    def child(self, name: str) -> Entry | None:
        """Return what stands under exactly this name, byte for byte; None if nothing does."""
        ...

    def names(self) -> Collection[str] | None:
        """Return every name; None if the directory cannot be listed."""
        ...


class ReadableFileSystem(FileSystem, Protocol):
    """A file system whose files can be read as well."""

    def opened(self, node: Node) -> AbstractContextManager[ByteSource]:
        """Open the file of a node that `look` gave.

        Raises:
            InputError: It cannot be opened; on a later read: it cannot be read.
        """
        ...

    def read_bytes(self, node: Node, offset: int, length: int) -> bytes:
        """Return ``length`` bytes of the file of a node from ``offset``, fewer at its end.

        Raises:
            InputError: It cannot be read.
        """
        ...

    def names(self, path: TargetPath) -> tuple[str, ...] | None:
        """Return the names in a directory, sorted; none if it is no directory; None if nobody can tell."""
        ...


def fold_name(name: str, *, case_sensitive: bool = False) -> str:
    """Return the key under which APFS takes two spellings of a name for one."""
    if name.isascii():
        return name if case_sensitive else name.lower()
    plain = unicodedata.normalize("NFD", name)
    return plain if case_sensitive else unicodedata.normalize("NFD", plain.casefold())


def byte_length(text: str) -> int | None:
    """Return the length in bytes; None for text that no file name can be (a NUL, a stray surrogate)."""
    if "\0" in text:
        return None
    if text.isascii():
        return len(text)
    try:
        return len(text.encode("utf-8", "surrogateescape"))
    except UnicodeEncodeError:
        return None


def components(path: str) -> list[str]:
    """Return the names of a path that a user gave; empty ones and ``.`` mean nothing."""
    return [name for name in path.split("/") if name not in ("", ".")]


def realpath(files: FileSystem, path: str) -> TargetPath | None:
    """Return what dyld takes for the real path, also of a file that is not there.

    The real path of the file; if there is none, that of its directory followed by the leaf
    (dyld-1378, ``dyld/DyldDelegates.cpp: SyscallDelegate::realpath``).

    Args:
        files: Where to look.
        path: An absolute path.

    Returns:
        The real path; None if neither is there, or nobody can tell.
    """
    node = files.look(TargetPath(path))
    if node.presence is not Presence.ABSENT:
        return node.real
    directory, _, leaf = path.rpartition("/")
    if not directory:
        return None
    above = files.look(TargetPath(directory))
    if above.kind is not NodeKind.DIRECTORY:
        return None
    return TargetPath(f"{above.real}/{leaf}")


class WalkedFileSystem:
    """The `FileSystem` over one root `Folder`.

    Each directory is walked to once, and listed at most once (only when a name is not found as spelt), however
    many paths lead into it: what is remembered lives as long as this object and no longer.
    """

    def __init__(self, root: Folder, *, case_sensitive: bool = False) -> None:
        """Begin with nothing remembered.

        Args:
            root: The directory ``/``.
            case_sensitive: Whether names that differ in case only are two names.
        """
        self.case_sensitive = case_sensitive
        self._root = _Directory(root, "", None, case_sensitive)
        self._starts: dict[str, _End] = {"": _End(self._root)}

    def look(self, path: TargetPath) -> Node:
        """Say what lies at a target path, links followed. A relative path is taken from ``/``."""
        end = self._find(path, follow=True)
        if end.failure is not None:
            return end.failure
        if end.entry is None:
            return Node(
                Presence.PRESENT,
                NodeKind.DIRECTORY,
                TargetPath(end.directory.real or "/"),
                end.directory.folder.identity,
                end.directory.folder.host,
                case_differs=end.case_differs,
            )
        entry = end.entry
        return Node(
            Presence.PRESENT,
            NodeKind.FILE if entry.kind is EntryKind.FILE else NodeKind.OTHER,
            TargetPath(f"{end.directory.real}/{entry.name}"),
            entry.identity,
            entry.host,
            case_differs=end.case_differs,
            size=entry.size,
        )

    def names(self, path: TargetPath) -> tuple[str, ...] | None:
        """Return the names in a directory, sorted; none if it is no directory; None if nobody can tell."""
        end = self._find(path, follow=True)
        if end.failure is not None:
            return None if end.failure.presence is Presence.UNSEEN else ()
        if end.entry is not None:
            return ()
        names = end.directory.folder.names()
        return tuple(sorted(names)) if names is not None else None

    def stands_at(self, path: TargetPath) -> HostPath | None:
        """Return what of this machine stands at a path, a link in the last place not followed; None if nothing."""
        end = self._find(path, follow=False)
        if end.failure is not None:
            return None
        return end.directory.folder.host if end.entry is None else end.entry.host

    def _find(self, path: str, *, follow: bool) -> _End:
        length = byte_length(path)
        if not length:
            return _End(self._root, failure=ABSENT)
        if length >= PATH_MAX:
            return _End(self._root, failure=_failed(ENAMETOOLONG))
        # Hundreds of candidates share few directories: the walk to a directory is remembered, the last step is not.
        head, _, last = path.rpartition("/")
        start = self._starts.get(head)
        if start is None:
            start = self._starts[head] = self._walk(self._starts[""], [*head.split("/"), "."])
        if start.failure is not None:
            return start
        return self._walk(start, [last or "."], follow=follow)

    def _walk(self, start: _End, names: list[str], *, follow: bool = True) -> _End:  # noqa: C901, PLR0912  # the order of its steps is the rule
        """Walk from a directory over names; a ``.`` behind the last demands that it is a directory."""
        here, links, differs = start.directory, start.links, start.case_differs
        pending = names[::-1]
        while pending:
            name = pending.pop()
            if name in ("", "."):
                continue
            if name == "..":
                here = here.parent or here
                continue
            if (byte_length(name) or 0) > NAME_MAX:
                return _End(here, failure=_failed(ENAMETOOLONG))
            entry, other_case = here.find(name)
            differs |= other_case
            if entry is None:
                return _End(here, failure=ABSENT if here.folder.complete else UNSEEN)
            if entry.kind is EntryKind.DIRECTORY:
                here = here.inside(entry)
            elif entry.kind is EntryKind.LINK and (follow or pending):
                links += 1
                error = _link_error(entry.link, links)
                if error:
                    return _End(here, failure=_failed(error))
                if entry.link.startswith("/"):
                    here = self._root
                pending += reversed(entry.link.split("/"))
            elif entry.kind is EntryKind.UNSEEN:
                return _End(here, failure=UNSEEN)
            elif entry.kind is EntryKind.DENIED:
                return _End(here, failure=_failed(entry.errno))
            elif pending:
                return _End(here, failure=_failed(ENOTDIR))
            else:
                return _End(here, entry, case_differs=differs, links=links)
        return _End(here, case_differs=differs, links=links)


def _failed(errno: int) -> Node:
    return Node(Presence.ABSENT, errno=errno)


def _link_error(link: str, count: int) -> int:
    """Return why the ``count``-th link of a look-up cannot be followed; 0 if it can."""
    if count > MAXSYMLINKS:
        return ELOOP
    length = byte_length(link)
    if not length:
        return ENOENT
    return ENAMETOOLONG if length >= PATH_MAX else 0


class _Directory:
    """One directory that was reached, and what was learned about its names."""

    __slots__ = ("_case_sensitive", "_folded", "_found", "_inside", "_listed", "folder", "parent", "real")

    def __init__(self, folder: Folder, real: str, parent: _Directory | None, case_sensitive: bool) -> None:
        self.folder = folder
        self.real = real
        self.parent = parent
        self._case_sensitive = case_sensitive
        self._found: dict[str, tuple[Entry | None, bool]] = {}
        self._inside: dict[str, _Directory] = {}
        self._listed = False
        self._folded: dict[str, str] | None = None

    def inside(self, entry: Entry) -> _Directory:
        """Return the directory of an entry of this one."""
        known = self._inside.get(entry.name)
        if known is None:
            assert entry.folder is not None
            known = _Directory(entry.folder, f"{self.real}/{entry.name}", self, self._case_sensitive)
            self._inside[entry.name] = known
        return known

    def find(self, name: str) -> tuple[Entry | None, bool]:
        """Return what a name finds, and whether only because case is ignored."""
        found = self._found.get(name)
        if found is None:
            found = self._found[name] = self._find(name)
        return found

    def _find(self, name: str) -> tuple[Entry | None, bool]:
        # Once the directory is listed, a name that it lacks costs nothing.
        key = fold_name(name, case_sensitive=self._case_sensitive)
        if self._folded is not None and key not in self._folded:
            return None, False
        entry = self.folder.child(name)
        if entry is not None or (self._case_sensitive and name.isascii()):
            return entry, False
        self._list()
        spelt = (self._folded or {}).get(key)
        if spelt is None or spelt == name:
            return None, False
        differs = fold_name(name, case_sensitive=True) != fold_name(spelt, case_sensitive=True)
        return self.folder.child(spelt), differs

    def _list(self) -> None:
        if self._listed:
            return
        self._listed = True
        names = self.folder.names()
        if names is not None:
            # Of names that are one when folded (a store may tell more names apart than the Mac), the first counts.
            self._folded = {
                fold_name(name, case_sensitive=self._case_sensitive): name for name in sorted(names, reverse=True)
            }


@define
class _End:
    """Where a walk ended.

    Attributes:
        directory: The last directory reached.
        entry: What the last name stands for in it; None if the walk ended at the directory itself.
        failure: The answer if the walk broke off.
        case_differs: A name was found only because case is ignored.
        links: Links followed so far.
    """

    directory: _Directory
    entry: Entry | None = None
    failure: Node | None = None
    case_differs: bool = False
    links: int = 0
