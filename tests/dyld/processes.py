"""Processes and images made of facts alone, for tables of dyld's rules."""

from __future__ import annotations

from typing import Any

from attrs import evolve

from machochain.dyld.atpaths import LoadRequest
from machochain.dyld.config import ProcessConfig
from machochain.dyld.profile import PROFILES, profile_for
from machochain.model.arch import Arch
from machochain.model.image import BuildVersion, FileType, Image, RunPath
from machochain.model.paths import TargetPath
from machochain.model.platform import Platform
from machochain.model.result import LoadedImage, Origin
from machochain.model.version import Version

CRYPTEX = "/System/Volumes/Preboot/Cryptexes/OS"
DYLD4 = tuple(p.name for p in PROFILES if not p.classic)


def process(macos: str = "26", **more: Any) -> ProcessConfig:
    """A macOS program at ``/A/B/C`` on Apple silicon; ``more`` replaces fields."""
    version = Version.parse(macos)
    config = ProcessConfig(
        profile=profile_for(version),
        macos=version,
        arch=Arch.named("arm64"),
        platform=Platform.MACOS,
        main_path=TargetPath("/A/B/C"),
    )
    return evolve(config, **more)


def header(
    *run_paths: str,
    file_type: int = FileType.MH_EXECUTE,
    install_name: str | None = None,
    platform: int = Platform.MACOS,
    minos: str = "11.0",
    sdk: str | None = "15.0",
    arch: str = "arm64",
    uuid: bytes | None = bytes(range(16)),
) -> Image:
    build = BuildVersion("LC_BUILD_VERSION", platform, Version.parse(minos), Version.parse(sdk) if sdk else None)
    return Image(
        arch=Arch.named(arch),
        file_type=file_type,
        flags=0,
        uuid=uuid,
        install_name=install_name,
        builds=(build,),
        run_paths=tuple(RunPath(i, text) for i, text in enumerate(run_paths)),
    )


def image(path: str, *run_paths: str, number: int = 0, **more: Any) -> LoadedImage:
    own = header(*run_paths, **more)
    return LoadedImage(number, TargetPath(path), Origin.DISK, own.install_name, own)


def request(path: str, *chain: LoadedImage, **more: Any) -> LoadRequest:
    return LoadRequest(path, chain or (image("/A/B/C"),), **more)
