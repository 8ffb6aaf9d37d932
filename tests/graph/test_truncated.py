"""Files that end within a segment: dyld validates some images only, the kernel maps what it wants."""

from __future__ import annotations

from pathlib import Path

import pytest

import machochain
from machochain.model.result import Outcome, UnknownKind
from machochain.model.search import ObjectionKind
from tests.factory import dylib

HELLO = Path(__file__).parents[2] / "testdata" / "hello"


def cut(source: Path, target: Path, size: int) -> Path:
    target.write_bytes(source.read_bytes()[:size])
    return target


@pytest.mark.parametrize("macos", ["12.0", "15.0", "26.0"])
def test_a_library_cut_short_never_counts_as_fine(tmp_path: Path, macos: str) -> None:
    library = HELLO / "lib" / "libgreet.1.dylib"
    short = cut(library, tmp_path / "libgreet.1.dylib", library.stat().st_size // 2)

    report = machochain.resolve(short, target=machochain.Target(macos=macos))

    # the signature lies at the end, and arm64 code must have one
    (result,) = report.results
    assert result.launches is False


@pytest.mark.parametrize(("macos", "launches"), [("12.0", None), ("15.0", None), ("26.0", False)])
def test_of_intel_code_cut_short_the_kernel_is_not_known(tmp_path: Path, macos: str, launches: bool | None) -> None:
    library = tmp_path / "libx.dylib"
    library.write_bytes(dylib("@rpath/libx.dylib", arch="x86_64")[:-1])

    (result,) = machochain.resolve(library, target=machochain.Target(macos=macos)).results

    assert result.launches is launches
    assert any(why.kind is UnknownKind.CUT_SHORT for why in result.unknowns) is (launches is None)


def test_a_program_is_judged_by_all_it_loads(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "lib").mkdir()
    program = tmp_path / "bin" / "greeter"
    program.write_bytes((HELLO / "bin" / "greeter").read_bytes())
    library = HELLO / "lib" / "libgreet.1.dylib"
    short = cut(library, tmp_path / "lib" / "libgreet.1.dylib", library.stat().st_size - 1)

    (result,) = machochain.resolve(program, target=machochain.Target(macos="15.0")).results

    assert result.launches is False
    (load,) = [x for x in result.loads if x.outcome is Outcome.MISSING]
    kinds = {a.objection.kind for a in load.tried if str(short) == a.candidate.path}
    assert kinds == {ObjectionKind.UNSIGNED}


def test_a_whole_file_is_no_riddle() -> None:
    (result,) = machochain.resolve(HELLO / "bin" / "greeter", target=machochain.Target(macos="15.0")).results

    assert result.launches is True
