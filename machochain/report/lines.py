"""JSON lines: a document for each input that is finished, on a line of its own, for runs that take long.

Each line is the document that ``--json`` writes, of one input alone: of ``resolve`` one program or library, of
``audit`` one input, of ``inspect`` one file. What could not be looked at has a line as well.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from machochain.graph.answers import Report
from machochain.graph.inspect import Inspection
from machochain.model.audit import AuditInput, AuditReport
from machochain.model.result import Result
from machochain.model.value import evolve
from machochain.report.context import RenderContext


def _line(document: Any) -> str:
    # No string in JSON holds a line break.
    return json.dumps(document) + "\n"


def write_resolutions(report: Report, _: RenderContext) -> Iterator[str]:
    """Yield a line for each program or library, then one for what could not be looked at."""
    from machochain.report.coverage import coverage_fields  # noqa: PLC0415
    from machochain.report.resolution import resolve_document  # noqa: PLC0415

    groups: dict[str, list[Result]] = {}
    for result in report.results:
        groups.setdefault(result.input, []).append(result)
    parts = [Report(tuple(results), (), (), ()) for results in groups.values()]
    if report.errors or report.passed_over or report.unexamined or not parts:
        parts.append(Report((), report.errors, report.passed_over, report.unexamined))
    for part in parts:
        more = {"coverage": coverage_fields(part.coverage), "unexamined": list(part.unexamined)}
        yield _line({**resolve_document(part.results, part.errors), **more})


def write_inspections(inspections: Iterable[Inspection], _: RenderContext) -> Iterator[str]:
    """Yield a line for each file."""
    from machochain.report.inspection import inspect_document  # noqa: PLC0415

    return (_line(inspect_document([each])) for each in inspections)


def write_audits(report: AuditReport, _: RenderContext) -> Iterator[str]:
    """Yield a line for each input, then one for what was not looked at.

    Suppressions that suppress nothing are those of the whole run, and in no line.
    """
    from machochain.report.audit_json import audit_document  # noqa: PLC0415

    return (_line(audit_document(part)) for part in _by_input(report))


def _by_input(report: AuditReport) -> Iterator[AuditReport]:
    from machochain.report.merged import input_of  # noqa: PLC0415

    results = _grouped(report.results, lambda result: input_of(result, report.inputs))
    findings, binaries, materials = (
        _grouped(values, lambda each: each.origin) for values in (report.findings, report.binaries, report.materials)
    )
    errors = _grouped(report.errors, lambda each: _owner(each.path, report.inputs))
    passed_over = _grouped(report.passed_over, lambda each: _owner(each.path, report.inputs))
    for number, given in enumerate(report.inputs):
        yield evolve(
            report,
            results=results.get(number, ()),
            findings=findings.get(given.path, ()),
            inputs=(given,),
            binaries=binaries.get(given.path, ()),
            errors=errors.get(number, ()),
            stale=(),
            skipped=(),
            passed_over=passed_over.get(number, ()),
            materials=materials.get(given.path, ()),
        )
    rest, left = errors.get(None, ()), passed_over.get(None, ())
    if rest or left or report.skipped or not report.inputs:
        nothing: Any = dict.fromkeys(("results", "findings", "inputs", "binaries", "stale", "materials"), ())
        yield evolve(report, errors=rest, passed_over=left, **nothing)


def _grouped(values: Iterable[Any], key: Callable[[Any], Any]) -> dict[Any, tuple[Any, ...]]:
    groups: dict[Any, list[Any]] = {}
    for each in values:
        groups.setdefault(key(each), []).append(each)
    return {name: tuple(group) for name, group in groups.items()}


def _owner(path: str | None, inputs: Sequence[AuditInput]) -> int | None:
    """Return the input that something is in, the innermost of several; None for none."""
    best: int | None = None
    for number, given in enumerate(inputs):
        start = given.path.rstrip("/")
        inside = path is not None and (path == given.path or path.startswith((f"{start}/", f"{start}:")))
        if inside and (best is None or len(given.path) > len(inputs[best].path)):
            best = number
    return best
