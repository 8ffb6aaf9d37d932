"""Errors that mean "we cannot look". A broken binary is a finding, never one of these."""

from __future__ import annotations

from collections.abc import Iterable


class MachochainError(Exception):
    """Base of every error this package raises on purpose."""


class UsageError(MachochainError):
    """The request itself makes no sense (bad option, version outside what is known)."""


class InputError(MachochainError):
    """Bytes that were asked for cannot be read as what they should be.

    Attributes:
        path: The file as the user or the model names it; None while only bytes are known.
        offset: Byte offset inside the file at which reading failed; None if the whole file is meant.
        part: Which slice or archive member it was, e.g. ``"slice arm64"``; None for the file itself.
        reason: What is wrong, one sentence without a full stop.
        errno: The error number of the system call that failed; 0 if the bytes were read and are wrong.
    """

    def __init__(
        self,
        reason: str,
        *,
        path: str | None = None,
        offset: int | None = None,
        part: str | None = None,
        errno: int = 0,
    ) -> None:
        """Keep the facts apart from the words: renderers decide how to say them."""
        self.reason = reason
        self.path = path
        self.offset = offset
        self.part = part
        self.errno = errno
        super().__init__(reason)

    def at(self, path: str | None = None, *, part: str | None = None) -> InputError:
        """Return the same error with the file or part filled in where it was not known yet."""
        return type(self)(
            self.reason, path=self.path or path, offset=self.offset, part=self.part or part, errno=self.errno
        )

    def __str__(self) -> str:
        """Word the error as ``file: part: reason (offset N)``."""
        text = ": ".join(x for x in (self.path, self.part, self.reason) if x)
        return text if self.offset is None else f"{text} (at offset {self.offset:#x})"


def guess(text: str, known: Iterable[str]) -> str:
    """Return ``; did you mean 'name'?`` for a word that is near a known one; nothing for any other."""
    from difflib import get_close_matches  # noqa: PLC0415  # most runs make no mistake

    near = get_close_matches(text, list(known), 1)
    return f"; did you mean {near[0]!r}?" if near else ""


def is_loss(error: BaseException) -> bool:
    """Whether what an executor raises says that the process of a task is gone, not what the task itself came to.

    What Dask and Ray raise is no ``BrokenExecutor``, and neither is imported to be asked.
    """
    from concurrent.futures import BrokenExecutor  # noqa: PLC0415  # asked only where something is lost

    return isinstance(error, BrokenExecutor) or type(error).__name__ in {"KilledWorker", "WorkerCrashedError"}
