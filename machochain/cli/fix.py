"""``machochain fix``."""

from __future__ import annotations

import sys

import click

from machochain.cli import EXIT_FINDINGS, EXIT_USAGE, complain
from machochain.cli.audit import find_policy_for
from machochain.cli.given import PLACE, PROFILE, OneOf, Rules, Spooled
from machochain.cli.options import Modelled, colour_option, modelled_options
from machochain.cli.output import Output
from machochain.model.value import evolve
from machochain.report.registry import Document, formats


@click.command("fix")
@click.argument("paths", nargs=-1, required=True, metavar="PATH…", type=Spooled())
@modelled_options(releases="each from the file's own minimum on")
@click.option("-o", "--output", "out", metavar="OUT", type=PLACE, help="Where the copy goes: a free name, or a folder.")
@click.option("--in-place", is_flag=True, help="Put the copy in the input's place, once it is proved.")
@click.option("-n", "--dry-run", is_flag=True, help="Say what would be done and whether it helps; write nothing.")
@click.option("--bundle", is_flag=True, help="Copy libraries from outside (--map, --root) into the artifact.")
@click.option(
    "--only",
    multiple=True,
    metavar="RULE[,RULE]",
    type=Rules(),
    help="Mend the findings of these rules only. Repeatable.",
)
@click.option("--resign", is_flag=True, help="Replace a developer's or a broken signature by an ad hoc one.")
@click.option("--drop-entitlements", is_flag=True, help="Drop entitlements that only a provisioning profile grants.")
@click.option("--policy", "policy_file", metavar="FILE", type=Spooled(), help="Policy that says which findings count.")
@click.option("--no-config", is_flag=True, help="Look for no machochain.toml or pyproject.toml.")
@click.option(
    "--profile", metavar="NAME", type=PROFILE, help="Built-in rules to start from: release, wheel, app or dev."
)
@click.option("--format", "form", type=OneOf(formats(Document.REPAIR)), default="text", show_default=True,
              help="How to write the report.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
@click.option("--report", metavar="FILE", type=PLACE, help="Write the report to FILE.")
@colour_option()
@click.option("-v", "--verbose", count=True, help="Show more.")
@click.option("-q", "--quiet", is_flag=True, help="Write nothing to standard output; the exit code tells.")
@click.pass_context
def command(  # noqa: PLR0913  # each is the caller's to say
    ctx: click.Context,
    /,
    paths: tuple[str, ...],
    modelled: Modelled,
    *,
    out: str | None,
    in_place: bool,
    dry_run: bool,
    bundle: bool,
    only: tuple[str, ...],
    resign: bool,
    drop_entitlements: bool,
    policy_file: str | None,
    no_config: bool,
    profile: str | None,
    form: str,
    as_json: bool,
    colour: str,
    report: str | None,
    verbose: int,
    quiet: bool,
) -> None:
    r"""Carry out the remedies of audit's findings on a copy, sign it ad hoc again, and prove that they help.

    PATH is a Mach-O file, a folder, an .app, a wheel, zip or tar. Load commands are edited in the room they have; all
    other bytes stay. The copy is audited as the input was: if it is no better, or anything that worked does not, the
    input is copied as it was. A developer's signature is never replaced unless --resign is given.

    \b
    machochain fix dist/tool-1.0-cp312-abi3-macosx_11_0_arm64.whl -o fixed/
    machochain fix ./MyApp.app -o fixed/MyApp.app --only MC302,MC402
    machochain fix ./server --dry-run --json

    Exit codes: 0 all that counts is mended; 1 something that counts is left, or could not be mended; 2 wrong usage or
    an input that cannot be read.
    """
    from machochain.mending import fix

    rules = [rule.strip() for text in only for rule in text.split(",") if rule.strip()]
    stated = ctx.get_parameter_source("macos") is not click.core.ParameterSource.DEFAULT
    done = fix(
        paths,
        out,
        only=rules,
        dry_run=dry_run,
        in_place=in_place,
        bundle=bundle,
        resign=resign,
        drop_entitlements=drop_entitlements,
        policy=find_policy_for(policy_file, profile, search=not no_config),
        target=modelled.target if stated else evolve(modelled.target, macos=()),
        world=modelled.world,
    )
    Output("json" if as_json else form, report, verbose, quiet, colour=colour).render(done, Document.REPAIR)
    sys.stdout.flush()
    for error in done.errors:
        complain(str(error))
    if done.errors:
        ctx.exit(EXIT_USAGE)
    ctx.exit(0 if done.helped else EXIT_FINDINGS)
