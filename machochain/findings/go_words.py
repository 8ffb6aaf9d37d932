"""What to tell whoever builds with Go."""

from __future__ import annotations

import re

from machochain.findings.remedies import advice, command
from machochain.model.remedy import Remedy

_WRITES_UUID = 24
"""Go 1.24 is the first whose own linker writes LC_UUID (cmd/link/internal/ld/macho.go)."""


def minor_of(release: str | None) -> int | None:
    """Return the ``26`` of ``go1.26.5``; None for what is no release."""
    match = re.match(r"go1\.(\d+)", release or "")
    return int(match.group(1)) if match else None


def uuid_remedy(release: str | None) -> tuple[Remedy, ...]:
    """Return how a program that Go links gets a UUID.

    Args:
        release: The Go that made it, if that is known.
    """
    minor = minor_of(release)
    external = command("go build -ldflags=-linkmode=external", also=True)
    if minor is None:
        return (advice("build with Go 1.24 or newer, and without -buildid= in -ldflags"), external)
    if minor < _WRITES_UUID:
        return (advice("build with Go 1.24 or newer"), external)
    return (advice("build without -buildid= in -ldflags"), external)
