"""Packages people really install, fetched from the registries at test time."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from machochain.macho.kind import FileKind, kind_of
from machochain.model.artifact import ArtifactKind
from machochain.world.archives.opening import is_artifact, open_artifact

pytestmark = pytest.mark.wheels


def downloaded(folder: Path, package: str) -> Path:
    """Download a macOS arm64 wheel."""
    command = [
        sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary=:all:",
        "--platform", "macosx_14_0_arm64", "--platform", "macosx_11_0_arm64", "--python-version", "3.12",
        "-d", str(folder), package,
    ]  # fmt: skip
    subprocess.run(command, check=True)
    (path,) = folder.glob("*.whl")
    return path


@pytest.mark.parametrize("package", ["numpy", "pillow", "scipy"])
def test_every_macho_file_and_static_archive_of_a_wheel_is_unpacked_as_it_is(tmp_path: Path, package: str) -> None:
    path = downloaded(tmp_path, package)
    with zipfile.ZipFile(path) as archive, open_artifact(path) as artifact:
        stored = {name.rstrip("/"): archive.read(name) for name in archive.namelist()}
        expected = {name: data for name, data in stored.items() if kind_of(data[:64]) is not FileKind.UNRECOGNISED}
        found = {each.name: Path(each.host or "").read_bytes() for each in artifact.entries if each.macho}
        assert found == expected
        assert [each.name for each in artifact.entries] == list(stored)
        assert all(each.size == len(stored[each.name]) for each in artifact.entries)
        assert (artifact.kind, artifact.name, artifact.problems) == (ArtifactKind.WHEEL, package, ())


@pytest.mark.parametrize(
    ("package", "binary"), [("@esbuild/darwin-arm64", "bin/esbuild"), ("fsevents", "fsevents.node")]
)
def test_an_npm_package_is_known(tmp_path: Path, package: str, binary: str) -> None:
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("no npm on this machine")
    subprocess.run([npm, "pack", "--silent", package], cwd=tmp_path, check=True, capture_output=True)
    (path,) = tmp_path.glob("*.tgz")
    assert is_artifact(path) == "tar.gz"
    with open_artifact(path) as artifact:
        assert (artifact.kind, artifact.name, artifact.problems) == (ArtifactKind.NPM, package, ())
        assert [each.name for each in artifact.entries if each.macho] == [f"package/{binary}"]
