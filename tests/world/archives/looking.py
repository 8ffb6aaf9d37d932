"""Looking at an open archive."""

from __future__ import annotations

from pathlib import Path

from machochain.model.artifact import Artifact, ArtifactEntry
from tests.world.archives.packing import Content, compressed, tar, zipped


def entry(artifact: Artifact, name: str) -> ArtifactEntry:
    """Return the last entry of a name."""
    return [each for each in artifact.entries if each.name == name][-1]


def content(artifact: Artifact, name: str) -> bytes:
    host = entry(artifact, name).host
    assert host is not None
    return Path(host).read_bytes()


def names_on_disk(artifact: Artifact) -> set[str]:
    top = Path(artifact.folder)
    return {str(path.relative_to(top)) for path in top.rglob("*") if path.is_symlink() or not path.is_dir()}


def pack(folder: Path, form: str, entries: list[tuple[str, Content]]) -> Path:
    path = folder / f"archive.{form}"
    return zipped(path, entries) if form == "zip" else compressed(path, entries) if "." in form else tar(path, entries)
