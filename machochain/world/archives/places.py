"""An open archive on the modelled Mac, and how its files are called.

Where each kind of package comes to lie is said in `machochain.world.archives.packages`. The folders are those an
installer would choose; what else lies there on a user's Mac, nobody can tell.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final

from machochain.model.artifact import Artifact, ArtifactKind
from machochain.model.paths import HostPath, TargetPath
from machochain.model.value import evolve, frozen
from machochain.world.archives.packages import package
from machochain.world.archives.packages.form import DOWNLOADS
from machochain.world.filesystem import components
from machochain.world.placement import World

_AMONG_OTHERS: Final = (ArtifactKind.WHEEL, ArtifactKind.CONDA, ArtifactKind.BOTTLE)
"""Packages that are installed into a folder that others share."""


@frozen
class Placing:
    """What an archive adds to the modelled Mac.

    Attributes:
        maps: Pairs (target, host).
        unseen: Prefixes below which nobody can tell what else there is.
        beside: Of these, those where packages of others lie.
    """

    maps: tuple[tuple[TargetPath, HostPath], ...]
    unseen: tuple[TargetPath, ...] = ()
    beside: tuple[TargetPath, ...] = ()


def placing(artifact: Artifact, at: TargetPath | None = None) -> Placing:
    """Return where the parts of one archive stand, those nested in it left out.

    Args:
        artifact: The archive, open.
        at: Instead of `Artifact.default_place`: the site-packages of a wheel, the environment of a conda package, the
            keg of a bottle, the folder of an npm package, the folder that any other archive is unpacked in. An archive
            of one ``.app`` may name the place of the ``.app`` itself.
    """
    place = (at or artifact.default_place).rstrip("/")
    parts = package(artifact.kind).parts(artifact, place, at is None)
    pairs, unseen = parts.pairs, list(parts.unseen)
    unseen += _lost(artifact, pairs)
    if not artifact.complete:
        unseen += [target for target, _ in pairs]
    return Placing(
        tuple((TargetPath(target), HostPath(host)) for target, host in pairs),
        tuple(TargetPath(target) for target in dict.fromkeys(unseen)),
        tuple(TargetPath(target) for target in parts.unseen) if artifact.kind in _AMONG_OTHERS else (),
    )


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
    found = [placing(artifact, world.at)]
    taken = {_key(target) for target, _ in (*world.maps, *found[0].maps)}
    leaves: Counter[str] = Counter()
    for inner in islice(artifact.all(), 1, None):
        here = placing(inner)
        if any(_key(target) in taken for target, _ in here.maps):
            leaf = inner.path.rpartition(":")[2]
            again = f"-{leaves[leaf]}" if leaves[leaf] else ""
            leaves[leaf] += 1
            here = placing(inner, TargetPath(f"{DOWNLOADS}/{artifact.name}.unpacked{again}/{leaf}"))
        taken.update(_key(target) for target, _ in here.maps)
        found.append(here)
    return evolve(
        world,
        maps=(*world.maps, *(pair for each in found for pair in each.maps)),
        unseen=tuple(dict.fromkeys((*world.unseen, *(path for each in found for path in each.unseen)))),
        beside=tuple(dict.fromkeys((*world.beside, *(path for each in found for path in each.beside)))),
        at=None,
    )


def _key(target: str) -> tuple[str, ...]:
    return tuple(components(target.lower()))


def display_names(artifact: Artifact) -> dict[HostPath, str]:
    """Return what to call each unpacked file: ``pkg.whl:numpy/core/x.so``, a nested one ``a.zip:b.whl:c.so``."""
    found = {entry.host: f"{artifact.path}:{entry.name}" for entry in artifact.entries if entry.host is not None}
    for inner in artifact.nested:
        found.update(display_names(inner))
    return found
