"""A Rust crate: /Users/user/.cargo/registry/src/index.crates.io/NAME-VERSION."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from machochain.model.artifact import Artifact, ArtifactKind
from machochain.model.paths import TargetPath
from machochain.world.archives.packages.form import Contents, Facts, Package, Parts

REGISTRY: Final = "/Users/user/.cargo/registry/src/index.crates.io"


def _fits(contents: Contents) -> bool:
    return len(contents.tops) == 1 and any(f"{top}/Cargo.toml.orig" in contents.names for top in contents.tops)


def _place(_: Facts, _cpus: Collection[int]) -> TargetPath:
    return TargetPath(REGISTRY)


def _parts(artifact: Artifact, place: str, _: bool) -> Parts:
    return Parts([(place, artifact.folder)], [])


PACKAGE: Final = Package(ArtifactKind.CRATE, _place, _parts, fits=_fits)
