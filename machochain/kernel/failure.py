"""Why the kernel stops, as a value: the rule, and how the failure travels back to the caller."""

from __future__ import annotations

from enum import Enum
from typing import Final

from machochain.model.execution import Cause, Certainty, ExecRule, ExitReason, Namespace
from machochain.model.value import frozen
from machochain.model.version import Version

ENOEXEC: Final = 8
EBADARCH: Final = 86
EBADMACHO: Final = 88


class LoadReturn(Enum):
    """``load_return_t``; the value is the errno it becomes (``load_return_to_errno``, ``bsd/kern/kern_exec.c``)."""

    BADMACHO = 88
    FAILURE = 85
    NOSPACE = 12
    DECRYPTFAIL = 80
    INVALID = 22


@frozen
class Failure:
    """What is wrong and how it ends.

    Attributes:
        rule: The rule.
        cause: What is behind it.
        ends: An errno of ``execve`` itself, a failed load, or the reason of a SIGKILL by policy.
        why: One clause without a full stop.
        command_index: The load command, or None.
        subject: What it is about, or None.
        since: First release with the rule, or None for all.
        until: First release without it, or None.
        certainty: What the rule rests on.
        unknown: Whether nobody can tell that it fails; ``why`` then says what is not known.
        page: Whether the process dies only when the page is touched.
    """

    rule: ExecRule
    cause: Cause
    ends: int | LoadReturn | ExitReason
    why: str
    command_index: int | None = None
    subject: str | None = None
    since: Version | None = None
    until: Version | None = None
    certainty: Certainty = Certainty.SOURCE
    unknown: bool = False
    page: bool = False


def refused(
    rule: ExecRule, cause: Cause, errno: int, why: str, *, subject: str | None = None, since: Version | None = None
) -> Failure:
    """Return a refusal before the point of no return."""
    return Failure(rule, cause, errno, why, subject=subject, since=since)


# bsd/sys/reason.h
BAD_MACHO: Final = ExitReason(Namespace.EXEC, 1, "bad Mach-O", crash_report=False)
SECURITY_POLICY: Final = ExitReason(Namespace.EXEC, 8, "security policy", crash_report=False)
FAIRPLAY: Final = ExitReason(Namespace.EXEC, 10, "FairPlay decryption", crash_report=False)
UPX: Final = ExitReason(
    Namespace.EXEC,
    12,
    "This UPX compressed binary contains an invalid Mach-O header and cannot be loaded.",
    crash_report=True,
)
WRONG_PLATFORM: Final = ExitReason(Namespace.EXEC, 14, "wrong platform", crash_report=True)
INVALID_SIGNATURE: Final = ExitReason(Namespace.CODESIGNING, 1, "Taskgated Invalid Signature", crash_report=True)
INVALID_PAGE: Final = ExitReason(Namespace.CODESIGNING, 2, "Invalid Page", crash_report=True)
CONSTRAINT: Final = ExitReason(Namespace.CODESIGNING, 4, "Launch Constraint Violation", crash_report=True)
