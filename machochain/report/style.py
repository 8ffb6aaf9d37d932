"""How text for people is written: colours, box characters, width, how much."""

from __future__ import annotations

import re
from typing import Final

from machochain.model.value import frozen

_ADDRESS: Final = re.compile(r"(?:https?|file)://[!-~]{1,2000}")
_COLOURS = {"good": "32", "bad": "31", "doubt": "33", "dim": "2", "bold": "1"}


@frozen
class Style:
    """How to write.

    Attributes:
        colour: Whether to use ANSI colours.
        unicode: Whether box characters may be used.
        width: Columns to wrap prose at; paths and dyld's words are never broken.
        verbose: 0 folds OS libraries and processes that launch; 1 shows them; 2 shows every path tried.
        links: Whether the terminal has hyperlinks (OSC 8).
    """

    colour: bool = False
    unicode: bool = True
    width: int = 80
    verbose: int = 0
    links: bool = False

    @classmethod
    def of_terminal(cls, *, colour: bool, unicode: bool, verbose: int, links: bool = False) -> Style:
        """Take the width of the terminal, at most 120 columns."""
        import shutil  # noqa: PLC0415  # brings what compresses archives

        return cls(colour, unicode, min(shutil.get_terminal_size((80, 24)).columns, 120), verbose, links)

    def paint(self, text: str, kind: str) -> str:
        """Colour a text if colours are on."""
        return f"\x1b[{_COLOURS[kind]}m{text}\x1b[0m" if self.colour else text

    def link(self, text: str, url: str | None) -> str:
        """Make a text a hyperlink where the terminal has them and the address is one.

        https://gist.github.com/egmontkob/eb114294efbcd5adb1944c9f3cb5feda: printable ASCII only, so no address can
        end the sequence or begin another.
        """
        if not self.links or not url:
            return text
        if not _ADDRESS.fullmatch(url):
            url = _in_checkout(url)
        if url is None:
            return text
        return f"\x1b]8;;{url}\x1b\\{text}\x1b]8;;\x1b\\"

    def file(self, text: str, path: str) -> str:
        """Make a text a link to a file of this machine."""
        return self.link(text, file_url(path)) if self.links else text

    def wrap(self, label: str, kind: str, text: str, *, url: str | None = None, more: str = "  ") -> list[str]:
        """Return the lines of a paragraph that begins with a label, which alone is coloured and linked."""
        import textwrap  # noqa: PLC0415  # few write prose

        lines = textwrap.wrap(
            f"{label} {text}", self.width, subsequent_indent=more, break_long_words=False, break_on_hyphens=False
        )
        return [self.link(self.paint(label, kind), url) + lines[0].removeprefix(label), *lines[1:]]

    @property
    def guides(self) -> tuple[str, str, str, str]:
        """Branch, last branch, line down, nothing."""
        return ("├─ ", "└─ ", "│  ", "   ") if self.unicode else ("|- ", "`- ", "|  ", "   ")

    @property
    def arrow(self) -> str:
        """Between a load path and what serves it."""
        return "→" if self.unicode else "->"


def _in_checkout(path: str) -> str | None:
    """Return the address of a page of the documentation that lies beside the program, as it does in its sources."""
    from pathlib import Path  # noqa: PLC0415  # only terminals with links

    place = Path(__file__).parents[2] / path
    return file_url(str(place)) if path.startswith("docs/") and ".." not in path and place.is_file() else None


def file_url(path: str) -> str:
    """Return the address of a file of this machine, with its name as terminals ask for it."""
    import os  # noqa: PLC0415
    from urllib.parse import quote  # noqa: PLC0415  # only terminals with links

    host = os.uname().nodename if hasattr(os, "uname") else ""
    place = os.path.abspath(path).replace(os.sep, "/")  # noqa: PTH100  # surrogates as the user wrote them
    return f"file://{quote(host)}/{quote(place.lstrip('/').encode('utf-8', 'surrogateescape'))}"
