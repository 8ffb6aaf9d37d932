"""``machochain resolve``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from machochain.cli import EXIT_FINDINGS, EXIT_INCOMPLETE, EXIT_USAGE, complain
from machochain.cli.given import FILE, given
from machochain.cli.options import Modelled, modelled_options, output_options, together_option
from machochain.cli.output import Output
from machochain.report.registry import Document

if TYPE_CHECKING:
    from machochain.graph.answers import Report


@click.command("resolve")
@click.argument("paths", nargs=-1, required=True, metavar="PATH…", type=FILE)
@modelled_options()
@together_option()
@output_options(Document.RESOLUTION)
@click.option("--strict", is_flag=True, help="Exit with 3 if nothing failed but evidence is missing.")
@click.pass_context
def command(
    ctx: click.Context, paths: tuple[str, ...], modelled: Modelled, output: Output, *, together: bool, strict: bool
) -> None:
    r"""Say of each binary what it loads, from where and why, what is missing, and whether it launches.

    PATH is a Mach-O file, a folder (an .app or framework is one), or an archive (.whl, .zip, .tar.gz and the like, npm
    and conda packages, Homebrew bottles): there every main executable is looked at, and every dylib or bundle that none
    of them loads. An archive lies where its installer would put it, unless --at says otherwise. Of a static library
    (.a; a package archive of Go too) it says what a program linked from it will load, and what to link with.

    \b
    machochain resolve ./bin/server
    machochain resolve MyApp.app --macos 12..26
    machochain resolve libhello.a --sdk MacOSX.sdk
    machochain resolve ./server --at /usr/local/bin/server --map /opt/homebrew=./bottle
    """
    from machochain import api

    if output.format == "jsonl" and not together:
        report = _line_by_line(paths, modelled, output)
    else:
        report = api.resolve(given(paths), target=modelled.target, world=modelled.world, together=together)
        output.render(report, Document.RESOLUTION)
    for error in report.errors:
        complain(str(error))
    for path in report.unexamined:
        complain(f"no Mach-O file in {path}")
    ctx.exit(_exit_code(report, strict=strict))


def _line_by_line(paths: tuple[str, ...], modelled: Modelled, output: Output) -> Report:
    """Resolve one input after the other, and write what each gives as soon as it is known."""
    from machochain.graph.answers import Report
    from machochain.report.context import RenderContext
    from machochain.report.lines import write_resolutions
    from machochain.resolving import chosen_of, joined, resolve_group
    from machochain.world.handed import handed_over

    chosen, absent = chosen_of(handed_over(given(paths)), modelled.world)
    parts: list[Report] = []
    with output.lines() as write:
        for each in chosen:
            parts.append(resolve_group([each], modelled.target, modelled.world))
            write(write_resolutions(parts[-1], RenderContext()))
        if absent:
            write(write_resolutions(Report((), tuple(absent)), RenderContext()))
    return joined(chosen, absent, parts)


def _exit_code(report: Report, *, strict: bool) -> int:
    if report.errors or report.unexamined or not report.results:
        return EXIT_USAGE
    if report.launches is False:
        return EXIT_FINDINGS
    return EXIT_INCOMPLETE if strict and (report.launches is None or report.passed_over) else 0
