"""APFS and HFS+, read by libyal (libfsapfs, libfshfs: LGPL, an extra)."""

from __future__ import annotations

import stat
import struct
from collections.abc import Iterator
from typing import Any, Final

from machochain.model.release import Volume
from machochain.world.archives.compression import CHUNK, Read
from machochain.world.archives.disks.entries import DiskEntry, DiskEntryKind, Walk, Window
from machochain.world.archives.errors import EncryptedError, NeedsLibraryError

_PRIVATE: Final = frozenset(
    {"\0\0\0\0HFS+ Private Data", ".HFS+ Private Directory Data\r", ".journal", ".journal_info_block"}
)
"""Where HFS+ keeps the files that hard links are names of, and its journal (TN1150)."""
_DECMPFS: Final = "com.apple.decmpfs"
_UNREAD_FORMS: Final = {1: "uncompressed in its attribute", 13: "LZBITMAP", 14: "LZBITMAP"}
_BINARY_COMPARE: Final = 0xBC
_MOST_VOLUMES: Final = 100


def apfs_volumes(window: Window) -> Iterator[tuple[Volume, Walk]]:
    """Yield the volumes of an APFS container, each with its entries.

    Raises:
        NeedsLibraryError: The library is not installed.
        EncryptedError: It is locked.
        OSError: It is damaged.
    """
    try:
        import pyfsapfs  # noqa: PLC0415  # an extra
    except ImportError:
        raise NeedsLibraryError("holds an APFS volume, which needs a library: pip install 'machochain[dmg]'") from None
    container = pyfsapfs.container()
    container.open_file_object(window)
    if container.is_locked():
        raise EncryptedError("holds an encrypted APFS container")
    for number in range(min(container.number_of_volumes, _MOST_VOLUMES)):
        volume = container.get_volume(number)
        if volume.is_locked():
            raise EncryptedError(f"holds an encrypted volume ({volume.name})")
        # All of them must live as long as what is read from them.
        yield Volume(volume.name or "untitled", "APFS"), _walk(volume.get_root_directory(), (window, container, volume))


def hfs_volumes(window: Window) -> Iterator[tuple[Volume, Walk]]:
    """Yield the volume of an HFS+ file system, with its entries.

    Raises:
        NeedsLibraryError: The library is not installed.
        OSError: It is damaged.
    """
    try:
        import pyfshfs  # noqa: PLC0415  # an extra
    except ImportError:
        raise NeedsLibraryError("holds an HFS+ volume, which needs a library: pip install 'machochain[dmg]'") from None
    sensitive = _is_case_sensitive(window)
    window.seek(1024)
    form = "HFSX" if window.read(2) == b"HX" else "HFS+"
    volume = pyfshfs.volume()
    volume.open_file_object(window)
    yield Volume(volume.name or "untitled", form, sensitive), _walk(volume.get_root_directory(), (window, volume))


def _is_case_sensitive(window: Window) -> bool:
    """Whether names are compared byte by byte: only HFSX can, and its catalogue's header says so (TN1150)."""
    window.seek(1024)
    header = window.read(512)
    if header[:2] != b"HX" or len(header) < 512:
        return False
    (block,) = struct.unpack_from(">I", header, 40)
    (first,) = struct.unpack_from(">I", header, 272 + 16)
    window.seek(block * first)
    return window.read(64)[14 + 37 : 14 + 38] == bytes([_BINARY_COMPARE])


def _walk(root: Any, keep: object) -> Walk:
    pending: list[tuple[tuple[str, ...], Any]] = [((), root)]
    above: set[int] = set()
    while pending:
        names, folder = pending.pop()
        try:
            if folder.identifier in above:
                continue
            above.add(folder.identifier)
            count = folder.number_of_sub_file_entries
        except OSError as error:
            yield _first_sentence(error, names)
            continue
        for number in range(count):
            try:
                entry = folder.get_sub_file_entry(number)
                found = _entry(entry, names)
            except OSError as error:
                yield _first_sentence(error, names)
                continue
            if found is None:
                continue
            yield found
            if found.kind is DiskEntryKind.DIRECTORY:
                pending.append((found.names, entry))
    del keep


def _entry(entry: Any, above: tuple[str, ...]) -> DiskEntry | None:
    name = entry.name
    if name in _PRIVATE and not above:
        return None
    # What HFS+ calls "a/b" macOS shows as "a:b".
    names = (*above, (name or "").replace("/", ":"))
    kind = stat.S_IFMT(entry.file_mode or 0)
    if kind == stat.S_IFDIR:
        return DiskEntry(names, DiskEntryKind.DIRECTORY)
    if kind == stat.S_IFLNK:
        return DiskEntry(names, DiskEntryKind.LINK, link=entry.symbolic_link_target or "")
    if kind not in {0, stat.S_IFREG}:
        return DiskEntry(names, DiskEntryKind.OTHER)
    shared = entry.identifier if (entry.number_of_links or 1) > 1 else None
    size = entry.size or 0
    return DiskEntry(names, DiskEntryKind.FILE, size, "", shared, lambda: _reader(entry, size), _unread(entry))


def _unread(entry: Any) -> str:
    """Return why a file cannot be read that is stored compressed (decmpfs); empty if it can."""
    for number in range(entry.number_of_extended_attributes):
        attribute = entry.get_extended_attribute(number)
        if attribute.name == _DECMPFS:
            head = attribute.read_buffer(16)
            form = struct.unpack_from("<I", head, 4)[0] if len(head) >= 8 else 0
            if form in _UNREAD_FORMS:
                return f"is stored as {_UNREAD_FORMS[form]} (decmpfs {form}), which is not read"
    return ""


def _reader(entry: Any, size: int) -> Read:
    position = 0

    def read(count: int) -> bytes:
        nonlocal position
        wanted = min(count, size - position, CHUNK)
        if wanted <= 0:
            return b""
        data: bytes = entry.read_buffer_at_offset(wanted, position)
        position += len(data)
        return data

    return read


def _first_sentence(error: OSError, names: tuple[str, ...]) -> OSError:
    """Return an error without the trace of C functions that libyal adds to it."""
    text = str(error).partition("\n")[0].partition(". ")[0]
    return OSError(f"the folder {'/'.join(names) or '/'} cannot be listed: {text}")
