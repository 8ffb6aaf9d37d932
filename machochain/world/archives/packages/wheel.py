"""A wheel: site-packages of a Python from python.org, /Library/Frameworks/Python.framework/Versions/3.x.

Each of its packages is there as a whole, unless other wheels put files into it too (PyQt6 and PyQt6-Qt6); what lies
beside them is unseen.
"""

# A host path is the raw string; pathlib would rewrite it.
# ruff: noqa: PTH112, PTH118, PTH208

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable
from math import prod
from typing import TYPE_CHECKING, Final

from machochain.model.artifact import Artifact, ArtifactKind
from machochain.model.paths import TargetPath
from machochain.world.archives.packages.form import Facts, Files, Package, Parts, plain, text_of

if TYPE_CHECKING:
    from packaging.tags import Tag

if TYPE_CHECKING:
    from packaging.tags import Tag

PYTHON: Final = "/Library/Frameworks/Python.framework/Versions"
NEWEST_PYTHON: Final = "3.13"
"""The Python of a wheel that serves several."""

_MOST_TAGS: Final = 1000
_INIT: Final = re.compile(r"(?:[^/]+\.data/(?:plat|pure)lib/)?([^/]+)/__init__\.[^/]+")
_SITE_PACKAGES: Final = re.compile(r"(.*)/lib/python[\d.]+/site-packages")


def _fits_names(names: Collection[str]) -> bool:
    return any(name.endswith(".dist-info/WHEEL") and name.count("/") == 1 for name in names)


def _facts(files: Files) -> Facts:
    stated = next((name for name in files if name.endswith(".dist-info/WHEEL") and name.count("/") == 1), None)
    if stated is None:
        return Facts()
    metadata = text_of(files, stated.replace("/WHEEL", "/METADATA"))
    needed = (re.match(r"[\w.-]+", value) for value in _fields(metadata, "Requires-Dist") if "extra ==" not in value)
    return Facts(
        next((value for value in map(plain, _fields(metadata, "Name")) if value), ""),
        next(iter(_fields(metadata, "Version")), None),
        _fields(text_of(files, stated), "Tag"),
        tuple(match[0] for match in needed if match),
    )


def _fields(text: str, name: str) -> tuple[str, ...]:
    """Return the values of one field of a metadata file; its header ends at the first empty line."""
    head = text.partition("\n\n")[0]
    return tuple(re.findall(rf"^{name}:[ \t]*(.*?)[ \t]*\r?$", head, re.MULTILINE))


def _installed(names: list[str]) -> list[str]:
    """Return where pip puts a file of a wheel, below one folder for each scheme.

    https://packaging.python.org/en/latest/specifications/binary-distribution-format/
    """
    if len(names) > 2 and names[0].endswith(".data"):
        if names[1] in ("purelib", "platlib"):
            return ["site-packages", *names[2:]]
        if names[1] in ("scripts", "data", "headers"):
            return names[1:]
    return ["site-packages", *names]


def _place(facts: Facts, _: Collection[int]) -> TargetPath:
    python = _python(facts.platforms)
    return TargetPath(f"{PYTHON}/{python}/lib/python{python}/site-packages")


def _python(tags: Iterable[str]) -> str:
    """Return the Python that a wheel's tags name, if it is made for one only."""
    for text in tags:
        for tag in parse_tags(text):
            match = re.fullmatch(r"cp3(\d+)", tag.interpreter)
            if match and tag.abi.startswith("cp"):
                return f"3.{match[1]}"
    return NEWEST_PYTHON


def parse_tags(text: str) -> frozenset[Tag]:
    """Return the tags that a ``Tag:`` field or a wheel's file name states, none where it has not the form of one.

    A field may hold sets (``py2.py3-none-any``), so a short one can stand for very many; such a one is none.
    """
    from packaging.tags import parse_tag  # noqa: PLC0415  # most runs meet no wheel
    from packaging.utils import parse_wheel_filename  # noqa: PLC0415

    if prod(part.count(".") + 1 for part in text.split("-")[-3:]) > _MOST_TAGS:
        return frozenset()
    try:
        return parse_wheel_filename(text)[3] if text.endswith(".whl") else parse_tag(text)
    except ValueError:
        return frozenset()


def _parts(artifact: Artifact, place: str, is_default: bool) -> Parts:
    """Map each package and module of its own: other wheels lie beside them."""
    match = _SITE_PACKAGES.fullmatch(place)
    prefix = match[1] if match else place
    pairs = [
        (f"{place}/{name}", f"{artifact.folder}/site-packages/{name}") for name in _names(artifact, "site-packages")
    ]
    pairs += [(f"{prefix}/bin/{name}", f"{artifact.folder}/scripts/{name}") for name in _names(artifact, "scripts")]
    start = f"{artifact.folder}/data/"
    pairs += [
        (f"{prefix}/{entry.host[len(start) :]}", entry.host)
        for entry in artifact.entries
        if entry.host is not None and entry.host.startswith(start)
    ]
    # The Python around it is unseen where we chose the place, else site-packages alone.
    around = match[1] if match and is_default else place
    return Parts(pairs, [around, *(f"{place}/{name}" for name in _shared(artifact))])


def _shared(artifact: Artifact) -> list[str]:
    """Return the packages of a wheel that other wheels put files into as well.

    Those are the ones without an ``__init__`` (PEP 420), and those whose name begins the name of a wheel this one
    needs: PyQt6 needs PyQt6-Qt6, which brings PyQt6/Qt6. What delocate adds (``pkg.dylibs``) belongs to one wheel.
    """
    from packaging.utils import canonicalize_name  # noqa: PLC0415  # as in `parse_tags`

    whole = {match[1] for entry in artifact.entries if (match := _INIT.fullmatch(entry.name)) is not None}
    needed = [canonicalize_name(name) for name in artifact.requires]
    return [
        name
        for name in _names(artifact, "site-packages")
        if os.path.isdir(os.path.join(artifact.folder, "site-packages", name))
        and not name.endswith((".dylibs", ".libs", ".dist-info"))
        and (name not in whole or any(need.startswith(f"{canonicalize_name(name)}-") for need in needed))
    ]


def _names(artifact: Artifact, part: str) -> list[str]:
    try:
        return sorted(os.listdir(os.path.join(artifact.folder, part)))
    except (FileNotFoundError, NotADirectoryError):  # a wheel may hold a file of that name
        return []


PACKAGE: Final = Package(
    ArtifactKind.WHEEL, _place, _parts, _facts, fits_names=_fits_names, installed=_installed, links=False
)
