"""`attrs.frozen`, with comparison, hash and ``repr`` written once instead of generated and compiled for each class.

A run of a command makes a hundred classes before it does anything; the three methods were half of what each cost.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import attrs

__all__ = ["frozen"]

if TYPE_CHECKING:
    from attrs import frozen
else:

    def frozen(cls: type | None = None, /, **options: Any) -> Any:
        """Make a class of frozen values as `attrs.frozen` does; methods that the class itself has stay."""
        if cls is None:
            return partial(frozen, **options)
        own = vars(cls)
        if "__eq__" not in own and options.get("eq") is not False:
            cls.__eq__, cls.__hash__ = _equal, _hash
        if "__repr__" not in own:
            cls.__repr__ = _repr
        return attrs.frozen(cls, **options)


@cache
def _compared(cls: type[attrs.AttrsInstance]) -> Callable[[object], object]:
    """Return what takes the fields of a value that count for comparison and hash."""
    names = [field.name for field in attrs.fields(cls) if field.eq]
    return attrgetter(*names) if names else lambda _: ()


def _equal(self: attrs.AttrsInstance, other: object) -> Any:
    cls = self.__class__
    if other.__class__ is not cls:
        return NotImplemented
    fields = _compared(cls)
    return fields(self) == fields(other)


def _hash(self: attrs.AttrsInstance) -> int:
    cls = self.__class__
    return hash((cls, _compared(cls)(self)))


def _repr(self: attrs.AttrsInstance) -> str:
    """Return the call that makes an equal value."""
    shown = []
    for field in attrs.fields(self.__class__):
        if field.repr:
            value = getattr(self, field.name)
            shown.append(f"{field.name}={field.repr(value) if callable(field.repr) else repr(value)}")
    return f"{self.__class__.__qualname__.rpartition('>.')[2]}({', '.join(shown)})"
