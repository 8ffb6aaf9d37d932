"""From launch contexts to modelled Macs: the program started in each, on each release."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from machochain.dyld.config import ProcessConfig
from machochain.graph.mac import Mac
from machochain.graph.resolve import Target, chosen_slices, resolve_node, resolve_slice, security_of, with_verdict
from machochain.graph.scenario.matrix import build_matrix
from machochain.graph.scenario.port import Toolchain
from machochain.graph.scenario.values import Column, Matrix, Skipped
from machochain.graph.symbol_tables import SymbolTables
from machochain.graph.symbols import check_symbols
from machochain.graph.walked import Walk
from machochain.macho.reader import read_source, slice_reader
from machochain.macho.signature import read_signature
from machochain.macho.source import FileSource
from machochain.model.errors import InputError, UsageError
from machochain.model.filesystem import Node, NodeKind, Presence
from machochain.model.go import GoBinary
from machochain.model.image import FileType, Image, LinkEdit, MachOFile, file_type_name
from machochain.model.launch import CALLER, PLAIN, SYSTEM_ROOT, GoReleases, Hop, LaunchContext, Program, SymbolicRoot
from machochain.model.paths import HostPath, TargetPath
from machochain.model.result import LoadedImage, Origin, Result, Unknown, UnknownKind
from machochain.model.value import evolve, frozen
from machochain.world.placement import World, WorldView, open_world
from machochain.world.system.facts import SystemFacts


def place_context(world: World, context: LaunchContext) -> World:
    """Return the modelled Mac on which a context's executable lies at its place.

    Below the closed roots there is nothing else; what lies around such a root differs from run to run and is unseen.
    """
    roots = context.roots
    return evolve(
        world,
        at=context.executable if context.moved else world.at,
        closed=(*world.closed, *(root.path for root in roots if root.closed)),
        unseen=(*world.unseen, *(root.around for root in roots)),
    )


def started_by(wanted: Sequence[LaunchContext], go: Hop) -> tuple[LaunchContext, ...]:
    """Return the contexts with a given ``go`` command as what starts the process, where Go does."""
    return tuple(evolve(c, hops=(go,)) if c.by_toolchain and not c.hops else c for c in wanted)


def applicable(
    wanted: Sequence[LaunchContext], go: GoBinary | None, program: Program
) -> tuple[tuple[LaunchContext, ...], tuple[Skipped, ...]]:
    """Part the contexts into those that apply to a program and the Go release that made it, and those that do not."""
    release = go.version if go is not None else None
    kept, skipped = [], []
    for context in wanted:
        if program.test and context.built_anew and not context.test:
            skipped.append(Skipped(context, "this is a test binary, which go test starts"))
        elif context.releases.holds(release) is False:
            skipped.append(
                Skipped(context, f"{release} does not do this, Go 1.{_since(context.releases)} and newer do")
            )
        else:
            kept.append(context)
    return tuple(kept), tuple(skipped)


def _since(releases: GoReleases) -> int:
    return releases.oldest or 0


@frozen
class ScenarioRequest:
    """What is asked about a program.

    Attributes:
        contexts: Ids, ``go``, ``all``, or contexts of one's own; empty for those that fit the program.
        package_directory: Where the package's sources lie on the modelled Mac; None if that is not known.
        go: What the environment passes where Go starts the process; None for a ``go`` that passes everything on.
    """

    contexts: tuple[str, ...] = ()
    package_directory: TargetPath | None = None
    go: Hop | None = None


def run_scenarios(
    binary: str,
    request: ScenarioRequest,
    target: Target,
    world: World,
    system: SystemFacts,
    toolchain: Toolchain,
) -> Iterator[Matrix]:
    """Yield the matrix of each slice of a program.

    Args:
        binary: The program on this machine.
        request: The contexts.
        target: Releases, slice, environment, working directory of the caller; ``/`` is one that nobody named.
        world: The modelled Mac's files; the program stands in it where it stands "in place".
        system: The OS libraries.
        toolchain: What knows of Go.

    Raises:
        UsageError: A context or option makes no sense, or the file is no main executable.
        InputError: The file cannot be read.
    """
    home = _Stage(open_world(world, [binary]), system)
    node = home.node(binary)
    for piece in chosen_slices(home.file(binary), target, binary):
        assert piece.image is not None
        if piece.image.file_type != FileType.MH_EXECUTE:
            raise UsageError(f"{binary}: {file_type_name(piece.image.file_type)} is not started in any context")
        with home.mac.files.opened(node) as source:
            go = toolchain.read(piece.image, source, piece)
        assert node.real is not None
        cwd = CALLER.path if target.cwd == SYSTEM_ROOT else target.cwd
        program = toolchain.program(node.real, go, cwd=cwd, package_directory=request.package_directory)
        chosen = toolchain.contexts(request.contexts, go, program)
        if request.go is not None:
            chosen = started_by(chosen, request.go)
        either = request.go is None and any(name.startswith("DYLD_") for name in target.environment)
        kept, skipped = applicable(chosen, go, program)
        kept, more = toolchain.variants(kept, go, piece.image, either_go=either)
        stages: dict[_StageKey, _Stage] = {(None, (), (), ""): home}
        here = evolve(target, arch=piece.image.arch.name)
        parts = [tuple(_columns(binary, context, here, world, stages, system)) for context in kept]
        yield build_matrix(program, go, tuple(_told_apart(parts)), toolchain, (*skipped, *more))


_StageKey = tuple[TargetPath | None, tuple[SymbolicRoot, ...], tuple[str, ...], str]
"""What sets one modelled Mac apart: where the program lies, what is unseen, which run paths it lacks, and the context
if another program is started in it."""


class _Stage:
    """One modelled Mac with the program on it."""

    def __init__(self, view: WorldView, system: SystemFacts) -> None:
        self.view = view
        self.mac = Mac(view, system)
        self.tables = SymbolTables(self.mac, system)

    def node(self, binary: str) -> Node:
        node = self.mac.look(self.view.place(binary))
        if node.presence is not Presence.PRESENT or node.kind is not NodeKind.FILE:
            raise InputError("not a regular file", path=binary)
        return node

    def file(self, binary: str) -> MachOFile:
        file = self.mac.read(self.node(binary))
        if isinstance(file, InputError):
            raise InputError(file.reason, path=binary, offset=file.offset, part=file.part, errno=file.errno)
        return file

    def symbols(self, result: Result, walk: Walk, config: ProcessConfig, mac: Mac) -> Result:
        del mac
        return check_symbols(result, walk, config, self.tables)


def _told_apart(parts: Sequence[tuple[Column, ...]]) -> Iterator[Column]:
    """Yield columns; of a context with and without run paths of the link's flags only one, where they say the same."""
    skip = False
    for part, following in zip(parts, (*parts[1:], ()), strict=True):
        if skip:
            skip = False
            continue
        skip = bool(
            part
            and following
            and part[0].context.without_run_paths
            and all(_outcomes(a) == _outcomes(b) for a, b in zip(part, following, strict=True))
        )
        if skip:
            plain = part[0].context
            context = evolve(plain, title=plain.title.removesuffix(PLAIN), without_run_paths=())
            yield from (evolve(column, context=context) for column in following)
        else:
            yield from part


def _outcomes(column: Column) -> tuple[object, ...]:
    result = column.result
    return (
        result.launches,
        *((load.dylib.name, load.outcome, load.to and result.images[load.to].path) for load in result.loads),
    )


def _columns(
    binary: str,
    context: LaunchContext,
    target: Target,
    world: World,
    stages: dict[_StageKey, _Stage],
    system: SystemFacts,
) -> Iterator[Column]:
    """Start the program in one context, on each release."""
    another = context.id if context.image is not None else ""
    key = (context.executable if context.moved else None, context.roots, context.without_run_paths, another)
    stage = stages.get(key)
    if stage is None:
        stage = stages[key] = _Stage(open_world(place_context(world, context), [binary]), system)
    environment, lost = context.environment(target.environment)
    cwd = context.cwd or target.cwd
    here = evolve(
        target,
        cwd=cwd,
        environment=environment,
        hardened=target.hardened if context.hardened is None else context.hardened,
    )
    if context.image is not None:
        for result in _predicted(stage, binary, context, context.image, here):
            yield Column(context, result.macos, result, cwd, lost, tuple(environment.items()))
        return
    without = frozenset(context.without_run_paths)
    for result in resolve_node(stage.mac, stage.node(binary), binary, here, stages=(stage.symbols,), without=without):
        yield Column(context, result.macos, result, cwd, lost, tuple(environment.items()))


def _predicted(stage: _Stage, binary: str, context: LaunchContext, image: Image, target: Target) -> Iterator[Result]:
    """Yield what becomes of a program that nobody has linked yet: it fails, or that is unknown."""
    node = stage.node(binary)
    for piece in chosen_slices(stage.file(binary), target, binary):
        # Its signature and symbols are not known; the file at hand is another program.
        kept = tuple(r for r in image.run_paths if r.path not in context.without_run_paths)
        header = evolve(image, linkedit=LinkEdit(), run_paths=kept)
        for macos in target.macos:
            result, _, _ = resolve_slice(stage.mac, node, evolve(piece, image=header), binary, macos, target)
            words = context.unknowns or ("it is predicted from the sources: nobody has linked it yet",)
            unknowns = (*result.unknowns, *(Unknown(UnknownKind.NOT_LINKED, (text,)) for text in words))
            yield with_verdict(evolve(result, unknowns=unknowns))


def read_go_command(path: str) -> Hop:
    """Return what a ``go`` command does to the environment of what it starts, by its signature.

    dyld takes every ``DYLD_`` variable out of the environment of a hardened program that has no entitlement for them,
    so that its children never see them (dyld-1378, DyldProcessConfig.cpp: Security::pruneEnvVars()).

    Raises:
        InputError: The file cannot be read or is no program for macOS.
    """
    with FileSource(HostPath(path)) as source:
        try:
            file = read_source(source)
        except InputError as error:
            raise error.at(path) from None
        for piece in file.slices:
            image = piece.image
            if image is not None and image.file_type == FileType.MH_EXECUTE:
                signature = read_signature(image, slice_reader(source, piece))
                main = LoadedImage(0, TargetPath(path), Origin.DISK, image=image)
                drops = not security_of(main, signature, None).path_variables
                return Hop(f"{path} ({'hardened: drops' if drops else 'passes on'} DYLD_ variables)", drops)
    raise InputError("no main executable for macOS", path=path)
