"""The manual page, made from the commands themselves: ``python -m machochain.cli.manual docs/man/machochain.1``."""

from __future__ import annotations

import inspect
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import click

from machochain.cli import LazyGroup, cli
from machochain.cli.options import modelled_options

_ENVIRONMENT: Final = (
    ("NO_COLOR, FORCE_COLOR, CLICOLOR, CLICOLOR_FORCE", "Whether text is coloured where --color does not say."),
    ("FORCE_HYPERLINK", "1: terminals get hyperlinks even if they are not known to have them; 0: none do."),
    ("SOURCE_DATE_EPOCH", "The time of a bill of materials, in seconds since 1970. Without it there is none."),
    ("MACHOCHAIN_DOCS", "Address of the documentation that findings lead to."),
    ("GITHUB_ACTIONS, GITHUB_WORKSPACE, GITHUB_STEP_SUMMARY", "As GitHub sets them: annotations and a summary."),
)  # fmt: skip
_FILES: Final = (
    ("machochain.toml", "The policy of audit, diff and fix: the nearest, upwards to the root of the repository."),
    ("pyproject.toml", "The same in its table [tool.machochain]."),
)
_EXIT: Final = (
    ("0", "Nothing at or above the threshold (--fail-on)."),
    ("1", "Findings at or above it; of resolve: something does not launch."),
    ("2", "Wrong usage, an input that cannot be read, or one in which nothing was examined."),
    ("3", "Nothing failed, but evidence is missing and --strict was given."),
    ("70", "A fault of this program."),
    ("130", "Interrupted; what was known by then is in the report."),
)
_PLAIN: Final = str.maketrans({"…": "...", "→": "->", "×": "x", "\N{NO-BREAK SPACE}": " "})  # noqa: RUF001


def _text(text: str) -> str:
    """Return text that is no request of roff, each hyphen one that can be searched for and copied."""
    plain = text.translate(_PLAIN).replace("\\", "\\e").replace("-", "\\-")
    return "\n".join(f"\\&{line}" if line.startswith((".", "'")) else line for line in plain.split("\n"))


def _prose(text: str) -> str:
    """Return a paragraph in lines of a length that tools for such pages like."""
    return _text("\n".join(textwrap.wrap(text, 70, break_long_words=False, break_on_hyphens=False)))


def _described(text: str) -> Iterator[str]:
    """Yield the paragraphs of a help text; what click keeps line by line stays so."""
    first = True
    for paragraph in inspect.cleandoc(text).split("\n\n"):
        if not paragraph.strip():
            continue
        if paragraph.startswith("\b"):
            yield from (".PP", ".in +4n", ".nf", _text(paragraph.lstrip("\b\n").rstrip()), ".fi", ".in")
            continue
        if not first:
            yield ".PP"
        first = False
        yield _prose(paragraph)


def _options(params: list[click.Parameter], context: click.Context) -> Iterator[str]:
    for param in params:
        record = param.get_help_record(context) if isinstance(param, click.Option) else None
        if record is not None and "--help" not in param.opts:
            yield from (".TP", f".B {_text(record[0])}", _prose(record[1]))


def _command(name: str, command: click.Command, parent: click.Context, common: set[str]) -> Iterator[str]:
    context = click.Context(command, info_name=name, parent=parent)
    usage = " ".join(command.collect_usage_pieces(context))
    yield f".SS {_text(f'{context.command_path} {usage}')}"
    yield from _described(command.help or "")
    own = [param for param in command.params if param.name not in common]
    yield from _options(own, context)
    if len(own) < len(command.params):
        yield from (".PP", "Also the options of the modelled Mac, below.")
    if isinstance(command, click.Group):
        for each in command.list_commands(context):
            inner = command.get_command(context, each)
            if inner is not None:
                yield from _command(each, inner, context, common)


def _list(title: str, rows: tuple[tuple[str, str], ...]) -> Iterator[str]:
    yield f".SH {title}"
    for term, meaning in rows:
        yield from (".TP", f".B {_text(term)}", _prose(meaning))


def _modelled() -> list[click.Parameter]:
    """Return the options that every command has which looks at a modelled Mac."""

    @click.command()
    @modelled_options()
    def sample() -> None:
        """Stand for any of them."""

    return list(sample.params)


def manual() -> str:
    """Return the page as roff."""
    root = click.Context(cli, info_name="machochain")
    shared = _modelled()
    common = {param.name for param in shared if param.name is not None}
    lines = [
        '.\\" Made by python -m machochain.cli.manual: change the commands, not this file.',
        '.TH MACHOCHAIN 1 "" "machochain" "User Commands"',
        ".SH NAME",
        "machochain \\- say whether a Mach\\-O binary launches on a Mac, or what dyld says",
        ".SH SYNOPSIS",
        ".B machochain",
        ".I COMMAND",
        "[options] [arguments]",
        ".SH DESCRIPTION",
        *_described(cli.help or ""),
        ".PP",
        "A file may be given as \\-, which is standard input.",
        ".SH COMMANDS",
    ]
    assert isinstance(cli, LazyGroup)
    for name in cli.list_commands(root):
        command = cli.get_command(root, name)
        assert command is not None
        lines += _command(name, command, root, common)
    lines += [".SH THE MODELLED MAC", "Which Mac it is, and the process on it.", *_options(shared, root)]
    lines += _list("EXIT STATUS", _EXIT)
    lines += _list("ENVIRONMENT", _ENVIRONMENT)
    lines += _list("FILES", _FILES)
    lines += [".SH SEE ALSO", ".BR dyld (1),", ".BR otool (1),", ".BR codesign (1),", ".BR install_name_tool (1)"]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(manual(), encoding="utf-8")
