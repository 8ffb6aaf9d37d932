"""Where results go: standard output or a file that is either whole or as it was, and nothing in them is a command."""

# A host path is the raw string the user gave; pathlib would rewrite it.
# ruff: noqa: PTH116, PTH120, PTH105, PTH108

from __future__ import annotations

import contextlib
import os
import stat
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import IO, TYPE_CHECKING, Any, Final

from machochain.model.errors import UsageError
from machochain.model.value import Factory, frozen
from machochain.report.registry import Document, render

if TYPE_CHECKING:
    from machochain.report.style import Style

COLOURS: Final = ("auto", "always", "never")


@frozen
class Output:
    """Where results go and how.

    Attributes:
        format: Name of the renderer.
        path: A file; None for standard output.
        verbose: How often ``-v`` was given.
        quiet: Whether only the exit code is wanted.
        colour: When text is coloured: ``always``, ``never``, or ``auto``: on terminals, unless the environment objects.
    """

    format: str
    path: str | None
    verbose: int
    quiet: bool
    extras: Mapping[str, Any] = Factory(dict)
    colour: str = "auto"

    @property
    def wanted(self) -> bool:
        """Whether anybody wants to read the result."""
        return not self.quiet or self.path is not None

    @property
    def to_file(self) -> bool:
        """Whether the result goes to a file."""
        return self.path not in (None, "-")

    def write(self, text: str | Iterable[str]) -> None:
        """Write a result, whole or part by part.

        Raises:
            UsageError: It cannot be written.
        """
        if not self.wanted:
            return
        from machochain.report.guard import guarded

        parts = (guarded(part, self.format) for part in ((text,) if isinstance(text, str) else text))
        if self.path is not None and self.to_file:
            write_file(self.path, parts)
        else:
            say(parts, document=self.format != "text")

    @contextlib.contextmanager
    def lines(self) -> Iterator[Callable[[Iterable[str]], None]]:
        """Give what writes lines that can be read as soon as they are written, to a file too.

        Raises:
            UsageError: They cannot be written.
        """
        from machochain.report.guard import guarded

        with contextlib.ExitStack() as stack:
            stream: IO[str]
            try:
                if self.path is not None and self.to_file:
                    stream = stack.enter_context(open(self.path, "w", encoding="utf-8"))  # noqa: PTH123
                else:
                    stream = standard_output()
            except OSError as error:
                raise UsageError(f"{self.path}: cannot be written: {error.strerror}") from error

            def write(lines: Iterable[str]) -> None:
                if not self.wanted:
                    return
                try:
                    for line in lines:
                        stream.write(guarded(line, self.format))
                        stream.flush()
                except BrokenPipeError:
                    raise
                except OSError as error:
                    raise UsageError(f"{self.path or 'standard output'} cannot be written: {error.strerror}") from error

            yield write

    def render(self, value: object, document: Document) -> None:
        """Write a value in the chosen format."""
        if self.wanted:
            from machochain.cli import complain
            from machochain.report.context import RenderContext

            context = RenderContext(style=self.style, warn=complain)
            self.write(render(value, self.format, context, document=document))

    @property
    def style(self) -> Style:
        """How to write text here: colours only where they are wanted."""
        stream: IO[str] | None = None if self.to_file else sys.stdout
        terminal = stream is not None and stream.isatty()
        encoding = "utf-8" if self.to_file else (getattr(stream, "encoding", None) or "ascii").lower()
        colour = coloured(self.colour, os.environ, terminal=terminal)
        from machochain.report.style import Style  # with -q nothing is written

        links = terminal and linked(os.environ)
        return Style.of_terminal(colour=colour, unicode="utf" in encoding, verbose=self.verbose, links=links)


def coloured(wanted: str, environment: Mapping[str, str], *, terminal: bool) -> bool:
    """Say whether to colour: as asked; else as NO_COLOR, FORCE_COLOR and CLICOLOR_FORCE say; else on a terminal.

    https://no-color.org, https://force-color.org, https://bixense.com/clicolors
    """
    if wanted != "auto":
        return wanted == "always"
    if environment.get("NO_COLOR"):
        return False
    if any(environment.get(name, "0") not in ("", "0") for name in ("FORCE_COLOR", "CLICOLOR_FORCE")):
        return True
    return terminal and environment.get("CLICOLOR") != "0" and environment.get("TERM") != "dumb"


_PROGRAMS: Final = frozenset({"iTerm.app", "WezTerm", "vscode", "ghostty", "Hyper", "Tabby", "rio", "mintty", "zed"})
_TERMINALS: Final = ("xterm-kitty", "xterm-ghostty", "alacritty", "foot", "wezterm", "contour")
_VTE: Final = 5000
"""VTE 0.50: the first with hyperlinks (GNOME Terminal and its kin)."""


def linked(environment: Mapping[str, str]) -> bool:
    """Say whether a terminal has hyperlinks: those are asked for that are known to, as FORCE_HYPERLINK allows.

    A terminal without them shows the text alone if it does what it should, and the address as rubbish if not.
    """
    wanted = environment.get("FORCE_HYPERLINK")
    if wanted:
        return wanted != "0"
    term = environment.get("TERM", "")
    if term == "dumb" or environment.get("CI"):
        return False
    version = environment.get("VTE_VERSION", "")
    return (
        environment.get("TERM_PROGRAM") in _PROGRAMS
        or term.startswith(_TERMINALS)
        or (version.isascii() and version.isdigit() and int(version) >= _VTE)
        or any(name in environment for name in ("WT_SESSION", "KONSOLE_VERSION", "DOMTERM"))
    )


def standard_output() -> IO[str]:
    """Return standard output.

    Raises:
        UsageError: It is closed.
    """
    stream: IO[str] | None = sys.stdout
    if stream is None or stream.closed:
        raise UsageError("standard output is closed: -o FILE writes to a file")
    return stream


def say(parts: Iterable[str], *, document: bool = False) -> None:
    """Write to standard output.

    Args:
        parts: What to write.
        document: Whether it is UTF-8 by what it says of itself, whatever the terminal can show.

    Raises:
        UsageError: It is closed or full.
    """
    stream = standard_output()
    try:
        for part in parts:
            _write(stream, part, document=document)
        stream.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise UsageError(f"standard output cannot be written: {error.strerror}") from error


def write_file(path: str, parts: Iterable[str]) -> None:
    """Write a file that is whole or as it was before, whatever happens meanwhile.

    Raises:
        UsageError: It cannot be written.
    """
    try:
        target = os.path.realpath(path)
        try:
            mode = os.stat(target).st_mode
        except FileNotFoundError:
            mode = None
        if mode is not None and not stat.S_ISREG(mode):
            # A device or a pipe is written to; there is nothing to put in its place.
            with open(path, "w", encoding="utf-8", errors="surrogateescape") as stream:  # noqa: PTH123
                stream.writelines(parts)
            return
        _replace(target, parts, stat.S_IMODE(mode) if mode is not None else None)
    except OSError as error:
        raise UsageError(f"{path}: cannot be written: {error.strerror}") from error


def _replace(target: str, parts: Iterable[str], mode: int | None) -> None:
    import tempfile

    descriptor, draft = tempfile.mkstemp(prefix=".machochain-", dir=os.path.dirname(target) or ".")
    try:
        with open(descriptor, "w", encoding="utf-8", errors="surrogateescape") as stream:  # noqa: PTH123
            stream.writelines(parts)
        if mode is None:
            mask = os.umask(0)
            os.umask(mask)
            mode = 0o666 & ~mask
        os.chmod(draft, mode)  # noqa: PTH101
        os.replace(draft, target)
    except BaseException:
        os.unlink(draft)
        raise


def _write(stream: IO[str], text: str, *, document: bool) -> None:
    try:
        stream.write(text)
    except UnicodeEncodeError:
        if document:
            # HTML, XML and the like are UTF-8 by what they say of themselves, whatever the terminal can show.
            stream.flush()
            stream.buffer.write(text.encode("utf-8", "surrogateescape"))  # type: ignore[attr-defined]
        else:
            stream.write(text.encode("ascii", "backslashreplace").decode())
