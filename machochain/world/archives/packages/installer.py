"""An installer package: each component at its own place, the Mac's ``/`` being the archive's top.

What it puts into folders that others use, too, stands beside what nobody can see: /usr/local/bin, /Library/Frameworks.
"""

# A host path is the raw string; pathlib would rewrite it.

from __future__ import annotations

import os
import re
from collections.abc import Collection
from typing import Final

from machochain.model.artifact import Artifact, ArtifactKind
from machochain.model.paths import TargetPath
from machochain.world.archives.packages.form import Facts, Package, Parts

_SHARED: Final = re.compile(
    r"Applications(/Utilities)?|Library(/[^/]+)?|Library/Audio/Plug-Ins(/[^/]+)?|opt|s?bin|etc|var|tmp"
    r"|usr(/local)?(/(bin|sbin|lib|libexec|share|include|etc|opt|man))?|private(/(etc|var|tmp))?(/[^/]+)?"
    r"|Users(/(Shared|user))?|Users/user/(Library(/[^/]+)?|Applications)|System(/Library(/[^/]+)?)?",
    re.IGNORECASE,
)
_NEVER_UNSEEN: Final = frozenset({"", "usr", "Library", "private", "Users", "System", "System/Library", "Applications"})
"""Of these everybody knows what the OS has there, or that others' files there are of no use to a loader."""


def _place(_: Facts, _cpus: Collection[int]) -> TargetPath:
    return TargetPath("/")


def _parts(artifact: Artifact, place: str, _: bool) -> Parts:
    return spread(artifact.folder, place)


def spread(folder: str, place: str) -> Parts:
    """Return where a folder's contents stand that come to lie below ``/`` among those of others.

    Args:
        folder: The folder of this machine.
        place: What stands for ``/``, without a slash at its end.
    """
    found = Parts([], [])
    pending = [""]
    while pending:
        here = pending.pop()
        with os.scandir(f"{folder}/{here}") as listing:
            children = sorted(listing, key=lambda each: each.name)
        for child in children:
            way = f"{here}/{child.name}".lstrip("/")
            if child.is_dir(follow_symlinks=False) and _SHARED.fullmatch(way):
                pending.append(way)
                continue
            if child.is_symlink() and not os.path.exists(child.path):  # noqa: PTH110
                # It leads to something that the package does not bring.
                found.unseen.append(f"{place}/{way}")
                continue
            found.pairs.append((f"{place}/{way}", child.path))
            if here not in _NEVER_UNSEEN and f"{place}/{here}" not in found.unseen:
                found.unseen.append(f"{place}/{here}")
    return found


PACKAGE: Final = Package(ArtifactKind.PKG, _place, _parts)
