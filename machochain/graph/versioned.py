"""Libraries that DYLD_VERSIONED_LIBRARY_PATH and DYLD_VERSIONED_FRAMEWORK_PATH put in place of others."""

from __future__ import annotations

from collections.abc import Iterator

from machochain.dyld.config import ProcessConfig
from machochain.dyld.slices import best_slice, platform_accepted
from machochain.graph.mac import Mac
from machochain.model.errors import InputError
from machochain.model.filesystem import NodeKind, Presence
from machochain.model.image import FileType
from machochain.model.result import Unknown, UnknownKind
from machochain.model.version import Version


def find_overrides(
    mac: Mac, config: ProcessConfig, cwd: str = "/"
) -> tuple[tuple[tuple[str, str], ...], tuple[Unknown, ...]]:
    """Return which install names are served from the versioned directories, and what nobody can tell.

    A library there replaces the one at its own install name if its current version is greater, or if there is none; of
    several the greatest, the first of equals (dyld-1378, DyldProcessConfig.cpp: processVersionedPaths() and
    checkVersionedPath()). dyld2 wants an absolute install name and an existing library (dyld-852.2, dyld2.cpp:
    checkDylibOverride()). Names are taken in alphabetical order; on a Mac the order is the volume's own.

    Returns:
        (install name, path) pairs, and the open questions.
    """
    found: dict[str, str] = {}
    unknowns: list[Unknown] = []
    for path in _offered(mac, config, cwd, unknowns):
        offered = _identity(mac, config, path, cwd)
        if offered is None or (config.profile.classic and not offered[0].startswith("/")):
            continue
        target, version = offered
        existing = _identity(mac, config, target, cwd)
        if existing is not None:
            target, standing = existing
            if version <= standing:
                continue
            before = _identity(mac, config, found[target], cwd) if target in found else None
            if before is None or version > before[1]:
                found[target] = _as_kept(mac, config, path, cwd)
            continue
        answer = mac.find_system(target, config.macos)
        if answer.presence is Presence.PRESENT:
            unknowns.append(Unknown(UnknownKind.VERSIONED_LIBRARY, (path, target, str(version))))
        elif not config.profile.classic:
            # A second one is put behind the first, which is found before it (addPathOverride()).
            found.setdefault(target, path)
    return tuple(found.items()), tuple(unknowns)


def _offered(mac: Mac, config: ProcessConfig, cwd: str, unknowns: list[Unknown]) -> Iterator[str]:
    """Yield what lies in the directories: regular files, or X.framework/X (``forEachInDirectory()``)."""
    for directories, frameworks in ((config.versioned_library_path, False), (config.versioned_framework_path, True)):
        for directory in directories:
            base = directory.removesuffix("/")
            folder = mac.look(directory, cwd)
            names = mac.names(directory, cwd)
            if names is None:
                unknowns.append(Unknown(UnknownKind.VERSIONED_FOLDER, (directory,)))
            for name in names or ():
                node = mac.look(f"{base}/{name}", cwd)
                linked = node.real != f"{folder.real if folder.real != '/' else ''}/{name}"
                wanted = NodeKind.DIRECTORY if frameworks else NodeKind.FILE
                if linked or node.kind is not wanted:
                    continue
                if not frameworks:
                    yield f"{base}/{name}"
                elif name.endswith(".framework"):
                    yield f"{base}/{name}/{name.removesuffix('.framework')}"


def _identity(mac: Mac, config: ProcessConfig, path: str, cwd: str) -> tuple[str, Version] | None:
    """Return install name and current version of a dylib that the process could load (getDylibInfo())."""
    node = mac.look(path, cwd)
    if node.presence is not Presence.PRESENT or node.kind is not NodeKind.FILE:
        return None
    file = mac.read(node)
    piece = best_slice(file, config) if not isinstance(file, InputError) else None
    image = piece.image if piece is not None else None
    if image is None or image.file_type != FileType.MH_DYLIB or image.install_name is None:
        return None
    if not platform_accepted(image, config, path):
        return None
    return image.install_name, image.id_current_version or Version.of(0)


def _as_kept(mac: Mac, config: ProcessConfig, path: str, cwd: str) -> str:
    """Return the path as dyld remembers it: dyld2 resolves links."""
    return (mac.realpath(path, cwd) or path) if config.profile.classic else path
