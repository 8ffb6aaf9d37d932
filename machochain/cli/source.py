"""``machochain source``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

from machochain.cli import EXIT_FINDINGS, EXIT_INCOMPLETE
from machochain.cli.given import FILE, FOLDER, OneOf, Spooled
from machochain.cli.options import Modelled, modelled_options, output_options
from machochain.cli.output import Output
from machochain.model.errors import UsageError
from machochain.report.registry import Document

if TYPE_CHECKING:
    from machochain.source.values import SourceReport


_MOST_NAMED: Final = 12


@click.command("source")
@click.argument("directory", metavar="DIR", type=FOLDER)
@click.option(
    "--why", metavar="NAME", help="Show where NAME is looked for: stdio.h, -lssl, Security, or a .pc package."
)
@click.option("--goarch", multiple=True, type=OneOf(["arm64", "amd64"]), help="Default: both.")
@click.option(
    "--go", "release", metavar="1.N", help="The Go release. Default: the toolchain line of go.mod, else the newest."
)
@click.option("--tags", default="", metavar="LIST", help="Build tags with commas between, as go build takes them.")
@click.option("--package", "patterns", multiple=True, metavar="PATTERN", help="Which packages. Default: ./...")
@click.option(
    "--modcache", metavar="DIR", type=FOLDER, help="The module cache. Default: GOMODCACHE or GOPATH of --env."
)
@click.option(
    "--go-list",
    metavar="FILE",
    type=Spooled(),
    help="Output of go list -deps -json -e with GOOS=darwin CGO_ENABLED=1: Go's own answer.",
)
@click.option(
    "--snapshot", metavar="FILE", type=Spooled(), help="A recorded Mac: its variables, settings and listings count."
)
@click.option(
    "--binary",
    metavar="BIN",
    type=FILE,
    help="A program built from DIR: which flags gave its run paths, and whether a library changed since.",
)
@click.option("--goenv", metavar="FILE", type=Spooled(), help="The file of go env -w (go env GOENV names it).")
@click.option(
    "--fail-on",
    type=OneOf(["error", "warning", "info", "never"]),
    default="error",
    show_default=True,
    help="Exit with 1 if there is such a finding or a worse one.",
)
@click.option("--strict", is_flag=True, help="Exit with 3 if nothing failed but something is not known.")
@modelled_options()
@output_options(Document.SOURCE)
@click.pass_context
def command(  # noqa: PLR0913, PLR0917  # each is the caller's to say
    ctx: click.Context,
    directory: str,
    why: str | None,
    goarch: tuple[str, ...],
    release: str | None,
    tags: str,
    patterns: tuple[str, ...],
    modcache: str | None,
    go_list: str | None,
    goenv: str | None,
    snapshot: str | None,
    binary: str | None,
    fail_on: str,
    *,
    strict: bool,
    modelled: Modelled,
    output: Output,
) -> None:
    r"""Say what cmd/go, the compiler and the linker take for the Go module in DIR: nothing is executed.

    Flags with their origin, the chain of directories, which header, library, framework or .pc file wins and what it
    shadows, what go mod vendor loses, what the build cache does not see, and what each program and test will load.
    --env gives the variables of the shell that builds (CGO_CFLAGS, SDKROOT, PKG_CONFIG_PATH, …).

    \b
    machochain source .
    machochain source . --why -lssl --sdk MacOSX.sdk --map /opt/homebrew=./bottle
    machochain source . --binary ./hello
    machochain source . --goarch arm64 --env CGO_LDFLAGS="-L/opt/homebrew/lib"

    Exit codes: 0 nothing at or above --fail-on, 1 findings, 2 wrong usage, 3 with --strict if something is not known.
    """
    from machochain import api

    report = api.examine(
        directory,
        goarch=goarch or ("arm64", "amd64"),
        go=release,
        tags=[t for t in tags.replace(" ", ",").split(",") if t],
        patterns=patterns or ("./...",),
        modcache=modcache,
        go_list=go_list,
        goenv=goenv,
        snapshot=snapshot,
        binary=binary,
        target=modelled.target,
        world=modelled.world,
    )
    if why is not None:
        from machochain.report.source import chain_of, shown_name

        text = chain_of(report, why, output.style)
        if text is None:
            near = sorted({s.name for s in report.searches if why.removeprefix("-l").lower() in s.name.lower()})
            asked = list(dict.fromkeys(shown_name(s) for s in report.searches))
            hint = f"; near: {', '.join(near[:8])}" if near else f"; {_asked(asked)}"
            raise UsageError(f"nothing asks for {why!r}{hint}")
        if output.wanted:
            output.write(text)
        ctx.exit(0)
    output.render(report, Document.SOURCE)
    ctx.exit(exit_code(report, fail_on, strict=strict))


def exit_code(report: SourceReport, fail_on: str, *, strict: bool) -> int:
    """Return the exit code of a report."""
    from machochain.model.result import Severity
    from machochain.source.values import SearchOutcome

    if fail_on != "never" and any(f.severity.rank >= Severity(fail_on).rank for f in report.findings):
        return EXIT_FINDINGS
    unknown = any(s.outcome is SearchOutcome.UNKNOWN for s in report.searches) or any(
        f.unknown_imports for packages in report.packages.values() for f in packages.values()
    )
    return EXIT_INCOMPLETE if strict and unknown else 0


def _asked(names: list[str]) -> str:
    """Say what is asked for, where the name that was given is nothing like it."""
    if not names:
        return "no header, library or framework is asked for"
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return f"what is asked for: {', '.join(names[:_MOST_NAMED])}{more}"
