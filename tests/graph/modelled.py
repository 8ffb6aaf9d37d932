"""Small Macs for the driver's tests: a tree in memory, the OS libraries that are named, and one process."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from attrs import evolve, frozen

from machochain.dyld.config import UNRESTRICTED, ProcessConfig, Security, process_config
from machochain.dyld.profile import PROFILES, profile_for
from machochain.graph.driver import open_library, walk, walk_library
from machochain.graph.mac import Mac
from machochain.graph.walked import Dlopen, Walk, image_of
from machochain.model.errors import InputError
from machochain.model.filesystem import Presence, SystemAnswer
from machochain.model.paths import TargetPath
from machochain.model.result import Load, LoadedImage
from machochain.model.version import Version
from machochain.world.memory import MemoryFileSystem

LIBSYSTEM = "/usr/lib/libSystem.B.dylib"
CRYPTEX = "/System/Volumes/Preboot/Cryptexes/OS"
GENERATIONS = tuple(p.name for p in PROFILES)
DYLD4 = GENERATIONS[1:]


@frozen
class Libraries:
    """The libraries of an OS that has just these, the same in every release; an alias maps to its library."""

    paths: Mapping[str, str]
    unseen: frozenset[str] = frozenset()

    def find(self, path: str, macos: Version) -> SystemAnswer:
        if path in self.unseen:
            return SystemAnswer(Presence.UNSEEN)
        real = self.paths.get(path)
        return SystemAnswer(Presence.ABSENT) if real is None else SystemAnswer(Presence.PRESENT, TargetPath(real))


def libraries(*paths: str, unseen: Iterable[str] = (), **aliases: str) -> Libraries:
    return Libraries({p: p for p in (LIBSYSTEM, *paths)} | aliases, frozenset(unseen))


def make_mac(
    tree: Mapping[str, bytes | str | None],
    *,
    system: Libraries | None = None,
    unmappable: Mapping[str, str] | None = None,
    **more: Any,
) -> Mac:
    files = MemoryFileSystem(tree, **more)
    return Mac(files, system if system is not None else libraries(), unmappable=unmappable)


def image_at(mac: Mac, path: str, arch: str | None = None) -> LoadedImage:
    node = mac.look(path)
    file = mac.read(node)
    assert not isinstance(file, InputError), file
    pieces = [s for s in file.slices if s.image is not None and (arch is None or s.arch.name == arch)]
    return image_of(node, pieces[0], 0)


def configured(
    mac: Mac,
    path: str,
    macos: str,
    *,
    security: Security = UNRESTRICTED,
    environment: Mapping[str, str] | None = None,
    arch: str | None = None,
) -> ProcessConfig:
    main = image_at(mac, path, arch)
    assert main.image is not None
    version = Version.parse(macos)
    return process_config(
        profile_for(version), version, main.image, main.path, security=security, environment=environment
    )


def launch(
    mac: Mac,
    path: str = "/app/main",
    macos: str = "26",
    *,
    cwd: str = "/",
    arch: str | None = None,
    like: Walk | None = None,
    **more: Any,
) -> Walk:
    """Start a program; ``more`` is what `configured` takes."""
    config = configured(mac, path, macos, arch=arch, **more)
    return walk(mac, image_at(mac, path, arch), config, cwd=cwd, like=like)


def dlopen(
    mac: Mac,
    library: str,
    path: str = "/app/main",
    macos: str = "26",
    *,
    mode: int = 2,
    caller: str | None = None,
    cwd: str = "/",
    haswell: bool = True,
    **more: Any,
) -> Walk:
    config = evolve(configured(mac, path, macos, **more), haswell=haswell)
    return open_library(mac, image_at(mac, path), config, Dlopen(library, mode, caller), cwd=cwd)


def examine(
    mac: Mac, library: str, macos: str = "26", *, cwd: str = "/", like: Walk | None = None, **more: Any
) -> Walk:
    """Look at a library in a process nobody knows."""
    image = image_at(mac, library)
    assert image.image is not None
    version = Version.parse(macos)
    config = process_config(profile_for(version), version, image.image, None, **more)
    return walk_library(mac, image, config, cwd=cwd, like=like)


def paths(walked: Walk) -> list[str]:
    """What was loaded, in order, the OS's own left out."""
    return [i.path for i in walked.images if i.path != LIBSYSTEM]


def load_of(walked: Walk, name: str) -> Load:
    return next(load for load in walked.loads if load.dylib.name == name)


def served(walked: Walk, name: str) -> str | None:
    """The path of the image that serves a load path; None if nothing does."""
    to = load_of(walked, name).to
    return None if to is None else walked.images[to].path


def tried(walked: Walk, name: str) -> list[tuple[str, str]]:
    return [(a.candidate.path, a.reason + a.suffix) for a in load_of(walked, name).tried]
