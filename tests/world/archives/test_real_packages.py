"""Packages that people publish with archives, apps and images in them: opened and audited without an error of ours.

docs/containers.md lists them.
"""

from __future__ import annotations

import binascii
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from machochain.auditing import audit
from machochain.model.artifact import ArtifactKind, UnopenedReason
from machochain.world.archives.opening import open_artifact

pytestmark = pytest.mark.wheels

NPM = {
    "node-notifier@10.0.1": (1, ()),
    "active-win@9.0.0": (3, ()),
    "electron-sudo@4.0.12": (2, ()),
    "@nativescript/ios@9.1.0": (2, ()),
    "nwjs-builder-phoenix@1.15.0": (0, ()),
    "xar@1.1.1": (0, ()),
    "detox@20.51.4": (
        0, ("package/Detox-ios-framework.tbz", "package/Detox-ios-src.tbz", "package/Detox-ios-xcuitest.tbz"),
    ),
    "liquibase@4.28.1": (
        0,
        (
            "package/dist/liquibase/internal/lib/snowflake-jdbc.jar",
            "package/dist/liquibase/internal/lib/sqlite-jdbc.jar",
        ),
    ),
}  # fmt: skip
"""Mach-O files in the package itself, and archives in it that hold some."""


@pytest.mark.parametrize("package", NPM)
def test_a_package_of_npm_is_opened_with_all_that_is_packed_in_it(tmp_path: Path, package: str) -> None:
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("no npm on this machine")
    subprocess.run([npm, "pack", "--silent", package], cwd=tmp_path, check=True, capture_output=True)
    (path,) = tmp_path.glob("*.tgz")
    machos, nested = NPM[package]
    with open_artifact(path) as artifact:
        assert sum(each.macho for each in artifact.entries) == machos
        assert tuple(inner.location.path for inner in artifact.nested) == nested
        assert (artifact.kind, artifact.problems, artifact.unopened) == (ArtifactKind.NPM, (), ())
    assert audit([path]).errors == ()


def test_a_source_of_pypi_that_holds_every_kind_of_archive_is_opened(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "-q",
        "--no-deps",
        "--no-binary",
        ":all:",
    ]
    subprocess.run([*command, "-d", str(tmp_path), "patool==4.0.7"], check=True)
    (path,) = tmp_path.glob("*.tar.gz")
    with open_artifact(path) as artifact:
        assert artifact.problems == ()
        assert sum(each.macho for each in artifact.entries) == 4, "static archives"
        reasons = {each.location.path.rpartition("/")[2]: each.reason for each in artifact.unopened}
        assert reasons.keys() >= {"p.zip", "p.cbz"}
        assert set(reasons.values()) <= {UnopenedReason.ENCRYPTED, UnopenedReason.NOT_READ, UnopenedReason.DAMAGED}


def _decoded(line: bytes) -> bytes:
    """Decode a line of uuencode, whatever filler stands at its end."""
    return binascii.a2b_uu(line[: 1 + ((line[0] - 32 & 63) + 2) // 3 * 4]) if line else b""


def test_the_cpio_archives_of_debians_libarchive_are_read(tmp_path: Path) -> None:
    apt = shutil.which("apt-get")
    if apt is None:
        pytest.skip("no apt-get on this machine")
    (tmp_path / "lists" / "partial").mkdir(parents=True)
    sources = tmp_path / "sources.list"
    sources.write_text("deb-src http://deb.debian.org/debian bookworm main\n", encoding="utf-8")
    options = [
        "-o", f"Dir::Etc::sourcelist={sources}", "-o", "Dir::Etc::sourceparts=-", "-o",
        f"Dir::State::lists={tmp_path / 'lists'}",
    ]  # fmt: skip
    for words in (["update"], ["source", "--download-only", "libarchive"]):
        if subprocess.run([apt, *options, *words], cwd=tmp_path, capture_output=True, check=False).returncode:
            pytest.skip("no Debian mirror in reach")
    (path,) = tmp_path.glob("libarchive_*.orig.tar.xz")
    seen = 0
    with tarfile.open(path) as archive:
        for member in archive:
            name = member.name.rpartition("/")[2]
            if not name.endswith((".cpio.uu", ".cpio.gz.uu")):
                continue
            text = archive.extractfile(member)
            assert text is not None
            file = tmp_path / name.removesuffix(".uu")
            lines = text.read().splitlines()
            begin = next(number for number, line in enumerate(lines) if line.startswith(b"begin "))
            file.write_bytes(b"".join(map(_decoded, lines[begin + 1 : lines.index(b"end", begin)])))
            with open_artifact(file) as artifact:
                assert artifact.container in {"cpio", "cpio.gz"}
                assert artifact.entries
            seen += 1
    assert seen >= 8
