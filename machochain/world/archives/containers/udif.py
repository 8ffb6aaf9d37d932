"""Disk images: UDIF (``.dmg``) and raw ones. What is in their file systems is what users see when they open them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO, Final

from machochain.model.errors import InputError
from machochain.model.release import DiskImage, Volume
from machochain.world.archives.compression import damage_errors
from machochain.world.archives.containers.form import Container, Glance, Known
from machochain.world.archives.disks.apple import apfs_volumes, hfs_volumes
from machochain.world.archives.disks.entries import DiskEntry, DiskEntryKind, Walk, Window
from machochain.world.archives.disks.fat import fat_volumes
from machochain.world.archives.disks.partitions import Disk, FileSystem, find_file_systems
from machochain.world.archives.disks.udif import KOLY, Udif, UdifFile, matches_checksum, read_udif
from machochain.world.archives.errors import EncryptedError, NotReadError
from machochain.world.archives.packages.form import Facts
from machochain.world.archives.tree import Tree

_FOREIGN: Final = {
    b"encrcdsa": "an encrypted disk image", b"AEA1": "an encrypted archive (AEA)", b"sprs": "a sparse disk image",
    b"shdw": "a sparse disk image (ASIF)",
}  # fmt: skip
_INSTEAD: Final = "convert it with 'hdiutil convert -format UDZO'"
_TOO_LATE: Final = "without a Mac '7zz x' unpacks many, too"


def _recognise(glance: Glance) -> str | None:
    if glance.end.startswith(KOLY) or glance.head.startswith(KOLY):
        return "dmg"
    if glance.head.startswith(tuple(_FOREIGN)) or glance.end.endswith(b"cdsaencr"):
        return "dmg"
    return "img" if _is_disk(glance) else None


def _is_disk(glance: Glance) -> bool:
    """Whether a raw disk begins so."""
    head = glance.head
    if head[32:36] == b"NXSB" or head[3:11] == b"EXFAT   ":
        return True
    signed = head[510:512] == b"\x55\xaa"
    if signed and (head[54:57] == b"FAT" or head[82:87] == b"FAT32"):
        return True
    if not (signed or head[:2] == b"ER" or not head.strip(b"\0")) or len(head) < 512:
        return False
    head += glance.more(1536)
    if head[512:520] == b"EFI PART" or head[512:514] == b"PM" or head[1024:1026] in {b"H+", b"HX", b"BD"}:
        return True
    if head.strip(b"\0"):
        return False
    late = glance.more(32768 - len(head) + 6)
    return late[-5:] == b"CD001"


def _read(tree: Tree, file: IO[bytes], name: str) -> Known:
    length = file.seek(0, 2)
    file.seek(0)
    head = file.read(8)
    for magic, what in _FOREIGN.items():
        if head.startswith(magic):
            raise (EncryptedError if "encrypted" in what else NotReadError)(f"is {what}: {_INSTEAD}")
    file.seek(max(length - 8, 0))
    if file.read(8) == b"cdsaencr":
        raise EncryptedError(f"is an encrypted disk image: {_INSTEAD}")
    if name == "img":
        return _known(_volumes(tree, file, length, ()), None)
    udif = read_udif(file, length, tree.budget)
    image = UdifFile(file, udif, tree.budget)
    volumes = _volumes(tree, image, udif.size, udif.starts)
    if image.failures:
        tree.complete = False
        for failure in image.failures[:10]:
            tree.problem(failure.reason, offset=failure.offset)
        if matches_checksum(file, udif) is False:
            tree.problem("the data of the disk image have not the hash that is stated: it was damaged on its way")
    return _known(volumes, udif)


def _known(volumes: list[Volume], udif: Udif | None) -> Known:
    image = DiskImage(tuple(volumes))
    if udif is not None:
        image = DiskImage(tuple(volumes), udif.encodings, udif.licence, udif.signed)
    return Known(facts=Facts(shelf=image.mounted), image=image)


def _volumes(tree: Tree, disk: Disk, size: int, starts: tuple[int, ...]) -> list[Volume]:
    """Take over what is in the file systems of a disk: of one at the top of the tree, of several below their names."""
    found = find_file_systems(disk, size, starts)
    if not found:
        raise NotReadError(f"holds no file system that is known here: {_TOO_LATE}")
    opened: list[tuple[Volume, Walk]] = []
    refused: list[InputError] = []
    for system in found:
        try:
            opened += _open(tree, disk, system)
        except InputError as error:
            if tree.budget.is_exceeded:
                raise
            refused.append(error)
        except damage_errors() as error:
            refused.append(InputError(f"the {system.form} volume is damaged: {_first(error)}", offset=system.start))
    if not opened:
        raise refused[0]
    for reason in refused:
        tree.complete = False
        tree.pass_over("a volume", reason)
    names: set[str] = set()
    for volume, walk in opened:
        below: tuple[str, ...] = ()
        if len(opened) > 1:
            name = volume.name.replace("/", ":")
            below = (name if name not in names else f"{name} {len(names)}",)
            names.add(name)
        _take(tree, walk, below)
    return [volume for volume, _ in opened]


def _open(tree: Tree, disk: Disk, system: FileSystem) -> Iterator[tuple[Volume, Walk]]:
    window = Window(disk, system.start, system.size)
    match system.form:
        case "APFS":
            return iter(list(apfs_volumes(window)))
        case "HFS+" | "HFSX":
            return iter(list(hfs_volumes(window)))
        case "FAT":
            return iter(list(fat_volumes(window, tree.budget)))
        case "Core Storage":
            raise EncryptedError("holds a Core Storage volume (FileVault), which is not read")
    raise NotReadError(f"holds {'an' if system.form[0] in 'AEIH' else 'a'} {system.form} volume, which is not read")


def _take(tree: Tree, walk: Walk, below: tuple[str, ...]) -> None:
    identities: dict[int, str] = {}
    errors = damage_errors()
    for entry in _careful(tree, walk):
        name = "/".join((*below, *entry.names))
        if any(not part or "/" in part for part in entry.names):
            tree.problem("its name can be no file's", name)
        elif entry.kind is DiskEntryKind.DIRECTORY:
            tree.add_directory(name)
        elif entry.kind is DiskEntryKind.LINK:
            tree.add_link(name, entry.link)
        elif entry.kind is DiskEntryKind.OTHER or entry.opened is None:
            tree.add_special(name, "a device, FIFO or other special file")
        elif entry.unread:
            tree.pass_over(name, NotReadError(entry.unread))
        elif entry.identity is not None and entry.identity in identities:
            tree.add_hard_link(name, identities[entry.identity])
        else:
            tree.add_file(name, entry.size, entry.opened(), errors=errors)
            if entry.identity is not None:
                identities[entry.identity] = name


def _careful(tree: Tree, walk: Walk) -> Iterator[DiskEntry]:
    """Yield entries; what cannot be listed is a problem, and the rest goes on."""
    while True:
        try:
            found = next(walk, None)
        except InputError:
            raise
        except damage_errors() as error:
            tree.complete = False
            tree.problem(f"a volume is damaged: {_first(error)}")
            return
        if found is None:
            return
        tree.budget.step()
        if isinstance(found, OSError):
            tree.complete = False
            tree.problem(str(found))
        else:
            yield found


def _first(error: BaseException) -> str:
    """Return what an error says, without the trace of C functions that libyal adds to it."""
    return str(error).partition("\n")[0].partition(". ")[0] or type(error).__name__


CONTAINER: Final = Container(("dmg", "img"), _recognise, _read, suffixes=(".dmg",))
