"""Any other archive: a folder of its own, /Users/user/Downloads/NAME. A disk image is opened in /Volumes."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from machochain.model.artifact import Artifact, ArtifactKind
from machochain.model.paths import TargetPath
from machochain.world.archives.packages.form import DOWNLOADS, Facts, Package, Parts


def _place(facts: Facts, _: Collection[int]) -> TargetPath:
    return TargetPath(facts.shelf or f"{DOWNLOADS}/{facts.name}")


def _parts(artifact: Artifact, place: str, _: bool) -> Parts:
    return Parts([(place or "/", artifact.folder)], [])


PACKAGE: Final = Package(ArtifactKind.ARCHIVE, _place, _parts, fits=lambda _: True)
