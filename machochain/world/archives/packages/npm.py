"""An npm package: /usr/local/lib/node_modules/NAME."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from machochain.model.artifact import Artifact, ArtifactKind
from machochain.model.paths import TargetPath
from machochain.world.archives.packages.form import Contents, Facts, Files, Package, Parts, json_of, plain, strings


def _fits(contents: Contents) -> bool:
    return contents.tops == {"package"} and "package/package.json" in contents.files


def _facts(files: Files) -> Facts:
    stated = json_of(files, "package/package.json")
    needed = stated.get("dependencies")
    return Facts(
        plain(stated.get("name")) or "",
        plain(stated.get("version")),
        (*strings(stated.get("os")), *strings(stated.get("cpu"))),
        tuple(needed) if isinstance(needed, dict) else (),
    )


def _place(facts: Facts, _: Collection[int]) -> TargetPath:
    return TargetPath(f"/usr/local/lib/node_modules/{facts.name}")


def _parts(artifact: Artifact, place: str, _: bool) -> Parts:
    return Parts([(place, f"{artifact.folder}/package")], [])


PACKAGE: Final = Package(ArtifactKind.NPM, _place, _parts, _facts, _fits)
