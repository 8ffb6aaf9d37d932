"""How things are packed: one module a format. To add one: its module, a line in `CONTAINERS`, seeds, a test, docs."""

from __future__ import annotations

from io import BytesIO
from typing import IO, Final

from machochain.world.archives.containers import asar, compressed, cpios, foreign, tars, udif, xar, zips
from machochain.world.archives.containers.form import GLANCE, Container, Glance

CONTAINERS: Final[tuple[Container, ...]] = (
    udif.CONTAINER,
    zips.CONTAINER,
    xar.CONTAINER,
    asar.CONTAINER,
    cpios.CONTAINER,
    compressed.CONTAINER,
    tars.CONTAINER,
    foreign.CONTAINER,
)
"""In the order in which a file is held against them: a disk image may begin like anything, and is known by its end."""


def recognise(file: IO[bytes], size: int) -> tuple[Container, str] | None:
    """Say how a file is packed, and what that is called; None if it is no archive.

    Raises:
        OSError: It cannot be read.
    """
    file.seek(max(size - GLANCE, 0))
    end = file.read(GLANCE)
    for container in CONTAINERS:
        file.seek(0)
        name = container.recognise(Glance(file.read(GLANCE), file.read, end))
        if name is not None:
            return container, name
    return None


def may_be_archive(head: bytes, name: str) -> bool:
    """Whether a file may be an archive, for all that its first 4096 bytes tell, or else its name."""
    for container in CONTAINERS:
        rest = BytesIO(head[GLANCE:])
        if container.recognise(Glance(head[:GLANCE], rest.read)) is not None or name.endswith(container.suffixes):
            return True
    return False
