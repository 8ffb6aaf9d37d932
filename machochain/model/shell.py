"""Words of commands that people copy into a shell: whatever a name holds, the shell takes it for that name."""

from __future__ import annotations

import re
from typing import Final

_PLAIN: Final = r"[\w@%+=:,./ -]*"
"""What means nothing to a shell between double quotes."""
_SPLITS: Final = r"[\s'\"]"


def quoted(text: str) -> str:
    """Return a word for a shell: POSIX, but for names that cannot be printed, which bash and zsh read as bytes."""
    if text.isprintable():
        import shlex  # noqa: PLC0415  # what launches proposes nothing

        return shlex.quote(text)
    raw = text.encode("utf-8", "surrogateescape")
    return "$'" + "".join(chr(b) if 0x20 <= b < 0x7F and b not in b"'\\" else f"\\x{b:02x}" for b in raw) + "'"


def is_plain(text: str) -> bool:
    """Whether nothing in a text means anything to a shell between double quotes."""
    return re.fullmatch(_PLAIN, text) is not None


def file_word(path: str) -> str:
    """Return a file as a word that no command takes for an option."""
    return quoted(f"./{path}" if path.startswith("-") else path)


def flags_word(*flags: str) -> str:
    """Return flags as one word, as cmd/go splits ``CGO_LDFLAGS`` again (Go 1.27, ``cmd/internal/quoted``)."""
    text = " ".join(go_word(flag) for flag in flags)
    return f'"{text}"' if re.fullmatch(_PLAIN, text) else quoted(text)


def more_ldflags(*flags: str) -> str:
    """Return an assignment that adds flags to ``CGO_LDFLAGS`` and keeps those that are set: it replaces them all."""
    word = flags_word(*flags)
    kept = f'"$CGO_LDFLAGS {word[1:]}' if word.startswith('"') else f'"$CGO_LDFLAGS "{word}'
    return f"CGO_LDFLAGS={kept}"


def go_word(flag: str) -> str:
    """Return a flag as cmd/go reads it: quotes protect spaces and each other, and nothing protects both."""
    if not re.search(_SPLITS, flag):
        return flag
    return f'"{flag}"' if "'" in flag else f"'{flag}'"
