"""``machochain config``."""

from __future__ import annotations

from pathlib import Path

import click

from machochain.cli import complain
from machochain.cli.given import PLACE, PROFILE
from machochain.cli.output import say
from machochain.model.errors import UsageError


@click.group("config")
def command() -> None:
    """Write the file that says what is asked of what you ship.

    audit, diff and fix hold inputs against the nearest machochain.toml, from the working directory upwards to the root
    of the repository; or against the table [tool.machochain] of a pyproject.toml.
    """


@command.command("init")
@click.option("--profile", metavar="NAME", default="release", type=PROFILE, help="Built-in rules to start from.")
@click.option(
    "-o", "--output", "path", metavar="FILE", default="machochain.toml", show_default=True, type=PLACE,
    help="Where to write it; - for standard output.",
)  # fmt: skip
def init(profile: str, path: str) -> None:
    """Write a machochain.toml: every key, explained and commented out. No file is ever overwritten."""
    from machochain.judging.starter import starter

    text = starter(profile)
    if path == "-":
        say((text,))
        return
    try:
        with Path(path).open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise UsageError(f"{path} is there already, and stays as it is; -o FILE writes another") from None
    except OSError as error:
        raise UsageError(f"{path}: cannot be written: {error.strerror}") from error
    complain(f"{path} is written: machochain audit takes it from here on")
