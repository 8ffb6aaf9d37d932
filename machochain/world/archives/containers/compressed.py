"""Compressed files: a tar or cpio archive, or one Mach-O file, as release pages have them (``tool-arm64.gz``)."""

from __future__ import annotations

import tarfile
from typing import IO, Final

from machochain.macho.kind import FileKind, kind_of
from machochain.model.errors import InputError
from machochain.world.archives.compression import COMPRESSIONS, Decompressed, compression_of, damage_errors
from machochain.world.archives.containers.cpios import read_cpio
from machochain.world.archives.containers.form import Container, Glance
from machochain.world.archives.containers.tars import is_tar, read_tar
from machochain.world.archives.cpio import is_cpio
from machochain.world.archives.pbzx import PBZX
from machochain.world.archives.stream import plain_stream
from machochain.world.archives.tree import Tree

_INNER: Final = ("tar", "cpio", "macho")
_SIZE_UNKNOWN: Final = -1


def _recognise(glance: Glance) -> str | None:
    if glance.head.startswith(PBZX):
        return "cpio.pbzx"
    compression = compression_of(glance.head)
    if compression is None:
        return None
    pending = [glance.head]
    try:
        stream = Decompressed(lambda size: pending.pop() if pending else glance.more(size), compression)
        first = b""
        while len(first) < tarfile.BLOCKSIZE:
            data = stream.read(tarfile.BLOCKSIZE - len(first))
            if not data:
                break
            first += data
    except InputError:
        # Without the library nobody can see what is inside: opening it says what to install.
        return f"tar.{compression}"
    except EOFError:
        # Cut before anything could come out: opening it says so.
        return f"tar.{compression}"
    except damage_errors():
        return None
    inner = _inner(first)
    return None if inner is None else f"{inner}.{compression}"


def _inner(first: bytes) -> str | None:
    if is_tar(first):
        return "tar"
    if is_cpio(first):
        return "cpio"
    return "macho" if kind_of(first[:64]) in {FileKind.MACHO, FileKind.UNIVERSAL} else None


def _read(tree: Tree, file: IO[bytes], name: str) -> None:
    inner, _, compression = name.partition(".")
    if inner == "tar":
        read_tar(tree, file.read, None, compression)
        return
    stream = plain_stream(file.read, tree.budget)
    if inner == "cpio":
        read_cpio(tree, stream)
        return
    leaf = tree.name.rpartition(".")[0] or tree.name
    tree.add_file(leaf, _SIZE_UNKNOWN, stream.read, errors=damage_errors())


_NAMES: Final = tuple(f"{inner}.{each}" for inner in _INNER for each in COMPRESSIONS)
CONTAINER: Final = Container((*_NAMES, "cpio.pbzx"), _recognise, _read)
