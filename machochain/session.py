"""One modelled Mac with the inputs placed on it: opened once, asked by every command."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, Final, Self

from machochain.dyld.config import ProcessConfig
from machochain.dyld.facts import builds
from machochain.findings import Checker, index_by_name
from machochain.findings.osfacts import gather
from machochain.graph.inputs import Input, find_inputs, find_unpacked
from machochain.graph.mac import Mac
from machochain.graph.resolve import LOADABLE, Inspector, Target, resolve_node
from machochain.graph.symbol_tables import SymbolTables
from machochain.graph.symbols import check_symbols
from machochain.graph.walked import Walk
from machochain.macho.foreign import Foreign, foreign_kind
from machochain.macho.kind import FileKind, kind_of
from machochain.macho.source import FileSource
from machochain.model.coverage import PassedOver, PassedOverKind
from machochain.model.errors import InputError, UsageError
from machochain.model.filesystem import NodeKind, Presence
from machochain.model.image import FileType
from machochain.model.paths import HostPath, TargetPath, directory
from machochain.model.platform import ZIPPERED, Platform, platform_name
from machochain.model.result import Result
from machochain.model.value import Factory, evolve, frozen
from machochain.world.handed import OnDisk
from machochain.world.placement import World, WorldView, open_world
from machochain.world.system.opening import open_system

if TYPE_CHECKING:
    from machochain.model.artifact import Artifact, Limits
    from machochain.world.system.facts import SystemFacts

StrPath = str | os.PathLike[str]
_PROGRAM_BUNDLES: Final = (".app", ".xpc", ".appex")
_MACOS: Final = frozenset({Platform.MACOS, Platform.MAC_CATALYST, ZIPPERED})
"""Platforms of code that macOS runs as its own."""

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
        passed_over: What was not looked at in them.
        world: Where all that lies, archives unpacked.
        placed: The inputs that lie where they are given, on this machine.
    """

    view: WorldView
    mac: Mac
    system: SystemFacts
    tables: SymbolTables
    checker: Checker
    inputs: tuple[Input, ...]
    errors: tuple[InputError, ...]
    artifacts: tuple[Artifact, ...] = ()
    passed_over: tuple[PassedOver, ...] = ()
    world: World = Factory(World)
    placed: tuple[str, ...] = ()
    _unpacked: ExitStack = Factory(ExitStack)

    @classmethod
    def open(
        cls,
        paths: Iterable[StrPath | OnDisk],
        world: World,
        *,
        wanted: Wanted = _all_of_them,
        together: bool = False,
    ) -> Session:
        """Place inputs on the modelled Mac; archives are unpacked until the session is closed.

        Args:
            paths: The inputs; those that are no files of the caller's own as they were laid out.
            world: The modelled Mac's files.
            wanted: Which of the Mach-O files that are found count; by default all.
            together: Whether archives are laid side by side as if all were installed, folders of theirs joined.

        Raises:
            UsageError: An option makes no sense, or an input has no place.
            InputError: An input does not exist.
        """
        given = [p if isinstance(p, OnDisk) else OnDisk(os.fspath(p), os.fspath(p)) for p in paths]
        check_place([each.host for each in given], world)
        with ExitStack() as stack:
            world, artifacts, errors, passed_over = _unpack(given, world, stack, together=together)
            placed = tuple(each.host for each in given if each.host not in artifacts)
            view = open_world(world, placed)
            system = open_system(world.sdks)
            mac = Mac(view, system, beside=world.beside)
            inputs: list[Input] = []
            for number, each in enumerate(given):
                for item in _found(mac, view, each, number, artifacts):
                    if isinstance(item, InputError):
                        errors.append(item)
                    elif isinstance(item, PassedOver):
                        passed_over.append(evolve(item, path=each.name(item.path)))
                    elif wanted(mac, item):
                        known = item if each.own else _own_names(item, each)
                        other = None if item.named else _other_system(mac, item)
                        if other is None:
                            inputs.append(known)
                        else:
                            why = f"is built for {other}, not for macOS"
                            passed_over.append(PassedOver(known.name, PassedOverKind.FOREIGN, why))
            for each in given:
                errors = [each.renamed(error) for error in errors]
                passed_over += _foreign(each, artifacts.get(each.host))
            opened = tuple(artifact for artifact in artifacts.values() if artifact is not None)
            session = cls._on(mac, view, system, world, placed, inputs)
            return evolve(
                session,
                errors=tuple(errors),
                artifacts=opened,
                passed_over=tuple(passed_over),
                unpacked=stack.pop_all(),
            )

    @classmethod
    def again(cls, world: World, placed: Sequence[str], inputs: Iterable[Input]) -> Session:
        """Open once more what another session has unpacked, ``world`` and ``placed`` as that one has them."""
        view, system = open_world(world, placed), open_system(world.sdks)
        return cls._on(Mac(view, system, beside=world.beside), view, system, world, placed, inputs)

    @classmethod
    def _on(
        cls,
        mac: Mac,
        view: WorldView,
        system: SystemFacts,
        world: World,
        placed: Sequence[str],
        inputs: Iterable[Input],
    ) -> Session:
        kept = tuple(inputs)
        tree = index_by_name(i.node.real for i in kept if i.node.real is not None)
        tables = SymbolTables(mac, system)
        locations = {i.node.host: i.location for i in kept if i.node.host is not None}
        checker = Checker(tree, gather(mac, tables, system), locations)
        return cls(view, mac, system, tables, checker, kept, (), world=world, placed=tuple(placed))

    def close(self) -> None:
        """Remove what was unpacked; nothing can be read from it any more."""
        self._unpacked.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def of(self, number: int, given: OnDisk) -> Session:
        """Return what is about one of several inputs; what could not be read at all is told with the first."""
        first = number == 0
        return evolve(
            self,
            inputs=tuple(item for item in self.inputs if item.group == number),
            artifacts=tuple(artifact for artifact in self.artifacts if artifact.location.host == given.host),
            errors=self.errors if first else (),
            passed_over=self.passed_over if first else (),
        )

    @property
    def stages(self) -> tuple[Inspector, ...]:
        """What is added to the bare walk: symbols, then findings."""
        return (self._symbols, self.checker.stage)

    def _symbols(self, result: Result, walk: Walk, config: ProcessConfig, mac: Mac) -> Result:
        del mac
        return check_symbols(result, walk, config, self.tables)


def _other_system(mac: Mac, item: Input) -> str | None:
    """Return the platform of a file none of whose slices is for macOS; None for any other."""
    file = mac.read(item.node)
    images = [s.image for s in file.slices if s.image is not None] if not isinstance(file, InputError) else []
    platforms = {build.platform for image in images for build in builds(image)}
    if not platforms or platforms & _MACOS:
        return None
    return ", ".join(platform_name(platform) for platform in sorted(platforms))


def _own_names(item: Input, given: OnDisk) -> Input:
    """Return a file of what was laid out under the names its owner knows."""
    at = item.location
    return evolve(item, name=given.name(item.name), location=given.location(at.host, at.members, at.place))


def _unpack(
    given: Iterable[OnDisk], world: World, stack: ExitStack, *, together: bool
) -> tuple[World, dict[str, Artifact | None], list[InputError], list[PassedOver]]:
    """Unpack the archives among some inputs and put them on the modelled Mac; None for one that cannot be read.

    One that the user named and that cannot be read is an error; one that was only found is passed over.
    """
    found: dict[str, Artifact | None] = {}
    errors: list[InputError] = []
    passed_over: list[PassedOver] = []
    for each in given:
        path = each.host
        if path in found or each.survey is not None or not is_archive(path):
            continue
        from machochain.world.archives.opening import open_artifact
        from machochain.world.archives.places import place_artifact
        from machochain.world.archives.together import place_together

        try:
            found[path] = artifact = stack.enter_context(open_artifact(path, _limits(world, each)))
        except InputError as error:
            if each.within is None:
                errors.append(error)
            else:
                passed_over.append(PassedOver(path, PassedOverKind.ARCHIVE, error.reason))
            found[path] = None
            continue
        passed_over += (
            PassedOver(each.name(inner.location.display), PassedOverKind.ARCHIVE, inner.text)
            for inner in artifact.unopened
        )
        if not together:
            world = place_artifact(world, artifact)
    opened = [artifact for artifact in found.values() if artifact is not None]
    if together and opened:
        world = place_together(world, opened)
    return world, found, errors, passed_over


def _limits(world: World, given: OnDisk) -> Limits | None:
    """Return what an archive may cost: one that was named is opened, however deep the user wants to look.

    Raises:
        InputError: It was only found, and archives are not to be opened.
    """
    if world.limits is None or world.limits.levels > 0:
        return world.limits
    if given.within is not None:
        raise InputError("archives are not opened (--archive-levels 0)", path=given.host)
    return evolve(world.limits, levels=1)


def _foreign(given: OnDisk, artifact: Artifact | None) -> Iterator[PassedOver]:
    """Yield the code for other systems that an input holds, and the links that lead out of it."""
    for link in given.survey.links if given.survey is not None else ():
        yield PassedOver(given.name(link), PassedOverKind.LINK, "is a symbolic link that leads out of the folder")
    for file, kind in given.survey.unlike if given.survey is not None else ():
        what = f"but {kind.value}" if kind is not None else "that is known"
        yield PassedOver(given.name(file), PassedOverKind.ARCHIVE, f"is no archive {what}")
    found: list[tuple[str, Foreign]] = list(given.survey.foreign) if given.survey is not None else []
    found += (pair for opened in (artifact.all() if artifact is not None else ()) for pair in _foreign_entries(opened))
    for path, kind in found:
        yield PassedOver(given.name(path), PassedOverKind.FOREIGN, f"is {kind.value}")


def _foreign_entries(artifact: Artifact) -> Iterator[tuple[str, Foreign]]:
    from machochain.model.artifact import ArtifactEntryKind

    for entry in artifact.entries:
        if entry.host is None or entry.macho or entry.kind is not ArtifactEntryKind.FILE:
            continue
        kind = foreign_kind(_head(entry.host))
        if kind is not None and kind.is_code:
            yield f"{artifact.path}:{entry.name}", kind


def _head(path: HostPath) -> bytes:
    try:
        with FileSource(path) as source:
            return source.read(0, 512)
    except InputError:
        return b""


def _found(
    mac: Mac, view: WorldView, given: OnDisk, number: int, artifacts: Mapping[str, Artifact | None]
) -> Iterator[Input | InputError | PassedOver]:
    """Return what to start from for one input."""
    path = given.host
    if path not in artifacts:
        return find_inputs(mac, view, path, number, given.survey)
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


OUT_OF_MEMORY: Final = "needs more memory than there is"
Resolved = list[Result] | InputError
"""What becomes of one input: its processes, or why there are none."""
Begin = Callable[[Sequence[Input]], Callable[[Input], Resolved]]
"""Is told what is likely to be asked for, and returns whom to ask for each input when its turn has come."""
Progress = Callable[[int, int], None]
"""Is told how many of how many files are done."""


def resolve_inputs(
    session: Session,
    target: Target,
    errors: list[InputError],
    *,
    begin: Begin | None = None,
    progress: Progress | None = None,
) -> Iterator[Result]:
    """Resolve every root among a session's inputs; what cannot be read goes to ``errors``.

    Args:
        session: The inputs.
        target: The process.
        errors: What could not be read is added to it.
        begin: Who resolves them; by default this process.
        progress: Is told how far it is.
    """
    done = 0
    for group in _groups(session.inputs):
        found: list[tuple[Input, list[Result]]] = []
        reached: set[Identity] = set()
        # What a program or bundle loads is no root: these come first.
        firsts = [item for item in group if _rank(item) < _RANK_OF_OTHERS]
        for batch in (firsts, group[len(firsts) :]):
            waiting = [item for item in batch if item.named or item.node.identity not in reached]
            resolve = begin(waiting) if begin is not None else partial(resolve_input, session, target)
            for item in batch:
                done += 1
                if progress is not None:
                    progress(done, len(session.inputs))
                if not item.named and item.node.identity in reached:
                    continue
                resolved = resolve(item)
                if isinstance(resolved, InputError):
                    errors.append(resolved)
                    continue
                found.append((item, resolved))
                reached |= reached_by(item, resolved)
        for item, results in found:
            # A library that a later root reached is no root; those in a circle keep the first.
            if item.named or item.node.identity not in reached or item.file_type == FileType.MH_EXECUTE:
                yield from results


Identity = tuple[int, int]


def reached_by(item: Input, results: Iterable[Result]) -> set[Identity]:
    """Return the files that the processes of an input load, itself left out."""
    # The file itself is among the images where a program loads it.
    own = item.node.identity
    identities = (image.identity for result in results for image in result.images[1:])
    return {identity for identity in identities if identity is not None and identity != own}


def resolve_input(session: Session, target: Target, item: Input) -> Resolved:
    """Resolve one input."""
    try:
        return list(_results_of(session, item, target))
    except InputError as error:
        return error
    except MemoryError:
        return InputError(OUT_OF_MEMORY, path=item.name)


def _results_of(session: Session, item: Input, target: Target) -> Iterator[Result]:
    if not item.archive:
        return (
            result
            for each in _targets(session, item, target)
            for result in resolve_node(session.mac, item.node, item.name, each, stages=session.stages)
        )
    from machochain.source.archive import predict_archive

    # Symbols are settled while the link is predicted: there is no file yet whose tables could be read.
    stages = (session.checker.stage,)
    return predict_archive(session.mac, item.node, item.name, target, session.system, stages=stages)


def _targets(session: Session, item: Input, target: Target) -> Iterator[Target]:
    """Yield the processes a file is in: what lies in an application is loaded by the application's own program."""
    place = item.node.real
    program = None
    if place is not None and target.main is None and item.file_type != FileType.MH_EXECUTE:
        program = _program_around(session.mac, place)
    own, theirs = _slices_of(session.mac, place), _slices_of(session.mac, program)
    if program is None or not set(own.values()) & set(theirs.values()):
        yield target
        return
    for name, cpu in own.items():
        if target.arch in (None, name):
            yield evolve(target, arch=name, main=program if cpu in theirs.values() else None)


def _slices_of(mac: Mac, place: str | None) -> dict[str, int]:
    """Return the names and cputypes of a file's loadable slices."""
    if place is None:
        return {}
    file = mac.read(mac.look(place))
    if isinstance(file, InputError):
        return {}
    images = (piece.image for piece in file.slices if piece.image is not None)
    return {image.arch.name: image.arch.cputype for image in images if image.file_type in LOADABLE}


def _program_around(mac: Mac, place: str) -> TargetPath | None:
    """Return the program of the innermost bundle around a file that the system starts by itself."""
    while place := directory(place):
        if place.endswith(_PROGRAM_BUNDLES):
            return _program_of(mac, place)
    return None


def _program_of(mac: Mac, bundle: str) -> TargetPath | None:
    """Return the main executable that the Info.plist of a bundle names."""
    from machochain.findings.bundles import find_bundles

    for found in find_bundles(mac, (), (bundle,)):
        for path in found.executables:
            node = mac.look(path)
            if node.presence is Presence.PRESENT and node.kind is NodeKind.FILE and node.real is not None:
                return node.real if _slices_of(mac, node.real) else None
    return None


def _groups(inputs: tuple[Input, ...]) -> Iterator[list[Input]]:
    """Yield inputs that belong together: one named file each, or a folder's files with executables first."""
    by_origin: dict[int, list[Input]] = {}
    for item in inputs:
        by_origin.setdefault(item.group, []).append(item)
    for group in by_origin.values():
        yield sorted(group, key=_rank)


_RANKS: Final[dict[int, int]] = {FileType.MH_EXECUTE: 0, FileType.MH_BUNDLE: 1}
_RANK_OF_OTHERS: Final = 2


def _rank(item: Input) -> int:
    return _RANKS.get(item.file_type, _RANK_OF_OTHERS)


def placed_main(session: Session, target: Target) -> Target:
    """Take ``--main`` for a path of the modelled Mac if something is there, else for one of this machine.

    Of a bundle its program is meant.
    """
    if target.main is None:
        return target
    place = target.main
    node = session.mac.look(place)
    if node.presence is not Presence.PRESENT:
        try:
            place = session.view.place(place)
        except UsageError:
            return target
        node = session.mac.look(place)
    if node.presence is Presence.PRESENT and node.kind is NodeKind.DIRECTORY and node.real is not None:
        program = _program_of(session.mac, node.real)
        if program is None:
            raise UsageError(f"--main {target.main}: no bundle whose Info.plist names its program")
        place = program
    return evolve(target, main=place)
