"""What the text of a run path alone shows."""

from __future__ import annotations

from machochain.dyld.atpaths import starts_with_variable


def is_misspelt(text: str) -> bool:
    """Whether a run path cannot mean what its author meant; nothing more need be said about it then."""
    return "$ORIGIN" in text or "${ORIGIN}" in text or ":" in text or not (text.startswith("/") or _expands(text))


def _expands(text: str) -> bool:
    return starts_with_variable(text, "@loader_path") or starts_with_variable(text, "@executable_path")


def without_origin(text: str) -> str:
    """Return a run path of ELF in dyld's words."""
    return text.replace("${ORIGIN}", "@loader_path").replace("$ORIGIN", "@loader_path")
