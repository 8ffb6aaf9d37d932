"""The hook of pre-commit: audits the Mach-O files among those it is given, and leaves all others alone."""

from __future__ import annotations

import sys

from machochain.cli import main as command_line
from machochain.macho.kind import FileKind, kind_of_file
from machochain.model.errors import InputError
from machochain.model.paths import HostPath


def main(arguments: list[str]) -> None:
    """Audit files. What begins with ``-`` is an option of ``machochain audit``, with its value: ``--fail-on=never``.

    An ELF library is called ``.so`` too, and is none of ours: without a Mach-O file there is nothing to say.
    """
    options = [argument for argument in arguments if argument.startswith("-")]
    files = [argument for argument in arguments if not argument.startswith("-") and _is_ours(argument)]
    if files:
        command_line(["audit", "--profile", "dev", *options, "--", *files])


def _is_ours(path: str) -> bool:
    """Whether a file is Mach-O, or one that cannot be read, which the audit is to tell."""
    try:
        return kind_of_file(HostPath(path)) in {FileKind.MACHO, FileKind.UNIVERSAL}
    except InputError:
        return True


if __name__ == "__main__":
    main(sys.argv[1:])
