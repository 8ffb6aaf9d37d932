"""The folders in which the commands of the how-to pages are run: what a reader of the page would have."""

from __future__ import annotations

import plistlib
import shutil
from pathlib import Path

from machochain.repair import wheels as wheel_format
from tests.factory import MachO
from tests.toolchain import Toolchain, build_cgo, greet_library, write_module
from tests.world.archives.packing import zipped

ROOT = Path(__file__).parents[2]
HELLO = ROOT / "testdata" / "hello"
LIBRARY = "/opt/homebrew/opt/greet/lib/libgreet.1.dylib"


def wheels(folder: Path) -> None:
    """A wheel whose extension was linked with a library of Homebrew, and that library."""
    extension = MachO(file_type=8, loads=[LIBRARY], headerpad=512, signed=True, minos="12.0", sdk="15.5").bytes()
    (folder / "dist").mkdir(parents=True)
    path = folder / "dist" / "greet-1.2-cp312-cp312-macosx_12_0_arm64.whl"
    files = {
        "greet/__init__.py": b"from ._greet import greet\n",
        "greet/_greet.cpython-312-darwin.so": extension,
        "greet-1.2.dist-info/WHEEL": b"Wheel-Version: 1.0\nTag: cp312-cp312-macosx_12_0_arm64\n",
        "greet-1.2.dist-info/METADATA": b"Metadata-Version: 2.1\nName: greet\nVersion: 1.2\n",
    }
    record = "greet-1.2.dist-info/RECORD"
    rows = [",".join(wheel_format.row(name, data)) for name, data in files.items()]
    zipped(path, {**files, record: "\n".join([*rows, f"{record},,", ""]).encode()}.items())
    brewed = folder / "homebrew" / "opt" / "greet" / "lib"
    brewed.mkdir(parents=True)
    shutil.copy(HELLO / "lib" / "libgreet.1.dylib", brewed)


def application(folder: Path) -> None:
    """An application whose program looks for its library where it does not lie."""
    contents = folder / "Greeter.app" / "Contents"
    (contents / "MacOS").mkdir(parents=True)
    (contents / "Frameworks").mkdir()
    shutil.copy(HELLO / "bin" / "greeter-broken", contents / "MacOS" / "greeter")
    shutil.copy(HELLO / "lib" / "libgreet.1.dylib", contents / "Frameworks")
    facts = {
        "CFBundleExecutable": "greeter",
        "CFBundleIdentifier": "org.example.greeter",
        "CFBundlePackageType": "APPL",
        "CFBundleShortVersionString": "1.0",
        "LSMinimumSystemVersion": "12.0",
    }
    (contents / "Info.plist").write_bytes(plistlib.dumps(facts))


def message(folder: Path) -> None:
    """The program that printed the message."""
    shutil.copytree(HELLO, folder / "greeter")


def go_release(folder: Path, chain: Toolchain) -> None:
    """A Go module with cgo, and what was built of it."""
    write_module(folder)
    library = greet_library(chain, folder, install_name="@rpath/libgreet.1.dylib")
    (folder / "dist" / "lib").mkdir(parents=True)
    shutil.copy(library, folder / "dist" / "lib")
    build_cgo(chain, folder, folder / "dist" / "bin" / "hello", rpaths=("@loader_path/../lib",))
