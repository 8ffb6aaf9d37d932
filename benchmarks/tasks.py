"""One thing that is measured, done by one tool; each runs in a process of its own (`benchmarks.child`)."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.corpus import binaries

Task = Callable[[], object]
"""What is timed; all that may be prepared is done before."""

FLOOR = 32 << 10


def floor(tree: Path) -> Task:
    files = binaries(tree)

    def run() -> None:
        for path in files:
            fd = os.open(path, os.O_RDONLY)
            os.pread(fd, FLOOR, 0)
            os.close(fd)

    return run


def headers_machochain(tree: Path) -> Task:
    from machochain.macho.reader import read_file

    files = binaries(tree)
    return lambda: [len(read_file(path).slices) for path in files]  # type: ignore[arg-type]


def headers_macholib(tree: Path) -> Task:
    from macholib.MachO import MachO

    files = binaries(tree)
    return lambda: [len(MachO(path).headers) for path in files]


def headers_lief(tree: Path) -> Task:
    import lief

    lief.logging.disable()
    files = binaries(tree)

    def run() -> None:
        for path in files:
            file: Any = lief.MachO.parse(path, lief.MachO.ParserConfig.quick)
            for number in range(file.size):
                _ = [command.command for command in file.at(number).commands]

    return run


def _per_image(tree: Path, count: Callable[[Any, Any], int]) -> Task:
    """Sum what is counted in each image, given its header and how to read it."""
    from machochain.macho.reader import FileSource, read_source, slice_reader

    files = binaries(tree)

    def run() -> int:
        total = 0
        for path in files:
            with FileSource(path) as source:  # type: ignore[arg-type]
                for piece in read_source(source).slices:
                    if piece.image is not None:
                        total += count(piece.image, slice_reader(source, piece))
        return total

    return run


def symbols_machochain(tree: Path) -> Task:
    from machochain.macho.imports import read_imports

    return _per_image(tree, lambda image, read: len(read_imports(image, read).entries))


def exports_machochain(tree: Path) -> Task:
    from machochain.macho.exports import open_exports

    return _per_image(tree, lambda image, read: len(open_exports(image, read).all()))


def _symbols_lief(tree: Path, attribute: str) -> Task:
    import lief

    lief.logging.disable()
    files = binaries(tree)

    def run() -> int:
        count = 0
        for path in files:
            file: Any = lief.MachO.parse(path)
            for number in range(file.size):
                count += sum(1 for symbol in getattr(file.at(number), attribute) if symbol.name)
        return count

    return run


def imports_lief(tree: Path) -> Task:
    return _symbols_lief(tree, "imported_symbols")


def exports_lief(tree: Path) -> Task:
    return _symbols_lief(tree, "exported_symbols")


def resolve_machochain(tree: Path) -> Task:
    from machochain import api

    return lambda: len(api.resolve([tree]).results)


def resolve_macholib(tree: Path) -> Task:
    from macholib.MachOGraph import MachOGraph

    files = binaries(tree)

    def run() -> None:
        graph = MachOGraph()
        for path in files:
            graph.run_file(path)

    return run


def resolve_delocate(tree: Path) -> Task:
    from delocate.libsana import tree_libs_from_directory  # type: ignore[import-not-found,unused-ignore]

    return lambda: len(tree_libs_from_directory(str(tree), ignore_missing=True))


def resolve_pyinstaller(tree: Path) -> Task:
    from PyInstaller.depend.bindepend import get_imports  # type: ignore[import-untyped,unused-ignore]

    files = binaries(tree)
    return lambda: [len(get_imports(path)) for path in files]


def audit_machochain(tree: Path) -> Task:
    from machochain.auditing import audit

    return lambda: len(audit([tree]).findings)


def index_sdk(tree: Path) -> Task:
    from machochain.world.sdk_index import index

    return lambda: len(index(str(tree), cache=False).libraries)  # type: ignore[arg-type]


def index_sdk_cached(tree: Path) -> Task:
    from machochain.world.sdk_index import index

    index(str(tree))  # type: ignore[arg-type]
    return lambda: len(index(str(tree)).libraries)  # type: ignore[arg-type]


def catalogue(tree: Path) -> Task:
    from machochain.model.version import Version
    from machochain.world.catalogue import EmbeddedCatalogue

    del tree
    system = "/usr/lib/libSystem.B.dylib"
    return lambda: EmbeddedCatalogue().lookup(system, "_printf", Version.of(26))


TASKS: dict[str, Callable[[Path], Task]] = {
    f.__name__: f
    for f in (
        floor, headers_machochain, headers_macholib, headers_lief, symbols_machochain, exports_machochain, imports_lief,
        exports_lief, resolve_machochain, resolve_macholib, resolve_delocate, resolve_pyinstaller, audit_machochain,
        index_sdk, index_sdk_cached, catalogue,
    )
}  # fmt: skip


def external(tool: str, *arguments: str) -> list[str] | None:
    """Return the command line of an installed tool, newest version first; None if there is none."""
    for name in (tool, *(f"{tool}-{version}" for version in range(22, 14, -1))):
        for folder in os.get_exec_path():
            if (Path(folder) / name).is_file():
                return [name, *arguments]
    return None


def cmake_script(folder: Path, tree: Path) -> Path:
    """Write what makes CMake resolve the libraries of a tree."""
    script = folder / "resolve.cmake"
    files = "\n  ".join(f'"{path}"' for path in binaries(tree))
    script.write_text(
        'set(CMAKE_GET_RUNTIME_DEPENDENCIES_PLATFORM "macos+macho")\n'
        'set(CMAKE_GET_RUNTIME_DEPENDENCIES_TOOL "otool")\n'
        f'set(CMAKE_GET_RUNTIME_DEPENDENCIES_COMMAND "{(external("llvm-otool") or ["otool"])[0]}")\n'
        f"file(GET_RUNTIME_DEPENDENCIES LIBRARIES\n  {files}\n  RESOLVED_DEPENDENCIES_VAR found\n"
        "  UNRESOLVED_DEPENDENCIES_VAR missing CONFLICTING_DEPENDENCIES_PREFIX twice)\n"
    )
    return script


def runs(command: list[str]) -> bool:
    """Whether a command line works here."""
    try:
        done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    except OSError:
        return False
    return done.returncode == 0
