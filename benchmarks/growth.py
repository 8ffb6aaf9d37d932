"""How cost grows with images (depth, width, both), run paths, symbols and releases; on files that are made up."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from attrs import frozen

from benchmarks.measure import FailedError, task_cost
from machochain.dyld.profile import PROFILES
from tests.factory import macho
from tests.factory.macho import Import

# Intel's code needs no signature, whose hashes a file with holes would not have.
dylib = partial(macho.dylib, arch="x86_64", signed=False)
executable = partial(macho.executable, arch="x86_64", signed=False)

COUNTS = (1, 10, 100, 1000, 10_000)


@frozen
class Point:
    """The cost of resolving one program.

    Attributes:
        size: Images; of `run_paths` run paths times libraries.
        seconds: CPU time.
        peak: Memory, MB.
    """

    size: int
    seconds: float
    peak: float


def _write(path: Path, data: bytes) -> None:
    """Write a file whose code is a hole: ten thousand of them take little room."""
    path.write_bytes(data[: 32 + int.from_bytes(data[20:24], "little")])
    os.truncate(path, len(data))


def depth(folder: Path, count: int) -> int:
    """Make a program and libraries that each need the next; return how many images are loaded."""
    _write(folder / "program", executable(*["@loader_path/lib0.dylib"][: count - 1]))
    for number in range(count - 1):
        needs = [f"@loader_path/lib{number + 1}.dylib"] if number < count - 2 else []
        _write(folder / f"lib{number}.dylib", dylib(f"/x/lib{number}.dylib", *needs))
    return count


def width(folder: Path, count: int) -> int:
    """Make a program that needs all libraries itself; return how many images are loaded."""
    _write(folder / "program", executable(*[f"@loader_path/lib{n}.dylib" for n in range(count - 1)]))
    for number in range(count - 1):
        _write(folder / f"lib{number}.dylib", dylib(f"/x/lib{number}.dylib"))
    return count


def layers(folder: Path, count: int) -> int:
    """Make layers of a hundred libraries that the first of the layer above needs; return how many are loaded."""
    for start in range(0, count, 100):
        size = min(100, count - start)
        names = [f"@loader_path/lib{n}.dylib" for n in range(start + 1, min(start + size + 1, count))]
        name = folder / ("program" if start == 0 else f"lib{start}.dylib")
        _write(name, executable(*names) if start == 0 else dylib(f"/x/{start}", *names))
        for number in range(start + 1, start + size):
            _write(folder / f"lib{number}.dylib", dylib(f"/x/lib{number}.dylib"))
    return count


def run_paths(folder: Path, count: int) -> int:
    """Make a program whose libraries are found by the last of as many run paths; return how many are loaded."""
    side = max(1, int(count**0.5))
    names = [f"@rpath/lib{n}.dylib" for n in range(side)]
    paths = [*[f"@loader_path/no{n}" for n in range(side - 1)], "@loader_path"]
    _write(folder / "program", executable(*names, rpaths=paths))
    for number in range(side):
        _write(folder / f"lib{number}.dylib", dylib(f"@rpath/lib{number}.dylib"))
    return side + 1


def symbols(folder: Path, count: int) -> int:
    """Make a program that binds as many symbols of one library; return how many images are loaded."""
    names = [f"_symbol{n}" for n in range(count)]
    imports = [Import(name, ordinal=1) for name in names]
    data = executable("@loader_path/lib.dylib", imports=imports)
    (folder / "program").write_bytes(data)
    (folder / "lib.dylib").write_bytes(dylib("/x/lib.dylib", exports=names))
    return 2


RELEASES = tuple(dict.fromkeys(version for p in PROFILES for version in (p.since, p.last)))
"""The first and the last release of each generation of dyld."""


def releases(folder: Path, count: int) -> int:
    """Make a program with a hundred libraries that is looked at on as many releases, as far as there are so many."""
    (folder / "releases").write_text("\n".join(map(str, RELEASES[-count:])))
    return width(folder, 100)


SHAPES: dict[str, Callable[[Path, int], int]] = {
    "depth: each needs the next": depth,
    "width: the program needs all": width,
    "layers of 100": layers,
    "run paths by libraries": run_paths,
    "symbols of one library": symbols,
    "releases, 100 images": releases,
}
OWN_COUNTS = {"releases, 100 images": (1, 2, 5, 10, len(RELEASES))}
"""Sizes of the shapes that cannot grow as others do."""


def measure(counts: tuple[int, ...], times: int) -> dict[str, list[Point]]:
    """Return the cost of each shape by its size.

    Raises:
        FailedError: A program was not resolved, or not all of its libraries were found.
    """
    found: dict[str, list[Point]] = {}
    for shape, make in SHAPES.items():
        for size in OWN_COUNTS.get(shape, counts):
            with tempfile.TemporaryDirectory() as name:
                images = make(Path(name), size)
                cost = task_cost("program", Path(name), times if size < 1000 else min(times, 2))
            if cost.count != images:
                raise FailedError(f"{shape}: {cost.count} of {images} images are loaded")
            found.setdefault(shape, []).append(Point(size, cost.seconds, cost.peak))
    return found


def table(grown: dict[str, list[Point]]) -> str:
    """Return the points as a table in Markdown."""
    by_size = {shape: {point.size: point for point in points} for shape, points in grown.items()}
    lines = ["| size | " + " | ".join(grown) + " |", "|---:|" + "---:|" * len(grown)]
    for size in sorted({size for points in by_size.values() for size in points}):
        points = [by_size[shape].get(size) for shape in grown]
        cells = [f"{point.seconds:.4f} s, {point.peak:.0f} MB" if point is not None else "" for point in points]
        lines.append(f"| {size:,} | " + " | ".join(cells) + " |")
    return "\n".join(lines)
