"""A Ruby gem: its files lie in the archive ``data.tar.gz`` within, and come to a folder of its own."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from machochain.model.artifact import Artifact, ArtifactKind
from machochain.model.paths import TargetPath
from machochain.world.archives.packages.form import DOWNLOADS, Contents, Facts, Package, Parts

GEMS: Final = "/usr/local/lib/ruby/gems"


def _fits(contents: Contents) -> bool:
    return {"metadata.gz", "data.tar.gz"} <= contents.names


def _place(facts: Facts, _: Collection[int]) -> TargetPath:
    return TargetPath(f"{DOWNLOADS}/{facts.name}")


def _parts(artifact: Artifact, place: str, _: bool) -> Parts:
    return Parts([(place, artifact.folder)], [])


def _inner(artifact: Artifact, inner: Artifact) -> TargetPath | None:
    return TargetPath(f"{GEMS}/{artifact.name}") if inner.location.path == "data.tar.gz" else None


PACKAGE: Final = Package(ArtifactKind.GEM, _place, _parts, fits=_fits, inner_place=_inner)
