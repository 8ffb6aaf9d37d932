"""Folders, zips, wheels and tars are written anew with some files replaced; everything else is the same bytes."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import os
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest

from machochain.repair import wheels
from machochain.repair.containers import open_container
from machochain.repair.obstacle import ObstacleKind, RepairError
from machochain.world.archives.opening import is_artifact

DATE = (2021, 3, 4, 5, 6, 8)


def zipped(path: Path, members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED, comment: bytes = b"") -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            info = zipfile.ZipInfo(name, DATE)
            info.compress_type = method
            info.external_attr = 0o100755 << 16
            archive.writestr(info, data)
        archive.comment = comment
    return path


def rewritten(path: Path, changed: dict[str, bytes]) -> Path:
    out = path.with_name(f"new-{path.name}")
    open_container(path, None if path.is_dir() else is_artifact(path)).write(out, changed)
    return out


def raw_members(path: Path) -> dict[str, tuple[Any, ...]]:
    data = path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        return {
            i.filename: (
                i.date_time, i.compress_type, i.external_attr, i.CRC, i.extra,
                data[i.header_offset : i.header_offset + 30 + len(i.filename) + i.compress_size],
            )
            for i in archive.infolist()
        }  # fmt: skip


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_members_that_did_not_change_are_the_same_packed_bytes(tmp_path: Path, method: int) -> None:
    members = {f"dir/{n}": os.urandom(50) * 40 for n in "abc"}
    old = zipped(tmp_path / "a.zip", members, method, b"a comment")
    new = rewritten(old, {"dir/b": b"other"})
    before, after = raw_members(old), raw_members(new)
    assert list(before) == list(after)
    assert all(before[n] == after[n] for n in ("dir/a", "dir/c"))
    assert before["dir/b"][:3] == after["dir/b"][:3]
    with zipfile.ZipFile(new) as archive:
        assert archive.testzip() is None
        assert (archive.read("dir/b"), archive.comment) == (b"other", b"a comment")


def test_a_zip_in_which_nothing_changes_is_the_same_file(tmp_path: Path) -> None:
    old = zipped(tmp_path / "a.zip", {"a": b"1", "ä/b": b"2"})
    assert rewritten(old, {}).read_bytes() == old.read_bytes()


def test_a_streamed_zip_keeps_its_data_descriptors(tmp_path: Path) -> None:
    class Pipe(io.RawIOBase):
        def __init__(self) -> None:
            self.data = b""

        def writable(self) -> bool:
            return True

        def write(self, data: Any) -> int:
            self.data += bytes(data)
            return len(data)

    pipe = Pipe()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in "ab":
            archive.writestr(name, name.encode() * 300)
    old = tmp_path / "a.zip"
    old.write_bytes(pipe.data)
    new = rewritten(old, {"a": b"changed"})
    with zipfile.ZipFile(new) as archive:
        assert archive.testzip() is None
        assert (archive.read("a"), archive.read("b")) == (b"changed", b"b" * 300)
    assert pipe.data[pipe.data.index(b"PK\x03\x04", 4) : pipe.data.index(b"PK\x01\x02")] in new.read_bytes()


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_that_occurs_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a", b"1")
        archive.writestr("a", b"2")
    with pytest.raises(RepairError) as caught:
        rewritten(path, {"a": b"3"})
    assert caught.value.obstacle.kind is ObstacleKind.CONTAINER


def wheel(path: Path, **more: bytes) -> Path:
    files = {"pkg/__init__.py": b"", "pkg/_x.so": b"old", "pkg-1.0.dist-info/WHEEL": b"Tag: a-b-c\nTag: d-e-f\nX: y\n"}
    files |= {name.replace("__", "/").replace("_DOT_", "."): data for name, data in more.items()}
    record = "pkg-1.0.dist-info/RECORD"
    rows = [",".join(wheels.row(name, data)) for name, data in files.items()] + [f"{record},,"]
    return zipped(path, {**files, record: "\r\n".join([*rows, ""]).encode()})


def true_record(path: Path) -> bool:
    with zipfile.ZipFile(path) as archive:
        (name,) = (n for n in archive.namelist() if n.endswith("/RECORD"))
        rows = list(csv.reader(io.StringIO(archive.read(name).decode())))
        told = {row[0]: row[1:] for row in rows}
        for member in archive.namelist():
            if member.endswith("/"):
                continue
            digest = base64.urlsafe_b64encode(hashlib.sha256(archive.read(member)).digest()).rstrip(b"=").decode()
            wanted = ["", ""] if member == name else [f"sha256={digest}", str(archive.getinfo(member).file_size)]
            if told.pop(member) != wanted:
                return False
        return not told


def test_the_record_of_a_wheel_follows_and_keeps_its_order_and_line_ends(tmp_path: Path) -> None:
    old = wheel(tmp_path / "pkg-1.0-py3-none-any.whl")
    new = rewritten(old, {"pkg/_x.so": b"new", "pkg/.dylibs/libz.dylib": b"added"})
    assert true_record(new)
    with zipfile.ZipFile(old) as a, zipfile.ZipFile(new) as b:
        before, after = (z.read("pkg-1.0.dist-info/RECORD").decode() for z in (a, b))
        assert [n for n in b.namelist() if n not in a.namelist()] == ["pkg/.dylibs/libz.dylib"]
        assert b.getinfo("pkg/.dylibs/libz.dylib").date_time == DATE
    names = [line.split(",")[0] for line in before.splitlines()]
    assert [line.split(",")[0] for line in after.splitlines()] == [*names, "pkg/.dylibs/libz.dylib"]
    assert after.count("\r\n") == len(names) + 1


def test_a_wheel_whose_record_is_signed_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "pkg-1.0-py3-none-any.whl"
    old = wheel(path)
    with zipfile.ZipFile(old, "a") as archive:
        archive.writestr("pkg-1.0.dist-info/RECORD.jws", b"{}")
    with pytest.raises(RepairError) as caught:
        rewritten(old, {"pkg/_x.so": b"new"})
    assert "RECORD.jws" in caught.value.obstacle.text


def test_a_tag_is_written_one_line_each_in_the_place_of_the_old_ones() -> None:
    new = wheels.with_tag(b"Wheel-Version: 1.0\nTag: cp312-cp312-a\nBuild: 1\n", "cp312-cp312-macosx_12_0_universal2")
    assert new == b"Wheel-Version: 1.0\nTag: cp312-cp312-macosx_12_0_universal2\nBuild: 1\n"
    assert wheels.with_tag(b"Tag: x\n", "py2.py3-none-any") == b"Tag: py2-none-any\nTag: py3-none-any\n"
    assert wheels.renamed_file("a-1-cp312-abi3-macosx_11_0_arm64.whl", "macosx_13_0_arm64") == (
        "a-1-cp312-abi3-macosx_13_0_arm64.whl"
    )


@pytest.mark.parametrize("packed", ["", "gz", "bz2", "xz"])
@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT])
def test_a_tar_keeps_its_other_members_links_and_headers(tmp_path: Path, packed: str, form: int) -> None:
    path = tmp_path / f"a.tar{'.' if packed else ''}{packed}"
    mode: Any = f"w:{packed}"
    with tarfile.open(path, mode, format=form) as archive:
        for name in ("./x/a", "x/" + "long" * 20 + "/b", "x/c"):
            info = tarfile.TarInfo(name)
            info.size, info.mode, info.mtime = 700, 0o751, 1_600_000_000
            archive.addfile(info, io.BytesIO(name[-1].encode() * 700))
        link = tarfile.TarInfo("x/l")
        link.type, link.linkname = tarfile.SYMTYPE, "a"
        archive.addfile(link)
    new = rewritten(path, {"x/a": b"longer" * 300, "x/c": b""})
    with tarfile.open(path) as a, tarfile.open(new) as b:
        was, is_ = a.getmembers(), b.getmembers()
        assert [(m.name, m.mode, m.mtime, m.type, m.linkname) for m in was] == [
            (m.name, m.mode, m.mtime, m.type, m.linkname) for m in is_
        ]
        assert [m.size for m in is_] == [1800, 700, 0, 0]
        data = [f.read() for m in is_ if (f := b.extractfile(m)) is not None]
        assert data[:3] == [b"longer" * 300, b"b" * 700, b""]


def test_a_folder_keeps_links_modes_and_names_for_one_file(tmp_path: Path) -> None:
    folder = tmp_path / "a"
    (folder / "sub").mkdir(parents=True)
    (folder / "sub" / "x").write_bytes(b"old")
    (folder / "sub" / "x").chmod(0o555)
    os.link(folder / "sub" / "x", folder / "y")
    (folder / "l").symlink_to("sub/x")
    (folder / "dangling").symlink_to("/nowhere")
    new = rewritten(folder, {"sub/x": b"new"})
    assert ((new / "sub" / "x").read_bytes(), (new / "y").read_bytes(), (new / "l").read_bytes()) == (b"new",) * 3
    assert (new / "sub" / "x").stat().st_ino == (new / "y").stat().st_ino
    assert (new / "sub" / "x").stat().st_mode & 0o777 == 0o555
    assert str((new / "dangling").readlink()) == "/nowhere"
    assert (folder / "sub" / "x").read_bytes() == b"old"


def test_what_is_neither_file_nor_folder_and_what_is_setuid_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "a"
    folder.mkdir()
    os.mkfifo(folder / "pipe")
    with pytest.raises(RepairError):
        rewritten(folder, {})
    file = tmp_path / "f"
    file.write_bytes(b"x")
    file.chmod(0o4755)
    with pytest.raises(RepairError) as caught:
        open_container(file, None).read("f")
    assert caught.value.obstacle.kind is ObstacleKind.MODE
