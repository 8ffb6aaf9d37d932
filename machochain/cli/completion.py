"""``machochain completion``."""

from __future__ import annotations

import click

from machochain.cli.given import OneOf
from machochain.cli.output import say

SHELLS = ("bash", "zsh", "fish")


@click.command("completion")
@click.argument("shell", type=OneOf(SHELLS))
def command(shell: str) -> None:
    r"""Print what a shell needs to complete commands, options, files, releases and rules.

    \b
    eval "$(machochain completion bash)"                                   # in ~/.bashrc
    eval "$(machochain completion zsh)"                                    # in ~/.zshrc
    machochain completion fish > ~/.config/fish/completions/machochain.fish
    """
    from click.shell_completion import get_completion_class

    from machochain.cli import cli

    made = get_completion_class(shell)
    assert made is not None
    say((made(cli, {}, "machochain", "_MACHOCHAIN_COMPLETE").source(), "\n"))
