"""The command line. Starting it loads neither lief nor networkx: each command imports what it needs."""

from __future__ import annotations

import contextlib
import errno
import os
import sys

import click

from machochain._version import __version__
from machochain.model.errors import InputError, UsageError

EXIT_FINDINGS = 1
EXIT_USAGE = 2
EXIT_INCOMPLETE = 3
EXIT_FAULT = 70
_FULL = (errno.ENOSPC, errno.EDQUOT)


class LazyGroup(click.Group):
    """A group whose commands are imported when they are run or their help is asked for."""

    COMMANDS = {  # noqa: RUF012  # click subclasses are configured by class attributes
        "resolve": "What a binary loads, from where and why; whether it launches",
        "explain": "Each path dyld tries for one library, and its own words",
        "inspect": "The facts: load commands, versions, signature, Go build info",
        "audit": "All rules over all that is shipped, against a policy: the release gate",
        "scenario": "Library by launch context: in place, go run, go test, installed; why they differ",
        "source": "What Go takes for a module with cgo: flags, headers, libraries, and what programs will load",
        "snapshot": "Record a Mac's toolchain as raw facts, for doctor, source and diff",
        "doctor": "What is wrong with a recorded Mac for building a module with cgo; the decision of a pipeline",
        "env": "What a shell must hold to build with cgo for a Mac: variables and wrappers, as text",
        "diagnose": "What a pasted dyld message, crash report or log means",
        "diff": "What changed in the load chain between two builds or releases",
        "fix": "The remedies carried out on a copy, signed ad hoc again, and proved",
        "sdk": "What an SDK or the embedded catalogue knows of system libraries",
        "config": "A file to begin with that says what is asked of what you ship (init)",
        "completion": "What a shell needs to complete commands, options and files",
    }

    def list_commands(self, ctx: click.Context) -> list[str]:
        """List the commands in the order people need them."""
        return list(self.COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command."""
        if cmd_name not in self.COMMANDS:
            return None
        from importlib import import_module

        module = import_module(f"machochain.cli.{cmd_name}")
        command: click.Command = module.command
        # The docstrings are raw, as they hold backslashes; click keeps lines apart only after the character itself.
        command.help = (command.help or "").replace("\\b\n", "\b\n")
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; say what was probably meant by one that is none."""
        if args and not args[0].startswith("-") and args[0] not in self.COMMANDS:
            from difflib import get_close_matches

            near = get_close_matches(args[0], self.COMMANDS, 1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            ctx.fail(f"No such command {args[0]!r}.{hint}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list without importing any of them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(self.COMMANDS.items()))


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, "-V", "--version", message="machochain %(version)s")
def cli() -> None:
    """Will this Mach-O binary launch on that Mac, and if not, what will dyld say?

    Works on any machine, without a Mac. Exit codes: 0 fine, 1 something does not launch or has findings at or above
    --fail-on, 2 wrong usage or an input that cannot be read, 3 evidence is missing and --strict was given, 70 a fault
    of this program.
    """


def complain(text: str) -> None:
    """Say one line on standard error that no name in it can break, forge or colour."""
    from machochain.model.paths import printable

    click.echo(f"machochain: {_told(printable(text))}", err=True)


def _told(text: str) -> str:
    """Return what may stand in a log: no command of its runner, and of addresses nothing that lets one in."""
    from machochain.report.guard import guarded
    from machochain.world.remote import without_secrets

    return guarded(without_secrets(text))


def _forget_output() -> None:
    """Have Python not complain once more, while it ends, of what standard output could not take."""
    try:
        sys.stdout.flush()
    except (OSError, ValueError, AttributeError):
        with contextlib.suppress(OSError, ValueError, AttributeError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _show(error: click.ClickException) -> None:
    """Say what is wrong with the command line; what stands in it may have come from anywhere."""
    from machochain.model.paths import printable_lines

    # With nothing to do the newest click hands the whole help over as an error, line by line.
    error.message = "\n".join(map(_told, printable_lines(error.message)))  # type: ignore[misc]  # what show() writes
    error.show()


def _fault() -> int:
    """Tell of the exception that is handled, which is our fault."""
    import traceback

    from machochain.model.paths import printable_lines

    for line in printable_lines(traceback.format_exc()):
        click.echo(_told(line), err=True)
    click.echo("machochain: this is a fault of ours; please report it with the lines above", err=True)
    return EXIT_FAULT


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit."""
    from machochain.cli.ending import clean_up_on_signals

    clean_up_on_signals()
    code: int | None
    try:
        code = cli.main(arguments, prog_name="machochain", standalone_mode=False) or 0
    except click.exceptions.Exit as stop:
        code = stop.exit_code
    except click.Abort:
        click.echo("interrupted", err=True)
        code = 130
    except click.ClickException as error:
        _show(error)
        code = EXIT_USAGE
    except (UsageError, InputError) as error:
        complain(str(error))
        code = EXIT_USAGE
        _forget_output()
    except BrokenPipeError:
        _forget_output()
        code = 0
    except MemoryError:
        code = None  # what it was wanted for is there until this block ends
    except OSError as error:
        if error.errno not in _FULL:
            code = _fault()
        else:
            complain(f"there is no room to write: {error.strerror}")
            code = EXIT_USAGE
        _forget_output()
    except Exception:  # noqa: BLE001  # whatever it is, it is our fault, and the contract has a code for that
        code = _fault()
    if code is None:
        complain("there is not enough memory for this; fewer inputs or releases at once need less")
        code = EXIT_USAGE
        _forget_output()
    sys.exit(code)
