"""What Xcode archives: what is below ``Products`` comes to lie below ``/``; symbols for debuggers are no programs."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from machochain.model.artifact import Artifact, ArtifactKind
from machochain.model.paths import TargetPath
from machochain.world.archives.packages.form import Contents, Facts, Package, Parts
from machochain.world.archives.packages.installer import spread


def _top(names: Collection[str]) -> str | None:
    """Return the folder with ``Products`` in it."""
    return next((name[: -len("Info.plist")] for name in names if name.endswith(".xcarchive/Info.plist")), None)


def _fits(contents: Contents) -> bool:
    top = _top(contents.names)
    return top is not None and any(name.startswith(f"{top}Products/") for name in contents.names)


def _place(_: Facts, _cpus: Collection[int]) -> TargetPath:
    return TargetPath("/")


def _parts(artifact: Artifact, place: str, _: bool) -> Parts:
    return spread(f"{artifact.folder}/{_top([each.name for each in artifact.entries])}Products", place)


PACKAGE: Final = Package(ArtifactKind.XCARCHIVE, _place, _parts, fits=_fits)
