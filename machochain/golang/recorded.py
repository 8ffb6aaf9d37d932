"""Flags that a program was linked with beside those in its sources, as its build information records them.

``CGO_LDFLAGS`` is the variable of the environment; ``-ldflags`` are options of one command. What ``#cgo`` lines and
pkg-config gave is not recorded (Go 1.27, ``cmd/go/internal/load``, ``setBuildInfo``).
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum

from machochain.golang.flags import RunPathFlag, parse_ldflags
from machochain.golang.words import split_variable
from machochain.model.errors import UsageError
from machochain.model.go import GoBuildInfo
from machochain.model.value import frozen


class FlagOrigin(Enum):
    """Where a recorded flag comes from."""

    ENVIRONMENT = "environment"
    FLAGS = "flags"


@frozen
class RecordedRunPath:
    """One run path that a variable or option gave.

    Attributes:
        path: Its text.
        origin: Which of the two.
    """

    path: str
    origin: FlagOrigin


def recorded_run_paths(build: GoBuildInfo) -> tuple[RecordedRunPath, ...]:
    """Return the run paths the recorded flags give, in link order; none for values that cannot be split."""
    return tuple(_run_paths(build))


def recorded_link_words(build: GoBuildInfo) -> tuple[str, ...]:
    """Return the words ``-ldflags`` has for the host's linker (``-extldflags``); none if they cannot be split."""
    return tuple(word for name, value in _linker_options(build) if name == "-extldflags" for word in _words(value))


def recorded_tags(build: GoBuildInfo) -> tuple[str, ...]:
    """Return the tags a program was built with."""
    return tuple(tag for tag in (build.setting("-tags") or "").replace(" ", ",").split(",") if tag)


def _run_paths(build: GoBuildInfo) -> Iterator[RecordedRunPath]:
    for each in parse_ldflags(_words(build.setting("CGO_LDFLAGS") or "")):
        if isinstance(each, RunPathFlag):
            yield RecordedRunPath(each.path, FlagOrigin.ENVIRONMENT)
    for name, value in _linker_options(build):
        if name == "-r" and value:
            yield RecordedRunPath(value, FlagOrigin.FLAGS)
        elif name == "-extldflags":
            for each in parse_ldflags(_words(value)):
                if isinstance(each, RunPathFlag):
                    yield RecordedRunPath(each.path, FlagOrigin.FLAGS)


def _linker_options(build: GoBuildInfo) -> Iterator[tuple[str, str]]:
    """Yield (option, value) of ``-r`` and ``-extldflags`` in ``-ldflags``."""
    words = list(_words(build.setting("-ldflags") or ""))
    while words:
        word = words.pop(0)
        # The flag package takes one dash or two.
        name, equals, value = word.replace("--", "-", 1).partition("=")
        if name not in ("-r", "-extldflags"):
            continue
        if not equals:
            value = words.pop(0) if words else ""
        yield name, value


def _words(text: str) -> tuple[str, ...]:
    try:
        return split_variable(text)
    except UsageError:
        return ()
