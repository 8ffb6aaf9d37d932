"""XAR archives: installer packages, .xip, and any other."""

from __future__ import annotations

from typing import IO, Final

from machochain.world.archives.compression import Decompressed, Read, damage_errors
from machochain.world.archives.containers.cpios import read_cpio
from machochain.world.archives.containers.form import Container, Glance, Known
from machochain.world.archives.containers.installer import Open, is_package, read_package
from machochain.world.archives.cpio import is_cpio
from machochain.world.archives.errors import NotReadError
from machochain.world.archives.stream import plain_stream
from machochain.world.archives.tree import Tree
from machochain.world.archives.xartable import XAR, XarData, XarMember, read_table, stored_bytes

_ENCODINGS: Final = {
    "application/octet-stream": "",
    "application/x-gzip": "zlib",
    "application/x-bzip2": "bz2",
    "application/x-lzma": "lzma",
}
"""What is called gzip there is zlib."""


def _recognise(glance: Glance) -> str | None:
    return "xar" if glance.head.startswith(XAR) else None


def _read(tree: Tree, file: IO[bytes], _: str) -> Known | None:
    table = read_table(file)
    if table.checksum is False:
        tree.problem("the hash of its table is not the one it states")
    for name in table.refused:
        tree.problem("its name can be no file's", name)

    def opened(member: XarMember) -> Read:
        return _opened(tree, file, member)

    tops = [member.name for member in table.members if "/" not in member.name]
    if is_package(tops):
        return read_package(tree, table.members, opened, table.signers)
    if {"Content", "Metadata"} <= set(tops) and _is_signed_archive(tree, table.members, opened):
        return Known()
    _read_members(tree, table.members, opened)
    return None


def _is_signed_archive(tree: Tree, members: tuple[XarMember, ...], opened: Open) -> bool:
    """Take over a .xip: one compressed cpio archive with everything."""
    content = next(member for member in members if member.name == "Content")
    stream = plain_stream(opened(content), tree.budget)
    if not is_cpio(stream.peek(26)):
        return False
    read_cpio(tree, stream)
    return True


def _opened(tree: Tree, file: IO[bytes], member: XarMember) -> Read:
    """Return a reader of a member's bytes, decoded.

    Raises:
        NotReadError: It is stored in a way that nobody knows here.
    """
    data = member.data
    if data is None:
        return lambda _: b""

    def wrong() -> None:
        tree.problem("its hash is not the one that is stated", member.name)

    stored = stored_bytes(file, data, wrong)
    compression = _ENCODINGS.get(data.encoding)
    if compression is None:
        raise NotReadError(f"is stored as {data.encoding!r}, which is not read", part=member.name)
    if not compression:
        return stored
    return _expanded(tree, stored, data, compression)


def _expanded(tree: Tree, stored: Read, data: XarData, compression: str) -> Read:
    budget = tree.budget
    packed = Decompressed(stored, compression, memory=budget.limits.memory_bytes, step=budget.step)
    produced = 0

    def read(size: int) -> bytes:
        nonlocal produced
        if not data.length:
            return b""
        found = packed.read(size)
        produced += len(found)
        budget.check_ratio(produced, packed.consumed)
        return found

    return read


def _read_members(tree: Tree, members: tuple[XarMember, ...], opened: Open) -> None:
    errors = damage_errors()
    numbers = {member.number: member.name for member in members if member.kind == "file" or member.link == "original"}
    later: list[XarMember] = []
    for member in members:
        if member.kind == "directory":
            tree.add_directory(member.name)
        elif member.kind == "symlink":
            tree.add_link(member.name, member.link)
        elif member.kind == "hardlink" and member.link != "original":
            later.append(member)
        elif member.kind in {"file", "hardlink"}:
            try:
                tree.add_file(
                    member.name, 0 if member.data is None else member.data.size, opened(member), errors=errors
                )
            except NotReadError as error:
                tree.pass_over(member.name, error)
        else:
            tree.add_special(member.name, "a device, FIFO or other special file")
    for member in later:
        # Of files that are doubled, libarchive PRs 2123 and 2150, each has one link: no circle can come of it.
        tree.add_hard_link(member.name, numbers.get(member.link, ""))


CONTAINER: Final = Container(("xar",), _recognise, _read)
