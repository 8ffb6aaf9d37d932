"""Words that rules share."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from machochain.model.paths import printable

SHOWN: Final = 3
"""Names that a message has; the evidence has all."""


def symbol_names(symbols: Iterable[str]) -> str:
    """Name the first of some symbols, each once, and count the rest."""
    return names(list(dict.fromkeys(symbols)))


def names(texts: Sequence[str]) -> str:
    """Name the first of some things and count the rest."""
    shown = ", ".join(printable(text) for text in texts[:SHOWN])
    return shown + (f" and {len(texts) - SHOWN} more" if len(texts) > SHOWN else "")
