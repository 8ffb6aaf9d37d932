"""Which files an inspection covers, and what they are called."""

from __future__ import annotations

from pathlib import Path

from machochain import api
from tests.factory.macho import dylib, fat
from tests.world.archives.packing import zipped

GO = Path(__file__).parents[2] / "testdata" / "go"
LIBRARY = dylib("@rpath/libx.dylib")


def packed(path: Path, entries: dict[str, bytes]) -> str:
    return str(zipped(path, entries.items()))


def test_each_mach_o_file_and_static_library_of_a_zip_is_a_file_with_a_name_of_its_own(tmp_path: Path) -> None:
    archive = packed(
        tmp_path / "x.zip",
        {
            "b/libx.dylib": LIBRARY,
            "a/plugin": fat([LIBRARY, dylib("@rpath/libx.dylib", arch="x86_64")]),
            "lib/greet.a": (GO / "greet.a").read_bytes(),
            "readme.txt": b"text",
        },
    )
    found = api.inspect(archive)
    assert [(i.path.removeprefix(archive), i.kind) for i in found] == [
        (":a/plugin", "universal"),
        (":b/libx.dylib", "macho"),
        (":lib/greet.a", "archive"),
    ]
    assert [i.error for i in found] == [None] * 3
    image = found[1].slices[0].piece.image
    assert image is not None
    assert image.install_name == "@rpath/libx.dylib"


def test_archives_inside_an_archive_are_looked_into(tmp_path: Path) -> None:
    inner = packed(tmp_path / "inner.zip", {"libx.dylib": LIBRARY})
    outer = packed(tmp_path / "outer.zip", {"deps/inner.zip": Path(inner).read_bytes()})
    assert [i.path for i in api.inspect(outer)] == [f"{outer}:deps/inner.zip:libx.dylib"]


def test_an_archive_without_mach_o_files_is_said_to_have_none(tmp_path: Path) -> None:
    archive = packed(tmp_path / "x.zip", {"readme.txt": b"text"})
    (found,) = api.inspect(archive)
    assert (found.path, found.kind, found.error, found.archives) == (archive, "archive", None, ())


def test_a_damaged_file_in_an_archive_is_an_error_under_its_name_and_the_others_are_there(tmp_path: Path) -> None:
    archive = packed(tmp_path / "x.zip", {"cut.dylib": LIBRARY[:20], "libx.dylib": LIBRARY})
    found = {i.path: i for i in api.inspect(archive)}
    assert found[f"{archive}:libx.dylib"].error is None
    cut = found[f"{archive}:cut.dylib"]
    slices = [s.piece.image for s in cut.slices]
    assert cut.error is not None or slices == [None] or cut.slices[0].refusals


def test_deep_facts_come_only_when_asked_for(tmp_path: Path) -> None:
    archive = packed(tmp_path / "x.zip", {"libx.dylib": LIBRARY})
    (plain,) = api.inspect(archive)
    (asked,) = api.inspect(archive, deep=True)
    assert plain.slices[0].deep is None
    assert asked.slices[0].deep is not None
    assert asked.slices[0].deep.error is None
