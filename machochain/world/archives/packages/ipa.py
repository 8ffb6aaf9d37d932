"""An application for iOS: macOS runs it, if at all, from /Applications, and only on Apple silicon."""

# A host path is the raw string; pathlib would rewrite it.
# ruff: noqa: PTH110

from __future__ import annotations

import os
from collections.abc import Collection
from typing import Final

from machochain.model.artifact import Artifact, ArtifactKind
from machochain.model.paths import TargetPath
from machochain.world.archives.packages.form import Contents, Facts, Package, Parts


def _fits(contents: Contents) -> bool:
    return any(
        name.startswith("Payload/") and name.endswith(".app/Info.plist") and name.count("/") == 2
        for name in contents.names
    )


def _place(_: Facts, _cpus: Collection[int]) -> TargetPath:
    return TargetPath("/Applications")


def _parts(artifact: Artifact, place: str, _: bool) -> Parts:
    names = {each.name.split("/")[1] for each in artifact.entries if each.name.startswith("Payload/")}
    folder = f"{artifact.folder}/Payload"
    there = sorted(name for name in names if name and os.path.exists(f"{folder}/{name}"))
    alone = len(there) == 1 and place.endswith(".app")
    return Parts([(place if alone else f"{place}/{name}", f"{folder}/{name}") for name in there], [])


PACKAGE: Final = Package(ArtifactKind.IPA, _place, _parts, fits=_fits)
