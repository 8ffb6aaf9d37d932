"""The load graphs of several processes as one: what they share is there once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from machochain.model.paths import leaf
from machochain.model.result import Load, LoadedImage, Origin, Outcome, Result
from machochain.model.value import define, field, frozen
from machochain.model.version import Version
from machochain.report.audit_words import releases


@frozen
class Node:
    """An image, or a library that is not there.

    Attributes:
        label: Its file name; of what is not there the load path as written.
        path: Its path on the modelled Mac, or the load path again.
        kind: ``file``, ``os``, ``missing``, ``unknown``.
        root: Whether it is what was started or asked about.
        when: In which processes, if the title does not tell; else empty.
    """

    label: str
    path: str
    kind: str
    root: bool = False
    when: str = ""


@frozen
class Line:
    """A load of one image, whether it is in one process or in many.

    Attributes:
        source: Place of the node that asks.
        to: Place of the node that serves, or of the library that is not there.
        weak: Whether it may be absent.
        kinds: ``reexport`` and the like, as the load commands have them.
        when: In which processes it is so, if not in all that have the image which asks; else empty.
    """

    source: int
    to: int
    weak: bool
    kinds: tuple[str, ...]
    when: str


@frozen
class SharedGraph:
    """One graph for several processes.

    Attributes:
        nodes: The images, and what is not there.
        lines: The loads.
        title: Which processes it is of, where that is the same for all that was started; else empty.
    """

    nodes: tuple[Node, ...]
    lines: tuple[Line, ...]
    title: str = ""


_Process = tuple[str, Version]
"""Architecture and release: what tells the processes of one program apart."""


@define
class _Drawn:
    label: str
    path: str
    kind: str
    processes: set[int] = field(factory=set)
    started: list[_Process] = field(factory=list)


def shared_graph(results: Iterable[Result], *, system: bool = False) -> SharedGraph:
    """Return one graph in which images and loads that processes share are there once.

    Args:
        results: The processes.
        system: Whether libraries of the OS are in it.
    """
    told = tuple(results)
    nodes: dict[tuple[str, str], _Drawn] = {}
    lines: dict[tuple[int, int, bool, tuple[str, ...]], set[int]] = {}
    places: dict[tuple[str, str], int] = {}

    def place(key: tuple[str, str], label: str, path: str, kind: str, number: int) -> int:
        if key not in nodes:
            places[key] = len(nodes)
            nodes[key] = _Drawn(label, path, kind)
        nodes[key].processes.add(number)
        return places[key]

    for number, result in enumerate(told):
        shown: dict[int, int] = {}
        for image in result.images:
            if system or image.origin is Origin.DISK:
                key = _key(image)
                kind = "os" if image.origin is Origin.OS else "file"
                shown[image.id] = place(key, leaf(image.path), image.path, kind, number)
                if image.id == 0:
                    nodes[key].started.append((result.arch, result.macos))
        for load in result.loads:
            if load.source not in shown or (load.to is not None and load.to not in shown):
                continue
            if load.to is not None:
                to = shown[load.to]
            else:
                state, name = _absence(load), load.dylib.name
                to = place((state, name), name, name, state, number)
            line = (shown[load.source], to, load.dylib.weak, tuple(load.dylib.kinds))
            lines.setdefault(line, set()).add(number)
    drawn = tuple(nodes.values())
    starts = [_processes(node.started) if node.started else "" for node in drawn]
    told_once = {words for words in starts if words}
    title = told_once.pop() if len(told_once) == 1 else ""
    return SharedGraph(
        tuple(
            Node(node.label, node.path, node.kind, bool(words), "" if title else words)
            for node, words in zip(drawn, starts, strict=True)
        ),
        tuple(
            Line(source, to, weak, kinds, _when(told, seen, drawn[source].processes))
            for (source, to, weak, kinds), seen in lines.items()
        ),
        title,
    )


def _key(image: LoadedImage) -> tuple[str, str]:
    """Tell files apart: two archives may lie at the same place, each on a Mac of its own."""
    return image.path, image.host or ""


def _absence(load: Load) -> str:
    return "unknown" if load.outcome is Outcome.UNKNOWN else "missing"


def _when(results: Sequence[Result], seen: set[int], of: set[int]) -> str:
    """Return in which processes something is so, by what tells them from the others: slices, releases, or both."""
    if seen == of:
        return ""
    found = {(results[n].arch, results[n].macos) for n in seen}
    every = {(results[n].arch, results[n].macos) for n in of}
    archs = dict.fromkeys(results[n].arch for n in sorted(seen))
    versions = {macos for _, macos in found}
    if found == {pair for pair in every if pair[0] in archs}:
        return ", ".join(archs)
    if found == {pair for pair in every if pair[1] in versions}:
        return f"macOS {releases(versions)}"
    return _processes([(results[n].arch, results[n].macos) for n in sorted(seen)])


def _processes(found: Sequence[_Process]) -> str:
    """Return processes in words: ``arm64, x86_64, macOS 12 to 26``."""
    archs = dict.fromkeys(arch for arch, _ in found)
    return f"{', '.join(archs)}, macOS {releases(macos for _, macos in found)}"
