"""``machochain explain``."""

from __future__ import annotations

import json

import click

from machochain.cli import EXIT_FINDINGS
from machochain.cli.options import Modelled, Output, modelled_options, output_options


@click.command("explain")
@click.argument("binary", metavar="BIN")
@click.argument("library", metavar="LIB")
@modelled_options()
@output_options("text", "json")
@click.pass_context
def command(ctx: click.Context, binary: str, library: str, modelled: Modelled, output: Output) -> None:
    """Show each path dyld tries for LIB, in order, with the rule and the owner of the run path.

    LIB is a load path as written (@rpath/libx.dylib), a path, an install name or just a leaf (libx.dylib).
    """
    from machochain import api

    explanations = api.explain(binary, library, target=modelled.target, world=modelled.world)
    if output.format == "json":
        from machochain.report.explanation import explain_document

        output.write(json.dumps(explain_document(explanations), indent=2) + "\n")
    else:
        from machochain.report.explanation import render_explanations

        output.write(render_explanations(explanations, output.style))
    ctx.exit(EXIT_FINDINGS if any(e.message is not None for e in explanations) else 0)
