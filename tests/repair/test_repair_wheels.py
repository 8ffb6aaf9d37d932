"""Released wheels: their signatures are made again to the byte, their files edited with nothing else changed."""

from __future__ import annotations

import struct
import subprocess
import sys
import venv
import zipfile
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from machochain import FileType, Policy, Severity, Target, audit, resolve
from machochain.judging.policy_file import builtin_policy
from machochain.mending import fix
from machochain.repair import superblob as sb
from machochain.repair.edits import AddRunPath
from machochain.repair.file import repair_file
from machochain.repair.layout import read_layout
from machochain.repair.obstacle import ObstacleKind, RepairError
from machochain.repair.result import RepairOutcome
from machochain.repair.signing import Signing, first_wrong_page, signature_of
from machochain.repair.universal import read_pieces
from tests.factory.macho import MachO
from tests.repair.test_containers import true_record
from tests.repair.test_containers import wheel as made_wheel
from tests.toolchain import cache_folder

pytestmark = pytest.mark.wheels

PACKAGES = ("numpy", "scipy", "pillow", "psutil", "lxml", "cryptography", "pyzmq", "av", "shapely", "h5py")
MAGICS = (b"\xca\xfe\xba\xbe", b"\xcf\xfa\xed\xfe")


@cache
def wheel(name: str) -> Path:
    folder = cache_folder() / "repair-wheels" / name
    if not list(folder.glob("*.whl")):
        platforms = [f"--platform=macosx_{v}_arm64" for v in ("11_0", "12_0", "13_0", "14_0")]
        platforms += [f"--platform=macosx_{v}_universal2" for v in ("10_13", "10_15", "11_0")]
        command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary=:all:", "-d", str(folder)]
        subprocess.run([*command, "--python-version", "3.12", *platforms, name], check=True)
    (found,) = folder.glob("*.whl")
    return found


def files(name: str) -> Iterator[tuple[str, bytes]]:
    with zipfile.ZipFile(wheel(name)) as archive:
        for info in archive.infolist():
            with archive.open(info) as file:
                head = file.read(4)
            if head in MAGICS:
                yield info.filename, archive.read(info)


@pytest.mark.parametrize("name", PACKAGES)
def test_signatures_are_made_again_to_the_byte(name: str) -> None:
    outcomes: Counter[bool] = Counter()
    for _, data in files(name):
        for piece in read_pieces(data).slices:
            layout = read_layout(piece.data)
            signature = signature_of(piece.data, layout)
            if signature is None or layout.signature is None:
                continue
            offset, size = layout.signature
            made = sb.sign_bytes(sb.identity_of(signature, size), memoryview(piece.data)[:offset])
            (length,) = struct.unpack_from(">I", piece.data, offset + 4)
            outcomes[made == piece.data[offset : offset + length]] += 1
    assert outcomes[True] > 0
    assert outcomes[False] == 0


@pytest.mark.parametrize("name", PACKAGES)
def test_an_edit_changes_load_commands_and_the_signature_and_nothing_else(name: str) -> None:
    edited = 0
    for path, data in files(name):
        archs = [p.arch for p in read_pieces(data).slices]
        try:
            done = repair_file(data, {arch: [AddRunPath("@loader_path/zz")] for arch in archs}, path)
        except RepairError as error:
            assert error.obstacle.kind in {ObstacleKind.NO_ROOM, ObstacleKind.SIGNED_BY_OTHERS}, (path, error)  # noqa: PT017
            continue
        for old, new in zip(read_pieces(data).slices, read_pieces(done.data).slices, strict=True):
            layout = read_layout(old.data)
            limit = layout.signature[0] if layout.signature else len(old.data)
            assert new.data[layout.low : limit] == old.data[layout.low : limit], path
            assert new.offset == old.offset
            signature = signature_of(new.data, read_layout(new.data))
            assert signature is None or first_wrong_page(new.data, signature) is None, path
        edited += any(s.signing is Signing.PATCHED for s in done.slices)
    assert edited


LEAKY = ("av", "pyzmq", "pillow", "shapely", "pikepdf", "pyproj", "fiona", "rasterio", "scikit-learn", "numpy==1.26.4")
"""Wheels whose build machine stands in their run paths; with those of the list above twenty and more files."""


@pytest.mark.parametrize("name", LEAKY)
def test_leaked_run_paths_go_and_the_wheel_stays_whole(name: str, tmp_path: Path) -> None:
    policy: Policy = builtin_policy("wheel")
    done = fix(wheel(name), tmp_path, only=["MC402"], policy=policy, target=Target(macos="26"))
    (given,) = done.inputs
    assert given.outcome is RepairOutcome.REPAIRED
    out = Path(given.output or "")
    assert true_record(out)
    left = {
        f.finding.rule
        for f in audit(out, policy=policy, target=Target(macos="26")).active
        if f.severity is not Severity.INFO
    }
    assert "MC402" not in left
    with zipfile.ZipFile(wheel(name)) as a, zipfile.ZipFile(out) as b:
        assert a.namelist() == b.namelist()
        changed = {n for n in a.namelist() if a.read(n) != b.read(n)}
        assert changed == {c.path for c in given.changes} | {n for n in a.namelist() if n.endswith("/RECORD")}


def test_what_is_brought_in_is_loaded_as_another_tool_has_it(tmp_path: Path) -> None:
    """repairwheel does on Linux what delocate does on a Mac: the two wheels load the same, in the same order."""
    libraries = tmp_path / "lib"
    libraries.mkdir()

    def library(name: str, *loads: str) -> None:
        image = MachO(install_name=f"{libraries}/{name}", loads=[f"{libraries}/{x}" for x in loads], headerpad=512)
        (libraries / name).write_bytes(image.bytes())

    library("liba.dylib", "libb.dylib")
    library("libb.dylib")
    module = MachO(file_type=FileType.MH_BUNDLE, loads=[f"{libraries}/liba.dylib"], headerpad=512).bytes()
    path = made_wheel(tmp_path / "pkg-1.0-cp312-cp312-macosx_12_0_arm64.whl", pkg___y_DOT_so=module)
    venv.create(tmp_path / "venv", with_pip=True)
    own = tmp_path / "venv" / "bin"
    subprocess.run([own / "python", "-m", "pip", "install", "-q", "repairwheel==0.8.0"], check=True)
    theirs, ours = tmp_path / "theirs", tmp_path / "ours"
    ours.mkdir()
    subprocess.run([own / "repairwheel", "-l", libraries, "-o", theirs, path], check=True)
    done = fix(path, ours, bundle=True, target=Target(macos="26"))
    assert done.inputs[0].outcome is RepairOutcome.REPAIRED
    assert loads_of(next(theirs.iterdir())) == loads_of(ours / path.name)


def loads_of(path: Path) -> list[list[tuple[str, str]]]:
    return [
        [
            (load.dylib.name, result.images[load.to].path.partition("site-packages")[2] or load.dylib.name)
            for load in result.loads
            if load.to is not None
        ]
        for result in resolve([path], target=Target(macos="26")).results
    ]
