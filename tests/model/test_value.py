"""Values compare, hash and show themselves as attrs would have generated it."""

from __future__ import annotations

import copy
import pickle

import attrs
import pytest
from attrs import field

from machochain.model.search import Failure, FailureKind
from machochain.model.value import frozen
from machochain.model.version import Version


def _short(value: str) -> str:
    return value[:1]


@attrs.frozen
class Generated:
    name: str
    _inner: tuple[object, ...] = ()
    hidden: int = field(default=0, repr=False)
    short: str = field(default="long", repr=_short)
    aside: int = field(default=0, eq=False)


@frozen
class Written:
    name: str
    _inner: tuple[object, ...] = ()
    hidden: int = field(default=0, repr=False)
    short: str = field(default="long", repr=_short)
    aside: int = field(default=0, eq=False)


VALUES = [("x",), ("y",), ("x", (1,)), ("x", (), 1), ("x", (), 0, "s"), ("x", (), 0, "long", 1)]


@pytest.mark.parametrize("one", VALUES)
@pytest.mark.parametrize("other", VALUES)
def test_values_are_equal_where_attrs_has_them_equal(one: tuple[str], other: tuple[str]) -> None:
    equal = Generated(*one) == Generated(*other)
    assert (Written(*one) == Written(*other)) is equal
    assert (Written(*one) != Written(*other)) is not equal
    if equal:
        assert hash(Written(*one)) == hash(Written(*other))


def test_values_of_two_classes_are_never_equal() -> None:
    @frozen
    class Other:
        name: str

    class Below(Written):
        pass

    assert Written("x") not in (Other("x"), ("x",), Below("x"))
    assert len({Written("x"), Other("x"), Below("x"), Below("x")}) == 3


def test_a_value_with_a_part_that_has_no_hash_has_none() -> None:
    with pytest.raises(TypeError, match="unhashable"):
        hash(Written("x", ([],)))


def test_a_value_shows_itself_as_attrs_would_have_it() -> None:
    assert repr(Written("a'b", (1, 2))) == repr(Generated("a'b", (1, 2))).replace("Generated", "Written")
    assert repr(Written("x")) == "Written(name='x', _inner=(), short=l, aside=0)"


def test_a_class_inside_a_function_is_called_by_its_own_name() -> None:
    @frozen
    class Local:
        at: int

    assert repr(Local(1)) == "Local(at=1)"


def test_what_a_class_has_itself_stays() -> None:
    @frozen
    class Own:
        at: int

        def __repr__(self) -> str:
            return "mine"

        def __eq__(self, other: object) -> bool:
            return True

        def __hash__(self) -> int:
            return 3

    assert repr(Own(1)) == "mine"
    assert Own(1) == Own(2)
    assert hash(Own(1)) == 3

    @frozen(eq=False)
    class Same:
        at: int

    one = Same(1)
    assert one == one  # noqa: PLR0124  # by identity
    assert one != Same(1)
    assert len({one, Same(1)}) == 2


def test_values_do_not_change_and_can_be_copied_sent_and_evolved() -> None:
    value = Version.of(14, 2)
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        value.packed = 1  # type: ignore[misc]
    assert not hasattr(value, "__dict__")
    assert pickle.loads(pickle.dumps(value)) == copy.deepcopy(value) == value
    assert attrs.evolve(value, packed=1) == Version(1)
    assert attrs.asdict(value) == {"packed": value.packed}
    match value:
        case Version(packed):
            assert packed == value.packed


def test_the_values_of_the_model_show_what_makes_them() -> None:
    text = repr(Failure(FailureKind.NOT_FOUND, "tried"))
    assert text.startswith("Failure(kind=<FailureKind.NOT_FOUND: ")
    assert text.endswith("text='tried')")
