"""How text for people is written: colours, box characters, width, how much."""

from __future__ import annotations

from attrs import frozen

_COLOURS = {"good": "32", "bad": "31", "doubt": "33", "dim": "2", "bold": "1"}


@frozen
class Style:
    """How to write.

    Attributes:
        colour: Whether to use ANSI colours.
        unicode: Whether box characters may be used.
        width: Columns to wrap prose at; paths and dyld's words are never broken.
        verbose: 0 folds OS libraries and processes that launch; 1 shows them; 2 shows every path tried.
    """

    colour: bool = False
    unicode: bool = True
    width: int = 80
    verbose: int = 0

    @classmethod
    def of_terminal(cls, *, colour: bool, unicode: bool, verbose: int) -> Style:
        """Take the width of the terminal, at most 120 columns."""
        import shutil  # noqa: PLC0415  # brings what compresses archives

        return cls(colour, unicode, min(shutil.get_terminal_size((80, 24)).columns, 120), verbose)

    def paint(self, text: str, kind: str) -> str:
        """Colour a text if colours are on."""
        return f"\x1b[{_COLOURS[kind]}m{text}\x1b[0m" if self.colour else text

    @property
    def guides(self) -> tuple[str, str, str, str]:
        """Branch, last branch, line down, nothing."""
        return ("├─ ", "└─ ", "│  ", "   ") if self.unicode else ("|- ", "`- ", "|  ", "   ")

    @property
    def arrow(self) -> str:
        """Between a load path and what serves it."""
        return "→" if self.unicode else "->"
