"""Dictionaries, lists and tuples that do not change: the open-ended parts of values that are frozen all the way down.

They are what they stand for to ``json``, to ``==`` and to whoever reads them; only writing to them is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NoReturn, TypeVar

T = TypeVar("T")


def _refuse(self: object, *_: object, **__: object) -> NoReturn:
    raise TypeError(f"{type(self).__name__} cannot be changed: make a dict or list of it first")


class FrozenDict(dict[str, Any]):
    """A dictionary that cannot be changed, and has a hash."""

    __slots__ = ()
    __setitem__ = __delitem__ = __ior__ = _refuse
    clear = pop = popitem = setdefault = update = _refuse

    def __hash__(self) -> int:  # type: ignore[override]  # dict has none because it changes
        return hash(frozenset(self.items()))

    def __reduce__(self) -> tuple[type[FrozenDict], tuple[dict[str, Any]]]:
        return FrozenDict, (dict(self),)


class FrozenList(list[Any]):
    """A list that cannot be changed, and has a hash. It is told apart from a tuple in JSON's schemas by nobody."""

    __slots__ = ()
    __setitem__ = __delitem__ = __iadd__ = __imul__ = _refuse
    append = clear = extend = insert = pop = remove = reverse = sort = _refuse

    def __hash__(self) -> int:  # type: ignore[override]  # list has none because it changes
        return hash(tuple(self))

    def __reduce__(self) -> tuple[type[FrozenList], tuple[list[Any]]]:
        return FrozenList, (list(self),)


class LateDict(Mapping[str, Any]):
    """A dictionary that cannot be changed, put together when somebody first looks into it."""

    __slots__ = ("_made", "_make")

    def __init__(self, make: Callable[[], Mapping[str, Any]]) -> None:
        """Take what puts it together; it is called once."""
        self._make = make
        self._made: FrozenDict | None = None

    @property
    def whole(self) -> FrozenDict:
        """All of it."""
        if self._made is None:
            self._made = frozen_dict(self._make())
        return self._made

    def __getitem__(self, key: str) -> Any:
        return self.whole[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self.whole)

    def __len__(self) -> int:
        return len(self.whole)

    def __hash__(self) -> int:
        return hash(self.whole)

    def __repr__(self) -> str:
        return repr(self.whole)

    def __reduce__(self) -> tuple[type[FrozenDict], tuple[dict[str, Any]]]:
        return self.whole.__reduce__()


class LateTuple(Sequence[T]):
    """A tuple whose items are made when somebody looks at them: it is read, compared and joined as a tuple is."""

    __slots__ = ()

    def __add__(self, other: Iterable[T]) -> tuple[T, ...]:
        return (*self, *other) if isinstance(other, LateTuple | tuple) else NotImplemented

    def __radd__(self, other: Iterable[T]) -> tuple[T, ...]:
        return (*other, *self) if isinstance(other, tuple) else NotImplemented

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, LateTuple | tuple):
            return NotImplemented
        return len(self) == len(other) and all(mine == theirs for mine, theirs in zip(self, other, strict=True))

    def __hash__(self) -> int:
        return hash(tuple(self))

    def __repr__(self) -> str:
        return repr(tuple(self))


def frozen_dict(values: Mapping[str, Any]) -> FrozenDict:
    """Return a mapping that cannot be changed at any depth, equal to the one given."""
    if isinstance(values, FrozenDict):
        return values
    return FrozenDict({key: _frozen(value) for key, value in values.items()})


def _frozen(value: Any) -> Any:
    if isinstance(value, (str, int, float, bytes, FrozenDict, FrozenList)) or value is None:
        return value
    if isinstance(value, Mapping):
        return frozen_dict(value)
    if isinstance(value, list):
        return FrozenList(map(_frozen, value))
    if isinstance(value, tuple):
        return tuple(map(_frozen, value))
    return frozenset(value) if isinstance(value, set) else value
