"""What helps a library that is not found everywhere: steps in the words of a shell."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Sequence
from typing import Final

from machochain.graph.scenario.port import Toolchain
from machochain.graph.scenario.values import Column, LibraryRow, Reason, Verdict, run_path_text
from machochain.model.go import GoBinary
from machochain.model.paths import directory, leaf
from machochain.model.result import Origin
from machochain.model.search import SearchRule
from machochain.model.shell import file_word, quoted

_NAMED_PLACES: Final = frozenset(
    {SearchRule.RPATH, SearchRule.LOADER_PATH, SearchRule.EXECUTABLE_PATH, SearchRule.RAW_PATH}
)
"""Rules whose path somebody wrote: worth putting a library there."""


_RELATIVE: Final = ("@executable_path", "@loader_path")


def remedy(  # noqa: C901, PLR0912  # the order of its steps is the rule
    row: LibraryRow,
    reasons: Sequence[Reason],
    columns: Sequence[Column],
    toolchain: Toolchain,
    made: GoBinary | None,
) -> Iterator[str]:
    """Yield steps for one library; what a toolchain made and starts gets its ways, too."""
    place = _library_directory(row)
    name = leaf(row.name)
    by = toolchain if made is not None and any(c.context.by_toolchain for c in columns) else None
    if reasons and row.name.startswith(_RELATIVE):
        # A run path changes nothing for a load path that names its place itself.
        yield from _new_id(name, place)
    for reason in reasons:
        if reason in (Reason.EXECUTABLE_RELATIVE, Reason.NO_RUN_PATH):
            yield from _reach(row, place, columns, by, made)
        elif reason is Reason.CWD_RELATIVE:
            if row.verdict is Verdict.BROKEN:
                yield f"name the caller's own directory with --cwd; here it is {columns[0].cwd}"
            yield from _new_id(name, place)
            yield from _reach(row, place, columns, by, made)
        elif reason is Reason.ENVIRONMENT:
            variable = _variable(columns)
            if by is not None:
                yield from by.variable_steps(variable)
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
        elif reason is Reason.LINK_FLAGS:
            if place is not None:
                yield f"put the run path into the sources, where every build has it: #cgo LDFLAGS: -Wl,-rpath,{place}"
        elif reason is Reason.MACOS:
            yield "link the library weakly and check before use, or raise the minimum macOS"


def _new_id(name: str, place: str | None) -> Iterator[str]:
    """Yield how the library gets a name that run paths serve; a command only for a file that is there."""
    new = quoted(f"@rpath/{name}")
    if place is None:
        yield f"give {name} the id {new} where it is built, and link again"
        return
    target = file_word(f"{place}/{name}")
    yield f"give the library an id that run paths serve, and link again: install_name_tool -id {new} {target}"


def _reach(
    row: LibraryRow,
    place: str | None,
    columns: Sequence[Column],
    toolchain: Toolchain | None,
    made: GoBinary | None,
) -> Iterator[str]:
    """Yield how the program finds the library wherever it is started."""
    folder = place or "/ABSOLUTE/DIRECTORY"
    if toolchain is not None:
        yield from toolchain.run_path_steps(folder, made)
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
