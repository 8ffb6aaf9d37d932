"""The repair command of docs/pipelines.md on a real wheel, as cibuildwheel runs it: one shell, names filled in."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.llvm import llvm

PAGE = (Path(__file__).parents[2] / "docs" / "pipelines.md").read_text(encoding="utf-8")
(SNIPPET,) = (
    tomllib.loads(text)["tool"]["cibuildwheel"]["macos"]
    for text in re.findall(r"^```toml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    if "cibuildwheel" in text
)


def program(path: Path, lines: str) -> None:
    path.write_text(f"#!/bin/sh\n{lines}\n")
    path.chmod(0o755)


@pytest.mark.wheels
def test_the_repair_command_passes_a_wheel_that_imports(tmp_path: Path) -> None:
    delocate = shutil.which("delocate-wheel", path=str(Path(sys.executable).parent))
    if delocate is None:
        pytest.skip("delocate is not installed: requirements/bench.txt")
    bin_, built, out = (tmp_path / name for name in ("bin", "built", "out"))
    for folder in (bin_, built, out):
        folder.mkdir()
    names = {"otool": "llvm-otool", "lipo": "llvm-lipo", "install_name_tool": "llvm-install-name-tool"}
    for apple, name in names.items():
        found = llvm(name)
        if found is None:
            pytest.skip(f"{name} is not installed")
        # Apple's otool knows -m, which says that a bracket in a name is a bracket; LLVM's never takes it for another.
        program(bin_ / apple, f'for a do shift; [ "$a" = -m ] || set -- "$@" "$a"; done\nexec {found} "$@"')
    program(bin_ / "pipx", f'shift; shift\nexec {sys.executable} -m machochain "$@"')
    download = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary=:all:", "-d", str(built)]
    subprocess.run([*download, "--platform=macosx_11_0_arm64", "--python-version=3.12", "psutil==7.2.2"], check=True)
    (wheel,) = built.glob("*.whl")
    filled = [
        command.replace("{wheel}", str(wheel)).replace("{dest_dir}", str(out)).replace("{delocate_archs}", "arm64")
        for command in SNIPPET["repair-wheel-command"]
    ]
    path = f"{bin_}:{Path(sys.executable).parent}:/usr/bin:/bin"
    for command in filled:
        done = subprocess.run(["sh", "-c", command], env={"PATH": path}, capture_output=True, text=True, check=False)
        assert done.returncode == 0, (command, done)
    assert "passed" in done.stdout
    assert [file.name for file in out.iterdir()] == [wheel.name]
