"""The answer of ``scenario``: a table of libraries by launch contexts, as text, JSON and Markdown."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from string import ascii_uppercase
from typing import Any, Final

from machochain.dyld.profile import profile_for
from machochain.graph.scenario.values import Advice, Cell, Column, LibraryRow, Matrix, Reason, Verdict, shown_text
from machochain.model.paths import printable
from machochain.model.result import Origin, Outcome
from machochain.model.value import frozen
from machochain.report.context import RenderContext
from machochain.report.markdown import cell, code, prose
from machochain.report.resolution import execution_fields, tool
from machochain.report.style import Style
from machochain.report.text import kernel_words, rule_words

SCENARIO_SCHEMA = "machochain.scenario/1"

_MARKS: Final = {
    "found": ("✔", "+", "found", "good"),
    "missing": ("✘", "x", "missing", "bad"),
    "unknown": ("?", "?", "unknown", "doubt"),
    "absent": ("○", "o", "absent, which a weak load allows", "dim"),
    "unasked": ("·", ".", "not asked for", "dim"),
}
_VERDICT_STYLE: Final = {
    Verdict.STABLE: "good",
    Verdict.DIFFERS: "bad",
    Verdict.BROKEN: "bad",
    Verdict.UNKNOWN: "doubt",
}
_WORDS: Final = {
    Reason.EXECUTABLE_RELATIVE: "depends on where the executable lies",
    Reason.CWD_RELATIVE: "depends on the working directory",
    Reason.ENVIRONMENT: "depends on variables that do not get through",
    Reason.STALE_CACHE: "a cache may be stale",
    Reason.POLICY: "a restricted process may not do this",
    Reason.ABSOLUTE_PREFIX: "depends on a directory of one machine",
    Reason.MACOS: "depends on the macOS release",
    Reason.NO_RUN_PATH: "no run path leads to it",
    Reason.LINK_FLAGS: "depends on link flags that are not in the sources",
}


def _state(cell: Cell) -> str:
    if cell.load is None:
        return "unasked"
    if cell.found:
        return "found"
    return {Outcome.UNKNOWN: "unknown", Outcome.WEAK_MISSING: "absent"}.get(cell.load.outcome, "missing")


def _launch_state(column: Column) -> str:
    return {True: "found", False: "missing", None: "unknown"}[column.result.launches]


def _path(text: str) -> str:
    return printable(shown_text(text))


# -- columns with one answer for several releases --


@frozen
class _Group:
    """Releases on which every context gives the same: one table.

    Attributes:
        releases: Their span in words.
        columns: Positions of the newest such release's columns in the matrix.
    """

    releases: str
    columns: tuple[int, ...]


def _groups(matrix: Matrix) -> list[_Group]:
    releases = sorted({c.macos for c in matrix.columns})
    positions = {v: tuple(i for i, c in enumerate(matrix.columns) if c.macos == v) for v in releases}

    def answer(version: Any) -> tuple[Any, ...]:
        here = positions[version]
        return tuple((matrix.columns[i].result.launches, *(_answer(row.cells[i]) for row in matrix.rows)) for i in here)

    found = []
    for _, run in groupby(releases, key=answer):
        span = list(run)
        words = f"macOS {span[0]}" if len(span) == 1 else f"macOS {span[0]} to {span[-1]}"
        found.append(_Group(words, positions[span[-1]]))
    return found


def _answer(cell: Cell) -> tuple[str, str | None]:
    """Return what tells one release from another; of an OS library only that it is there."""
    path = cell.image.path if cell.image is not None and cell.image.origin is Origin.DISK else None
    return _state(cell), path


def _description(cell: Cell, column: Column) -> tuple[str, ...]:
    """Return what happened to a library, line by line; equal for cells that need not be told apart."""
    if cell.load is None:
        return ("not asked for",)
    if cell.image is not None:
        how = rule_words(cell.load.found, column.result) if cell.load.found is not None else "loaded already"
        return (_path(cell.image.path) + (f"  [{how}]" if how else ""),)
    # dyld2 has no words for a file that is not there, later ones none for an empty file.
    silent = "no such file" if profile_for(column.macos).classic else "an empty file"
    lines = dict.fromkeys(
        f"{_path(a.candidate.path)}: {'nobody looked there' if a.unseen else printable(a.reason or silent)}"
        for a in cell.load.tried
    )
    if not lines:
        reason = cell.load.reason or ("absent" if cell.load.outcome is Outcome.WEAK_MISSING else "nothing was tried")
        return (_path(reason.strip()),)
    return tuple(lines)


# -- text --


def render_scenarios(matrices: Sequence[Matrix], style: Style) -> str:
    """Return the text of ``scenario``."""
    lines: list[str] = []
    for matrix in matrices:
        groups = _groups(matrix)
        for group in groups:
            lines += ["", *_table(matrix, group, style)] if lines else _table(matrix, group, style)
        lines += _legend(matrix, style)
        for row in matrix.rows:
            if row.verdict is not Verdict.STABLE or (style.verbose and not row.system):
                lines += _row_detail(matrix, groups, row, style)
        lines += _notes(matrix, style)
    return "\n".join(lines) + "\n"


def _headline(matrix: Matrix, group: _Group, style: Style) -> str:
    made = "not made by Go"
    if matrix.go is not None:
        made = matrix.go.version or "Go, release unknown"
        made += {True: " with cgo", False: " without cgo", None: ""}[matrix.go.cgo]
    words = [style.paint(printable(matrix.input), "bold"), matrix.arch, group.releases, made]
    if matrix.program.cwd_known:
        words.append(f"started in {_path(matrix.program.cwd)}")
    return "  ".join(words)


def _letters(matrix: Matrix) -> dict[str, str]:
    """Return a letter for each context (two where one does not do)."""
    ids = list(dict.fromkeys(c.context.id for c in matrix.columns))
    names = [*ascii_uppercase, *(a + b for a in ascii_uppercase for b in ascii_uppercase)]
    return dict(zip(ids, names, strict=False))


def _table(matrix: Matrix, group: _Group, style: Style) -> list[str]:
    letters = _letters(matrix)
    heads = [letters[matrix.columns[i].context.id] for i in group.columns]
    wide = max(map(len, heads)) + 1
    shown = [r for r in matrix.rows if not r.system or r.verdict is not Verdict.STABLE or style.verbose]
    folded = len(matrix.rows) - len(shown)
    room = max(20, style.width - 4 - wide * len(heads) - 10)
    os_row = f"{folded} from the OS"
    lengths = [len(printable(r.name)) for r in shown] + [len(os_row)] * bool(folded) + [len("launches") + 4]
    width = min(room, max(lengths))
    lines = [_headline(matrix, group, style), "", f"  {'':{width}}  " + "".join(f"{h:{wide}}" for h in heads).rstrip()]
    for row in shown:
        marks = _marks([_state(row.cells[i]) for i in group.columns], wide, style)
        verdict = style.paint(row.verdict.value, _VERDICT_STYLE[row.verdict])
        *above, last = _broken(printable(row.name) + (" (weak)" if row.weak else ""), width)
        lines += [f"  {part}" for part in above]
        lines.append(f"  {last:{width}}  {marks}{verdict}")
    if folded:
        marks = _marks(["found"] * len(heads), wide, style)
        lines.append(f"  {os_row:{width}}  {marks}{style.paint('stable', 'good')}")
    marks = _marks([_launch_state(matrix.columns[i]) for i in group.columns], wide, style)
    lines.append(f"  {'launches':{width}}  {marks}".rstrip())
    return lines


def _marks(states: Iterable[str], wide: int, style: Style) -> str:
    parts = []
    for state in states:
        unicode, plain, _words, kind = _MARKS[state]
        parts.append(style.paint(unicode if style.unicode else plain, kind) + " " * (wide - 1))
    return "".join(parts)


def _broken(name: str, width: int) -> list[str]:
    """Break a long path behind a slash; a part that is still too long is broken anywhere."""
    lines: list[str] = [""]
    for part in name.replace("/", "/\0").split("\0"):
        if lines[-1] and len(lines[-1]) + len(part) > width:
            lines.append("  ")
        lines[-1] += part
    return [line[i : i + width] for line in lines for i in range(0, max(len(line), 1), width)]


def _legend(matrix: Matrix, style: Style) -> list[str]:
    letters = _letters(matrix)
    seen: dict[str, Column] = {}
    for column in matrix.columns:
        seen.setdefault(column.context.id, column)
    titles = max(len(c.context.title) for c in seen.values())
    lines = [""]
    for name, column in seen.items():
        lines.append(f"  {letters[name]:2} {printable(column.context.title):{titles}}  {_path(_place(column))}")
        extra = [f"in {_path(column.cwd)}"] if column.cwd != matrix.program.cwd else []
        if column.context.without_run_paths:
            extra.append(f"without the run path {', '.join(map(printable, column.context.without_run_paths))}")
        extra += ["hardened"] if column.result.hardened else []
        extra += [f"without {', '.join(map(printable, column.lost))}"] if column.lost else []
        if extra:
            lines.append(f"     {'':{titles}}  " + style.paint(", ".join(extra), "dim"))
    used = {_state(cell) for row in matrix.rows for cell in row.cells}
    lines.append("")
    lines.append("  " + "   ".join(f"{m[0] if style.unicode else m[1]} {m[2]}" for s, m in _MARKS.items() if s in used))
    return lines


def _place(column: Column) -> str:
    return column.result.images[0].path


def _row_detail(matrix: Matrix, groups: Sequence[_Group], row: LibraryRow, style: Style) -> list[str]:
    why = ", ".join(_WORDS[r] for r in row.reasons)
    lines = ["", style.paint(printable(row.name), "bold") + f": {row.verdict.value}" + (f", {why}" if why else "")]
    letters = _letters(matrix)
    told: dict[tuple[str, tuple[str, ...]], dict[str, list[str]]] = {}
    for group in groups:
        for i in group.columns:
            cell, column = row.cells[i], matrix.columns[i]
            by_release = told.setdefault((_state(cell), _description(cell, column)), {})
            by_release.setdefault(group.releases, []).append(letters[column.context.id])
    for (state, description), where in told.items():
        mark = _MARKS[state][0 if style.unicode else 1]
        for releases, names in where.items():
            on = f" on {releases}" if len(groups) > 1 else ""
            lines.append(f"  {style.paint(mark, _MARKS[state][3])} {', '.join(names)}{on}")
        lines += [f"      {line}" for line in description]
    if any(c.certain_by_place for c in row.cells):
        lines.append("    Only Go writes below $WORK and $GOCACHE: no library can ever lie there.")
    lines += _fix(row.remedy)
    return lines


def _fix(remedy: Sequence[str]) -> list[str]:
    return ["  fix:", *(f"    {_path(step)}" for step in remedy)] if remedy else []


def _notes(matrix: Matrix, style: Style) -> Iterator[str]:
    for advice in matrix.advice:
        yield ""
        yield from textwrap.wrap(
            f"note: {_path(advice.text)}", style.width, subsequent_indent="  ", break_long_words=False,
            break_on_hyphens=False,
        )  # fmt: skip
        yield from _fix(advice.remedy)
    for skipped in matrix.skipped:
        yield ""
        yield f"left out: {printable(skipped.context.title)} ({printable(skipped.why)})"
    refused: dict[str, list[str]] = {}
    letters = _letters(matrix)
    for column in matrix.columns:
        found = column.result.execution
        if found is not None and found.starts is False:
            names = refused.setdefault(kernel_words(found), [])
            if letters[column.context.id] not in names:
                names.append(letters[column.context.id])
    for words, names in refused.items():
        yield ""
        yield f"{', '.join(names)}: {words}"
    unknowns = dict.fromkeys(u for c in matrix.columns if c.result.launches is None for u in c.result.unknowns)
    if unknowns:
        yield ""
        yield "not known:"
        yield from (f"  - {_path(u.text)}" for u in unknowns)


# -- Markdown --


def render_markdown(matrices: Sequence[Matrix]) -> str:
    """Return tables for an issue, a pull request or a build summary."""
    lines: list[str] = []
    for matrix in matrices:
        for group in _groups(matrix):
            columns = [matrix.columns[i] for i in group.columns]
            lines += [f"### {prose(shown_text(matrix.input))} ({matrix.arch}, {group.releases})", ""]
            lines.append(
                "| library | "
                + " | ".join(prose(c.context.title).replace("|", "\\|") for c in columns)
                + " | verdict |"
            )
            lines.append("|---" * (len(columns) + 2) + "|")
            for row in matrix.rows:
                if row.system and row.verdict is Verdict.STABLE:
                    continue
                cells = " | ".join(_MARKS[_state(row.cells[i])][2] for i in group.columns)
                lines.append(f"| {cell(shown_text(row.name))} | {cells} | **{row.verdict.value}** |")
            launches = " | ".join({True: "yes", False: "**no**", None: "unknown"}[c.result.launches] for c in columns)
            lines += [f"| launches | {launches} | |", ""]
        for row in matrix.rows:
            if row.remedy:
                why = ", ".join(_WORDS[r] for r in row.reasons)
                lines += [f"{code(shown_text(row.name))}: {why}", ""]
                lines += [*(f"- {code(shown_text(step))}" for step in row.remedy), ""]
        for advice in matrix.advice:
            lines += [f"> {prose(shown_text(advice.text))}: " + ", ".join(code(step) for step in advice.remedy), ""]
        lines += [f"> left out: {prose(s.context.title)} ({prose(s.why)})\n" for s in matrix.skipped]
    return "\n".join(lines).rstrip() + "\n"


# -- JSON --


def scenario_document(matrices: Iterable[Matrix]) -> dict[str, Any]:
    """Return the whole document (schema ``machochain.scenario/1``)."""
    return {"schema": SCENARIO_SCHEMA, "tool": tool(), "results": [_matrix_fields(m) for m in matrices]}


def _matrix_fields(matrix: Matrix) -> dict[str, Any]:
    go = matrix.go
    return {
        "input": matrix.input,
        "arch": matrix.arch,
        "program": {
            "name": matrix.program.name,
            "executable": matrix.program.executable,
            "cwd": shown_text(matrix.program.cwd),
            "package_directory": matrix.program.package_directory,
        },
        "go": None if go is None else {"version": go.version, "cgo": go.cgo},
        "launches": matrix.launches,
        "columns": [_column_fields(c) for c in matrix.columns],
        "libraries": [_row_fields(matrix, row) for row in matrix.rows],
        "advice": [_advice_fields(a) for a in matrix.advice],
        "skipped": [{"context": s.context.id, "why": s.why} for s in matrix.skipped],
    }


def _column_fields(column: Column) -> dict[str, Any]:
    result, context = column.result, column.context
    return {
        "context": context.id,
        "title": context.title,
        "macos": str(column.macos),
        "executable": shown_text(_place(column)),
        "cwd": shown_text(column.cwd),
        "hardened": result.hardened,
        "through": [hop.name for hop in context.hops],
        "environment": {name: shown_text(value) for name, value in column.environment},
        "lost": list(column.lost),
        "test": context.test,
        "note": context.note,
        "launches": result.launches,
        "exec": execution_fields(result.execution),
        "message": None if result.message is None else shown_text(result.message),
        "unknowns": [shown_text(u.text) for u in result.unknowns],
    }


def _row_fields(matrix: Matrix, row: LibraryRow) -> dict[str, Any]:
    return {
        "name": row.name,
        "weak": row.weak,
        "system": row.system,
        "requested_by": list(row.requesters),
        "verdict": row.verdict.value,
        "reasons": [r.value for r in row.reasons],
        "remedy": [shown_text(step) for step in row.remedy],
        "cells": [_cell_fields(c, column) for c, column in zip(row.cells, matrix.columns, strict=True)],
    }


def _cell_fields(cell: Cell, column: Column) -> dict[str, Any]:
    load = cell.load
    found = load.found if load is not None else None
    tried = load.tried if load is not None else ()
    first = None if cell.found or not tried else tried[0]
    return {
        "context": column.context.id,
        "macos": str(column.macos),
        "outcome": None if load is None else load.outcome.value,
        "path": None if cell.image is None else shown_text(cell.image.path),
        "origin": None if cell.image is None else cell.image.origin.value,
        "rule": None if found is None or cell.image is None else found.rule.value,
        "run_path": cell.run_path,
        "reason": None if first is None else f"{shown_text(first.candidate.path)}: {first.reason}",
        "certain_by_place": cell.certain_by_place,
        "tried": [
            {"path": shown_text(a.candidate.path), "reason": a.reason + a.suffix, "rule": a.candidate.rule.value,
             "unseen": a.unseen}
            for a in (() if cell.image is not None and cell.image.origin is Origin.OS else tried)
        ],
    }  # fmt: skip


def _advice_fields(advice: Advice) -> dict[str, Any]:
    return {"reason": advice.reason.value, "text": advice.text, "remedy": list(advice.remedy)}


def write(matrices: Sequence[Matrix], context: RenderContext) -> str:
    """Return the text of ``scenario``."""
    return render_scenarios(matrices, context.style)


def write_json(matrices: Sequence[Matrix], _: RenderContext) -> str:
    """Return the document as text."""
    return json.dumps(scenario_document(matrices), indent=2) + "\n"


def write_markdown(matrices: Sequence[Matrix], _: RenderContext) -> str:
    """Return Markdown."""
    return render_markdown(matrices)
