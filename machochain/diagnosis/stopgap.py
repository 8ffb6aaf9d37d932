"""What a user can do about a load path of another machine, until there is a better build."""

from __future__ import annotations

from typing import Final

from machochain.diagnosis.anew import anew_of
from machochain.diagnosis.names import bare_name
from machochain.diagnosis.packages import formula_for
from machochain.model.evidence import Evidence
from machochain.model.paths import leaf, printable

_PREFIXES: Final = ("/opt/homebrew/", "/usr/local/", "/opt/local/", "/opt/X11/", "/Library/", "/usr/lib/", "/sw/")
"""Folders that packages install into, on every Mac the same."""


def is_prefix(library: str) -> bool:
    """Whether a library lies in a folder that packages install into, on every Mac the same."""
    return library.startswith(_PREFIXES)


def stop_gap(e: Evidence, install: str) -> str:
    """Say what a user can do about a path of another machine: to install there helps where packages do install."""
    library = e.library or ""
    if "/Cellar/" in library or "/Contents/Frameworks/" in (e.referenced_from or ""):
        return "as a user: take another build of the program: this path is of one version, on another machine"
    if not is_prefix(library):
        return (
            f"as a user: take a newer release, for the folder is one of the machine it was built on{_or_built_here(e)}"
        )
    if library.startswith("/opt/local/"):
        install = f"sudo port install PORT, the one that brings {printable(leaf(library))}"
    elif library.startswith(("/usr/local/lib/", "/opt/homebrew/lib/")) and (known := formula_for(bare_name(library))):
        install = f"brew install {known}"
    return f"as a user, a stop-gap: {install}{_or_built_here(e)}"


def _or_built_here(e: Evidence) -> str:
    anew = anew_of(e.referenced_from or "")
    return f"; or build here what asks: {anew}" if anew else ""
