"""``machochain explain``."""

from __future__ import annotations

import json

import click

from machochain.cli import EXIT_FINDINGS
from machochain.cli.options import Modelled, Output, modelled_options, output_options
from machochain.model.errors import UsageError


@click.command("explain")
@click.argument("binary", metavar="BIN")
@click.argument("library", metavar="LIB", required=False)
@modelled_options()
@output_options("text", "json")
@click.pass_context
def command(ctx: click.Context, binary: str, library: str | None, modelled: Modelled, output: Output) -> None:
    """Show each path dyld tries for LIB, in order, with the rule and the owner of the run path.

    LIB is a load path as written (@rpath/libx.dylib), a path, an install name or just a leaf (libx.dylib). Instead of
    both, the id or name of a rule (MC301, missing-uuid): what it means and how to fix it.
    """
    if library is None:
        output.write(_rule(binary, output))
        return
    from machochain import api

    explanations = api.explain(binary, library, target=modelled.target, world=modelled.world)
    if output.format == "json":
        from machochain.report.explanation import explain_document

        output.write(json.dumps(explain_document(explanations), indent=2) + "\n")
    else:
        from machochain.report.explanation import render_explanations

        output.write(render_explanations(explanations, output.style))
    ctx.exit(EXIT_FINDINGS if any(e.message is not None for e in explanations) else 0)


def _rule(text: str, output: Output) -> str:
    """Return the page of a rule."""
    from machochain.findings.catalogue import RULES
    from machochain.report.audit_text import render_rule, rule_document

    named = {rule.name: rule for rule in RULES.values()}
    rule = RULES.get(text.upper()) or named.get(text)
    if rule is None:
        raise UsageError(f"{text} is no rule; for a binary, say which library: machochain explain BIN LIB")
    return (
        json.dumps(rule_document(rule), indent=2) + "\n" if output.format == "json" else render_rule(rule, output.style)
    )
