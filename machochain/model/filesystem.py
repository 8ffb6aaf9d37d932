"""What lies at a path of the modelled Mac: the answers, and the port that gives them.

Three answers, never two: present, absent, unseen (this machine cannot know).
"""

from __future__ import annotations

from enum import Enum
from typing import Protocol

from machochain.model.paths import HostPath, TargetPath
from machochain.model.value import frozen
from machochain.model.version import Version


class Presence(Enum):
    """Whether something is there."""

    PRESENT = "present"
    ABSENT = "absent"
    UNSEEN = "unseen"


class NodeKind(Enum):
    """What a present node is. Symbolic links are followed before this is asked."""

    FILE = "file"
    DIRECTORY = "directory"
    OTHER = "other"


@frozen
class Node:
    """What lies at one target path, links followed.

    Attributes:
        presence: Present, absent, or nobody can tell.
        kind: What it is; None unless present.
        real: Its path with every link resolved and in the volume's own case (F_GETPATH); None unless present.
        identity: (device, inode): equal for two paths of one file; None unless present.
        host: The file on this machine to read; None unless present and on this machine.
        errno: The error number ``stat`` gives on macOS for an absent node: 2 ENOENT, 13 EACCES, 20 ENOTDIR, 62 ELOOP,
            63 ENAMETOOLONG.
        case_differs: The path was found only because the volume ignores case.
        size: Length in bytes of a file.
    """

    presence: Presence
    kind: NodeKind | None = None
    real: TargetPath | None = None
    identity: tuple[int, int] | None = None
    host: HostPath | None = None
    errno: int = 0
    case_differs: bool = False
    size: int = 0


ABSENT = Node(Presence.ABSENT, errno=2)
UNSEEN = Node(Presence.UNSEEN)


class FileSystem(Protocol):
    """The modelled Mac's files. Every implementation answers the same for the same arguments."""

    def look(self, path: TargetPath) -> Node:
        """Say what lies at an absolute target path, symbolic links followed inside the model."""
        ...


@frozen
class SystemAnswer:
    """Whether the operating system itself provides a library (shared cache or sealed volume).

    Attributes:
        presence: Present, absent, or unseen if the facts at hand do not reach.
        path: The canonical install name, aliases resolved; None unless present.
        why: What the answer rests on, in one sentence.
    """

    presence: Presence
    path: TargetPath | None = None
    why: str = ""


class SystemLibraries(Protocol):
    """The libraries of the OS, for one or more releases."""

    def find(self, path: str, macos: Version) -> SystemAnswer:
        """Say whether the release provides the library at this path (install name or alias, byte for byte)."""
        ...


@frozen
class SymbolAnswer:
    """Whether a library of the OS provides a symbol, itself or through what it re-exports.

    Attributes:
        presence: Present, absent, or unseen where the facts do not reach.
        library: Canonical path of the library that exports it; None unless present.
        absent_in: Newest release known without the symbol before it appeared; None if none is known.
        present_in: Oldest release known with it; None if none is.
        why: What the answer rests on, in one sentence.
        likely: Of what is unseen, what the facts lean to; None where they do not.
    """

    presence: Presence
    library: TargetPath | None = None
    absent_in: Version | None = None
    present_in: Version | None = None
    why: str = ""
    likely: Presence | None = None


class SystemSymbols(Protocol):
    """The symbols of the OS's libraries, for one or more releases."""

    def lookup(self, library: str, symbol: str, macos: Version, arch: str | None = None) -> SymbolAnswer:
        """Say whether a library (install name or link) exports a symbol, itself or through what it re-exports."""
        ...
