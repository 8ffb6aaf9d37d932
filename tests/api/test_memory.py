"""Inputs that are only in memory are looked at like files."""

from __future__ import annotations

import io
import tempfile
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest

import machochain
from machochain import Target, UsageError, World
from tests.findings.audited import zipped
from tests.findings.scenes import exe, lib

HELLO = Path(__file__).parents[2] / "testdata" / "hello"
GREETER, LIBRARY = (HELLO / "bin" / "greeter").read_bytes(), (HELLO / "lib" / "libgreet.1.dylib").read_bytes()
TREE = {"bin/greeter": GREETER, "lib/libgreet.1.dylib": LIBRARY}


def test_bytes_and_open_files_are_inputs() -> None:
    (broken,) = machochain.resolve(GREETER)
    assert (broken.input, broken.launches) == ("<bytes>", False)
    assert broken.message is not None
    assert broken.message.startswith("Library not loaded: @rpath/libgreet.1.dylib")
    assert machochain.resolve(io.BytesIO(GREETER)).results[0].input == "<stream>"
    with (HELLO / "bin" / "greeter").open("rb") as file:
        assert machochain.resolve(file).results[0].input == str(HELLO / "bin" / "greeter")
    assert machochain.resolve(memoryview(bytearray(GREETER))).results[0].loads == broken.loads


def test_a_mapping_is_one_tree() -> None:
    (found,) = machochain.resolve(TREE)
    assert (found.input, found.path, found.launches) == ("bin/greeter", "/Users/user/Downloads/input/bin/greeter", True)
    placed = machochain.resolve(TREE, world=World(at="/opt/hello"))
    assert placed.results[0].path == "/opt/hello/bin/greeter"


def test_absolute_paths_say_where_the_files_lie() -> None:
    (found,) = machochain.resolve({f"/opt/x/{path}": data for path, data in TREE.items()})
    assert [image.path for image in found.images if image.origin.value == "disk"] == [
        "/opt/x/bin/greeter",
        "/opt/x/lib/libgreet.1.dylib",
    ]
    assert found.input == "opt/x/bin/greeter"


def test_an_archive_in_memory_is_placed_as_one_on_disk(tmp_path: Path) -> None:
    data = zipped({"tool/bin/tool": exe("@rpath/libx.dylib", rpaths=["@loader_path"]), "tool/bin/libx.dylib": lib()})
    (tmp_path / "tool.zip").write_bytes(data)
    (there,) = machochain.resolve(tmp_path / "tool.zip")
    (here,) = machochain.resolve(data)
    assert here.input == "<bytes>:tool/bin/tool"
    assert here.launches is there.launches is True


def test_every_call_takes_them() -> None:
    assert machochain.inspect(GREETER)[0].path == "<bytes>"
    assert [each.path for each in machochain.inspect([GREETER, zipped({"a": LIBRARY})])] == ["<bytes>", "<bytes>:a"]
    (found,) = machochain.explain(TREE, "libgreet.1.dylib")
    assert found.image is not None
    report = machochain.audit([TREE, GREETER])
    assert [given.path for given in report.inputs] == ["<mapping>", "<bytes>"]
    assert {f.origin for f in report.findings} <= {"<mapping>", "<bytes>"}
    assert machochain.diff(GREETER, GREETER).binaries == ()
    assert machochain.scenarios(GREETER)


def test_no_temporary_name_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    for source in (
        GREETER,
        GREETER[:200],
        b"text",
        TREE,
        {"a": b"text", "bin/x": GREETER[:64]},
        zipped({"a": GREETER}),
    ):
        for found in (machochain.resolve([source]), machochain.audit([source])):
            for form in ("text", "json"):
                told = machochain.render(found, form) + " ".join(map(str, found.errors))
                assert str(tmp_path) not in told
        assert all(str(tmp_path) not in f"{each.path} {each.error}" for each in machochain.inspect([source]))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "tree",
    [
        {"../x": b""},
        {"a/../b": b""},
        {"a//b": b""},
        {"": b""},
        {"/": b""},
        {"a\0b": b""},
        {"/a": b"", "b": b""},
        {"a": b"", "a/b": b""},
        {"x" * 5000: b""},
    ],
)
def test_a_tree_that_cannot_be_is_refused(tree: dict[str, bytes]) -> None:
    with pytest.raises(UsageError):
        machochain.resolve(tree)


def test_a_text_stream_is_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="binary mode"):
        machochain.resolve(io.StringIO("x"))


def test_other_processes_get_them_too() -> None:
    with ProcessPoolExecutor(1) as pool:
        found = machochain.resolve([GREETER, TREE], executor=pool, target=Target(macos="15"))
    assert found == machochain.resolve([GREETER, TREE], target=Target(macos="15"))


def test_archives_and_foreign_files_in_a_tree_are_seen() -> None:
    broken = zipped({"tool": exe("@rpath/libgone.dylib")})
    report = machochain.audit({"dist/x.zip": broken, "linux": b"\x7fELF" + bytes(100)})
    assert [given.path for given in report.inputs] == ["<mapping>", "dist/x.zip"]
    assert [f.finding.rule for f in report.failing] == ["MC101"]
    assert [(each.path, each.kind.value) for each in report.passed_over] == [("linux", "foreign-format")]
    assert report.unexamined == ()
    resolved = machochain.resolve({"dist/x.zip": broken})
    assert (resolved.launches, resolved.unexamined) == (False, ())
    assert [each.path for each in machochain.inspect({"a/b": GREETER, "x.zip": broken})] == ["a/b", "x.zip:tool"]
    assert machochain.resolve({"a": b"text"}).unexamined == ("<mapping>",)
