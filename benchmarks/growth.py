"""How cost grows with the number of images: chains, wide trees, run paths; on files that are made up."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from machochain import api
from tests.factory.macho import dylib, executable


def _write(path: Path, data: bytes) -> None:
    """Write a file whose code is a hole: ten thousand of them take little room."""
    path.write_bytes(data[: 32 + int.from_bytes(data[20:24], "little")])
    os.truncate(path, len(data))


def chain(folder: Path, count: int) -> None:
    """A program and libraries that each need the next."""
    _write(folder / "program", executable(*["@loader_path/lib0.dylib"][: count - 1]))
    for number in range(count - 1):
        needs = [f"@loader_path/lib{number + 1}.dylib"] if number < count - 2 else []
        _write(folder / f"lib{number}.dylib", dylib(f"/x/lib{number}.dylib", *needs))


def wide(folder: Path, count: int) -> None:
    """A chain of layers of a hundred libraries that a layer's first needs."""
    for start in range(0, count, 100):
        size = min(100, count - start)
        names = [f"@loader_path/lib{n}.dylib" for n in range(start + 1, min(start + size + 1, count))]
        name = folder / ("program" if start == 0 else f"lib{start}.dylib")
        _write(name, executable(*names) if start == 0 else dylib(f"/x/{start}", *names))
        for number in range(start + 1, start + size):
            _write(folder / f"lib{number}.dylib", dylib(f"/x/lib{number}.dylib"))


def run_paths(folder: Path, count: int) -> None:
    """A program whose libraries are found by the last of as many run paths as there are libraries."""
    side = max(1, int(count**0.5))
    names = [f"@rpath/lib{n}.dylib" for n in range(side)]
    paths = [*[f"@loader_path/no{n}" for n in range(side - 1)], "@loader_path"]
    _write(folder / "program", executable(*names, rpaths=paths))
    for number in range(side):
        _write(folder / f"lib{number}.dylib", dylib(f"@rpath/lib{number}.dylib"))


SHAPES: dict[str, Callable[[Path, int], None]] = {
    "chain": chain, "layers of 100": wide, "run paths by libraries": run_paths,
}  # fmt: skip


def measure(counts: tuple[int, ...]) -> dict[str, list[tuple[int, float]]]:
    """Return for each shape (images, CPU seconds to resolve the program)."""
    found: dict[str, list[tuple[int, float]]] = {}
    for shape, make in SHAPES.items():
        for count in counts:
            with tempfile.TemporaryDirectory() as name:
                folder = Path(name)
                make(folder, count)
                seconds = []
                for _ in range(5 if count < 1000 else 2):
                    start = time.process_time()
                    (result,) = api.resolve([folder / "program"]).results
                    seconds.append(time.process_time() - start)
                assert result.launches, (shape, count, result.message)
                found.setdefault(shape, []).append((count, min(seconds)))
    return found
