"""A layered drawing of a directed graph, left to right: which box goes where, and how the lines run.

The classical steps (Sugiyama, Tagawa, Toda 1981): break cycles, put every box into a column by its longest way from a
start, lead long lines through placeholders, order the columns so that few lines cross, then move the boxes towards
their neighbours. Lines that others imply (a loads b and c, b loads c: a to c) are kept out of the ordering.
Everything is in pixels; the same graph always gives the same drawing.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Mapping, Sequence
from typing import Final

from machochain.model.value import define, field, frozen

Edge = tuple[int, int]
Point = tuple[float, float]

ROW: Final = 34.0
"""From the top of one box to the top of the next."""
BOX: Final = 26.0
"""Height of a box."""
COLUMN_GAP: Final = 72.0
"""Between columns; more where lines run far up or down (`_STEEPEST`), so that they can be told apart."""
WIDEST_GAP: Final = 260.0
_STEEPEST: Final = 8.0
LINE_ROW: Final = 12.0
"""Room a line takes where it passes between boxes."""
BLOCK_GAP: Final = 36.0
SWEEPS: Final = 12
GRID_WIDTH: Final = 1180.0


@frozen
class Box:
    """Where a box is: its upper left corner, and its width."""

    x: float
    y: float
    width: float


@frozen
class Drawing:
    """A drawing.

    Attributes:
        boxes: Of every node.
        lines: Of every edge, the points it runs through; of an edge of a cycle that runs backwards, too.
        implied: Edges that other edges imply.
        singles: Top of the grid of the nodes without edges; None if there is none.
        width: Of the whole.
        height: Of the whole.
    """

    boxes: Mapping[int, Box]
    lines: Mapping[Edge, tuple[Point, ...]]
    implied: frozenset[Edge]
    singles: float | None
    width: float
    height: float


def draw(widths: Mapping[int, float], edges: Sequence[Edge]) -> Drawing:
    """Return the drawing of a graph.

    Args:
        widths: Every node with the width of its box, in the order that boxes are listed as far as they are free.
        edges: Pairs of nodes; loops and repetitions are left out.
    """
    links = [e for e in dict.fromkeys(edges) if e[0] != e[1]]
    boxes: dict[int, Box] = {}
    lines: dict[Edge, tuple[Point, ...]] = {}
    implied: set[Edge] = set()
    top = 0.0
    right = 0.0
    groups, singles = _components(widths, links)
    for nodes, inner in groups:
        block = _Block(nodes, inner, widths)
        block.run()
        boxes |= {n: Box(b.x, b.y + top, b.width) for n, b in block.boxes.items()}
        lines |= {e: tuple((x, y + top) for x, y in points) for e, points in block.lines.items()}
        implied |= block.implied
        right = max(right, block.width)
        top += block.height + BLOCK_GAP
    grid = None
    if singles:
        grid = top
        top = _grid(singles, widths, boxes, top + BLOCK_GAP * bool(groups), max(right, GRID_WIDTH)) + BLOCK_GAP
        right = max(right, *(boxes[n].x + boxes[n].width for n in singles))
    return Drawing(boxes, lines, frozenset(implied), grid, right, max(top - BLOCK_GAP, BOX))


def _components(
    widths: Mapping[int, float], edges: Sequence[Edge]
) -> tuple[list[tuple[list[int], list[Edge]]], list[int]]:
    """Return the parts that hang together, the largest first, and the nodes that stand alone."""
    neighbours: dict[int, list[int]] = {n: [] for n in widths}
    for a, b in edges:
        neighbours[a].append(b)
        neighbours[b].append(a)
    part: dict[int, int] = {}
    groups: list[tuple[list[int], list[Edge]]] = []
    singles: list[int] = []
    for start in widths:
        if start in part:
            continue
        if not neighbours[start]:
            singles.append(start)
            continue
        number = len(groups)
        part[start] = number
        stack = [start]
        while stack:
            for n in neighbours[stack.pop()]:
                if n not in part:
                    part[n] = number
                    stack.append(n)
        groups.append(([], []))
    for n in widths:
        if n in part:
            groups[part[n]][0].append(n)
    for edge in edges:
        groups[part[edge[0]]][1].append(edge)
    return sorted(groups, key=lambda g: -len(g[0])), singles


def _grid(nodes: Sequence[int], widths: Mapping[int, float], boxes: dict[int, Box], top: float, room: float) -> float:
    """Place nodes in rows and columns of one width; return where the grid ends."""
    width = max(widths[n] for n in nodes)
    columns = max(1, int((room + 16) // (width + 16)))
    rows = -(-len(nodes) // columns)
    for index, node in enumerate(nodes):
        column, row = divmod(index, rows)
        boxes[node] = Box(column * (width + 16), top + row * ROW, width)
    return top + rows * ROW


@define
class _Block:
    """One connected part. Placeholders of long lines are negative numbers."""

    nodes: list[int]
    edges: list[Edge]
    widths: Mapping[int, float]
    boxes: dict[int, Box] = field(factory=dict)
    lines: dict[Edge, tuple[Point, ...]] = field(factory=dict)
    implied: set[Edge] = field(factory=set)
    width: float = 0.0
    height: float = 0.0
    _layer: dict[int, int] = field(factory=dict)
    _after: dict[int, list[int]] = field(factory=dict)
    _before: dict[int, list[int]] = field(factory=dict)
    _columns: list[list[int]] = field(factory=list)
    _via: dict[Edge, list[int]] = field(factory=dict)

    def run(self) -> None:
        """Do all steps."""
        forward, order = self._without_cycles()
        self._layers(forward, order)
        self._find_implied(forward, order)
        self._insert_placeholders(forward)
        self._order_columns()
        self._place()
        self.implied = {(a, b) for a, b in self.edges if (a, b) in self.implied or (b, a) in self.implied}

    def _without_cycles(self) -> tuple[list[Edge], list[int]]:
        """Turn round the edges that close a cycle; return all edges, and the nodes in topological order."""
        after: dict[int, list[int]] = {n: [] for n in self.nodes}
        entered = {b for _, b in self.edges}
        for a, b in self.edges:
            after[a].append(b)
        state: dict[int, int] = {}
        finished: list[int] = []
        turned: set[Edge] = set()
        for root in sorted(self.nodes, key=lambda n: n in entered):
            if root in state:
                continue
            state[root] = 1
            stack = [(root, iter(after[root]))]
            while stack:
                node, rest = stack[-1]
                below = next(rest, None)
                if below is None:
                    state[node] = 2
                    finished.append(node)
                    stack.pop()
                elif below not in state:
                    state[below] = 1
                    stack.append((below, iter(after[below])))
                elif state[below] == 1:
                    turned.add((node, below))
        forward = dict.fromkeys((b, a) if (a, b) in turned else (a, b) for a, b in self.edges)
        return list(forward), finished[::-1]

    def _layers(self, forward: list[Edge], order: list[int]) -> None:
        """Put each node into the column of its longest way from a start, and starts next to what they load."""
        after: dict[int, list[int]] = {n: [] for n in self.nodes}
        starts = set(self.nodes)
        for a, b in forward:
            after[a].append(b)
            starts.discard(b)
        self._layer = dict.fromkeys(self.nodes, 0)
        for node in order:
            for below in after[node]:
                self._layer[below] = max(self._layer[below], self._layer[node] + 1)
        for node in starts:
            if after[node]:
                self._layer[node] = min(self._layer[b] for b in after[node]) - 1

    def _find_implied(self, forward: list[Edge], order: list[int]) -> None:
        """Find the edges whose ends are also joined by a longer way: sets of nodes are the bits of a number."""
        bit = {n: 1 << i for i, n in enumerate(order)}
        after: dict[int, list[int]] = {n: [] for n in self.nodes}
        for a, b in forward:
            after[a].append(b)
        reach: dict[int, int] = {}
        for node in reversed(order):
            further = 0
            for below in after[node]:
                further |= reach[below]
            self.implied |= {(node, b) for b in after[node] if further & bit[b]}
            reach[node] = further
            for below in after[node]:
                reach[node] |= bit[below]

    def _insert_placeholders(self, forward: list[Edge]) -> None:
        columns = max(self._layer.values()) + 1
        self._columns = [[] for _ in range(columns)]
        for node in self.nodes:
            self._columns[self._layer[node]].append(node)
        self._after = {n: [] for n in self.nodes}
        self._before = {n: [] for n in self.nodes}
        placeholder = 0
        for a, b in forward:
            if (a, b) in self.implied:
                continue
            last = a
            self._via[a, b] = []
            for layer in range(self._layer[a] + 1, self._layer[b]):
                placeholder -= 1
                self._layer[placeholder] = layer
                self._columns[layer].append(placeholder)
                self._after[placeholder] = []
                self._before[placeholder] = []
                self._join(last, placeholder)
                self._via[a, b].append(placeholder)
                last = placeholder
            self._join(last, b)

    def _join(self, a: int, b: int) -> None:
        self._after[a].append(b)
        self._before[b].append(a)

    def _order_columns(self) -> None:
        """Sort columns by the mean place of their neighbours, to and fro, and keep the best order found."""
        best = [list(c) for c in self._columns]
        fewest = self._crossings()
        for sweep in range(SWEEPS):
            down = sweep % 2 == 0
            indices = range(1, len(self._columns)) if down else range(len(self._columns) - 2, -1, -1)
            for index in indices:
                fixed = {n: i for i, n in enumerate(self._columns[index - 1 if down else index + 1])}
                near = self._before if down else self._after
                column = self._columns[index]
                own = {n: i for i, n in enumerate(column)}
                means = {n: _mean([fixed[m] for m in near[n]], own[n]) for n in column}
                column.sort(key=means.__getitem__)
            crossings = self._crossings()
            if crossings < fewest:
                fewest = crossings
                best = [list(c) for c in self._columns]
            if not fewest:
                break
        self._columns = best

    def _crossings(self) -> int:
        """Count how often lines of neighbouring columns cross."""
        total = 0
        for left, right in zip(self._columns, self._columns[1:], strict=False):
            place = {n: i for i, n in enumerate(right)}
            seen: list[int] = []
            for node in left:
                ends = sorted(place[m] for m in self._after[node])
                total += sum(len(seen) - bisect_right(seen, end) for end in ends)
                for end in ends:
                    insort(seen, end)
        return total

    def _place(self) -> None:
        """Give every node its coordinates: columns from left to right, rows by what pulls at them."""
        y = {n: 0.0 for column in self._columns for n in column}
        for column in self._columns:
            y.update(zip(column, _offsets(column), strict=True))
        for sweep in range(SWEEPS):
            down = sweep % 2 == 0
            for column in self._columns if down else reversed(self._columns):
                wanted = []
                for n in column:
                    near = self._before[n] if down else self._after[n]
                    others = near or self._after[n] or self._before[n]
                    wanted.append(_mean([y[m] for m in others], y[n]))
                y.update(zip(column, _spread(wanted, _offsets(column)), strict=True))
        top = min(y.values()) - BOX / 2
        x = 0.0
        lefts: list[float] = []
        rights: list[float] = []
        for column in self._columns:
            width = max((self.widths[n] for n in column if n >= 0), default=0.0)
            lefts.append(x)
            rights.append(x + width)
            for n in column:
                if n >= 0:
                    self.boxes[n] = Box(x, y[n] - BOX / 2 - top, width)
            climb = max((abs(y[m] - y[n]) for n in column for m in self._after[n]), default=0.0)
            x += width + min(max(COLUMN_GAP, climb / _STEEPEST), WIDEST_GAP)
        self.width = rights[-1]
        self.height = max(y.values()) - top + BOX / 2
        for a, b in self.edges:
            self.lines[a, b] = self._line(a, b, y, top, lefts, rights)

    def _line(
        self, a: int, b: int, y: Mapping[int, float], top: float, lefts: list[float], rights: list[float]
    ) -> tuple[Point, ...]:
        backwards = self._layer[a] > self._layer[b]
        first, last = (b, a) if backwards else (a, b)
        points: list[Point] = [(rights[self._layer[first]], y[first] - top)]
        for via in self._via.get((first, last), ()):
            layer = self._layer[via]
            points += [(lefts[layer], y[via] - top), (rights[layer], y[via] - top)]
        points.append((lefts[self._layer[last]], y[last] - top))
        return tuple(reversed(points)) if backwards else tuple(points)


def _mean(values: Sequence[float], otherwise: float) -> float:
    return sum(values) / len(values) if values else float(otherwise)


def _offsets(column: Sequence[int]) -> list[float]:
    """Return where the middles of a column's members are if they stand as close as they may."""
    offsets: list[float] = []
    at = 0.0
    for index, node in enumerate(column):
        room = ROW if node >= 0 else LINE_ROW
        if index:
            at += (room + (ROW if column[index - 1] >= 0 else LINE_ROW)) / 2
        offsets.append(at)
    return offsets


def _spread(wanted: Sequence[float], offsets: Sequence[float]) -> list[float]:
    """Return the places nearest to the wanted ones (least squares) that keep the distances and the order.

    With the closest packing taken off, this is isotonic regression: neighbours that are in each other's way are
    pooled and share their mean.
    """
    pools: list[tuple[float, int]] = []
    for want, offset in zip(wanted, offsets, strict=True):
        total, number = want - offset, 1
        while pools and pools[-1][0] / pools[-1][1] >= total / number:
            before, members = pools.pop()
            total += before
            number += members
        pools.append((total, number))
    means = [total / number for total, number in pools for _ in range(number)]
    return [mean + offset for mean, offset in zip(means, offsets, strict=True)]
