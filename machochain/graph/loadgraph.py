"""The load graph as users of networkx want it, and the questions people ask of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from machochain.dyld.facts import builds
from machochain.model.platform import platform_name
from machochain.model.result import Load, LoadedImage, Origin, Outcome, Result

if TYPE_CHECKING:
    import networkx as nx

Node = int | str
"""An image id, or ``"missing:NAME"``; with more than one process ``"P:"`` and a count from 0 stand before it."""


def image_fields(image: LoadedImage) -> dict[str, Any]:
    """Return an image's fields as ``resolve --json`` has them."""
    header = image.image
    build = builds(header)[0] if header is not None else None
    stated = header.build if header is not None else None
    return {
        "id": image.id,
        "path": image.path,
        "install_name": image.install_name,
        "uuid": header.uuid_text if header is not None else None,
        "arch": header.arch.name if header is not None else None,
        "platform": platform_name(build.platform) if build is not None else "macOS",
        "minos": str(stated.minos) if stated is not None else None,
        "sdk": str(stated.sdk) if stated is not None and stated.sdk is not None else None,
        "rpaths": [r.path for r in header.run_paths] if header is not None else [],
        "origin": image.origin.value,
    }


def load_fields(load: Load) -> dict[str, Any]:
    """Return a load's fields as ``resolve --json`` has them."""
    dylib = load.dylib
    return {
        "from": load.source,
        "ordinal": dylib.ordinal,
        "command": dylib.command or "DYLD_INSERT_LIBRARIES",
        "name": dylib.name,
        "weak": dylib.weak,
        "reexport": dylib.reexport,
        "upward": dylib.upward,
        "delayed": dylib.delayed,
        "compatibility_version": dylib.compatibility_version.full,
        "current_version": dylib.current_version.full,
        "to": load.to,
        "outcome": load.outcome.value,
        "found": None
        if load.found is None
        else {
            "path": load.found.path,
            "rule": load.found.rule.value,
            "image": load.found.image,
            "rpath": load.found.run_path,
        },
        "tried": [
            {
                "path": a.candidate.path,
                "reason": a.reason + a.suffix,
                "rule": a.candidate.rule.value,
                "image": a.candidate.image,
                "rpath": a.candidate.run_path,
            }
            for a in load.tried
        ],
    }


def build_graph(results: Iterable[Result]) -> nx.MultiDiGraph[Any]:
    """Return the frozen graph of one or more processes.

    Nodes are image ids with the image's fields and ``kind="image"``; edges carry the fields of the load and their key
    is the library ordinal. A library that is missing or unknown is a node of ``kind="missing"`` or ``"unknown"``.
    With more than one process every id becomes ``"P:ID"``.
    """
    import networkx as nx  # noqa: PLC0415  # costs more than a whole small run

    graph: nx.MultiDiGraph[Any] = nx.MultiDiGraph()
    processes = list(results)
    for number, result in enumerate(processes):
        prefix = f"{number}:" if len(processes) > 1 else None

        def name(identifier: int | str, prefix: str | None = prefix) -> Node:
            return identifier if prefix is None else f"{prefix}{identifier}"

        for image in result.images:
            graph.add_node(
                name(image.id), kind="image", process=number, input=result.input, macos=str(result.macos),
                **image_fields(image),
            )  # fmt: skip
        for load in result.loads:
            if load.to is not None:
                to = name(load.to)
            else:
                kind = "unknown" if load.outcome is Outcome.UNKNOWN else "missing"
                to = name(f"{kind}:{load.dylib.name}")
                if to not in graph:
                    graph.add_node(to, kind=kind, process=number, path=load.dylib.name, install_name=load.dylib.name)
            graph.add_edge(name(load.source), to, key=load.dylib.ordinal, **load_fields(load))
    frozen: nx.MultiDiGraph[Any] = nx.freeze(graph)
    return frozen


class LoadGraph:
    """The questions people ask of one process's load graph."""

    def __init__(self, result: Result) -> None:
        """Take the process."""
        self.result = result
        self._by_source: dict[int, list[Load]] = {}
        self._by_target: dict[int, list[Load]] = {}
        for load in result.loads:
            self._by_source.setdefault(load.source, []).append(load)
            if load.to is not None:
                self._by_target.setdefault(load.to, []).append(load)

    @property
    def graph(self) -> nx.MultiDiGraph[Any]:
        """The frozen networkx graph."""
        return build_graph([self.result])

    def find(self, library: str) -> LoadedImage | None:
        """Return the image a name stands for: its path, install name, load path, or leaf; the first in load order."""
        for image in self.result.images:
            if library in (image.path, image.install_name):
                return image
        for load in self.result.loads:
            if load.dylib.name == library and load.to is not None:
                return self.result.images[load.to]
        for image in self.result.images:
            if image.path.rpartition("/")[2] == library:
                return image
        return None

    def loads_of(self, image: int) -> tuple[Load, ...]:
        """Return what an image asks for, in order."""
        return tuple(self._by_source.get(image, ()))

    def who_loads(self, library: str) -> tuple[LoadedImage, ...]:
        """Return the images that ask for a library, also if it is missing, in load order."""
        image = self.find(library)
        sources = {
            load.source
            for load in self.result.loads
            if load.dylib.name == library or (image is not None and load.to == image.id)
        }
        return tuple(i for i in self.result.images if i.id in sources)

    def why(self, library: str) -> tuple[tuple[Load, ...], ...]:
        """Return the shortest chain of loads from the main executable to a library, for each image that asks for it.

        Empty if the library is the main executable or nobody asks for it.
        """
        first = self._first_loads()
        chains = []
        for source in self.who_loads(library):
            image = self.find(library)
            last = next(
                load
                for load in self.loads_of(source.id)
                if load.dylib.name == library or (image is not None and load.to == image.id)
            )
            chain = [last]
            seen = {source.id}
            at = source.id
            while at in first and first[at].source not in seen:
                chain.append(first[at])
                at = first[at].source
                seen.add(at)
            chains.append(tuple(reversed(chain)))
        return tuple(chains)

    def _first_loads(self) -> dict[int, Load]:
        """Return for every image the load on a shortest way from the first image (breadth first)."""
        first: dict[int, Load] = {}
        level = [0]
        seen = {0}
        while level:
            following: list[int] = []
            for source in level:
                for load in self.loads_of(source):
                    if load.to is not None and load.to not in seen:
                        seen.add(load.to)
                        first[load.to] = load
                        following.append(load.to)
            level = following
        return first

    def missing(self) -> tuple[Load, ...]:
        """Return the loads that fail, in the order they are asked for."""
        return tuple(load for load in self.result.loads if load.outcome is Outcome.MISSING)

    def unknown(self) -> tuple[Load, ...]:
        """Return the loads nobody can decide."""
        return tuple(load for load in self.result.loads if load.outcome is Outcome.UNKNOWN)

    def cycles(self) -> tuple[tuple[LoadedImage, ...], ...]:
        """Return the groups of images that depend on each other in a circle, each in load order."""
        import networkx as nx  # noqa: PLC0415

        plain: nx.DiGraph[int] = nx.DiGraph()
        for load in self.result.loads:
            if load.to is not None:
                plain.add_edge(load.source, load.to)
        groups = [
            sorted(group)
            for group in nx.strongly_connected_components(plain)
            if len(group) > 1 or plain.has_edge(next(iter(group)), next(iter(group)))
        ]
        return tuple(tuple(self.result.images[i] for i in group) for group in sorted(groups))

    def tree(self) -> Iterator[tuple[int, Load | None, LoadedImage | None, bool]]:
        """Walk the load tree depth first in load-command order.

        Yields:
            Depth, the load that leads there (None for the first image), the image (None if it is missing or unknown),
            and whether it is shown for the first time; only then do its own loads follow.
        """
        images = self.result.images
        shown = {0}
        yield 0, None, images[0], True
        stack: list[tuple[int, Load]] = [(1, load) for load in reversed(self.loads_of(0))]
        while stack:
            depth, load = stack.pop()
            if load.to is None:
                yield depth, load, None, True
                continue
            first = load.to not in shown
            shown.add(load.to)
            yield depth, load, images[load.to], first
            if first and images[load.to].origin is Origin.DISK:
                stack.extend((depth + 1, below) for below in reversed(self.loads_of(load.to)))
