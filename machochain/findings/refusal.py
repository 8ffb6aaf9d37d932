"""Which rule a refusal of dyld belongs to: why a file that lies at a path, or an image, does not serve."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from machochain.model.image import Question
from machochain.model.search import Objection, ObjectionKind

BY_QUESTION: Final[Mapping[Question, str]] = MappingProxyType(
    {
        Question.ALWAYS: "MC308",
        Question.HAS_UUID: "MC301",
        Question.NO_DUPLICATE_RPATHS: "MC302",
        Question.NO_DUPLICATE_DYLIBS: "MC303",
        Question.HAS_LINKED_DYLIBS: "MC304",
        Question.TEXT_PERMISSIONS: "MC305",
        Question.READ_ONLY_LINKEDIT: "MC305",
        Question.DATA_PERMISSIONS: "MC305",
        Question.DATA_CONST_PERMISSIONS: "MC305",
        Question.DATA_CONST_READ_ONLY: "MC306",
        Question.SECTIONS_IN_SEGMENT: "MC307",
        Question.UNIQUE_SEGMENT_NAMES: "MC307",
        Question.SEGMENT_ORDER: "MC307",
        Question.MAIN_FLAGS: "MC310",
    }
)

_BY_KIND: Final[Mapping[ObjectionKind, str]] = MappingProxyType(
    {
        ObjectionKind.UNIVERSAL: "MC309",
        ObjectionKind.WRONG_ARCHITECTURE: "MC103",
        ObjectionKind.WRONG_PLATFORM: "MC104",
        ObjectionKind.WRONG_FILE_TYPE: "MC105",
        ObjectionKind.RELATIVE_PATH: "MC108",
        ObjectionKind.PROTECTED: "MC108",
        ObjectionKind.STAT_FAILED: "MC107",
        ObjectionKind.OPEN_FAILED: "MC107",
        ObjectionKind.NOT_A_FILE: "MC106",
        ObjectionKind.EMPTY: "MC106",
        ObjectionKind.NOT_MACH_O: "MC106",
        ObjectionKind.SIGNATURE: "MC521",
        ObjectionKind.UNSIGNED: "MC501",
    }
)


OF_SIGNATURES: Final = frozenset({ObjectionKind.SIGNATURE, ObjectionKind.UNSIGNED})
"""Refusals of the kernel: what is said about them is said of the library, not of who loads it."""


def rule_of(objection: Objection) -> str:
    """Return the rule for a file that dyld refused."""
    if objection.kind is ObjectionKind.MALFORMED:
        return BY_QUESTION[objection.question]
    return _BY_KIND.get(objection.kind, "MC308")
