"""Archives as inputs of the public functions: names, places, problems, and nothing left behind."""

from __future__ import annotations

import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from machochain import InputError, UsageError, World, explain, resolve
from machochain.session import Session, is_archive
from tests.factory.macho import bundle, dylib, executable
from tests.world.archives.packing import LIBRARY, Link, tar, wheel, zip_bytes, zipped

SITE = "/Library/Frameworks/Python.framework/Versions/3.12/lib/python3.12/site-packages"


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Unpack into a folder that can be looked at afterwards."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture
def world(tmp_path: Path) -> World:
    (tmp_path / "root").mkdir()
    return World(root=tmp_path / "root")


def release(path: Path) -> Path:
    """A program that finds one library beside it and another one not at all."""
    return zipped(
        path,
        [
            ("bin/tool", executable("@executable_path/../lib/libfound.dylib", "@executable_path/../lib/libgone.dylib")),
            ("lib/libfound.dylib", dylib("@rpath/libfound.dylib")),
            ("lib/libalone.dylib", dylib("@rpath/libalone.dylib")),
            ("lib/liblink.dylib", Link("libfound.dylib")),
        ],
    )


def test_files_of_an_archive_are_called_after_it_and_stand_at_its_place(
    tmp_path: Path, scratch: Path, world: World
) -> None:
    path = release(tmp_path / "tool-1.zip")
    report = resolve([path], world=world)
    place = "/Users/user/Downloads/tool-1"
    assert [(result.input, result.path) for result in report.results] == [
        (f"{path}:bin/tool", f"{place}/bin/tool"), (f"{path}:lib/libalone.dylib", f"{place}/lib/libalone.dylib"),
    ]  # fmt: skip
    assert report.errors == ()
    tool = report.results[0]
    assert [image.path for image in tool.images if image.path.startswith("/Users")] == [
        f"{place}/bin/tool", f"{place}/lib/libfound.dylib",
    ]  # fmt: skip
    assert tool.launches is False
    assert f"tried: '{place}/lib/libgone.dylib' (no such file)" in str(tool.message)
    assert list(scratch.iterdir()) == []


def test_an_archive_may_be_placed(tmp_path: Path, scratch: Path, world: World) -> None:
    path = release(tmp_path / "x.zip")
    placed = World(root=world.root, at="/opt/tool")
    assert resolve(path, world=placed).results[0].path == "/opt/tool/bin/tool"
    with pytest.raises(UsageError, match="--at"):
        resolve([path, release(tmp_path / "y.zip")], world=placed)
    assert list(scratch.iterdir()) == []


def test_wheels_for_two_platforms_are_macs_of_their_own(tmp_path: Path, scratch: Path, world: World) -> None:
    wheels = [wheel(tmp_path / f"{arch}.whl", {"pkg/a.so": bundle(arch=arch)}) for arch in ("arm64", "x86_64")]
    expected = [(f"{path}:pkg/a.so", f"{SITE}/pkg/a.so", path.stem) for path in wheels]
    for executor in (None, ThreadPoolExecutor(2)):
        report = resolve(wheels, world=world, executor=executor)
        assert [(result.input, result.path, result.arch) for result in report.results] == expected
    assert list(scratch.iterdir()) == []


def test_what_an_archive_does_not_hold_is_unknown_where_others_put_things(tmp_path: Path, world: World) -> None:
    needing = bundle("@loader_path/../torch/lib/libtorch.dylib")
    lacking = bundle("@loader_path/.dylibs/libz.dylib")
    path = wheel(tmp_path / "x.whl", {"pkg/__init__.py": b"", "pkg/needing.so": needing, "pkg/lacking.so": lacking})
    found = {result.path.rpartition("/")[2]: result.launches for result in resolve(path, world=world).results}
    assert found == {"needing.so": None, "lacking.so": False}


def test_an_archive_in_a_release_is_looked_into(tmp_path: Path, world: World) -> None:
    inner = zip_bytes([("libx.dylib", LIBRARY)])
    path = tar(tmp_path / "all.tar", [("inner.zip", inner), ("liby.dylib", dylib("@rpath/liby.dylib"))])
    report = resolve(path, world=world)
    assert [result.input for result in report.results] == [f"{path}:liby.dylib", f"{path}:inner.zip:libx.dylib"]


def test_archives_in_a_folder_are_inputs_of_their_own(tmp_path: Path, world: World) -> None:
    (tmp_path / "dist").mkdir()
    release(tmp_path / "dist" / "x.zip")
    (tmp_path / "dist" / "libx.dylib").write_bytes(LIBRARY)
    report = resolve(tmp_path / "dist", world=World(root=world.root, at="/dist"))
    archive = resolve(tmp_path / "dist" / "x.zip", world=World(root=world.root))
    assert report.results[0].path == "/dist/libx.dylib"
    assert report.results[1:] == archive.results


def test_an_archive_that_cannot_be_read_does_not_hide_the_others(tmp_path: Path, scratch: Path, world: World) -> None:
    bad = tmp_path / "bad.zip"
    bad.write_bytes(b"PK\x03\x04 and no more")
    good = release(tmp_path / "good.zip")
    report = resolve([bad, good], world=world)
    assert len(report.results) == 2
    (error,) = report.errors
    assert error.path == str(bad)
    assert list(scratch.iterdir()) == []


def test_problems_of_an_archive_are_errors_of_the_report(tmp_path: Path, world: World) -> None:
    path = tar(tmp_path / "x.tar", [("../out", LIBRARY), ("libx.dylib", LIBRARY)])
    report = resolve(path, world=world)
    assert [(error.path, error.part) for error in report.errors] == [(str(path), "../out")]
    assert [result.input for result in report.results] == [f"{path}:libx.dylib"]


def test_a_session_keeps_the_folder_until_it_is_closed(tmp_path: Path, scratch: Path, world: World) -> None:
    path = release(tmp_path / "x.zip")
    with Session.open([path], world) as session:
        (artifact,) = session.artifacts
        assert Path(artifact.folder).is_dir()
    assert list(scratch.iterdir()) == []
    with pytest.raises((InputError, UsageError)):
        Session.open([path, tmp_path / "absent"], world)
    assert list(scratch.iterdir()) == [], "also when it could not be opened"


def test_explain_reads_archives(tmp_path: Path, world: World) -> None:
    path = release(tmp_path / "x.zip")
    (found,) = explain(path, "libgone.dylib", world=world)
    assert found.result.input == f"{path}:bin/tool"


def test_binaries_and_folders_are_no_archives(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(LIBRARY)
    assert [is_archive(path) for path in (tmp_path / "x", tmp_path, tmp_path / "absent")] == [False] * 3
    assert is_archive(release(tmp_path / "y"))
