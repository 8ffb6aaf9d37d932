"""``machochain scenario``."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import click

from machochain.cli import EXIT_FINDINGS, EXIT_INCOMPLETE
from machochain.cli.given import FILE, FOLDER, PLACE, Choices, OneOf, given
from machochain.cli.options import Modelled, modelled_options, output_options
from machochain.cli.output import Output
from machochain.report.registry import Document

_CONTEXTS: Final = (
    "go", "all", "in-place", "go-run", "go-run-cached", "go-test", "go-test-c", "go-official", "install:", "app-bundle",
    "hardened", "sip-shell",
)  # fmt: skip


@click.command("scenario")
@click.argument("binary", metavar="BIN", type=FILE)
@click.option(
    "--contexts",
    "names",
    metavar="LIST",
    type=Choices("contexts", _CONTEXTS, also=","),
    help="go, all, or ids with commas between: in-place, go-run, go-run-cached, go-test, go-test-c, go-official, "
    "go-install, delve, ide, install:PREFIX, app-bundle, hardened, sip-shell. Default: go for a program made by Go, "
    "else the others.",
)
@click.option(
    "--context",
    "own",
    multiple=True,
    metavar="SPEC",
    help="A context of your own, NAME:exe=PATH,cwd=PATH,env=K=V,hardened=yes; repeatable. Alone it is the only one.",
)
@click.option("--package-dir", metavar="TARGET", help="Where the package's sources lie: the directory of go test.")
@click.option(
    "--source", metavar="DIR", type=FOLDER, help="The module BIN was built from: its tests get columns of their own."
)
@click.option(
    "--go", "go_command", metavar="FILE", type=PLACE, help="The go command: its signature tells if DYLD_* get through."
)
@click.option(
    "--fail-on",
    type=OneOf(["differs", "broken", "never"]),
    default="differs",
    show_default=True,
    help="Exit with 1 if the program fails in some context (differs) or in every one (broken).",
)
@click.option("--strict", is_flag=True, help="Exit with 3 if nothing failed but evidence is missing.")
@modelled_options()
@output_options(Document.SCENARIOS)
@click.pass_context
def command(  # noqa: PLR0913  # each is the caller's to say
    ctx: click.Context,
    binary: str,
    names: str | None,
    own: tuple[str, ...],
    package_dir: str | None,
    source: str | None,
    go_command: str | None,
    fail_on: str,
    *,
    strict: bool,
    modelled: Modelled,
    output: Output,
) -> None:
    r"""Show library by library in which launch context BIN finds it, where that differs, and why.

    Several --macos are further columns. --cwd is the caller's working directory, --env the caller's environment: each
    context passes on what macOS and Go pass on. What depends on a directory nobody named is unknown. Below $WORK and
    $GOCACHE only Go writes, so a library that is looked for there is missing on every machine. Run paths that only
    CGO_LDFLAGS or -ldflags gave part the contexts into plain ones and those with the same flags.

    \b
    machochain scenario ./hello --source .
    machochain scenario ./hello --contexts all --package-dir $PWD/internal/greet
    machochain scenario ./hello --contexts go --env DYLD_LIBRARY_PATH=$PWD/lib --go "$(which go)"
    machochain scenario ./hello --context "CI:exe=/Users/runner/work/hello,cwd=/Users/runner/work"

    Exit codes: 0 the program launches everywhere, 1 it fails (see --fail-on), 3 with --strict if that is not known.
    """
    from machochain import api

    wanted = [name for name in (names or "").split(",") if name] + list(own)
    if package_dir is not None:
        package_dir = str(Path(package_dir).absolute())
    matrices = api.scenarios(
        given([binary])[0],
        contexts=wanted,
        package_directory=package_dir,
        go=go_command,
        source=source,
        target=modelled.target,
        world=modelled.world,
    )
    output.render(matrices, Document.SCENARIOS)
    failed = any(m.launches is False if fail_on == "differs" else m.launches_nowhere for m in matrices)
    if failed and fail_on != "never":
        ctx.exit(EXIT_FINDINGS)
    ctx.exit(EXIT_INCOMPLETE if strict and any(m.launches is None for m in matrices) else 0)
