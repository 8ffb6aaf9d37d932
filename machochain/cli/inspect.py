"""``machochain inspect``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from machochain.cli import EXIT_USAGE, complain
from machochain.cli.given import FILE, given
from machochain.cli.options import output_options
from machochain.cli.output import Output
from machochain.report.registry import Document

if TYPE_CHECKING:
    from machochain.graph.inspect import Inspection


@click.command("inspect")
@click.argument("files", nargs=-1, required=True, metavar="FILE…", type=FILE)
@click.option("--deep", is_flag=True, help="Symbols, imports and exports too, read by LIEF as well as by ourselves.")
@output_options(Document.INSPECTIONS)
@click.pass_context
def command(ctx: click.Context, files: tuple[str, ...], deep: bool, output: Output) -> None:
    r"""Show the facts of Mach-O files and archives.

    Per slice load commands, install name, run paths, versions, uuid, signature, what dyld objects to, Go build info and
    cgo marks; per static library its members and cgo pragmas. Of a folder, an .app, a wheel, zip or tar each such file
    in it.

    \b
    machochain inspect ./server
    machochain inspect MyApp.app
    machochain inspect pkg.whl --json
    """
    from machochain import api

    if output.format == "jsonl":
        from machochain.report.context import RenderContext
        from machochain.report.lines import write_inspections

        found: list[Inspection] = []
        with output.lines() as write:
            for each in api.inspections(given(files), deep=deep):
                found.append(each)
                write(write_inspections([each], RenderContext()))
    else:
        found = list(api.inspect(given(files), deep=deep))
        output.render(found, Document.INSPECTIONS)
    for each in found:
        if each.error is not None:
            complain(str(each.error))
    ctx.exit(EXIT_USAGE if any(each.error is not None for each in found) else 0)
