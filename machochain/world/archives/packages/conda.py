"""A conda package: the environment /opt/conda; whatever else is in it is unseen."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from machochain.model.artifact import Artifact, ArtifactKind
from machochain.model.paths import TargetPath
from machochain.world.archives.packages.form import Contents, Facts, Files, Package, Parts, json_of, plain, strings

CONDA: Final = "/opt/conda"


def _fits(contents: Contents) -> bool:
    return "info/index.json" in contents.files


def _fits_names(names: Collection[str]) -> bool:
    return "metadata.json" in names and any(name.startswith("pkg-") and ".tar" in name for name in names)


def _facts(files: Files) -> Facts:
    stated = json_of(files, "info/index.json")
    subdir = plain(stated.get("subdir"))
    return Facts(
        plain(stated.get("name")) or "",
        plain(stated.get("version")),
        (subdir,) if subdir else (),
        tuple(value.partition(" ")[0] for value in strings(stated.get("depends"))),
    )


def _place(_: Facts, _cpus: Collection[int]) -> TargetPath:
    return TargetPath(CONDA)


def _parts(artifact: Artifact, place: str, _: bool) -> Parts:
    return Parts([(place, artifact.folder)], [place])


PACKAGE: Final = Package(ArtifactKind.CONDA, _place, _parts, _facts, _fits, _fits_names, inner_tars=True)
