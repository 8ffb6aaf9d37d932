"""An extension of Visual Studio Code: /Users/user/.vscode/extensions/PUBLISHER.NAME-VERSION."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from machochain.model.artifact import Artifact, ArtifactKind
from machochain.model.paths import TargetPath
from machochain.world.archives.packages.form import Contents, Facts, Files, Package, Parts, json_of, plain


def _fits(contents: Contents) -> bool:
    return "extension.vsixmanifest" in contents.names


def _facts(files: Files) -> Facts:
    stated = json_of(files, "extension/package.json")
    name, publisher = plain(stated.get("name")), plain(stated.get("publisher"))
    return Facts(f"{publisher}.{name}" if name and publisher else "", plain(stated.get("version")))


def _place(facts: Facts, _: Collection[int]) -> TargetPath:
    version = f"-{facts.version}" if facts.version else ""
    return TargetPath(f"/Users/user/.vscode/extensions/{facts.name}{version}")


def _parts(artifact: Artifact, place: str, _: bool) -> Parts:
    return Parts([(place, f"{artifact.folder}/extension")], [])


PACKAGE: Final = Package(ArtifactKind.VSIX, _place, _parts, _facts, _fits)
