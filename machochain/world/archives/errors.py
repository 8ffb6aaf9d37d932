"""Why an archive cannot be looked into. Each is an `InputError`; a plain one means damage."""

from __future__ import annotations

from machochain.model.artifact import UnopenedReason
from machochain.model.errors import InputError


class OverLimitError(InputError):
    """It costs more than it may."""


class TooDeepError(InputError):
    """It lies in more archives than are opened."""


class EncryptedError(InputError):
    """It is encrypted, and no password is asked for."""


class NotReadError(InputError):
    """Its format is known, but nothing here reads it."""


class NeedsLibraryError(InputError):
    """A library that would read it is not installed."""


def reason_of(error: InputError) -> UnopenedReason:
    """Return the reason an error stands for."""
    match error:
        case OverLimitError():
            return UnopenedReason.OVER_LIMIT
        case TooDeepError():
            return UnopenedReason.TOO_DEEP
        case EncryptedError():
            return UnopenedReason.ENCRYPTED
        case NotReadError():
            return UnopenedReason.NOT_READ
        case NeedsLibraryError():
            return UnopenedReason.NEEDS_LIBRARY
    return UnopenedReason.DAMAGED
