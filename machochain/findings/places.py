"""Directories that exist on one Mac and not on the next: what an absolute path gives away about its origin."""

from __future__ import annotations

import re
from functools import cache, lru_cache
from typing import Final

from machochain.model.value import frozen


@frozen
class PathClass:
    """Where an absolute path leads.

    Attributes:
        kind: Short name of the class, stable: it stands in evidence.
        words: The same for people.
        prefix: The part of the path that belongs to the place.
        managed: A package manager puts files there for good, so that its own files may name each other.
    """

    kind: str
    words: str
    prefix: str
    managed: bool = False


_CONDA: Final = (
    r"(?:/[^/]+)*/(?:(?:ana|mini)conda\d*|mini(?:forge|mamba)\d*|mambaforge|micromamba|conda-bld"
    r"|_h_env_placehold[^/]*)(?:/envs/[^/]+)?(?=/|\Z)"
)
# The first that matches counts: caches and prefixes inside home directories say more than the home directory.
_PLACES: Final = (
    ("go-build", "Go's temporary build directory", False, r"(?:\$WORK|(?:/[^/]+)*/go-build[^/]*)(?=/|\Z)"),
    ("go-module-cache", "Go's module cache", False, r"(?:/[^/]+)*/pkg/mod(?=/(?:cache/|.*@v))"),
    ("conda", "a conda environment", True, _CONDA),
    ("venv", "a Python virtual environment", True, r"(?:/[^/]+)*/\.?venv(?=/|\Z)"),
    ("homebrew-arm", "Homebrew on Apple silicon", True, r"/opt/homebrew(?=/|\Z)"),
    ("homebrew-intel", "Homebrew on Intel", True, r"/usr/local(?=/(?:opt|Cellar|Homebrew|Caskroom)(?:/|\Z))"),
    ("homebrew-linux", "Homebrew on Linux", True, r"/home/linuxbrew(?=/|\Z)"),
    ("macports", "MacPorts", True, r"/opt/local(?=/|\Z)"),
    ("fink", "Fink", True, r"/(?:opt/)?sw(?=/|\Z)"),
    ("nix", "the Nix store", True, r"/nix/store(?=/|\Z)"),
    ("github-runner", "a GitHub build machine", False, r"/Users/runner(?=/|\Z)"),
    ("xcode", "Xcode or its tools", False, r"(?:/Applications/Xcode[^/]*\.app|/Library/Developer)(?=/|\Z)"),
    ("users", "somebody's home directory", False, r"/Users/(?!Shared(?:/|\Z))[^/]+(?=/|\Z)"),
    ("home", "a home directory of a Linux machine", False, r"/(?:home/[^/]+|root)(?=/|\Z)"),
    ("temporary", "a temporary directory", False, r"/(?:private/var|private/tmp|var/folders|var/tmp|tmp)(?=/|\Z)"),
    ("volume", "a mounted volume", False, r"/Volumes/[^/]+(?=/|\Z)"),
    ("usr-local", "/usr/local", True, r"/usr/local(?=/|\Z)"),
)
_PATH_MAX: Final = 1024
"""Bytes of the longest path there is, its NUL included (<sys/syslimits.h>): what is longer leads nowhere on any Mac."""


@cache
def _pattern() -> re.Pattern[str]:
    """All places as one pattern: it is asked of every path, and most paths are in none. Most runs need none at all."""
    return re.compile("|".join(f"({pattern})" for *_, pattern in _PLACES))


@lru_cache(maxsize=4096)
def place_of(path: str) -> PathClass | None:
    """Return whose place an absolute path is in; None for one that is nobody's in particular, or not absolute."""
    if not path.startswith(("/", "$WORK")) or len(path) >= _PATH_MAX:
        return None
    match = _pattern().match(path)
    if match is None:
        return None
    assert match.lastindex is not None
    kind, words, managed, _ = _PLACES[match.lastindex - 1]
    return PathClass(kind, words, match.group(), managed)


_SHARED: Final = ("/usr/lib/", "/usr/local/", "/System/", "/Library/", "/Applications/", "/Users/Shared/", "/Network/")
"""Where macOS or an installer may have put something on any Mac."""


def leaked_run_path(path: str, image: str) -> PathClass | None:
    """Return whose place a run path leads into, also where its name gives nothing away: no user has such a directory.

    On macOS nobody can make directories beside those of the system at its root, but for an administrator who asks for
    them (synthetic.conf(5)); `/opt` may hold a product, if the image is none that was installed there itself.
    """
    place = foreign(path, image)
    if place is not None or not path.startswith("/") or len(path) >= _PATH_MAX:
        return place
    top = "/" + path.lstrip("/").partition("/")[0]
    if f"{path}/".startswith(_SHARED) or image.startswith(f"{top}/") or top == "/" or place_of(path) is not None:
        return None
    if top == "/opt":
        return PathClass("opt", "a directory of its own below /opt", "/opt")
    return PathClass("other", "a directory that no user has", top)


def foreign(path: str, image: str) -> PathClass | None:
    """Return whose place a path is in, unless the image itself was installed there by the same package manager."""
    place = place_of(path)
    if place is not None and place.managed and image.startswith(place.prefix + "/"):
        return None
    return place
