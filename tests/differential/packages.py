"""The packages the readers are compared on, each fetched once and whole.

``packages.txt`` names one on each line, pinned: ``pypi NAME==VERSION ARCH`` or ``npm NAME@VERSION``. They come one
after another through pip and npm, without dependencies. Of each package only Mach-O files are kept.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final

import pytest
from attrs import frozen

from machochain.macho.kind import is_macho
from tests.toolchain import cache_folder

LIST: Final = Path(__file__).with_name("packages.txt")
_PLATFORMS: Final = {
    "arm64": "macosx_15_0_arm64",
    "x86_64": "macosx_15_0_x86_64",
}


@frozen
class Package:
    """One line of the list.

    Attributes:
        registry: ``pypi`` or ``npm``.
        requirement: What the registry's client is asked for, version included.
        arch: For a wheel whose macOS it is for; universal wheels serve both. ``""`` for npm.
    """

    registry: str
    requirement: str
    arch: str = ""

    @property
    def name(self) -> str:
        """The name without the version."""
        return self.requirement.partition("==")[0] if self.registry == "pypi" else self.requirement.rpartition("@")[0]

    @property
    def folder(self) -> Path:
        """Where its files are, or will be."""
        slug = re.sub(r"[^\w.=+-]+", "_", self.requirement)
        return cache_folder() / "packages" / f"{self.registry}-{slug}{'-' if self.arch else ''}{self.arch}"


def packages() -> tuple[Package, ...]:
    """Return the packages of the list."""
    lines = [line.split() for line in LIST.read_text().splitlines()]
    return tuple(Package(*words) for words in lines if words and not words[0].startswith("#"))


def fetch(package: Package) -> list[Path]:
    """Return the Mach-O files of a package in the order of their names, downloading it first if need be."""
    if not package.folder.is_dir():
        # Only whole: an interrupted download must not look like a package, and several processes may come here at once.
        aside = package.folder.with_name(f"{package.folder.name}.{os.getpid()}")
        aside.mkdir(parents=True)
        archive = _download(package, aside)
        for name, file in _members(archive):
            _keep(aside / "files" / name, file)
        archive.unlink()
        try:
            aside.rename(package.folder)
        except OSError:
            if not package.folder.is_dir():
                raise
            shutil.rmtree(aside)
    return [p for p in sorted((package.folder / "files").rglob("*")) if p.is_file()]


def _download(package: Package, folder: Path) -> Path:
    if package.registry == "npm":
        npm = shutil.which("npm")
        if npm is None:
            pytest.skip("npm is not installed")
        command = [npm, "pack", "--silent", package.requirement]
    else:
        command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary=:all:"]
        command += ["--python-version", "3.12", "--platform", _PLATFORMS[package.arch], package.requirement]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    (archive,) = folder.iterdir()
    return archive


def _members(archive: Path) -> Iterator[tuple[str, IO[bytes]]]:
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            for info in wheel.infolist():
                if not info.is_dir():
                    with wheel.open(info) as file:
                        yield info.filename, file
        return
    with tarfile.open(archive) as tar:
        for member in tar:
            opened = tar.extractfile(member) if member.isreg() else None
            if opened is not None:
                yield member.name, opened


def _keep(path: Path, file: IO[bytes]) -> None:
    first = file.read(8)
    if not is_macho(first):
        return
    assert ".." not in path.parts
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as out:
        out.write(first)
        shutil.copyfileobj(file, out, 1 << 20)
