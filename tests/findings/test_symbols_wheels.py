"""On wheels that work every symbol of the OS is known, or unknown with a reason; on damaged copies each damage is told.

``pytest -m wheels tests/findings/test_symbols_wheels.py -s`` prints the rates.
"""

from __future__ import annotations

import os
import struct
import subprocess
import sys
import zipfile
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

import pytest
from attrs import frozen

from machochain import api
from machochain.findings import RULES as KNOWN
from machochain.graph.resolve import Target
from machochain.macho import constants as c
from machochain.macho.imports import read_imports
from machochain.macho.kind import is_macho
from machochain.macho.reader import read_bytes, read_file, slice_reader
from machochain.macho.source import FileSource
from machochain.model.filesystem import Presence
from machochain.model.image import Image
from machochain.model.paths import HostPath
from machochain.model.reading import BytesSource, RangeSource
from machochain.model.result import Finding, Result, Severity
from machochain.model.symbols import Import, ImportKind
from machochain.model.version import Version
from machochain.session import Session, resolve_inputs
from machochain.world.placement import World
from machochain.world.system.catalogue import EmbeddedCatalogue

pytestmark = pytest.mark.wheels

RULES: Final = frozenset(i for i in KNOWN if i == "MC905" or "MC204" <= i <= "MC223")
ARM: Final = (
    "aiohttp==3.14.5", "av==19.0.2", "bcrypt==5.0.0", "cffi==2.1.1", "contourpy==1.4.0", "cryptography==50.0.2",
    "duckdb==2.0.0", "fiona==1.10.1", "greenlet==3.5.6", "grpcio==1.85.1", "h5py==3.16.0", "kiwisolver==1.5.1",
    "lief==1.0.0", "llvmlite==0.50.0", "lxml==6.1.3", "matplotlib==3.11.2", "msgpack==1.2.4", "numba==0.68.1",
    "numpy==2.5.5", "onnxruntime==1.32.0", "opencv-python-headless==5.0.0.93", "orjson==3.13.0", "pandas==3.1.1",
    "pillow==13.0.0", "polars-runtime-32==2.1.0", "psutil==7.2.2", "pyarrow==26.0.1", "pydantic-core==2.50.4",
    "pynacl==1.6.2", "pyproj==3.8.0", "PySide6-Essentials==6.12.0", "pyyaml==6.0.3", "pyzmq==27.3.0",
    "rasterio==1.5.2", "rpds-py==2026.9.1", "ruff==0.17.6", "safetensors==0.8.0", "scikit-learn==1.9.1",
    "scipy==1.18.1", "shapely==2.2.0", "shiboken6==6.12.0", "tiktoken==0.14.0", "tokenizers==0.23.3", "uv==0.13.9",
    "vtk==9.7.2", "wxPython==4.3.2", "zstandard==0.25.0",
)  # fmt: skip
INTEL: Final = ("lxml==6.1.3", "numpy==2.5.5", "pandas==3.1.1", "pillow==13.0.0", "psutil==7.2.2", "ruff==0.17.6",
                "scipy==1.18.1")  # fmt: skip
_RELEASES: Final = ("10_9", "10_12", "10_13", "10_14", "10_15", "11_0", "12_0", "13_0", "14_0", "15_0")

WHEELS: Final = [*((w, "arm64") for w in ARM), *((w, "x86_64") for w in INTEL)]
FLAT_ON_PURPOSE: Final = frozenset({"libb2.1.dylib", "libtheoradec.1.dylib", "libtheoraenc.1.dylib"})
"""Libraries that really have a flat namespace (built with libtool's ``-flat_namespace``)."""


def wheel(requirement: str, arch: str) -> Path:
    """Download a wheel once."""
    base = Path(os.environ.get("MACHOCHAIN_TEST_CACHE", "~/.cache/machochain-tests")).expanduser()
    where = base / "symbols" / f"{requirement}-{arch}"
    if not where.is_dir():
        part = where.with_name(f"{where.name}.{os.getpid()}")
        command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary=:all:"]
        for release in _RELEASES:
            for kind in ("universal2", "arm64") if arch == "arm64" else ("x86_64",):
                command += ["--platform", f"macosx_{release}_{kind}"]
        subprocess.run([*command, "--python-version", "3.12", "-d", str(part), requirement], check=True)
        part.rename(where)
    (found,) = where.glob("*.whl")
    return found


@frozen
class Tally:
    """What one wheel comes to.

    Attributes:
        asked: Imports from libraries of the OS, each image once.
        known: Those that are confirmed.
        stubbed: Those that the stub of some SDK confirms: the rest rests on other released binaries alone.
        reasons: Why the others are not known, with their number.
    """

    results: tuple[Result, ...]
    asked: int
    known: int
    stubbed: int
    reasons: Counter[str]


@cache
def stubbed(library: str) -> frozenset[str]:
    """The symbols that some stub of a library, or of what it re-exports, lists."""
    catalogue = EmbeddedCatalogue()
    closure = catalogue.closure(library, Target().macos[0])
    return frozenset(f.name for name in closure for f in catalogue.symbols(name) if f.sdks)


@cache
def tally(requirement: str, arch: str) -> Tally:
    with Session.open([wheel(requirement, arch)], World()) as session:
        results = tuple(resolve_inputs(session, Target(), []))
        asked = known = listed = 0
        reasons: Counter[str] = Counter()
        seen = set()
        for result in results:
            for image in result.images:
                key = session.tables.number(image)
                if image.image is None or key in seen:
                    continue
                seen.add(key)
                for library, entry in of_the_os(image.image, session.tables.imports(image)):
                    asked += 1
                    answer = session.mac.find_system(library, result.macos)
                    if answer.path is None:
                        reasons[f"{library}: {answer.why}"] += 1
                        continue
                    symbol = session.tables.system(answer.path, (entry.name,), result.macos)[entry.name]
                    known += symbol.found is True
                    name = entry.name.replace("_OBJC_METACLASS_$_", "_OBJC_CLASS_$_")
                    listed += symbol.found is True and name in stubbed(answer.path)
                    if symbol.found is not True:
                        assert symbol.found is None, (entry, symbol)
                        reasons[symbol.why] += 1
    return Tally(results, asked, known, listed, reasons)


def of_the_os(image: Image, entries: tuple[Import, ...]) -> Iterator[tuple[str, Import]]:
    for entry in entries:
        if 0 < entry.ordinal <= len(image.loads):
            library = image.loads[entry.ordinal - 1].name
            if library.startswith(("/usr/lib/", "/System/Library/")):
                yield library, entry


def findings(results: tuple[Result, ...]) -> list[Finding]:
    return [f for result in results for f in result.findings if f.rule in RULES]


@pytest.mark.parametrize(("requirement", "arch"), WHEELS)
def test_a_working_wheel_has_no_error(requirement: str, arch: str) -> None:
    found = findings(tally(requirement, arch).results)
    notable = {(f.rule, f.image.rpartition("/")[2]) for f in found if f.severity is not Severity.INFO}

    assert notable <= {("MC223", name) for name in FLAT_ON_PURPOSE}


@pytest.mark.parametrize(("requirement", "arch"), WHEELS)
def test_what_is_not_confirmed_is_unknown_with_a_reason(requirement: str, arch: str) -> None:
    of_wheel = tally(requirement, arch)
    told = {s for f in findings(of_wheel.results) if f.rule == "MC905" for s, _ in f.evidence["symbols"]}

    assert sum(of_wheel.reasons.values()) == of_wheel.asked - of_wheel.known
    assert all(of_wheel.reasons)
    assert bool(told) == bool(of_wheel.reasons)


def test_the_rate_of_confirmed_imports() -> None:
    print()
    asked = known = listed = 0
    reasons: Counter[str] = Counter()
    for requirement, arch in WHEELS:
        one = tally(requirement, arch)
        asked, known, listed = asked + one.asked, known + one.known, listed + one.stubbed
        reasons += one.reasons
        print(f"{requirement:36} {arch:7} {one.known:6} of {one.asked:6}, {one.stubbed:6} by stubs")
    print(f"{len(WHEELS)} wheels: {known} of {asked} imports from the OS confirmed ({100 * known / asked:.2f} %)")
    print(f"by the stub of an SDK alone: {listed} ({100 * listed / asked:.2f} %)")
    for why, number in reasons.most_common():
        print(f"  {number:4} unknown: {why}")

    assert known / asked >= 0.98


RELEASES: Final = (
    "11.0",
    "11.7",
    "12.0",
    "12.7",
    "13.0",
    "13.7",
    "14.0",
    "14.7",
    "15.0",
    "15.7",
    "26.0",
    "26.4",
    "27.0",
)


def strong_imports_of_the_os() -> Counter[tuple[str, str, str, Version]]:
    """Every strong import from the OS in all wheels: library, symbol, architecture, minimum version of the image."""
    found: Counter[tuple[str, str, str, Version]] = Counter()
    for requirement, arch in WHEELS:
        with zipfile.ZipFile(wheel(requirement, arch)) as archive:
            for name in archive.namelist():
                with archive.open(name) as file:
                    if not is_macho(file.read(4096)):
                        continue
                data = archive.read(name)
                for piece in read_bytes(data).slices:
                    image = piece.image
                    if image is None or image.build is None or image.arch.name not in {"arm64", "x86_64"}:
                        continue
                    source = RangeSource(BytesSource(data), piece.offset, piece.size)
                    for library, entry in of_the_os(image, read_imports(image, source.read).entries):
                        if not entry.weak and not image.loads[entry.ordinal - 1].weak:
                            found[library, entry.name, image.arch.name, image.build.minos] += 1
    return found


def test_the_rate_of_each_release_that_the_wheels_support() -> None:
    catalogue, imports = EmbeddedCatalogue(), strong_imports_of_the_os()
    print()
    for release in map(Version.parse, RELEASES):
        known: Counter[Presence] = Counter()
        for (library, symbol, arch, minos), number in imports.items():
            if minos <= release:
                found = catalogue.find(library, release).presence
                if found is Presence.PRESENT:
                    found = catalogue.lookup(library, symbol, release, arch).presence
                known[found] += number
        total, unknown = known.total(), known[Presence.UNSEEN]
        print(f"macOS {release!s:<6}{known[Presence.PRESENT]:>7} of {total:>6} there, {unknown:>4} not known")
        assert not known[Presence.ABSENT]
        assert unknown * 300 < total


# -- damaged copies ---------------------------------------------------------------------------------------------------


def members(requirement: str, arch: str) -> list[str]:
    with zipfile.ZipFile(wheel(requirement, arch)) as archive:
        names = sorted(archive.namelist())
        return [n for n in names if n.endswith((".so", ".dylib"))]


def extracted(requirement: str, arch: str, tmp_path: Path) -> Iterator[Path]:
    with zipfile.ZipFile(wheel(requirement, arch)) as archive:
        for name in members(requirement, arch):
            archive.extract(name, tmp_path)
            path = tmp_path / name
            if path.read_bytes()[:4] == b"\xcf\xfa\xed\xfe":
                yield path


def strong_imports(path: Path) -> list[tuple[str, Import]]:
    """Strong imports from libraries below /usr/lib, one place in the file each."""
    piece = read_file(HostPath(str(path))).slices[0]
    assert piece.image is not None
    with FileSource(HostPath(str(path))) as source:
        entries = read_imports(piece.image, slice_reader(source, piece)).entries
    weak = {e.name for e in entries if e.weak or e.ordinal <= 0}
    return [
        (library, e)
        for library, e in of_the_os(piece.image, entries)
        if library.startswith("/usr/lib/") and e.name not in weak and e.name != "dyld_stub_binder" and len(e.name) > 4
    ]


CHOSEN: Final = [(w, a) for w, a in WHEELS if w.partition("==")[0] in {
    "numpy", "scipy", "pillow", "psutil", "pandas", "h5py", "matplotlib", "shapely", "duckdb", "tokenizers",
    "pyyaml", "contourpy", "zstandard", "msgpack", "scikit-learn", "aiohttp", "av", "pyarrow", "wxPython",
}]  # fmt: skip


@pytest.mark.parametrize(("requirement", "arch"), CHOSEN)
def test_a_renamed_symbol_is_told(requirement: str, arch: str, tmp_path: Path) -> None:
    path = next((p for p in extracted(requirement, arch, tmp_path) if strong_imports(p)), None)
    if path is None:
        pytest.skip("this wheel has universal files only, or imports nothing of /usr/lib strongly")
    library, entry = strong_imports(path)[-1]
    wrong = entry.name[:-2] + "#" + entry.name[-1]
    data = path.read_bytes()
    old, new = (name.encode() + b"\0" for name in (entry.name, wrong))
    path.write_bytes(data.replace(old, new))
    report = api.resolve(path)
    found = [f for r in report.results for f in r.findings if f.rule in {"MC205", "MC208"}]

    assert any(wrong in f.evidence["symbols"] for f in found)
    told = next(f for f in found if wrong in f.evidence["symbols"])
    # Python opens extensions with RTLD_NOW, and then dyld binds what is bound lazily at once.
    late = entry.kind is ImportKind.LAZY_BIND and path.suffix == ".dylib"
    assert told.rule == ("MC208" if late else "MC205")
    assert Path(library).name.partition(".")[0] in told.subject


@pytest.mark.parametrize("requirement", ["pillow==13.0.0", "scipy==1.18.1", "h5py==3.16.0", "av==19.0.2"])
def test_a_removed_library_is_told(requirement: str, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel(requirement, "arm64")) as archive:
        archive.extractall(tmp_path)
    bundled = sorted(p for p in tmp_path.rglob("*.dylib") if ".dylibs" in p.parts)
    (wanted,) = {f.name for f in bundled[:1]}
    before = {f.rule for r in api.resolve(tmp_path).results for f in r.findings if f.severity is Severity.ERROR}
    bundled[0].unlink()
    after = [f for r in api.resolve(tmp_path).results for f in r.findings if f.severity is Severity.ERROR]

    assert before == set()
    assert {f.rule for f in after} == {"MC101"}
    assert {Path(f.subject).name for f in after} == {wanted}


def lower(path: Path, minos: int) -> None:
    """Put an older minimum version into the platform command."""
    data = bytearray(path.read_bytes())
    image = read_file(HostPath(str(path))).slices[0].image
    assert image is not None
    at = 32
    for command in image.commands:
        cmd, size = struct.unpack_from("<II", data, at)
        assert cmd == command.cmd
        if cmd == c.LC_BUILD_VERSION:
            struct.pack_into("<I", data, at + 12, minos)
        elif cmd == c.LC_VERSION_MIN_MACOSX:
            struct.pack_into("<I", data, at + 8, minos)
        at += size
    path.write_bytes(data)


@pytest.mark.parametrize("requirement", ["scipy==1.18.1", "pillow==13.0.0"])
def test_a_lowered_minimum_version_is_told(requirement: str, tmp_path: Path) -> None:
    # ____chkstk_darwin came with macOS 10.15, ___darwin_check_fd_set_overflow with 11, _clock_gettime with 10.12
    newer = {"____chkstk_darwin", "_clock_gettime", "___darwin_check_fd_set_overflow", "_clock_gettime_nsec_np"}
    tried = 0
    for path in extracted(requirement, "x86_64", tmp_path):
        wanted = {e.name for _, e in strong_imports(path)} & newer
        if not wanted:
            continue
        tried += 1
        lower(path, 0x000A0900)
        found = [f for r in api.resolve(path).results for f in r.findings if f.rule == "MC206"]
        told = {b["symbol"]: b for f in found for b in f.evidence["bounds"]}
        assert wanted <= told.keys()
        assert all(f.severity is Severity.WARNING for f in found)
        for name in wanted:
            assert told[name]["absent_in"] is not None
            assert told[name]["present_in"] is not None
    assert tried
