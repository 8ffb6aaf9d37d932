"""``machochain diagnose``."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from machochain.cli import EXIT_FINDINGS, EXIT_INCOMPLETE
from machochain.cli.given import FILE, Spooled, standard_input
from machochain.cli.options import Modelled, modelled_options, output_options
from machochain.cli.output import Output
from machochain.model.errors import InputError, UsageError
from machochain.model.value import evolve
from machochain.report.registry import Document
from machochain.world.named import read_named

if TYPE_CHECKING:
    from collections.abc import Sequence

    from machochain.graph.compare import Comparison
    from machochain.model.diagnosis import Answer

MOST_TEXT: Final = 64 << 20
"""Bytes of one log or report; what a Mac says about one launch is far shorter."""


@click.command("diagnose")
@click.argument("file", default="-", metavar="[FILE|-]", type=FILE)
@click.option("--binary", metavar="BIN", type=Spooled(), help="Compare with the prediction for this binary.")
@click.option("--expect", metavar="BIN", type=Spooled(), help="The same, and exit with 1 where the prediction differs.")
@click.option("--list", "listed", is_flag=True, help="List the messages that are known, by producer.")
@modelled_options(several=False)
@output_options(Document.DIAGNOSES)
@click.pass_context
def command(
    ctx: click.Context,
    file: str,
    binary: str | None,
    expect: str | None,
    listed: bool,
    modelled: Modelled,
    output: Output,
) -> None:
    r"""Read what a Mac or a build tool printed: what happened, why, and what helps.

    FILE holds messages (of dyld, the kernel, a shell, codesign, Gatekeeper, a linker, Go, a packager, …), a crash
    report (.ips, .crash) or a DYLD_PRINT_* log, with whatever stands around it; - or nothing reads standard input.

    \b
    pbpaste | machochain diagnose
    machochain diagnose crash.ips --binary ./server
    """
    from machochain.api import diagnose
    from machochain.diagnosis import forms
    from machochain.report import diagnosis as report

    if listed:
        known = tuple(forms().values())
        if output.format == "json":
            output.write(json.dumps(report.forms_document(known), indent=2, ensure_ascii=False) + "\n")
        else:
            output.write(report.render_forms(known))
        return
    if binary is not None and expect is not None:
        raise UsageError("--binary or --expect, not both")
    found = diagnose(_input(file))
    diagnoses = found.answers
    comparisons: list[Comparison] = []
    chosen = expect or binary
    stated = ctx.get_parameter_source("macos") is not click.core.ParameterSource.DEFAULT
    if chosen is not None and diagnoses:
        comparisons = _compare(chosen, diagnoses, modelled, stated=stated)
    if output.format == "json":
        document = report.as_document(found)
        if chosen is not None:
            document["comparisons"] = [report.comparison_fields(c) for c in comparisons]
        output.write(json.dumps(document, indent=2) + "\n")
    else:
        style = output.style
        output.write(report.render_text(found, width=style.width))
        if comparisons:
            output.write("\n" + report.render_comparisons(comparisons, chosen or ""))
    if expect is not None and (not comparisons or any(c.agrees is False for c in comparisons)):
        ctx.exit(EXIT_FINDINGS)
    ctx.exit(0 if diagnoses and found.unread is None else EXIT_INCOMPLETE)


def _input(file: str) -> bytes:
    if file != "-":
        if any(mark in file for mark in (": ", "\n")) and not os.path.exists(file):  # noqa: PTH110  # a message is longer than a name may be, which Path raises
            raise UsageError("a message comes from a file or from standard input: paste it after `machochain diagnose`")
        return read_named(file, MOST_TEXT)
    text = standard_input().read(MOST_TEXT + 1)
    if len(text) > MOST_TEXT:
        raise InputError(f"longer than {MOST_TEXT} bytes", path="standard input")
    return text


def _compare(binary: str, diagnoses: Sequence[Answer], modelled: Modelled, *, stated: bool) -> list[Comparison]:
    from machochain import api
    from machochain.graph.compare import compare, release_of

    target, world = modelled.target, modelled.world
    evidence = [d.evidence for d in diagnoses]
    if not stated:
        target = evolve(target, macos=(release_of(evidence),))
    if world.at is None:
        # The text tells where the program lies on that Mac: then the paths are the same, too.
        places = [e.referenced_from or e.process for e in evidence]
        same = [p for p in places if p and p.startswith("/") and p.rpartition("/")[2] == Path(binary).name]
        if same and "*" not in same[0]:
            world = evolve(world, at=same[0])
    report = api.resolve([binary], target=target, world=world)
    if report.errors:
        raise report.errors[0]
    return [c for result in report.results for c in compare(diagnoses, result)]
