"""An application, nothing but ``.app`` at the top: users have it in /Applications."""

# A host path is the raw string; pathlib would rewrite it.
# ruff: noqa: PTH208

from __future__ import annotations

import os
from collections.abc import Collection
from typing import Final

from machochain.model.artifact import Artifact, ArtifactKind
from machochain.model.paths import TargetPath
from machochain.world.archives.packages.form import Facts, Files, Package, Parts


def _fits(_: Files, tops: Collection[str]) -> bool:
    return bool(tops) and all(top.endswith(".app") for top in tops)


def _place(_: Facts, _cpus: Collection[int]) -> TargetPath:
    return TargetPath("/Applications")


def _parts(artifact: Artifact, place: str, _: bool) -> Parts:
    folder = artifact.folder
    names = sorted(os.listdir(folder))
    alone = len(names) == 1 and place.endswith(".app")
    return Parts([(place if alone else f"{place}/{name}", f"{folder}/{name}") for name in names], [])


PACKAGE: Final = Package(ArtifactKind.APP, _place, _parts, fits=_fits)
