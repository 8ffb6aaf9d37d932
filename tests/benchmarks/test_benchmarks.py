"""What the benchmarks say can be trusted: no time for nothing, no memory of others, growth of what was made."""

from __future__ import annotations

import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from benchmarks import __main__ as program
from benchmarks import corpus, growth, results, svg, tasks
from benchmarks.__main__ import Bench, Group
from benchmarks.growth import Point
from benchmarks.measure import Cost, FailedError, command_cost, task_cost
from benchmarks.results import Row, Run
from tests.factory import dylib, executable, fat

PYTHON = [sys.executable, "-I", "-S", "-c"]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A program, a library of two slices it loads, one that nothing loads, and a file that is none."""
    root = tmp_path / "tree"
    root.mkdir()
    libc = "/usr/lib/libSystem.B.dylib"
    (root / "main").write_bytes(executable("@loader_path/libboth.dylib", libc))
    slices = [dylib("@loader_path/libboth.dylib", libc, arch=arch) for arch in ("arm64", "x86_64")]
    (root / "libboth.dylib").write_bytes(fat(slices))
    (root / "libalone.dylib").write_bytes(dylib("/x/libalone.dylib", libc))
    (root / "text").write_text("none")
    return root


@pytest.mark.parametrize("task", ["headers_machochain", "headers_macholib", "headers_lief", "headers_lief_bytes"])
def test_all_readers_count_the_same_dylib_commands(task: str, tree: Path) -> None:
    work = tasks.TASKS[task](tree)
    # Three slices of libraries with their ids, and five commands that load.
    assert work.count(work.run()) == 8


@pytest.mark.parametrize("task", ["names_machochain", "resolve_machochain", "resolve_macholib"])
def test_what_resolves_counts_the_files_of_the_tree_that_something_loads(task: str, tree: Path) -> None:
    work = tasks.TASKS[task](tree)
    assert work.count(work.run()) == 1


@pytest.mark.parametrize(
    ("task", "package"), [("resolve_delocate", "delocate"), ("resolve_pyinstaller", "PyInstaller")]
)
def test_peers_of_pypi_find_the_same(task: str, package: str, tree: Path) -> None:
    pytest.importorskip(package)
    work = tasks.TASKS[task](tree)
    assert work.count(work.run()) == 1


def test_names_only_leaves_out_symbols_and_findings(tree: Path) -> None:
    results_of = [tasks.TASKS[task](tree).run() for task in ("names_machochain", "resolve_machochain")]
    bare, full = [next(r for r in found if r.path.endswith("main")) for found in results_of]
    assert [load.to for load in bare.loads] == [load.to for load in full.loads]
    assert (bare.symbols_checked, full.symbols_checked) == (False, True)


def test_every_task_is_used(tree: Path, tmp_path: Path) -> None:
    groups = [*program.groups("x", tree, tmp_path), *program.many(3)]
    used = {how for group in groups for how in group.tools.values() if isinstance(how, str)}
    assert set(tasks.TASKS) - used == {"floor", "program", "index_sdk", "index_sdk_cached", "catalogue", "yardstick"}


def test_a_task_runs_in_a_process_of_its_own(tree: Path) -> None:
    cost = task_cost("imports_machochain", tree, 1)
    assert cost.count == 0
    assert cost.peak > 1


def test_the_peak_of_a_command_is_its_own_and_its_answer_is_counted() -> None:
    ballast = bytearray(96 << 20)
    small = command_cost([*PYTHON, "print('a'); print('b')"], 1, lambda printed: len(printed.split()))
    large = command_cost([*PYTHON, "x = b'1' * (64 << 20)"], 1)
    assert len(ballast) >> 20 == 96
    assert small.peak < 40
    assert small.count == 2
    assert large.peak > 64
    assert large.count is None


def test_a_command_that_fails_has_no_cost() -> None:
    with pytest.raises(FailedError, match="exit code 3"):
        command_cost([*PYTHON, "raise SystemExit(3)"], 1)
    with pytest.raises(FailedError, match="no-such-tool"):
        command_cost(["no-such-tool"], 1)


def bench(monkeypatch: pytest.MonkeyPatch, counts: dict[str, int | None]) -> list[Row]:
    """Return the rows of tools that find so much; one of None fails."""

    def cost(task: str, tree: Path, times: int) -> Cost:
        count = counts[task]
        if count is None:
            raise FailedError("no")
        return Cost(1.0, 2.0, count)

    monkeypatch.setattr(program, "task_cost", cost)
    tools: dict[str, str | tuple[list[str], object] | None] = {name: name for name in counts}
    group = Group("x", "names", {**tools, "absent": None})  # type: ignore[dict-item]
    measured = Bench(1)
    rows = measured.rows(group, Path())
    assert measured.absent == {"absent"}
    return rows


def test_who_finds_nothing_where_others_find_something_gets_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, lazy, broken = bench(monkeypatch, {"machochain": 5, "lazy": 0, "broken": None})
    assert (ours.seconds, ours.note) == (1.0, "")
    assert (lazy.seconds, lazy.note) == (None, "answers nothing")
    assert (broken.seconds, broken.note) == (None, "fails: no")


def test_nothing_is_an_answer_if_all_agree_and_more_than_one_was_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    assert [row.seconds for row in bench(monkeypatch, {"machochain": 0, "peer": 0})] == [1.0, 1.0]
    assert [row.seconds for row in bench(monkeypatch, {"machochain": 0})] == [None]


RUN = Run(
    {"python": "3.14"},
    2.0,
    (
        Row("read", "machochain", 1.0, 10.0, 7, "names"),
        Row("read", "peer", 3.0, 20.0, 8, "names"),
        Row("read", "lazy", None, 20.0, 0, "names", "answers nothing"),
    ),
    {"depth": [Point(10, 1.0, 5.0)]},
    ("delocate",),
)


def test_the_table_shows_ratios_disagreement_and_why_there_is_no_time() -> None:
    assert results.table(RUN.rows).splitlines()[2:] == [
        "| read | machochain | 1.0000 | 1.00 | 10 | 7 names |",
        "| read | peer | 3.0000 | 3.00 | 20 | 8 names ≠ |",
        "| read | lazy |  |  | 20 | answers nothing |",
    ]


def test_what_is_written_can_be_read_and_compared(tmp_path: Path) -> None:
    file = tmp_path / "old.json"
    file.write_text(results.dump(RUN), encoding="utf-8")
    old = results.load(file)
    assert old == RUN
    rows = (
        Row("read", "machochain", 1.0, 5.0, 8, "names"),
        Row("read", "peer", 6.0, 20.0, 8, "names"),
        Row("read", "late", 6.0, 20.0, 8, "names"),
    )
    # The machine takes twice as long for the yardstick now: the same seconds are half the work.
    new = Run({}, 4.0, rows, {"depth": [Point(10, 4.0, 5.0)]})
    assert results.compare(old, new).splitlines()[2:] == [
        "| read | machochain | 1.00 | 1.00 | 1.00x | 0.50x | 0.50x | 7 → 8 names |",
        "| read | peer | 3.00 | 6.00 | 2.00x | 1.00x | 1.00x |  |",
        "| read | late | | 6.00 | | | | new |",
        "| read | lazy |  | | | | | gone |",
        "| depth | 10 | | | | 2.00x | 1.00x | |",
    ]


def test_another_file_is_not_compared_with(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "old.json"
    file.write_text('{"schema": "machochain.benchmarks/1"}')
    with pytest.raises(SystemExit):
        program.main(["--compare", str(file)])
    assert "holds no machochain.benchmarks/2" in capsys.readouterr().err


@pytest.mark.parametrize("shape", growth.SHAPES)
@pytest.mark.parametrize("size", [1, 10, 250])
def test_a_tree_that_is_made_up_is_loaded_whole(shape: str, size: int, tmp_path: Path) -> None:
    images = growth.SHAPES[shape](tmp_path, size)
    work = tasks.program(tmp_path)
    assert work.count(work.run()) == images


def test_a_tree_that_does_not_launch_is_not_measured(tmp_path: Path) -> None:
    (tmp_path / "program").write_bytes(executable("@loader_path/libgone.dylib"))
    work = tasks.program(tmp_path)
    with pytest.raises(ValueError, match=r"Library not loaded: @loader_path/libgone\.dylib"):
        work.count(work.run())


def test_the_plot_has_a_line_a_name_and_a_point_for_each_measurement() -> None:
    lines = {shape: [(1, 0.01), (10, 0.02), (1000, 3.0)] for shape in growth.SHAPES}
    root = ET.fromstring(svg.plot(lines, "Title", "images", "seconds"))
    space = "{http://www.w3.org/2000/svg}"
    drawn = root.findall(f"{space}polyline")
    assert len(drawn) == len(lines)
    assert len({(line.get("stroke"), line.get("stroke-dasharray")) for line in drawn}) == len(lines)
    assert len(root.findall(f"{space}circle")) == 3 * len(lines)
    texts = {text.text for text in root.iter(f"{space}text")}
    assert {*lines, "Title", "images", "seconds", "1,000", "0.01", "10"} <= texts
    _, _, wide, high = map(float, (root.get("viewBox") or "").split())
    places = [(float(dot.get("cx", "")), float(dot.get("cy", ""))) for dot in root.iter(f"{space}circle")]
    assert all(0 < x < wide and 0 < y < high for x, y in places)


def test_the_packages_are_pinned() -> None:
    assert all("==" in asked for asked in corpus.WHEELS.values())
    assert all(asked.rpartition("@")[0] for asked in corpus.PACKAGES.values())
