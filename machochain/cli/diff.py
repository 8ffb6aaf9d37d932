"""``machochain diff``."""

from __future__ import annotations

import click
from attrs import evolve

from machochain.cli import EXIT_FINDINGS, EXIT_USAGE, complain
from machochain.cli.audit import find_policy_for
from machochain.cli.given import FILE, given
from machochain.cli.options import Modelled, modelled_options, output_options
from machochain.cli.output import Output
from machochain.model.result import Severity
from machochain.report.registry import Document


@click.command("diff")
@click.argument("old", metavar="OLD", type=FILE)
@click.argument("new", metavar="NEW", type=FILE)
@modelled_options()
@click.option("--policy", "policy_file", metavar="FILE", help="Policy to hold both against. Default: searched.")
@click.option("--no-config", is_flag=True, help="Look for no machochain.toml or pyproject.toml.")
@click.option("--profile", metavar="NAME", help="Built-in rules to start from: release, wheel, app or dev.")
@click.option(
    "--fail-on",
    type=click.Choice(("error", "warning", "info", "never")),
    help="Exit with 1 if a new finding is as bad as this. Default: error.",
)
@output_options(Document.DIFF)
@click.pass_context
def command(
    ctx: click.Context,
    /,
    old: str,
    new: str,
    modelled: Modelled,
    output: Output,
    *,
    policy_file: str | None,
    no_config: bool,
    profile: str | None,
    fail_on: str | None,
) -> None:
    r"""Say what changed in the load chain between two builds or releases.

    OLD and NEW are files, folders or archives. Shown are libraries, run paths, versions, minimum macOS, SDK, signature,
    and the findings that came and went.

    \b
    machochain diff v1.2/server v1.3/server
    machochain diff old.whl new.whl --format markdown
    """
    from machochain.auditing import diff

    stated = ctx.get_parameter_source("macos") is not click.core.ParameterSource.DEFAULT
    policy = find_policy_for(policy_file, profile, search=not no_config)
    if fail_on is not None:
        policy = evolve(policy, fail_on=None if fail_on == "never" else Severity(fail_on))
    target = modelled.target if stated else evolve(modelled.target, macos=())
    found = diff(*given([old, new]), policy=policy, target=target, world=modelled.world)
    output.render(found, Document.DIFF)
    errors = (*found.old.errors, *found.new.errors)
    for error in errors:
        complain(str(error))
    for path in (*found.old.unexamined, *found.new.unexamined):
        complain(f"no Mach-O file in {path}")
    ctx.exit(EXIT_USAGE if errors or not found.examined else EXIT_FINDINGS if found.failing else 0)
