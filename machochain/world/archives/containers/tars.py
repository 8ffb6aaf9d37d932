"""Tar archives, read entry by entry; nothing is looked at twice."""

from __future__ import annotations

import os
import tarfile
from collections.abc import Callable
from typing import IO, Final

from machochain.model.errors import InputError
from machochain.world.archives.compression import (
    HEAD,
    Decompressed,
    Read,
    damage_errors,
)
from machochain.world.archives.containers.form import Container, Glance
from machochain.world.archives.forward import ForwardStream
from machochain.world.archives.tree import Tree

_Errors = tuple[type[BaseException], ...]
_GLOBAL_HEADERS: Final = 1000


def is_tar(first_bytes: bytes) -> bool:
    """Whether a tar archive begins so (512 bytes are enough): its first header has the right sum."""
    if len(first_bytes) < tarfile.BLOCKSIZE or not first_bytes[148:156].strip(b" \0").isdigit():
        return False  # the header's sum is in octal digits: most files are known not to be one by that
    try:
        tarfile.TarInfo.frombuf(first_bytes[: tarfile.BLOCKSIZE], "utf-8", "surrogateescape")
    except (tarfile.TarError, ValueError):
        return False
    return True


def _recognise(glance: Glance) -> str | None:
    return "tar" if is_tar(glance.head) else None


def _read(tree: Tree, file: IO[bytes], _: str) -> None:
    def skip(count: int) -> None:
        file.seek(count, os.SEEK_CUR)

    read_tar(tree, file.read, skip, "")


def read_tar(
    tree: Tree,
    read: Read,
    skip: Callable[[int], None] | None,
    compression: str,
) -> None:
    """Take over the entries of a tar archive, one after the other; nothing is looked at twice."""
    budget = tree.budget
    if compression:
        packed = Decompressed(read, compression, memory=budget.limits.memory_bytes, step=budget.step)
        produced = 0

        def plain(size: int) -> bytes:
            nonlocal produced
            data = packed.read(size)
            produced += len(data)
            budget.spend(len(data))
            budget.check_ratio(produced, packed.consumed)
            return data

        stream = ForwardStream(plain, None, budget.limits.header_bytes)
    else:
        stream = ForwardStream(read, skip, budget.limits.header_bytes)
    errors = damage_errors()
    last = ""
    try:
        # The mode is set apart from the file's own: nothing is ever written to it.
        with tarfile.TarFile(fileobj=stream, mode="r", errors="surrogateescape") as archive:  # type: ignore[arg-type]
            while True:
                stream.start_header()
                member = archive.next()
                if member is None:
                    break
                # tarfile would keep every header; and it copies the global ones to each.
                archive.members.clear()  # type: ignore[attr-defined]  # typeshed leaves it out
                if len(archive.pax_headers) > _GLOBAL_HEADERS:
                    raise budget.exceeded(f"more than {_GLOBAL_HEADERS} global headers")
                last = member.name
                _tar_entry(tree, archive, stream, member, errors=errors)
    except InputError:
        raise
    except errors as error:
        tree.complete = False
        tree.problem(f"is cut or damaged{_after(last)}: {error}", offset=stream.tell())
        return
    if stream.tail.strip(b"\0") or len(stream.tail) < tarfile.BLOCKSIZE:
        tree.complete = False
        tree.problem(f"is cut or damaged{_after(last)}: its end is missing", offset=stream.tell())


def _after(name: str) -> str:
    return f" after {name!r}" if name else ""


def _tar_entry(
    tree: Tree,
    archive: tarfile.TarFile,
    stream: ForwardStream,
    member: tarfile.TarInfo,
    errors: _Errors,
) -> None:
    name = member.name
    if member.size < 0:
        raise tarfile.ReadError(f"the size of {name!r} is negative")
    if member.isdir():
        tree.add_directory(name)
    elif member.issym():
        tree.add_link(name, member.linkname)
    elif member.islnk():
        tree.add_hard_link(name, member.linkname)
    elif not member.isreg():
        tree.add_special(name, "a device, FIFO or other special file")
    elif member.issparse():
        if member.size > tree.budget.limits.file_bytes:
            tree.add_oversized(name, member.size)
            return
        inside = archive.extractfile(member)
        assert inside is not None
        stream.start_header()
        tree.add_file(name, member.size, _unlimited(stream, inside.read), errors=errors)
    else:
        stream.seek(member.offset_data)
        left = member.size

        def read(size: int) -> bytes:
            nonlocal left
            if left <= 0:
                return b""
            data = stream.read_some(min(size, left))
            left -= len(data)
            return data

        tree.add_file(name, member.size, read, errors=errors)


def _unlimited(stream: ForwardStream, read: Read) -> Read:
    """Read a sparse file through tarfile, whose reads would else count as those of a header."""

    def wrapped(size: int) -> bytes:
        data = b""
        while len(data) < size:
            stream.start_header()
            part = read(min(size - len(data), HEAD))
            if not part:
                break
            data += part
        return data

    return wrapped


CONTAINER: Final = Container(("tar",), _recognise, _read)
