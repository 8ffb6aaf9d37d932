"""What stands on the command line for a file: its type for completion, and ``-`` for standard input."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, BinaryIO, Final

import click

from machochain.model.errors import InputError, UsageError

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from machochain.world.handed import MemoryFile

FILE: Final = click.Path(readable=False, allow_dash=True)
"""A file or folder: shells complete its name; whether it is there is asked where it is read."""
MOST: Final = 4 << 30
"""Bytes that are read from standard input."""


def standard_input() -> BinaryIO:
    """Return standard input.

    Raises:
        UsageError: It is closed.
    """
    if sys.stdin is None or sys.stdin.closed:
        raise UsageError("standard input is closed, and - stands for it")
    return sys.stdin.buffer


def given(paths: Iterable[str]) -> list[str | MemoryFile]:
    """Return the inputs of a command; ``-`` is what standard input holds.

    Raises:
        UsageError: It is named twice, or closed.
        InputError: It is too long.
    """
    from machochain.world.handed import MemoryFile

    chosen = list(paths)
    if chosen.count("-") > 1:
        raise UsageError("standard input can be read once: - is given twice")
    return [MemoryFile("<stdin>", _read()) if path == "-" else path for path in chosen]


def _read() -> bytes:
    data = standard_input().read(MOST + 1)
    if len(data) > MOST:
        raise InputError(f"longer than {MOST} bytes", path="<stdin>")
    return data


if TYPE_CHECKING:
    _Type = click.ParamType[str]
else:
    # Not to be subscripted before click 8.4.
    _Type = click.ParamType


class Choices(_Type):
    """A text of which some values can be completed; what it may be is asked where it is used."""

    def __init__(self, name: str, choices: Sequence[str], *, also: str = "") -> None:
        """Describe the values.

        Args:
            name: What it is called.
            choices: Values to complete.
            also: What may stand before a value and stays: ``..`` of a range, the comma of a list.
        """
        self.name = name
        self._choices = tuple(choices)
        self._also = also

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Return the values that begin so."""
        from click.shell_completion import CompletionItem

        head, sign, tail = incomplete.rpartition(self._also) if self._also else ("", "", incomplete)
        return [CompletionItem(f"{head}{sign}{each}") for each in self._choices if each.startswith(tail)]


class RuleOrFile(click.Path):
    """A file, or the id or name of a rule."""

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Return the ids and names of rules that begin so, and let the shell complete files."""
        from click.shell_completion import CompletionItem

        from machochain.findings import RULES

        names = (name for rule in RULES.values() for name in (rule.id, rule.name))
        found = [CompletionItem(name) for name in names if incomplete and name.startswith(incomplete)]
        return [*found, *super().shell_complete(ctx, param, incomplete)]
