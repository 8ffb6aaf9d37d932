"""A program that exists already, held against its sources: what gave its run paths, what it would be linked with now.

``go build``, ``go install`` and ``go test -c`` do not link again while an output file with a fitting build ID is there,
and the ID knows nothing of libraries (Go 1.27, ``cmd/go/internal/work``, ``useCache``; measured with 1.21 to 1.27).
"""

# ruff: noqa: PTH116  # host paths are raw strings

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from enum import Enum
from typing import Final

from machochain.golang.recorded import FlagOrigin as RecordedOrigin
from machochain.golang.recorded import recorded_link_words, recorded_run_paths, recorded_tags
from machochain.golang.settings import Settings
from machochain.graph.inspect import Inspection
from machochain.model.errors import UsageError
from machochain.model.go import GoBuildInfo
from machochain.model.value import Factory, define, evolve, frozen
from machochain.source.linking import ARCHS, LinkPlanner
from machochain.source.values import FlagOrigin, FlagWord, Kind, Link, PackageFacts, Search, SearchOutcome


class RunPathOrigin(Enum):
    """Where a run path of a program that exists comes from."""

    SOURCE = "source"
    """A ``#cgo`` line or pkg-config: every build has it."""
    ENVIRONMENT = "environment"
    """``$CGO_LDFLAGS`` of the shell that built."""
    FLAGS = "flags"
    """``-ldflags`` of the command that built."""
    UNKNOWN = "unknown"
    """Nothing that is recorded or read gives it."""


@frozen
class BuiltSlice:
    """One slice of a program that exists.

    Attributes:
        target: ``darwin/arm64``.
        loads: Its load paths.
        run_paths: Its run paths.
        build: What Go recorded in it; None if it recorded nothing.
        hidden: Settings that ``-trimpath`` kept out of it.
    """

    target: str
    loads: tuple[str, ...]
    run_paths: tuple[str, ...]
    build: GoBuildInfo | None
    hidden: tuple[str, ...] = ()


@frozen
class BuiltFile:
    """A library a program would be linked with now.

    Attributes:
        search: How it is found.
        modified: When it was last written, in nanoseconds since 1970; None if that is not known.
    """

    search: Search
    modified: int | None


@frozen
class HeldSlice:
    """A slice held against the package it was built from.

    Attributes:
        package: Import path of the package.
        test: Whether it is the package's test binary.
        origins: Where each run path comes from.
        files: Libraries it would be linked with now.
        unseen: Libraries whose file is not known.
        unsure: Why a run path may come from elsewhere.
    """

    package: str
    test: bool
    origins: tuple[tuple[str, RunPathOrigin], ...]
    files: tuple[BuiltFile, ...]
    unseen: tuple[str, ...]
    unsure: tuple[str, ...]


@define
class BuiltProgram:
    """A program that was built from the module.

    Attributes:
        file: The program as the user named it.
        modified: When it was last written, in nanoseconds since 1970; None if that is not known.
        slices: Its slices.
        held: What came of each, by target.
        skipped: Why a slice could not be held against its sources, by target.
    """

    file: str
    modified: int | None = None
    slices: tuple[BuiltSlice, ...] = ()
    held: dict[str, HeldSlice] = Factory(dict)
    skipped: dict[str, str] = Factory(dict)


COMMAND_LINE: Final = "command-line-arguments"
"""What Go records as the path of a package whose files were named one by one."""
_GOARCHS: Final = {name: goarch for goarch, name in ARCHS.items()}
_VARIABLES: Final = ("CGO_CFLAGS", "CGO_CPPFLAGS", "CGO_CXXFLAGS", "CGO_FFLAGS", "CGO_LDFLAGS")


def read_program(found: Inspection) -> BuiltProgram:
    """Return the program a file holds.

    Raises:
        InputError: It cannot be read.
        UsageError: It is no program of Go.
    """
    if found.error is not None:
        raise found.error
    slices = []
    for each in found.slices:
        image = each.piece.image
        if image is None or each.go is None:
            continue
        goarch = _GOARCHS.get(image.arch.name, image.arch.name)
        slices.append(
            BuiltSlice(
                f"darwin/{goarch}", tuple(d.name for d in image.loads), tuple(r.path for r in image.run_paths),
                each.go.build, each.go.hidden,
            )
        )  # fmt: skip
    if not slices:
        raise UsageError(f"--binary {found.path}: no program made by Go")
    return BuiltProgram(found.path, modified(found.path), tuple(slices))


def built_tags(program: BuiltProgram) -> tuple[str, ...]:
    """Return the tags a program was built with; none if its slices differ in them."""
    tags = {recorded_tags(each.build) for each in program.slices if each.build is not None}
    return next(iter(tags)) if len(tags) == 1 else ()


def modified(path: str | None) -> int | None:
    """Return when a file of this machine was last written, in nanoseconds since 1970; None if that is not known."""
    try:
        return os.stat(path).st_mtime_ns if path else None
    except OSError:
        return None


def recorded_settings(settings: Settings, build: GoBuildInfo) -> Settings:
    """Return settings with the variables a program was built with in place of those of this shell."""
    given = {name: build.setting(name) or "" for name in _VARIABLES if build.setting(name) is not None}
    kept = {name: value for name, value in settings.kept.items() if name not in given}
    return evolve(settings, process={**settings.process, **given}, kept=kept)


def hold(
    program: BuiltProgram,
    packages: Mapping[str, Mapping[str, PackageFacts]],
    settings: Settings,
    planners: Mapping[str, LinkPlanner],
    host: Callable[[str], str | None],
) -> None:
    """Hold a program against the packages it was built from.

    Args:
        program: The program; what is found is written into it.
        packages: By target, by import path.
        settings: Those of the shell; what the program recorded comes first.
        planners: Say what a link takes, by target.
        host: Where a file of the Mac lies on this machine.

    Raises:
        UsageError: The program is of another module.
    """
    modules = {p.module for ps in packages.values() for p in ps.values()}
    for each in program.slices:
        main = each.build.main.path if each.build is not None and each.build.main is not None else ""
        if main and main not in modules:
            raise UsageError(f"--binary {program.file}: is of {main}; the sources are of {', '.join(sorted(modules))}")
        planner = planners.get(each.target)
        found: HeldSlice | str = f"the sources were not read for {each.target}"
        if planner is not None:
            found = _hold(each, planner, settings, host)
        if isinstance(found, str):
            program.skipped[each.target] = found
        else:
            program.held[each.target] = found


def _hold(
    piece: BuiltSlice,
    planner: LinkPlanner,
    settings: Settings,
    host: Callable[[str], str | None],
) -> HeldSlice | str:
    """Hold one slice; return why if that cannot be done."""
    build = piece.build
    if build is None:
        return "the program has no build information"
    facts, test = _package(build, planner.packages)
    if facts is None:
        return f"package {build.path or 'of the program'} is not among those that were read"
    words = [FlagWord(w, FlagOrigin.ENVIRONMENT, written=w, package="-ldflags") for w in recorded_link_words(build)]
    link = planner.plan(facts, recorded_settings(settings, build), test=test, more=words)
    known = [s for s in link.searches if s.outcome is SearchOutcome.FOUND and (s.by_system or not s.doubtful)]
    unseen = [s for s in link.searches if s not in known and s.word is not None and s.word.origin is not FlagOrigin.GO]
    return HeldSlice(
        facts.path,
        test,
        tuple(_origins(piece, build, link)),
        tuple(BuiltFile(s, modified(host(s.winner))) for s in known if s.winner is not None and not s.by_system),
        tuple(dict.fromkeys(f"{'-l' if s.kind is Kind.LIBRARY else ''}{s.name}" for s in unseen)),
        tuple(text for text in link.unknowns if text.startswith(("package ", "what pkg-config"))),
    )


def _package(build: GoBuildInfo, packages: Mapping[str, PackageFacts]) -> tuple[PackageFacts | None, bool]:
    """Return the package a program was built from, and whether it is the package's test binary."""
    if build.path in packages and packages[build.path].main:
        return packages[build.path], False
    if build.path.endswith(".test"):
        return packages.get(build.path.removesuffix(".test")), True
    programs = [p for p in packages.values() if p.main and p.asked]
    return (programs[0] if build.path == COMMAND_LINE and len(programs) == 1 else None), False


def _origins(piece: BuiltSlice, build: GoBuildInfo, link: Link) -> Iterator[tuple[str, RunPathOrigin]]:
    """Yield each run path of a slice with where it comes from; what every build has comes first."""
    source = {r.path for r in link.run_paths if r.origin in (FlagOrigin.DIRECTIVE, FlagOrigin.PKG_CONFIG)}
    recorded = {r.path: r.origin for r in recorded_run_paths(build)}
    for path in dict.fromkeys(piece.run_paths):
        if path in source:
            yield path, RunPathOrigin.SOURCE
        elif path in recorded:
            flags = recorded[path] is RecordedOrigin.FLAGS
            yield path, RunPathOrigin.FLAGS if flags else RunPathOrigin.ENVIRONMENT
        else:
            yield path, RunPathOrigin.UNKNOWN
