"""``ar`` archives: static libraries of ``ar`` and ``libtool``, and the package archives of Go.

Three dialects share the 60-byte header and differ in names: BSD and Apple (``#1/N``, the name stands before the
content), SysV and GNU (a slash ends the name; long ones in the member ``//``), and Go (blanks to 16 bytes, longer
names cut, odd sizes padded with NUL instead of a line feed). While listing only headers are read.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

from machochain.macho.constants import ARCHIVE_MAGIC
from machochain.macho.fat import CROWDED, HEADER_BYTES, MAX_SLICES, affordable, parse_fat
from machochain.macho.kind import FileKind, kind_of
from machochain.macho.symtab import name_budget
from machochain.model.arch import Arch
from machochain.model.errors import InputError
from machochain.model.reading import ByteSource, RangeSource
from machochain.model.symbols import TableDefect
from machochain.model.value import frozen

_HEADER: Final = 60
_READ: Final = 256
"""Bytes read per member: the header, usually a BSD name, and enough of the content to recognise it."""
_SYMBOL_TABLES: Final = frozenset(
    {"/", "/SYM64/", "__.SYMDEF", "__.SYMDEF SORTED", "__.SYMDEF_64", "__.SYMDEF_64 SORTED"}
)


class MemberKind(Enum):
    """What a member is, by its name for the archive's own tables, else by its first bytes."""

    MACHO = "macho"
    UNIVERSAL = "universal"
    SYMBOL_TABLE = "symbol table"
    NAME_TABLE = "name table"
    EMPTY = "empty"
    OTHER = "other"


@frozen
class Member:
    """One member of an archive. Offsets count from the start of the file.

    Attributes:
        name: As the dialect has it, padding and terminators removed; bytes that are not UTF-8 as surrogate escapes.
        header_offset: Where its header begins.
        offset: Where its content begins, behind a BSD name.
        size: Length of the content in bytes.
        kind: What it is.
    """

    name: str
    header_offset: int
    offset: int
    size: int
    kind: MemberKind


@frozen
class Archive:
    """One archive; a universal static library holds one per architecture.

    Attributes:
        members: In file order, the archive's own tables included.
        error: Why reading stopped before the end; None if it did not. The members before it are good.
        arch: From the fat header; None for an archive that is a file of its own.
        offset: Where it begins in the file, bytes.
        size: Its length in bytes.
    """

    members: tuple[Member, ...]
    error: TableDefect | None
    arch: Arch | None
    offset: int
    size: int


def read_archives(source: ByteSource) -> tuple[Archive, ...]:
    """List the members of an archive, or of every archive in a universal file.

    Args:
        source: The whole file.

    Returns:
        One archive per slice that is one.

    Raises:
        InputError: The bytes cannot be read, or are neither an archive nor universal.
    """
    first = source.read(0, HEADER_BYTES)
    kind = kind_of(first)
    if kind is FileKind.ARCHIVE:
        return (_read_archive(source, None, 0, source.size),)
    if kind is not FileKind.UNIVERSAL:
        raise InputError("not an archive", offset=0)
    return tuple(
        _read_archive(source, entry.arch, entry.offset, entry.size)
        if fits
        else Archive((), TableDefect(CROWDED, entry.offset), entry.arch, entry.offset, entry.size)
        for entry, fits in affordable(parse_fat(first).entries[:MAX_SLICES], source.size)
        if RangeSource(source, entry.offset, entry.size).read(0, len(ARCHIVE_MAGIC)) == ARCHIVE_MAGIC
    )


def member_source(source: ByteSource, member: Member) -> RangeSource:
    """Return the content of a member as a file of its own, fit for ``reader.read_source``."""
    return RangeSource(source, member.offset, member.size)


class _Bad(Exception):  # noqa: N818 - control flow inside this module, never seen outside
    """The archive cannot be walked further."""


def _read_archive(source: ByteSource, arch: Arch | None, offset: int, size: int) -> Archive:
    walk = _Walk(RangeSource(source, offset, size), offset)
    members: list[Member] = []
    error = None
    try:
        while member := walk.next():
            members.append(member)
    except _Bad as bad:
        error = TableDefect(str(bad), offset + walk.at)
    return Archive(tuple(members), error, arch, offset, size)


class _Walk:
    """Goes from header to header. ``at`` is the offset of the next one inside the archive."""

    def __init__(self, source: RangeSource, base: int) -> None:
        self.at = len(ARCHIVE_MAGIC)
        self._source = source
        self._base = base
        self._long_names = b""
        self._budget = name_budget(source.size)

    def next(self) -> Member | None:
        """Read the member at ``at`` and step behind it; None at the end."""
        left = self._source.size - self.at
        # The padding of the last member may be missing, or stand alone.
        if left <= 0:
            return None
        head = self._source.read(self.at, _READ)
        if left < _HEADER:
            if head.strip(b"\n\0"):
                raise _Bad("malformed archive, member exceeds file size")
            return None
        if head[58:60] != b"`\n":
            raise _Bad("archive member invalid control bits")
        digits = head[48:58].rstrip(b" ")
        if not digits.isdigit():
            shown = digits.decode("latin-1")
            raise _Bad(f"archive member size contains non-numeric characters: '{shown}'")
        size = int(digits)
        if size > left - _HEADER:
            raise _Bad("malformed archive, member exceeds file size")
        raw, prefix = self._raw_name(head, size)
        start = self.at + _HEADER + prefix
        content = size - prefix
        kind = self._kind(raw, head[_HEADER + prefix :], start, content)
        if kind is MemberKind.NAME_TABLE:
            self._long_names = self._source.read(start, content)
        name = raw.decode("utf-8", "surrogateescape")
        member = Member(name, self._base + self.at, self._base + start, content, kind)
        self.at += _HEADER + size + (size & 1)
        return member

    def _raw_name(self, head: bytes, size: int) -> tuple[bytes, int]:
        """Return the name and how many bytes of the content it takes."""
        raw = head[:16].rstrip(b" ")
        taken = 0
        if raw.startswith(b"#1/"):
            if not raw[3:].isdigit() or (taken := int(raw[3:])) > size:
                raise _Bad("archive member has a name that does not fit")
            raw = head[_HEADER : _HEADER + taken]
            if len(raw) < taken:
                raw = self._source.read(self.at + _HEADER, taken)
            raw = raw.rstrip(b"\0")
        elif raw[:1] == b"/" and raw[1:].isdigit():
            raw = self._long_name(int(raw[1:]))
        elif raw not in {b"/", b"//", b"/SYM64/"}:
            # SysV and GNU; neither BSD nor Go let a name end in a slash.
            raw = raw.removesuffix(b"/")
        self._budget -= len(raw)
        if not raw or self._budget < 0:
            raise _Bad("archive member without a name" if not raw else "names of the archive overlap without end")
        return raw, taken

    def _long_name(self, at: int) -> bytes:
        """Look a name up in the table of long names: it ends with ``/`` and a line feed, or a NUL."""
        if at >= len(self._long_names):
            raise _Bad("archive member has a name outside the table of long names")
        end = self._long_names.find(b"\n", at)
        name, _, _ = self._long_names[at : end if end >= 0 else None].partition(b"\0")
        return name.removesuffix(b"/")

    def _kind(self, raw: bytes, first: bytes, start: int, size: int) -> MemberKind:
        if raw == b"//":
            return MemberKind.NAME_TABLE
        if raw.decode("latin-1") in _SYMBOL_TABLES:
            return MemberKind.SYMBOL_TABLE
        if size == 0:
            return MemberKind.EMPTY
        if len(first) < min(size, 8):
            first = self._source.read(start, 8)
        return _KINDS.get(kind_of(first[: min(size, 8)]), MemberKind.OTHER)


_KINDS: Final = {FileKind.MACHO: MemberKind.MACHO, FileKind.UNIVERSAL: MemberKind.UNIVERSAL}
