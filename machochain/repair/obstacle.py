"""Why a file is left as it is."""

from __future__ import annotations

from enum import Enum
from typing import Final

from machochain.model.errors import MachochainError
from machochain.model.value import frozen


class ObstacleKind(Enum):
    """What stands against an edit or a signature."""

    MALFORMED = "malformed"
    BYTE_ORDER = "byte-order"
    FILE_TYPE = "file-type"
    ENCRYPTED = "encrypted"
    NO_ROOM = "no-room"
    GAP_IN_USE = "gap-in-use"
    ABSENT = "absent"
    WOULD_REPEAT = "would-repeat"
    WRITABLE_CONSTANTS = "writable-constants"
    TRAILING_DATA = "trailing-data"
    UNIVERSAL_LAYOUT = "universal-layout"
    SIGNED_BY_OTHERS = "signed-by-others"
    BROKEN_SIGNATURE = "broken-signature"
    UNUSUAL_SIGNATURE = "unusual-signature"
    RESTRICTED_ENTITLEMENTS = "restricted-entitlements"
    SIZE = "size"
    MODE = "mode"
    CONTAINER = "container"
    WOULD_HARM = "would-harm"


_WORDS: Final = {
    ObstacleKind.MALFORMED: "is malformed: {subject}",
    ObstacleKind.BYTE_ORDER: "is big-endian, which is not edited",
    ObstacleKind.FILE_TYPE: "is of a type that is not edited: {subject}",
    ObstacleKind.ENCRYPTED: "is encrypted",
    ObstacleKind.NO_ROOM: "has no room for larger load commands: {amount} bytes are missing; link it with "
    "-Wl,-headerpad_max_install_names (or a larger -headerpad)",
    ObstacleKind.GAP_IN_USE: "keeps data in the gap behind its load commands",
    ObstacleKind.ABSENT: "has no {subject}",
    ObstacleKind.WOULD_REPEAT: "would have {subject} twice",
    ObstacleKind.WRITABLE_CONSTANTS: "has a section in __DATA_CONST that is written to later: {subject}",
    ObstacleKind.TRAILING_DATA: "has {amount} bytes behind its last segment, which no signature can cover",
    ObstacleKind.UNIVERSAL_LAYOUT: "is laid out as no linker does: {subject}",
    ObstacleKind.SIGNED_BY_OTHERS: "is signed by {subject}; an edit breaks that signature",
    ObstacleKind.BROKEN_SIGNATURE: "was changed after it was signed: page {amount} is not what was signed",
    ObstacleKind.UNUSUAL_SIGNATURE: "has a signature that is not made anew: {subject}",
    ObstacleKind.RESTRICTED_ENTITLEMENTS: "asks for what only a provisioning profile grants: {subject}",
    ObstacleKind.SIZE: "is larger than what is edited ({amount} bytes)",
    ObstacleKind.MODE: "is setuid or setgid",
    ObstacleKind.WOULD_HARM: "would fare worse: {subject} would not be found where it is found now",
    ObstacleKind.CONTAINER: "lies in an archive that is not written anew: {subject}",
}


@frozen
class Obstacle:
    """One reason why something was not changed.

    Attributes:
        kind: Which.
        subject: What it is about: a name, a path, a team.
        amount: Bytes, or the number of a page.
        arch: The slice, if it is about one.
    """

    kind: ObstacleKind
    subject: str = ""
    amount: int = 0
    arch: str | None = None

    @property
    def text(self) -> str:
        """The reason as what follows the name of the file."""
        words = _WORDS[self.kind].format(subject=self.subject, amount=self.amount)
        return f"({self.arch}) {words}" if self.arch else words


class RepairError(MachochainError):
    """A file, or a part of it, is left as it is."""

    def __init__(self, obstacle: Obstacle) -> None:
        super().__init__(obstacle.text)
        self.obstacle = obstacle


def refuse(kind: ObstacleKind, subject: str = "", amount: int = 0) -> RepairError:
    """Return the error that leaves a file as it is."""
    return RepairError(Obstacle(kind, subject, amount))
