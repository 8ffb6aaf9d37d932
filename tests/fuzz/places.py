"""Where inputs that must be files are put."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path

_KEPT: list[tempfile.TemporaryDirectory[str]] = []


@cache
def scratch() -> Path:
    """A directory of this process, gone at its end."""
    folder = tempfile.TemporaryDirectory(prefix="machochain-fuzz-")
    _KEPT.append(folder)
    return Path(folder.name).resolve()
