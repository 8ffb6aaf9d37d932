"""What is reached from one library of the OS by re-exports, and what it gives on a release."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator
from typing import Final

from machochain.model.filesystem import SymbolAnswer
from machochain.world.system.facts import Group

_MANY: Final = 100
"""Symbols that were looked for in vain, from which on a list of all that are known is made."""


class Reached:
    """What is reached from one library, in the order dyld searches: each level is read when it is walked to."""

    def __init__(self, start: str, following: Callable[[str], tuple[str, ...]]) -> None:
        self._following = following
        self._found: list[str] = []
        self._known: set[str] = set()
        self._waiting = [start]

    def __iter__(self) -> Iterator[str]:
        index = 0
        while index < len(self._found) or self._advance():
            yield self._found[index]
            index += 1

    def _advance(self) -> bool:
        if self._found and self._following_of is not None:
            self._waiting.extend(reversed(self._following(self._following_of)))
            self._following_of = None
        while self._waiting:
            name = self._waiting.pop()
            if name not in self._known:
                self._known.add(name)
                self._found.append(name)
                self._following_of = name
                return True
        return False

    _following_of: str | None = None
    """The library found last, while what it re-exports has not been asked for."""
    absent = 0
    """How many symbols were looked for in vain."""
    listed: Container[str] | None = None
    """The symbols that any of the libraries lists, once somebody has put them together."""

    @property
    def many_absent(self) -> bool:
        """Whether so many symbols were looked for in vain that one list of all that are known serves the next."""
        return self.absent >= _MANY


Settled = dict[int, SymbolAnswer | None]
"""By the ``id`` of a group of symbols of one library: the answer for all of them; None where the group settles none."""
Member = tuple[str, dict[str, Group], Settled]
"""One library: its name, its symbols, and what has been answered for them."""


class Served:
    """What a library serves on one release to one family of processors, itself and by what it re-exports."""

    __slots__ = ("_members", "_names", "_rest", "reached", "start")

    def __init__(self, start: str | None, reached: Reached | None, names: Callable[[str], dict[str, Group]]) -> None:
        """Take the library; None for one nobody knows."""
        self.start = start
        self.reached = reached
        self._names = names
        self._members: list[Member] = []
        self._rest = iter(reached) if reached is not None else iter(())

    def __iter__(self) -> Iterator[Member]:
        """Yield the library and all it re-exports, in the order dyld searches them; each is read when it is come to."""
        members, index = self._members, 0
        while True:
            if index == len(members):
                name = next(self._rest, None)
                if name is None:
                    return
                members.append((name, self._names(name), {}))
            yield members[index]
            index += 1
