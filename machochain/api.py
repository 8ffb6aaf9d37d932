"""What the commands do, as functions. Each reads like a list of steps; I/O happens in the world, words in report/."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from machochain.graph.answers import Explanation, Report
from machochain.graph.resolve import Target
from machochain.model.errors import InputError, UsageError
from machochain.model.paths import TargetPath
from machochain.model.result import Result
from machochain.model.value import evolve
from machochain.resolving import apart, awaited, chosen_of, joined, resolve_group
from machochain.session import StrPath, is_archive
from machochain.world.handed import (
    Handed,
    OnDisk,
    Source,
    Sources,
    called,
    handed_over,
    on_disk,
    with_archives,
)
from machochain.world.placement import World
from machochain.world.system.opening import open_system

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from machochain.graph.inspect import Inspection
    from machochain.graph.scenario.values import Matrix
    from machochain.model.diagnosis import Diagnosis
    from machochain.report.doctor import Diagnosed
    from machochain.source.program import ProgramSources
    from machochain.source.values import SourceReport


def resolve(
    paths: Sources,
    *,
    target: Target | None = None,
    world: World | None = None,
    executor: Executor | None = None,
    together: bool = False,
) -> Report:
    """Say of each binary what it loads, from where and why, what is missing, and whether it launches.

    Args:
        paths: Mach-O files, folders and archives (wheel, zip, tar, npm, conda, Homebrew bottle), by path, by address
            (``https://…``), or in memory: bytes, an open binary file, or a mapping of paths to bytes (one tree, its
            paths absolute on the modelled Mac or relative to one folder). One, or several. In a folder or archive every
            main executable is a root, and every dylib or bundle that no root reached. Each archive is unpacked onto a
            Mac of its own, because packages for several platforms have one place.
        target: The process: releases, slice, environment and so on.
        world: The modelled Mac's files; by default this machine's own tree.
        executor: Where to work; each path is one task. Results do not depend on it.
        together: Whether the inputs are laid side by side on one Mac, as packages that are installed together are.

    Raises:
        UsageError: The request makes no sense.
        InputError: No path exists. One of several that does not is among the report's errors.
    """
    handed = handed_over(paths)
    target = target or Target()
    world = world or World()
    chosen, absent = chosen_of(handed, world)
    groups = [chosen] if together else apart(chosen) if executor is None else [[each] for each in chosen]
    if executor is None or len(groups) < 2:
        parts = [resolve_group(group, target, world, together=together) for group in groups]
    else:
        futures = [executor.submit(resolve_group, group, target, world) for group in groups]
        parts = [awaited(future, group) for future, group in zip(futures, groups, strict=True)]
    return joined(chosen, absent, parts)


def explain(
    binary: Source, library: str, *, target: Target | None = None, world: World | None = None
) -> tuple[Explanation, ...]:
    """Say how a library is looked for: every path dyld tries, in order, with the rule behind it.

    Args:
        binary: The Mach-O file, as for `resolve`.
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
    binary: Source,
    *,
    contexts: Iterable[str] | str = (),
    package_directory: str | None = None,
    go: StrPath | None = None,
    source: StrPath | None = None,
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
        source: The module the program was built from: tests are those of its packages then, each in its directory, and
            run paths that the sources give hold for every build.
        target: Releases (each a column of its own), slice, environment and working directory of the caller.
        world: The modelled Mac's files.

    Returns:
        One matrix per slice.

    Raises:
        UsageError: A context makes no sense, or the file is no main executable.
        InputError: The file cannot be read.
    """
    from machochain.gomodule import texts_of
    from machochain.graph.scenario.run import ScenarioRequest, read_go_command, run_scenarios
    from machochain.source.toolchain import Go

    world = world or World()
    wanted = (contexts,) if isinstance(contexts, str) else tuple(contexts)
    hop = read_go_command(os.fspath(go)) if go is not None else None
    request = ScenarioRequest(wanted, TargetPath(package_directory) if package_directory is not None else None, hop)
    with on_disk(_single(binary)) as given:
        world, system = given.placed(world), open_system(world.sdks)
        sources = None if source is None else _sources_of(os.fspath(source), world)
        go_tool = Go(sources, texts_of(world, system))
        found = run_scenarios(given.host, request, target or Target(), world, system, go_tool)
        return tuple(evolve(matrix, input=given.name(matrix.input)) for matrix in found)


def _sources_of(directory: str, world: World) -> ProgramSources:
    from machochain.source.program import ProgramSources
    from machochain.world.placement import open_world

    def placed(path: str) -> str:
        try:
            return str(open_world(evolve(world, at=None), []).place(path))
        except UsageError:
            return path

    def read(environment: Mapping[str, str], tags: Iterable[str]) -> SourceReport:
        return examine(directory, tags=tags, target=Target(environment=environment), world=evolve(world, at=None))

    return ProgramSources(read, placed, directory)


def _single(source: Source) -> Handed:
    handed = handed_over(source)
    if len(handed) != 1:
        raise UsageError(f"one program, please, not {len(handed)}")
    return handed[0]


def examine(  # noqa: PLR0913  # each is the caller's to say
    directory: StrPath,
    *,
    goarch: Iterable[str] = ("arm64", "amd64"),
    go: str | None = None,
    tags: Iterable[str] = (),
    patterns: Iterable[str] = ("./...",),
    modcache: StrPath | None = None,
    go_list: StrPath | None = None,
    goenv: StrPath | None = None,
    snapshot: StrPath | None = None,
    binary: StrPath | None = None,
    target: Target | None = None,
    world: World | None = None,
) -> SourceReport:
    """Say what cmd/go, the compiler and the linker take for a Go module with cgo; nothing is executed.

    Args:
        directory: The module, or a directory in it.
        goarch: For which processors.
        go: The Go release, ``1.N``; by default the toolchain line of go.mod, else the newest.
        tags: Build tags.
        patterns: Which packages, as ``go list`` takes them, relative to the directory.
        modcache: The module cache.
        go_list: Output of ``go list -deps -json -e``: files and flags are Go's own then.
        goenv: The file of ``go env -w``.
        snapshot: A recorded Mac: its variables, settings, pkg-config path and listings count, too.
        binary: A program that was built from the module: where its run paths come from, and whether it is stale. Tags
            it was built with count if none are given.
        target: The release that would run the programs; its environment is that of the shell that builds.
        world: The modelled Mac's files and SDKs.

    Raises:
        UsageError: The request makes no sense.
        InputError: The directory or a named file cannot be read.
    """
    from machochain.findings.registry import of_source
    from machochain.findings.unasked import unasked
    from machochain.golang.modules import minor_of
    from machochain.golang.settings import parse_kept
    from machochain.source.disk import read_bytes
    from machochain.source.examine import SourceRequest, examine

    target, world = target or Target(), world or World()
    program = None
    if binary is not None:
        from machochain.source.built import built_tags, read_program

        program = read_program(_inspected_program(os.fspath(binary)))
        tags = tuple(tags) or built_tags(program)
    minor = None
    if go is not None:
        minor = minor_of(go)
        if minor is None:
            raise UsageError(f"a Go release reads 1.N, not {go!r}")
    kept: dict[str, str] = {}
    if goenv is not None:
        data = read_bytes(os.fspath(goenv))
        if data is None:
            raise InputError("cannot be read", path=os.fspath(goenv))
        kept = parse_kept(data.decode("utf-8", "surrogateescape"))
    request = SourceRequest(
        os.fspath(directory), tuple(goarch), minor, tuple(tags), target.environment, kept, tuple(patterns),
        None if modcache is None else os.fspath(modcache), None if go_list is None else os.fspath(go_list),
        target.macos[-1], binary=program,
    )  # fmt: skip
    if snapshot is not None:
        from machochain.gomodule import on_the_mac
        from machochain.machine.doctor import case_of
        from machochain.machine.reading import read_snapshot

        request = on_the_mac(request, case_of(read_snapshot(os.fspath(snapshot)), os.fspath(snapshot)))
    report = examine(request, world, open_system(world.sdks))
    report.skipped.update(unasked(report))
    report.findings = tuple(of_source.of(report))
    return report


def doctor(
    snapshot: StrPath | None = None,
    *,
    source: StrPath | None = None,
    binary: StrPath | None = None,
    policy: StrPath | None = None,
    release: bool = False,
    target: Target | None = None,
    world: World | None = None,
) -> Diagnosed:
    """Say what is wrong with a recorded Mac, or this one, for building a Go module with cgo.

    Args:
        snapshot: What ``machochain snapshot`` wrote, or the output of its script; by default this Mac is recorded.
        source: A module: what it does not need is no finding.
        binary: A program whose recorded flags are compared.
        policy: A TOML file with ``[machochain.ci]``: what a pipeline does is decided.
        release: Whether a release is built.
        target: As for `examine`.
        world: As for `examine`.

    Raises:
        UsageError: This is no Mac and no snapshot was named, or the policy is not well written.
        InputError: A file cannot be read.
    """
    import sys

    from machochain.findings.registry import of_machine
    from machochain.findings.rules.machines.ci import of_decision
    from machochain.gomodule import needs_of, on_the_mac
    from machochain.machine.ci import decide
    from machochain.machine.doctor import case_of
    from machochain.machine.reading import read_policy, read_snapshot
    from machochain.report.doctor import Diagnosed
    from machochain.source.examine import SourceRequest, examine

    target, world = target or Target(), world or World()
    if snapshot is not None:
        case = case_of(read_snapshot(os.fspath(snapshot)), os.fspath(snapshot))
    elif sys.platform == "darwin":
        from machochain.machine.collect import collect

        case = case_of(collect(), "")
    else:
        raise UsageError(
            "this is no Mac, so name a snapshot. On the Mac: machochain snapshot -o mac.json, or without Python: "
            "machochain snapshot --script > collect.sh here, sh collect.sh > mac.txt there. "
            "Then: machochain doctor FILE"
        )
    case.release = release
    declared = None
    if policy is not None:
        declared = read_policy(os.fspath(policy))
    if source is not None:
        goarch = case.facts.goarch
        goarchs: tuple[str, ...] = (goarch,) if goarch in ("arm64", "amd64") else ("arm64", "amd64")
        if declared is not None:
            goarchs = tuple(target.partition("/")[2] for target in declared.targets)
        request = SourceRequest(os.fspath(source), goarchs, environment=target.environment, macos=target.macos[-1])
        case.source = examine(on_the_mac(request, case), world, open_system(world.sdks))
    if binary is not None:
        case.binary = needs_of(_inspected_program(os.fspath(binary)))
    case.findings = tuple(of_machine.of(case))
    if declared is None:
        return Diagnosed(case)
    answer = decide(case, declared)
    case.findings = (*case.findings, *of_decision(case, answer))
    return Diagnosed(case, answer)


def _inspected_program(binary: str) -> Inspection:
    """Return the facts of one file that --binary names.

    Raises:
        UsageError: It is a folder, or holds several files.
        InputError: It cannot be read.
    """
    found = inspect(binary)
    if len(found) != 1 or os.path.isdir(binary):  # noqa: PTH112  # as inspect() sees it
        raise UsageError(f"--binary {binary}: one program, please")
    if found[0].error is not None:
        raise found[0].error
    return found[0]


def inspect(paths: Sources, *, deep: bool = False) -> tuple[Inspection, ...]:
    """Return the facts of files: load commands, versions, signature, Go build info, archive members.

    Args:
        paths: Mach-O files and static libraries, as for `resolve`; of a folder, wheel, zip or tar each such file in it,
            as ``pkg.whl:dir/file``.
        deep: Whether to read symbols, imports and exports, too, with our readers and with LIEF.

    Returns:
        One inspection per file. A file that cannot be read yields an inspection with its error.

    Raises:
        UsageError: The request makes no sense.
    """
    return tuple(inspections(paths, deep=deep))


def inspections(paths: Sources, *, deep: bool = False) -> Iterator[Inspection]:
    """Yield what `inspect` returns, each as soon as its file has been read."""
    for handed in with_archives(handed_over(paths)):
        yield from _inspections(handed, deep=deep)


def _inspections(handed: Handed, *, deep: bool) -> Iterator[Inspection]:
    from machochain.graph.inspect import Inspection

    try:
        with on_disk(handed) as given:
            yield from (_told(given, found) for found in _inspected(given, deep=deep))
    except InputError as error:
        name = called(handed)
        yield Inspection(name, "unrecognised", error=error.at(name))


def _inspected(given: OnDisk, *, deep: bool) -> Iterator[Inspection]:
    from machochain.graph.inspect import Inspection, inspect_artifact, inspect_file

    path = given.host
    if given.survey is not None:
        for error in given.survey.errors:
            yield Inspection(error.path or path, "unrecognised", error=error)
        for image in given.survey.images:
            yield inspect_file(image, deep=deep)
        if not (given.survey.errors or given.survey.images or given.survey.archives):
            yield Inspection(path, "unrecognised", error=InputError("no Mach-O file in it", path=path))
        return
    if not is_archive(path):
        yield inspect_file(path, deep=deep)
        return
    from machochain.world.archives.opening import open_artifact

    try:
        with open_artifact(path) as artifact:
            yield from inspect_artifact(artifact, deep=deep)
    except InputError as error:
        yield Inspection(path, "unrecognised", error=error.at(path))


def _told(given: OnDisk, found: Inspection) -> Inspection:
    """Return an inspection under the name the user knows."""
    if given.own:
        return found
    error = given.renamed(found.error) if found.error is not None else None
    return evolve(found, path=given.name(found.path), error=error)


def diagnose(text: str | bytes) -> Diagnosis:
    """Say what a Mac or a build tool meant by what it printed.

    Args:
        text: Messages (of dyld, the kernel, codesign, a linker, a packager, …), crash reports or ``DYLD_PRINT_*``
            logs, with whatever stands around them.

    Returns:
        One answer for each failure, log or remark; what went wrong stands first. A text in which nothing is known has
        no answer: `Diagnosis.unread` says what can be said of it.

    Raises:
        InputError: The data is binary.
    """
    from machochain.diagnosis import diagnose
    from machochain.world.system.advising import asks, settled

    found = diagnose(text)
    if not any(map(asks, found.answers)):
        return found
    from machochain.world.system.opening import open_system

    return settled(found, open_system())


def render(  # noqa: PLR0913  # each is the caller's to say
    value: object,
    form: str = "text",
    *,
    verbose: int = 0,
    width: int = 80,
    colour: bool = False,
    cwd: StrPath = "/",
    source_root: StrPath | None = None,
    anchor: str | None = None,
    epoch: int | None = None,
) -> str:
    """Write what a call returned as the command line would: ``render(report, "sarif")``.

    Args:
        value: What `resolve`, `explain`, `inspect`, `audit`, `scenarios`, `diff` or `diagnose` returned.
        form: The name of the format, as ``--format`` takes it.
        verbose: How much text tells: 0, 1 or 2.
        width: Columns of text.
        colour: Whether text has ANSI colours.
        cwd: What relative inputs are relative to, for SARIF and annotations.
        source_root: The repository, which their addresses are relative to; by default ``cwd``.
        anchor: A file of the repository that all SARIF results are attached to.
        epoch: Time of the report in seconds since 1970, for CycloneDX.

    Raises:
        UsageError: The value is nothing that can be rendered, or not in this format.
    """
    from machochain.report.context import RenderContext
    from machochain.report.guard import guarded
    from machochain.report.registry import render as write
    from machochain.report.style import Style

    style = Style(colour=colour, width=width, verbose=verbose)
    where = os.fspath(cwd)
    root = os.fspath(source_root) if source_root is not None else where
    text = write(value, form, RenderContext(where, root, anchor, epoch, style))
    return guarded(text if isinstance(text, str) else "".join(text), form)
