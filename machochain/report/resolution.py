"""The ``resolve --json`` document (schema ``machochain.resolve/1``)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from machochain._version import __version__
from machochain.dyld.profile import NEWEST, is_unread
from machochain.graph.answers import Report
from machochain.graph.loadgraph import image_fields, load_fields
from machochain.model.errors import InputError
from machochain.model.execution import ExecVerdict
from machochain.model.remedy import Step
from machochain.model.result import Finding, MissingSymbol, Result
from machochain.report.context import RenderContext
from machochain.report.coverage import coverage_fields
from machochain.report.json_text import json_parts

RESOLVE_SCHEMA = "machochain.resolve/1"


def tool() -> dict[str, str]:
    """Return who made a document."""
    return {"name": "machochain", "version": __version__}


def finding_fields(finding: Finding) -> dict[str, Any]:
    """Return a finding as every JSON document has it."""
    worded = finding.steps
    return {
        "rule": finding.rule,
        "name": finding.name,
        "severity": finding.severity.value,
        "confidence": finding.confidence.value,
        "input": finding.input,
        "arch": finding.arch,
        "image": finding.image,
        "load_command": finding.load_command,
        "subject": finding.subject,
        "message": finding.message,
        "evidence": finding.evidence,
        "remedy": [step.line for step in worded],
        "steps": [step_fields(step) for step in worded],
        "url": finding.url,
    }


def step_fields(step: Step) -> dict[str, Any]:
    """Return one step of a remedy: what a shell can run, or what a person has to read."""
    return {"kind": step.kind.value, "text": step.text, "alternative": step.also}


def error_fields(error: InputError) -> dict[str, Any]:
    """Return an input that could not be read."""
    return {"input": error.path, "part": error.part, "offset": error.offset, "reason": error.reason}


def symbol_fields(result: Result) -> dict[str, Any]:
    """Return what is known of a process's symbols; only what is certainly missing counts as missing."""

    def fields(missing: MissingSymbol) -> dict[str, Any]:
        return {
            "symbol": missing.symbol,
            "from": missing.source,
            "expected_in": missing.place,
            "lazy": missing.lazy,
        }

    certain = [m for m in result.missing_symbols if m.unknown is None]
    return {
        "missing": [fields(m) for m in certain if not m.weak],
        "weak_missing": [fields(m) for m in certain if m.weak],
        "unknown": [{**fields(m), "why": m.unknown} for m in result.missing_symbols if m.unknown is not None],
        "checked": result.symbols_checked,
    }


def execution_fields(found: ExecVerdict | None) -> dict[str, Any] | None:
    """Return what the kernel does before dyld's turn; null where no program is started."""
    if found is None:
        return None
    reason = found.reason
    return {
        "outcome": found.outcome.value,
        "host": found.host.value,
        "arch": found.arch,
        "translated": found.translated,
        "launcher": found.launcher.value,
        "rule": found.rule.value if found.rule is not None else None,
        "certainty": found.certainty.value if found.rule is not None else None,
        "why": found.why or None,
        "subject": found.subject,
        "load_command": found.command_index,
        "since": str(found.since) if found.since is not None else None,
        "until": str(found.until) if found.until is not None else None,
        "errno": found.errno,
        "signal": found.signal,
        "reason": {
            "namespace": reason.namespace.name,
            "code": reason.code,
            "name": reason.name,
            "crash_report": reason.crash_report,
        }
        if reason is not None
        else None,
        "shell_text": found.shell_text,
        "spawn_text": found.spawn_text,
        "rosetta": found.rosetta.value if found.rosetta is not None else None,
    }


def process_fields(result: Result) -> dict[str, Any]:
    """Return which process was modelled and what becomes of it, without what it loads."""
    return {
        "input": result.input,
        "path": result.path,
        "arch": result.arch,
        "file_type": result.file_type,
        "macos": str(result.macos),
        "hardened": result.hardened,
        "launches": result.launches,
        "exec": execution_fields(result.execution),
        "message": result.message,
        "unknowns": [each.text for each in result.unknowns],
    }


def result_fields(result: Result) -> dict[str, Any]:
    """Return one process; ``stands_in`` names the release whose rules were taken for one whose dyld nobody has read."""
    return {
        **process_fields(result),
        **({"stands_in": str(NEWEST)} if is_unread(result.macos) else {}),
        "images": [image_fields(image) for image in result.images],
        "loads": [load_fields(load) for load in result.loads],
        "symbols": symbol_fields(result),
        "findings": [finding_fields(finding) for finding in result.findings],
    }


def resolve_document(results: Iterable[Result], errors: Iterable[InputError] = ()) -> dict[str, Any]:
    """Return the whole document."""
    document = _document(results, errors)
    return {**document, "results": list(document["results"])}


def resolve_parts(results: Iterable[Result], errors: Iterable[InputError] = ()) -> Iterator[str]:
    """Yield the text of the document, result by result: a wheel on ten releases fills hundreds of megabytes."""
    return json_parts(_document(results, errors))


def _document(results: Iterable[Result], errors: Iterable[InputError]) -> dict[str, Any]:
    return {
        "schema": RESOLVE_SCHEMA,
        "tool": tool(),
        "results": (result_fields(result) for result in results),
        "errors": [error_fields(error) for error in errors],
    }


def write(report: Report, _: RenderContext) -> Iterator[str]:
    """Yield the text of the document in parts."""
    more = {"coverage": coverage_fields(report.coverage), "unexamined": list(report.unexamined)}
    return json_parts({**_document(report.results, report.errors), **more})
