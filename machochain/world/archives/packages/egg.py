"""An egg, the form of Python packages before wheels: a folder in site-packages. The Python around it is unseen."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Final

from machochain.model.artifact import Artifact, ArtifactKind
from machochain.model.paths import TargetPath
from machochain.world.archives.packages.form import Contents, Facts, Package, Parts
from machochain.world.archives.packages.wheel import NEWEST_PYTHON, PYTHON

_PYTHON: Final = re.compile(r"-py3\.(\d+)(-|\.|$)")


def _fits(contents: Contents) -> bool:
    return "EGG-INFO/PKG-INFO" in contents.names


def _place(facts: Facts, _: Collection[int]) -> TargetPath:
    match = _PYTHON.search(facts.name)
    python = f"3.{match[1]}" if match else NEWEST_PYTHON
    return TargetPath(f"{PYTHON}/{python}/lib/python{python}/site-packages/{facts.name}")


def _parts(artifact: Artifact, place: str, is_default: bool) -> Parts:
    around = place.partition("/lib/python")[0] if is_default else place.rpartition("/")[0]
    return Parts([(place, artifact.folder)], [around] if around else [])


PACKAGE: Final = Package(ArtifactKind.EGG, _place, _parts, fits=_fits)
