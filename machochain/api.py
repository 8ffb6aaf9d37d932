"""What the commands do, as functions. Each reads like a list of steps; I/O happens in the world, words in report/."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from machochain.graph.answers import Explanation, Report
from machochain.graph.resolve import Target
from machochain.model.errors import InputError, UsageError
from machochain.model.paths import TargetPath
from machochain.model.result import Result
from machochain.session import Session, StrPath, check_place, is_archive, placed_main, resolve_inputs
from machochain.world.placement import World
from machochain.world.system.opening import open_system

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from machochain.graph.inspect import Inspection
    from machochain.graph.scenario.values import Matrix


def resolve(
    paths: Iterable[StrPath] | StrPath,
    *,
    target: Target | None = None,
    world: World | None = None,
    executor: Executor | None = None,
) -> Report:
    """Say of each binary what it loads, from where and why, what is missing, and whether it launches.

    Args:
        paths: Mach-O files, folders and archives (wheel, zip, tar, npm, conda, Homebrew bottle). In a folder or
            archive every main executable is a root, and every dylib or bundle that no root reached. Each archive is
            unpacked onto a Mac of its own, because packages for several platforms have one place.
        target: The process: releases, slice, environment and so on.
        world: The modelled Mac's files; by default this machine's own tree.
        executor: Where to work; each path is one task. Results do not depend on it.

    Raises:
        UsageError: The request makes no sense.
        InputError: No path exists. One of several that does not is among the report's errors.
    """
    chosen = [os.fspath(paths)] if isinstance(paths, (str, os.PathLike)) else [os.fspath(p) for p in paths]
    target = target or Target()
    world = world or World()
    check_place(chosen, world)
    chosen, absent = _existing(chosen)
    groups = _apart(chosen) if executor is None else [[path] for path in chosen]
    run = map if executor is None or len(groups) < 2 else executor.map
    parts = list(run(_resolve, groups, [target] * len(groups), [world] * len(groups)))
    errors = (*absent, *(e for part in parts for e in part.errors))
    return Report(tuple(r for part in parts for r in part.results), errors)


def _existing(paths: Sequence[str]) -> tuple[list[str], list[InputError]]:
    """Split what was named into what is there and why the rest is not; raise if that is all."""
    there, absent = [], []
    for path in paths:
        try:
            os.lstat(path)
        except OSError as error:
            gone = isinstance(error, FileNotFoundError)
            words = "no such file or directory" if gone else f"cannot be read: {error.strerror}"
            absent.append(InputError(words, path=path, errno=error.errno or 0))
        else:
            there.append(path)
    if absent and not there:
        raise absent[0]
    return there, absent


def _resolve(paths: Sequence[str], target: Target, world: World) -> Report:
    with Session.open(paths, world) as session:
        errors = list(session.errors)
        results = list(resolve_inputs(session, placed_main(session, target), errors))
    return Report(tuple(results), tuple(errors))


def _apart(paths: Sequence[str]) -> list[list[str]]:
    """Put each archive into a group of its own, and files and folders that follow one another into one."""
    return [
        run
        for archives, group in groupby(paths, key=is_archive)
        for run in ([[path] for path in group] if archives else [list(group)])
    ]


def explain(
    binary: StrPath, library: str, *, target: Target | None = None, world: World | None = None
) -> tuple[Explanation, ...]:
    """Say how a library is looked for: every path dyld tries, in order, with the rule behind it.

    Args:
        binary: The Mach-O file.
        library: A load path as written, a path, an install name or a leaf.
        target: The process.
        world: The modelled Mac's files.

    Returns:
        One explanation for each process and each image that asks for the library.

    Raises:
        UsageError: Nothing in any of the processes asks for such a library.
        InputError: The file cannot be read.
    """
    report = resolve([binary], target=target, world=world)
    if report.errors:
        raise report.errors[0]
    found = [e for result in report.results for e in _explanations(result, library)]
    if not found:
        known = sorted({load.dylib.name for result in report.results for load in result.loads})
        near = [name for name in known if library.lower() in name.lower()] or known
        raise UsageError(f"nothing asks for {library!r}; what is asked for: {', '.join(near[:12])}")
    return tuple(found)


def _explanations(result: Result, library: str) -> Iterator[Explanation]:
    for load in result.loads:
        image = result.images[load.to] if load.to is not None else None
        names = [load.dylib.name, load.dylib.name.rpartition("/")[2]]
        if image is not None:
            names += [image.path, image.install_name or "", image.path.rpartition("/")[2]]
        if library in names:
            ends = (result.message or "").startswith(
                (f"Library not loaded: {load.dylib.name}\n", f"Library not loaded: '{load.dylib.name}'\n")
            ) and image is None
            yield Explanation(result, load, result.images[load.source], image, result.message if ends else None)


def scenarios(
    binary: StrPath,
    *,
    contexts: Iterable[str] | str = (),
    package_directory: str | None = None,
    go: StrPath | None = None,
    target: Target | None = None,
    world: World | None = None,
) -> tuple[Matrix, ...]:
    """Say which library is found in which launch context: in place, by ``go run``, by ``go test``, installed.

    Args:
        binary: A main executable.
        contexts: Ids of contexts, ``go``, ``all``, ``install:PREFIX``, or one's own as
            ``NAME:exe=PATH,cwd=PATH,env=K=V``. By default Go's for a program made by Go, else those of any program.
        package_directory: Where the package's sources lie on the modelled Mac: the working directory of its tests.
        go: The ``go`` command that starts the program; its signature tells whether ``DYLD_`` variables get through.
        target: Releases (each a column of its own), slice, environment and working directory of the caller.
        world: The modelled Mac's files.

    Returns:
        One matrix per slice.

    Raises:
        UsageError: A context makes no sense, or the file is no main executable.
        InputError: The file cannot be read.
    """
    from machochain.graph.scenario.run import Request, read_go_command, run_scenarios
    from machochain.source.toolchain import Go

    world = world or World()
    wanted = (contexts,) if isinstance(contexts, str) else tuple(contexts)
    hop = read_go_command(os.fspath(go)) if go is not None else None
    request = Request(wanted, TargetPath(package_directory) if package_directory is not None else None, hop)
    return tuple(run_scenarios(os.fspath(binary), request, target or Target(), world, open_system(world.sdks), Go()))


def inspect(paths: Iterable[StrPath] | StrPath, *, deep: bool = False) -> tuple[Inspection, ...]:
    """Return the facts of files: load commands, versions, signature, Go build info, archive members.

    Args:
        paths: Mach-O files and static libraries; of a wheel, zip or tar each such file in it, as ``pkg.whl:dir/file``.
        deep: Whether to read symbols, imports and exports, too, with our readers and with LIEF.

    Returns:
        One inspection per file. A file that cannot be read yields an inspection with its error.
    """
    chosen = [paths] if isinstance(paths, (str, os.PathLike)) else list(paths)
    return tuple(each for path in chosen for each in _inspections(os.fspath(path), deep=deep))


def _inspections(path: str, *, deep: bool) -> list[Inspection]:
    from machochain.graph.inspect import Inspection, inspect_artifact, inspect_file

    if not is_archive(path):
        return [inspect_file(path, deep=deep)]
    from machochain.world.archives.opening import open_artifact

    try:
        with open_artifact(path) as artifact:
            return list(inspect_artifact(artifact, deep=deep))
    except InputError as error:
        return [Inspection(path, "unrecognised", error=error.at(path))]
