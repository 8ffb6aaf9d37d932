"""What stands on the command line for a file or a value: its type, for completion and guesses; ``-``."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, BinaryIO, Final

import click

from machochain.model.errors import InputError, UsageError, guess

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from machochain.world.handed import MemoryFile

FILE: Final = click.Path(readable=False, allow_dash=True)
"""A file or folder: shells complete its name; whether it is there is asked where it is read."""
PLACE: Final = click.Path(readable=False)
"""A file or folder that is no input: what is written, or what is asked about on another machine."""
FOLDER: Final = click.Path(readable=False, file_okay=False)
"""A folder; whether it is one is asked where it is read."""
MOST: Final = 4 << 30
"""Bytes that are read from standard input."""
_TAKEN: Final = "machochain.standard-input"


def standard_input() -> BinaryIO:
    """Return standard input.

    Raises:
        UsageError: It is closed, or was read before.
    """
    if sys.stdin is None or sys.stdin.closed:
        raise UsageError("standard input is closed, and - stands for it")
    context = click.get_current_context(silent=True)
    if context is not None:
        if _TAKEN in context.meta:
            raise UsageError("standard input can be read once: - is given twice")
        context.meta[_TAKEN] = True
    return sys.stdin.buffer


def given(paths: Iterable[str]) -> list[str | MemoryFile]:
    """Return the inputs of a command; ``-`` is what standard input holds.

    Raises:
        UsageError: It is named twice, or closed.
        InputError: It is too long.
    """
    from machochain.world.handed import MemoryFile

    return [MemoryFile("<stdin>", _read()) if path == "-" else path for path in paths]


def _read() -> bytes:
    data = standard_input().read(MOST + 1)
    if len(data) > MOST:
        raise InputError(f"longer than {MOST} bytes", path="<stdin>")
    return data


class Spooled(click.Path):
    """A file that is read by its path; ``-`` is standard input, which lies in a file while the command runs."""

    def __init__(self) -> None:
        """Take any path: whether it can be read is asked where it is."""
        super().__init__(readable=False, allow_dash=True)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the path of the file."""
        if value != "-" or ctx is None or ctx.resilient_parsing:
            return super().convert(value, param, ctx)
        from pathlib import Path
        from tempfile import TemporaryDirectory

        data = _read()
        folder = TemporaryDirectory(prefix="machochain-")
        ctx.call_on_close(folder.cleanup)
        path = Path(folder.name) / "<stdin>"
        path.write_bytes(data)
        return str(path)


if TYPE_CHECKING:
    _Type = click.ParamType[str]
    _Choice = click.Choice[str]
else:
    # Not to be subscripted before click 8.4.
    _Type = click.ParamType
    _Choice = click.Choice


class OneOf(_Choice):
    """One of some values; of another it says which was probably meant."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the value.

        Raises:
            click.BadParameter: It is none of them.
        """
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter as error:
            near = guess(str(value), self.choices)
            error.message = f"{error.message.rstrip('.')}{near}" if near else error.message  # type: ignore[misc]  # shown
            raise


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


PROFILE: Final = Choices("profile", ("release", "wheel", "app", "dev"))
"""A built-in policy."""


class Rules(_Type):
    """Ids or names of rules with commas between."""

    name = "rules"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Return the ids and names that begin as the last one does."""
        return Choices(self.name, _rule_names(), also=",").shell_complete(ctx, param, incomplete)


def _rule_names() -> list[str]:
    from machochain.findings import RULES

    return [name for rule in RULES.values() for name in (rule.id, rule.name)]


class RuleOrFile(click.Path):
    """A file, or the id or name of a rule."""

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Return the ids and names of rules that begin so, and let the shell complete files."""
        from click.shell_completion import CompletionItem

        found = [CompletionItem(name) for name in _rule_names() if incomplete and name.startswith(incomplete)]
        return [*found, *super().shell_complete(ctx, param, incomplete)]
