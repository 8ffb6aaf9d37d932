"""Files of a module on this machine, and of the modelled Mac around it: there, not there, or not seen."""

# Host paths are raw strings; pathlib would rewrite them, and costs more than the look.
# ruff: noqa: PTH110, PTH112, PTH119, PTH120, PTH208

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Mapping
from typing import Final

from machochain.graph.mac import Mac
from machochain.model.filesystem import NodeKind, Presence
from machochain.model.paths import TargetPath

_LARGEST: Final = 16 << 20


class Disk:
    """What lies where.

    Below the directories of modules everything is seen on this machine. Elsewhere the modelled Mac answers; without a
    ``--root`` this machine's tree stands for it, but only a directory that is there is evidence: that this machine has
    no ``/opt/homebrew`` says nothing of a Mac.
    """

    def __init__(
        self,
        mac: Mac,
        *,
        own: Iterable[str],
        whole: bool,
        sdks: Iterable[str] = (),
        listings: Mapping[str, Iterable[str]] | None = None,
    ) -> None:
        """Take the parts.

        Args:
            mac: The modelled Mac.
            own: Directories of this machine that are seen whole: modules, the module cache.
            whole: Whether the modelled Mac is described as a whole, so that what is not there is absent.
            sdks: Directories of SDKs on this machine.
            listings: Names in directories of the Mac, as a snapshot has them.
        """
        self.mac = mac
        self._own = tuple(f"{path.rstrip('/')}/" for path in (*own, *sdks) if path)
        self._whole = whole
        self.stands_for_mac = whole
        """Whether directories nobody named mean something: those of another system do not."""
        self._listings = {path.rstrip("/"): frozenset(names) for path, names in (listings or {}).items()}
        self._states: dict[str, bool | None] = {}
        self._names: dict[str, frozenset[str] | None] = {}
        self._texts: dict[str, str | None] = {}

    def add_own(self, path: str) -> None:
        """See one more directory of this machine whole."""
        self._own = (*self._own, f"{path.rstrip('/')}/")

    def is_own(self, path: str) -> bool:
        """Whether a path lies where this machine is seen whole."""
        return f"{path}/".startswith(self._own)

    def exists(self, path: str) -> bool | None:
        """Say whether there is a file or directory; None if nobody can tell."""
        found = self._states.get(path, ...)
        if found is not ...:
            return found
        state = self._states[path] = self._exists(path)
        return state

    def _exists(self, path: str) -> bool | None:
        if self.is_own(path):
            names = self.names(os.path.dirname(path))
            if names is None or os.path.basename(path) not in names:
                return os.path.exists(path) if "/../" in path or "/./" in path else False
            return os.path.exists(path)
        parent, name = os.path.split(path.rstrip("/"))
        listing = self._listings.get(parent)
        if listing is not None:
            return name in listing
        if not path.startswith("/"):
            return None
        presence = self.mac.look(TargetPath(os.path.normpath(path))).presence
        if presence is Presence.PRESENT:
            return True
        if presence is Presence.UNSEEN:
            return None
        if self._whole:
            return False
        return False if os.path.isdir(parent) else None

    def is_directory(self, path: str) -> bool | None:
        """Say whether there is a directory; None if nobody can tell."""
        if self.is_own(path):
            return os.path.isdir(path)
        if path.rstrip("/") in self._listings:
            return True
        there = self.exists(path)
        if not there:
            return there
        node = self.mac.look(TargetPath(os.path.normpath(path)))
        return node.kind is NodeKind.DIRECTORY if node.presence is Presence.PRESENT else None

    def names(self, path: str) -> frozenset[str] | None:
        """Return the names in a directory of this machine; None if there is none."""
        if path not in self._names:
            try:
                self._names[path] = frozenset(os.listdir(path))
            except OSError:
                self._names[path] = None
        return self._names[path]

    def host(self, path: str) -> str | None:
        """Return where a file of the Mac lies on this machine; None if it does not."""
        if self.is_own(path):
            return path
        node = self.mac.look(TargetPath(os.path.normpath(path)))
        return str(node.host) if node.presence is Presence.PRESENT and node.host is not None else None

    def text(self, path: str) -> str | None:
        """Return the text of a file; None if it cannot be read or is too large."""
        if path not in self._texts:
            self._texts[path] = self._text(path)
        return self._texts[path]

    def _text(self, path: str) -> str | None:
        host = self.host(path)
        if host is None:
            return None
        data = read_bytes(host)
        return None if data is None else data.decode("utf-8", "surrogateescape")


def read_bytes(path: str, limit: int = _LARGEST) -> bytes | None:
    """Return the bytes of a regular file of this machine; None if it is none, or larger than the limit."""
    try:
        with open(path, "rb", opener=_without_waiting) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                return None
            data = file.read(limit + 1)
    except OSError:
        return None
    return None if len(data) > limit else data


def _without_waiting(path: str, flags: int) -> int:
    """Open a file so that a FIFO nobody writes to is not waited for."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def regular_names(path: str) -> tuple[str, ...]:
    """Return the names of files in a directory, and of links that lead to files.

    Raises:
        OSError: It cannot be read.
    """
    with os.scandir(path) as entries:
        return tuple(
            entry.name
            for entry in entries
            if entry.is_file(follow_symlinks=False) or (entry.is_symlink() and not entry.is_dir())
        )
