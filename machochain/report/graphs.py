"""Load graphs as pictures and for other programs: DOT, Mermaid, GraphML, node-link JSON."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Iterator
from typing import Final

from machochain.graph.answers import Report
from machochain.graph.loadgraph import build_graph
from machochain.model.paths import printable
from machochain.model.result import Result
from machochain.report.context import RenderContext
from machochain.report.shared import Line, SharedGraph, shared_graph

MERMAID_CHARACTERS: Final = 50_000
"""More Mermaid does not draw unless its page raises ``maxTextSize`` (its schemas/config.schema.yaml)."""
MERMAID_ARROWS: Final = 500
"""Likewise ``maxEdges``; neither can be raised from within a diagram."""
DOT_ARROWS: Final = 2_000
"""With more, ``dot`` works for minutes on what nobody can read."""


def _dot_text(text: str) -> str:
    return printable(text).replace("\\", "\\\\").replace('"', '\\"')


_DOT_STYLES: Final = {"os": ", style=dashed", "missing": ", color=red", "unknown": ", color=orange", "file": ""}


def render_dot(results: Iterable[Result], *, system: bool = False) -> str:
    """Return a Graphviz digraph; what several processes share is drawn once."""
    return _dot(shared_graph(results, system=system))


def _dot(graph: SharedGraph) -> str:
    lines = ["digraph machochain {", "  rankdir=LR;", '  node [shape=box, fontname="Helvetica"];']
    if graph.title:
        lines.append(f'  label="{_dot_text(graph.title)}";')
    for number, node in enumerate(graph.nodes):
        label = _dot_text(node.label) + (f"\\n({_dot_text(node.when)})" if node.when else "")
        root = ", penwidth=2" if node.root else ""
        tooltip = _dot_text(node.path)
        lines.append(f'  n{number} [label="{label}", tooltip="{tooltip}"{_DOT_STYLES[node.kind]}{root}];')
    for line in graph.lines:
        words = _dot_text(_words(line))
        told = ", ".join([*(["style=dashed"] if line.weak else []), *([f'label="{words}"'] if words else [])])
        lines.append(f"  n{line.source} -> n{line.to}{f' [{told}]' if told else ''};")
    lines.append("}")
    return "\n".join(lines) + "\n"


def _words(line: Line) -> str:
    return ", ".join([*line.kinds, *([line.when] if line.when else [])])


def _mermaid_text(text: str) -> str:
    safe = printable(text)
    return "".join(c if c.isalnum() or c in " ./@_-+:()," else f"#{ord(c)};" for c in safe)


_MERMAID_STYLES: Final = {
    "os": "stroke-dasharray:4",
    "missing": "stroke:#c00,color:#c00",
    "unknown": "stroke:#c80,color:#c80",
    "root": "stroke-width:3px",
}


def render_mermaid(results: Iterable[Result], *, system: bool = False) -> str:
    """Return a Mermaid flowchart; what several processes share is drawn once."""
    return _mermaid(shared_graph(results, system=system))


def _mermaid(graph: SharedGraph) -> str:
    lines = ["flowchart LR"]
    if graph.title:
        lines.append(f'  subgraph all["{_mermaid_text(graph.title)}"]')
    used: dict[str, None] = {}
    for number, node in enumerate(graph.nodes):
        label = _mermaid_text(node.label) + (f"<br/>({_mermaid_text(node.when)})" if node.when else "")
        kind = node.kind if node.kind != "file" else "root" if node.root else ""
        lines.append(f'  n{number}["{label}"]{f":::{kind}" if kind else ""}')
        used[kind] = None
    for line in graph.lines:
        words = _mermaid_text(_words(line))
        label = f'|"{words}"|' if words else ""
        lines.append(f"  n{line.source} {'-.->' if line.weak else '-->'}{label} n{line.to}")
    if graph.title:
        lines.append("  end")
    lines += [f"  classDef {kind} {style}" for kind, style in _MERMAID_STYLES.items() if kind in used]
    return "\n".join(lines) + "\n"


def render_node_link(results: Iterable[Result]) -> str:
    """Return the graph as networkx' node-link JSON."""
    import networkx as nx  # noqa: PLC0415

    return json.dumps(nx.node_link_data(build_graph(results), edges="edges"), indent=2, sort_keys=True) + "\n"


def render_graphml(results: Iterable[Result]) -> str:
    """Return the graph as GraphML; lists and absent values are written as text, which is all the format has."""
    import networkx as nx  # noqa: PLC0415

    plain: nx.MultiDiGraph[str] = nx.MultiDiGraph()
    graph = build_graph(results)
    # Ids of what is missing hold its name. Two names stay two nodes: a backslash of their own is told from an escape.
    ids = {node: printable(str(node).replace("\\", "\\\\")) for node in graph}
    for node, data in graph.nodes(data=True):
        plain.add_node(ids[node], **dict(_plain(data.items())))
    for source, to, key, data in graph.edges(keys=True, data=True):
        plain.add_edge(ids[source], ids[to], key=str(key), **dict(_plain(data.items())))
    buffer = io.BytesIO()
    nx.write_graphml(plain, buffer)
    return buffer.getvalue().decode() + "\n"


def _plain(items: Iterable[tuple[str, object]]) -> Iterator[tuple[str, str | int | bool]]:
    for key, value in items:
        if isinstance(value, (bool, int)):
            yield key, value
        elif isinstance(value, str):
            yield key, printable(value)
        elif value is not None:
            yield key, json.dumps(value)


def write_dot(report: Report, context: RenderContext) -> str:
    """Return a Graphviz digraph; libraries of the OS are drawn if more is asked for."""
    graph = shared_graph(report.results, system=context.style.verbose > 0)
    if len(graph.lines) > DOT_ARROWS:
        slow = f"{len(graph.lines)} arrows: dot works for minutes on them, sfdp for seconds"
        context.warn(f"{slow}; {_LESS}, or write the audit as --format html")
    return _dot(graph)


def write_mermaid(report: Report, context: RenderContext) -> str:
    """Return a Mermaid flowchart; libraries of the OS are drawn if more is asked for."""
    graph = shared_graph(report.results, system=context.style.verbose > 0)
    text, arrows = _mermaid(graph), len(graph.lines)
    over = [f"{arrows} arrows are more than the {MERMAID_ARROWS}"] if arrows > MERMAID_ARROWS else []
    if len(text) > MERMAID_CHARACTERS:
        over.append(f"{len(text)} characters are more than the {MERMAID_CHARACTERS}")
    if over:
        context.warn(f"Mermaid will not draw this: {' and '.join(over)} it takes; {_LESS}, or write --format dot")
    return text


_LESS: Final = "name one program instead of all"


def write_graphml(report: Report, _: RenderContext) -> str:
    """Return GraphML."""
    return render_graphml(report.results)


def write_node_link(report: Report, _: RenderContext) -> str:
    """Return what ``networkx.node_link_graph`` reads."""
    return render_node_link(report.results)
