"""Files of a module on this machine, and of the modelled Mac around it: there, not there, or not seen."""

# Host paths are raw strings; pathlib would rewrite them, and costs more than the look.
# ruff: noqa: PTH110, PTH112, PTH208

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable, Mapping
from typing import Final

from machochain.graph.mac import Mac
from machochain.model.filesystem import NodeKind, Presence
from machochain.model.paths import TargetPath
from machochain.model.value import field, frozen

_LARGEST: Final = 16 << 20
_NO_NAME: Final = re.compile("[\0\ud800-\udc7f\udd00-\udfff]")
"""What no name of a file has, though a JSON text may say so."""
_OTHERS: Final = re.compile(r"/(?:(?:usr|opt|Library|System)(?:/|\Z)|(?:private/)?(?:var/)?tmp(?:/[^/]*)?\Z)")
"""Where every Unix has directories of its own: those of another system say nothing of a Mac."""


@frozen
class Record:
    """What a snapshot has of a Mac's files.

    Attributes:
        listings: Names in directories.
        texts: Texts of files.
    """

    listings: Mapping[str, Iterable[str]] = field(factory=dict)
    texts: Mapping[str, str] = field(factory=dict)


NO_RECORD: Final = Record()


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
        record: Record = NO_RECORD,
        mapped: Iterable[str] = (),
        builds_here: bool = False,
        case_sensitive: bool = False,
    ) -> None:
        """Take the parts.

        Args:
            mac: The modelled Mac.
            own: Directories of this machine that are seen whole: modules, the module cache.
            whole: Whether the modelled Mac is described as a whole, so that what is not there is absent.
            sdks: Directories of SDKs on this machine.
            record: What a snapshot has of the Mac's files.
            mapped: Paths of the Mac at which something of this machine was mapped.
            builds_here: Whether it is built on this machine, for a Mac: then its own directories count.
            case_sensitive: Whether names that differ in case only are two names; on a Mac they are not.
        """
        self.mac = mac
        self._mapped = tuple(f"{path.rstrip('/')}/" for path in mapped)
        self._foreign = not whole and not builds_here
        self._case_sensitive = case_sensitive
        self._folded: dict[str, dict[str, str]] = {}
        self._spelled: dict[str, str | None] = {}
        self._own = tuple(f"{path.rstrip('/')}/" for path in (*own, *sdks) if path)
        self._whole = whole
        self.stands_for_mac = whole
        """Whether directories nobody named mean something: those of another system do not."""
        self._listings = {path.rstrip("/"): frozenset(names) for path, names in record.listings.items()}
        self._states: dict[str, bool | None] = {}
        self._names: dict[str, frozenset[str] | None] = {}
        self._texts: dict[str, str | None] = dict(record.texts)

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
            return self._find(path) is not None
        parent, name = os.path.split(path.rstrip("/"))
        listing = self._listings.get(parent)
        if listing is not None:
            return name in listing or (not self._case_sensitive and name.lower() in {n.lower() for n in listing})
        if not path.startswith("/") or self._of_another_system(path):
            return None
        presence = self.mac.look(TargetPath(os.path.normpath(path))).presence
        if presence is Presence.PRESENT:
            return True
        if presence is Presence.UNSEEN:
            return None
        if self._whole:
            return False
        return False if os.path.isdir(parent) else None

    def _of_another_system(self, path: str) -> bool:
        return self._foreign and _OTHERS.match(path) is not None and not f"{path}/".startswith(self._mapped)

    def spelled(self, path: str) -> str:
        """Return a path that is there as its directories spell it."""
        return (self._find(path) if self.is_own(path) else None) or path

    def _find(self, path: str) -> str | None:
        """Return a path of this machine as it is spelled; None if it is not there."""
        found = self._spelled.get(path, "")
        if found == "":
            found = self._spelled[path] = self._find_anew(path)
        return found

    def _find_anew(self, path: str) -> str | None:
        parent, name = os.path.split(path)
        if not name or name == ".." or "/../" in path or "/./" in path:
            return path if os.path.exists(path) else None
        names = self.names(parent)
        if names is not None and name in names:
            return path if os.path.exists(path) else None
        if self._case_sensitive:
            return None
        if names is None:
            above = self._find(parent)
            if above is None or above == parent:
                return None
            parent, names = above, self.names(above)
        if parent not in self._folded:
            self._folded[parent] = {each.lower(): each for each in sorted(names or (), reverse=True)}
        other = self._folded[parent].get(name.lower())
        return f"{parent}/{other}" if other is not None and os.path.exists(f"{parent}/{other}") else None

    def is_directory(self, path: str) -> bool | None:
        """Say whether there is a directory; None if nobody can tell."""
        if self.is_own(path):
            return os.path.isdir(self._find(path) or path)
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
            except (OSError, ValueError):  # a NUL in a name that a file gives
                self._names[path] = None
        return self._names[path]

    def host(self, path: str) -> str | None:
        """Return where a file of the Mac lies on this machine; None if it does not."""
        if self.is_own(path):
            return self.spelled(path)
        if self._of_another_system(path):
            return None
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
            facts = os.fstat(file.fileno())
            if not stat.S_ISREG(facts.st_mode):
                return None
            # The buffer is as large as what is asked for, not as what is there.
            data = file.read(min(facts.st_size, limit) + 1)
    except (OSError, ValueError):  # a NUL in a name that a file gives
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
    if _NO_NAME.search(path):
        raise FileNotFoundError(2, "No such file or directory", path)
    with os.scandir(path) as entries:
        return tuple(
            entry.name
            for entry in entries
            if entry.is_file(follow_symlinks=False) or (entry.is_symlink() and not entry.is_dir())
        )
