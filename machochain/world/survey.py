"""What is in a folder: the files dyld has to do with, the archives to look into, code for other systems."""

from __future__ import annotations

import os
from typing import Final

from machochain.macho.foreign import Foreign, foreign_kind
from machochain.macho.kind import FileKind, kind_of
from machochain.macho.source import FileSource
from machochain.model.errors import InputError
from machochain.model.paths import HostPath
from machochain.model.value import frozen
from machochain.world.host import iter_files

_IMAGES = frozenset({FileKind.MACHO, FileKind.UNIVERSAL})
HEAD = 512
"""Bytes that are read of each file."""


@frozen
class Survey:
    """What one walk through a folder met, each in the order of the walk.

    Attributes:
        images: Mach-O files, by their magic.
        archives: Archives, by their content.
        foreign: Code for other systems.
        errors: What cannot be looked into.
        links: Links out of the folder behind which there is a directory, a Mach-O file or an archive.
        unlike: Files named like packages that hold something else, a page of a server or nothing for example.
    """

    images: tuple[HostPath, ...] = ()
    archives: tuple[HostPath, ...] = ()
    foreign: tuple[tuple[HostPath, Foreign], ...] = ()
    errors: tuple[InputError, ...] = ()
    links: tuple[HostPath, ...] = ()
    unlike: tuple[tuple[HostPath, Foreign | None], ...] = ()


def survey(folder: HostPath) -> Survey:
    """Walk through a folder of this machine, links not followed; each file is opened once, twice if it is no Mach-O."""
    from machochain.world.archives.opening import is_artifact  # noqa: PLC0415  # brings what reads archives

    images: list[HostPath] = []
    archives: list[HostPath] = []
    foreign: list[tuple[HostPath, Foreign]] = []
    errors: list[InputError] = []
    links: list[HostPath] = []
    unlike: list[tuple[HostPath, Foreign | None]] = []
    for item in iter_files(folder, links):
        if isinstance(item, InputError):
            errors.append(item)
            continue
        try:
            with FileSource(item) as source:
                head = source.read(0, HEAD)
        except InputError as error:
            errors.append(error)
            continue
        kind = kind_of(head)
        if kind in _IMAGES:
            images.append(item)
        elif kind is FileKind.UNRECOGNISED:
            other = foreign_kind(head)
            if other is not None and other.is_code:
                foreign.append((item, other))
            elif len(head) >= _SHORTEST and is_artifact(item) is not None:
                archives.append(item)
            elif item.lower().endswith(_PACKAGES):
                unlike.append((item, other))
    return Survey(tuple(images), tuple(archives), tuple(foreign), tuple(errors), _outward(folder, links), tuple(unlike))


_PACKAGES: Final = (
    ".whl",
    ".dmg",
    ".pkg",
    ".xip",
    ".ipa",
    ".zip",
    ".tgz",
    ".tar.gz",
    ".conda",
    ".jar",
    ".nupkg",
    ".vsix",
)
"""How packages that carry programs end, in small letters."""
_INSTALL_TO: Final = "/Applications"
"""Where the link of a folder that becomes a disk image leads: a place to drop the app, nothing that is shipped."""


def _outward(folder: HostPath, links: list[HostPath]) -> tuple[HostPath, ...]:
    """Leave out links into the folder itself, whose files come by their own paths, and those that matter to nobody."""
    top = os.path.realpath(folder)
    return tuple(
        link
        for link in links
        if os.path.commonpath((top, real := os.path.realpath(link))) != top and real != _INSTALL_TO and _matters(real)
    )


def _matters(path: str) -> bool:
    if os.path.isdir(path):  # noqa: PTH112  # pathlib raises where a link's target is too long a name
        return True
    from machochain.world.archives.opening import is_artifact  # noqa: PLC0415  # brings what reads archives

    try:
        with FileSource(HostPath(path)) as source:
            kind = kind_of(source.read(0, HEAD))
    except InputError:
        return False
    return kind in _IMAGES or (kind is FileKind.UNRECOGNISED and is_artifact(path) is not None)


_SHORTEST = 16
"""No archive with something in it is shorter."""
