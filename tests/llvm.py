"""LLVM's tools as second readers: found on this machine, and only if they are new enough to read what we read."""

from __future__ import annotations

import re
import shutil
import subprocess
from functools import cache
from typing import Final

OLDEST: Final = 19
"""The release the comparisons were written against; older ones do not know ``--chained-fixups``."""


@cache
def llvm(name: str) -> str | None:
    """Return a tool of LLVM by this name, or None if there is none of `OLDEST` or newer."""
    for found in map(shutil.which, (f"{name}-{OLDEST}", name)):
        if found is None:
            continue
        told = subprocess.run([found, "--version"], capture_output=True, text=True, check=False).stdout
        version = re.search(r"LLVM version (\d+)", told)
        if version is not None and int(version[1]) >= OLDEST:
            return found
    return None
