"""Values that were shortened by whoever pasted them: they may be shown, and prove nothing."""

from __future__ import annotations

import re
from typing import Final

_ELIDED: Final = re.compile(
    r"\.{3,}|\u2026|<(?:\.\.\.|(?!no uuid>|[0-9A-Fa-f]{8}-)[A-Za-z][\w .-]{1,40})>|\[\.\.\.\]"
    r"|\[[\w -]{0,40}(?:path|folder|repo|redacted|user|project|dir|home|snip|name)[\w -]{0,40}\]"
    r"|\*{3,}|/\*/|/\*$|(?:^|/)[Xx]{3,}(?:/|$)"
)


def is_elided(value: str | None) -> bool:
    """Whether parts of a value were left out by whoever pasted it, or by the crash reporter."""
    return bool(value) and _ELIDED.search(value or "") is not None
