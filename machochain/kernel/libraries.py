"""May a process map a library: what the kernel answers dyld's F_CHECK_LV (AMFI's library validation).

AMFI is not published; the texts are those of logs.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any, Final

from machochain.kernel.policy import ENFORCEMENT, FORCED_LV, HARD, KILL, REQUIRE_LV, RUNTIME
from machochain.model.execution import Validation
from machochain.model.value import frozen

NO_VALIDATION: Final = "com.apple.security.cs.disable-library-validation"
DEBUGGED: Final = "com.apple.security.get-task-allow"


class MapRefusal(Enum):
    """Why a library may not be mapped; values are the kernel's words."""

    DIFFERENT_TEAMS = "mapping process and mapped file (non-platform) have different Team IDs"
    UNSIGNED = "mapped file has no cdhash, completely unsigned? Code has to be at least ad-hoc signed."


@frozen
class LibrarySignature:
    """A library's signature as the kernel sees it.

    Attributes:
        valid: Whether the kernel takes it.
        team_id: Its team, or None.
        apple: Whether it may be Apple's own.
    """

    valid: bool
    team_id: str | None = None
    apple: bool = False


def validation_of(
    flags: int, entitlements: Mapping[str, Any], team_id: str | None, *, native_arm64: bool, signed: bool
) -> Validation:
    """Return what a process demands.

    Args:
        flags: Flags of its code directory.
        entitlements: Its entitlements.
        team_id: Its team, or None.
        native_arm64: Whether it is arm64 code that is not translated.
        signed: Whether the kernel takes its signature.
    """
    if not signed:
        return Validation()
    team: bool | None = bool(flags & (RUNTIME | REQUIRE_LV | FORCED_LV))
    if entitlements.get(NO_VALIDATION) is True:
        team = False
    elif team and entitlements.get(DEBUGGED) is True:
        team = None
    kills = native_arm64 or bool(flags & (HARD | KILL | ENFORCEMENT | RUNTIME))
    return Validation(team, team_id, signed=native_arm64 or team is True, kills=kills)


def refusal(validation: Validation, library: LibrarySignature) -> MapRefusal | None:
    """Return why the kernel does not let a process map a library; None if it does, or nobody knows."""
    if not library.valid:
        return MapRefusal.UNSIGNED if validation.signed else None
    if library.apple or validation.team is not True:
        return None
    if validation.team_id is None or library.team_id != validation.team_id:
        return MapRefusal.DIFFERENT_TEAMS
    return None
