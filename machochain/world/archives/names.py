"""Names of entries: which of them can be a file's on a Mac, and stay inside the archive's folder."""

from __future__ import annotations

import re
from typing import Final

from machochain.model.artifact import Limits
from machochain.world.filesystem import NAME_MAX

_DRIVE: Final = re.compile(r"[A-Za-z]:[\\/]")


class Refused(Exception):  # noqa: N818  # what happened to a name, not a fault of the program
    """An entry's name can be no file's of the folder."""


def entry_names(name: str, limits: Limits) -> list[str]:
    """Split an entry's name.

    Raises:
        Refused: It leads out of the folder, or no file of a Mac can be called so.
    """
    if "\0" in name:
        raise Refused("its name holds a NUL")
    if name.startswith("/"):
        raise Refused("its name is absolute")
    if _DRIVE.match(name):
        raise Refused("its name begins with a drive letter")
    names = [part for part in name.split("/") if part not in ("", ".")]
    if ".." in names or any(".." in part.split("\\") for part in names if "\\" in part):
        raise Refused("its name leads out of the folder")
    try:
        raw = name.encode()
    except UnicodeEncodeError:
        raise Refused("its name is not UTF-8, which APFS refuses") from None
    if len(raw) > limits.path_bytes:
        raise Refused(f"its name is longer than {limits.path_bytes} bytes (limit path_bytes)")
    if len(names) > limits.depth:
        raise Refused(f"it lies deeper than {limits.depth} folders (limit depth)")
    if any(len(part.encode()) > NAME_MAX for part in names):
        raise Refused(f"a name in it is longer than {NAME_MAX} bytes")
    return names


def plain_name(name: str) -> str:
    """Return a name without ``./`` and doubled slashes; an absolute one as it stands."""
    return "/".join(part for part in name.split("/") if part not in ("", ".")) if not name.startswith("/") else name
