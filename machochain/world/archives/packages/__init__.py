"""What an archive is to those who install it: one module a kind, and one list of all."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from machochain.model.artifact import ArtifactKind
from machochain.world.archives.packages import (
    app,
    bottle,
    conda,
    crate,
    egg,
    gem,
    installer,
    ipa,
    jar,
    npm,
    nupkg,
    plain,
    vsix,
    wheel,
    xcarchive,
)  # fmt: skip
from machochain.world.archives.packages.form import Contents, Package

PACKAGES: Final[tuple[Package, ...]] = (
    wheel.PACKAGE, conda.PACKAGE, npm.PACKAGE, bottle.PACKAGE, installer.PACKAGE, gem.PACKAGE, ipa.PACKAGE,
    xcarchive.PACKAGE, vsix.PACKAGE, nupkg.PACKAGE, egg.PACKAGE, crate.PACKAGE, jar.PACKAGE, app.PACKAGE, plain.PACKAGE,
)  # fmt: skip
"""In the order in which an archive is held against them; the last one fits everything."""

_BY_KIND: Final = {package.kind: package for package in PACKAGES}


def package_of_names(names: Collection[str]) -> Package | None:
    """Return what a zip is, if the names in it tell."""
    return next((each for each in PACKAGES if each.fits_names is not None and each.fits_names(names)), None)


def package_of(contents: Contents) -> Package:
    """Return what an archive is, by what was unpacked."""
    return next(each for each in PACKAGES if each.fits is not None and each.fits(contents))


def package(kind: ArtifactKind) -> Package:
    """Return the package of a kind."""
    return _BY_KIND[kind]
