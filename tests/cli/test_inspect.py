"""``machochain inspect`` on archives, and ``--deep``, as a person meets them."""

from __future__ import annotations

from pathlib import Path

from tests.cli.running import run
from tests.factory.macho import Export, Import, MachO, dylib, load
from tests.world.archives.packing import zipped

HELLO = Path(__file__).parents[2] / "testdata" / "hello"


def wheel(path: Path, entries: dict[str, bytes]) -> str:
    return str(zipped(path, entries.items()))


def test_each_file_of_a_wheel_is_shown_under_its_name_in_it(tmp_path: Path) -> None:
    path = wheel(tmp_path / "x-1-py3-none-any.whl", {"x/a.so": dylib("@rpath/a.so"), "x/b.so": dylib("@rpath/b.so")})
    done = run("inspect", path)
    assert done.returncode == 0
    assert [line.removeprefix(path) for line in done.stdout.splitlines() if line.startswith(path)] == [
        ":x/a.so  macho",
        ":x/b.so  macho",
    ]
    assert done.stdout.index("@rpath/a.so") < done.stdout.index(":x/b.so") < done.stdout.index("@rpath/b.so")


def test_a_wheel_without_binaries_says_so_and_is_no_error(tmp_path: Path) -> None:
    done = run("inspect", wheel(tmp_path / "x-1-py3-none-any.whl", {"x/__init__.py": b""}))
    assert (done.returncode, done.stderr) == (0, "")
    assert "no Mach-O file in it" in done.stdout


def test_of_a_folder_or_an_app_each_file_is_shown_and_of_an_archive_in_it(tmp_path: Path) -> None:
    app = tmp_path / "X.app" / "Contents" / "MacOS"
    app.mkdir(parents=True)
    (app / "x").write_bytes((HELLO / "bin" / "greeter").read_bytes())
    wheel(tmp_path / "x-1-py3-none-any.whl", {"x/a.so": dylib("@rpath/a.so")})
    done = run("inspect", str(tmp_path))
    assert done.returncode == 0
    shown = [line for line in done.stdout.splitlines() if line.startswith(str(tmp_path))]
    assert shown == [f"{app}/x  macho", f"{tmp_path}/x-1-py3-none-any.whl:x/a.so  macho"]
    assert run("inspect", str(tmp_path / "X.app")).stdout.splitlines()[0] == f"{app}/x  macho"


def test_a_folder_without_binaries_is_an_input_in_which_nothing_was_looked_at(tmp_path: Path) -> None:
    (tmp_path / "readme.txt").write_text("text")
    done = run("inspect", str(tmp_path))
    assert done.returncode == 2
    assert done.stderr == f"machochain: {tmp_path}: no Mach-O file in it\n"


def test_a_cut_wheel_is_an_input_that_cannot_be_read(tmp_path: Path) -> None:
    path = Path(wheel(tmp_path / "x-1-py3-none-any.whl", {"x/a.so": dylib("@rpath/a.so")}))
    path.write_bytes(path.read_bytes()[:200])
    done = run("inspect", str(path))
    assert done.returncode == 2
    assert str(path) in done.stderr
    assert "Traceback" not in done.stderr


def test_deep_groups_imports_by_library_and_lists_exports() -> None:
    done = run("inspect", "--deep", str(HELLO / "bin" / "greeter"))
    assert done.returncode == 0
    lines = [line.split(maxsplit=1) for line in done.stdout.splitlines()]
    assert ["imports", "2 from /usr/lib/libSystem.B.dylib"] in lines
    assert ["imports", "1 from @rpath/libgreet.1.dylib"] in lines
    assert ["_greeting"] in lines
    assert ["exports", "3"] in lines
    assert "disagreement" not in done.stdout


def test_deep_cuts_long_lists_unless_asked_for_more_and_names_every_scope(tmp_path: Path) -> None:
    path = tmp_path / "program"
    path.write_bytes(
        MachO(
            loads=[load("@rpath/libx.dylib")],
            imports=[*(Import(f"_s{i}", 1) for i in range(12)), Import("_f", -2), Import("_m", -1), Import("_b", 9)],
            exports=[Export("_again", reexport=(1, "_other"))],
        ).bytes()
    )
    brief, whole = run("inspect", "--deep", str(path)).stdout, run("inspect", "--deep", "-v", str(path)).stdout
    assert "and 4 more (-v)" in brief
    assert "_s11" not in brief
    assert "_s11" in whole
    for text in ("from flat lookup", "from main executable", "from library 9, which is not there"):
        assert text in brief
    assert "_again (from @rpath/libx.dylib)" in brief


def test_names_cannot_move_the_cursor(tmp_path: Path) -> None:
    path = tmp_path / "program"
    path.write_bytes(MachO(imports=[Import("_\x1b[2J", 1)], exports=[Export("_\x07")]).bytes())
    text = run("inspect", "--deep", str(path)).stdout
    assert "\x1b" not in text
    assert "\x07" not in text
    assert "_\\x1b[2J" in text


def test_what_dyld_minds_of_libraries_alone_is_no_matter_of_an_sdk(tmp_path: Path) -> None:
    (tmp_path / "tool").write_bytes(MachO(arch="x86_64").bytes()[:-1])
    (line,) = [line for line in run("inspect", str(tmp_path / "tool")).stdout.splitlines() if "beyond end" in line]
    assert line.endswith("extends beyond end of file  (of a library, not of a program)")
