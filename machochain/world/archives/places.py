"""Where users will have what an archive holds, and how its files are called.

The folders are those an installer would choose; what else lies there on a user's Mac, nobody can tell:

- wheel: site-packages of a Python from python.org, /Library/Frameworks/Python.framework/Versions/3.x. Each of its
  packages is there as a whole, unless other wheels put files into it too (PyQt6 and PyQt6-Qt6); what lies beside them
  is unseen.
- application (nothing but ``.app`` at the top): /Applications.
- npm package: /usr/local/lib/node_modules/NAME.
- conda package: the environment /opt/conda; whatever else is in it is unseen.
- Homebrew bottle: its keg in /opt/homebrew/Cellar, or /usr/local/Cellar if all in it is for Intel; the rest of the
  prefix is unseen.
- any other archive: a folder of its own, /Users/user/Downloads/NAME.
"""

# A host path is the raw string; pathlib would rewrite it.
# ruff: noqa: PTH112, PTH118, PTH208

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable, Iterator
from typing import Final

from attrs import evolve, frozen

from machochain.model.arch import CPU_ARM64, CPU_X86_64
from machochain.model.artifact import Artifact, ArtifactKind
from machochain.model.paths import HostPath, TargetPath
from machochain.world.filesystem import components
from machochain.world.placement import World

DOWNLOADS: Final = "/Users/user/Downloads"
PYTHON: Final = "/Library/Frameworks/Python.framework/Versions"
NEWEST_PYTHON: Final = "3.13"
"""The Python of a wheel that serves several."""
CONDA: Final = "/opt/conda"
HOMEBREW: Final = {True: "/opt/homebrew", False: "/usr/local"}
"""Homebrew's prefix; whether it is that of Apple silicon (https://docs.brew.sh/Installation)."""

_INIT: Final = re.compile(r"(?:[^/]+\.data/(?:plat|pure)lib/)?([^/]+)/__init__\.[^/]+")
_SITE_PACKAGES: Final = re.compile(r"(.*)/lib/python[\d.]+/site-packages")


def default_place(
    kind: ArtifactKind, name: str, version: str | None, platforms: Iterable[str], cpus: Collection[int]
) -> TargetPath:
    """Return where users will have an archive's contents.

    Args:
        kind: What it is.
        name: Its name; a plain one.
        version: Its version.
        platforms: What it says it is for.
        cpus: cputypes of the thin Mach-O files in it.
    """
    if kind is ArtifactKind.WHEEL:
        python = _python(platforms)
        return TargetPath(f"{PYTHON}/{python}/lib/python{python}/site-packages")
    if kind is ArtifactKind.APP:
        return TargetPath("/Applications")
    if kind is ArtifactKind.NPM:
        return TargetPath(f"/usr/local/lib/node_modules/{name}")
    if kind is ArtifactKind.CONDA:
        return TargetPath(CONDA)
    if kind is ArtifactKind.BOTTLE:
        intel = "x86_64" in platforms or (CPU_X86_64 in cpus and CPU_ARM64 not in cpus)
        return TargetPath(f"{HOMEBREW[not intel]}/Cellar/{name}/{version}")
    return TargetPath(f"{DOWNLOADS}/{name}")


def _python(tags: Iterable[str]) -> str:
    for tag in tags:
        match = re.match(r"cp3(\d+)-cp", tag)
        if match:
            return f"3.{match[1]}"
    return NEWEST_PYTHON


@frozen
class Placing:
    """What an archive adds to the modelled Mac.

    Attributes:
        maps: Pairs (target, host).
        unseen: Prefixes below which nobody can tell what else there is.
    """

    maps: tuple[tuple[TargetPath, HostPath], ...]
    unseen: tuple[TargetPath, ...] = ()


def placing(artifact: Artifact, at: TargetPath | None = None) -> Placing:
    """Return where the parts of one archive stand, those nested in it left out.

    Args:
        artifact: The archive, open.
        at: Instead of `Artifact.default_place`: the site-packages of a wheel, the environment of a conda package, the
            keg of a bottle, the folder of an npm package, the folder that any other archive is unpacked in. An archive
            of one ``.app`` may name the place of the ``.app`` itself.
    """
    place = (at or artifact.default_place).rstrip("/")
    folder = artifact.folder
    if artifact.kind is ArtifactKind.WHEEL:
        pairs = _wheel(artifact, place)
        unseen = [*_around(place, at is None), *(f"{place}/{name}" for name in _shared(artifact))]
    elif artifact.kind is ArtifactKind.APP:
        names = sorted(os.listdir(folder))
        alone = len(names) == 1 and place.endswith(".app")
        pairs = [(place if alone else f"{place}/{name}", f"{folder}/{name}") for name in names]
        unseen = []
    elif artifact.kind is ArtifactKind.NPM:
        pairs, unseen = [(place, f"{folder}/package")], []
    elif artifact.kind is ArtifactKind.CONDA:
        pairs, unseen = [(place, folder)], [place]
    elif artifact.kind is ArtifactKind.BOTTLE:
        pairs = [(place, f"{folder}/{artifact.name}/{artifact.version}")]
        unseen = [place[: place.index("/Cellar/")]] if "/Cellar/" in place else []
    else:
        pairs, unseen = [(place or "/", folder)], []
    unseen += _lost(artifact, pairs)
    if not artifact.complete:
        unseen += [target for target, _ in pairs]
    return Placing(
        tuple((TargetPath(target), HostPath(host)) for target, host in pairs),
        tuple(TargetPath(target) for target in dict.fromkeys(unseen)),
    )


def _wheel(artifact: Artifact, place: str) -> list[tuple[str, str]]:
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
    return pairs


def _shared(artifact: Artifact) -> list[str]:
    """Return the packages of a wheel that other wheels put files into as well.

    Those are the ones without an ``__init__`` (PEP 420), and those whose name begins the name of a wheel this one
    needs: PyQt6 needs PyQt6-Qt6, which brings PyQt6/Qt6. What delocate adds (``pkg.dylibs``) belongs to one wheel.
    """
    whole = {
        match[1] for entry in artifact.entries if (match := _INIT.fullmatch(entry.name)) is not None
    }  # fmt: skip
    needed = [_normalised(name) for name in artifact.requires]
    return [
        name
        for name in _names(artifact, "site-packages")
        if os.path.isdir(os.path.join(artifact.folder, "site-packages", name))
        and not name.endswith((".dylibs", ".libs", ".dist-info"))
        and (name not in whole or any(need.startswith(f"{_normalised(name)}-") for need in needed))
    ]


def _normalised(name: str) -> str:
    """Return a project's name as indexes compare it (https://packaging.python.org/specifications/name-normalization)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _names(artifact: Artifact, part: str) -> list[str]:
    try:
        return sorted(os.listdir(os.path.join(artifact.folder, part)))
    except (FileNotFoundError, NotADirectoryError):  # a wheel may hold a file of that name
        return []


def _around(place: str, is_default: bool) -> list[str]:
    """Return what surrounds a wheel: the Python it is in where we chose that, else site-packages alone."""
    match = _SITE_PACKAGES.fullmatch(place)
    return [match[1]] if match and is_default else [place]


def _lost(artifact: Artifact, pairs: Iterable[tuple[str, str]]) -> Iterator[str]:
    """Yield where users find something that is not in the folder."""
    known = sorted(pairs, key=lambda pair: len(pair[1]), reverse=True)
    for entry in artifact.entries:
        if entry.lost is None:
            continue
        host = f"{artifact.folder}/{entry.lost}"
        for target, mapped in known:
            if host == mapped or host.startswith(f"{mapped}/"):
                yield target + host[len(mapped) :]
                break


def place_artifact(world: World, artifact: Artifact) -> World:
    """Put an open archive, and those nested in it, on the modelled Mac.

    Args:
        world: The Mac; its ``at`` is the place of this archive.
        artifact: The archive.

    Returns:
        The Mac with the archive on it, and without ``at``. A nested archive whose place is taken (one package for
        several platforms in one release) comes to lie in a folder of its own below /Users/user/Downloads.
    """
    found = _joined(world, placing(artifact, world.at))
    for inner in artifact.nested:
        here = placing(inner)
        taken = {_key(target) for target, _ in found.maps}
        if any(_key(target) in taken for target, _ in here.maps):
            leaf = inner.path.rpartition(":")[2]
            here = placing(inner, TargetPath(f"{DOWNLOADS}/{artifact.name}.unpacked/{leaf}"))
        found = _joined(found, here)
    return evolve(found, at=None)


def _joined(world: World, more: Placing) -> World:
    unseen = dict.fromkeys((*world.unseen, *more.unseen))
    return evolve(world, maps=(*world.maps, *more.maps), unseen=tuple(unseen))


def _key(target: str) -> tuple[str, ...]:
    return tuple(components(target.lower()))


def display_names(artifact: Artifact) -> dict[HostPath, str]:
    """Return what to call each unpacked file: ``pkg.whl:numpy/core/x.so``, a nested one ``a.zip:b.whl:c.so``."""
    found = {entry.host: f"{artifact.path}:{entry.name}" for entry in artifact.entries if entry.host is not None}
    for inner in artifact.nested:
        found.update(display_names(inner))
    return found
