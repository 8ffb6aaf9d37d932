"""Archives that are known and not read: each says so, so that it is not taken for a file that holds nothing."""

from __future__ import annotations

from typing import IO, Final

from machochain.world.archives.containers.form import Container, Glance
from machochain.world.archives.errors import NotReadError
from machochain.world.archives.tree import Tree

_MAGICS: Final = {
    b"7z\xbc\xaf\x27\x1c": ("7z", "a 7z archive"),
    b"Rar!\x1a\x07": ("rar", "a RAR archive"),
    b"MSCF\0\0\0\0": ("cab", "a cabinet file"),
    b"\x04\x22\x4d\x18": ("lz4", "compressed with LZ4"),
    b"LZIP\x01": ("lz", "compressed with lzip"),
    b"\x89LZO\0\r\n\x1a\n": ("lzo", "compressed with lzop"),
    b"\x1f\x9d\x90": ("Z", "compressed with compress"),
    b"StuffIt (c)": ("sit", "a StuffIt archive"),
    b"AA01": ("aar", "an Apple Archive"),
    b"YAA1": ("aar", "an Apple Archive"),
    b"pbze": ("aar", "an Apple Archive in LZFSE"),
}
"""First bytes, what it is called, and what it is."""


def _recognise(glance: Glance) -> str | None:
    return next((name for magic, (name, _) in _MAGICS.items() if glance.head.startswith(magic)), None)


def _read(_: Tree, __: IO[bytes], name: str) -> None:
    what = next(words for known, words in _MAGICS.values() if known == name)
    help_ = "unpack it with 'aa extract' on a Mac" if name == "aar" else "unpack it, with '7zz x' for example,"
    raise NotReadError(f"is {what}, which is not read: {help_} and name the folder")


CONTAINER: Final = Container(tuple(dict.fromkeys(name for name, _ in _MAGICS.values())), _recognise, _read)
