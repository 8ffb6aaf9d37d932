"""Electron's archive of an app's sources, ``app.asar``: a JSON header, then the files.

Files that are marked as unpacked lie in ``app.asar.unpacked`` beside it. A native module that is in the archive is
copied to a temporary file when it is loaded: what is neither a Mach-O file nor an archive does not matter, and there is
much of it. Layout: electron/asar, src/disk.ts and src/filesystem.ts.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from typing import IO, Any, Final

from machochain.macho.kind import FileKind, kind_of
from machochain.model.errors import InputError
from machochain.world.archives.compression import HEAD, Read, damage_errors
from machochain.world.archives.containers.form import Container, Glance
from machochain.world.archives.tree import Tree

_HEADER_LIMIT: Final = 64 << 20
_START: Final = struct.Struct("<4I")


def _recognise(glance: Glance) -> str | None:
    if len(glance.head) < 32:
        return None
    four, header, payload, text = _START.unpack_from(glance.head)
    right = four == 4 and payload + 4 == header and text + 4 <= payload and glance.head[16:17] == b"{"
    return "asar" if right and b'"files"' in glance.head[16:32] else None


def _read(tree: Tree, file: IO[bytes], _: str) -> None:
    _, size, _, length = _START.unpack(file.read(16))
    if length > _HEADER_LIMIT:
        raise InputError(f"its header is longer than {_HEADER_LIMIT} bytes")
    try:
        listed = json.loads(file.read(length))
    except (ValueError, RecursionError) as error:
        raise InputError(f"its header cannot be read: {error}") from None
    errors = damage_errors()
    for name, entry in _entries(tree, listed):
        if "files" in entry or "link" in entry:
            tree.budget.step()
        elif entry.get("unpacked"):
            tree.add_left_out(name, _number(entry.get("size")), "lies in the folder .unpacked beside the archive")
        else:
            length, begin = _number(entry.get("size")), 8 + size + _number(entry.get("offset"))
            tree.budget.step()
            head = _reader(file, begin, length)(HEAD)
            if kind_of(head[:64]) is not FileKind.UNRECOGNISED or tree.packed(head, name.rpartition("/")[2]):
                tree.add_file(name, length, _reader(file, begin, length), errors=errors)


def _entries(tree: Tree, listed: object) -> Iterator[tuple[str, dict[str, Any]]]:
    pending: list[tuple[str, object]] = [("", listed)]
    while pending:
        above, folder = pending.pop()
        files = folder.get("files") if isinstance(folder, dict) else None
        if not isinstance(files, dict):
            continue
        for name, entry in files.items():
            if not isinstance(entry, dict) or "/" in name:
                tree.problem("its entry makes no sense", f"{above}{name}")
                continue
            yield f"{above}{name}", entry
            pending.append((f"{above}{name}/", entry))


def _number(value: object) -> int:
    """Return a number, which may be written as text; 0 for anything else."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 20:
        return int(value)
    return value if isinstance(value, int) and 0 <= value < 1 << 62 else 0


def _reader(file: IO[bytes], offset: int, size: int) -> Read:
    position, left = offset, size

    def read(count: int) -> bytes:
        nonlocal position, left
        file.seek(position)
        data = file.read(min(count, left))
        position += len(data)
        left -= len(data)
        return data

    return read


CONTAINER: Final = Container(("asar",), _recognise, _read)
