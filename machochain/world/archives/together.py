"""Several archives on one modelled Mac, side by side, as an installer would put one after the other."""

# A host path is the raw string; pathlib would rewrite it.
# ruff: noqa: PTH112, PTH114, PTH208

from __future__ import annotations

import os
from collections.abc import Sequence

from machochain.model.artifact import Artifact, ArtifactKind
from machochain.model.paths import HostPath, TargetPath
from machochain.model.value import evolve
from machochain.world.archives.packages.wheel import NEWEST_PYTHON
from machochain.world.archives.places import placing
from machochain.world.filesystem import components
from machochain.world.placement import World


def place_together(world: World, artifacts: Sequence[Artifact]) -> World:
    """Put several open archives on one modelled Mac.

    Args:
        world: The Mac.
        artifacts: The archives. Folders that several of them bring become one; of a file that several bring the first
            one's is there. Wheels come to lie in one site-packages: that of the first which is made for one Python.
    """
    every = [each for artifact in artifacts for each in artifact.all()]
    sites = [each.default_place for each in every if each.kind is ArtifactKind.WHEEL]
    site = next((place for place in sites if f"/{NEWEST_PYTHON}/" not in place), None)
    layers = _Layers()
    unseen, beside = dict.fromkeys(world.unseen), dict.fromkeys(world.beside)
    for artifact in every:
        elsewhere = artifact.kind is ArtifactKind.WHEEL and site is not None and artifact.default_place != site
        here = placing(artifact, site if elsewhere else None)
        for target, host in here.maps:
            layers.add(target, host)
        unseen.update(dict.fromkeys(here.unseen))
        beside.update(dict.fromkeys(here.beside))
    maps = (*world.maps, *layers.maps)
    return evolve(world, maps=maps, unseen=tuple(unseen), beside=tuple(beside), at=None)


class _Layers:
    """Folders laid over one another, the first on top: what has to be mapped where so that all of them are seen."""

    def __init__(self) -> None:
        self.maps: list[tuple[TargetPath, HostPath]] = []
        self._hosts: dict[tuple[str, ...], list[str]] = {}

    def add(self, target: str, host: str) -> None:
        """Lay a file or folder under what lies at its place already."""
        key = tuple(components(target.lower()))
        above = self._hosts.get(key)
        if above is None:
            self._hosts[key] = [host]
            self.maps.append((TargetPath(target), HostPath(host)))
            return
        if not os.path.isdir(host) or os.path.islink(host) or not all(map(os.path.isdir, above)):
            return
        for name in sorted(os.listdir(host)):
            below = tuple(components(f"{target}/{name}".lower()))
            there = [path for path in (f"{each}/{name}" for each in above) if os.path.lexists(path)]
            if there:
                # It is seen through the folder that is mapped above it.
                self._hosts.setdefault(below, there)
            self.add(f"{target}/{name}", f"{host}/{name}")
        above.append(host)
