"""Packages that broke on people's Macs break in the model, with the symbol their dyld named.

``pytest -m wheels tests/findings/test_reported_wheels.py``
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import machochain
from machochain import Target
from machochain.model.result import Severity
from machochain.model.version import Version

pytestmark = pytest.mark.wheels

STR = "__ZNKSt3__115basic_stringbufIcNS_11char_traitsIcEENS_9allocatorIcEEE3strEv"
CHAIN = "_SecTrustCopyCertificateChain"
NO_FUNCTION = "__ZTINSt3__117bad_function_callE"
REPORTED = [
    # requirement, Python, architecture, the macOS of the report, the symbol that was not found, and the report
    ("rocksdict==0.3.0", "3.10", "arm64", "11.2", STR, "rocksdict/RocksDict#25"),
    ("opencv-python==4.7.0.68", "3.9", "arm64", "11.6.7", STR, "opencv/opencv-python#777"),
    ("tensorflow-metal==0.3.0", "3.9", "arm64", "11.6", "_OBJC_CLASS_$_MPSGraphCompilationDescriptor",
     "tensorflow/tensorflow#53309"),
    ("rocksdict==0.3.29", "3.12", "arm64", "11.7.9", NO_FUNCTION, "rocksdict/RocksDict#188, of 0.3.24"),
    ("@esbuild/darwin-x64@0.28.2", "", "x86_64", "11.7.10", CHAIN, "2dust/v2rayN#8305: programs of Go 1.25"),
]  # fmt: skip
_RELEASES = ("10_9", "10_12", "10_13", "10_14", "10_15", "11_0", "12_0", "13_0", "14_0")


def package(requirement: str, python: str, arch: str) -> Path:
    """Download a package once."""
    base = Path(os.environ.get("MACHOCHAIN_TEST_CACHE", "~/.cache/machochain-tests")).expanduser()
    where = base / "reported" / f"{requirement.replace('/', '+')}-{arch}"
    if not where.is_dir():
        part = where.with_name(f"{where.name}.{os.getpid()}")
        part.mkdir(parents=True)
        if requirement.startswith("@"):
            npm = shutil.which("npm")
            if npm is None:
                pytest.skip("no npm on this machine")
            subprocess.run([npm, "pack", "--silent", requirement], cwd=part, check=True, capture_output=True)
        else:
            command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary=:all:"]
            for release in _RELEASES:
                for kind in (arch, "universal2"):
                    command += ["--platform", f"macosx_{release}_{kind}"]
            subprocess.run([*command, "--python-version", python, "-d", str(part), requirement], check=True)
        part.rename(where)
    (found,) = where.iterdir()
    return found


@pytest.mark.parametrize(("requirement", "python", "arch", "macos", "symbol", "report"), REPORTED)
def test_the_break_is_predicted_with_its_symbol(
    requirement: str, python: str, arch: str, macos: str, symbol: str, report: str
) -> None:
    target = Target(macos=(Version.parse(macos),), arch=arch)
    report_of = machochain.resolve([package(requirement, python, arch)], target=target)
    failed = [r for r in report_of.results if r.launches is False]
    certain = {m.symbol for r in failed for m in r.missing_symbols if m.unknown is None}

    assert symbol in certain, report
    assert any(f.rule == "MC206" and symbol in f.evidence["symbols"] for r in failed for f in r.findings)


@pytest.mark.parametrize(
    ("requirement", "python", "arch", "macos"),
    [(requirement, python, arch, "26.0") for requirement, python, arch, *_ in REPORTED],
)
def test_the_same_package_lacks_no_symbol_of_a_newer_mac(requirement: str, python: str, arch: str, macos: str) -> None:
    target = Target(macos=(Version.parse(macos),), arch=arch)
    report = machochain.resolve([package(requirement, python, arch)], target=target)
    errors = [f for r in report.results for f in r.findings if f.severity is Severity.ERROR]
    assert not [f for f in errors if f.rule in {"MC205", "MC206"}]
