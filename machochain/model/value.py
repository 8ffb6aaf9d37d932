"""Values: the classes that `attrs.frozen` makes, made without attrs until somebody asks attrs about them.

A command makes a hundred classes before it does anything, and few values of most. attrs describes every field, and
writes and compiles an ``__init__`` for each class: a quarter of what starting took, and its own import a tenth. Here a
class gets slots and methods that all share. What attrs says of it (`attrs.fields`, ``asdict``, ``has``) is made by
attrs from the same class body when that is first asked for; the tests hold each class against what attrs makes of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cache, cached_property, partial
from operator import attrgetter
from types import CodeType, FunctionType
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

__all__ = ["Factory", "define", "evolve", "field", "frozen", "later"]

T = TypeVar("T")

_NOTHING: Any = type("NOTHING", (), {"__repr__": lambda _: "NOTHING"})()
"""The default of a field that has none."""


class _Factory:
    """What makes the value of a field that was not given; as `attrs.Factory`."""

    __slots__ = ("factory", "takes_self")

    def __init__(self, factory: Callable[..., Any], *, takes_self: bool = False) -> None:
        self.factory, self.takes_self = factory, takes_self

    def __repr__(self) -> str:
        return "NOTHING"  # what attrs shows in a signature


class _Later(_Factory):
    """What makes the value of a field when it is first asked for."""

    __slots__ = ()


class _Field:
    """What a class body says of one field; as `attrs.field`.

    Attributes:
        name: As in the class body.
        alias: As an argument: without the underscores of a private name.
        annotation: Its type, as written.
    """

    __slots__ = ("alias", "annotation", "converter", "default", "eq", "kw_only", "name", "repr")

    def __init__(
        self,
        *,
        default: Any = _NOTHING,
        factory: Callable[[], Any] | None = None,
        converter: Callable[[Any], Any] | None = None,
        repr: bool | Callable[[Any], str] = True,  # noqa: A002  # the name attrs gives it
        eq: bool = True,
        kw_only: bool = False,
    ) -> None:
        self.name = self.alias = self.annotation = ""
        self.default = default if factory is None else _Factory(factory)
        self.converter = converter
        self.repr = repr
        self.eq = eq
        self.kw_only = kw_only

    def setter(self, store: Callable[[Any, Any], None]) -> Callable[[Any, Any], None]:
        """Return what stores an argument in a new value: converted, or made if it is only the default."""
        convert, default = self.converter, self.default
        stored = store if convert is None else lambda value, given: store(value, convert(given))
        if not isinstance(default, _Factory):
            return stored
        if isinstance(default, _Later):
            return lambda value, given: None if given is default else stored(value, given)
        make = default.factory
        if default.takes_self:
            return lambda value, given: stored(value, make(value) if given is default else given)
        return lambda value, given: stored(value, make() if given is default else given)

    def for_attrs(self) -> Any:
        """Return the field as attrs wants it said."""
        import attrs  # noqa: PLC0415  # most commands end without it

        default = attrs.NOTHING if self.default is _NOTHING else self.default
        if isinstance(default, _Factory):
            default = attrs.Factory(default.factory, takes_self=default.takes_self)  # type: ignore[call-overload]
        return attrs.field(default=default, converter=self.converter, repr=self.repr, eq=self.eq, kw_only=self.kw_only)


def later(make: Callable[[Any], T]) -> T:
    """Say of a field that it is made from the others when it is first asked for, unless it is given."""
    return _Later(make, takes_self=True)  # type: ignore[return-value]  # as a default it stands for what it makes


if TYPE_CHECKING:
    from attrs import Factory, define, evolve, field, frozen
else:
    Factory, field = _Factory, _Field

    def frozen(cls: type | None = None, /, *, slots: bool = True, eq: bool = True) -> Any:
        """Make a class of frozen values as `attrs.frozen` does; methods that the class itself has stay."""
        make = partial(_made, frozen=True, slots=slots, eq=eq)
        return make if cls is None else make(cls)

    def define(cls: type | None = None, /, *, slots: bool = True, eq: bool = True) -> Any:
        """Make a class of values that may change, as `attrs.define` does."""
        make = partial(_made, frozen=False, slots=slots, eq=eq)
        return make if cls is None else make(cls)

    def evolve(value: Any, /, **changes: Any) -> Any:
        """Return a value that differs in some fields, as `attrs.evolve` does."""
        cls = value.__class__
        for name, alias in _arguments(cls):
            if alias not in changes:
                changes[alias] = getattr(value, name)
        return cls(**changes)


def _made(cls: type, *, frozen: bool, slots: bool, eq: bool) -> type:
    own = _fields(cls)
    fields = (*getattr(cls, "__value_fields__", ()), *own)
    names = [each.name for each in own]
    body = {name: value for name, value in vars(cls).items() if name not in names and name not in _OF_A_CLASS}
    twin = _Twin(cls, own, {"frozen": frozen, "slots": slots, "eq": eq})
    body |= {
        "__qualname__": cls.__qualname__,
        "__match_args__": tuple(each.name for each in fields if not each.kw_only),
        "__value_fields__": fields,
        "__attrs_attrs__": _AskedOfTwin(twin, "__attrs_attrs__"),
        "__attrs_props__": _AskedOfTwin(twin, "__attrs_props__"),
        "__replace__": evolve,
    }
    body.setdefault("__repr__", _repr)
    if eq and "__eq__" not in body:
        body["__eq__"] = _equal
        body.setdefault("__hash__", _hash if frozen else None)
    if frozen:
        body["__setattr__"] = body["__delattr__"] = _refuse
    if slots:
        computed = {name: body.pop(name).func for name, each in vars(cls).items() if each.__class__ is cached_property}
        reference = () if any(base.__weakrefoffset__ for base in cls.__bases__) else ("__weakref__",)
        body |= {"__slots__": (*names, *computed, *reference), "__getstate__": _state, "__setstate__": _set_state}
        computed |= {each.name: each.default.factory for each in own if isinstance(each.default, _Later)}
        if computed:
            body["__value_computed__"] = computed = getattr(cls, "__value_computed__", {}) | computed
            body["__getattr__"] = _computing(computed)
    made = type(cls)(cls.__name__, cls.__bases__, body)
    made.__init__ = _initializer(made, fields)  # type: ignore[misc]
    return made


_OF_A_CLASS = {"__dict__", "__weakref__"}


def _fields(cls: type) -> tuple[_Field, ...]:
    """Return the fields that a class body states."""
    found, body = [], vars(cls)
    for name, annotation in cls.__annotations__.items():
        if str(annotation).startswith(("ClassVar", "typing.ClassVar")):
            continue
        each = body.get(name, _NOTHING)
        if not isinstance(each, _Field):
            if each is not _NOTHING and type(each).__module__.startswith("attr."):
                raise TypeError(f"{cls.__qualname__}.{name}: field and Factory are those of {__name__}")
            each = _Field(default=each)
        each.name, each.alias, each.annotation = name, name.lstrip("_"), annotation
        found.append(each)
    return tuple(found)


def _initializer(cls: type, fields: Iterable[_Field]) -> FunctionType:
    """Return the ``__init__`` of a class: it stores its arguments, one per field."""
    by_name = [each for each in fields if each.kw_only]
    ordered = [each for each in fields if not each.kw_only] + by_name
    stored = {f"set{at}": each.setter(_storing(cls, each.name)) for at, each in enumerate(ordered)}
    finish = getattr(cls, "__attrs_post_init__", None)
    if finish is not None:
        stored["finish"] = finish
    code = _storing_all(len(ordered), finished=finish is not None).replace(
        co_varnames=("self", *(each.alias for each in ordered)),
        co_argcount=1 + len(ordered) - len(by_name),
        co_kwonlyargcount=len(by_name),
    )
    made = FunctionType(code, stored, "__init__")
    made.__defaults__ = tuple(each.default for each in ordered if not each.kw_only and each.default is not _NOTHING)
    made.__qualname__ = f"{cls.__qualname__}.__init__"
    made.__annotations__ = {"return": None} | {each.alias: each.annotation for each in ordered if not each.converter}
    made.__kwdefaults__ = {each.alias: each.default for each in by_name if each.default is not _NOTHING}
    return made


@cache
def _storing_all(count: int, *, finished: bool) -> CodeType:
    """Return the code of an ``__init__`` with so many arguments: compiled once, whatever their names."""
    arguments = "".join(f", field{at}" for at in range(count))
    lines = "".join(f"\n    set{at}(self, field{at})" for at in range(count)) + "\n    finish(self)" * finished
    made: dict[str, Any] = {}
    exec(f"def __init__(self{arguments}):{lines or ' pass'}", made)  # noqa: S102  # made of nothing but numbers
    code: CodeType = made["__init__"].__code__
    return code


def _storing(cls: type, name: str) -> Callable[[Any, Any], None]:
    """Return what stores a field: in its slot, or where there are none in the value's dictionary."""
    slot = getattr(cls, name, None)
    if slot is None:
        return lambda value, given: value.__dict__.__setitem__(name, given)
    store: Callable[[Any, Any], None] = slot.__set__
    return store


class _Twin:
    """The class that attrs makes of a class body."""

    def __init__(self, cls: type, fields: Iterable[_Field], options: Mapping[str, bool]) -> None:
        self.cls, self.fields, self.options = cls, fields, options

    @cached_property
    def made(self) -> type:
        import attrs  # noqa: PLC0415  # most commands end without it

        for each in self.fields:
            setattr(self.cls, each.name, each.for_attrs())
        return attrs.define(self.cls, **self.options)  # type: ignore[call-overload,no-any-return]


class _AskedOfTwin:
    """What attrs looks for in a class of its own."""

    def __init__(self, twin: _Twin, name: str) -> None:
        self.twin, self.name = twin, name

    def __get__(self, value: object, owner: type) -> Any:
        return getattr(self.twin.made, self.name)


def _refuse(*_: object) -> NoReturn:
    from attrs.exceptions import FrozenInstanceError  # noqa: PLC0415  # most commands end without it

    raise FrozenInstanceError


def _state(self: Any) -> dict[str, Any]:
    return {each.name: getattr(self, each.name) for each in self.__value_fields__}


def _set_state(self: object, state: Mapping[str, Any]) -> None:
    for name, value in state.items():
        object.__setattr__(self, name, value)


def _computing(properties: Mapping[str, Callable[[Any], Any]]) -> Callable[[Any, str], Any]:
    """Return what computes cached properties and fields of a class with slots, each when it is first asked for."""

    def __getattr__(self: Any, name: str) -> Any:  # noqa: N807  # it becomes that method
        if name not in properties:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}", name=name, obj=self)
        value = properties[name](self)
        object.__setattr__(self, name, value)
        return value

    return __getattr__


@cache
def _arguments(cls: Any) -> tuple[tuple[str, str], ...]:
    """Return the names of the fields, and as arguments."""
    return tuple((each.name, each.alias) for each in cls.__value_fields__)


@cache
def _compared(cls: Any) -> Callable[[object], object]:
    """Return what takes the fields of a value that count for comparison and hash."""
    names = [each.name for each in cls.__value_fields__ if each.eq]
    return attrgetter(*names) if names else lambda _: ()


def _equal(self: Any, other: Any) -> Any:
    cls = self.__class__
    if other.__class__ is not cls:
        return NotImplemented
    fields = _compared(cls)
    return fields(self) == fields(other)


def _hash(self: Any) -> int:
    cls = self.__class__
    return hash((cls, _compared(cls)(self)))


def _repr(self: Any) -> str:
    """Return the call that makes an equal value."""
    shown = []
    for each in self.__value_fields__:
        if each.repr:
            value = getattr(self, each.name)
            shown.append(f"{each.name}={each.repr(value) if callable(each.repr) else repr(value)}")
    return f"{self.__class__.__qualname__.rpartition('>.')[2]}({', '.join(shown)})"
