"""Options that all commands share, and what they mean as values."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from machochain.cli.given import FOLDER, PLACE, Choices, OneOf
from machochain.cli.output import COLOURS, Output
from machochain.dyld.profile import NAMES, NEWEST, majors, modelled, parse_range
from machochain.graph.resolve import Target
from machochain.model.errors import UsageError
from machochain.model.execution import Host, Launcher
from machochain.model.paths import TargetPath
from machochain.model.value import evolve, frozen
from machochain.model.version import Version
from machochain.report.registry import Document, formats
from machochain.world.placement import World, parse_map

if TYPE_CHECKING:
    from machochain.model.artifact import Limits

ARCH: Final = Choices("arch", ("arm64", "x86_64", "arm64e", "x86_64h", "i386"))
RELEASE: Final = Choices("release", (*map(str, majors()), *NAMES), also="..")

F = TypeVar("F", bound=Callable[..., Any])


@frozen
class Modelled:
    """The modelled Mac and process as the options describe them."""

    target: Target
    world: World


def parse_releases(texts: tuple[str, ...], *, several: bool) -> tuple[Version, ...]:
    """Read ``--macos`` values: versions and ``A..B`` ranges.

    Raises:
        UsageError: A release that is not modelled, or more than one where one is meant.
    """
    found = [version for text in texts or (str(NEWEST),) for version in parse_range(text)]
    unique = tuple(dict.fromkeys(found))
    if len(unique) > 1 and not several:
        raise UsageError("one --macos, please: this command looks at one release at a time")
    return unique


def parse_environment(pairs: tuple[str, ...]) -> dict[str, str]:
    """Read ``--env NAME=VALUE``.

    Raises:
        UsageError: A pair has another form.
    """
    found = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not name or not equals:
            raise UsageError(f"--env takes NAME=VALUE, not {pair!r}")
        found[name] = value
    return found


def modelled_options(*, several: bool = True, releases: str = "the newest") -> Callable[[F], F]:
    """Add the options of the modelled Mac; the command receives them as ``modelled``."""
    options = [
        click.option(
            "--macos", multiple=True, metavar="VERSION", type=RELEASE,
            help=f"macOS release to model, {modelled()}, point releases and names; repeatable, and A..B. "
            f"Default: {releases}.",
        ),
        click.option(
            "--arch", metavar="ARCH", type=ARCH,
            help="Only this slice (arm64, x86_64, arm64e, …). Default: each one.",
        ),
        click.option(
            "--root", metavar="DIR", type=FOLDER, help="DIR is / of the modelled Mac; nothing outside it exists.",
        ),
        click.option(
            "--map", "maps", multiple=True, metavar="TARGET=HOST",
            help="HOST (file or folder) appears at TARGET; repeatable, the longest TARGET wins.",
        ),
        click.option("--at", metavar="TARGET", help="Where the input lies on the modelled Mac."),
        click.option(
            "--unseen", multiple=True, metavar="PREFIX",
            help="Files below PREFIX may or may not exist: answers about them are unknown. Repeatable.",
        ),
        click.option(
            "--sdk", multiple=True, metavar="DIR", type=PLACE, help="A macOS SDK or sysroot. Default: embedded facts.",
        ),
        click.option("--cwd", default="/", metavar="TARGET", help="Working directory of the process. Default: /"),
        click.option("--env", multiple=True, metavar="NAME=VALUE", help="A variable of the process. Repeatable."),
        click.option(
            "--hardened/--no-hardened", default=None,
            help="Whether dyld is restricted. Default: from signature and entitlements.",
        ),
        click.option(
            "--main", metavar="EXE", type=PLACE, help="For a dylib or bundle: the program (or .app) that loads it.",
        ),
        click.option(
            "--host", type=OneOf([h.value for h in Host]),
            help="The Mac's processor; only the slice it prefers runs. Default: for each slice the Mac it is for.",
        ),
        click.option(
            "--rosetta/--no-rosetta", default=None,
            help="Whether Rosetta is installed. Default: not known, told as a note."
        ),
        click.option(
            "--launcher", type=OneOf([x.value for x in Launcher]), default=Launcher.SHELL.value,
            show_default=True,
            help="Who starts the program: a shell (execve) or posix_spawn. Only words and signals differ.",
        ),
        click.option(
            "--verify/--no-verify", default=None,
            help="Hash every page of signed code, or none. Default: those of the load commands.",
        ),
        click.option("--case-sensitive", is_flag=True, help="The modelled volume tells case apart."),
        click.option(
            "--archive-levels", type=click.IntRange(0, 16), metavar="N",
            help="How many archives in one another are opened; 0: none in a folder. Default: 3.",
        ),
        click.option(
            "--timeout", type=click.FloatRange(0, min_open=True), default=60.0, metavar="SECONDS",
            help="How long nothing may come from an address. Default: 60.",
        ),
        click.option(
            "--archive-size", metavar="SIZE", help="How much of an archive is unpacked: 500M, 8G. Default: 4G.",
        ),
    ]  # fmt: skip

    def decorate(function: F) -> F:
        @wraps(function)
        def wrapper(**values: Any) -> Any:
            target = Target(
                macos=parse_releases(values.pop("macos"), several=several),
                arch=values.pop("arch"),
                environment=parse_environment(values.pop("env")),
                cwd=_absolute(values.pop("cwd")),
                hardened=values.pop("hardened"),
                main=_main(values.pop("main")),
                host=values.pop("host"),
                rosetta=values.pop("rosetta"),
                launcher=values.pop("launcher"),
                verify=values.pop("verify"),
            )
            world = World(
                root=values.pop("root"),
                maps=[parse_map(text) for text in values.pop("maps")],
                at=values.pop("at"),
                unseen=values.pop("unseen"),
                sdks=values.pop("sdk"),
                case_sensitive=values.pop("case_sensitive"),
                limits=_limits(values.pop("archive_levels"), values.pop("archive_size")),
                timeout=values.pop("timeout"),
            )
            return function(modelled=Modelled(target, world), **values)

        for option in reversed(options):
            wrapper = option(wrapper)
        return wrapper  # type: ignore[return-value]

    return decorate


def _limits(levels: int | None, size: str | None) -> Limits | None:
    """Return what archives may cost; None for the default."""
    if levels is None and size is None:
        return None
    from machochain.model.artifact import Limits

    found = Limits() if levels is None else Limits(levels=levels)
    if size is None:
        return found
    most = parse_size(size)
    return evolve(found, total_bytes=most, disk_bytes=most, file_bytes=min(most, found.file_bytes))


def parse_size(text: str) -> int:
    """Read a number of bytes: ``500M``, ``4G``, ``1048576``; the letters stand for powers of 1024.

    Raises:
        UsageError: It is none.
    """
    match = re.fullmatch(r"(\d{1,12})([KMGT]?)(?:i?B)?", text.strip(), re.IGNORECASE)
    if match is None or not int(match[1]):
        raise UsageError(f"not a size such as 500M or 4G: {text!r}")
    return int(match[1]) << 10 * " KMGT".index(match[2].upper() or " ")


def _absolute(path: str) -> str:
    if not path.startswith("/"):
        raise UsageError(f"--cwd takes an absolute path of the modelled Mac, not {path!r}")
    return path


def _main(path: str | None) -> TargetPath | None:
    if path is None:
        return None
    from pathlib import Path

    return TargetPath(str(Path(path).absolute()))


def together_option() -> Callable[[F], F]:
    """Add ``--together``."""
    return click.option(
        "--together", is_flag=True,
        help="Lay the inputs side by side on one Mac, as packages that are installed together are.",
    )  # fmt: skip


def colour_option() -> Callable[[F], F]:
    """Add ``--color``; the command receives it as ``colour``."""
    return click.option(
        "--color", "colour", type=OneOf(COLOURS), default="auto",
        help="Colour text. Default: on a terminal, unless NO_COLOR, FORCE_COLOR or CLICOLOR say otherwise.",
    )  # fmt: skip


def output_options(*what: str | Document) -> Callable[[F], F]:
    """Add ``--format``, ``--json``, ``-o``, ``-v``, ``-q``; the command receives them as ``output``.

    Args:
        what: The document that is written, whose formats are those to choose from; or their names.
    """
    names = [name for each in what for name in (formats(each) if isinstance(each, Document) else (each,))]
    options = [
        click.option(
            "--format", "form", type=OneOf(names), default=names[0], show_default=True,
            help="How to write the result.",
        ),
        click.option("--json", "as_json", is_flag=True, help="The same as --format json."),
        click.option("-o", "--output", metavar="FILE", type=PLACE, help="Write the result to FILE."),
        click.option("-v", "--verbose", count=True, help="Show more; twice for every path tried."),
        click.option("-q", "--quiet", is_flag=True, help="Write nothing but errors; the exit code tells."),
        colour_option(),
    ]  # fmt: skip

    def decorate(function: F) -> F:
        @wraps(function)
        def wrapper(**values: Any) -> Any:
            form = "json" if values.pop("as_json") else values.pop("form")
            values.pop("form", None)
            output = Output(
                form, values.pop("output"), values.pop("verbose"), values.pop("quiet"), colour=values.pop("colour")
            )
            return function(output=output, **values)

        for option in reversed(options):
            wrapper = option(wrapper)
        return wrapper  # type: ignore[return-value]

    return decorate
