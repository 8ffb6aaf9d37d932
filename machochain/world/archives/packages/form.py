"""What a kind of package is to the rest: how it is known, what it says of itself, where it comes to lie."""

# A host path is the raw string; pathlib would rewrite it.
# ruff: noqa: PTH123

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final

from machochain.model.artifact import Artifact, ArtifactKind
from machochain.model.paths import HostPath, TargetPath
from machochain.model.value import frozen

DOWNLOADS: Final = "/Users/user/Downloads"
_METADATA_LIMIT: Final = 4 << 20

Files = Mapping[str, HostPath]
"""The files of an archive that were unpacked whole: names in the archive, and where they are."""


@frozen
class Contents:
    """What tells the kind of an archive after it was unpacked.

    Attributes:
        files: What was unpacked whole.
        names: The names of all entries.
        tops: The names at its top.
        macho_tops: Those of them that are or hold Mach-O files.
    """

    files: Files
    names: frozenset[str]
    tops: frozenset[str]
    macho_tops: frozenset[str]


@frozen
class Facts:
    """What a package says of itself.

    Attributes:
        name: Its name; a plain one, or empty.
        version: Its version.
        platforms: What it says it is for.
        requires: Names of the packages it needs.
        shelf: Where what is in it stands while nobody has put it elsewhere; empty for a folder among the downloads.
    """

    name: str = ""
    version: str | None = None
    platforms: tuple[str, ...] = ()
    requires: tuple[str, ...] = ()
    shelf: str = ""


@frozen
class Parts:
    """Where the parts of a package stand.

    Attributes:
        pairs: Target and host.
        unseen: Prefixes below which nobody can tell what else there is.
    """

    pairs: list[tuple[str, str]]
    unseen: list[str]


def no_facts(_: Files) -> Facts:
    """Return what an archive says of itself that is no package."""
    return Facts()


@frozen
class Package:
    """A kind of package.

    Attributes:
        kind: Its name.
        place: Returns where users will have it: from its facts, and the cputypes of the thin Mach-O files in it.
        parts: Returns where its parts stand: from the open archive, the place without a slash at its end, and whether
            that place is the default.
        facts: Reads what it says of itself.
        fits: Whether an archive with such contents is one; None if that is not asked.
        fits_names: The same by the names in a zip, before anything is unpacked.
        installed: Where the installer puts an entry: its names, to the names in the folder; None if it lies as packed.
        links: Whether the installer makes links of links.
        inner_tars: Whether a zip of that kind holds tars that are one with it.
        inner_place: Returns where an archive in it comes to lie; None for the place that archive has by itself.
    """

    kind: ArtifactKind
    place: Callable[[Facts, Collection[int]], TargetPath]
    parts: Callable[[Artifact, str, bool], Parts]
    facts: Callable[[Files], Facts] = no_facts
    fits: Callable[[Contents], bool] | None = None
    fits_names: Callable[[Collection[str]], bool] | None = None
    installed: Callable[[list[str]], list[str]] | None = None
    links: bool = True
    inner_tars: bool = False
    inner_place: Callable[[Artifact, Artifact], TargetPath | None] | None = None


def text_of(files: Files, name: str | None) -> str:
    """Return the text of a file of the archive, its first 4 MiB; empty if there is none."""
    if name is None or name not in files:
        return ""
    try:
        with open(files[name], encoding="utf-8", errors="replace") as file:
            return file.read(_METADATA_LIMIT)
    except OSError:  # a link that leads nowhere, or to a folder
        return ""


def json_of(files: Files, name: str) -> dict[str, Any]:
    """Return the object in a JSON file of the archive; an empty one if there is none."""
    try:
        found = json.loads(text_of(files, name))
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def plain(value: object) -> str | None:
    """Return a value that goes into a path, if it is a plain name."""
    return value if isinstance(value, str) and re.fullmatch(r"(@\w[\w.~-]*/)?\w[\w+!@.~-]*", value) else None


def strings(value: object) -> tuple[str, ...]:
    """Return the strings of a list."""
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list) else ()
