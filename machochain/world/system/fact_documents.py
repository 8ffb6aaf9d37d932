"""Documents of facts: read, unpacked and checked before anything is built from them.

Their form is described in ``machochain.world.system.build_catalogue``.
"""

from __future__ import annotations

import gzip
import json
import lzma
import re
import zlib
from pathlib import Path
from typing import Any, BinaryIO, Final

from machochain.model.errors import InputError, UsageError
from machochain.model.version import Version
from machochain.world.system.catalogue_file import FACTS

_BREAKS: Final = re.compile(r"[\t\n]")
_ROWS: Final = FACTS | {"observed_symbols": (4, 4), "declared_symbols": (6, 6), "missing_symbols": (3, 3)}
_VERSIONS: Final = {
    "introduced": (1, 3),
    "removed": (1,),
    "legacy": (1,),
    "observed": (1, 2),
    "seen": (1,),
    "missing": (1,),
    "stable": (),
    "patterns": (2,),
    "observed_symbols": (2, 3),
    "declared_symbols": (2, 3, 4),
    "missing_symbols": (2,),
}
"""Which fields of a row are versions."""
_CHUNK: Final = 1 << 20
_MOST: Final = 256 << 20
"""Bytes of one document, unpacked: twenty times what the largest SDK gives."""


def read_facts(path: Path) -> Any:
    """Return one document of facts; ``.xz`` and ``.gz`` are unpacked.

    Raises:
        InputError: The file is no such document.
    """
    try:
        data = _bounded(path)
        document = json.loads(data)
        _check(document)
    except OSError as error:
        raise InputError(
            f"cannot be read: {error.strerror or error}", path=str(path), errno=error.errno or 0
        ) from error
    except (ValueError, EOFError, RecursionError, UsageError, lzma.LZMAError, zlib.error) as error:
        raise InputError(f"no document of facts: {error}", path=str(path)) from error
    return document


def checked(document: dict[str, Any], path: str) -> dict[str, Any]:
    """Return a document that was made here of a file, if a catalogue can hold it.

    Raises:
        InputError: Names in the file would break the tables.
    """
    try:
        _check(document)
    except (ValueError, UsageError) as error:
        raise InputError(f"no facts can be made of it: {error}", path=path) from error
    return document


def _bounded(path: Path) -> bytes:
    data = bytearray()
    with _opened(path) as file:
        while part := file.read(_CHUNK):  # one read of the most there may be would make room for it
            data += part
            if len(data) > _MOST:
                raise ValueError(f"longer than {_MOST} bytes")
    return bytes(data)


def _opened(path: Path) -> BinaryIO | gzip.GzipFile | lzma.LZMAFile:
    if path.suffix == ".xz":
        return lzma.open(path)
    return gzip.open(path) if path.suffix == ".gz" else path.open("rb")


def _check(document: Any) -> None:
    """Check that a document has one of the two forms, and that its names can be told apart in the tables made of them.

    Raises:
        ValueError: It is not so.
        UsageError: A version is none.
    """
    fields = _fields_of(document, "the document")
    match fields.get("schema"):
        case "machochain.sdk-facts/1":
            _check_sdk(fields)
        case "machochain.os-facts/1":
            for key, (fewest, most) in _ROWS.items():
                for row in _list_of(fields.get(key, []), key):
                    if not fewest <= len(_texts(row, key)) <= most:
                        raise ValueError(f"an entry of {key} has not {fewest} texts")
                    for place in _VERSIONS[key]:
                        if place < len(row) and (row[place] or key != "declared_symbols"):
                            Version.parse(row[place])
                    if key == "patterns":
                        re.compile(row[1])
        case other:
            raise ValueError(f"its schema is {other!r}")


def _check_sdk(fields: dict[str, Any]) -> None:
    _texts([fields.get("sdk")], "sdk")
    for key in ("low", "high"):
        Version.parse(_texts([fields.get(key)], key)[0])
    for key in ("complete", "missing"):
        _texts(fields.get(key, []), key)
    origin = fields.get("origin", "")
    _texts([origin] if isinstance(origin, str) else origin, "origin")
    for item in _list_of(fields.get("libraries"), "libraries"):
        library = _fields_of(item, "libraries")
        _texts([library.get("install_name")], "install_name")
        for key in ("current", "compat"):
            _texts([] if (text := library.get(key)) is None else [text], key)
        for key in ("targets", "umbrella", "clients", "reexports", "flags", "symbols", "directives"):
            _texts([] if (listed := library.get(key)) is None else listed, key)
        for only in _fields_of(library.get("only_on") or {}, "only_on").values():
            _texts(only, "only_on")
        if any(name.startswith("=") for name in library.get("symbols") or ()):
            raise ValueError("the name of a symbol begins with =")
    aliases = _fields_of(fields.get("aliases", {}), "aliases")
    _texts([*aliases, *aliases.values()], "aliases")


def _fields_of(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"{where}: no object")  # noqa: TRY004 - of the document, not of an argument
    return value


def _list_of(value: Any, where: str) -> list[Any]:
    if not isinstance(value, list):
        raise ValueError(f"{where}: no list")  # noqa: TRY004 - of the document, not of an argument
    return value


def _texts(value: Any, where: str) -> list[str]:
    """Return a list of texts that fit into one field of one line, in bytes."""
    for text in _list_of(value, where):
        if not isinstance(text, str):
            raise ValueError(f"{where}: {text!r} is no text")  # noqa: TRY004 - of the document, not of an argument
        if _BREAKS.search(text):
            raise ValueError(f"{where}: {text!r} holds what ends a field or line")
        text.encode("utf-8", "surrogateescape")
    return list(value)
