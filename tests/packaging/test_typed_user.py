"""What a user's type checker says of a program that uses every call, with the wheel as it is shipped."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

from tests.packaging.test_distribution import ROOT, build

PROGRAM = Path(__file__).with_name("user_program.py")
GREETER = ROOT / "testdata" / "hello" / "bin" / "greeter"


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the wheel in it, and behind it what it needs."""
    folder = tmp_path_factory.mktemp("user")
    (wheel,) = build(ROOT, folder / "dist", "wheel")
    venv.create(folder / "venv", symlinks=True)
    python = folder / "venv" / "bin" / "python"
    asked = [str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    site = Path(subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip())
    zipfile.ZipFile(wheel).extractall(site)
    (site / "others.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return python


def test_a_strict_checker_has_nothing_to_say(python: Path, tmp_path: Path) -> None:
    pytest.importorskip("mypy")
    program = tmp_path / "user_program.py"
    program.write_text(PROGRAM.read_text())
    command = [sys.executable, "-m", "mypy", "--strict", "--python-executable", str(python), str(program)]
    done = subprocess.run(
        [*command, "--config-file", "", "--cache-dir", str(tmp_path / "cache")],
        capture_output=True, text=True, cwd=tmp_path, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    # Not everything is Any: a mistake is seen.
    program.write_text(PROGRAM.read_text().replace("error.reason", "error.reson"))
    wrong = subprocess.run(
        [*command, "--config-file", "", "--cache-dir", str(tmp_path / "cache")],
        capture_output=True, text=True, cwd=tmp_path, check=False,
    )  # fmt: skip
    assert 'has no attribute "reson"' in wrong.stdout


def test_the_program_runs(python: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [str(python), "-W", "error", str(PROGRAM), str(GREETER)],
        capture_output=True, text=True, cwd=tmp_path, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "no such file or directory" in done.stdout
