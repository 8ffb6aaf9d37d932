"""``machochain audit``."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from machochain.cli import EXIT_FINDINGS, EXIT_INCOMPLETE, EXIT_USAGE, complain
from machochain.cli.destinations import annotate, parse_formats, render_context, wants_annotations
from machochain.cli.given import FILE, PLACE, PROFILE, Choices, OneOf, Spooled, given
from machochain.cli.options import Modelled, colour_option, modelled_options, together_option
from machochain.cli.output import Output
from machochain.model.paths import leaf, printable
from machochain.model.result import Severity
from machochain.model.value import evolve
from machochain.report.guard import guarded
from machochain.report.registry import Document, formats, render, wants_materials

if TYPE_CHECKING:
    from machochain.auditing import AuditPart
    from machochain.graph.resolve import Target
    from machochain.judging.policy import Policy
    from machochain.model.audit import AuditReport
    from machochain.report.context import RenderContext

EXIT_INTERRUPTED = 130
_FORMATS = formats(Document.AUDIT)
_SEVERITIES = ("error", "warning", "info", "never")


def _print_rules(output: Mapping[str, Any]) -> None:
    """Write the catalogue of rules."""
    from machochain.report.audit_text import render_rules, rules_document

    forms = {text.partition(":")[0] for text in output["forms"]}
    as_json = output["as_json"] or forms == {"json"}
    place = Output("json" if as_json else "text", output["output"], output["verbose"], output["quiet"])
    place.write(json.dumps(rules_document(), indent=2) + "\n" if as_json else render_rules())


@click.command("audit")
@click.argument("paths", nargs=-1, metavar="PATH…", type=FILE)
@modelled_options(releases="each from the file's own minimum on")
@click.option(
    "--policy",
    "policy_file",
    metavar="FILE",
    type=Spooled(),
    help="Policy to hold the inputs against. Default: searched.",
)
@click.option("--no-config", is_flag=True, help="Look for no machochain.toml or pyproject.toml.")
@click.option(
    "--profile",
    metavar="NAME",
    type=PROFILE,
    help="Built-in rules to start from: release, wheel, app or dev.",
)
@click.option("--fail-on", type=OneOf(_SEVERITIES), help="Exit with 1 from this severity on. Default: error.")
@click.option("--strict", is_flag=True, help="Exit with 3 if nothing failed but evidence is missing.")
@click.option("--baseline", metavar="FILE", type=Spooled(), help="Findings that are known and put up with.")
@click.option(
    "--write-baseline", metavar="FILE", type=PLACE, help="Write all findings there; reasons that are there stay."
)
@together_option()
@click.option("--jobs", type=click.IntRange(0), default=1, metavar="N", help="Work in N processes; 0: one a processor.")
@click.option(
    "--format",
    "forms",
    multiple=True,
    metavar="NAME[:FILE]",
    type=Choices("format", _FORMATS),
    help=f"How to write the result, and where to; repeatable. One of {', '.join(_FORMATS)}.",
)
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
@click.option("-o", "--output", metavar="FILE", type=PLACE, help="Write the result to FILE.")
@click.option(
    "--sarif-anchor", metavar="FILE", type=PLACE, help="File of the repository that SARIF results are attached to."
)
@click.option("--github/--no-github", default=None, help="Annotate for GitHub Actions. Default: if it runs there.")
@click.option("-v", "--verbose", count=True, help="Show notes, all files and what is suppressed, too.")
@colour_option()
@click.option("-q", "--quiet", is_flag=True, help="Write nothing to standard output; the exit code tells.")
@click.option("--rules", is_flag=True, help="List all rules and exit; as JSON with --json.")
@click.pass_context
def command(  # noqa: PLR0913  # each is the caller's to say
    ctx: click.Context,
    /,
    paths: tuple[str, ...],
    modelled: Modelled,
    policy_file: str | None,
    *,
    no_config: bool,
    profile: str | None,
    fail_on: str | None,
    strict: bool,
    baseline: str | None,
    write_baseline: str | None,
    jobs: int,
    rules: bool,
    together: bool,
    **output: Any,
) -> None:
    r"""Hold what you ship against all rules and a policy: the gate of a release.

    PATH is a Mach-O file, a folder, an .app, a wheel, zip, tar, npm or conda package, Homebrew bottle, or an address
    such as https://… or s3://… (needs fsspec). Without --macos each program is looked at on every generation of dyld
    from its own minimum to the newest.

    \b
    machochain audit dist/*.whl --profile wheel
    machochain audit MyApp.app --macos 12..26 --fail-on warning
    machochain audit ./server --format text --format sarif:out.sarif --baseline known.json
    """
    if rules:
        _print_rules(output)
        return
    if not paths:
        raise click.MissingParameter(ctx=ctx, param_hint="PATH…", param_type="argument")
    from machochain.auditing import finish_audit
    from machochain.judging.baseline import read_baseline

    destinations = parse_formats(output["forms"], output=output["output"], as_json=output["as_json"], formats=_FORMATS)
    context = render_context(os.environ, str(Path.cwd()), anchor=output["sarif_anchor"])
    stated = ctx.get_parameter_source("macos") is not click.core.ParameterSource.DEFAULT
    target = modelled.target if stated else evolve(modelled.target, macos=())
    policy = _policy(policy_file, profile, fail_on, search=not no_config)
    known = read_baseline(Path(baseline)) if baseline is not None else None

    if wants_materials(Document.AUDIT, (destination.format for destination in destinations)):
        modelled = evolve(modelled, world=evolve(modelled.world, materials=True))

    def finished(parts: Sequence[AuditPart]) -> AuditReport:
        return finish_audit(parts, policy, target=target, baseline=known, skipped=())

    places = [
        Output(each.format, each.path, output["verbose"], output["quiet"], colour=output["colour"])
        for each in destinations
    ]
    with _streams(places, finished, context) as told:
        parts, skipped = _look(paths, policy, target, modelled, jobs or os.cpu_count() or 1, told, together=together)
    report = finish_audit(parts, policy, target=target, baseline=known, skipped=skipped)
    if write_baseline is not None and _write_baseline(Path(write_baseline), report):
        known = read_baseline(Path(write_baseline))
        report = finish_audit(parts, policy, target=target, baseline=known, skipped=skipped)

    for place in places:
        if place.wanted and place.format != "jsonl":
            place.write(render(report, place.format, evolve(context, style=place.style), document=Document.AUDIT))
    if wants_annotations(os.environ, output["github"]):
        click.echo(guarded(annotate(report, os.environ, context).rstrip("\n"), "github"), err=True)
    if not any(_read_there(place) for place in places):
        for error in report.errors:
            complain(str(error))
        for path in report.unexamined:
            complain(f"no Mach-O file in {path}")
    ctx.exit(exit_code(report, strict=strict))


def _read_there(place: Output) -> bool:
    """Whether the report stands where standard error would repeat it: in one terminal."""
    shown = place.wanted and place.format == "text" and not place.to_file
    return shown and sys.stdout.isatty() and sys.stderr.isatty()


def exit_code(report: AuditReport, *, strict: bool) -> int:
    """Return what the shell gets."""
    if report.skipped:
        return EXIT_INTERRUPTED
    if report.errors or report.unexamined:
        return EXIT_USAGE
    if report.failing:
        return EXIT_FINDINGS
    return EXIT_INCOMPLETE if strict and report.incomplete else 0


def find_policy_for(file: str | None, profile: str | None, *, search: bool) -> Policy:
    """Return the policy of the command line: the file that was named or found, or a built-in profile."""
    from machochain.judging.policy_file import builtin_policy, find_policy, read_policy

    path = Path(file) if file is not None else find_policy(Path.cwd()) if search else None
    return builtin_policy(profile or "release") if path is None else read_policy(path, profile)


def _policy(file: str | None, profile: str | None, fail_on: str | None, *, search: bool) -> Policy:
    policy = find_policy_for(file, profile, search=search)
    if fail_on is None:
        return policy
    return evolve(policy, fail_on=None if fail_on == "never" else Severity(fail_on))


@contextlib.contextmanager
def _streams(
    places: Sequence[Output], finished: Callable[[Sequence[AuditPart]], AuditReport], context: RenderContext
) -> Iterator[Callable[[AuditPart], None]]:
    """Give what is told of each input that is finished: those who want lines have one at once."""
    with contextlib.ExitStack() as stack:
        writers = [stack.enter_context(place.lines()) for place in places if place.format == "jsonl"]

        def told(part: AuditPart) -> None:
            if not writers:
                return
            from machochain.report.lines import write_audits

            report = finished([part])
            # An archive in a folder is no input where it holds nothing, but what was passed over in it is told.
            if report.inputs or report.passed_over or report.errors:
                for write in writers:
                    write(write_audits(report, context))

        yield told


def _look(  # what the command was given
    paths: Sequence[str],
    policy: Policy,
    target: Target,
    modelled: Modelled,
    jobs: int,
    told: Callable[[AuditPart], None],
    *,
    together: bool,
) -> tuple[list[AuditPart], tuple[str, ...]]:
    """Look at each input; return what was found out and, after Ctrl-C, which were not looked at."""
    from machochain.auditing import audit_parts
    from machochain.world.handed import called, handed_over, with_archives

    parts: list[AuditPart] = []
    handed = with_archives(handed_over(given(paths)))
    progress = sys.stderr.isatty()
    bar = _bar if progress else None
    looking = audit_parts(
        handed, policy, target=target, world=modelled.world, jobs=jobs, together=together, progress=bar
    )
    try:
        for part in looking:
            parts.append(part)
            told(part)
            if progress and len(handed) > 1:
                done = guarded(printable(leaf(part.input.path)))
                click.echo(f"\r\x1b[K{len(parts)}/{len(handed)} {done}", err=True, nl=False)
    except KeyboardInterrupt:
        looked_at = {part.input.path for part in parts}
        return parts, tuple(name for name in map(called, handed) if name not in looked_at)
    finally:
        if progress:
            click.echo("\r\x1b[K", err=True, nl=False)
    return parts, ()


_BAR_WIDTH = 30


def _bar(done: int, total: int) -> None:
    """Show on a terminal how many of the files of one input are done."""
    full = _BAR_WIDTH * done // max(total, 1)
    click.echo(f"\r\x1b[K[{'#' * full}{' ' * (_BAR_WIDTH - full)}] {done}/{total} files", err=True, nl=False)


def _write_baseline(path: Path, report: AuditReport) -> bool:
    """Write a baseline; say whether there is one now."""
    from machochain.judging.baseline import read_baseline, write_baseline

    if report.skipped or report.errors:
        complain(f"{path} is not written, because not everything could be looked at")
        return False
    before = report.policy.baseline or (str(path) if path.exists() else None)
    count = write_baseline(path, report.findings, read_baseline(Path(before)) if before is not None else None)
    complain(f"{count} findings in {path}")
    return True
