"""What lies in a folder or an archive and was not looked at is told, and counts where one is strict."""

from __future__ import annotations

from pathlib import Path

import pytest

import machochain
from machochain.model.arch import Arch
from tests.cli.running import run
from tests.factory import MachO, executable, fat
from tests.findings.audited import write_tree, zipped
from tests.findings.golang_cases import ar
from tests.findings.scenes import exe


def passed_over(path: Path) -> list[tuple[str, str]]:
    return [(Path(each.path).name, each.kind.value) for each in machochain.audit(path).passed_over]


@pytest.mark.parametrize("packed", [False, True])
def test_a_mach_o_file_whose_header_is_cut_is_told(tmp_path: Path, packed: bool) -> None:
    files = {"tool": exe(), "cut": exe()[:20]}
    where = tmp_path / ("in.zip" if packed else "in")
    if packed:
        where.write_bytes(zipped(files))
    else:
        write_tree(where, files)
    assert [kind for _, kind in passed_over(where)] == ["damaged-file"]
    for command, more in (("audit", ["--no-config"]), ("resolve", [])):
        done = run(command, *more, str(where), "--strict")
        assert done.returncode == 3, done.stdout + done.stderr
        assert "1 damaged Mach-O file" in " ".join(done.stdout.split())
        assert "cut: " in done.stdout


def test_static_libraries_in_a_package_are_not_damaged(tmp_path: Path) -> None:
    archs = [Arch.named("arm64"), Arch.named("x86_64")]
    both = fat([ar(("a.o", MachO(file_type=1, arch=arch).bytes())) for arch in archs], archs=archs)
    write_tree(tmp_path, {"tool": exe(), "libx.a": both})
    assert passed_over(tmp_path) == []
    (tmp_path / "x.zip").write_bytes(zipped({"tool": exe(), "libx.a": both, "liby.a": ar(("a.o", b"x" * 64))}))
    assert passed_over(tmp_path / "x.zip") == []


def test_links_that_lead_out_of_a_folder_are_told_where_they_hide_something(tmp_path: Path) -> None:
    write_tree(tmp_path / "out", {"bad": executable("@rpath/libgone.dylib"), "text": b"hello\n"})
    (tmp_path / "out" / "a.whl").write_bytes(zipped({"tool": exe()}))
    write_tree(tmp_path / "in", {"tool": exe()})
    for name, target in (
        ("bad", "../out/bad"), ("a.whl", "../out/a.whl"), ("folder", "../out"), ("text", "../out/text"),
        ("again", "tool"), ("up", "."), ("gone", "nowhere"), ("self", "self"), ("Applications", "/Applications"),
    ):  # fmt: skip
        (tmp_path / "in" / name).symlink_to(target)
    assert passed_over(tmp_path / "in") == [("a.whl", "link"), ("bad", "link"), ("folder", "link")]
    assert run("audit", "--no-config", str(tmp_path / "in"), "--strict").returncode == 3


def test_a_download_that_failed_is_no_package_and_is_told(tmp_path: Path) -> None:
    files = {
        "a.whl": b"",
        "b.whl": b"<html>Not Found</html>\n",
        "c.dmg": bytes(range(256)) * 4,
        "notes": b"",
        "tool": exe(),
    }
    write_tree(tmp_path / "in", files)
    report = machochain.audit(tmp_path / "in")
    told = {Path(each.path).name: each.reason for each in report.passed_over}
    assert told == {
        "a.whl": "is no archive but empty",
        "b.whl": "is no archive but text",
        "c.dmg": "is no archive that is known",
    }
    assert run("audit", "--no-config", str(tmp_path / "in"), "--strict").returncode == 3


@pytest.mark.parametrize("left", [40, 300, 0.5, -1])
def test_a_member_of_a_static_library_that_is_cut_itself_counts(tmp_path: Path, left: float) -> None:
    whole = MachO(file_type=1, exports=["_b"]).bytes()
    cut = whole[: int(len(whole) * left) if left == 0.5 else int(left)]
    (tmp_path / "x.a").write_bytes(ar(("a.o", whole), ("b.o", cut)))
    done = run("audit", "--no-config", str(tmp_path / "x.a"), "--strict")
    assert done.returncode == 3
    assert "b.o" in done.stdout
    assert "unreadable part of a static library" in " ".join(done.stdout.split())
