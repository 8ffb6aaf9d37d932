"""Which files of an input are looked at: one named file, or every Mach-O file of a folder."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

from machochain.graph.mac import Mac
from machochain.graph.resolve import LOADABLE
from machochain.macho.kind import FileKind, kind_of
from machochain.model.arch import CPU_ARM64, CPU_X86_64
from machochain.model.coverage import PassedOver, PassedOverKind
from machochain.model.errors import InputError, UsageError
from machochain.model.filesystem import Node, NodeKind, Presence
from machochain.model.image import FileType
from machochain.model.location import Location
from machochain.model.paths import HostPath
from machochain.model.value import Factory, evolve, field, frozen
from machochain.world.placement import WorldView

if TYPE_CHECKING:
    from machochain.model.artifact import Artifact
    from machochain.world.survey import Survey


@frozen
class Input:
    """One Mach-O file to start from.

    Attributes:
        name: What to call it: the path as given, or the folder as given plus the way inside.
        node: Where it lies on the modelled Mac.
        file_type: ``filetype`` of its first slice.
        named: Whether the user named this very file.
        group: Number that files of one folder share.
        archive: Whether it is a static library, whose program would have to be linked first.
        location: The same by its parts: the file on this machine, what it is in there, and its place on the Mac.
    """

    name: str
    node: Node
    file_type: int
    named: bool
    group: int
    archive: bool = False
    location: Location = field(
        default=Factory(lambda item: Location(HostPath(item.name), (), item.node.real), takes_self=True)
    )


def _walked(folder: str) -> Survey:
    from machochain.world.survey import survey  # noqa: PLC0415  # who names files walks through no folder

    return survey(HostPath(folder))


def find_inputs(
    mac: Mac, view: WorldView, path: str, group: int, walked: Survey | None = None
) -> Iterator[Input | InputError | PassedOver]:
    """Yield what to start from for one path the user gave; ``group`` numbers that path.

    A named file must be a Mach-O file or a static library. In a folder only files that dyld has to do with are taken,
    by their magic; what cannot be read there is told and the rest goes on.
    """
    if not os.path.isdir(path):  # noqa: PTH112  # pathlib raises where a link's target is too long a name
        named = _named(mac, view, path, group)
        yield named
        if isinstance(named, Input):
            yield from (InputError(why, path=path, part=f"slice {arch}") for arch, why in _damaged(mac, named))
        return
    found_there = walked or _walked(path)
    yield from found_there.errors
    for item in found_there.images:
        found = _in_folder(mac, view, item, group)
        if found is not None:
            yield found
        yield from _passed_over(mac, found)


def find_unpacked(
    mac: Mac, view: WorldView, artifact: Artifact, group: int, above: Location | None = None
) -> Iterator[Input | InputError | PassedOver]:
    """Yield what to start from in an open archive, archives in it included, and what could not be read of it."""
    yield from artifact.problems
    here = above.inside(artifact.path.removeprefix(f"{above.display}:")) if above else Location(HostPath(artifact.path))
    for entry in sorted(artifact.entries, key=lambda entry: entry.name):
        if not entry.macho or entry.host is None:
            continue
        name = f"{artifact.path}:{entry.name}"
        found = _in_folder(mac, view, entry.host, group)
        if isinstance(found, PassedOver):
            yield evolve(found, path=name)
        elif isinstance(found, InputError):
            yield InputError(found.reason, path=name, offset=found.offset, part=found.part, errno=found.errno)
        elif found is not None:
            item = evolve(found, name=name, location=here.inside(entry.name, found.node.real))
            yield item
            yield from _passed_over(mac, item)
    for inner in artifact.nested:
        yield from find_unpacked(mac, view, inner, group, here)


def _passed_over(mac: Mac, item: Input | InputError | PassedOver | None) -> Iterator[PassedOver]:
    if isinstance(item, Input):
        for arch, why in _damaged(mac, item):
            yield PassedOver(f"{item.name} (slice {arch})", PassedOverKind.DAMAGED, why)


def _damaged(mac: Mac, item: Input) -> Iterator[tuple[str, str]]:
    """Yield the slices that a Mac would take of a universal file and that are no images, and why not.

    The header of a universal file says which slice is for whom; nobody goes on to the next if there is nothing in it.
    """
    file = mac.read(item.node)
    if item.archive or isinstance(file, InputError) or not file.universal:
        return
    for piece in file.slices:
        if piece.image is None and piece.arch.cputype in (CPU_ARM64, CPU_X86_64):
            yield piece.arch.name, piece.error or "is empty"


def _named(mac: Mac, view: WorldView, path: str, group: int) -> Input | InputError:
    node = mac.look(view.place(path))
    if node.presence is not Presence.PRESENT or node.kind is not NodeKind.FILE:
        dangling = node.presence is Presence.ABSENT and os.path.islink(path)  # noqa: PTH114  # as above
        return InputError("a symbolic link that leads nowhere" if dangling else "not a regular file", path=path)
    file = mac.read(node)
    if (isinstance(file, InputError) or not any(s.image for s in file.slices)) and _holds_archives(mac, node):
        return Input(path, node, FileType.MH_OBJECT, True, group, archive=True)
    if isinstance(file, InputError):
        return InputError(file.reason, path=path, offset=file.offset, part=file.part, errno=file.errno)
    images = [s.image for s in file.slices if s.image is not None]
    return Input(path, node, images[0].file_type if images else 0, True, group)


def _holds_archives(mac: Mac, node: Node) -> bool:
    """Whether a file is a static library, or a universal file of them."""
    kind = kind_of(mac.first_bytes(node, 64))
    if kind is not FileKind.UNIVERSAL:
        return kind is FileKind.ARCHIVE
    from machochain.macho.archive import read_archives  # noqa: PLC0415  # most runs meet none

    try:
        with mac.files.opened(node) as source:
            return bool(read_archives(source))
    except InputError:
        return False


def _in_folder(mac: Mac, view: WorldView, path: HostPath, group: int) -> Input | InputError | PassedOver | None:
    try:
        node = mac.look(view.place(path))
    except UsageError as error:
        return InputError(str(error), path=path)
    if node.presence is not Presence.PRESENT or node.kind is not NodeKind.FILE:
        return None
    file = mac.read(node)
    if isinstance(file, InputError):
        if file.errno or _holds_archives(mac, node):
            return file.at(path) if file.errno else None
        return PassedOver(path, PassedOverKind.DAMAGED, file.reason)
    images = [s.image for s in file.slices if s.image is not None]
    if not images and not _holds_archives(mac, node):
        damage = [s.error for s in file.slices if s.error is not None]
        return PassedOver(path, PassedOverKind.DAMAGED, damage[0] if damage else "there is nothing in it")
    if not images or images[0].file_type not in LOADABLE:
        return None
    return Input(path, node, images[0].file_type, False, group)
