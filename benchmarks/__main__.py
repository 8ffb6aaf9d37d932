"""``python -m benchmarks``: machochain and its peers on the same files in one run.

Only ratios within one run mean anything: CPU time depends on the machine and on what else it does. Packages are
fetched once into ``$MACHOCHAIN_BENCH_CACHE`` (default ``~/.cache/machochain-benchmarks``).
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

from attrs import asdict, frozen

from benchmarks import corpus, growth, svg, tasks

ROOT = Path(__file__).parents[1]
GREETER = ROOT / "testdata" / "hello" / "bin" / "greeter"


@frozen
class Row:
    """One measurement: CPU seconds, and the peak of the process's memory in MB."""

    what: str
    tool: str
    seconds: float
    peak: float | None


def command_cost(command: list[str], times: int) -> tuple[float, float | None]:
    """Return CPU seconds (the least of some runs) and peak memory of a command.

    Linux counts the memory of the process that started the command too: a lower peak is not seen.
    """
    best = float("inf")
    peak = 0.0
    for _ in range(times):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=ROOT)
        _, _, used = os.wait4(process.pid, 0)
        process.returncode = 0
        best = min(best, used.ru_utime + used.ru_stime)
        peak = max(peak, used.ru_maxrss / (1 << 20 if sys.platform == "darwin" else 1 << 10))
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return best, None if sys.platform != "darwin" and peak < own + 2 else peak


def task_cost(task: str, tree: Path, times: int) -> tuple[float, float] | None:
    """Return what a task costs in a process of its own; None if its tool is not installed."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.child", task, str(tree), str(times)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        print(f"{task}: {done.stderr.strip().splitlines()[-1]}", file=sys.stderr)
        return None
    found = json.loads(done.stdout.splitlines()[-1])
    return None if "absent" in found else (found["seconds"], found["peak"])


def starting(times: int) -> list[Row]:
    """Measure start-up and imports, each in a new process."""
    python = [sys.executable, "-c"]
    commands = {
        "python -c pass": [*python, "pass"],
        "import click, attrs": [*python, "import click, attrs"],
        "import machochain": [*python, "import machochain"],
        "machochain --version": [sys.executable, "-m", "machochain", "--version"],
        "machochain resolve greeter -q": [sys.executable, "-m", "machochain", "resolve", str(GREETER), "-q"],
        "import macholib.MachO": [*python, "import macholib.MachO"],
        "import lief": [*python, "import lief"],
        "import networkx": [*python, "import networkx"],
    }
    return [Row("start", name, *command_cost(command, times)) for name, command in commands.items()]


def reading(name: str, tree: Path, times: int, scratch: Path) -> list[Row]:
    """Measure everything that is done with one package."""
    files = corpus.binaries(tree)
    groups = {
        f"load commands, {name}": {
            "machochain": "headers_machochain", "read 32 kB": "floor", "macholib": "headers_macholib",
            "LIEF, quick, by path": "headers_lief",
        },
        f"imports, {name}": {"machochain": "symbols_machochain", "LIEF": "imports_lief"},
        f"exports, {name}": {"machochain": "exports_machochain", "LIEF": "exports_lief"},
        f"resolve, {name}": {
            "machochain": "resolve_machochain", "macholib's graph": "resolve_macholib", "delocate": "resolve_delocate",
            "PyInstaller": "resolve_pyinstaller",
        },
        f"audit, {name}": {"machochain": "audit_machochain"},
    }  # fmt: skip
    rows = []
    for what, tools in groups.items():
        for tool, task in tools.items():
            cost = task_cost(task, tree, times)
            if cost is not None:
                rows.append(Row(what, tool, *cost))
    commands = {
        (f"load commands, {name}", "llvm-otool -L, one call"): tasks.external("llvm-otool", "-L", *files),
        (f"imports, {name}", "llvm-nm -u, one call"): tasks.external("llvm-nm", "-u", *files),
        (f"resolve, {name}", "CMake"): tasks.external("cmake", "-P", str(tasks.cmake_script(scratch, tree))),
    }
    for (what, tool), command in commands.items():
        if command is not None:
            rows.append(Row(what, tool, *command_cost(command, 1)))
    return sorted(rows, key=lambda row: list(groups).index(row.what))


def sdk(folder: Path, name: str, times: int) -> list[Row]:
    """Measure the index of an SDK, and the catalogue that stands in for one."""
    found = []
    for tool, task in {"machochain, cold": "index_sdk", "machochain, from its cache": "index_sdk_cached"}.items():
        cost = task_cost(task, folder, times)
        if cost is not None:
            found.append(Row(f"SDK index, {name}", tool, *cost))
    return found


def table(rows: list[Row]) -> str:
    """Return rows as a table in Markdown; the ratio is to machochain's row of the same thing (start: to Python)."""
    own = {row.what: row.seconds for row in reversed(rows) if row.tool.startswith(("machochain", "python"))}
    lines = ["| what | tool | CPU s | ratio | peak MB |", "|---|---|---:|---:|---:|"]
    for row in rows:
        ratio = row.seconds / own[row.what] if own.get(row.what) else float("nan")
        peak = "" if row.peak is None else f"{row.peak:.0f}"
        lines.append(f"| {row.what} | {row.tool} | {row.seconds:.4f} | {ratio:.2f} | {peak} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--packages", nargs="*", default=[*corpus.WHEELS, *corpus.PACKAGES], metavar="NAME")
    parser.add_argument("--sdk", nargs="*", default=[], type=Path, metavar="DIR", help="real SDKs to index as well")
    parser.add_argument("--times", type=int, default=5, help="runs of which the fastest counts")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers to FILE")
    parser.add_argument("--growth", type=Path, metavar="FILE", help="measure growth and write the plot to FILE (SVG)")
    parser.add_argument("--most", type=int, default=10_000, help="images of the largest tree of --growth")
    options = parser.parse_args()
    trees = corpus.fetch(options.packages)
    rows = starting(max(options.times, 5))
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        for package, tree in trees.items():
            rows += reading(package, tree, options.times, scratch)
        made = corpus.make_sdk(scratch)
        rows += sdk(made, "made up, 1,600 stubs", options.times)
        for folder in options.sdk:
            rows += sdk(folder, folder.name, options.times)
        cost = task_cost("catalogue", scratch, options.times)
        if cost is not None:
            rows.append(Row("first symbol from the catalogue", "machochain", *cost))
    print(table(rows))
    grown = {}
    if options.growth is not None:
        grown = growth.measure(tuple(n for n in (1, 10, 100, 1000, 10_000) if n <= options.most))
        title = "CPU time to resolve one program"
        options.growth.write_text(
            svg.plot(grown, title, "images; or run paths times libraries", "seconds"), encoding="utf-8"
        )
        for shape, points in grown.items():
            print(f"\n{shape}: " + ", ".join(f"{count:,} in {seconds:.4f} s" for count, seconds in points))
    if options.json is not None:
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
        machine = {"python": platform.python_version(), "system": platform.platform(), "peak": peak}
        document = {"schema": "machochain.benchmarks/1", "machine": machine, "rows": list(map(asdict, rows))}
        options.json.write_text(json.dumps({**document, "growth": grown}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
