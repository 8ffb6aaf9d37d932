"""Packages in bills of materials: their URLs, their licences, and which component is part of which."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final
from urllib.parse import quote

from machochain.model.audit import AuditInput, AuditReport
from machochain.model.go import GoBuildInfo, GoModule
from machochain.model.materials import FileDigest, Materials, PackageFacts, PackageKind
from machochain.model.paths import leaf
from machochain.model.value import frozen

_OWN: Final = {"wheel": PackageKind.PYPI, "npm": PackageKind.NPM, "conda": PackageKind.CONDA}
_OWN_PLISTS: Final = frozenset(
    {"Contents/Info.plist", "Info.plist", "Resources/Info.plist", "Versions/A/Resources/Info.plist"}
)
"""Where an input that is a bundle says of itself what it is."""
_PURL_TYPES: Final = {
    "wheel": "pypi", "npm": "npm", "conda": "conda", "gem": "gem", "crate": "cargo", "nupkg": "nuget", "egg": "pypi",
}  # fmt: skip
_CLASSIFIERS: Final = {
    "MIT License": "MIT",
    "MIT No Attribution License (MIT-0)": "MIT-0",
    "ISC License (ISCL)": "ISC",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "GNU General Public License v2 (GPLv2)": "GPL-2.0-only",
    "GNU General Public License v2 or later (GPLv2+)": "GPL-2.0-or-later",
    "GNU General Public License v3 (GPLv3)": "GPL-3.0-only",
    "GNU General Public License v3 or later (GPLv3+)": "GPL-3.0-or-later",
    "GNU Lesser General Public License v2 or later (LGPLv2+)": "LGPL-2.1-or-later",
    "GNU Lesser General Public License v3 (LGPLv3)": "LGPL-3.0-only",
    "GNU Lesser General Public License v3 or later (LGPLv3+)": "LGPL-3.0-or-later",
    "zlib/libpng License": "Zlib",
    "The Unlicense (Unlicense)": "Unlicense",
    "Boost Software License 1.0 (BSL-1.0)": "BSL-1.0",
}
"""Trove classifiers that name one licence; "BSD License" and "Apache Software License" leave open which."""


@frozen
class Licence:
    """What a package says of its licence: an SPDX expression, or the words that stand there."""

    expression: str | None
    names: tuple[str, ...]


def licence_of(facts: PackageFacts) -> Licence:
    """Return the licence a package states."""
    for text in facts.licences:
        expression = _CLASSIFIERS.get(text) or _expression(text)
        if expression is not None:
            return Licence(expression, ())
    return Licence(None, facts.licences)


def _expression(text: str) -> str | None:
    """Return a text as an SPDX licence expression; None if it is none."""
    try:
        from packaging.licenses import canonicalize_license_expression  # noqa: PLC0415  # only bills need it
    except ImportError:  # before packaging 24.2
        return None
    if "licenseref" in text.lower():
        return None
    try:
        return str(canonicalize_license_expression(text))
    except ValueError:
        return None


def _part(text: str, safe: str = "") -> str:
    return quote(text.encode("utf-8", "surrogateescape"), safe=safe)


def purl(kind: str, name: str, version: str | None) -> str | None:
    """Return the package URL of something whose type has one (https://github.com/package-url/purl-spec).

    Args:
        kind: ``wheel``, ``npm`` and the like: the kind of an input.
        name: As the package states it.
        version: Likewise; without one the URL names the package alone.
    """
    known = _PURL_TYPES.get(kind)
    if known is None or not name:
        return None
    if known == "pypi":
        name = re.sub(r"[-_.]+", "-", name)
    if known in {"pypi", "npm"}:
        name = name.lower()
    at = f"@{_part(version)}" if version else ""
    return f"pkg:{known}/{_part(name, '/' if known == 'npm' else '')}{at}"


def package_purl(facts: PackageFacts) -> str | None:
    """Return the package URL of what says of itself what it is; bundles have none."""
    kinds = {kind: name for name, kind in _OWN.items()}
    return purl(kinds[facts.kind], facts.name, facts.version) if facts.kind in kinds else None


def module_purl(module: GoModule) -> str:
    """Return the package URL of a Go module; of one from a folder or without a version only its path is told."""
    path = "/".join(_part(part) for part in module.path.split("/"))
    version = module.version if module.version.startswith("v") else ""
    return f"pkg:golang/{path}{f'@{_part(version)}' if version else ''}"


def modules_of(info: GoBuildInfo) -> Iterator[tuple[GoModule, GoModule | None]]:
    """Yield what went into a Go program, the standard library first; with it the module that it stands in for."""
    release = info.release.removeprefix("go")
    if release and release != info.release:
        yield GoModule("stdlib", f"v{release}"), None
    for module in info.dependencies:
        replaced = module.replaced_by
        yield (module, None) if replaced is None else (replaced, module)


def main_module(info: GoBuildInfo) -> GoModule | None:
    """Return the main module, unless it was built from no version at all."""
    return info.main if info.main is not None and info.main.path else None


@frozen
class Bill:
    """What is known beyond the load graph, of one input.

    Attributes:
        given: The input.
        places: Where on the modelled Mac its files lie.
        whole: Its digest, if it is one file.
        own: What it says of itself.
        packages: The packages inside it.
        digests: Digests of its files, by place on the modelled Mac.
        owners: Index in ``packages`` of the package a file belongs to, by place.
        go: Modules of its Go programs, by place.
    """

    given: AuditInput
    places: frozenset[str] = frozenset()
    whole: FileDigest | None = None
    own: PackageFacts | None = None
    packages: tuple[PackageFacts, ...] = ()
    digests: Mapping[str, FileDigest] = {}
    owners: Mapping[str, int] = {}
    go: Mapping[str, GoBuildInfo] = {}


def bills(report: AuditReport) -> Sequence[Bill]:
    """Return what is known of each input, in their order."""
    known = {materials.origin: materials for materials in report.materials}
    places: dict[str, dict[str, set[str]]] = {}
    for binary in report.binaries:
        places.setdefault(binary.origin, {}).setdefault(binary.path, set()).add(str(binary.place))
    return [_bill(given, known.get(given.path), places.get(given.path, {})) for given in report.inputs]


def _bill(given: AuditInput, materials: Materials | None, places: Mapping[str, set[str]]) -> Bill:
    everything = frozenset(place for several in places.values() for place in several)
    if materials is None:
        return Bill(given, everything)
    own = next((facts for facts in materials.packages if _is_own(given, facts)), None)
    packages = tuple(facts for facts in materials.packages if facts is not own)
    return Bill(
        given,
        everything,
        materials.whole,
        own,
        packages,
        {place: each for each in materials.files for place in places.get(each.path, ())},
        {
            place: index
            for index, facts in enumerate(packages)
            for path in facts.files
            for place in places.get(path, ())
        },
        {place: info for path, info in materials.go for place in places.get(path, ())},
    )


def _is_own(given: AuditInput, facts: PackageFacts) -> bool:
    if given.kind in _OWN:
        return facts.kind is _OWN[given.kind] and facts.name == given.name
    return facts.kind is PackageKind.BUNDLE and facts.source in _OWN_PLISTS


def homepage_of(facts: PackageFacts) -> str | None:
    """Return the address a package states, if it is one."""
    url = facts.homepage or ""
    return url if re.fullmatch(r"https?://[\w.~:/?#\[\]@!$&'()*+,;=%-]+", url, re.ASCII) else None


def short_name(facts: PackageFacts) -> str:
    """Return what a package is called; of a bundle without a name its folder."""
    return facts.name or leaf(facts.source)
