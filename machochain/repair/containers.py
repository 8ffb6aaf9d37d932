"""The inputs that can be written anew: a file, a folder, a zip, a tar. Each is copied, with some files replaced."""

from __future__ import annotations

import os
import shutil
import stat
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from machochain.repair import wheels
from machochain.repair.obstacle import ObstacleKind, refuse
from machochain.repair.tars import packing, rewrite_tar
from machochain.repair.zips import rewrite_zip


class Container(Protocol):
    """An input as a set of files."""

    @property
    def paths(self) -> frozenset[str]:
        """Path of each file in it; links are none."""

    def read(self, path: str) -> bytes | None:
        """Return the bytes of a file; None if there is no such file.

        Raises:
            RepairError: It is not one that is changed.
        """

    def write(self, out: Path, changed: Mapping[str, bytes]) -> None:
        """Write a copy with some files replaced.

        Raises:
            RepairError: It cannot be written anew.
        """


class SingleFile:
    """A file; its path is its name."""

    def __init__(self, source: Path) -> None:
        """Take a file."""
        self.source = source
        self.paths = frozenset({source.name})

    def read(self, path: str) -> bytes | None:
        """Return its bytes."""
        return _bytes(self.source) if path == self.source.name else None

    def write(self, out: Path, changed: Mapping[str, bytes]) -> None:
        """Write it, with its mode and times where nothing changed."""
        new = changed.get(self.source.name)
        shutil.copy2(self.source, out)
        if new is not None:
            _replace(out, new)


class Folder:
    """A folder with all that lies below it; links stay links."""

    def __init__(self, source: Path) -> None:
        """Take a folder."""
        self.source = source
        self.paths = frozenset(
            os.path.relpath(Path(at) / name, source).replace(os.sep, "/")
            for at, _, names in os.walk(source)
            for name in names
            if stat.S_ISREG((Path(at) / name).lstat().st_mode)
        )

    def read(self, path: str) -> bytes | None:
        """Return the bytes of a file below it."""
        return _bytes(self.source / path) if path in self.paths else None

    def write(self, out: Path, changed: Mapping[str, bytes]) -> None:
        """Write a copy of the folder; names for one file stay names for one file."""
        shared: dict[tuple[int, int], Path] = {}

        def copy(source: str, target: str) -> str:
            status = os.lstat(source)  # shutil hands over plain texts
            if not stat.S_ISREG(status.st_mode):
                raise refuse(ObstacleKind.CONTAINER, f"{source} is neither a file nor a folder")
            key = status.st_dev, status.st_ino
            if status.st_nlink > 1 and key in shared:
                os.link(shared[key], target)
                return target
            shared[key] = Path(target)
            return str(shutil.copy2(source, target))

        shutil.copytree(self.source, out, symlinks=True, copy_function=copy)
        for path, data in changed.items():
            _replace(out / path, data)


class Zip:
    """A zip: an app's, a wheel, a jar."""

    def __init__(self, source: Path) -> None:
        """Take a zip."""
        self.source = source
        with zipfile.ZipFile(source) as archive:
            self.paths = frozenset(i.filename for i in archive.infolist() if not i.is_dir())

    def read(self, path: str) -> bytes | None:
        """Return a member's bytes."""
        if path not in self.paths:
            return None
        with zipfile.ZipFile(self.source) as archive:
            return archive.read(path)

    def write(self, out: Path, changed: Mapping[str, bytes]) -> None:
        """Write the zip; members that did not change are the same bytes, packed and all."""
        added = {name: data for name, data in changed.items() if name not in self.paths}
        with out.open("wb") as file:
            rewrite_zip(self.source, file, {n: d for n, d in changed.items() if n in self.paths}, added)
        shutil.copystat(self.source, out)


class Wheel(Zip):
    """A wheel, whose RECORD follows its files."""

    def write(self, out: Path, changed: Mapping[str, bytes]) -> None:
        """Write the wheel with a RECORD that is true."""
        record = wheels.record_name(self.paths)
        if record is None:
            raise refuse(ObstacleKind.CONTAINER, "it has no RECORD")
        void = wheels.void_signatures(self.paths)
        if void:
            raise refuse(ObstacleKind.CONTAINER, f"its RECORD is signed ({', '.join(void)})")
        if changed:
            old = self.read(record)
            assert old is not None
            changed = {**changed, record: wheels.new_record(old, changed)}
        super().write(out, changed)


class Tar:
    """A tar, plain or packed."""

    def __init__(self, source: Path) -> None:
        """Take a tar."""
        self.source = source
        with tarfile.open(source) as archive:
            self._names = {m.name.removeprefix("./"): m.name for m in archive if m.isreg()}
        self.paths = frozenset(self._names)

    def read(self, path: str) -> bytes | None:
        """Return a member's bytes."""
        if path not in self._names:
            return None
        with tarfile.open(self.source) as archive:
            file = archive.extractfile(self._names[path])
            return file.read() if file is not None else None

    def write(self, out: Path, changed: Mapping[str, bytes]) -> None:
        """Write the tar, packed as it was."""
        with out.open("wb") as file:
            rewrite_tar(self.source, file, {self._names[path]: data for path, data in changed.items()})
        shutil.copystat(self.source, out)


def open_container(path: Path, kind: str | None) -> Container:
    """Return an input as something that can be written anew.

    Args:
        path: The input.
        kind: How it is packed, as `machochain.world.archives.opening.is_artifact` tells; None if it is no archive.

    Raises:
        RepairError: It is packed in a way that is not written anew.
    """
    if kind is None:
        return Folder(path) if path.is_dir() else SingleFile(path)
    if kind == "zip":
        return Wheel(path) if path.suffix == ".whl" else Zip(path)
    with path.open("rb") as file:
        packed = packing(file.read(8))
    if kind == "tar" or (kind.startswith("tar.") and packed):
        return Tar(path)
    raise refuse(ObstacleKind.CONTAINER, f"{kind} is only read; unpack it, and repair what is in it")


def _bytes(path: Path) -> bytes:
    status = path.lstat()
    if status.st_mode & (stat.S_ISUID | stat.S_ISGID):
        raise refuse(ObstacleKind.MODE)
    return path.read_bytes()


def _replace(path: Path, data: bytes) -> None:
    """Write other bytes into a file of ours, whatever its mode allows; the mode stays."""
    mode = stat.S_IMODE(path.stat().st_mode) if path.exists() else 0o755
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists():
        path.chmod(mode | stat.S_IWUSR)
    path.write_bytes(data)
    path.chmod(mode)
