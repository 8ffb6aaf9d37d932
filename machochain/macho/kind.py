"""What a file is, by its first bytes."""

from __future__ import annotations

from enum import Enum
from typing import Final

from machochain.macho import constants as c
from machochain.macho.fat import is_fat
from machochain.macho.source import FileSource
from machochain.model.paths import HostPath


class FileKind(Enum):
    """What a file is by its first bytes; names are never looked at."""

    MACHO = "macho"
    UNIVERSAL = "universal"
    ARCHIVE = "archive"
    UNRECOGNISED = "unrecognised"


_MAGICS: Final = frozenset(
    {b"\xce\xfa\xed\xfe", b"\xcf\xfa\xed\xfe", b"\xfe\xed\xfa\xce", b"\xfe\xed\xfa\xcf"},
)


def kind_of(first_bytes: bytes) -> FileKind:
    """Recognise a file by its first bytes (8 are enough). A Java class shares a magic number and is none of ours."""
    if first_bytes[:4] in _MAGICS:
        return FileKind.MACHO
    if is_fat(first_bytes):
        return FileKind.UNIVERSAL
    if first_bytes[:8] == c.ARCHIVE_MAGIC:
        return FileKind.ARCHIVE
    return FileKind.UNRECOGNISED


def is_macho(first_bytes: bytes) -> bool:
    """Whether a file that begins with these bytes (8 are enough) is thin or universal Mach-O."""
    return kind_of(first_bytes) in {FileKind.MACHO, FileKind.UNIVERSAL}


def kind_of_file(path: HostPath) -> FileKind:
    """Recognise a file of this machine; nothing but its first bytes is read.

    Raises:
        InputError: It cannot be opened or read, or is not a regular file.
    """
    with FileSource(path) as source:
        return kind_of(source.read(0, 8))
