"""What an image lacks: told alike whether it is made at once or when somebody asks."""

from __future__ import annotations

import gc

import pytest

from machochain.graph.lacking import NOTHING, shortage_of
from machochain.graph.symbol_tables import NO, Answer, Lacking, Wanted
from machochain.model.result import Lookup
from machochain.model.symbols import Import, ImportKind

NAMES = [f"_{n}" for n in range(20)]
IMPORTS = tuple(Import(name, 1 + at % 2, at % 3 == 0, at % 5 == 0, ImportKind.BIND) for at, name in enumerate(NAMES))
ANSWERS = (NO, Answer(None, "nobody knows", once=True), Answer(False, error="malformed trie"))


def _wanted() -> Wanted:
    names = {ordinal: tuple(e.name for e in IMPORTS if e.ordinal == ordinal) for ordinal in (1, 2)}
    return Wanted(IMPORTS, names, (), {})


def _lacking(count: int, lookup: Lookup = Lookup.LIBRARY) -> dict[int, Lacking]:
    lacked = NAMES[3 : 3 + count]
    return {
        ordinal: (
            {e.name: ANSWERS[at % 3] for at, e in enumerate(IMPORTS) if e.ordinal == ordinal and e.name in lacked},
            "/usr/lib/liba.dylib",
            lookup,
        )
        for ordinal in (1, 2)
    }


@pytest.mark.parametrize("classic", [False, True])
@pytest.mark.parametrize("lookup", [Lookup.LIBRARY, Lookup.BAD_ORDINAL])
@pytest.mark.parametrize("count", [1, 3, 4, 9, 17])
def test_kinds_are_those_of_the_symbols_in_the_order_of_the_tables(count: int, lookup: Lookup, classic: bool) -> None:
    table = shortage_of(_wanted(), _lacking(count, lookup), classic=classic)
    told = list(table.of(7))
    assert [m.symbol for m in told] == NAMES[3 : 3 + count]
    assert {m.source for m in told} == {7}
    assert table.count == count
    for kind, places in table.kinds.items():
        for m in (told[place] for place in places):
            assert kind == (m.expected_in, m.lookup, m.lazy, m.weak, m.fatal, m.once, m.unknown is None)
    assert sorted(place for places in table.kinds.values() for place in places) == list(range(count))


def test_a_table_of_which_little_is_missing_is_not_kept() -> None:
    wanted = _wanted()
    few, many = shortage_of(wanted, _lacking(3), classic=False), shortage_of(wanted, _lacking(9), classic=False)

    def keeps(table: object) -> bool:
        waiting, seen = [table], set[int]()
        while waiting:
            each = waiting.pop()
            if each is wanted:
                return True
            if id(each) not in seen and not isinstance(each, type):
                seen.add(id(each))
                waiting += gc.get_referents(each) if not hasattr(each, "__globals__") else []
        return False

    assert not keeps(few)
    assert keeps(many)


def test_nothing_is_missing_where_nothing_is_lacking() -> None:
    assert shortage_of(_wanted(), {}, classic=False) is NOTHING
    assert (tuple(NOTHING.of(1)), NOTHING.count) == ((), 0)
