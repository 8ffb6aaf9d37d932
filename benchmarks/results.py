"""The numbers of a run: as a table, as JSON, and held against those of an earlier run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from attrs import asdict, frozen

from benchmarks.growth import Point

SCHEMA = "machochain.benchmarks/2"


@frozen
class Row:
    """One thing done by one tool.

    Attributes:
        what: What was done, and on what.
        tool: By what. The first row of its kind is what ratios refer to.
        seconds: CPU time; None if the tool failed or found nothing, which is no time to compare with.
        peak: Memory of the largest process, MB.
        count: How much was found.
        unit: What was counted.
        note: Why there is no time.
    """

    what: str
    tool: str
    seconds: float | None = None
    peak: float | None = None
    count: int | None = None
    unit: str = ""
    note: str = ""


@frozen
class Run:
    """All that one run measured.

    Attributes:
        machine: Of what it was measured, and the versions of all tools.
        yardstick: CPU seconds of work that never changes.
        rows: In the order they are shown.
        growth: By shape.
        absent: Tools that are not installed.
    """

    machine: dict[str, Any]
    yardstick: float
    rows: tuple[Row, ...]
    growth: dict[str, list[Point]]
    absent: tuple[str, ...] = ()


def _bases(rows: tuple[Row, ...]) -> dict[str, Row]:
    return {row.what: row for row in reversed(rows)}


def ratios(rows: tuple[Row, ...]) -> dict[tuple[str, str], float]:
    """Return what each row costs in terms of the first of its kind; rows without a time are left out."""
    first = _bases(rows)
    return {
        (row.what, row.tool): row.seconds / base
        for row in rows
        if row.seconds is not None and (base := first[row.what].seconds)
    }


def table(rows: tuple[Row, ...]) -> str:
    """Return rows as a table in Markdown; ``≠`` marks an answer that is not the first's."""
    lines = ["| what | tool | CPU s | ratio | peak MB | answer |", "|---|---|---:|---:|---:|---|"]
    known, first = ratios(rows), _bases(rows)
    for row in rows:
        seconds = "" if row.seconds is None else f"{row.seconds:.4f}"
        ratio = known.get((row.what, row.tool))
        shown = "" if ratio is None else f"{ratio:.2f}"
        peak = "" if row.peak is None else f"{row.peak:.0f}"
        answer = row.note
        if not answer and row.count is not None:
            answer = f"{row.count:,} {row.unit}" + (" ≠" if row.count != first[row.what].count else "")
        lines.append(f"| {row.what} | {row.tool} | {seconds} | {shown} | {peak} | {answer} |")
    return "\n".join(lines)


def dump(run: Run) -> str:
    """Return a run as JSON."""
    known = ratios(run.rows)
    rows = [{**asdict(row), "ratio": known.get((row.what, row.tool))} for row in run.rows]
    growth = {shape: [asdict(point) for point in points] for shape, points in run.growth.items()}
    return json.dumps({"schema": SCHEMA, **asdict(run), "rows": rows, "growth": growth}, indent=1) + "\n"


def load(path: Path) -> Run:
    """Read what `dump` wrote.

    Raises:
        ValueError: It is something else.
    """
    document = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(document, dict) or document.get("schema") != SCHEMA:
        raise ValueError(f"{path} holds no {SCHEMA}")
    rows = tuple(Row(**{key: value for key, value in row.items() if key != "ratio"}) for row in document["rows"])
    growth = {shape: [Point(**point) for point in points] for shape, points in document["growth"].items()}
    return Run(document["machine"], document["yardstick"], rows, growth, tuple(document["absent"]))


def compare(old: Run, new: Run) -> str:
    """Return how each row of a run compares with an earlier one, as a table in Markdown.

    The ratios compare tools within their runs. "CPU" compares the same tool in both runs, by the yardstick of each,
    which takes out most of what the machines differ in: 0.50x is half the time.
    """
    then = {(row.what, row.tool): row for row in old.rows}
    old_ratios, new_ratios = ratios(old.rows), ratios(new.rows)
    lines = [
        "| what | tool | ratio then | ratio now | change | CPU | memory | answer |",
        "|---|---|---:|---:|---:|---:|---:|---|",
    ]
    for row in new.rows:
        key = (row.what, row.tool)
        before = then.pop(key, None)
        if before is None:
            lines.append(f"| {row.what} | {row.tool} | | {_number(new_ratios.get(key))} | | | | new |")
            continue
        answer = "" if before.count == row.count else f"{before.count} → {row.count} {row.unit}"
        cells = [
            _number(old_ratios.get(key)),
            _number(new_ratios.get(key)),
            _change(old_ratios.get(key), new_ratios.get(key)),
            _change(_by(before.seconds, old.yardstick), _by(row.seconds, new.yardstick)),
            _change(before.peak, row.peak),
            row.note or answer,
        ]
        lines.append(f"| {row.what} | {row.tool} | " + " | ".join(cells) + " |")
    lines += [f"| {what} | {tool} | {_number(old_ratios.get((what, tool)))} | | | | | gone |" for what, tool in then]
    for shape, points in new.growth.items():
        earlier = {point.size: point for point in old.growth.get(shape, [])}
        for point in points:
            if point.size in earlier:
                was = earlier[point.size]
                cpu = _change(_by(was.seconds, old.yardstick), _by(point.seconds, new.yardstick))
                lines.append(f"| {shape} | {point.size:,} | | | | {cpu} | {_change(was.peak, point.peak)} | |")
    return "\n".join(lines)


def _by(seconds: float | None, yardstick: float) -> float | None:
    return None if seconds is None else seconds / yardstick


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def _change(before: float | None, after: float | None) -> str:
    return f"{after / before:.2f}x" if before and after is not None else ""
