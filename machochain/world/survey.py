"""What is in a folder: the files dyld has to do with, the archives to look into, code for other systems."""

from __future__ import annotations

from attrs import frozen

from machochain.macho.foreign import Foreign, foreign_kind
from machochain.macho.kind import FileKind, kind_of
from machochain.macho.source import FileSource
from machochain.model.errors import InputError
from machochain.model.paths import HostPath
from machochain.model.shown import Shown
from machochain.world.host import iter_files

_IMAGES = frozenset({FileKind.MACHO, FileKind.UNIVERSAL})
HEAD = 512
"""Bytes that are read of each file."""


@frozen(repr=False)
class Survey(Shown):
    """What one walk through a folder met, each in the order of the walk.

    Attributes:
        images: Mach-O files, by their magic.
        archives: Archives, by their content.
        foreign: Code for other systems.
        errors: What cannot be looked into.
    """

    images: tuple[HostPath, ...] = ()
    archives: tuple[HostPath, ...] = ()
    foreign: tuple[tuple[HostPath, Foreign], ...] = ()
    errors: tuple[InputError, ...] = ()


def survey(folder: HostPath) -> Survey:
    """Walk through a folder of this machine, links not followed; each file is opened once, twice if it is no Mach-O."""
    from machochain.world.archives.opening import is_artifact  # noqa: PLC0415  # brings what reads archives

    images: list[HostPath] = []
    archives: list[HostPath] = []
    foreign: list[tuple[HostPath, Foreign]] = []
    errors: list[InputError] = []
    for item in iter_files(folder):
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
    return Survey(tuple(images), tuple(archives), tuple(foreign), tuple(errors))


_SHORTEST = 16
"""No archive with something in it is shorter."""
