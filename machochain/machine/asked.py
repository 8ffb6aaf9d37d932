"""What a module asks of a Mac besides what is recorded of every Mac: directories its flags name, ``.pc`` files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from machochain.model.value import frozen
from machochain.source.values import FlagWord, SourceReport

_DIRECTORY_FLAGS: Final = ("-I", "-L", "-F")


@frozen
class Asked:
    """What to record for a module.

    Attributes:
        directories: Absolute paths whose names are recorded.
        packages: What pkg-config is asked for; the texts of these ``.pc`` files, and of those they require.
    """

    directories: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()


NOTHING: Final = Asked()


def asked_of(report: SourceReport, module: str) -> Asked:
    """Return what a module names with ``#cgo`` lines and variables; what lies in the module is not of the Mac.

    Args:
        report: What its sources say.
        module: Its directory on this machine.
    """
    packages = [facts for found in report.packages.values() for facts in found.values()]
    words = [word for facts in packages for name, each in facts.words.items() if name != "pkg-config" for word in each]
    named = [word.text for facts in packages for word in facts.words.get("pkg-config", ())]
    inside = f"{module.rstrip('/')}/"
    directories = (path for path in _directories(words) if not f"{path}/".startswith(inside))
    return Asked(
        tuple(sorted(dict.fromkeys(directories))),
        tuple(sorted({name for name in named if name[:1] not in ("-", "<", ">", "=", "!", "")})),
    )


def _directories(words: Sequence[FlagWord]) -> Iterator[str]:
    texts = [word.text for word in words]
    for number, text in enumerate(texts):
        path = text[2:] if text[:2] in _DIRECTORY_FLAGS else ""
        if text in _DIRECTORY_FLAGS:
            path = texts[number + 1] if number + 1 < len(texts) else ""
        if path.startswith("/"):
            yield path.rstrip("/") or "/"


def quoted(names: Iterable[str]) -> str:
    """Return names as words of a POSIX shell."""
    return " ".join("'" + name.replace("'", "'\\''") + "'" for name in names)
