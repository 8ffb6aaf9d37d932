"""The load graph of an audit as inline SVG: what to draw of it, and the drawing."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from machochain.model.audit import AuditReport
from machochain.model.paths import leaf, printable
from machochain.model.result import Origin, Outcome, Severity
from machochain.model.value import evolve, frozen
from machochain.report.audit_words import count, releases
from machochain.report.folders import Folder, folders
from machochain.report.layered import BOX, Drawing, Point, draw
from machochain.report.merged import Merged, MergedImage, MergedLoad

MAX_NODES: Final = 400
"""More boxes are neither readable nor quickly laid out."""
MAX_WITH_SYSTEM: Final = 40
"""Up to so many boxes, each library of macOS gets one; beyond, they are left out."""
FOLDERS_FROM: Final = 60
"""From so many boxes on, the folders are drawn first, and the files when somebody asks for them."""
MAX_LABEL: Final = 36
_NAMED: Final = 12
"""Files of a folder that its title names."""
_PYTHON_TAG: Final = re.compile(r"\.(cpython-\d+[a-z]*-darwin|pypy\d+-pp\d+-darwin)\.so$")
_CHARACTER: Final = 7.3
"""Width of one character of the labels, in pixels."""
_MARGIN: Final = 10
_STATES: Final = {Outcome.MISSING: "missing", Outcome.UNKNOWN: "unknown", Outcome.WEAK_MISSING: "absent"}


@frozen
class PictureNode:
    """One box: an image, or a library that is not there.

    Attributes:
        id: Of the element the box links to: ``image-3``, ``lack-0``.
        label: What stands in the box.
        name: What the filter looks at: path and install name.
        title: What is shown when the pointer rests on it.
        kinds: CSS classes: ``root``, ``os``, ``missing``, ``unknown``, ``absent``, ``error``, ``warning``.
        folder: Id of the box of the overview that it is part of; empty for none.
    """

    id: str
    label: str
    name: str
    title: str
    kinds: tuple[str, ...]
    folder: str = ""


@frozen
class PictureLine:
    """One arrow between boxes, given by their places; ``kinds`` are CSS classes."""

    source: int
    to: int
    kinds: tuple[str, ...]


@frozen
class Picture:
    """What is drawn.

    Attributes:
        nodes: The boxes.
        lines: The arrows, one for each pair.
        drawing: Where they are; nodes are numbered as in ``nodes``.
        keys: Keys of the merged images that have a box.
        worst: The worst severity of the findings that count, by image key.
        implied: How many arrows are hidden until asked for.
        notes: What is left out, one sentence each.
        overview: The folders the files lie in, for a picture of many; the boxes are ``folder-0`` and so on.
        folders: These folders.
    """

    nodes: tuple[PictureNode, ...]
    lines: tuple[PictureLine, ...]
    drawing: Drawing
    keys: frozenset[int]
    worst: Mapping[int, Severity]
    implied: int
    notes: tuple[str, ...]
    overview: Picture | None = None
    folders: tuple[Folder, ...] = ()


def picture(merged: Merged, report: AuditReport) -> Picture:
    """Choose what to draw, and lay it out."""
    worst = _worst(merged, report)
    notes: list[str] = []
    images = [i for i in merged.images if i.origin is Origin.DISK]
    system = [i for i in merged.images if i.origin is Origin.OS]
    if len(images) + len(system) <= MAX_WITH_SYSTEM:
        images = list(merged.images)
    elif system:
        notes.append(f"{count(len(system), 'library', 'libraries')} of macOS are listed below, but not drawn.")
    lacking = [load for load in merged.loads if load.to is None]
    if len(images) > MAX_NODES:
        keep = _most_telling(images, merged, worst, {load.source for load in lacking})
        notes.append(f"The {len(keep)} most telling of {len(images)} files are drawn; all are listed below.")
        images = [i for i in images if i.key in keep]
    shown = {image.key: place for place, image in enumerate(images)}
    nodes = [_image_node(image, worst.get(image.key)) for image in images]
    kinds: dict[tuple[int, int], dict[str, None]] = {}
    for load in merged.loads:
        if load.source in shown and load.to in shown and load.to is not None:
            kinds.setdefault((shown[load.source], shown[load.to]), {}).update(dict.fromkeys(_line_kinds(load)))
    absent: dict[tuple[int, str, str], int] = {}
    hidden = 0
    for load in lacking:
        if load.source not in shown:
            continue
        at = (merged.images[load.source].input, _STATES[load.outcome], load.name)
        if at not in absent:
            if len(absent) >= MAX_NODES:
                hidden += 1
                continue
            absent[at] = len(nodes)
            nodes.append(_lacking_node(len(absent) - 1, load))
        line = kinds.setdefault((shown[load.source], absent[at]), {})
        line.update(dict.fromkeys((*_line_kinds(load), _STATES[load.outcome])))
    if hidden:
        notes.append(f"{hidden} loads that lead nowhere are listed below, but not drawn.")
    drawn = _laid_out(nodes, kinds, shown, worst, notes)
    if len(nodes) < FOLDERS_FROM:
        return drawn
    files = (merged.images[key] for key in shown)
    grouped = folders((i.key, i.input, i.path) for i in files if i.origin is Origin.DISK)
    home = {f"image-{key}": f"folder-{number}" for number, folder in enumerate(grouped) for key in folder.keys}
    inside = tuple(evolve(node, folder=home.get(node.id, "")) for node in drawn.nodes)
    return evolve(drawn, nodes=inside, overview=_overview(grouped, merged, worst), folders=grouped)


def _laid_out(
    nodes: Sequence[PictureNode],
    kinds: Mapping[tuple[int, int], Mapping[str, None]],
    shown: Iterable[int] = (),
    worst: Mapping[int, Severity] | None = None,
    notes: Iterable[str] = (),
) -> Picture:
    widths = {place: 22 + _CHARACTER * len(node.label) + 10 * _flagged(node) for place, node in enumerate(nodes)}
    drawing = draw(widths, list(kinds))
    lines = tuple(PictureLine(a, b, tuple(k)) for (a, b), k in kinds.items() if a != b)
    return Picture(
        tuple(nodes), lines, drawing, frozenset(shown), worst or {},
        sum((x.source, x.to) in drawing.implied for x in lines), tuple(notes),
    )  # fmt: skip


def _overview(grouped: Sequence[Folder], merged: Merged, worst: Mapping[int, Severity]) -> Picture:
    """Return the picture of the folders: a line where a file of one loads a file of another, or nothing."""
    home = {key: number for number, folder in enumerate(grouped) for key in folder.keys}
    nodes = [_folder_node(number, folder, merged, worst) for number, folder in enumerate(grouped)]
    kinds: dict[tuple[int, int], dict[str, None]] = {}
    lacking: dict[tuple[str, int], set[str]] = {}
    for load in merged.loads:
        source = home.get(load.source)
        if source is None:
            continue
        if load.to is None:
            lacking.setdefault((_STATES[load.outcome], source), set()).add(load.name)
        elif load.to in home:
            kinds.setdefault((source, home[load.to]), {})
    for (state, source), names in lacking.items():
        kinds[source, len(nodes)] = {state: None}
        more = [f"and {len(names) - _NAMED} more"] if len(names) > _NAMED else []
        title = "\n".join([*sorted(names)[:_NAMED], *more])
        nodes.append(PictureNode(f"folder-{source}", f"{len(names)} {_STATE_WORDS[state]}", "", title, (state,)))
    return _laid_out(nodes, kinds)


_STATE_WORDS: Final = {"missing": "missing", "unknown": "not known", "absent": "absent, but weak"}


def _folder_node(number: int, folder: Folder, merged: Merged, worst: Mapping[int, Severity]) -> PictureNode:
    images = [merged.images[key] for key in folder.keys]
    rank = max((worst[key].rank for key in folder.keys if key in worst), default=0)
    kinds = [severity.value for severity in Severity if rank and severity.rank == rank]
    if any(image.root and image.file_type == "MH_EXECUTE" for image in images):
        kinds.insert(0, "root")
    names = [leaf(image.path) for image in images]
    more = [f"and {len(names) - _NAMED} more"] if len(names) > _NAMED else []
    label = f"{_cut(printable(folder.name))} ({len(images)})"
    return PictureNode(
        f"folder-{number}", label, folder.name, "\n".join([folder.name, *names[:_NAMED], *more]), tuple(kinds)
    )


def _worst(merged: Merged, report: AuditReport) -> dict[int, Severity]:
    """Return the worst severity of what counts, for each image, notes aside."""
    by_path: dict[str, Severity] = {}
    for found in report.active:
        if found.severity is not Severity.INFO:
            path = found.finding.image
            if path not in by_path or by_path[path].rank < found.severity.rank:
                by_path[path] = found.severity
    return {image.key: by_path[image.path] for image in merged.images if image.path in by_path}


def _most_telling(
    images: Sequence[MergedImage], merged: Merged, worst: Mapping[int, Severity], lacking: set[int]
) -> set[int]:
    """Choose `MAX_NODES` images: those with findings or missing libraries, who loads them, then the rest in order."""
    users: dict[int, list[int]] = {}
    for load in merged.loads:
        if load.to is not None:
            users.setdefault(load.to, []).append(load.source)
    files = {i.key for i in images}
    first = sorted(files & (set(worst) | lacking), key=lambda key: (-worst[key].rank if key in worst else 0, key))
    keep = dict.fromkeys(first)
    for key in keep.copy():
        for user in users.get(key, ()):
            keep.setdefault(user)
    for image in images:
        keep.setdefault(image.key)
    return set(list(keep)[:MAX_NODES])


def _label(path: str) -> str:
    """Return the file name, without the tag that all Python modules of a wheel share, cut in the middle if long."""
    return _cut(_PYTHON_TAG.sub("….so", printable(leaf(path) or path)))


def _cut(name: str) -> str:
    if len(name) <= MAX_LABEL:
        return name
    return f"{name[: MAX_LABEL - 15]}…{name[-14:]}"


def _image_node(image: MergedImage, worst: Severity | None) -> PictureNode:
    kinds = [kind for kind, on in (("root", image.root), ("os", image.origin is Origin.OS)) if on] + (
        [worst.value] if worst is not None else []
    )
    archs = ", ".join(b.arch for b in image.builds)
    name = image.path if image.install_name in {None, image.path} else f"{image.path} {image.install_name}"
    title = "\n".join(x for x in (image.path, archs, f"in {count(image.processes, 'process', 'processes')}") if x)
    return PictureNode(f"image-{image.key}", _label(image.path), name, title, tuple(kinds))


def _flagged(node: PictureNode) -> bool:
    return "error" in node.kinds or "warning" in node.kinds


def _lacking_node(number: int, load: MergedLoad) -> PictureNode:
    state = _STATES[load.outcome]
    title = f"{load.name}\n{state} on macOS {releases(load.macos)}"
    name = load.name if load.name.startswith("@rpath/") else leaf(load.name) or load.name
    return PictureNode(f"lack-{number}", _label(name), load.name, title, (state,))


def _line_kinds(load: MergedLoad) -> list[str]:
    pairs = (("weak", load.weak), ("reexport", load.reexport), ("upward", load.upward))
    return [kind for kind, on in pairs if on]


def _h(text: str) -> str:
    return html.escape("\n".join(printable(line) for line in text.split("\n")), quote=True)


def render_svg(drawn: Picture, name: str = "Load graph", tip: str = "tip") -> str:
    """Return the SVG element. Boxes are links to the details of their image, so that they work without a script.

    Args:
        drawn: The picture.
        name: What screen readers call it.
        tip: Id of the arrowhead, one for each picture of a page.
    """
    drawing = drawn.drawing
    width, height = drawing.width + 2 * _MARGIN, drawing.height + 2 * _MARGIN
    size = f'width="{width:.0f}" height="{height:.0f}" viewBox="{-_MARGIN} {-_MARGIN} {width:.0f} {height:.0f}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-label="{_h(name)}">',
        f'<defs><marker id="{tip}" class="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7"',
        ' orient="auto"><path d="M0 0.8 L7.5 4 L0 7.2 Z"/></marker></defs>',
    ]
    if drawing.singles is not None and drawing.lines:
        words = "Nothing of their own to load, and nobody here loads them:"
        parts.append(f'<text class="heading" x="0" y="{drawing.singles + 18:.1f}">{words}</text>')
    for line in drawn.lines:
        edge = (line.source, line.to)
        kinds = " ".join(("edge", *line.kinds, *(("implied",) if edge in drawing.implied else ())))
        parts.append(
            f'<path class="{kinds}" data-from="{drawn.nodes[line.source].id}" data-to="{drawn.nodes[line.to].id}" '
            f'd="{_path(drawing.lines[edge])}"/>'
        )
    met: set[str] = set()  # what a folder lacks leads to the folder, too
    for place, node in enumerate(drawn.nodes):
        box = drawing.boxes[place]
        classes = " ".join(("node", *node.kinds))
        own = "" if node.id in met else f' id="node-{node.id}"'
        met.add(node.id)
        dot = f'<circle class="dot" cx="{box.width - 10:.1f}" cy="{BOX / 2:.0f}" r="4"/>' if _flagged(node) else ""
        parts.append(
            f'<a class="{classes}"{own} data-id="{node.id}"{_folder(node)} data-name="{_h(node.name)}" '
            f'href="#{node.id}" transform="translate({box.x:.1f} {box.y:.1f})"><title>{_h(node.title)}</title>'
            f'<rect width="{box.width:.1f}" height="{BOX:.0f}" rx="5"/><text x="9" y="17">{_h(node.label)}</text>'
            f"{dot}</a>"
        )
    return "\n".join([*parts, "</svg>"])


def _folder(node: PictureNode) -> str:
    return f' data-folder="{node.folder}"' if node.folder else ""


def _path(points: Sequence[Point]) -> str:
    """Return a smooth line: curves from column to column, straight where it passes a column."""
    (x, y), *rest = points
    parts = [f"M{x:.1f} {y:.1f}"]
    for nx, ny in rest:
        if abs(ny - y) < 0.05:
            parts.append(f"H{nx:.1f}")
        else:
            bend = (nx - x) / 2
            parts.append(f"C{x + bend:.1f} {y:.1f} {nx - bend:.1f} {ny:.1f} {nx:.1f} {ny:.1f}")
        x, y = nx, ny
    return "".join(parts)
