"""On wheels that work nothing is an error, and every warning is true."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from machochain.findings import Checker
from machochain.graph.mac import Mac
from machochain.graph.resolve import Target, resolve_node
from machochain.model.errors import InputError
from machochain.model.result import Finding, Severity
from machochain.world.placement import World, open_world
from machochain.world.system.catalogue import EmbeddedCatalogue

pytestmark = pytest.mark.wheels

MACHO = {b"\xcf\xfa\xed\xfe", b"\xca\xfe\xba\xbe"}


def unpacked(requirement: str, platform: str) -> Path:
    """Download a wheel once and unpack it."""
    cache = Path(os.environ.get("MACHOCHAIN_TEST_CACHE", "~/.cache/machochain-tests")).expanduser()
    where = cache / "findings" / requirement
    if not where.is_dir():
        part = where.with_suffix(".part")
        command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary=:all:"]
        command += ["--platform", platform, "--python-version", "3.12", "-d", str(part), requirement]
        subprocess.run(command, check=True)
        (wheel,) = part.glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(part)
        wheel.unlink()
        part.rename(where)
    return where


def first_bytes(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(4)


def findings_of(folder: Path) -> list[Finding]:
    world = World(maps=(("/site-packages", folder),))
    view = open_world(world, [folder])
    mac = Mac(view, EmbeddedCatalogue())
    checker = Checker()
    found: list[Finding] = []
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.is_symlink() and first_bytes(path) in MACHO:
            node = mac.look(view.place(path))
            for macos in ("11", "13.3", "15.4", "26"):
                try:
                    for result in resolve_node(mac, node, path.name, Target(macos=macos), stages=(checker.stage,)):
                        found += result.findings
                except InputError:
                    continue
    return found


@pytest.mark.parametrize(
    ("requirement", "warnings"),
    [
        ("numpy==2.3.2", set()),
        (
            "scipy==1.18.1",
            {
                ("MC402", f"/opt/homebrew/Cellar/gcc@13/13.4.0/lib/gcc/13{x}")
                for x in ("", "/gcc", "/gcc/aarch64-apple-darwin23/13")
            },
        ),
        ("pillow==11.2.1", {("MC402", "/Users/runner/work/Pillow/Pillow/build/deps/darwin/lib")}),
    ],
)
def test_working_wheels(requirement: str, warnings: set[tuple[str, str]]) -> None:
    found = findings_of(unpacked(requirement, "macosx_14_0_arm64"))

    assert [f for f in found if f.severity is Severity.ERROR] == []
    assert {(f.rule, f.subject) for f in found if f.severity is Severity.WARNING} == warnings
