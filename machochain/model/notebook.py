"""Values as HTML, for notebooks: a table, every name harmless."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import Final

from machochain.model.paths import printable

MOST_ROWS: Final = 200
"""Rows that are shown before the rest is counted."""


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table; line breaks in a cell stay line breaks."""
    every = list(rows)
    lines = [_row("th", head), *(_row("td", row) for row in every[:MOST_ROWS])]
    if len(every) > MOST_ROWS:
        lines.append(_row("td", [f"and {len(every) - MOST_ROWS} more", *[""] * (len(head) - 1)]))
    return f"<table>{''.join(lines)}</table>"


MOST_BYTES: Final = 4 << 20
"""Of a page within a notebook: it is stored with it."""


def framed(page: str) -> str:
    """Return a page as part of a notebook, closed at first: a frame that shares nothing with what is around it.

    The frame may run the page's own script, but has no origin: it sees neither the notebook nor its cookies, and the
    page's policy lets it ask for nothing.
    """
    if len(page) > MOST_BYTES:
        return (
            "<p>The whole report is too large for a notebook: "
            "<code>open('report.html', 'w').write(machochain.render(report, 'html'))</code></p>"
        )
    return (
        "<details><summary>The whole report</summary>"
        f'<iframe sandbox="allow-scripts" width="100%" height="800" srcdoc="{escape(page, quote=True)}"></iframe>'
        "</details>"
    )


def _row(tag: str, cells: Sequence[str]) -> str:
    return f"<tr>{''.join(f'<{tag}>{_cell(text)}</{tag}>' for text in cells)}</tr>"


def _cell(text: str) -> str:
    return "<br>".join(escape(printable(line)) for line in text.split("\n"))
