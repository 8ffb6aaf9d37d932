"""What the project rests on: locks that fit the ranges, wheels for everyone, licences that are what the page says."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "supply-chain.md"
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
LOCKS = {"dev.txt": ("test", "lint"), "toolchain.txt": ("toolchain",), "bench.txt": ("bench",)}
PLATFORMS = {
    "Linux x86_64": ("manylinux_2_28_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64"),
    "Linux aarch64": ("manylinux_2_28_aarch64", "manylinux_2_17_aarch64", "manylinux2014_aarch64"),
    "Alpine": ("musllinux_1_2_x86_64",),
    "macOS arm64": ("macosx_11_0_arm64",),
    "macOS x86_64": ("macosx_11_0_x86_64", "macosx_10_15_x86_64", "macosx_10_13_x86_64", "macosx_10_9_x86_64"),
    "Windows": ("win_amd64",),
}
# What the distributions of today write for one licence, by its SPDX expression.
SPDX = {
    "MIT License": "MIT",
    "Apache License 2.0": "Apache-2.0",
    "BSD 2-Clause License": "BSD-2-Clause",
}


def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def lock(name: str) -> dict[str, tuple[str, int]]:
    """Return version and number of hashes of each pinned distribution."""
    found: dict[str, tuple[str, int]] = {}
    current = ""
    for line in (ROOT / "requirements" / name).read_text(encoding="utf-8").splitlines():
        pin = re.match(r"([A-Za-z0-9._-]+)==([^ ;]+)( ; .*)? \\$", line)
        if pin:
            current = pin[1]
            assert current not in found, f"{current} is pinned twice"
            found[current] = (pin[2], 0)
        elif line.startswith("    --hash=sha256:"):
            found[current] = (found[current][0], found[current][1] + 1)
        else:
            assert re.match(r"#|    # ", line), line
    return found


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_pins_all_that_its_groups_ask_for_with_hashes(name: str) -> None:
    document = project()
    asked = [] if name == "toolchain.txt" else [*document["project"]["dependencies"]]
    for group in LOCKS[name]:
        asked += document["dependency-groups"][group]
    pinned = lock(name)
    for text in asked:
        wanted = Requirement(text)
        version, _ = pinned[canonicalize_name(wanted.name)]
        assert wanted.specifier.contains(version), text
    assert [pin for pin, (_, hashes) in pinned.items() if not hashes] == []


def test_all_locks_pin_the_same_versions() -> None:
    ours = lock("dev.txt")
    for other in LOCKS:
        theirs = lock(other)
        assert {name: pin for name, pin in theirs.items() if name in ours} == {
            name: pin for name, pin in ours.items() if name in theirs
        }, other


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_says_how_it_was_made_as_the_page_does(name: str) -> None:
    made = (ROOT / "requirements" / name).read_text(encoding="utf-8").splitlines()[1].removeprefix("#").strip()
    assert made in PAGE.read_text(encoding="utf-8").replace(" --upgrade", "")


def needed(name: str, extras: tuple[str, ...] = ("",)) -> Iterator[str]:
    """Yield a distribution and all it needs on any system, extras of its dependencies left out."""
    yield canonicalize_name(name)
    try:
        requires = distribution(name).requires or []
    except PackageNotFoundError:
        return
    for text in requires:
        wanted = Requirement(text)
        systems = ({"sys_platform": "linux"}, {"sys_platform": "win32", "platform_system": "Windows"})
        markers = [{**system, "extra": extra} for system in systems for extra in extras]
        if wanted.marker is None or any(wanted.marker.evaluate(marker) for marker in markers):
            yield from needed(wanted.name)


def licences() -> dict[str, str]:
    """Return what the page says of each distribution: the table's rows, and the list below it."""
    text = PAGE.read_text(encoding="utf-8").partition("## Dependencies")[2].partition("## The lock")[0]
    rows = re.findall(r"^\| ([A-Za-z0-9.-]+) \| ([A-Za-z0-9.-]+(?: OR [A-Za-z0-9.-]+)*) \| .+ \|$", text, re.MULTILINE)
    rows = [row for row in rows if row[0] != "distribution"]
    listed = re.findall(r"\b([A-Za-z][A-Za-z-]+)\s\(([A-Za-z0-9.-]+)(?: with an exception[^)]*)?\)", text)
    return {canonicalize_name(name): licence for name, licence in [*rows, *listed]}


def test_the_page_lists_every_dependency() -> None:
    document = project()
    listed = set(licences())
    runtime = [Requirement(text).name for text in document["project"]["dependencies"]]
    extras = [Requirement(x).name for texts in document["project"]["optional-dependencies"].values() for x in texts]
    closure = {each for name in runtime for each in needed(name)}
    assert {"altgraph", "attrs"} <= closure
    groups = [Requirement(x).name for g in document["dependency-groups"].values() for x in g if isinstance(x, str)]
    # colorama: the click of today needs it no more, older ones in the range do.
    assert closure | {canonicalize_name(name) for name in [*extras, *groups]} | {"colorama"} == listed


def test_the_licences_on_the_page_are_those_the_distributions_name() -> None:
    compared = 0
    for name, licence in licences().items():
        try:
            metadata = distribution(name).metadata
        except PackageNotFoundError:
            continue
        said = next((metadata[field] for field in ("License-Expression", "License") if field in metadata), "")
        if not said or len(said) > 60:  # the whole text, or what only its classifier or its files tell
            continue
        assert SPDX.get(said, said) == licence, name
        compared += 1
    assert compared >= 15


def pip(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pip", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.wheels
@pytest.mark.parametrize("version", PYTHONS)
@pytest.mark.parametrize("platform", PLATFORMS)
def test_every_dependency_is_a_wheel_everywhere(version: str, platform: str, tmp_path: Path) -> None:
    document = project()["project"]
    options = ["--dry-run", "--ignore-installed", "-q", "--only-binary=:all:", "--target", str(tmp_path)]
    options += [f"--platform={tag}" for tag in PLATFORMS[platform]]
    done = pip("install", *options, "--python-version", version, *document["dependencies"])
    assert done.returncode == 0, done.stderr


@pytest.mark.wheels
@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_can_be_installed_with_its_hashes(name: str, tmp_path: Path) -> None:
    options = ["--dry-run", "--ignore-installed", "-q", "--require-hashes", "--target", str(tmp_path)]
    done = pip("install", *options, "-r", str(ROOT / "requirements" / name))
    assert done.returncode == 0, done.stderr
