"""Packages that work have no errors, and what is told of them as a warning is true."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from machochain import audit
from machochain.model.result import Severity
from tests.macho.test_reader_wheels import cache

pytestmark = pytest.mark.wheels

SCIPY = "/opt/homebrew/Cellar/gcc@13/13.4.0/lib/gcc/13"


def wheel(requirement: str, platform: str) -> Path:
    """Download a wheel once."""
    where = cache().parent / "audit" / f"{requirement}-{platform}"
    if not list(where.glob("*.whl")):
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
        command += ["--python-version", "3.12", "--platform", platform, "--dest", str(where), requirement]
        subprocess.run(command, check=True)
    (found,) = where.glob("*.whl")
    return found


@pytest.mark.parametrize(
    ("requirement", "platform", "warnings"),
    [
        ("numpy==2.2.6", "macosx_14_0_arm64", set()),
        ("PyYAML==6.0.2", "macosx_11_0_arm64", set()),
        ("debugpy==1.8.14", "macosx_14_0_universal2", set()),
        ("pillow==11.2.1", "macosx_11_0_arm64", {("MC402", "/Users/runner/work/Pillow/Pillow/build/deps/darwin/lib")}),
        ("scipy==1.15.3", "macosx_14_0_x86_64", set()),
    ],
)
def test_a_wheel_that_works_passes(requirement: str, platform: str, warnings: set[tuple[str, str]]) -> None:
    report = audit(wheel(requirement, platform))

    assert report.passed
    found = {(f.finding.rule, f.finding.subject) for f in report.findings if f.severity is not Severity.INFO}
    assert found == warnings
