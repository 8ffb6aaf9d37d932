"""What is shipped: all that is needed, nothing else, the same from the same source, on every Python promised."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from machochain import __version__

ROOT = Path(__file__).parents[2]
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
EPOCH = "1767225600"


def build(folder: Path) -> Path:
    """Build the wheel from a copy of the sources, as a release does."""
    source = folder / "source"
    source.mkdir(parents=True)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    shutil.copytree(ROOT / "machochain", source / "machochain", ignore=shutil.ignore_patterns("__pycache__"))
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder / "dist")],
        cwd=source,
        env={**os.environ, "SOURCE_DATE_EPOCH": EPOCH},
        capture_output=True,
        check=True,
    )
    (wheel,) = (folder / "dist").iterdir()
    return wheel


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("wheel"))


def test_the_wheel_holds_the_package_its_data_and_its_licence_and_nothing_else(wheel: Path) -> None:
    assert wheel.name == f"machochain-{__version__}-py3-none-any.whl"
    with zipfile.ZipFile(wheel) as file:
        names = set(file.namelist())
    sources = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "machochain").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    info = f"machochain-{__version__}.dist-info"
    told = {"METADATA", "WHEEL", "RECORD", "entry_points.txt", "licenses/LICENSE"}
    assert names == sources | {f"{info}/{name}" for name in told}
    kinds = {name.rpartition(".")[2] for name in sources}
    assert kinds == {"py", "typed", "bin", "css", "js"}


def test_two_builds_of_one_source_are_equal(wheel: Path, tmp_path: Path) -> None:
    assert build(tmp_path).read_bytes() == wheel.read_bytes()


def test_the_metadata_asks_for_ranges_and_promises_the_pythons_that_are_tested(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as file:
        text = file.read(f"machochain-{__version__}.dist-info/METADATA").decode()
    needed = [line.split(": ", 1)[1] for line in text.splitlines() if line.startswith("Requires-Dist: ")]
    plain = [name for name in needed if ";" not in name]
    assert plain
    assert all(">=" in name and "==" not in name for name in plain)
    assert "License-Expression: Apache-2.0" in text
    for version in PYTHONS:
        assert f"Programming Language :: Python :: {version}\n" in text


def test_the_lock_pins_all_that_the_groups_ask_for() -> None:
    document = tomllib.loads((ROOT / "pyproject.toml").read_text())
    groups = document["dependency-groups"]
    asked = [*document["project"]["dependencies"], *groups["test"], *groups["lint"]]
    lines = (ROOT / "requirements" / "dev.txt").read_text().splitlines()
    pinned = dict(line.split("==") for line in lines if not line.startswith("#"))
    for text in asked:
        wanted = Requirement(text)
        assert wanted.specifier.contains(pinned[canonicalize_name(wanted.name)]), text


def python(version: str) -> str | None:
    """Return an interpreter of a version on this machine."""
    kept = Path(os.environ.get("PYENV_ROOT", "~/.pyenv")).expanduser() / "versions"
    found = [shutil.which(f"python{version}"), *map(str, sorted(kept.glob(f"{version}.*/bin/python")))]
    # A shim of pyenv is there for every version and works for the chosen ones only.
    return next(
        (x for x in found if x and not subprocess.run([x, "-V"], capture_output=True, check=False).returncode), None
    )


@pytest.mark.wheels
@pytest.mark.parametrize("version", PYTHONS)
def test_it_installs_and_runs_without_a_compiler(version: str, wheel: Path, tmp_path: Path) -> None:
    interpreter = python(version)
    if interpreter is None:
        pytest.skip(f"no Python {version} on this machine")
    subprocess.run([interpreter, "-m", "venv", str(tmp_path / "venv")], check=True)
    own = tmp_path / "venv" / "bin"
    environment = {**os.environ, "CC": "/bin/false", "CXX": "/bin/false"}
    install = [str(own / "python"), "-m", "pip", "install", "-q", "--only-binary=:all:", str(wheel)]
    subprocess.run(install, env=environment, check=True)
    hello = ROOT / "testdata" / "hello"
    done = subprocess.run(
        [str(own / "machochain"), "resolve", str(hello)], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1, done.stderr
    assert "Library not loaded: @rpath/libgreet.1.dylib" in done.stdout
