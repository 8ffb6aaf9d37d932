"""The files of this machine, put together to a Mac: directories of the host mounted at target paths."""

# A host path is the raw string the system or the user gave; pathlib would rewrite it, and costs more than the look.
# ruff: noqa: PTH115, PTH116, PTH118, PTH208

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from enum import Enum
from typing import Final

from machochain.macho.source import FileSource
from machochain.model.errors import InputError
from machochain.model.filesystem import Node, NodeKind, Presence
from machochain.model.paths import HostPath, TargetPath
from machochain.model.reading import ByteSource
from machochain.model.value import Factory, define
from machochain.world.filesystem import (
    EACCES,
    ELOOP,
    ENAMETOOLONG,
    Entry,
    EntryKind,
    WalkedFileSystem,
    components,
    fold_name,
)

MOUNT_DEVICE: Final = -1
"""Device number of directories that exist only because something is mounted below: no real device has it."""

_ABSENT: Final = (errno.ENOENT, errno.ENOTDIR)
_DENIED: Final = {
    errno.EACCES: EACCES,
    errno.EPERM: EACCES,
    errno.ELOOP: ELOOP,
    errno.ENAMETOOLONG: ENAMETOOLONG,
}


class MountState(Enum):
    """What a mount point says about what is below it."""

    INHERIT = "inherit"
    """Nothing: what lies there otherwise, but a directory in any case, since something is mounted deeper."""
    HOST = "host"
    """A file or directory of this machine stands there."""
    EMPTY = "empty"
    """A directory stands there that holds nothing but what is mounted deeper."""
    ABSENT = "absent"
    """Nothing stands there, unless something is mounted deeper."""
    UNSEEN = "unseen"
    """Nobody can tell, except about what is mounted deeper."""


@define
class Mount:
    """One name of the tree of mount points.

    Attributes:
        name: As the one who mounted it spelt it.
        number: Which mount point it is, counted from 0 in the order of their making; its inode where it has no other.
        state: What stands there.
        host: The file or directory that stands there; None unless `state` is HOST.
        complete: Whether what is absent below is absent on the Mac too; if not, it is unseen.
        below: Mount points inside, by folded name.
    """

    name: str
    number: int = 0
    state: MountState = MountState.INHERIT
    host: HostPath | None = None
    complete: bool = True
    below: dict[str, Mount] = Factory(dict)


class MountTree:
    """Everything mounted so far. What is mounted deeper, or later at the same place, is seen first."""

    def __init__(self, *, case_sensitive: bool = False) -> None:
        """Begin with an empty ``/``."""
        self.case_sensitive = case_sensitive
        self.root = Mount("", state=MountState.EMPTY)
        self._count = 0

    def at(self, target: str) -> Mount:
        """Return the mount point of a target path; it comes into being if there is none.

        Links above the last name are followed in what is mounted so far: who mounts at ``/tmp/x`` where ``/tmp``
        is a link to ``private/tmp`` finds it at ``/private/tmp/x`` too. What is no directory gives way to one.
        """
        names = components(target)
        files = HostFileSystem(self)
        for depth in range(len(names) - 1, 0, -1):
            node = files.look(TargetPath("/" + "/".join(names[:depth])))
            if node.kind is NodeKind.DIRECTORY and node.real is not None:
                names[:depth] = components(node.real)
                break
        mount = self.root
        for name in names:
            key = fold_name(name, case_sensitive=self.case_sensitive)
            inside = mount.below.get(key)
            if inside is None:
                self._count += 1
                inside = mount.below[key] = Mount(name, self._count)
            mount = inside
        if names:
            mount.name = names[-1]
        return mount


class HostFolder:
    """The inside of one directory: what is mounted there, and below that a directory of this machine."""

    __slots__ = ("_case_sensitive", "_mounts", "_names", "_names_known", "_tells_case", "complete", "host", "identity")

    def __init__(
        self,
        host: HostPath | None,
        identity: tuple[int, int],
        mounts: dict[str, Mount],
        *,
        complete: bool = True,
        case_sensitive: bool = False,
    ) -> None:
        """Nothing is read yet.

        Args:
            host: The directory of this machine; None if there is only what is mounted.
            identity: (device, inode).
            mounts: What is mounted inside, by folded name.
            complete: Whether what is not here is absent.
            case_sensitive: Whether names that differ in case only are two names.
        """
        self.host = host
        self.identity = identity
        self.complete = complete
        self._mounts = mounts
        self._case_sensitive = case_sensitive
        self._names: frozenset[str] | None = None
        self._names_known = False
        self._tells_case: bool | None = None

    def child(self, name: str) -> Entry | None:
        """Return what stands under exactly this name."""
        if self._mounts:
            mount = self._mounts.get(fold_name(name, case_sensitive=self._case_sensitive))
            if mount is not None:
                return self._mounted(mount) if mount.name == name else None
        return self._base(name)

    def names(self) -> Collection[str] | None:
        """Return every name; None if the directory cannot be listed."""
        names = self._base_names()
        if not self._mounts or names is None:
            return names
        kept = {name for name in names if fold_name(name, case_sensitive=self._case_sensitive) not in self._mounts}
        return kept | {m.name for m in self._mounts.values() if m.below or m.state is not MountState.ABSENT}

    def _base_names(self) -> frozenset[str] | None:
        if not self._names_known:
            self._names_known = True
            if self.host is None:
                self._names = frozenset()
            else:
                try:
                    self._names = frozenset(os.listdir(self.host))
                except OSError:
                    self._names = None
        return self._names

    def _base(self, name: str) -> Entry | None:
        if self.host is None:
            return None
        path = HostPath(os.path.join(self.host, name))
        try:
            status = os.lstat(path)
        except OSError as error:
            return _failed_entry(name, error)
        if not self._is_spelt(name, status):
            return None
        if stat.S_ISLNK(status.st_mode):
            try:
                link = os.readlink(path)
            except OSError as error:
                return _failed_entry(name, error)
            return Entry(name, EntryKind.LINK, _identity(status), link=link, host=path)
        return self._entry(name, path, status, {}, complete=self.complete)

    def _is_spelt(self, name: str, status: os.stat_result) -> bool:
        """Whether the volume has the name as spelt, and did not just answer to another spelling.

        The answer must not depend on whether this machine's volume ignores case: one that answers to the name with
        upper and lower case exchanged is listed.
        """
        if name.isascii():
            if self._tells_case is None and name.swapcase() != name:
                self._tells_case = not self._is_same(name.swapcase(), status)
            if self._tells_case is not False:
                return True
        names = self._base_names()
        return names is None or name in names

    def _is_same(self, name: str, status: os.stat_result) -> bool:
        try:
            return _identity(os.lstat(os.path.join(self.host or "", name))) == _identity(status)
        except OSError:
            return False

    def _mounted(self, mount: Mount) -> Entry | None:
        synthetic = (MOUNT_DEVICE, mount.number)
        host: HostPath | None = None
        complete = mount.complete
        if mount.state is MountState.HOST:
            assert mount.host is not None
            try:
                status = os.stat(mount.host)
            except OSError as error:
                if not mount.below:
                    return _failed_entry(mount.name, error)
            else:
                if stat.S_ISDIR(status.st_mode) or not mount.below:
                    return self._entry(mount.name, mount.host, status, mount.below, complete=complete)
        elif mount.state is MountState.ABSENT:
            if not mount.below:
                return None
        elif mount.state is MountState.UNSEEN:
            complete = False
            if not mount.below:
                return Entry(mount.name, EntryKind.UNSEEN, synthetic)
        elif mount.state is MountState.INHERIT:
            complete = self.complete
            base = self._base(mount.name)
            if base is not None and base.kind is EntryKind.DIRECTORY:
                host, synthetic = base.host, base.identity
        folder = HostFolder(host, synthetic, mount.below, complete=complete, case_sensitive=self._case_sensitive)
        return Entry(mount.name, EntryKind.DIRECTORY, synthetic, folder=folder, host=host)

    def _entry(
        self, name: str, path: HostPath, status: os.stat_result, mounts: dict[str, Mount], *, complete: bool
    ) -> Entry:
        identity = _identity(status)
        if stat.S_ISREG(status.st_mode):
            return Entry(name, EntryKind.FILE, identity, status.st_size, host=path)
        if not stat.S_ISDIR(status.st_mode):
            return Entry(name, EntryKind.OTHER, identity, host=path)
        folder = HostFolder(path, identity, mounts, complete=complete, case_sensitive=self._case_sensitive)
        return Entry(name, EntryKind.DIRECTORY, identity, folder=folder, host=path)


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino


def _failed_entry(name: str, error: OSError) -> Entry | None:
    """Say what a failed look on this machine means for the modelled one."""
    if error.errno in _ABSENT:
        return None
    if error.errno in _DENIED:
        return Entry(name, EntryKind.DENIED, errno=_DENIED[error.errno])
    # A disk error, a dead network mount: something may be there, this machine cannot know.
    return Entry(name, EntryKind.UNSEEN)


class HostFileSystem(WalkedFileSystem):
    """What a tree of mounts shows. Nothing but regular files is ever opened."""

    def __init__(self, mounts: MountTree) -> None:
        """Show what is mounted now; later mounts are not noticed."""
        root = mounts.root
        identity = (MOUNT_DEVICE, root.number)
        if root.host is not None:
            try:
                identity = _identity(os.stat(root.host))
            except OSError as error:
                raise _input_error(error, root.host) from error
        complete = root.complete and root.state is not MountState.UNSEEN
        folder = HostFolder(root.host, identity, root.below, complete=complete, case_sensitive=mounts.case_sensitive)
        super().__init__(folder, case_sensitive=mounts.case_sensitive)

    @contextmanager
    def opened(self, node: Node) -> Iterator[ByteSource]:
        """Open the file of a node that `look` gave.

        Raises:
            InputError: It cannot be opened or is no regular file.
        """
        if node.presence is not Presence.PRESENT or node.kind is not NodeKind.FILE or node.host is None:
            raise InputError("not a file", path=node.host or node.real)
        with FileSource(node.host) as source:
            yield source

    def read_bytes(self, node: Node, offset: int, length: int) -> bytes:
        """Return ``length`` bytes of the file of a node from ``offset``, fewer at its end.

        Raises:
            InputError: It cannot be read.
        """
        with self.opened(node) as source:
            return source.read(offset, length)


def _input_error(error: OSError, path: str) -> InputError:
    return InputError(f"cannot be read: {error.strerror or error}", path=path, errno=error.errno or 0)


def iter_files(folder: HostPath, links: list[HostPath] | None = None) -> Iterator[HostPath | InputError]:
    """Walk a folder of this machine: every regular file in it once, and what could not be looked into.

    Names come sorted, directory by directory, hidden ones too; links inside the folder are not followed, so each
    file comes under its own path and nothing outside the folder comes at all.

    Args:
        folder: A directory, or a link to one.
        links: Takes the links that are met, where one wants to know of them.

    Yields:
        The path of a file, beginning with ``folder`` as given; or an `InputError` for a directory that cannot be read.
    """
    pending: list[tuple[HostPath, bool]] = [(folder, True)]
    while pending:
        path, is_directory = pending.pop()
        if not is_directory:
            yield path
            continue
        try:
            with os.scandir(path) as entries:
                found = sorted((entry.name, _kind(entry)) for entry in entries)
        except OSError as error:
            yield _input_error(error, path)
            continue
        below = [(HostPath(os.path.join(path, name)), kind) for name, kind in found]
        if links is not None:
            links += [each for each, kind in below if kind == "link"]
        pending += [(each, kind == "directory") for each, kind in reversed(below) if kind in {"directory", "file"}]


def _kind(entry: os.DirEntry[str]) -> str:
    if entry.is_dir(follow_symlinks=False):
        return "directory"
    if entry.is_file(follow_symlinks=False):
        return "file"
    return "link" if entry.is_symlink() else ""
