"""How values show themselves, written once: generated for each class, it was a sixth of the start of the program."""

from __future__ import annotations

from typing import Any, ClassVar

from attrs import Attribute


class Shown:
    """A class made by attrs with ``repr=False`` that shows itself as attrs would have it."""

    __slots__ = ()
    __attrs_attrs__: ClassVar[tuple[Attribute[Any], ...]]

    def __repr__(self) -> str:
        """Return the call that makes an equal value."""
        shown = []
        for each in self.__attrs_attrs__:
            if each.repr:
                value = getattr(self, each.name)
                shown.append(f"{each.name}={each.repr(value) if callable(each.repr) else repr(value)}")
        return f"{type(self).__qualname__.rpartition('>.')[2]}({', '.join(shown)})"
