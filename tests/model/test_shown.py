"""Values show themselves as attrs would have generated it."""

from __future__ import annotations

from attrs import field, frozen

from machochain.model.search import Failure, FailureKind
from machochain.model.shown import Shown


def _short(value: str) -> str:
    return value[:1]


@frozen
class Generated:
    name: str
    _inner: tuple[int, ...] = ()
    hidden: int = field(default=0, repr=False)
    short: str = field(default="long", repr=_short)


@frozen(repr=False)
class Written(Shown):
    name: str
    _inner: tuple[int, ...] = ()
    hidden: int = field(default=0, repr=False)
    short: str = field(default="long", repr=_short)


def test_a_value_shows_itself_as_attrs_would_have_it() -> None:
    assert repr(Written("a'b", (1, 2))) == repr(Generated("a'b", (1, 2))).replace("Generated", "Written")
    assert repr(Written("x")) == "Written(name='x', _inner=(), short=l)"


def test_a_class_inside_a_function_is_called_by_its_own_name() -> None:
    @frozen
    class Local:
        at: int

    generated = repr(Local(1))

    @frozen(repr=False)
    class Local(Shown):  # type: ignore[no-redef]
        at: int

    assert repr(Local(1)) == generated == "Local(at=1)"


def test_the_values_of_the_model_show_what_makes_them() -> None:
    text = repr(Failure(FailureKind.NOT_FOUND, "tried"))
    assert text.startswith("Failure(kind=<FailureKind.NOT_FOUND: ")
    assert text.endswith("text='tried')")
