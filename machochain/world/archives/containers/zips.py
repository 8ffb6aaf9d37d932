"""Zip archives, by their central directory."""

from __future__ import annotations

import copy
import stat
import zipfile
import zlib
from typing import IO, Any, Final, Self

from machochain.model.errors import InputError
from machochain.model.value import frozen
from machochain.world.archives.budget import Budget
from machochain.world.archives.compression import COMPRESSIONS, Decompressed, Read, damage_errors
from machochain.world.archives.containers.form import Container, Glance, Known
from machochain.world.archives.containers.tars import read_tar
from machochain.world.archives.errors import EncryptedError
from machochain.world.archives.names import Refused, entry_names
from machochain.world.archives.packages import package_of_names
from machochain.world.archives.packages.form import Package
from machochain.world.archives.tree import Tree

_Errors = tuple[type[BaseException], ...]
_ZIP_DIRECTORY_ENTRY: Final = b"PK\x01\x02"
_ZIP_ENCRYPTED: Final = 0x1
_ZIP_UTF8: Final = 0x800
_ZIP_UNIX: Final = 3
_ZIP_HEADER: Final = 30
_LINK_LIMIT: Final = 4096
_OVERLAP: Final = zipfile.BadZipFile("its bytes are those of another entry too")


class _DirectoryGuard:
    """A file for zipfile that refuses a directory with more entries than are allowed, before objects are made of it."""

    def __init__(self, file: IO[bytes], budget: Budget) -> None:
        self._file = file
        self._budget = budget

    def read(self, size: int = -1) -> bytes:
        limits = self._budget.limits
        data = self._file.read(size)
        if data.startswith(_ZIP_DIRECTORY_ENTRY) and data.count(_ZIP_DIRECTORY_ENTRY) > limits.entries:
            raise self._budget.exceeded(f"more than {limits.entries} entries (limit entries)")
        return data

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


def _read(tree: Tree, file: IO[bytes], name: str) -> Known | None:
    """Take over the entries of a zip."""
    del name
    budget = tree.budget
    errors: _Errors = (*damage_errors(), zipfile.BadZipFile, NotImplementedError, RuntimeError)
    try:
        archive = zipfile.ZipFile(_DirectoryGuard(file, budget))
    except InputError:
        raise
    except UnicodeDecodeError:
        raise InputError("the name of an entry is not UTF-8, though the archive says so") from None
    except errors as error:
        raise InputError(f"is cut or damaged: its directory cannot be read ({error})") from error
    with archive:
        members = [_Member(_zip_name(info), info) for info in archive.infolist()]
        locked = next((m for m in members if m.info.flag_bits & _ZIP_ENCRYPTED), None)
        if locked is not None:
            raise EncryptedError("is encrypted, and no password is asked for", part=locked.name)
        package = package_of_names({member.name for member in members})
        overlapping = _overlapping(archive.infolist())
        for member in members:
            if id(member.info) in overlapping:
                tree.add_file(member.name, member.info.file_size, _raiser(_OVERLAP), errors=errors)
            elif package is not None and package.inner_tars:
                _inner_tar(tree, archive, member, errors)
            else:
                _zip_member(tree, archive, member, package, errors)
    return None if package is None else Known(package.kind)


def _overlapping(infos: list[zipfile.ZipInfo]) -> set[int]:
    """Return the entries whose bytes are also those of another: no packer writes that, but some bombs are made so."""
    found: set[int] = set()
    before: zipfile.ZipInfo | None = None
    end = 0
    for info in sorted(infos, key=lambda each: each.header_offset):
        if info.header_offset < end and before is not None:
            found |= {id(before), id(info)}
        own = info.header_offset + _ZIP_HEADER + info.compress_size
        if own > end:
            before, end = info, own
    return found


@frozen
class _Member:
    """An entry of a zip with its true name."""

    name: str
    info: zipfile.ZipInfo


def _zip_name(info: zipfile.ZipInfo) -> str:
    """Return the name as written.

    zipfile ends it at a NUL, and reads names without the UTF-8 flag as code page 437; what macOS itself writes there
    is UTF-8 without the flag.
    """
    name = info.orig_filename
    if not info.flag_bits & _ZIP_UTF8 and not name.isascii():
        try:
            return name.encode("cp437").decode()
        except (UnicodeEncodeError, UnicodeDecodeError):
            return name
    return name


def _zip_member(
    tree: Tree,
    archive: zipfile.ZipFile,
    member: _Member,
    package: Package | None,
    errors: _Errors,
) -> None:
    name, info = member.name, member.info
    if name.startswith("__MACOSX/"):
        tree.add_left_out(name, info.file_size, "holds attributes of another entry (AppleDouble)")
        return
    at = None
    if package is not None and package.installed is not None:
        try:
            names = entry_names(name, tree.budget.limits)
        except Refused:
            names = []
        at = package.installed(names) if names else None
    mode = info.external_attr >> 16 if info.create_system == _ZIP_UNIX else 0
    if name.endswith("/"):
        tree.add_directory(name, at)
        return
    is_link = stat.S_ISLNK(mode)
    if stat.S_IFMT(mode) and not is_link and not stat.S_ISREG(mode):
        tree.add_special(name, "a device, FIFO or other special file")
        return
    try:
        opened = _open(archive, info)
    except errors as error:
        tree.add_file(name, info.file_size, _raiser(error), at=at, errors=errors)
        return
    with opened:
        if is_link and (package is None or package.links):
            _zip_link(tree, opened, name, info, errors)
            return
        note = "pip writes a link of a wheel as a plain file" if is_link else None
        produced = 0

        def read(size: int) -> bytes:
            nonlocal produced
            data = opened.read(size)
            produced += len(data)
            tree.budget.check_ratio(produced, info.compress_size, name)
            return data

        tree.add_file(name, info.file_size, read, at=at, note=note, errors=errors)


_METHODS: Final = {12: "bz2", 14: "lzma", 93: "zst"}
"""Methods by the numbers of PKWARE's application note, 4.4.5, for which zipfile unpacks all it is given at once."""
_LZMA_HEAD: Final = 4
_LZMA_PROPERTIES: Final = 5
_LZMA_ENDS_BY_MARK: Final = 0x2


def _open(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> IO[bytes] | _Unpacked:
    """Open an entry, whatever it is packed with, so that no more is unpacked than is asked for."""
    method = _METHODS.get(info.compress_type)
    if method is None:
        return archive.open(info)
    packed = copy.copy(info)  # the same bytes, as they are
    packed.compress_type, packed.file_size = zipfile.ZIP_STORED, info.compress_size
    packed.CRC = None  # type: ignore[assignment]  # zipfile asks for it
    return _Unpacked(archive.open(packed), info, method)


class _Unpacked:
    """An entry that is unpacked by the piece, and held against its sum."""

    def __init__(self, packed: IO[bytes], info: zipfile.ZipInfo, method: str) -> None:
        self._packed = packed
        self._info = info
        self._left = info.file_size
        self._sum = 0
        self._head = self._lzma_head() if method == "lzma" else b""
        self._stream = Decompressed(self._read, method)

    def _lzma_head(self) -> bytes:
        """Return the head of an .lzma file for that of an entry (application note, 5.8.8)."""
        head = self._packed.read(_LZMA_HEAD)
        if len(head) < _LZMA_HEAD or int.from_bytes(head[2:], "little") != _LZMA_PROPERTIES:
            raise zipfile.BadZipFile("the properties of LZMA are damaged")
        size = -1 if self._info.flag_bits & _LZMA_ENDS_BY_MARK else self._info.file_size
        return self._packed.read(_LZMA_PROPERTIES) + size.to_bytes(8, "little", signed=True)

    def _read(self, size: int) -> bytes:
        head, self._head = self._head, b""
        return head or self._packed.read(size)

    def read(self, size: int) -> bytes:
        data = self._stream.read(min(size, self._left)) if self._left else b""
        self._left -= len(data)
        self._sum = zlib.crc32(data, self._sum)
        if (not data or not self._left) and (self._left or self._sum != self._info.CRC):
            raise zipfile.BadZipFile("its sum (CRC-32) is another")
        return data

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._packed.close()
        del self._stream  # which knows this: its dictionary would stay until somebody looks for garbage


def _zip_link(tree: Tree, opened: IO[bytes] | _Unpacked, name: str, info: zipfile.ZipInfo, errors: _Errors) -> None:
    if info.file_size > _LINK_LIMIT:
        tree.add_special(name, f"a link longer than {_LINK_LIMIT} bytes")
        return
    try:
        link = opened.read(_LINK_LIMIT)
    except errors as error:
        tree.add_file(name, info.file_size, _raiser(error), errors=errors)
        return
    tree.add_link(name, link.decode("utf-8", "surrogateescape"))


def _raiser(error: BaseException) -> Read:
    def read(_: int) -> bytes:
        raise error

    return read


def _inner_tar(tree: Tree, archive: zipfile.ZipFile, member: _Member, errors: _Errors) -> None:
    """Take over the inner archives of a ``.conda`` file as if they were one."""
    name, info = member.name, member.info
    compression = name.rpartition(".tar.")[2]
    if not name.startswith(("pkg-", "info-")) or compression not in COMPRESSIONS:
        tree.add_left_out(name, info.file_size, "describes the package file itself")
        return
    try:
        with _open(archive, info) as opened:
            read_tar(tree, opened.read, None, compression)
    except InputError:
        raise
    except errors as error:
        tree.complete = False
        tree.problem(f"cannot be read: {error}", name)


def _recognise(glance: Glance) -> str | None:
    if glance.head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return "zip"
    # Programs in Python and Java may be a zip behind the line that starts them (PEP 441).
    return "zip" if glance.head.startswith(b"#!") and glance.end[-22:].startswith(b"PK\x05\x06") else None


CONTAINER: Final = Container(("zip",), _recognise, _read, suffixes=(".pyz", ".pex"))
