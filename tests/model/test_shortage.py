"""What images look up in vain is told as a tuple would tell it, and kept as tables."""

from __future__ import annotations

import copy
import pickle

import pytest

from machochain.model.result import Lookup, MissingSymbol
from machochain.model.shortage import MissingSymbols, Shortage, by_image, known_shortage

FIRST = [MissingSymbol(f"_{name}", 3, "/lib/a", lazy=name == "b", unknown="nobody knows") for name in "abc"]
SECOND = [MissingSymbol("_d", 1, None, lookup=Lookup.FLAT)]


def _missing(first: int = 3) -> MissingSymbols:
    return MissingSymbols([(first, known_shortage(FIRST)), (1, known_shortage(SECOND))])


def test_it_reads_as_a_tuple() -> None:
    whole = (*FIRST, *SECOND)
    found = _missing()
    assert found == whole
    assert whole == found
    assert (len(found), tuple(found), hash(found), repr(found)) == (4, whole, hash(whole), repr(whole))
    assert (found[0], found[-1], found[1:3], found[::-1]) == (whole[0], whole[-1], whole[1:3], whole[::-1])
    assert whole[2] in found
    assert found != whole[:3]
    assert found != "four"
    assert (found + whole[:1], whole[:1] + found) == ((*whole, whole[0]), (whole[0], *whole))
    with pytest.raises(IndexError):
        found[4]


def test_it_is_written_to_other_processes_and_copied() -> None:
    found = _missing(7)
    for same in (pickle.loads(pickle.dumps(found)), copy.deepcopy(found)):
        assert isinstance(same, MissingSymbols)
        assert same == found


def test_an_image_has_the_id_of_the_process_that_asks() -> None:
    found = _missing(first=9)
    assert [m.source for m in found] == [9, 9, 9, 1]
    assert [m.symbol for m in found] == ["_a", "_b", "_c", "_d"]


def test_kinds_are_told_apart_in_the_order_of_the_table() -> None:
    (lazy, places) = list(known_shortage(FIRST).kinds.items())[1]
    assert (lazy.lazy, lazy.known, lazy.place, places) == (True, False, "/lib/a", (1,))
    assert list(known_shortage(FIRST).kinds.values()) == [(0, 2), (1,)]
    assert known_shortage(SECOND).kinds.popitem()[0].place == "flat namespace"
    assert (Shortage().kinds, Shortage().count, tuple(Shortage().of(0))) == ({}, 0, ())


def test_some_of_a_table_are_made_once_and_have_the_right_id() -> None:
    asked: list[int] = []

    def make(source: int) -> list[MissingSymbol]:
        asked.append(source)
        return [MissingSymbol(m.symbol, source, m.expected_in) for m in FIRST]

    table = Shortage(make)
    assert [(m.symbol, m.source) for m in table.at([0, 2], 5)] == [("_a", 5), ("_c", 5)]
    assert [(m.symbol, m.source) for m in table.at([0, 2], 6)] == [("_a", 6), ("_c", 6)]
    assert asked == [5]


def test_a_plain_tuple_is_sorted_by_image() -> None:
    mixed = (FIRST[0], *SECOND, *FIRST[1:])
    assert [(source, list(table.of(source))) for source, table in by_image(mixed)] == [(3, FIRST), (1, SECOND)]
    found = _missing()
    assert by_image(found) is found.parts
