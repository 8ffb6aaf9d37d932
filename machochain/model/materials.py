"""What an input is made of, for bills of materials: digests of its files, and what packages say of themselves."""

from __future__ import annotations

from enum import Enum

from machochain.model.go import GoBuildInfo
from machochain.model.value import frozen


class PackageKind(Enum):
    """Which manager, or which part of the system, a package is for."""

    PYPI = "pypi"
    NPM = "npm"
    CONDA = "conda"
    BUNDLE = "bundle"
    """An application, framework or plug-in with an ``Info.plist``."""


@frozen
class FileDigest:
    """One file.

    Attributes:
        path: Where it is in the input, as in `AuditBinary`; of the input itself its name.
        size: Bytes.
        sha256: SHA-256 of its bytes, 64 hexadecimal digits.
    """

    path: str
    size: int
    sha256: str


@frozen
class PackageFacts:
    """What a package says of itself. Nothing of it was checked.

    Attributes:
        kind: Which manager it is for.
        name: Its name; of a bundle what users see.
        version: The version it states, or None.
        licences: What it says of its licence, the most exact first: SPDX expressions or whatever stands there.
        supplier: Who it says made it, or None.
        homepage: An address it states, or None.
        copyright: The notice it states, or None.
        identifier: ``CFBundleIdentifier`` of a bundle, or None.
        source: Where in the input that is written.
        files: Paths in the input of the Mach-O files that belong to it, sorted; each belongs to the innermost package.
    """

    kind: PackageKind
    name: str
    version: str | None
    licences: tuple[str, ...]
    supplier: str | None
    homepage: str | None
    copyright: str | None
    identifier: str | None
    source: str
    files: tuple[str, ...] = ()


@frozen
class Materials:
    """What one input is made of.

    Attributes:
        origin: The input, as the user named it.
        whole: The input itself, where it is one file.
        files: Its Mach-O files, by path.
        packages: What says of itself what it is, by where that is written.
        go: Paths of programs that Go made, each with the modules that went in.
    """

    origin: str
    whole: FileDigest | None = None
    files: tuple[FileDigest, ...] = ()
    packages: tuple[PackageFacts, ...] = ()
    go: tuple[tuple[str, GoBuildInfo], ...] = ()
