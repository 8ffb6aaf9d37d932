"""How one library is looked for, as text and as JSON (schema ``machochain.explain/1``)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from machochain.graph.answers import Explanation
from machochain.graph.loadgraph import LoadGraph, image_fields, load_fields
from machochain.model.paths import leaf, printable, printable_lines
from machochain.model.remedy import Step
from machochain.model.result import Load, Outcome
from machochain.report.context import RenderContext
from machochain.report.resolution import execution_fields, tool
from machochain.report.style import Style
from machochain.report.text import launcher_words, render_attempts, verdict

EXPLAIN_SCHEMA = "machochain.explain/1"


def explain_document(explanations: Sequence[Explanation]) -> dict[str, Any]:
    """Return the JSON document."""
    return {
        "schema": EXPLAIN_SCHEMA,
        "tool": tool(),
        "explanations": [
            {
                "input": e.result.input,
                "arch": e.result.arch,
                "macos": str(e.result.macos),
                "launches": e.result.launches,
                "exec": execution_fields(e.result.execution),
                "requester": image_fields(e.requester),
                "load": load_fields(e.load),
                "image": image_fields(e.image) if e.image is not None else None,
                "chain": [load.dylib.name for load in _chain(e)],
                "message": e.message,
                "findings": [f.message for f in e.result.findings if f.subject == e.load.dylib.name],
                "remedy": [step.line for step in _remedy(e)],
            }
            for e in explanations
        ],
    }


def _chain(explained: Explanation) -> tuple[Load, ...]:
    """Return the loads that lead from the main executable to the image that asks, then the load itself."""
    for chain in LoadGraph(explained.result).why(explained.load.dylib.name):
        if chain[-1] == explained.load:
            return chain
    return (explained.load,)


def _remedy(explained: Explanation) -> list[Step]:
    steps: dict[Step, None] = {}
    for finding in explained.result.findings:
        if finding.subject == explained.load.dylib.name and finding.image == explained.requester.path:
            steps.update(dict.fromkeys(finding.steps))
    return list(steps)


def render_explanations(explanations: Sequence[Explanation], style: Style) -> str:
    """Return the text: who asks, every path in order, what comes of it, dyld's words, the way out."""
    lines: list[str] = []
    for e in explanations:
        if lines:
            lines.append("")
        result = e.result
        head = f"{printable(result.input)}  {result.arch}  macOS {result.macos}"
        lines.append(f"{style.paint(head, 'bold')}  {verdict(result, style)}")
        if result.execution is not None and result.execution.starts is False:
            lines += ["  " + printable(launcher_words(result.execution)), "", "dyld would look as follows:"]
        asks = f"{printable(leaf(e.requester.path))} asks for {printable(e.load.dylib.name)}"
        lines.append(f"{asks} ({e.load.dylib.command or 'DYLD_INSERT_LIBRARIES'})")
        chain = _chain(e)
        if len(chain) > 1:
            arrow = f" {style.arrow} "
            lines.append("  by way of " + arrow.join(printable(leaf(load.dylib.name)) for load in chain[:-1]))
        lines += _outcome(e, style)
        if e.message is not None:
            lines += ["", "dyld will say:", *("  " + line for line in printable_lines(e.message))]
        remedy = _remedy(e)
        if remedy:
            lines += ["", "fix:", *("  " + printable(step.pasted) for step in remedy)]
    return "\n".join(lines) + "\n"


def _outcome(e: Explanation, style: Style) -> list[str]:
    load = e.load
    lines = []
    if load.tried or load.found is not None:
        lines += ["paths considered in this order:", *render_attempts(load.tried, load.found, e.result, style)]
    elif load.outcome is Outcome.ALREADY_LOADED:
        lines.append("no path is tried: an image with this very name is loaded already")
    else:
        lines.append(f"no path is tried: {load.reason or 'dyld has nothing to try'}")
    if e.image is not None:
        again = "the image that is loaded already" if load.outcome is Outcome.ALREADY_LOADED else "it loads"
        lines.append(f"{style.arrow} {again}: {printable(e.image.path)}")
    elif load.outcome is Outcome.WEAK_MISSING:
        lines.append(f"{style.arrow} nothing found, which a weak load allows")
    elif load.outcome is Outcome.UNKNOWN:
        lines.append(f"{style.arrow} unknown: {'; '.join(printable(x.text) for x in e.result.unknowns)}")
    else:
        lines.append(f"{style.arrow} {style.paint('nothing found', 'bad')}")
    return lines


def write(explanations: Sequence[Explanation], context: RenderContext) -> str:
    """Return the text of ``explain``."""
    return render_explanations(explanations, context.style)


def write_json(explanations: Sequence[Explanation], _: RenderContext) -> str:
    """Return the document as text."""
    return json.dumps(explain_document(explanations), indent=2) + "\n"
