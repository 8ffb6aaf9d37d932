"""``machochain snapshot``."""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path

import click

from machochain.cli.given import Spooled
from machochain.cli.options import output_options
from machochain.cli.output import Output
from machochain.model.errors import UsageError


@click.command("snapshot")
@click.option(
    "--script", "as_script", is_flag=True, help="Print a POSIX shell script that records a Mac without Python."
)
@click.option(
    "--import",
    "framed",
    metavar="FILE",
    type=Spooled(),
    help="Turn what the script printed (or an older snapshot) into JSON.",
)
@click.option(
    "--source",
    metavar="DIR",
    type=click.Path(),
    help="Record what the Go module in DIR names, too: directories of its flags, its .pc files.",
)
@click.option("--redact", is_flag=True, help="Take the names of home directory, user and host out.")
@click.option("--dyld", multiple=True, metavar="NAME=VALUE", help="A DYLD_ variable of your shell. Repeatable.")
@output_options("json")
def command(
    as_script: bool, framed: str | None, source: str | None, *, redact: bool, dyld: tuple[str, ...], output: Output
) -> None:
    r"""Record this Mac's toolchain as raw facts for doctor, source and diff; nothing is judged or changed.

    A fixed list of commands that print versions and paths is run, ten seconds each; variables are taken from a list
    that leaves out whatever may hold a secret; of directories only the names are kept.

    \b
    machochain snapshot -o mac.json
    machochain snapshot --source . -o mac.json
    machochain snapshot --script > collect.sh        # on the Mac: sh collect.sh > mac.txt
    machochain snapshot --import mac.txt --redact -o mac.json
    """
    from machochain.machine.asked import NOTHING, asked_of

    asked = NOTHING
    if source is not None:
        from machochain.api import examine

        if framed is not None:
            raise UsageError("--source says what to record, and what --import takes is recorded already")
        asked = asked_of(examine(source), os.path.realpath(source))
    if as_script:
        from machochain.machine.script import script

        output.write(script(asked))
        return
    from machochain.machine.reading import read_snapshot
    from machochain.machine.snapshot import cut, document
    from machochain.machine.snapshot import redact as redacted

    given = {}
    for text in dyld:
        name, equals, value = text.partition("=")
        if not equals or not name.startswith("DYLD_"):
            raise UsageError(f"--dyld takes DYLD_NAME=VALUE, not {text!r}")
        given[name] = value
    if framed is not None:
        snapshot = read_snapshot(framed)
        snapshot.environment |= given
        snapshot.dyld_seen = snapshot.dyld_seen or bool(given)
    elif sys.platform != "darwin":
        raise UsageError(
            "this is no Mac: machochain snapshot --script > collect.sh writes a script for one; run "
            "sh collect.sh > mac.txt there, and machochain snapshot --import mac.txt here"
        )
    else:
        from machochain.machine.collect import collect

        snapshot = collect(dyld=given, asked=asked)
    if redact:
        home, user, host = _names(snapshot.environment, framed)
        snapshot = redacted(snapshot, home=home, user=user, host=host)
    cut(snapshot)
    output.write(json.dumps(document(snapshot), indent=1) + "\n")


def _names(environment: dict[str, str], framed: str | None) -> tuple[str, str, str]:
    """Return home, user and host: of this Mac, or as the variables of a recorded one tell."""
    if framed is None:
        return str(Path.home()), os.environ.get("USER", ""), os.uname().nodename
    text = "\n".join(environment.values())
    found = re.search(r"/Users/([^/:\s]+)", text)
    user = found.group(1) if found is not None and found.group(1) != "Shared" else ""
    return (f"/Users/{user}" if user else ""), user, ""
