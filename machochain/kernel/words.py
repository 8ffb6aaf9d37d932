"""The words with which launchers tell of what the kernel did: the one place where they are made."""

from __future__ import annotations

from typing import Final

_STRERROR: Final = {
    8: "Exec format error",
    12: "Cannot allocate memory",
    13: "Permission denied",
    22: "Invalid argument",
    80: "Authentication error",
    85: "Bad executable (or shared library)",
    86: "Bad CPU type in executable",
    88: "Malformed Mach-o file",
}
"""``strerror`` of macOS (xnu ``bsd/man/man2/intro.2``)."""


def errno_text(errno: int) -> str:
    """Return what ``strerror`` says on macOS."""
    return _STRERROR.get(errno, f"Unknown error: {errno}")


def refused_text(errno: int, name: str) -> str:
    """Return what zsh prints where ``execve`` fails; it lowers the first letter unless the word goes on in capitals."""
    text = errno_text(errno)
    return f"zsh: {text[0].lower()}{text[1:]}: {name}"


def killed_text(name: str) -> str:
    """Return what zsh prints of a program that ended by SIGKILL."""
    return f"zsh: killed     {name}"


def spawn_text(errno: int) -> str:
    """Return the number and the words that ``posix_spawn`` hands to its caller."""
    return f"posix_spawn: error {errno} ({errno_text(errno)})"


SPAWN_KILLED: Final = "posix_spawn succeeds; the process ends by SIGKILL before its first instruction"
SPAWN_KILLED_LATER: Final = "posix_spawn succeeds; the process ends by SIGKILL when it touches the page"
