"""Load graphs as pictures and for other programs: DOT, Mermaid, GraphML, node-link JSON."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Iterator

from machochain.graph.answers import Report
from machochain.graph.loadgraph import build_graph
from machochain.model.paths import leaf, printable
from machochain.model.result import Load, LoadedImage, Origin, Outcome, Result
from machochain.report.context import RenderContext


def _parts(result: Result, *, system: bool) -> tuple[list[LoadedImage], list[Load]]:
    """Return the images and loads to draw: OS libraries only if asked for."""
    images = [i for i in result.images if system or i.origin is Origin.DISK]
    shown = {i.id for i in images}
    loads = [x for x in result.loads if x.source in shown and (x.to is None or x.to in shown)]
    return images, loads


def _absence(load: Load) -> str:
    return "unknown" if load.outcome is Outcome.UNKNOWN else "missing"


def _dot_text(text: str) -> str:
    return printable(text).replace("\\", "\\\\").replace('"', '\\"')


def render_dot(results: Iterable[Result], *, system: bool = False) -> str:
    """Return a Graphviz digraph with a cluster for each process."""
    lines = ["digraph machochain {", "  rankdir=LR;", '  node [shape=box, fontname="Helvetica"];']
    for number, result in enumerate(results):
        images, loads = _parts(result, system=system)
        title = f"{result.input} ({result.arch}, macOS {result.macos})"
        lines.append(f"  subgraph cluster_{number} {{")
        lines.append(f'    label="{_dot_text(title)}";')
        for image in images:
            style = ", style=dashed" if image.origin is Origin.OS else ""
            lines.append(
                f'    "{number}:{image.id}" [label="{_dot_text(leaf(image.path))}", '
                f'tooltip="{_dot_text(image.path)}"{style}];'
            )
        # Numbered: two names that are shown alike are still two.
        absent: dict[tuple[str, str], str] = {}
        for load in loads:
            if load.to is None:
                kind, name = _absence(load), load.dylib.name
                if (kind, name) not in absent:
                    absent[kind, name] = f"{kind} {len(absent)}"
                    colour = "red" if kind == "missing" else "orange"
                    text = _dot_text(name)
                    lines.append(f'    "{number}:{absent[kind, name]}" [label="{text}", color={colour}];')
        for load in loads:
            to = str(load.to) if load.to is not None else absent[_absence(load), load.dylib.name]
            style = "dashed" if load.dylib.weak else "solid"
            kinds = _dot_text(" ".join(load.dylib.kinds))
            lines.append(f'    "{number}:{load.source}" -> "{number}:{to}" [style={style}, label="{kinds}"];')
        lines.append("  }")
    lines.append("}")
    return "\n".join(lines) + "\n"


def _mermaid_text(text: str) -> str:
    safe = printable(text)
    return "".join(c if c.isalnum() or c in " ./@_-+:()," else f"#{ord(c)};" for c in safe)


def render_mermaid(results: Iterable[Result], *, system: bool = False) -> str:
    """Return a Mermaid flowchart with a subgraph for each process."""
    lines = ["flowchart LR"]
    for number, result in enumerate(results):
        images, loads = _parts(result, system=system)
        title = f"{result.input} ({result.arch}, macOS {result.macos})"
        lines.append(f'  subgraph p{number}["{_mermaid_text(title)}"]')
        lines += [f'    p{number}i{image.id}["{_mermaid_text(leaf(image.path))}"]' for image in images]
        absent: dict[tuple[str, str], str] = {}
        for load in loads:
            if load.to is None:
                key = (_absence(load), load.dylib.name)
                if key not in absent:
                    absent[key] = f"p{number}{key[0]}{len(absent)}"
                    lines.append(f'    {absent[key]}["{_mermaid_text(load.dylib.name)}"]:::{key[0]}')
        for load in loads:
            to = f"p{number}i{load.to}" if load.to is not None else absent[_absence(load), load.dylib.name]
            arrow = "-.->" if load.dylib.weak else "-->"
            kind = " ".join(load.dylib.kinds)
            lines.append(f"    p{number}i{load.source} {arrow}{f'|{kind}|' if kind else ''} {to}")
        lines.append("  end")
    lines += ["  classDef missing stroke:#c00,color:#c00", "  classDef unknown stroke:#c80,color:#c80"]
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
    return render_dot(report.results, system=context.style.verbose > 0)


def write_mermaid(report: Report, context: RenderContext) -> str:
    """Return a Mermaid flowchart; libraries of the OS are drawn if more is asked for."""
    return render_mermaid(report.results, system=context.style.verbose > 0)


def write_graphml(report: Report, _: RenderContext) -> str:
    """Return GraphML."""
    return render_graphml(report.results)


def write_node_link(report: Report, _: RenderContext) -> str:
    """Return what ``networkx.node_link_graph`` reads."""
    return render_node_link(report.results)
