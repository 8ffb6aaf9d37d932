"""One program in several launch contexts: library by library, where outcomes differ and why.

The contexts themselves are Go's and macOS' (``machochain.golang.contexts``); here each becomes a modelled Mac, and what
dyld does there becomes a column of a matrix.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator, Sequence
from enum import Enum
from typing import Final

from attrs import evolve, frozen

from machochain.dyld.config import ProcessConfig
from machochain.dyld.facts import might_be_in_shared_cache
from machochain.golang.contexts import (
    ROOTS,
    GoReleases,
    Hop,
    LaunchContext,
    Program,
    closed_root,
    contexts,
)
from machochain.graph.driver import Walk
from machochain.graph.inspect import go_binary
from machochain.graph.mac import Mac
from machochain.graph.resolve import Target, chosen_slices, resolve_node, security_of
from machochain.graph.symbols import SymbolTables, check_symbols
from machochain.macho.reader import FileSource, read_source, sections, slice_reader
from machochain.macho.signature import read_signature
from machochain.model.errors import InputError, UsageError
from machochain.model.filesystem import Node, NodeKind, Presence
from machochain.model.go import GoBinary
from machochain.model.image import FileType, MachOFile, file_type_name
from machochain.model.paths import HostPath, TargetPath, directory, leaf
from machochain.model.result import Load, LoadedImage, Origin, Outcome, Result
from machochain.model.search import Candidate, SearchRule
from machochain.model.shell import file_word, flags_word, quoted
from machochain.model.version import Version
from machochain.world.placement import World, WorldView, open_world
from machochain.world.system.catalogue import EmbeddedCatalogue
from machochain.world.system.oslibs import SdkLibraries


class Verdict(Enum):
    """What the contexts say about one library together."""

    STABLE = "stable"
    DIFFERS = "differs"
    BROKEN = "broken"
    UNKNOWN = "unknown"


class Reason(Enum):
    """Why a library is not found everywhere, or why the answer cannot be trusted for long."""

    EXECUTABLE_RELATIVE = "executable-relative"
    CWD_RELATIVE = "cwd-relative"
    ENVIRONMENT = "environment"
    STALE_CACHE = "stale-cache"
    POLICY = "policy"
    ABSOLUTE_PREFIX = "absolute-prefix"
    MACOS = "macos"
    NO_RUN_PATH = "no-run-path"


@frozen
class Column:
    """One launch: a context on one release.

    Attributes:
        context: The context.
        macos: The release.
        result: What dyld does.
        cwd: The working directory of the process.
        lost: Environment variables that were lost on the way, in order.
        environment: What the process sees.
    """

    context: LaunchContext
    macos: Version
    result: Result
    cwd: str
    lost: tuple[str, ...] = ()
    environment: tuple[tuple[str, str], ...] = ()


@frozen
class Cell:
    """One library in one column.

    Attributes:
        load: The load command that matters most there; None if nothing asks for the library.
        image: What serves it; None if nothing does.
        run_path: Text of the LC_RPATH that led to it; None if none did.
    """

    load: Load | None = None
    image: LoadedImage | None = None
    run_path: str | None = None

    @property
    def outcome(self) -> Outcome | None:
        """What became of it; None if nothing asks for the library."""
        return None if self.load is None else self.load.outcome

    @property
    def found(self) -> bool:
        """Whether something serves it."""
        return self.image is not None

    @property
    def failed(self) -> bool:
        """Whether it ends the launch."""
        return self.outcome is Outcome.MISSING

    @property
    def certain_by_place(self) -> bool:
        """Whether every path that was tried lies where only Go writes: a miss that needs no look at any disk."""
        if self.load is None or self.found or not self.load.tried:
            return False
        return all(closed_root(posixpath.normpath(a.candidate.path)) is not None for a in self.load.tried)


@frozen
class LibraryRow:
    """One load path in all columns.

    Attributes:
        name: The load path as written.
        weak: Whether every image that asks can do without.
        system: Whether it names a library of the OS.
        requesters: Leaf names of the images that ask, in load order.
        cells: One per column.
        verdict: What they say together.
        reasons: Why, the most telling first; empty where nothing needs one.
        remedy: Commands or steps.
    """

    name: str
    weak: bool
    system: bool
    requesters: tuple[str, ...]
    cells: tuple[Cell, ...]
    verdict: Verdict
    reasons: tuple[Reason, ...] = ()
    remedy: tuple[str, ...] = ()


@frozen
class Advice:
    """Something true of the contexts as such, whatever dyld does.

    Attributes:
        reason: What it is about.
        text: One sentence.
        remedy: Commands.
    """

    reason: Reason
    text: str
    remedy: tuple[str, ...] = ()


@frozen
class Skipped:
    """A context that was asked for and does not apply."""

    context: LaunchContext
    why: str


@frozen
class Matrix:
    """Libraries by contexts, for one slice of a program.

    Attributes:
        input: The file as the user named it.
        arch: The slice.
        program: What the contexts were made from.
        go: What Go left in it; None if Go did not make it.
        columns: Contexts in the order asked for, each on every release.
        rows: Libraries in the order dyld first asks for them.
        skipped: Contexts left out.
        advice: What else to know.
    """

    input: str
    arch: str
    program: Program
    go: GoBinary | None
    columns: tuple[Column, ...]
    rows: tuple[LibraryRow, ...]
    skipped: tuple[Skipped, ...] = ()
    advice: tuple[Advice, ...] = ()

    @property
    def launches(self) -> bool | None:
        """True if the program launches in every context, False if it fails in one, None if one is unknown."""
        verdicts = {c.result.launches for c in self.columns}
        return False if False in verdicts else None if None in verdicts else True

    @property
    def launches_nowhere(self) -> bool:
        """Whether the program fails in every context."""
        return bool(self.columns) and all(c.result.launches is False for c in self.columns)


# -- from contexts to Macs --


def place_context(world: World, context: LaunchContext) -> World:
    """Return the modelled Mac on which a context's executable lies at its place.

    Below the closed roots there is nothing else; what lies around such a root differs from run to run and is unseen.
    """
    if not context.moved:
        return world
    roots = [root for root in ROOTS if root in context.roots]
    return evolve(
        world,
        at=context.executable,
        closed=(*world.closed, *(root.path for root in roots if root.closed)),
        unseen=(*world.unseen, *(root.around for root in roots)),
    )


def started_by(wanted: Sequence[LaunchContext], go: Hop) -> tuple[LaunchContext, ...]:
    """Return the contexts with a given ``go`` command as what starts the process, where Go does."""
    started = ("go-run", "go-run-cached", "go-test")
    return tuple(evolve(c, hops=(*c.hops, go)) if c.id in started else c for c in wanted)


def program_of(
    executable: TargetPath,
    go: GoBinary | None,
    *,
    cwd: str,
    package_directory: TargetPath | None = None,
) -> Program:
    """Return what the built-in contexts need to know of a program.

    Go names what it runs after the package, not after the file (``cmd/go/internal/load``, ``DefaultExecName``): the
    last element of the import path that is no ``/vN``; a test binary is ``PKG.test``.
    """
    build = go.build if go is not None else None
    path = build.path if build is not None else ""
    name = leaf(executable)
    if path and path != "command-line-arguments":
        parts = path.split("/")
        last = parts[-1]
        versioned = len(parts) > 1 and last[:1] == "v" and last[1:].isdigit() and int(last[1:]) > 1
        name = parts[-2] if versioned else last
    name = name.removesuffix(".test") or name
    package = leaf(package_directory) if package_directory is not None else None
    return Program(name, executable, TargetPath(cwd), package_directory, package)


def applicable(
    wanted: Sequence[LaunchContext], go: GoBinary | None
) -> tuple[tuple[LaunchContext, ...], tuple[Skipped, ...]]:
    """Part the contexts into those that apply to a program's Go release and those that do not."""
    release = go.version if go is not None else None
    kept, skipped = [], []
    for context in wanted:
        if context.releases.holds(release) is False:
            skipped.append(
                Skipped(context, f"{release} does not do this, Go 1.{_since(context.releases)} and newer do")
            )
        else:
            kept.append(context)
    return tuple(kept), tuple(skipped)


def _since(releases: GoReleases) -> int:
    return releases.oldest or 0


@frozen
class Request:
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
    binary: str, request: Request, target: Target, world: World, system: EmbeddedCatalogue | SdkLibraries
) -> Iterator[Matrix]:
    """Yield the matrix of each slice of a program.

    Args:
        binary: The program on this machine.
        request: The contexts.
        target: Releases, slice, environment, working directory of the caller.
        world: The modelled Mac's files; the program stands in it where it stands "in place".
        system: The OS libraries.

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
            go = go_binary(piece.image, sections(piece.image), source, piece)
        assert node.real is not None
        program = program_of(node.real, go, cwd=target.cwd, package_directory=request.package_directory)
        chosen = contexts(request.contexts or _fitting(go), program)
        if request.go is not None:
            chosen = started_by(chosen, request.go)
        kept, skipped = applicable(chosen, go)
        stages: dict[TargetPath | None, _Stage] = {None: home}
        columns = [
            column
            for context in kept
            for column in _columns(binary, context, evolve(target, arch=piece.image.arch.name), world, stages, system)
        ]
        yield build_matrix(program, go, columns, skipped)


def _fitting(go: GoBinary | None) -> tuple[str, ...]:
    others = ("install:/usr/local", "app-bundle", "hardened", "sip-shell")
    return ("go",) if go is not None else ("in-place", *others)


class _Stage:
    """One modelled Mac with the program on it."""

    def __init__(self, view: WorldView, system: EmbeddedCatalogue | SdkLibraries) -> None:
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


def _columns(
    binary: str,
    context: LaunchContext,
    target: Target,
    world: World,
    stages: dict[TargetPath | None, _Stage],
    system: EmbeddedCatalogue | SdkLibraries,
) -> Iterator[Column]:
    """Start the program in one context, on each release."""
    place = context.executable if context.moved else None
    stage = stages.get(place)
    if stage is None:
        stage = stages[place] = _Stage(open_world(place_context(world, context), [binary]), system)
    environment, lost = context.environment(target.environment)
    cwd = context.cwd or target.cwd
    here = evolve(
        target,
        cwd=cwd,
        environment=environment,
        hardened=target.hardened if context.hardened is None else context.hardened,
    )
    for result in resolve_node(stage.mac, stage.node(binary), binary, here, stages=(stage.symbols,)):
        yield Column(context, result.macos, result, cwd, lost, tuple(environment.items()))


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


# -- from results to a matrix --


def build_matrix(
    program: Program,
    go: GoBinary | None,
    columns: Sequence[Column],
    skipped: Sequence[Skipped] = (),
) -> Matrix:
    """Put the columns of one slice together.

    Raises:
        InputError: There is no column.
    """
    if not columns:
        raise InputError("no launch context is left to look at", path=program.executable)
    first = columns[0].result
    rows = tuple(_rows(columns, program, go))
    return Matrix(
        first.input, first.arch, program, go, tuple(columns), rows, tuple(skipped), tuple(_advice(columns, rows, go))
    )


_RANK: Final = (
    Outcome.MISSING,
    Outcome.UNKNOWN,
    Outcome.WEAK_MISSING,
    Outcome.LOADED,
    Outcome.ALREADY_LOADED,
)
"""Of several loads by one path, the one that fails says most."""


def _rows(columns: Sequence[Column], program: Program, go: GoBinary | None) -> Iterator[LibraryRow]:
    by_name: list[dict[str, list[Load]]] = []
    order: dict[str, None] = {}
    for column in columns:
        found: dict[str, list[Load]] = {}
        for load in column.result.loads:
            found.setdefault(load.dylib.name, []).append(load)
            order.setdefault(load.dylib.name, None)
        by_name.append(found)
    for name in order:
        cells = tuple(_cell(c.result, found.get(name, ())) for c, found in zip(columns, by_name, strict=True))
        loads = [(c, load) for c, found in zip(columns, by_name, strict=True) for load in found.get(name, ())]
        asking = dict.fromkeys(
            leaf(c.result.images[load.source].path) if load.source else program.name for c, load in loads
        )
        row = LibraryRow(
            name,
            all(load.dylib.weak for _, load in loads),
            might_be_in_shared_cache(name),
            tuple(asking),
            cells,
            _verdict(cells),
        )
        reasons = tuple(_reasons(row, columns)) if row.verdict in (Verdict.DIFFERS, Verdict.BROKEN) else ()
        yield evolve(row, reasons=reasons, remedy=tuple(_remedy(row, reasons, columns, go)))


def _cell(result: Result, loads: Sequence[Load]) -> Cell:
    if not loads:
        return Cell()
    load = min(loads, key=lambda each: _RANK.index(each.outcome))
    image = result.images[load.to] if load.to is not None else None
    return Cell(load, image, run_path_text(load.found, result) if load.found is not None else None)


def run_path_text(candidate: Candidate, result: Result) -> str | None:
    """Return the LC_RPATH a candidate comes from, as written; None if from none."""
    if candidate.image is None or candidate.run_path is None:
        return None
    owner = result.images[candidate.image].image
    return owner.run_paths[candidate.run_path].path if owner is not None else None


def _verdict(cells: Iterable[Cell]) -> Verdict:
    asked = [c for c in cells if c.load is not None]
    kinds = {"failed" if c.failed else "unknown" if c.outcome is Outcome.UNKNOWN else _served(c) for c in asked}
    if kinds == {"failed"}:
        return Verdict.BROKEN
    if len(kinds - {"unknown"}) > 1:
        return Verdict.DIFFERS
    return Verdict.UNKNOWN if "unknown" in kinds else Verdict.STABLE


def _served(cell: Cell) -> str:
    """Return what tells two cells of a found library apart: the file, for an OS library no matter which."""
    if cell.image is None:
        return "absent"
    return "os" if cell.image.origin is Origin.OS else f"file {cell.image.path}"


_ENVIRONMENT: Final = frozenset(
    {
        SearchRule.PATH_DIR_OVERRIDE,
        SearchRule.VERSIONED_OVERRIDE,
        SearchRule.SUFFIX_OVERRIDE,
        SearchRule.CUSTOM_FALLBACK,
    }
)
_NAMED_PLACES: Final = frozenset(
    {SearchRule.RPATH, SearchRule.LOADER_PATH, SearchRule.EXECUTABLE_PATH, SearchRule.RAW_PATH}
)
"""Rules whose path somebody wrote: worth putting a library there."""
_RELATIVE: Final = ("@executable_path", "@loader_path")


def _reasons(row: LibraryRow, columns: Sequence[Column]) -> Iterator[Reason]:
    """Yield why a library differs or is broken, each reason once."""
    seen: dict[Reason, None] = {}
    if _differs_by_release(row, columns):
        seen[Reason.MACOS] = None
    by_variable = any(
        c.load is not None and c.load.found is not None and c.load.found.rule in _ENVIRONMENT for c in row.cells
    )
    for cell, column in zip(row.cells, columns, strict=True):
        if cell.load is None:
            continue
        if cell.found:
            for reason in _why_found(row, cell):
                seen[reason] = None
        elif cell.failed or cell.outcome is Outcome.WEAK_MISSING:
            for reason in _why_failed(cell, column, by_variable=by_variable):
                seen[reason] = None
    if row.verdict is Verdict.BROKEN or not seen:
        for reason in _why_broken(row, columns):
            seen[reason] = None
    yield from seen


def _differs_by_release(row: LibraryRow, columns: Sequence[Column]) -> bool:
    kinds: dict[str, set[str]] = {}
    for cell, column in zip(row.cells, columns, strict=True):
        if cell.load is not None:
            kinds.setdefault(column.context.id, set()).add("failed" if cell.failed else _served(cell))
    return any(len(each) > 1 for each in kinds.values())


def _why_found(row: LibraryRow, cell: Cell) -> Iterator[Reason]:
    """Yield what made it work here, and may not elsewhere."""
    assert cell.load is not None
    if row.verdict is not Verdict.DIFFERS or cell.load.found is None:
        return
    candidate = cell.load.found
    if candidate.rule in _ENVIRONMENT:
        yield Reason.ENVIRONMENT
    elif cell.run_path is not None:
        # The main executable's own place, or that of a library which stays where it is.
        if cell.run_path.startswith("@executable_path") or (cell.run_path.startswith("@") and candidate.image == 0):
            yield Reason.EXECUTABLE_RELATIVE
    elif candidate.rule is SearchRule.EXECUTABLE_PATH or (
        candidate.rule is SearchRule.LOADER_PATH and cell.load.source == 0
    ):
        yield Reason.EXECUTABLE_RELATIVE
    elif not candidate.path.startswith("/"):
        yield Reason.CWD_RELATIVE


def _why_failed(cell: Cell, column: Column, *, by_variable: bool) -> Iterator[Reason]:
    assert cell.load is not None
    texts = (cell.load.reason or "", *(a.reason for a in cell.load.tried))
    if any("not allow" in text or "unsafe use of" in text for text in texts):
        yield Reason.POLICY
    if by_variable and column.lost:
        yield Reason.ENVIRONMENT
    elif by_variable and column.result.hardened and any(n.startswith("DYLD_") for n, _ in column.environment):
        yield Reason.POLICY


def _why_broken(row: LibraryRow, columns: Sequence[Column]) -> Iterator[Reason]:
    """Yield what the load path and the run paths that were tried depend on."""
    name = row.name
    if name.startswith(_RELATIVE):
        yield Reason.EXECUTABLE_RELATIVE
        return
    if not name.startswith(("@", "/")):
        yield Reason.CWD_RELATIVE
        return
    if name.startswith("/"):
        yield Reason.MACOS if row.system else Reason.ABSOLUTE_PREFIX
        return
    texts = tried_run_paths(row, columns)
    if not texts:
        yield Reason.NO_RUN_PATH
    if any(t.startswith(_RELATIVE) for t in texts):
        yield Reason.EXECUTABLE_RELATIVE
    if any(t.startswith("/") for t in texts):
        yield Reason.ABSOLUTE_PREFIX
    if any(not t.startswith(("/", "@")) for t in texts):
        yield Reason.CWD_RELATIVE


def tried_run_paths(row: LibraryRow, columns: Sequence[Column]) -> tuple[str, ...]:
    """Return the LC_RPATHs behind which the library was looked for in vain, each once, in order."""
    texts: dict[str, None] = {}
    for cell, column in zip(row.cells, columns, strict=True):
        for attempt in cell.load.tried if cell.load is not None else ():
            text = run_path_text(attempt.candidate, column.result)
            if text is not None:
                texts[text] = None
    return tuple(texts)


# -- remedies --


def _remedy(
    row: LibraryRow, reasons: Sequence[Reason], columns: Sequence[Column], go: GoBinary | None
) -> Iterator[str]:
    """Yield steps for one library; a Go program gets Go's ways."""
    place = _library_directory(row)
    name = leaf(row.name)
    by_go = any(c.context.id in _STARTED_BY_GO for c in columns)
    for reason in reasons:
        if reason in (Reason.EXECUTABLE_RELATIVE, Reason.NO_RUN_PATH):
            yield from _reach(row, place, columns, go=by_go and go is not None)
        elif reason is Reason.CWD_RELATIVE:
            target = file_word(f"{place or '.'}/{name}")
            if row.verdict is Verdict.BROKEN:
                yield f"name the caller's own directory with --cwd; here it is {columns[0].cwd}"
            by_run_path = quoted(f"@rpath/{name}")
            yield f"give the library an id that is no bare name: install_name_tool -id {by_run_path} {target}"
            yield from _reach(row, place, columns, go=by_go and go is not None)
        elif reason is Reason.ENVIRONMENT:
            variable = _variable(columns)
            if by_go and go is not None:
                yield f"go run -exec {quoted(f'env {variable}')} .   (go test -exec likewise)"
            yield "or put a run path into the program instead of a variable beside it"
        elif reason is Reason.POLICY:
            yield (
                "use a run path or an absolute path; a hardened program sees DYLD_ variables only with the entitlement "
                "com.apple.security.cs.allow-dyld-environment-variables"
            )
        elif reason is Reason.ABSOLUTE_PREFIX:
            yield f"install the library at {_absolute_place(row, columns)}"
            if row.name.startswith("/"):
                names = f"{quoted(row.name)} {quoted(f'@rpath/{name}')}"
                yield f"or ship it: install_name_tool -change {names} PROGRAM, and add a run path"
        elif reason is Reason.MACOS:
            yield "link the library weakly and check before use, or raise the minimum macOS"


_STARTED_BY_GO: Final = frozenset({"go-run", "go-run-cached", "go-test", "go-official"})


def _reach(row: LibraryRow, place: str | None, columns: Sequence[Column], *, go: bool) -> Iterator[str]:
    """Yield how the program finds the library wherever it is started."""
    folder = place or "/ABSOLUTE/DIRECTORY"
    if go:
        yield f"CGO_LDFLAGS={flags_word(f'-Wl,-rpath,{folder}')} go run .   (go test ./... likewise)"
        yield "#cgo LDFLAGS: -Wl,-rpath,${SRCDIR}/lib works too; cmd/go refuses run paths that begin with @ there"
    else:
        yield f"link with {quoted(f'-Wl,-rpath,{folder}')}, an absolute run path"
    for cell, column in zip(row.cells, columns, strict=True):
        if not cell.failed or cell.load is None or column.context.roots or not column.context.moved:
            continue
        tried = (a.candidate for a in cell.load.tried if a.candidate.rule in _NAMED_PLACES)
        wanted = next((c.path for c in tried if c.path.startswith("/")), None)
        if wanted is not None:
            yield f"{column.context.title}: put the library at {posixpath.normpath(wanted)}"
            return


def _library_directory(row: LibraryRow) -> str | None:
    """Return the directory a run path would have to name, where the library was found in some column."""
    for cell in row.cells:
        if cell.image is not None and cell.image.origin is Origin.DISK:
            tail = row.name.partition("/")[2] if row.name.startswith("@") else leaf(row.name)
            path = cell.image.path
            if path.endswith(f"/{tail}"):
                return path[: -len(tail) - 1] or "/"
            return directory(path) or "/"
    return None


def _variable(columns: Sequence[Column]) -> str:
    """Return the DYLD_ variables somebody set, as assignments."""
    given: dict[str, str] = {}
    for column in columns:
        given.update((n, v) for n, v in column.environment if n.startswith("DYLD_"))
    return " ".join(f"{n}={v}" for n, v in given.items()) or "DYLD_LIBRARY_PATH=DIRECTORY"


def _absolute_place(row: LibraryRow, columns: Sequence[Column]) -> str:
    if row.name.startswith("/"):
        return row.name
    for cell, column in zip(row.cells, columns, strict=True):
        for attempt in cell.load.tried if cell.load is not None else ():
            text = run_path_text(attempt.candidate, column.result)
            if text is not None and text.startswith("/"):
                return attempt.candidate.path
    return row.name


def _advice(columns: Sequence[Column], rows: Sequence[LibraryRow], go: GoBinary | None) -> Iterator[Advice]:
    """Yield what Go's caches do to a program with C libraries of its own."""
    foreign = [r for r in rows if not r.system and any(c.load is not None for c in r.cells)]
    ids = {c.context.id for c in columns}
    if go is None or not foreign:
        return
    names = ", ".join(leaf(r.name) for r in foreign[:3]) + (" and others" if len(foreign) > 3 else "")
    if "go-run-cached" in ids:
        yield Advice(
            Reason.STALE_CACHE,
            f"go run starts a cached executable from the second time on and does not link again when {names} changes: "
            "it may ask for a library that is gone while go build and go test work",
            ("go run -a .", "go clean -cache"),
        )
    if "go-test" in ids:
        yield Advice(
            Reason.STALE_CACHE,
            f"go test prints a cached ok without starting anything, even if {names} is gone: only Go's own files and "
            "variables are part of the key",
            ("go test -count=1 ./...",),
        )


def shown_text(text: str) -> str:
    """Return a text with Go's made-up directories written as people know them: ``$WORK``, ``$GOCACHE``."""
    for root in ROOTS:
        if root.path in text:
            text = text.replace(f"{root.path}/00/{'0' * 64}-d", f"{root.shown}/xx/<hash>-d")
            text = text.replace(f"{root.path}/00/", f"{root.shown}/xx/").replace(root.path, root.shown)
    return text
