"""Files that end within a segment: dyld validates some images only, the kernel maps what it wants."""

from __future__ import annotations

import struct
import zipfile
from pathlib import Path

import pytest

import machochain
from machochain.model.coverage import PassedOverKind
from machochain.model.image import FileType
from machochain.model.result import Outcome, UnknownKind
from machochain.model.search import ObjectionKind
from tests.factory.macho import MachO, bundle, dylib, fat

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


@pytest.mark.parametrize("kind", ["dylib", "bundle"])
@pytest.mark.parametrize("macos", ["11.0", "12.0", "13.0", "15.0", "15.4", "26.0"])
def test_dyld_takes_no_slice_of_a_universal_library_that_is_cut_short(tmp_path: Path, kind: str, macos: str) -> None:
    one = dylib("@rpath/x") if kind == "dylib" else bundle()
    other = dylib("@rpath/x", arch="x86_64") if kind == "dylib" else bundle(arch="x86_64")
    whole, library = fat([other, one]), tmp_path / "x"
    library.write_bytes(whole)
    target = machochain.Target(macos=macos)
    assert {r.launches for r in machochain.resolve(library, target=target).results} == {True}

    for cut_off in (1, 200, len(one) - 4096):
        library.write_bytes(whole[:-cut_off])
        report = machochain.audit(library, target=target)
        # dyld2 looks at the slice it takes alone, all others at the whole file
        doomed = {"arm64"} if macos == "11.0" else {r.arch for r in report.results}
        assert {r.arch for r in report.results if r.launches is False} >= doomed, cut_off
        assert {f.finding.rule for f in report.findings} >= {"MC309"}
        (message,) = {f.finding.message for f in report.findings if f.finding.rule == "MC309"}
        assert "slice extends beyond end of file" in message


def test_a_slice_that_is_no_image_is_not_passed_over_in_silence(tmp_path: Path) -> None:
    for arch, place in (("x86_64", 0), ("arm64", 1)):
        whole = bytearray(fat([MachO(arch="x86_64").bytes(), MachO(arch="arm64").bytes()]))
        at = int.from_bytes(whole[8 + 20 * place + 8 : 8 + 20 * place + 12], "big")
        whole[at : at + 64] = bytes(64)
        folder = tmp_path / arch
        folder.mkdir()
        (folder / "tool").write_bytes(whole)
        (error,) = machochain.audit(folder / "tool").errors
        assert (error.part, error.reason) == (f"slice {arch}", "slice is not valid mach-o file")
        report = machochain.audit(folder)
        assert [p.path for p in report.passed_over] == [f"{folder}/tool (slice {arch})"]
        with zipfile.ZipFile(tmp_path / f"{arch}.zip", "w") as archive:
            archive.write(folder / "tool", "tool")
        report = machochain.audit(tmp_path / f"{arch}.zip")
        assert [p.path for p in report.passed_over] == [f"{tmp_path}/{arch}.zip:tool (slice {arch})"]


def test_a_slice_for_no_mac_of_today_may_hold_anything(tmp_path: Path) -> None:
    whole = bytearray(fat([MachO(arch="i386").bytes(), MachO(arch="arm64").bytes()]))
    at = int.from_bytes(whole[16:20], "big")
    whole[8:16] = (18).to_bytes(4, "big") + bytes(4)  # PowerPC
    whole[at : at + 4] = bytes.fromhex("FEEDFACE")
    (tmp_path / "tool").write_bytes(whole)
    assert machochain.audit(tmp_path / "tool").errors == ()


def test_a_universal_file_of_nothing_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "empty").write_bytes(bytes.fromhex("CAFEBABE00000000") + bytes(64))
    (tmp_path / "tool").write_bytes(MachO().bytes())
    (passed,) = machochain.audit(tmp_path).passed_over
    assert (passed.path, passed.reason) == (f"{tmp_path}/empty", "there is nothing in it")


def test_a_whole_file_is_no_riddle() -> None:
    (result,) = machochain.resolve(HELLO / "bin" / "greeter", target=machochain.Target(macos="15.0")).results

    assert result.launches is True


def test_an_archive_of_which_nothing_can_be_read_is_not_passed_over_in_silence(tmp_path: Path) -> None:
    one = MachO(arch="x86_64", file_type=FileType.MH_OBJECT, libsystem=False).bytes()
    sound = b"!<arch>\n" + b"%-16s%-32s%-10d`\n" % (b"a.o/", b"0", len(one)) + one
    damaged = b"!<arch>\n" + b"%-16s%-32s%-10s`\n" % (b"a.o/", b"0", b"no size") + one
    size = -(-len(sound) // 0x4000) * 0x4000
    head = struct.pack(">II", 0xCAFEBABE, 2)
    head += struct.pack(">5I", 0x1000007, 3, 0x4000, len(sound), 14)
    head += struct.pack(">5I", 0x100000C, 0, 0x4000 + size, len(damaged), 14)
    library = tmp_path / "libx.a"
    library.write_bytes(head.ljust(0x4000, b"\0") + sound.ljust(size, b"\0") + damaged)
    report = machochain.audit(library, target=machochain.Target(macos="26"))
    assert {result.arch for result in report.results} == {"x86_64", "arm64"}
    assert [p.kind for p in report.passed_over] == [PassedOverKind.MEMBER]
