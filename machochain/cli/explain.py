"""``machochain explain``."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

import click

from machochain.cli import EXIT_FINDINGS
from machochain.cli.given import RuleOrFile, given
from machochain.cli.options import Modelled, modelled_options, output_options
from machochain.cli.output import Output
from machochain.model.errors import UsageError
from machochain.report.registry import Document

if TYPE_CHECKING:
    from machochain.findings.rule import Rule


@click.command("explain")
@click.argument("binary", metavar="BIN", type=RuleOrFile(readable=False, allow_dash=True))
@click.argument("library", metavar="LIB", required=False)
@modelled_options()
@output_options(Document.EXPLANATIONS)
@click.pass_context
def command(ctx: click.Context, binary: str, library: str | None, modelled: Modelled, output: Output) -> None:
    """Show each path dyld tries for LIB, in order, with the rule and the owner of the run path.

    LIB is a load path as written (@rpath/libx.dylib), a path, an install name or just a leaf (libx.dylib). Instead of
    both, the id or name of a rule (MC301, missing-uuid): what it means and how to fix it.
    """
    if library is None:
        output.render(_rule(binary), Document.RULE)
        return
    from machochain import api

    explanations = api.explain(given([binary])[0], library, target=modelled.target, world=modelled.world)
    output.render(explanations, Document.EXPLANATIONS)
    ctx.exit(EXIT_FINDINGS if any(e.message is not None for e in explanations) else 0)


def _rule(text: str) -> Rule:
    """Return the rule of an id or a name."""
    from machochain.findings import RULES

    named = {rule.name: rule for rule in RULES.values()}
    rule = RULES.get(text.upper()) or named.get(text)
    if rule is None:
        near = get_close_matches(text, [name for pair in named.items() for name in (pair[0], pair[1].id)], 1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise UsageError(f"{text} is no rule; {hint}for a binary, say which library: machochain explain BIN LIB")
    return rule
