"""cpio archives, and the trees that payloads of installer packages are."""

from __future__ import annotations

import stat
from collections.abc import Callable
from io import BytesIO
from typing import IO, Final

from machochain.model.errors import InputError
from machochain.world.archives.compression import damage_errors
from machochain.world.archives.containers.form import Container, Glance
from machochain.world.archives.cpio import CpioEntry, entries_of, is_cpio
from machochain.world.archives.stream import Stream
from machochain.world.archives.tree import Tree

Look = Callable[[str, bytes], None]
"""Is shown the name and content of each small file."""

_LINK_LIMIT: Final = 4096
_SMALL: Final = 1 << 20


def read_cpio(tree: Tree, stream: Stream, below: str = "", look: Look | None = None) -> None:
    """Take over the entries of a cpio archive; what is cut or damaged is a problem of the tree.

    Args:
        tree: Where they go.
        stream: The archive.
        below: The folder in the tree that they lie in; empty for its top.
        look: Is shown small files.
    """
    errors = damage_errors()
    waiting: dict[tuple[int, ...], list[str]] = {}
    last = ""
    try:
        for entry in entries_of(stream):
            last = entry.name
            name = "/".join(part for part in (below, entry.name.lstrip("/")) if part)
            _entry(tree, entry, name, waiting, errors, look)
    except InputError as error:
        if tree.budget.is_exceeded or error.path is not None:
            raise
        _cut(tree, last, error.reason, stream)
    except errors as error:
        _cut(tree, last, str(error), stream)
    for names in waiting.values():
        for name in names:
            tree.add_file(name, 0, lambda _: b"")


def _cut(tree: Tree, last: str, why: str, stream: Stream) -> None:
    tree.complete = False
    tree.problem(f"is cut or damaged{f' after {last!r}' if last else ''}: {why}", offset=stream.position)


def _entry(
    tree: Tree,
    entry: CpioEntry,
    name: str,
    waiting: dict[tuple[int, ...], list[str]],
    errors: tuple[type[BaseException], ...],
    look: Look | None,
) -> None:
    kind = stat.S_IFMT(entry.mode)
    if kind == stat.S_IFDIR:
        if name.strip("./"):
            tree.add_directory(name)
    elif kind == stat.S_IFLNK:
        if entry.size > _LINK_LIMIT:
            tree.add_special(name, f"a link longer than {_LINK_LIMIT} bytes")
        else:
            tree.add_link(name, entry.stream.exactly(entry.size).decode("utf-8", "surrogateescape"))
    elif kind not in {0, stat.S_IFREG}:
        tree.add_special(name, "a device, FIFO or other special file")
    elif name.rpartition("/")[2].startswith("._"):
        tree.add_left_out(name, entry.size, "holds attributes of another entry (AppleDouble)")
    elif entry.shares and entry.links > 1 and not entry.size:
        # The data comes with the last of its names.
        waiting.setdefault(entry.identity, []).append(name)
    else:
        _file(tree, entry, name, errors, look)
        if entry.shares and entry.links > 1:
            for other in waiting.pop(entry.identity, ()):
                tree.add_hard_link(other, name)


def _file(tree: Tree, entry: CpioEntry, name: str, errors: tuple[type[BaseException], ...], look: Look | None) -> None:
    if look is not None and entry.size <= _SMALL:
        data = entry.stream.exactly(entry.size)
        look(entry.name, data)
        tree.add_file(name, entry.size, BytesIO(data).read, errors=errors)
        return
    left = entry.size

    def read(size: int) -> bytes:
        nonlocal left
        data = entry.stream.read(min(size, left)) if left else b""
        if left and not data:
            raise EOFError("the archive ends in it")
        left -= len(data)
        return data

    tree.add_file(name, entry.size, read, errors=errors)


def _recognise(glance: Glance) -> str | None:
    return "cpio" if is_cpio(glance.head) else None


def _read(tree: Tree, file: IO[bytes], _: str) -> None:
    read_cpio(tree, Stream(file.read))


CONTAINER: Final = Container(("cpio",), _recognise, _read)
