"""One modelled Mac with the inputs placed on it: opened once, asked by every command."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Self

from attrs import Factory, evolve, frozen

from machochain.dyld.config import ProcessConfig
from machochain.findings import Checker, index_by_name
from machochain.findings.osfacts import gather
from machochain.graph.driver import Walk
from machochain.graph.inputs import Input, find_inputs, find_unpacked
from machochain.graph.mac import Mac
from machochain.graph.resolve import Inspector, Target, resolve_node
from machochain.graph.symbols import SymbolTables, check_symbols
from machochain.macho.kind import FileKind, kind_of
from machochain.macho.source import FileSource
from machochain.model.errors import InputError, UsageError
from machochain.model.filesystem import NodeKind, Presence
from machochain.model.image import FileType
from machochain.model.paths import HostPath
from machochain.model.result import Result
from machochain.world.handed import OnDisk
from machochain.world.placement import World, WorldView, open_world
from machochain.world.system.opening import open_system

if TYPE_CHECKING:
    from machochain.model.artifact import Artifact
    from machochain.world.system.facts import SystemFacts

StrPath = str | os.PathLike[str]


Wanted = Callable[[Mac, Input], bool]
"""Which of the files that were found are looked at."""


def _all_of_them(_: Mac, __: Input) -> bool:
    return True


@frozen
class Session:
    """One modelled Mac with the inputs placed on it; what is read is shared by all that is asked of it.

    Attributes:
        view: Its files.
        mac: Files and libraries of the OS, with what has been read of them.
        system: The libraries of the OS.
        tables: The symbols of what has been read.
        checker: The rules.
        inputs: The Mach-O files and static libraries to start from.
        errors: What could not be read of the inputs.
        artifacts: The archives among the inputs, unpacked until the session is closed.
    """

    view: WorldView
    mac: Mac
    system: SystemFacts
    tables: SymbolTables
    checker: Checker
    inputs: tuple[Input, ...]
    errors: tuple[InputError, ...]
    artifacts: tuple[Artifact, ...] = ()
    _unpacked: ExitStack = Factory(ExitStack)

    @classmethod
    def open(cls, paths: Iterable[StrPath | OnDisk], world: World, *, wanted: Wanted = _all_of_them) -> Session:
        """Place inputs on the modelled Mac; archives are unpacked until the session is closed.

        Args:
            paths: The inputs; those that are no files of the caller's own as they were laid out.
            world: The modelled Mac's files.
            wanted: Which of the Mach-O files that are found count; by default all.

        Raises:
            UsageError: An option makes no sense, or an input has no place.
            InputError: An input does not exist.
        """
        given = [p if isinstance(p, OnDisk) else OnDisk(os.fspath(p), os.fspath(p)) for p in paths]
        check_place([each.host for each in given], world)
        with ExitStack() as stack:
            world, artifacts, errors = _unpack([each.host for each in given], world, stack)
            view = open_world(world, [each.host for each in given if each.host not in artifacts])
            system = open_system(world.sdks)
            mac = Mac(view, system, beside=world.beside)
            inputs: list[Input] = []
            for number, each in enumerate(given):
                for item in _found(mac, view, each.host, number, artifacts):
                    if isinstance(item, InputError):
                        errors.append(item)
                    elif wanted(mac, item):
                        inputs.append(item if each.own else _own_names(item, each))
            for each in given:
                errors = [each.renamed(error) for error in errors]
            tree = index_by_name(i.node.real for i in inputs if i.node.real is not None)
            opened = tuple(artifact for artifact in artifacts.values() if artifact is not None)
            tables = SymbolTables(mac, system)
            locations = {i.node.host: i.location for i in inputs if i.node.host is not None}
            checker = Checker(tree, gather(mac, tables, system), locations)
            kept = tuple(inputs)
            return cls(view, mac, system, tables, checker, kept, tuple(errors), opened, stack.pop_all())

    def close(self) -> None:
        """Remove what was unpacked; nothing can be read from it any more."""
        self._unpacked.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def stages(self) -> tuple[Inspector, ...]:
        """What is added to the bare walk: symbols, then findings."""
        return (self._symbols, self.checker.stage)

    def _symbols(self, result: Result, walk: Walk, config: ProcessConfig, mac: Mac) -> Result:
        del mac
        return check_symbols(result, walk, config, self.tables)


def _own_names(item: Input, given: OnDisk) -> Input:
    """Return a file of what was laid out under the names its owner knows."""
    at = item.location
    return evolve(item, name=given.name(item.name), location=given.location(at.host, at.members, at.place))


def _unpack(
    paths: Sequence[str], world: World, stack: ExitStack
) -> tuple[World, dict[str, Artifact | None], list[InputError]]:
    """Unpack the archives among some inputs and put them on the modelled Mac; None for one that cannot be read."""
    found: dict[str, Artifact | None] = {}
    errors: list[InputError] = []
    for path in dict.fromkeys(paths):
        if not is_archive(path):
            continue
        from machochain.world.archives.opening import open_artifact
        from machochain.world.archives.places import place_artifact

        try:
            found[path] = artifact = stack.enter_context(open_artifact(path))
        except InputError as error:
            errors.append(error)
            found[path] = None
            continue
        world = place_artifact(world, artifact)
    return world, found, errors


def _found(
    mac: Mac, view: WorldView, path: str, number: int, artifacts: Mapping[str, Artifact | None]
) -> Iterator[Input | InputError]:
    """Return what to start from for one path."""
    if path not in artifacts:
        return find_inputs(mac, view, path, number)
    artifact = artifacts[path]
    return iter(()) if artifact is None else find_unpacked(mac, view, artifact, number)


def is_archive(path: StrPath) -> bool:
    """Whether a path is an archive that is looked into, or would be if it could be read: a wheel, a zip, a tar."""
    try:
        with FileSource(HostPath(os.fspath(path))) as source:
            if kind_of(source.read(0, 64)) is not FileKind.UNRECOGNISED:
                return False
    except InputError:
        return False
    from machochain.world.archives.opening import is_artifact

    return is_artifact(path) is not None


def check_place(paths: Sequence[str], world: World) -> None:
    """Refuse one place for several inputs.

    Raises:
        UsageError: There are several.
    """
    if world.at is not None and len(set(paths)) > 1:
        raise UsageError("--at names the place of one input, but there are several")


def resolve_inputs(session: Session, target: Target, errors: list[InputError]) -> Iterator[Result]:
    """Resolve every root among a session's inputs; what cannot be read goes to ``errors``."""
    for group in _groups(session.inputs):
        found: list[tuple[Input, list[Result]]] = []
        reached: set[tuple[int, int]] = set()
        for item in group:
            if not item.named and item.node.identity in reached:
                continue
            try:
                results = list(_results_of(session, item, target))
            except InputError as error:
                errors.append(error)
                continue
            found.append((item, results))
            for result in results:
                reached.update(i.identity for i in result.images[1:] if i.identity is not None)
        for item, results in found:
            # A library that a later root reached is no root; those in a circle keep the first.
            if item.named or item.node.identity not in reached or item.file_type == FileType.MH_EXECUTE:
                yield from results


def _results_of(session: Session, item: Input, target: Target) -> Iterator[Result]:
    if not item.archive:
        return resolve_node(session.mac, item.node, item.name, target, stages=session.stages)
    from machochain.source.archive import predict_archive

    # Symbols are settled while the link is predicted: there is no file yet whose tables could be read.
    stages = (session.checker.stage,)
    return predict_archive(session.mac, item.node, item.name, target, session.system, stages=stages)


def _groups(inputs: tuple[Input, ...]) -> Iterator[list[Input]]:
    """Yield inputs that belong together: one named file each, or a folder's files with executables first."""
    by_origin: dict[int, list[Input]] = {}
    for item in inputs:
        by_origin.setdefault(item.group, []).append(item)
    order: dict[int, int] = {FileType.MH_EXECUTE: 0, FileType.MH_BUNDLE: 1}
    for group in by_origin.values():
        yield sorted(group, key=lambda item: order.get(item.file_type, 2))


def placed_main(session: Session, target: Target) -> Target:
    """Take ``--main`` for a path of this machine if it is one there, else for a target path."""
    if target.main is None:
        return target
    node = session.mac.look(target.main)
    if node.presence is Presence.PRESENT and node.kind is NodeKind.FILE:
        return target
    try:
        return evolve(target, main=session.view.place(target.main))
    except UsageError:
        return target
