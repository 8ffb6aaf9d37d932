"""A Homebrew bottle: its keg in /opt/homebrew/Cellar, or /usr/local/Cellar if all in it is for Intel.

The rest of the prefix is unseen. https://docs.brew.sh/Installation
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from machochain.model.arch import CPU_ARM64, CPU_X86_64
from machochain.model.artifact import Artifact, ArtifactKind
from machochain.model.paths import TargetPath
from machochain.world.archives.packages.form import Contents, Facts, Files, Package, Parts, json_of, plain

HOMEBREW: Final = {True: "/opt/homebrew", False: "/usr/local"}
"""Homebrew's prefix; whether it is that of Apple silicon."""


def _receipt(files: Files) -> str | None:
    return next((name for name in files if name.endswith("/INSTALL_RECEIPT.json") and name.count("/") == 2), None)


def _fits(contents: Contents) -> bool:
    return len(contents.tops) == 1 and _receipt(contents.files) is not None


def _facts(files: Files) -> Facts:
    receipt = _receipt(files)
    assert receipt is not None
    name, version, _ = receipt.split("/")
    stated = json_of(files, receipt)
    arch = plain(stated.get("arch"))
    needed = stated.get("runtime_dependencies")
    names = (item.get("full_name") for item in needed if isinstance(item, dict)) if isinstance(needed, list) else ()
    return Facts(name, version, (arch,) if arch else (), tuple(value for value in names if isinstance(value, str)))


def _place(facts: Facts, cpus: Collection[int]) -> TargetPath:
    intel = "x86_64" in facts.platforms or (CPU_X86_64 in cpus and CPU_ARM64 not in cpus)
    return TargetPath(f"{HOMEBREW[not intel]}/Cellar/{facts.name}/{facts.version}")


def _parts(artifact: Artifact, place: str, _: bool) -> Parts:
    unseen = [place[: place.index("/Cellar/")]] if "/Cellar/" in place else []
    return Parts([(place, f"{artifact.folder}/{artifact.name}/{artifact.version}")], unseen)


PACKAGE: Final = Package(ArtifactKind.BOTTLE, _place, _parts, _facts, _fits)
