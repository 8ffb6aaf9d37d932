"""``machochain diff``."""

from __future__ import annotations

import json

import click

from machochain.cli import EXIT_FINDINGS, EXIT_USAGE, complain
from machochain.cli.audit import find_policy_for
from machochain.cli.given import FILE, FOLDER, PROFILE, OneOf, Spooled, given
from machochain.cli.options import Modelled, modelled_options, output_options
from machochain.cli.output import Output
from machochain.model.result import Severity
from machochain.model.value import evolve
from machochain.report.registry import Document


@click.command("diff")
@click.argument("old", metavar="OLD", type=FILE)
@click.argument("new", metavar="NEW", type=FILE)
@modelled_options()
@click.option(
    "--policy", "policy_file", metavar="FILE", type=Spooled(), help="Policy to hold both against. Default: searched."
)
@click.option("--no-config", is_flag=True, help="Look for no machochain.toml or pyproject.toml.")
@click.option(
    "--profile", metavar="NAME", type=PROFILE, help="Built-in rules to start from: release, wheel, app or dev."
)
@click.option(
    "--fail-on",
    type=OneOf(("error", "warning", "info", "never")),
    help="Exit with 1 if a new finding is as bad as this. Default: error.",
)
@click.option(
    "--source", metavar="DIR", type=FOLDER, help="Of two snapshots: which searches of this module come out differently."
)
@output_options(Document.DIFF)
@click.pass_context
def command(  # noqa: PLR0913  # each is the caller's to say
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
    source: str | None,
) -> None:
    r"""Say what changed in the load chain between two builds or releases.

    OLD and NEW are files, folders or archives; or two snapshots of Macs: then the facts that differ are shown, those
    that change what is found first. Of binaries are shown libraries, run paths, versions, minimum macOS, SDK,
    signature, and the findings that came and went.

    \b
    machochain diff v1.2/server v1.3/server
    machochain diff old.whl new.whl --format markdown
    machochain diff mine.json ci.json --source .
    """
    from machochain.machine.reading import looks_recorded
    from machochain.model.errors import UsageError

    recorded = [path for path in (old, new) if looks_recorded(path)]
    if len(recorded) == 1 and old != new:
        other = new if recorded == [old] else old
        raise UsageError(f"{recorded[0]} is a recorded Mac and {other} is not: name two of a kind")
    if recorded:
        ctx.exit(_recorded(old, new, source, output, fail_on))
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


def _recorded(old: str, new: str, source: str | None, output: Output, fail_on: str | None) -> int:
    """Compare two snapshots; return the exit code: 1 if a difference changes what is found."""
    from machochain import api
    from machochain.findings.rules.machines.ci import of_drift
    from machochain.machine.compare import Weight, compare_machines
    from machochain.machine.doctor import case_of
    from machochain.machine.facts import facts_of
    from machochain.machine.reading import read_snapshot
    from machochain.report.doctor import differences_document, render_differences

    sources = None
    if source is not None:
        sources = (api.examine(source, snapshot=old), api.examine(source, snapshot=new))
    case = case_of(read_snapshot(new), new)
    found = compare_machines(facts_of(read_snapshot(old)), case.facts, sources)
    drift = of_drift(case, found)
    if output.format == "json":
        output.write(json.dumps(differences_document(found, old, new, drift), indent=2) + "\n")
    elif output.format == "markdown":
        from machochain.report.doctor_markdown import render_differences_markdown

        output.write(render_differences_markdown(found, old, new, drift))
    else:
        output.write(render_differences(found, old, new, drift, output.style))
    weighty = any(each.weight is Weight.WINNER for each in found)
    return EXIT_FINDINGS if weighty and fail_on != "never" else 0
