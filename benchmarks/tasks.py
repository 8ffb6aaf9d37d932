"""One thing that is measured, done by one tool; each runs in a process of its own (`benchmarks.child`).

Every task tells how much it found, so that a tool that does nothing is not taken for a fast one.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from attrs import frozen

from benchmarks.corpus import binaries

FLOOR = 32 << 10
GREETER = Path(__file__).parents[1] / "testdata" / "hello" / "bin" / "greeter"


@frozen
class Work:
    """What is timed, once all that may be prepared is done, and how much its answer holds."""

    run: Callable[[], Any]
    count: Callable[[Any], int] = int


Task = Callable[[Path], Work]


def floor(tree: Path) -> Work:
    """Read as many bytes as headers have, and do nothing with them."""
    files = binaries(tree)

    def run() -> int:
        for path in files:
            fd = os.open(path, os.O_RDONLY)
            os.pread(fd, FLOOR, 0)
            os.close(fd)
        return len(files)

    return Work(run)


# Load commands: how many LC_ID_DYLIB, LC_LOAD_DYLIB and their like all slices have.


def headers_machochain(tree: Path) -> Work:
    from machochain.macho.reader import read_file

    files = binaries(tree)

    def run() -> int:
        images = (piece.image for path in files for piece in read_file(path).slices)  # type: ignore[arg-type]
        return sum(len(image.loads) + (image.install_name is not None) for image in images if image is not None)

    return Work(run)


def headers_macholib(tree: Path) -> Work:
    from macholib.mach_o import LC_ID_DYLIB
    from macholib.MachO import MachO

    files = binaries(tree)

    def run() -> int:
        count = 0
        for path in files:
            for header in MachO(path).headers:
                count += sum(1 for _ in header.walkRelocatables())
                count += sum(1 for command in header.commands if command[0].cmd == LC_ID_DYLIB)
        return count

    return Work(run)


def headers_lief(tree: Path) -> Work:
    """Let LIEF open each file; there is no setting that keeps it from reading all of it."""
    import lief

    lief.logging.disable()
    files = binaries(tree)

    def run() -> int:
        count = 0
        for path in files:
            file: Any = lief.MachO.parse(path, lief.MachO.ParserConfig.quick)
            count += sum(len(file.at(number).libraries) for number in range(file.size))
        return count

    return Work(run)


def headers_lief_bytes(tree: Path) -> Work:
    """Read the headers of each slice and give these bytes to LIEF, and no more: the least that LIEF can cost."""
    import lief

    from machochain.macho.fat import is_fat, parse_fat

    lief.logging.disable()
    files = binaries(tree)
    quick = lief.MachO.ParserConfig.quick

    def run() -> int:
        count = 0
        for path in files:
            fd = os.open(path, os.O_RDONLY)
            head = os.pread(fd, FLOOR, 0)
            for offset in [entry.offset for entry in parse_fat(head).entries] if is_fat(head) else [0]:
                data = os.pread(fd, FLOOR, offset) if offset else head
                size = 32 + int.from_bytes(data[20:24], "little")
                if size > FLOOR:
                    data = os.pread(fd, size, offset)
                file: Any = lief.MachO.parse(data[:size], quick)
                count += len(file.at(0).libraries)
            os.close(fd)
        return count

    return Work(run)


# Imports and exports: how many names all slices have.


def _per_image(tree: Path, count: Callable[[Any, Any], int]) -> Work:
    """Sum what is counted in each image, given its header and how to read it."""
    from machochain.macho.reader import read_source, slice_reader
    from machochain.macho.source import FileSource

    files = binaries(tree)

    def run() -> int:
        total = 0
        for path in files:
            with FileSource(path) as source:  # type: ignore[arg-type]
                for piece in read_source(source).slices:
                    if piece.image is not None:
                        total += count(piece.image, slice_reader(source, piece))
        return total

    return Work(run)


def imports_machochain(tree: Path) -> Work:
    from machochain.macho.imports import read_imports

    return _per_image(tree, lambda image, read: len({entry.name for entry in read_imports(image, read).entries}))


def exports_machochain(tree: Path) -> Work:
    from machochain.macho.exports import open_exports

    return _per_image(tree, lambda image, read: len(open_exports(image, read).all()))


def _symbols_lief(tree: Path, attribute: str) -> Work:
    import lief

    lief.logging.disable()
    files = binaries(tree)

    def run() -> int:
        count = 0
        for path in files:
            file: Any = lief.MachO.parse(path)
            for number in range(file.size):
                count += len({symbol.name for symbol in getattr(file.at(number), attribute)})
        return count

    return Work(run)


def imports_lief(tree: Path) -> Work:
    return _symbols_lief(tree, "imported_symbols")


def exports_lief(tree: Path) -> Work:
    return _symbols_lief(tree, "exported_symbols")


# Resolve: which files of the tree something loads.


def names_machochain(tree: Path) -> Work:
    """Follow names as peers do: no symbols, no findings."""
    from machochain.graph.resolve import Target
    from machochain.session import Session, resolve_inputs
    from machochain.world.placement import World

    class NamesOnly(Session):
        stages = ()

    def run() -> list[Any]:
        with NamesOnly.open([tree], World()) as session:
            return list(resolve_inputs(session, Target(), []))

    return Work(run, lambda results: _loaded(tree, _machochain_paths(results)))


def resolve_machochain(tree: Path) -> Work:
    from machochain import api

    return Work(lambda: api.resolve([tree]).results, lambda results: _loaded(tree, _machochain_paths(results)))


def _machochain_paths(results: Any) -> Iterator[str]:
    return (str(r.images[x.to].host) for r in results for x in r.loads if x.to is not None and r.images[x.to].host)


def _loaded(tree: Path, paths: Iterator[str]) -> int:
    """Count the files below a tree among some paths."""
    top = os.path.join(os.path.realpath(tree), "")  # noqa: PTH118 - a Path has no slash at its end
    return sum(1 for path in {os.path.realpath(path) for path in paths} if path.startswith(top))


def resolve_macholib(tree: Path) -> Work:
    from macholib.MachOGraph import MachOGraph

    files = binaries(tree)

    def run() -> Any:
        graph = MachOGraph()
        for path in files:
            graph.run_file(path)
        return graph

    def paths(graph: Any) -> Iterator[str]:
        # The graph itself refers to each file it was given.
        edges = (graph.graph.describe_edge(edge) for edge in graph.graph.edge_list())
        return (tail for _, _, head, tail in edges if head != graph.graphident)

    return Work(run, lambda graph: _loaded(tree, paths(graph)))


def resolve_delocate(tree: Path) -> Work:
    """Let delocate analyse a folder as it does before it copies libraries; it calls ``otool`` for each file."""
    from delocate.libsana import tree_libs_from_directory  # type: ignore[import-not-found,unused-ignore]

    from benchmarks.scorecard.tools import apple_names, otool

    if otool() is None:
        raise ImportError("delocate needs otool or llvm-otool")

    def run() -> Any:
        with apple_names():
            return tree_libs_from_directory(str(tree), ignore_missing=True)

    return Work(run, lambda found: _loaded(tree, iter(found)))


def resolve_pyinstaller(tree: Path) -> Work:
    """Let PyInstaller look at each file as it does on a Mac; elsewhere the public function asks ``ldd``."""
    from PyInstaller.depend import bindepend  # type: ignore[import-not-found,import-untyped,unused-ignore]

    files = binaries(tree)

    def run() -> list[str]:
        own, sys.executable = sys.executable, str(GREETER)  # it reads the run paths of Python, a Mach-O file there
        try:
            found = [bindepend._get_imports_macholib(path, None) for path in files]  # noqa: SLF001 - see above
        finally:
            sys.executable = own
        return [path for imports in found for _, path in imports if path is not None]

    return Work(run, lambda found: _loaded(tree, iter(found)))


def program(tree: Path) -> Work:
    """Resolve the program of a tree that is made up, on the newest release or on those the tree names."""
    from machochain import api
    from machochain.graph.resolve import Target

    named = tree / "releases"
    target = Target(macos=named.read_text().split()) if named.exists() else Target()

    def count(report: Any) -> int:
        for result in report.results:
            if not result.launches:
                raise ValueError(f"it does not launch: {result.message}")
        return sum(1 for image in report.results[0].images if image.host is not None)

    return Work(lambda: api.resolve([tree / "program"], target=target), count)


# The rest has no peer.


def audit_machochain(tree: Path) -> Work:
    from machochain.auditing import audit

    return Work(lambda: audit([tree]), lambda report: len(report.binaries))


def audit_releases(tree: Path) -> Work:
    """Audit on every generation of dyld from macOS 12 to 26, whatever the files' own minimum is."""
    from machochain import Target
    from machochain.auditing import audit
    from machochain.dyld.profile import end_of, releases
    from machochain.model.version import Version

    target = Target(macos=tuple(releases(Version.of(12), end_of(Version.of(26)))))
    return Work(lambda: audit([tree], target=target), lambda report: len(report.binaries))


def audit_apart(tree: Path) -> Work:
    """Audit the same files, each an input of its own."""
    from machochain.auditing import audit

    files = binaries(tree)
    return Work(lambda: audit(files), lambda report: len(report.binaries))


def resolve_apart(tree: Path) -> Work:
    from machochain import api

    files = binaries(tree)
    return Work(lambda: api.resolve(files), lambda report: len(report.results))


def resolve_folder(tree: Path) -> Work:
    from machochain import api

    return Work(lambda: api.resolve([tree]), lambda report: len(report.results))


def index_sdk(tree: Path) -> Work:
    from machochain.world.system.sdk_index import index

    return Work(lambda: index(str(tree), cache=False), lambda found: len(found.libraries))  # type: ignore[arg-type]


def index_sdk_cached(tree: Path) -> Work:
    from machochain.world.system.sdk_index import index

    kept = tempfile.TemporaryDirectory()
    os.environ["XDG_CACHE_HOME"] = kept.name
    index(str(tree))  # type: ignore[arg-type]

    def count(found: Any) -> int:
        kept.cleanup()
        return len(found.libraries)

    return Work(lambda: index(str(tree)), count)  # type: ignore[arg-type]


def catalogue(tree: Path) -> Work:
    from machochain.model.version import Version
    from machochain.world.system.catalogue import EmbeddedCatalogue

    del tree
    system = "/usr/lib/libSystem.B.dylib"
    return Work(
        lambda: EmbeddedCatalogue().lookup(system, "_printf", Version.of(26)), lambda found: int(found is not None)
    )


def yardstick(tree: Path) -> Work:
    """Work that never changes: what one run's seconds are worth in another's."""
    del tree

    def run() -> int:
        kept: dict[str, int] = {}
        for number in range(400_000):
            name = f"lib{number % 5000}.dylib"
            kept[name] = kept.get(name, 0) + len(name.split("."))
        return len(kept)

    return Work(run)


TASKS: dict[str, Task] = {
    f.__name__: f
    for f in (
        floor, headers_machochain, headers_macholib, headers_lief, headers_lief_bytes, imports_machochain, imports_lief,
        exports_machochain, exports_lief, names_machochain, resolve_machochain, resolve_macholib, resolve_delocate,
        resolve_pyinstaller, program, audit_machochain, audit_releases, audit_apart, resolve_apart, resolve_folder,
        index_sdk, index_sdk_cached, catalogue, yardstick,
    )
}  # fmt: skip


def external(tool: str, *arguments: str) -> list[str] | None:
    """Return the command line of an installed tool, newest version first; None if there is none."""
    for name in (tool, *(f"{tool}-{version}" for version in range(22, 14, -1))):
        if shutil.which(name):
            return [name, *arguments]
    return None


CMAKE = """\
set(CMAKE_GET_RUNTIME_DEPENDENCIES_PLATFORM "macos+macho")
set(CMAKE_GET_RUNTIME_DEPENDENCIES_TOOL "otool")
set(CMAKE_GET_RUNTIME_DEPENDENCIES_COMMAND "{otool}")
file(GET_RUNTIME_DEPENDENCIES LIBRARIES
  {files}
  RESOLVED_DEPENDENCIES_VAR found UNRESOLVED_DEPENDENCIES_VAR missing CONFLICTING_DEPENDENCIES_PREFIX twice)
foreach(name ${{twice_FILENAMES}})
  list(APPEND found ${{twice_${{name}}}})
endforeach()
list(JOIN found "\\n" lines)
execute_process(COMMAND "${{CMAKE_COMMAND}}" -E echo "${{lines}}")
"""


def cmake_script(folder: Path, tree: Path) -> Path:
    """Write what makes CMake resolve the libraries of a tree and print what it finds, one a line."""
    script = folder / "resolve.cmake"
    files = "\n  ".join(f'"{path}"' for path in binaries(tree))
    script.write_text(CMAKE.format(otool=(external("llvm-otool") or ["otool"])[0], files=files))
    return script


def count_dylibs(printed: str) -> int:
    """Count what ``otool -L`` shows."""
    return sum(1 for line in printed.splitlines() if line.startswith("\t"))


def count_names(printed: str) -> int:
    """Count the names ``nm -j`` shows; a file or slice has a title of its own."""
    return sum(1 for line in printed.splitlines() if line and not line.endswith(":"))


def count_loaded(tree: Path, printed: str) -> int:
    """Count the files of a tree among lines."""
    return _loaded(tree, iter(printed.splitlines()))
