"""What the calls return: the processes of some inputs, and how one library is looked for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from machochain.model.coverage import Coverage, PassedOver, coverage_of
from machochain.model.errors import InputError
from machochain.model.result import Load, LoadedImage, Result
from machochain.model.value import evolve, field, frozen

if TYPE_CHECKING:
    import networkx as nx

    from machochain.graph.loadgraph import LoadGraph


_STATES: Final = {True: "launches", False: "does not launch", None: "unknown"}


@frozen(slots=False)
class Report:
    """What was found out about some inputs.

    Attributes:
        results: One per input, slice and release, in the order of the inputs.
        errors: Inputs, or files inside them, that could not be read.
        passed_over: What in them was not looked at: archives that were not opened, code for other systems.
        unexamined: Inputs in which there is nothing that was looked at.
    """

    results: tuple[Result, ...]
    errors: tuple[InputError, ...] = field(default=(), eq=False)
    passed_over: tuple[PassedOver, ...] = ()
    unexamined: tuple[str, ...] = ()

    @cached_property
    def graph(self) -> nx.MultiDiGraph[Any]:
        """The frozen networkx graph: nodes are image ids, edges load commands keyed by library ordinal."""
        from machochain.graph.loadgraph import build_graph  # noqa: PLC0415  # most reports are only read through

        return build_graph(self.results)

    def load_graph(self, index: int = 0) -> LoadGraph:
        """Return one process's graph with its questions: why, who_loads, missing, cycles, tree."""
        from machochain.graph.loadgraph import LoadGraph  # noqa: PLC0415

        return LoadGraph(self.results[index])

    def slice(self, arch: str) -> Report:
        """Return the part of the report that is about one architecture."""
        return evolve(self, results=tuple(r for r in self.results if r.arch == arch))

    @property
    def launches(self) -> bool | None:
        """True if everything launches, False if something does not.

        None if something is unknown or could not be read, and if there is nothing to launch: of what nobody looked at
        nothing can be said.
        """
        verdicts = {r.launches for r in self.results}
        if False in verdicts:
            return False
        return None if None in verdicts or self.errors or self.unexamined or not verdicts else True

    @property
    def coverage(self) -> Coverage:
        """How much was looked at."""
        return coverage_of(self.results, self.passed_over)

    def __iter__(self) -> Iterator[Result]:
        return iter(self.results)

    def __getitem__(self, number: int) -> Result:
        return self.results[number]

    def __len__(self) -> int:
        return len(self.results)

    def __repr__(self) -> str:
        counts = Counter(_STATES[r.launches] for r in self.results)
        told = [f"{number} {state}" for state, number in sorted(counts.items())]
        return f"<Report of {len(self.results)}: {', '.join(told) or 'nothing'}, {len(self.errors)} errors>"

    def _repr_html_(self) -> str:
        """Return a table for notebooks."""
        from machochain.model.notebook import table  # noqa: PLC0415

        rows: list[tuple[str, ...]] = [
            (r.path, r.arch, str(r.macos), _STATES[r.launches], r.message or _refusal(r)) for r in self.results
        ]
        rows += [(e.path or "", "", "", "not read", e.reason) for e in self.errors]
        return table(("path", "arch", "macOS", "verdict", "what dyld says"), rows)


def _refusal(result: Result) -> str:
    """Return why dyld has no say, if the kernel refuses; else nothing."""
    found = result.execution
    return f"nothing: the kernel stops it, {found.why}" if found is not None and found.starts is False else ""


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

    def __repr__(self) -> str:
        return f"<Explanation of {self.load.dylib.name!r} for {self.requester.path!r}: {self.load.outcome.value}>"
