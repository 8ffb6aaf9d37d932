"""The drawing: boxes never overlap, lines run from left to right, and what others imply is found."""

from __future__ import annotations

from itertools import combinations

from hypothesis import given, settings
from hypothesis import strategies as st

from machochain.report.layered import BOX, draw

GRAPHS = st.integers(1, 14).flatmap(
    lambda n: st.tuples(
        st.just(n), st.lists(st.tuples(st.integers(0, n - 1), st.integers(0, n - 1)), max_size=3 * n, unique=True)
    )
)


@given(GRAPHS)
@settings(max_examples=150, deadline=None)
def test_every_box_has_its_own_place_inside_the_drawing_and_every_line_joins_its_boxes(
    graph: tuple[int, list[tuple[int, int]]],
) -> None:
    count, edges = graph
    made = draw({n: 60.0 + n for n in range(count)}, edges)
    assert set(made.boxes) == set(range(count))
    for box in made.boxes.values():
        assert -0.01 <= box.x <= box.x + box.width <= made.width + 0.01
        assert -0.01 <= box.y <= box.y + BOX <= made.height + 0.01
    for a, b in combinations(made.boxes.values(), 2):
        apart = a.x + a.width <= b.x or b.x + b.width <= a.x
        assert apart or abs(a.y - b.y) >= BOX
    assert set(made.lines) == {e for e in edges if e[0] != e[1]}
    for (source, to), points in made.lines.items():
        ends = [points[0], points[-1]]
        for node, (x, y) in zip((source, to), ends, strict=True):
            box = made.boxes[node]
            assert abs(y - box.y - BOX / 2) < 0.01
            assert min(abs(x - box.x), abs(x - box.x - box.width)) < 0.01
        xs = [x for x, _ in points]
        assert xs in (sorted(xs), sorted(xs, reverse=True))


def test_without_cycles_all_lines_run_to_the_right() -> None:
    made = draw(dict.fromkeys(range(5), 50.0), [(0, 1), (1, 2), (0, 2), (3, 2), (2, 4)])
    for points in made.lines.values():
        assert points[0][0] < points[-1][0]


def test_a_load_that_a_chain_of_others_implies_is_told_apart() -> None:
    assert draw(dict.fromkeys(range(3), 50.0), [(0, 1), (1, 2), (0, 2)]).implied == {(0, 2)}
    assert draw(dict.fromkeys(range(3), 50.0), [(0, 1), (0, 2)]).implied == frozenset()


def test_two_lines_that_need_not_cross_do_not() -> None:
    made = draw(dict.fromkeys(range(4), 50.0), [(0, 3), (1, 2), (0, 2), (1, 3), (0, 1)])
    straight = draw(dict.fromkeys(range(6), 50.0), [(0, 1), (0, 2), (1, 4), (2, 3), (4, 5), (3, 5)])
    assert made.boxes[0].x < made.boxes[1].x
    upper_first = straight.boxes[1].y < straight.boxes[2].y
    assert upper_first == (straight.boxes[4].y < straight.boxes[3].y)


def test_nodes_without_lines_stand_in_a_grid_below() -> None:
    made = draw(dict.fromkeys(range(12), 200.0), [(0, 1)])
    assert made.singles is not None
    lowest = max(made.boxes[n].y for n in (0, 1)) + BOX
    assert all(made.boxes[n].y >= lowest for n in range(2, 12))
    assert len({made.boxes[n].x for n in range(2, 12)}) == 5


def test_the_same_graph_gives_the_same_drawing() -> None:
    edges = [(a, b) for a in range(12) for b in range(12) if (a * 7 + b * 5) % 11 == 3]
    assert draw(dict.fromkeys(range(12), 80.0), edges) == draw(dict.fromkeys(range(12), 80.0), edges)
