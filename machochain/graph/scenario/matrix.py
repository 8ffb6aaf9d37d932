"""From results to a matrix: what the contexts say about each library together, and why."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from machochain.dyld.facts import might_be_in_shared_cache
from machochain.graph.scenario.port import Toolchain
from machochain.graph.scenario.remedies import remedy
from machochain.graph.scenario.values import (
    Advice,
    Cell,
    Column,
    LibraryRow,
    Matrix,
    Reason,
    Skipped,
    Verdict,
    run_path_text,
    tried_run_paths,
)
from machochain.model.errors import InputError
from machochain.model.go import GoBinary
from machochain.model.launch import Program
from machochain.model.paths import leaf
from machochain.model.result import Load, Origin, Outcome, Result
from machochain.model.search import FailureKind, ObjectionKind, SearchRule
from machochain.model.value import evolve


def build_matrix(
    program: Program,
    go: GoBinary | None,
    columns: Sequence[Column],
    toolchain: Toolchain,
    skipped: Sequence[Skipped] = (),
) -> Matrix:
    """Put the columns of one slice together.

    Raises:
        InputError: There is no column.
    """
    if not columns:
        raise InputError("no launch context is left to look at", path=program.executable)
    first = columns[0].result
    rows = tuple(_rows(columns, program, toolchain, go))
    advice = _advice(columns, rows, go, toolchain)
    return Matrix(first.input, first.arch, program, go, tuple(columns), rows, tuple(skipped), advice)


_RANK: Final = (
    Outcome.MISSING,
    Outcome.UNKNOWN,
    Outcome.WEAK_MISSING,
    Outcome.LOADED,
    Outcome.ALREADY_LOADED,
)
"""Of several loads by one path, the one that fails says most."""


def _rows(
    columns: Sequence[Column], program: Program, toolchain: Toolchain, go: GoBinary | None
) -> Iterator[LibraryRow]:
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
        yield evolve(row, reasons=reasons, remedy=tuple(remedy(row, reasons, columns, toolchain, go)))


def _cell(result: Result, loads: Sequence[Load]) -> Cell:
    if not loads:
        return Cell()
    load = min(loads, key=lambda each: _RANK.index(each.outcome))
    image = result.images[load.to] if load.to is not None else None
    return Cell(load, image, run_path_text(load.found, result) if load.found is not None else None)


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
    if _by_flags(row, columns):
        seen[Reason.LINK_FLAGS] = None
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


def _by_flags(row: LibraryRow, columns: Sequence[Column]) -> bool:
    """Whether the library is found only where the program was linked with flags that are not in its sources."""
    plain = [c.failed for c, column in zip(row.cells, columns, strict=True) if column.context.without_run_paths]
    flagged = {
        c.run_path
        for c, column in zip(row.cells, columns, strict=True)
        if c.found and not column.context.without_run_paths
    }
    missing = {p for column in columns for p in column.context.without_run_paths}
    return any(plain) and bool(flagged & missing)


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
    forbidden = cell.load.failure_kind in {FailureKind.UNSAFE_PATH, FailureKind.NOT_EXPANDED}
    if forbidden or any(a.kind is ObjectionKind.RELATIVE_PATH for a in cell.load.tried):
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


def _advice(
    columns: Sequence[Column], rows: Sequence[LibraryRow], go: GoBinary | None, toolchain: Toolchain
) -> tuple[Advice, ...]:
    """Return what the toolchain's caches do to a program of its own."""
    if go is None:
        return ()
    foreign = [leaf(r.name) for r in rows if not r.system and any(c.load is not None for c in r.cells)]
    return toolchain.advice(foreign, frozenset(c.context.id for c in columns))
