"""Text in a page: every name comes from a file that nobody trusts."""

from __future__ import annotations

import html
import re

from machochain.model.paths import printable


def h(text: str) -> str:
    """Return text that can be neither markup nor control: for element content and quoted attributes."""
    return html.escape(printable(text), quote=True)


def inline(text: str) -> str:
    """Return a sentence of the catalogue, where backticks enclose code."""
    return re.sub("`([^`]+)`", r"<code>\1</code>", h(text))
