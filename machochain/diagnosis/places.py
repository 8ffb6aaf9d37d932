"""Where a path lies, as far as its spelling tells: package managers, environments, bundles, build folders."""

from __future__ import annotations

import re
from typing import Final

from machochain.model.diagnosis import Place, PlaceKind

_SEGMENT: Final = r"[^/\n]+"
_RULES: Final = (
    # Go: the test binary of one package; a fresh `go run`; a `go run` served from the build cache.
    (PlaceKind.GO_TEST, re.compile(rf"(?P<root>.*/go-build\d+/b\d+)/(?P<name>{_SEGMENT}\.test)$")),
    (PlaceKind.GO_TEST, re.compile(rf"(?P<root>.*/b\d+)/(?P<name>{_SEGMENT}\.test)$")),
    (PlaceKind.GO_RUN, re.compile(rf"(?P<root>.*/go-build\d+/b\d+/exe)/(?P<name>{_SEGMENT})$")),
    (PlaceKind.GO_RUN_CACHED, re.compile(rf"(?P<root>.*/[0-9a-f]{{2}}/[0-9a-f]{{64}}-d)/(?P<name>{_SEGMENT})$")),
    (PlaceKind.PYTHON_PACKAGE, re.compile(rf"(?P<root>.*/(?:site|dist)-packages)/(?P<name>{_SEGMENT})")),
    (PlaceKind.NODE_MODULE, re.compile(rf"(?P<root>.*/node_modules)/(?P<name>@{_SEGMENT}/{_SEGMENT}|{_SEGMENT})/")),
    (PlaceKind.RUBY_GEM, re.compile(rf"(?P<root>.*/gems)/(?P<name>{_SEGMENT})/")),
    (
        PlaceKind.CONDA,
        re.compile(rf"(?P<root>.*/(?:ana|mini)?(?:conda|forge|mamba)\d*(?:/envs/(?P<name>{_SEGMENT}))?)/(?:lib|bin)/"),
    ),
    (PlaceKind.VENV, re.compile(rf"(?P<root>.*/(?P<name>\.?venv|virtualenvs/{_SEGMENT}))/")),
    (PlaceKind.CARGO_TARGET, re.compile(r"(?P<root>.*/target(?:/[\w-]+)?/(?P<name>debug|release))/")),
    (PlaceKind.HOMEBREW, re.compile(rf"(?P<root>.*/Cellar/(?P<name>{_SEGMENT})/(?P<version>{_SEGMENT}))/")),
    (
        PlaceKind.XCODE,
        re.compile(r"(?P<root>.*/Xcode[^/]*\.app/Contents/Developer|/Library/Developer/CommandLineTools)/"),
    ),
    (PlaceKind.XCODE, re.compile(rf"(?P<root>.*/DerivedData/(?P<name>{_SEGMENT}))/")),
    (PlaceKind.APP_BUNDLE, re.compile(r"(?P<root>.*?/?(?P<name>[^/\n]+\.app))/Contents/")),
    (PlaceKind.HOMEBREW, re.compile(rf"(?P<root>(?:/opt/homebrew|/usr/local)/opt/(?P<name>{_SEGMENT}))/")),
    (PlaceKind.HOMEBREW, re.compile(r"(?P<root>/opt/homebrew)/")),
    (PlaceKind.MACPORTS, re.compile(r"(?P<root>/opt/local)/")),
    (PlaceKind.NIX, re.compile(rf"(?P<root>/nix/store/[a-z0-9]+-(?P<name>{_SEGMENT}))/")),
    (PlaceKind.TEMPORARY, re.compile(r"(?P<root>(?:/private)?/(?:tmp|var/folders)/)")),
    (PlaceKind.SYSTEM, re.compile(r"(?P<root>/usr/(?:lib|bin|sbin|libexec)|/System|/bin|/sbin)/")),
)


def place_of(path: str | None) -> Place:
    """Say what sort of place a path lies in; the most telling part of it counts."""
    if not path or len(path) > 8192:
        return Place(PlaceKind.OTHER)
    for kind, pattern in _RULES:
        if match := pattern.match(path):
            groups = match.groupdict()
            return Place(kind, groups["root"] or "", groups.get("name") or "", groups.get("version") or "")
    return Place(PlaceKind.OTHER)


def bundle_of(path: str | None) -> str:
    """Return the innermost ``.app`` a path lies in; ``""`` if none."""
    match = re.match(r"(.*?\.app)/Contents/", path or "")
    return match[1] if match else ""


def formula_of(path: str) -> str:
    """Return the Homebrew formula a load path belongs to, ``""`` if the path does not name it."""
    match = re.match(rf"(?:/opt/homebrew|/usr/local|.*/Homebrew|.*)/(?:opt(?!/homebrew/)|Cellar)/({_SEGMENT})/", path)
    # Crash reports put a star in the place of what they hide.
    return match[1] if match and _is_brewed(path) and "*" not in match[1] else ""


def _is_brewed(path: str) -> bool:
    return (
        path.startswith(("/opt/homebrew/", "/usr/local/opt/", "/usr/local/Cellar/", "/home/linuxbrew/"))
        or "/Cellar/" in path
    )
