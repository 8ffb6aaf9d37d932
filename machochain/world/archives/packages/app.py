"""Applications: users have them in /Applications.

What else is at the top of such an archive (a licence, the link to /Applications in a disk image) stays where it is: in
/Volumes/NAME or /Users/user/Downloads/NAME. An archive with Mach-O files beside the applications is none: they may
belong together.
"""

# A host path is the raw string; pathlib would rewrite it.
# ruff: noqa: PTH208

from __future__ import annotations

import os
from collections.abc import Collection
from typing import Final

from machochain.model.artifact import Artifact, ArtifactKind
from machochain.model.paths import TargetPath
from machochain.world.archives.packages.form import DOWNLOADS, Contents, Facts, Package, Parts


def _fits(contents: Contents) -> bool:
    names = contents.macho_tops or contents.tops
    return bool(names) and all(top.endswith(".app") for top in names)


def _place(_: Facts, _cpus: Collection[int]) -> TargetPath:
    return TargetPath("/Applications")


def _parts(artifact: Artifact, place: str, _: bool) -> Parts:
    folder = artifact.folder
    names = sorted(os.listdir(folder))
    apps = [name for name in names if name.endswith(".app")]
    alone = len(apps) == 1 and place.endswith(".app")
    pairs = [(place if alone else f"{place}/{name}", f"{folder}/{name}") for name in apps]
    shelf = f"{DOWNLOADS}/{artifact.name}" if artifact.image is None else artifact.image.mounted
    pairs += [
        (f"{shelf}/{name}", f"{folder}/{name}")
        for name in names
        if name not in apps and os.path.exists(f"{folder}/{name}")  # noqa: PTH110  # a link may lead nowhere
    ]
    return Parts(pairs, [])


PACKAGE: Final = Package(ArtifactKind.APP, _place, _parts, fits=_fits)
