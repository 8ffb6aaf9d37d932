"""What a container format is to the rest: how it is known, and how its entries get into a tree."""

from __future__ import annotations

from collections.abc import Callable
from typing import IO, Final

from machochain.model.artifact import ArtifactKind
from machochain.model.release import DiskImage, InstallerPackage
from machochain.model.value import frozen
from machochain.world.archives.compression import Read
from machochain.world.archives.packages.form import Facts
from machochain.world.archives.tree import Tree

GLANCE: Final = 512
"""So many first and last bytes of a file tell a container."""


@frozen
class Glance:
    """What is looked at to tell a container.

    Attributes:
        head: The first bytes, `GLANCE` of them if there are so many.
        more: Gives what follows; asked only if the head promises something, and for little.
        end: The last `GLANCE` bytes; empty if they are not known, as in the middle of a stream.
    """

    head: bytes
    more: Read
    end: bytes = b""


@frozen
class Known:
    """What a container knows of an archive.

    Attributes:
        kind: What it is to an installer; None where its files tell.
        facts: What it says of itself; None where its files tell.
        installer: Of an installer package, what it says.
        image: Of a disk image, what it says.
    """

    kind: ArtifactKind | None = None
    facts: Facts | None = None
    installer: InstallerPackage | None = None
    image: DiskImage | None = None


@frozen
class Container:
    """One way of packing files.

    Attributes:
        names: What it may be called.
        recognise: Returns one of `names` for a file that is packed so, else None.
        read: Takes the entries over into a tree, given the name that `recognise` returned.
        suffixes: Endings of names that are a hint where only the first bytes are known, and those tell nothing.
    """

    names: tuple[str, ...]
    recognise: Callable[[Glance], str | None]
    read: Callable[[Tree, IO[bytes], str], Known | None]
    suffixes: tuple[str, ...] = ()
