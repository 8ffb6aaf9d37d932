"""What public tools pack is read as they unpack it, file by file, links too. Tools that are not here are left out."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from machochain.model.artifact import Artifact, ArtifactEntryKind
from machochain.world.archives.opening import open_artifact
from tests.world.archives.packing import LIBRARY, TEXT


def tool(name: str) -> str:
    """Return a program of this machine; without it the test is left out."""
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"no {name} on this machine")
    return found


def run(*command: str | Path, cwd: Path | None = None) -> None:
    subprocess.run([str(word) for word in command], cwd=cwd, check=True, capture_output=True, timeout=60)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder as a release has it: an app with links, names that are not ASCII, a hard link."""
    top = tmp_path / "packed"
    macos = top / "Foo.app" / "Contents" / "MacOS"
    macos.mkdir(parents=True)
    (macos / "Foo").write_bytes(LIBRARY)
    framework = top / "Foo.app" / "Contents" / "Frameworks" / "X.framework"
    (framework / "Versions" / "A").mkdir(parents=True)
    (framework / "Versions" / "A" / "X").write_bytes(LIBRARY + os.urandom(300_000))
    (framework / "Versions" / "Current").symlink_to("A")
    (framework / "X").symlink_to("Versions/Current/X")
    (top / "Foo.app" / "Contents" / "Info.plist").write_bytes(b"<plist/>")
    os.link(macos / "Foo", macos / "Foo again")
    (top / "Grüße.txt").write_bytes(TEXT)
    (top / "empty").write_bytes(b"")
    return top


def assert_same(artifact: Artifact, folder: Path) -> None:
    """Compare what was opened with a folder: names, sizes, links, and every byte that is kept."""
    assert artifact.problems == ()
    assert artifact.unopened == ()
    entries = {each.name.removeprefix("./"): each for each in artifact.entries}
    expected = {
        str(path.relative_to(folder)): path for path in folder.rglob("*") if path.is_symlink() or path.is_file()
    }
    kinds = {ArtifactEntryKind.FILE, ArtifactEntryKind.LINK, ArtifactEntryKind.HARD_LINK}
    assert {name for name, each in entries.items() if each.kind in kinds} == expected.keys()
    for name, path in expected.items():
        each = entries[name]
        if path.is_symlink():
            assert each.link == str(path.readlink()), name
            continue
        data = path.read_bytes()
        assert each.size == len(data), name
        if each.host is not None:
            kept = Path(each.host).read_bytes()
            assert kept == data if each.whole else kept[:4096] == data[:4096], name
        assert each.whole or not each.macho, name


@pytest.mark.parametrize("form", ["xar", "odc", "newc", "zip", "ustar", "pax"])
def test_what_bsdtar_packs(tmp_path: Path, folder: Path, form: str) -> None:
    path = tmp_path / f"x.{form}"
    run(tool("bsdtar"), "--format", form, "-cf", path, "-C", folder, ".")
    with open_artifact(path) as artifact:
        assert_same(artifact, folder)


@pytest.mark.parametrize("form", ["bin", "odc", "newc", "crc"])
def test_what_cpio_packs(tmp_path: Path, folder: Path, form: str) -> None:
    path = tmp_path / "x.cpio"
    command = f"find . | {tool('cpio')} -o -H {form} > {path}"
    subprocess.run(["sh", "-c", command], cwd=folder, check=True, capture_output=True, timeout=60)
    with open_artifact(path) as artifact:
        assert_same(artifact, folder)


@pytest.mark.parametrize("form", ["zip", "tar"])
def test_what_7zip_packs(tmp_path: Path, folder: Path, form: str) -> None:
    path = tmp_path / f"x.{form}"
    run(tool("7zz"), "a", "-snl", f"-t{form}", path, ".", cwd=folder)
    with open_artifact(path) as artifact:
        assert_same(artifact, folder)
