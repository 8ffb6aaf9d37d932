"""Trees and files that nobody meant well: a clear answer, the right exit code, and the other inputs still analysed."""

from __future__ import annotations

import json
import os
import shutil
import struct
import subprocess
import sys
import tracemalloc
import unicodedata
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from machochain import Report, Target, World, resolve
from machochain.findings.places import place_of
from machochain.graph import process
from machochain.graph.scenario.values import Matrix
from machochain.macho.reader import read_bytes
from machochain.macho.source import FileSource
from machochain.model.errors import InputError
from machochain.model.paths import HostPath
from machochain.model.result import Outcome, UnknownKind
from machochain.report import scenario
from machochain.report.markdown import code, prose
from machochain.tbd.reader import read
from tests.cli.running import run
from tests.factory import Import
from tests.factory.macho import MachO, dylib, executable, fat, load
from tests.world.archives.packing import wheel

GOOD = MachO().bytes()
ROOT_USER = os.geteuid() == 0


def placed(folder: Path, **files: bytes) -> Path:
    """Write files, ``good`` among them."""
    for name, data in {"good": GOOD, **files}.items():
        (folder / name).write_bytes(data)
    return folder


def resolved(folder: Path, macos: str = "26") -> Report:
    return resolve([folder], target=Target(macos=macos), world=World(root=folder.parent))


def by_name(report: Report) -> dict[str, bool | None]:
    return {result.path.rpartition("/")[2]: result.launches for result in report.results}


@contextmanager
def memory_below(most: int) -> Iterator[None]:
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < most
    finally:
        tracemalloc.stop()


def exits(code: int, *arguments: str | Path) -> str:
    done = run(*map(str, arguments))
    assert "Traceback" not in done.stderr
    assert done.returncode == code, done.stderr
    return done.stdout + done.stderr


# -- links and kinds of files --


def test_links_that_lead_in_circles_end_with_dylds_errno(tmp_path: Path) -> None:
    placed(tmp_path, program=executable("@loader_path/a", "@loader_path/self/self/self/good"))
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    (tmp_path / "self").symlink_to(".")
    report = resolved(tmp_path)
    assert by_name(report) == {"good": True, "program": False}
    failed = next(r for r in report.results if r.path.endswith("program"))
    first = failed.loads[0]
    assert first.outcome is Outcome.MISSING
    assert first.tried[0].reason.startswith("errno=62"), first.tried
    assert "incompatible" not in (failed.message or "")


def test_a_folder_that_links_to_itself_is_walked_once(tmp_path: Path) -> None:
    placed(tmp_path)
    for number in range(20):
        (tmp_path / f"again{number}").symlink_to(tmp_path, target_is_directory=True)
    assert len(resolved(tmp_path).results) == 1


def test_a_fifo_and_a_socket_in_a_tree_are_passed_over_and_refused_by_name(tmp_path: Path) -> None:
    placed(tmp_path, program=executable("@loader_path/fifo"))
    os.mkfifo(tmp_path / "fifo")
    assert by_name(resolved(tmp_path)) == {"good": True, "program": False}
    for command in ("resolve", "inspect", "audit"):
        assert "not a regular file" in exits(2, command, tmp_path / "fifo")
    assert "launches" in exits(2, "resolve", tmp_path / "fifo", tmp_path / "good")


def test_a_device_is_refused_by_name() -> None:
    for command in ("resolve", "inspect", "audit"):
        assert "not a regular file" in exits(2, command, "/dev/zero")


def test_texts_and_settings_are_read_from_files_and_descriptors_and_from_nothing_that_waits(tmp_path: Path) -> None:
    placed(tmp_path)
    os.mkfifo(tmp_path / "fifo")
    for name in (tmp_path / "fifo", "/dev/zero", tmp_path):
        for arguments in (
            ("diagnose", name),
            ("audit", tmp_path / "good", "--policy", name),
            ("audit", tmp_path / "good", "--baseline", name),
            ("sdk", "catalogue", "--add", name, "-o", tmp_path / "catalogue"),
            *([] if name is tmp_path else [("resolve", tmp_path / "good", "--sdk", name)]),
        ):
            assert f"{name}: not a regular file" in exits(2, *arguments)
    reading, writing = os.pipe()
    try:
        os.write(writing, b"dyld[1]: Library not loaded: @rpath/handed-over.dylib\n")
        os.close(writing)
        assert "handed-over.dylib" in exits(0, "diagnose", f"/dev/fd/{reading}")
    finally:
        os.close(reading)
    (tmp_path / "log").write_bytes(b"")
    os.truncate(tmp_path / "log", 8 << 30)
    with memory_below(200 << 20):
        assert "longer than" in exits(2, "diagnose", tmp_path / "log")


def test_sparse_files_of_8_gigabytes_cost_what_their_headers_cost(tmp_path: Path) -> None:
    placed(tmp_path, **{"big.dylib": dylib("@rpath/big.dylib"), "zero": b"", "fat": fat([GOOD])})
    for name in ("big.dylib", "zero", "fat"):
        os.truncate(tmp_path / name, 8 << 30)
    with memory_below(16 << 20):
        report = resolved(tmp_path)
    assert not report.errors
    assert {"good", "big.dylib", "fat"} <= set(by_name(report))
    for name in ("wheel.whl", "packed.tar.gz", "archive.a"):
        (tmp_path / name).write_bytes({"w": b"PK\x03\x04", "p": b"\x1f\x8b\x08\0", "a": b"!<arch>\n"}[name[0]])
        os.truncate(tmp_path / name, 8 << 30)
        with memory_below(64 << 20):
            assert resolve([tmp_path / name]).errors


# -- permissions, and what changes meanwhile --


def test_what_the_system_forbids_is_told_by_every_command_that_was_given_it(tmp_path: Path) -> None:
    placed(tmp_path, secret=GOOD)
    (tmp_path / "secret").chmod(0)
    (tmp_path / "closed").mkdir()
    placed(tmp_path / "closed")
    (tmp_path / "closed").chmod(0)
    unprivileged = []
    if ROOT_USER:
        if shutil.which("setpriv") is None:
            pytest.skip("nothing is forbidden to root, and nothing here takes its rights away")
        unprivileged = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]
    try:
        for words in ("resolve .", "audit . --macos 26", "diff . good --macos 26", "inspect secret good"):
            done = subprocess.run(
                [*unprivileged, sys.executable, "-m", "machochain", *words.split()],
                cwd=tmp_path, capture_output=True, check=False, text=True,
            )  # fmt: skip
            assert done.returncode == 2, done.stderr
            assert "secret: cannot be read: Permission denied" in done.stderr
            assert ("closed: cannot be read: Permission denied" in done.stderr) is not words.startswith("inspect")
            assert done.stdout
    finally:
        (tmp_path / "closed").chmod(0o755)


def test_a_directory_that_cannot_be_listed_is_told_and_the_rest_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    placed(tmp_path)
    (tmp_path / "closed").mkdir()
    scan = os.scandir

    def refusing(path: str) -> object:
        if str(path).endswith("closed"):
            raise PermissionError(13, "Permission denied", path)
        return scan(path)

    monkeypatch.setattr(os, "scandir", refusing)
    report = resolved(tmp_path)
    assert [str(error).partition("closed: ")[2] for error in report.errors] == ["cannot be read: Permission denied"]
    assert by_name(report) == {"good": True}


def test_a_file_that_vanishes_between_listing_and_reading_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    placed(tmp_path, gone=GOOD)
    opened = FileSource.__init__

    def vanishing(self: FileSource, path: HostPath) -> None:
        if path.endswith("gone"):
            (tmp_path / "gone").unlink(missing_ok=True)
        opened(self, path)

    monkeypatch.setattr(FileSource, "__init__", vanishing)
    report = resolved(tmp_path)
    assert ["No such file" in str(error) for error in report.errors] == [True]
    assert by_name(report) == {"good": True}


def test_a_directory_that_vanishes_during_the_walk_is_told_and_the_rest_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    placed(tmp_path)
    (tmp_path / "gone").mkdir()
    placed(tmp_path / "gone")
    scan = os.scandir

    def vanishing(path: str) -> object:
        if str(path).endswith("gone"):
            shutil.rmtree(tmp_path / "gone", ignore_errors=True)
        return scan(path)

    monkeypatch.setattr(os, "scandir", vanishing)
    report = resolved(tmp_path)
    assert [str(error).partition("gone: ")[2] for error in report.errors] == [
        "cannot be read: No such file or directory"
    ]
    assert by_name(report) == {"good": True}


@pytest.mark.parametrize("becomes", [b"", b"\xca\xfe\xba\xbe" + bytes(60), b"\xff" * 40_000, None], ids=range(4))
def test_a_file_that_is_another_one_when_its_symbols_are_read_gives_an_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, becomes: bytes | None
) -> None:
    library = MachO(install_name="@loader_path/lib.dylib", exports=["_one"], signed=True).bytes()
    program = MachO(loads=["@loader_path/lib.dylib"], imports=[Import("_one", 1), Import("_two", 1)]).bytes()
    placed(tmp_path, program=program, **{"lib.dylib": library})
    opened = FileSource.__init__
    times = Counter[str]()

    def changing(self: FileSource, path: HostPath) -> None:
        name = path.rpartition("/")[2]
        times[name] += 1
        if times[name] == 2 and name in {"program", "lib.dylib"}:
            (tmp_path / name).unlink()
            if becomes is not None:
                (tmp_path / name).write_bytes(becomes)
        opened(self, path)

    monkeypatch.setattr(FileSource, "__init__", changing)
    for arguments in (("resolve", tmp_path), ("audit", tmp_path, "--macos", "26")):
        for name, data in (("program", program), ("lib.dylib", library)):
            (tmp_path / name).write_bytes(data)
        times.clear()
        done = run(*map(str, arguments))
        assert done.returncode in {0, 1, 2}
        assert "Traceback" not in done.stderr
        assert ("good" if arguments[0] == "resolve" else "1 process") in done.stdout


def test_a_file_that_shrinks_while_it_is_read_gives_an_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    placed(tmp_path, shrinking=MachO(signed=True, identifier="x").bytes())
    read = FileSource.read

    def shrinking(self: FileSource, offset: int, size: int) -> bytes:
        data = read(self, offset, size)
        return data[: len(data) // 2] if offset else data

    monkeypatch.setattr(FileSource, "read", shrinking)
    report = resolved(tmp_path)
    assert not report.errors
    assert set(by_name(report)) == {"good", "shrinking"}


# -- names --


def test_names_of_64_kib_are_kept_in_json_and_refused_by_the_modelled_kernel(tmp_path: Path) -> None:
    name, run_path = "n" * 65536, "/" + "r" * 65536
    placed(tmp_path, program=executable(f"@rpath/{name}", "/" + name, rpaths=[run_path]))
    document = json.loads(exits_with_json(1, tmp_path / "program"))
    loads = document["results"][0]["loads"]
    assert {load["name"] for load in loads} >= {f"@rpath/{name}", "/" + name}
    assert loads[0]["tried"][0]["path"] == f"{run_path}/{name}"
    assert "errno=63" in loads[0]["tried"][0]["reason"]


def test_names_that_are_no_text_are_kept_in_json_and_harmless_on_a_terminal(tmp_path: Path) -> None:
    name = b"@rpath/\xff\xfe\x1b[2J<b>\r\n.dylib"
    placed(tmp_path, program=MachO(loads=[load(name)], rpaths=[b"/\xc3\x28"]).bytes())
    first = json.loads(exits_with_json(1, tmp_path / "program"))["results"][0]["loads"][0]
    assert first["name"].encode("utf-8", "surrogateescape") == name
    shown = exits(1, "resolve", tmp_path / "program")
    assert "\x1b" not in shown
    assert "\r" not in shown


def test_file_names_that_are_no_text_are_read_and_told(tmp_path: Path) -> None:
    placed(tmp_path)
    strange = os.fsencode(tmp_path) + b"/\xff\x1b[31m\n"
    with open(strange, "wb") as file:  # noqa: PTH123  # a name of bytes
        file.write(GOOD)
    report = resolved(tmp_path)
    assert sorted(os.fsencode(r.input).rpartition(b"/")[2] for r in report.results) == [b"good", b"\xff\x1b[31m\n"]
    assert "\x1b" not in exits(0, "resolve", tmp_path)


def test_a_name_ends_at_its_first_nul(tmp_path: Path) -> None:
    placed(tmp_path, program=MachO(loads=[load(b"/x/a.dylib\0/usr/lib/libz.1.dylib")]).bytes())
    (result,) = resolve([tmp_path / "program"]).results
    assert result.loads[0].dylib.name == "/x/a.dylib"


def test_names_that_differ_in_case_are_one_file_there_however_many_they_are_here(tmp_path: Path) -> None:
    placed(tmp_path, program=executable("@loader_path/LIBX.dylib"), **{"libx.dylib": dylib("x"), "Libx.dylib": b""})
    runs = [resolved(tmp_path) for _ in range(2)]
    assert runs[0].results == runs[1].results
    assert "program" in by_name(runs[0])


def test_a_name_is_found_in_either_normal_form(tmp_path: Path) -> None:
    placed(tmp_path, program=executable("@loader_path/" + unicodedata.normalize("NFD", "libé.dylib")))
    (tmp_path / unicodedata.normalize("NFC", "libé.dylib")).write_bytes(dylib("x"))
    assert by_name(resolved(tmp_path))["program"] is True


# -- numbers --


def test_ten_thousand_run_paths_are_all_tried(tmp_path: Path) -> None:
    placed(tmp_path, program=executable("@rpath/a.dylib", rpaths=[f"/r/{n}" for n in range(10_000)]))
    failed = next(r for r in resolved(tmp_path).results if r.path.endswith("program"))
    owners = [attempt.candidate.run_path for attempt in failed.loads[0].tried]
    assert {x for x in owners if x is not None} == set(range(10_000))


def test_fifty_thousand_loads_are_all_answered(tmp_path: Path) -> None:
    names = [f"/l/{n}.dylib" for n in range(100)] + ["/usr/lib/libSystem.B.dylib"] * 49_900
    placed(tmp_path, program=executable(*names))
    failed = next(r for r in resolved(tmp_path, "14").results if r.path.endswith("program"))
    assert len(failed.loads) == 50_000
    assert sum(load.outcome is Outcome.MISSING for load in failed.loads) == 100


def test_more_paths_than_anybody_waits_for_are_not_tried_and_this_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "MOST_ATTEMPTS", 500)
    program = executable(*[f"@rpath/{n}" for n in range(60)], rpaths=[f"/r/{n}" for n in range(60)])
    placed(tmp_path, program=program)
    for macos in ("11", "26"):
        failed = next(r for r in resolved(tmp_path, macos).results if r.path.endswith("program"))
        tried = sum(len(load.tried) for load in failed.loads)
        assert 300 < tried <= 500
        assert {load.outcome for load in failed.loads[20:60]} == {Outcome.UNKNOWN}
        (told,) = (each for each in failed.unknowns if each.kind is UnknownKind.GIVEN_UP)
        # The search that was broken off counts, though it is told as not looked for.
        assert tried <= int(told.values[0]) <= 500
        assert failed.launches is False


def test_what_was_not_looked_for_is_one_finding_with_its_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "MOST_ATTEMPTS", 30)
    placed(tmp_path, program=executable(*[f"/l/{n}.dylib" for n in range(1000)]))
    (failed,) = (r for r in resolved(tmp_path).results if r.path.endswith("program"))
    told = [f for f in failed.findings if f.rule.startswith("MC9")]
    unknown = [load for load in failed.loads if load.outcome is Outcome.UNKNOWN]
    assert len(unknown) > 900
    assert [f.evidence["count"] for f in told] == [len(unknown)]
    assert told[0].subject == unknown[0].dylib.name
    assert "paths were tried; the rest was not looked for" in told[0].message
    assert len(failed.findings) < 60


def test_a_scenario_of_many_libraries_compares_the_releases_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    placed(tmp_path, program=executable(*[f"/l/{n}.dylib" for n in range(200)]))
    asked: list[object] = []
    groups = scenario._groups  # what must not be done for each of the libraries

    def counted(matrix: Matrix) -> object:
        asked.append(matrix)
        return groups(matrix)

    monkeypatch.setattr(scenario, "_groups", counted)
    exits(1, "scenario", tmp_path / "program")
    assert len(asked) == 1


def test_long_names_are_read_once_by_what_looks_for_patterns_in_them() -> None:
    # Each of these took minutes where a pattern went over the name again from each of its characters.
    assert place_of("/" + "pkg/mod/" * 100_000) is None
    assert place_of("/Users/me/" + "a" * 900) is not None
    assert prose("." * 500_000 + "x/") == code("." * 500_000 + "x/")
    with pytest.raises(InputError):
        read(b"--- !tapi-tbd\nab:" + b" " * 500_000, "long.tbd")


def test_two_to_the_32_load_commands_are_a_defect_of_a_small_file() -> None:
    data = bytearray(GOOD)
    struct.pack_into("<II", data, 16, 0xFFFFFFFF, 0xFFFFFFFF)
    with memory_below(4 << 20):
        (piece,) = read_bytes(bytes(data)).slices
    assert piece.image is not None
    assert piece.image.defects


def test_a_universal_file_of_two_to_the_32_slices_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    placed(tmp_path, many=b"\xca\xfe\xba\xbf" + b"\xff" * 4 + bytes(4096))
    with memory_below(8 << 20):
        report = resolved(tmp_path)
    assert "good" in by_name(report)


def test_libraries_that_need_each_other_are_loaded_once_each(tmp_path: Path) -> None:
    count = 300
    ring = {
        f"lib{n}.dylib": dylib(
            f"@rpath/lib{n}.dylib", *[f"@loader_path/lib{(n + step) % count}.dylib" for step in (0, 1)]
        )
        for n in range(count)
    }
    placed(tmp_path, program=executable("@loader_path/lib0.dylib"), **ring)
    result = next(r for r in resolved(tmp_path).results if r.path.endswith("program"))
    assert result.launches is True
    assert len([i for i in result.images if i.identity is not None]) == count + 1


def test_a_chain_of_two_thousand_libraries_needs_no_stack(tmp_path: Path) -> None:
    count = 2000
    chain = {f"lib{n}.dylib": dylib(f"/x/{n}", f"@loader_path/lib{n + 1}.dylib") for n in range(count - 1)}
    placed(tmp_path, program=executable("@loader_path/lib0.dylib"), **chain, **{f"lib{count - 1}.dylib": dylib("/end")})
    result = next(r for r in resolved(tmp_path).results if r.path.endswith("program"))
    assert result.launches is True


def test_a_directory_a_thousand_levels_deep_is_walked(tmp_path: Path) -> None:
    placed(tmp_path)
    here = os.open(tmp_path, os.O_RDONLY)
    for _ in range(1000):
        os.mkdir("d", dir_fd=here)  # longer than any path may be
        inner = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = inner
    os.close(here)
    report = resolved(tmp_path)
    assert by_name(report) == {"good": True}
    assert all(isinstance(error, InputError) for error in report.errors)
    top, rest = tmp_path / "d", tmp_path / "e"
    while (top / "d").exists():  # pytest's own removal would need a stack as deep
        (top / "d").rename(rest)
        top.rmdir()
        rest.rename(top)


def exits_with_json(code: int, path: Path) -> str:
    done = run("resolve", str(path), "--json")
    assert done.returncode == code, done.stderr
    return done.stdout


# -- bundles and archives --


@pytest.mark.parametrize("kind", ["fifo", "sparse", "entities", "missing"])
def test_an_app_whose_property_list_is_none(tmp_path: Path, kind: str) -> None:
    contents = tmp_path / "A.app/Contents"
    (contents / "MacOS").mkdir(parents=True)
    (contents / "MacOS/A").write_bytes(executable("/gone.dylib", signed=True))
    listed = contents / "Info.plist"
    if kind == "fifo":
        os.mkfifo(listed)
    elif kind == "sparse":
        listed.touch()
        os.truncate(listed, 8 << 30)
    elif kind == "entities":
        levels = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 30))
        listed.write_text(f'<!DOCTYPE p [<!ENTITY e0 "x">{levels}]><plist><dict><key>&e29;</key></dict></plist>')
    with memory_below(100 << 20):
        done = run("audit", "--no-config", "--json", str(tmp_path / "A.app"))
    assert done.returncode in {1, 2}
    found = json.loads(done.stdout)
    assert "MC101" in {f["rule"] for f in found["findings"]}


def test_members_whose_names_mean_harm(tmp_path: Path) -> None:
    """What an archive calls its members is shown as any other name, and leads nowhere outside."""
    names = ["pkg/\x1b[2J.so", "pkg/a\nb.so", "../../up.so", "/abs.so", "pkg/" + "n" * 300 + ".so"]
    made = wheel(tmp_path / "pkg-1.2-cp312-cp312-macosx_11_0_arm64.whl", dict.fromkeys(names, GOOD))
    before = sorted(p.name for p in tmp_path.parent.iterdir())
    for form in ("text", "json", "html", "junit", "github", "sarif"):
        done = run("audit", "--no-config", "--format", form, str(made))
        assert done.returncode in {0, 1, 2}
        assert "\x1b" not in done.stdout + done.stderr
        assert "Traceback" not in done.stderr
    assert sorted(p.name for p in tmp_path.parent.iterdir()) == before
    assert not Path("/abs.so").exists()
