"""What happens to a message between the terminal that printed it and the place it is pasted into."""

from __future__ import annotations

import textwrap
from collections.abc import Callable


def quoted(text: str) -> str:
    return "\n".join("> " + line for line in text.split("\n"))


def fenced(text: str) -> str:
    return f"I get this on my Mac:\n\n```console\n$ ./tool --help\n{text}\n```\n\nAny idea?\n"


def indented(text: str) -> str:
    return "\n".join("    " + line for line in text.split("\n"))


def crlf(text: str) -> str:
    return text.replace("\n", "\r\n") + "\r\n"


def coloured(text: str) -> str:
    return "\n".join(f"\x1b[31m{line}\x1b[0m" for line in text.split("\n"))


def stamped(text: str) -> str:
    return "\n".join(f"2025-03-01T12:00:{i % 60:02}.1234567Z {line}" for i, line in enumerate(text.split("\n")))


def service(text: str) -> str:
    return "\n".join(f"app_1  | {line}" for line in text.split("\n"))


def in_shell(text: str) -> str:
    return f"user@mac ~ % ./tool\n{text}\nzsh: abort      ./tool\nuser@mac ~ % \n"


def in_go_test(text: str) -> str:
    return f"=== RUN   TestX\n{text}\nsignal: abort trap\nFAIL\texample.com/x\t0.123s\nFAIL\n"


def hard_wrapped(text: str, width: int = 80) -> str:
    """A terminal of 80 columns whose screen was copied."""
    lines = []
    for line in text.split("\n"):
        lines += [line[i : i + width] for i in range(0, len(line), width)] or [""]
    return "\n".join(lines)


def soft_wrapped(text: str, width: int = 80) -> str:
    """A mail program that breaks at blanks and leaves long words alone."""
    lines = []
    for line in text.split("\n"):
        lines += textwrap.wrap(
            line,
            width,
            break_long_words=False,
            break_on_hyphens=False,
            drop_whitespace=True,
            expand_tabs=False,
            replace_whitespace=False,
        ) or [""]
    return "\n".join(lines)


NOISES: dict[str, Callable[[str], str]] = {
    "quoted": quoted,
    "fenced": fenced,
    "indented": indented,
    "crlf": crlf,
    "coloured": coloured,
    "stamped": stamped,
    "service": service,
    "in_shell": in_shell,
    "in_go_test": in_go_test,
    "hard_wrapped": hard_wrapped,
    "soft_wrapped": soft_wrapped,
}
