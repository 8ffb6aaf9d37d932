"""What the calls return: the processes of some inputs, and how one library is looked for."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from attrs import evolve, field, frozen

from machochain.graph.loadgraph import LoadGraph, build_graph
from machochain.model.errors import InputError
from machochain.model.result import Load, LoadedImage, Result

if TYPE_CHECKING:
    import networkx as nx


@frozen(slots=False)
class Report:
    """What was found out about some inputs.

    Attributes:
        results: One per input, slice and release, in the order of the inputs.
        errors: Inputs, or files inside them, that could not be read.
    """

    results: tuple[Result, ...]
    errors: tuple[InputError, ...] = field(default=(), eq=False)

    @cached_property
    def graph(self) -> nx.MultiDiGraph[Any]:
        """The frozen networkx graph: nodes are image ids, edges load commands keyed by library ordinal."""
        return build_graph(self.results)

    def load_graph(self, index: int = 0) -> LoadGraph:
        """Return one process's graph with its questions: why, who_loads, missing, cycles, tree."""
        return LoadGraph(self.results[index])

    def slice(self, arch: str) -> Report:
        """Return the part of the report that is about one architecture."""
        return evolve(self, results=tuple(r for r in self.results if r.arch == arch))

    @property
    def launches(self) -> bool | None:
        """True if everything launches, False if something does not, None if something is unknown."""
        verdicts = {r.launches for r in self.results}
        return False if False in verdicts else None if None in verdicts else True


@frozen
class Explanation:
    """How one library is looked for in one process.

    Attributes:
        result: The process.
        load: The load command.
        requester: The image that asks.
        image: What serves it; None if nothing does.
        message: dyld's text if this library ends the launch, else None.
    """

    result: Result
    load: Load
    requester: LoadedImage
    image: LoadedImage | None
    message: str | None
