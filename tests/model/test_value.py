"""Values are what attrs would have made of the same class body."""

from __future__ import annotations

import copy
import importlib
import inspect
import pickle
import pkgutil
import weakref
from functools import cached_property
from typing import Any, ClassVar

import attrs
import pytest

import machochain
from machochain.model.frozen import LateDict, frozen_dict
from machochain.model.search import Failure, FailureKind
from machochain.model.value import Factory, define, evolve, field, frozen, later
from machochain.model.version import Version


def _short(value: str) -> str:
    return value[:1]


@attrs.frozen
class Generated:
    name: str
    _inner: tuple[object, ...] = ()
    hidden: int = attrs.field(default=0, repr=False)
    short: str = attrs.field(default="long", repr=_short)
    aside: int = attrs.field(default=0, eq=False)


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


def _values_of_the_package() -> list[Any]:
    names = [m.name for m in pkgutil.walk_packages(machochain.__path__, "machochain.")]
    modules = [importlib.import_module(name) for name in names if name != "machochain.__main__"]
    classes = {each for module in modules for each in vars(module).values() if isinstance(each, type)}
    return [each for each in classes if each.__module__.startswith("machochain.") and attrs.has(each)]


def test_each_class_of_values_is_what_attrs_makes_of_it() -> None:
    classes = _values_of_the_package()
    assert len(classes) > 250
    for cls in classes:
        assert hasattr(cls, "__value_fields__"), f"{cls} is not made by machochain.model.value"
        theirs = vars(cls)["__attrs_attrs__"].twin.made
        expected = inspect.signature(theirs).parameters.values()
        for one, other in zip(inspect.signature(cls).parameters.values(), expected, strict=True):
            assert (one.name, one.kind) == (other.name, other.kind), cls
            assert (one.default is one.empty) == (other.default is other.empty), cls
            assert one.annotation in {other.annotation, one.empty}, cls  # of a converter attrs takes its own
        assert [f.name for f in cls.__value_fields__] == [f.name for f in attrs.fields(theirs)], cls
        assert set(getattr(cls, "__slots__", ())) == set(getattr(theirs, "__slots__", ())), cls
        assert cls.__match_args__ == theirs.__match_args__, cls
        assert (cls.__hash__ is None) == (theirs.__hash__ is None), cls
        assert cls.__doc__ == theirs.__doc__, cls
        assert {n for n in vars(theirs) if n[0] != "_"} == {n for n in vars(cls) if n[0] != "_"}, cls
        # The class is made anew from its body: a method that says super() would mean the one before.
        assert not any("__class__" in getattr(f, "__code__", _short.__code__).co_freevars for f in vars(cls).values())


def _stripped(value: str) -> str:
    return value.strip()


@frozen
class Deep:
    """A class that uses all that classes of values use."""

    KIND: ClassVar[str] = "deep"

    name: str
    _quiet: tuple[int, ...] = ()
    parts: list[int] = field(factory=list)
    shown: str = field(default=" x ", converter=_stripped)
    twice: str = Factory(lambda self: self.name * 2, takes_self=True)
    last: int = field(kw_only=True)
    spare: int = field(default=5, kw_only=True)

    @cached_property
    def length(self) -> int:
        """How long the name is."""
        return len(self.name)


def test_fields_are_converted_and_made_as_attrs_would() -> None:
    one, other = Deep("a", quiet=(1,), last=3), Deep("a", (1,), [], "x", "aa", last=3, spare=5)
    assert one == other
    assert (one.shown, one.twice, one.KIND, one.length) == ("x", "aa", "deep", 1)
    assert one.parts is not other.parts
    shown = "(name: 'str', quiet: 'tuple[int, ...]' = (), parts: 'list[int]' = NOTHING, shown=' x ',"
    assert str(inspect.signature(Deep)).startswith(shown)
    assert [f.alias for f in attrs.fields(Deep)] == ["name", "quiet", "parts", "shown", "twice", "last", "spare"]
    assert attrs.fields(Deep) is attrs.fields(Deep)
    assert evolve(one, shown=" y", quiet=()) == attrs.evolve(one, shown=" y", quiet=()) == Deep("a", shown="y", last=3)
    assert pickle.loads(pickle.dumps(one)) == copy.copy(one) == one
    assert weakref.ref(one)() is one


def test_arguments_are_refused_by_their_names() -> None:
    with pytest.raises(TypeError, match=r"missing 1 required keyword-only argument: 'last'"):
        Deep("a")  # type: ignore[call-arg]
    with pytest.raises(TypeError, match=r"missing 1 required positional argument: 'name'"):
        Deep(last=1)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match=r"^Deep.__init__\(\) got an unexpected keyword argument 'other'"):
        Deep("a", last=1, other=2)  # type: ignore[call-arg]
    with pytest.raises(AttributeError, match="'Deep' object has no attribute 'other'"):
        Deep("a", last=1).other  # type: ignore[attr-defined]  # noqa: B018
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        del Deep("a", last=1).name


def test_a_class_may_add_fields_to_those_of_another() -> None:
    @define(slots=False)
    class Base:
        name: str
        more: int = 0

        @cached_property
        def length(self) -> int:
            return len(self.name)

    @define(slots=False)
    class Above(Base):
        main: bool = field(kw_only=True)

    value = Above("abc", main=True)
    value.more = value.length
    assert repr(value).endswith("Above(name='abc', more=3, main=True)")
    assert [f.name for f in attrs.fields(Above)] == ["name", "more", "main"]
    with pytest.raises(TypeError, match="unhashable"):
        hash(value)


def test_a_class_may_look_at_a_value_once_it_is_made() -> None:
    @frozen
    class Positive:
        at: int

        def __attrs_post_init__(self) -> None:
            if self.at < 0:
                raise ValueError(self.at)

    assert Positive(1).at == 1
    with pytest.raises(ValueError, match="-1"):
        evolve(Positive(1), at=-1)


def test_a_field_may_be_made_when_it_is_first_asked_for() -> None:
    made: list[str] = []

    def upper(value: Any) -> str:
        made.append(value.name)
        return str(value.name.upper())

    @frozen
    class Late:
        name: str
        shown: str = later(upper)

    value, given = Late("a"), Late("a", "B")
    assert (made, given.shown) == ([], "B")
    assert (value.shown, value.shown, made) == ("A", "A", ["a"])
    assert value != given
    assert evolve(value, name="c").shown == "A"
    assert attrs.asdict(Late("d")) == {"name": "d", "shown": "D"}
    assert repr(Late("e")) == "Late(name='e', shown='E')"


def test_what_a_base_computes_late_is_computed_in_what_is_made_of_it() -> None:
    @frozen
    class Base:
        name: str
        shown: str = later(lambda value: value.name.upper())

        @cached_property
        def length(self) -> int:
            return len(self.name)

    @frozen
    class More(Base):
        count: int = 2

        @cached_property
        def repeated(self) -> str:
            return self.name * self.count

    value = More("ab")
    assert (value.repeated, value.shown, value.length) == ("abab", "AB", 2)
    with pytest.raises(AttributeError, match="'More' object has no attribute 'other'"):
        assert value.other  # type: ignore[attr-defined]


def test_a_hash_that_a_class_has_itself_stays() -> None:
    @frozen
    class Known:
        name: str

        def __hash__(self) -> int:
            return 7

    assert (hash(Known("a")), Known("a") == Known("a"), Known("a") == Known("b")) == (7, True, False)


def test_a_field_of_attrs_itself_is_refused() -> None:
    with pytest.raises(TypeError, match=r"Wrong\.name: field and Factory are those of machochain\.model\.value"):

        @frozen
        class Wrong:
            name: list[int] = attrs.field(factory=list)


def test_a_dictionary_that_is_put_together_late_is_put_together_once() -> None:
    made: list[int] = []

    def make() -> dict[str, object]:
        made.append(1)
        return {"tried": [["/a", "no such file"]], "command": "LC_LOAD_DYLIB"}

    late = LateDict(make)
    assert not made
    assert late == frozen_dict(make())
    assert (len(late), late["tried"], list(late), late.get("none")) == (2, [["/a", "no such file"]], [*make()], None)
    made.clear()
    assert hash(late) == hash(frozen_dict({**late}))
    assert repr(late) == repr({**late})
    assert pickle.loads(pickle.dumps(late)) == late
    assert made == []
    with pytest.raises(TypeError):
        late["tried"].append("more")
