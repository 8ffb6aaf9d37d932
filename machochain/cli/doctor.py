"""``machochain doctor``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from machochain.cli import EXIT_FINDINGS, EXIT_INCOMPLETE
from machochain.cli.given import FOLDER, OneOf, Spooled
from machochain.cli.options import Modelled, modelled_options, output_options
from machochain.cli.output import Output
from machochain.model.errors import UsageError
from machochain.report.registry import Document

if TYPE_CHECKING:
    from machochain.report.doctor import Diagnosed


@click.command("doctor")
@click.argument("snapshot", required=False, metavar="[SNAPSHOT]", type=Spooled())
@click.option("--source", metavar="DIR", type=FOLDER, help="Weigh what is found by what this Go module needs.")
@click.option(
    "--binary", metavar="BIN", type=Spooled(), help="Weigh it by this program, and compare the flags it was built with."
)
@click.option(
    "--policy",
    "policy_file",
    metavar="FILE",
    type=Spooled(),
    help="TOML with [machochain.ci]: decide what a pipeline does.",
)
@click.option("--release", is_flag=True, help="A release is built: a deployment target is wanted.")
@click.option(
    "--github/--no-github", default=None, help="Write GITHUB_OUTPUT and the summary. Default: in GitHub Actions."
)
@click.option(
    "--fail-on",
    type=OneOf(["error", "warning", "info", "never"]),
    default="error",
    show_default=True,
    help="Exit with 1 if there is such a finding or a worse one. With --policy the decision counts instead.",
)
@click.option("--strict", is_flag=True, help="Exit with 3 if nothing failed but a rule could not be asked.")
@modelled_options()
@output_options(Document.DOCTOR)
@click.pass_context
def command(  # noqa: PLR0913  # each is the caller's to say
    ctx: click.Context,
    snapshot: str | None,
    source: str | None,
    binary: str | None,
    policy_file: str | None,
    *,
    release: bool,
    github: bool | None,
    fail_on: str,
    strict: bool,
    modelled: Modelled,
    output: Output,
) -> None:
    r"""Say what is wrong with a recorded Mac (or this one) for building a Go module with cgo.

    SNAPSHOT is what machochain snapshot wrote, or the output of its script. Every rule says which facts it needs; one
    whose facts were not recorded is skipped and listed, never passed. Nothing is installed, switched or built.

    \b
    machochain doctor mac.json --source .
    machochain doctor mac.json --binary ./server
    machochain doctor --source . --policy machochain.toml --github

    Exit codes: 0 nothing at or above --fail-on (with --policy: a decision), 1 findings (the decision is fail), 2 wrong
    usage, 3 with --strict if something is not known.
    """
    from machochain import api

    found = api.doctor(
        snapshot, source=source, binary=binary, policy=policy_file, release=release, target=modelled.target,
        world=modelled.world,
    )  # fmt: skip
    output.render(found, Document.DOCTOR)
    if found.ci is not None and (github if github is not None else os.environ.get("GITHUB_ACTIONS") == "true"):
        _tell_github(found)
    ctx.exit(_exit_code(found, fail_on, strict=strict))


def _tell_github(found: Diagnosed) -> None:
    from machochain.machine.ci import output_lines
    from machochain.report.doctor_markdown import annotated, summary_table

    assert found.ci is not None
    for name, text in (("GITHUB_OUTPUT", output_lines(found.ci)), ("GITHUB_STEP_SUMMARY", summary_table(found))):
        path = os.environ.get(name)
        if not path:
            continue
        try:
            with Path(path).open("a", encoding="utf-8") as file:
                file.write(text)
        except OSError as error:
            raise UsageError(f"{path}: cannot be written: {error.strerror}") from error
    click.echo(annotated(found), err=True, nl=False)


def _exit_code(found: Diagnosed, fail_on: str, *, strict: bool) -> int:
    from machochain.model.result import Severity

    if found.ci is not None:
        if found.ci.decision.value == "fail":
            return EXIT_FINDINGS
        return EXIT_INCOMPLETE if strict and found.ci.decision.value == "unknown" else 0
    if fail_on != "never" and any(f.severity.rank >= Severity(fail_on).rank for f in found.case.findings):
        return EXIT_FINDINGS
    return EXIT_INCOMPLETE if strict and found.case.skipped else 0
