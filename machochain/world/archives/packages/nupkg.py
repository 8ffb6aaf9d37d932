"""A NuGet package: /Users/user/.nuget/packages/NAME, from where .NET loads ``runtimes/osx-…/native``."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from machochain.model.artifact import Artifact, ArtifactKind
from machochain.model.paths import TargetPath
from machochain.world.archives.packages.form import Contents, Facts, Package, Parts


def _fits(contents: Contents) -> bool:
    return "_rels/.rels" in contents.names and any(
        name.endswith(".nuspec") and "/" not in name for name in contents.names
    )


def _place(facts: Facts, _: Collection[int]) -> TargetPath:
    return TargetPath(f"/Users/user/.nuget/packages/{facts.name.lower()}")


def _parts(artifact: Artifact, place: str, _: bool) -> Parts:
    return Parts([(place, artifact.folder)], [])


PACKAGE: Final = Package(ArtifactKind.NUPKG, _place, _parts, fits=_fits)
