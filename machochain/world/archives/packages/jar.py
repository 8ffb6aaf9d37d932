"""A Java archive (jar, war, aar): programs unpack the libraries in it when they run, below java.io.tmpdir."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from machochain.model.artifact import Artifact, ArtifactKind
from machochain.model.paths import TargetPath
from machochain.world.archives.packages.form import Contents, Facts, Package, Parts


def _fits(contents: Contents) -> bool:
    return "META-INF/MANIFEST.MF" in contents.names or {"AndroidManifest.xml", "classes.jar"} <= contents.names


def _place(facts: Facts, _: Collection[int]) -> TargetPath:
    return TargetPath(f"/private/tmp/{facts.name}")


def _parts(artifact: Artifact, place: str, _: bool) -> Parts:
    return Parts([(place, artifact.folder)], [])


PACKAGE: Final = Package(ArtifactKind.JAR, _place, _parts, fits=_fits)
