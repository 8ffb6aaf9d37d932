"""What paths and symbols of the OS are called: links every framework has, variants, the key under which names meet."""

from __future__ import annotations

import re
from typing import Final

_VERSIONS: Final = r"(\.framework)/Versions/[^/]+"
_VARIANTS: Final = ("_asan", "_debug", "_profile")


def squeeze(path: str) -> str:
    """Return a framework path without its ``Versions/A`` parts: the key under which its links meet."""
    return re.sub(_VERSIONS, r"\1", path)


def normalise(path: str) -> str:
    """Collapse ``//`` and ``/./`` and resolve ``..`` by name, as ``realpath`` does where no link is involved.

    Relative paths, and those that end in a slash (no file is meant), stay as they are.
    """
    if ("//" not in path and "/." not in path) or not path.startswith("/") or path.endswith("/"):
        return path
    parts: list[str] = []
    for part in path.split("/"):
        if part == "..":
            if parts:
                parts.pop()
        elif part not in {"", "."}:
            parts.append(part)
    return "/" + "/".join(parts)


def plain_variant(path: str) -> str | None:
    """Return the library of which a path names the sanitised, debugging or profiling variant; None if it names none.

    SDKs have such stubs (their install name is the plain one) and links for the linker; released systems have not.
    """
    stem = path.removesuffix(".dylib")
    mark = next((mark for mark in _VARIANTS if stem.endswith(mark)), None)
    return stem.removesuffix(mark) + path[len(stem) :] if mark is not None and stem != mark else None


def leads_to(link: str, name: str) -> bool:
    """Whether the links every framework has lead from one path to the other.

    A level of ``link`` that names no version, or ``Current``, fits any; one that names a version only that one.
    """
    left, right = link.split("/"), name.split("/")
    i = j = 0
    while i < len(left) and j < len(right):
        if left[i] == right[j] or (left[i] == "Current" and right[j - 1] == "Versions"):
            i, j = i + 1, j + 1
        elif right[j] == "Versions":
            j += 2
        else:
            return False
    return i == len(left) and j == len(right)


def stored_name(symbol: str) -> str:
    """Return the name under which the catalogue keeps a symbol: a metaclass comes and goes with its class."""
    metaclass = "_OBJC_METACLASS_$_"
    return "_OBJC_CLASS_$_" + symbol[len(metaclass) :] if symbol.startswith(metaclass) else symbol
