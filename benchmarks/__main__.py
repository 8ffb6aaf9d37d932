"""``python -m benchmarks``: machochain and its peers on the same files in one run.

Only ratios within one run mean anything: CPU time depends on the machine and on what else it does. Packages are
fetched once into ``$MACHOCHAIN_BENCH_CACHE`` (default ``~/.cache/machochain-benchmarks``). Peers that are installed
beside machochain are measured; ``pip install --group bench`` brings those of PyPI.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from attrs import Factory, define, frozen

from benchmarks import corpus, growth, results, svg, tasks
from benchmarks.measure import AbsentError, Cost, FailedError, command_cost, task_cost
from benchmarks.results import Row, Run

PACKAGES = ("machochain", "lief", "macholib", "networkx", "delocate", "pyinstaller", "click", "attrs")


@frozen
class Group:
    """What several tools do with one thing, in the order they are shown: ratios refer to the first.

    Attributes:
        what: What is done.
        unit: What is counted of the answers.
        tools: By name, a task of `benchmarks.tasks` or a command line with what counts its answer; None if that
            command is not installed.
    """

    what: str
    unit: str
    tools: dict[str, str | tuple[list[str], Callable[[str], int]] | None]


@define
class Bench:
    """Takes the measurements of one run."""

    times: int
    absent: set[str] = Factory(set)

    def rows(self, group: Group, tree: Path) -> list[Row]:
        """Measure what is installed of a group."""
        print(f"{group.what} …", file=sys.stderr, flush=True)
        found: dict[str, Cost | FailedError] = {}
        for tool, how in group.tools.items():
            try:
                found[tool] = self._cost(how, tree)
            except AbsentError:
                self.absent.add(tool)
            except FailedError as error:
                found[tool] = error
        # Nothing is an answer where all agree: a lone program loads no file of its tree.
        counts = [cost.count or 0 for cost in found.values() if isinstance(cost, Cost)]
        agreed = len(counts) > 1 and not any(counts)
        return [_row(group, tool, cost, agreed) for tool, cost in found.items()]

    def _cost(self, how: str | tuple[list[str], Callable[[str], int]] | None, tree: Path) -> Cost:
        if how is None:
            raise AbsentError
        if isinstance(how, str):
            return task_cost(how, tree, self.times)
        command, count = how
        return command_cost(command, min(self.times, 2), count)


def _row(group: Group, tool: str, cost: Cost | FailedError, agreed: bool) -> Row:
    """Return the row of a tool; what it took to find nothing is no time, unless all agree that nothing is there."""
    if isinstance(cost, FailedError):
        return Row(group.what, tool, note=f"fails: {cost}")
    if not cost.count and not agreed:
        return Row(group.what, tool, None, cost.peak, cost.count, group.unit, "answers nothing")
    return Row(group.what, tool, cost.seconds, cost.peak, cost.count, group.unit)


def starting(times: int) -> list[Row]:
    """Measure start-up and imports, each in a new process; fails if one of them does."""
    python = [sys.executable, "-c"]
    commands = {
        "python -c pass": [*python, "pass"],
        "import click, attrs": [*python, "import click, attrs"],
        "import machochain": [*python, "import machochain"],
        "machochain --version": [sys.executable, "-m", "machochain", "--version"],
        "machochain resolve greeter -q": [sys.executable, "-m", "machochain", "resolve", str(tasks.GREETER), "-q"],
        "import macholib.MachO": [*python, "import macholib.MachO"],
        "import lief": [*python, "import lief"],
        "import networkx": [*python, "import networkx"],
    }
    found = []
    for name, command in commands.items():
        cost = command_cost(command, times)
        found.append(Row("start", name, cost.seconds, cost.peak))
    return found


def groups(name: str, tree: Path, scratch: Path) -> list[Group]:
    """Return everything that is done with one package."""
    files = corpus.binaries(tree)

    def command(line: list[str] | None, count: Callable[[str], int]) -> tuple[list[str], Callable[[str], int]] | None:
        return None if line is None else (line, count)

    otool, cmake = tasks.external("llvm-otool", "-arch", "all", "-L", *files), tasks.external("cmake", "-P")
    if otool is None:
        cmake = None
    elif cmake is not None:
        cmake.append(str(tasks.cmake_script(scratch, tree)))
    undefined = tasks.external("llvm-nm", "--arch=all", "-j", "-u", *files)
    defined = tasks.external("llvm-nm", "--arch=all", "-j", "-g", "-U", *files)
    return [
        Group(f"load commands, {name}", "dylib commands", {
            "machochain": "headers_machochain",
            "LIEF, given headers only": "headers_lief_bytes",
            "LIEF, quick, by path": "headers_lief",
            "macholib": "headers_macholib",
            "llvm-otool -L, one call": command(otool, tasks.count_dylibs),
        }),
        Group(f"imports, {name}", "names", {
            "machochain": "imports_machochain",
            "LIEF": "imports_lief",
            "llvm-nm -u, one call": command(undefined, tasks.count_names),
        }),
        Group(f"exports, {name}", "names", {
            "machochain": "exports_machochain",
            "LIEF": "exports_lief",
            "llvm-nm -gU, one call": command(defined, tasks.count_names),
        }),
        Group(f"resolve, {name}", "libraries", {
            "machochain, names only": "names_machochain",
            "machochain, with symbols and findings": "resolve_machochain",
            "macholib's graph": "resolve_macholib",
            "delocate": "resolve_delocate",
            "PyInstaller": "resolve_pyinstaller",
            "CMake": command(cmake, partial(tasks.count_loaded, tree)),
        }),
        Group(f"audit, {name}", "slices", {
            "machochain": "audit_machochain",
            "machochain, macOS 12 to 26": "audit_releases",
        }),
    ]  # fmt: skip


def many(count: int) -> list[Group]:
    """Return what is done with many programs: found in one folder, and each an input of its own."""
    audits = {"machochain, in one folder": "audit_machochain", "machochain, each named": "audit_apart"}
    resolved = {"machochain, in one folder": "resolve_folder", "machochain, each named": "resolve_apart"}
    return [
        Group(f"audit, {count:,} programs", "slices", dict(audits)),
        Group(f"resolve, {count:,} programs", "processes", dict(resolved)),
    ]


def package_rows(bench: Bench, name: str, tree: Path, scratch: Path) -> list[Row]:
    """Measure everything that is done with one package, and the least that reading its headers can cost."""
    found = []
    for group in groups(name, tree, scratch):
        found += bench.rows(group, tree)
        if group.what.startswith("load commands"):
            cost = task_cost("floor", tree, bench.times)
            found.insert(1, Row(group.what, "read 32 kB and nothing else", cost.seconds, cost.peak))
    return found


def machine() -> dict[str, object]:
    """Return what was measured on, and with which versions."""
    versions = {}
    for name in PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    for tool in ("llvm-otool", "llvm-nm", "cmake"):
        command = tasks.external(tool, "--version")
        if command is not None:
            told = subprocess.run(command, capture_output=True, text=True, check=False).stdout
            versions[tool] = next((x.strip() for x in told.splitlines() if "version" in x.lower()), "")
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cores": os.cpu_count(),
        "versions": versions,
    }


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--packages", nargs="*", default=[*corpus.WHEELS, *corpus.PACKAGES], metavar="NAME")
    parser.add_argument("--sdk", nargs="*", default=[], type=Path, metavar="DIR", help="real SDKs to index as well")
    parser.add_argument("--times", type=int, default=5, help="runs of which the fastest counts")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers to FILE")
    parser.add_argument("--compare", type=Path, metavar="OLD.json", help="compare with what --json wrote before")
    parser.add_argument("--growth", type=Path, metavar="FILE", help="measure growth and write the plot to FILE (SVG)")
    parser.add_argument("--most", type=int, default=10_000, help="images of the largest tree of --growth")
    parser.add_argument("--stubs", type=int, default=1600, help="stubs of the SDK that is made up")
    parser.add_argument("--copies", type=int, default=600, help="programs that are asked about together and apart")
    options = parser.parse_args(arguments)
    if min(options.times, options.stubs, options.most, options.copies) < 1:
        parser.error("--times, --stubs, --most and --copies count from 1")
    unknown = [name for name in options.packages if name not in {**corpus.WHEELS, **corpus.PACKAGES}]
    if unknown:
        parser.error(
            f"no such package: {', '.join(unknown)}; there are {', '.join([*corpus.WHEELS, *corpus.PACKAGES])}"
        )
    try:
        old = results.load(options.compare) if options.compare else None
    except (OSError, ValueError) as error:
        parser.error(str(error))
    run = measure(options)
    print(results.table(run.rows))
    if run.absent:
        print(f"\nnot installed here: {', '.join(run.absent)}")
    if run.growth:
        print("\n" + growth.table(run.growth))
        lines = {shape: [(p.size, p.seconds) for p in points] for shape, points in run.growth.items()}
        x_name = "images, symbols or releases; for run paths by libraries, their product"
        plot = svg.plot(lines, "CPU time to resolve one program", x_name, "CPU seconds")
        options.growth.write_text(plot, encoding="utf-8")
    if old is not None:
        print("\n" + results.compare(old, run))
    if options.json is not None:
        options.json.write_text(results.dump(run), encoding="utf-8")
    own = [row for row in run.rows if row.tool.startswith("machochain") and row.note]
    for row in own:
        print(f"{row.what}: machochain {row.note}", file=sys.stderr)
    return 1 if own else 0


def measure(options: argparse.Namespace) -> Run:
    """Fetch what is asked for and measure it."""
    trees = corpus.fetch(options.packages)
    bench = Bench(options.times)
    folder = Path(tempfile.mkdtemp(prefix="machochain-benchmarks-"))
    try:
        yardstick = task_cost("yardstick", folder, 5).seconds
        rows = starting(max(options.times, 5))
        for package, tree in trees.items():
            rows += package_rows(bench, package, tree, folder)
        made = corpus.make_sdk(folder / "made", options.stubs)
        sdks = {f"made up, {options.stubs:,} stubs": made, **{sdk.name: sdk for sdk in options.sdk}}
        kinds = {"machochain, cold": "index_sdk", "machochain, from its cache": "index_sdk_cached"}
        for name, sdk in sdks.items():
            rows += bench.rows(Group(f"SDK index, {name}", "libraries", dict(kinds)), sdk)
        rows += bench.rows(Group("first symbol from the catalogue", "symbol", {"machochain": "catalogue"}), folder)
        copies = corpus.make_copies(folder / "copies", tasks.GREETER, options.copies)
        for group in many(options.copies):
            rows += bench.rows(group, copies)
        counts = tuple(n for n in growth.COUNTS if n <= options.most)
        grown = growth.measure(counts, options.times) if options.growth is not None else {}
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return Run(machine(), yardstick, tuple(rows), grown, tuple(sorted(bench.absent)))


if __name__ == "__main__":
    sys.exit(main())
