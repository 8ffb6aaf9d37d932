"""Many findings alike in one image are told one by one up to a number, and the rest as one with its count."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from machochain.findings.draft import Draft
from machochain.model.paths import leaf, printable
from machochain.model.result import Confidence
from machochain.model.value import evolve

MOST_ALIKE: Final = 1000
"""Findings of one rule about one image. No image of numpy, scipy, vtk or PySide6 has more than 48."""


def folded(drafts: Sequence[Draft]) -> Sequence[Draft]:
    """Return the drafts, those of one rule about one image beyond `MOST_ALIKE` as one that has the worst severity.

    Its subject changes with what it stands for: a baseline that knows it does not know another.
    """
    if len(drafts) <= MOST_ALIKE:
        return drafts
    alike: dict[tuple[str, str], list[Draft]] = {}
    for draft in drafts:
        alike.setdefault((draft.rule, draft.image), []).append(draft)
    told: list[Draft] = []
    for each in alike.values():
        ordered = sorted(each, key=_order) if len(each) > MOST_ALIKE else each
        told += ordered[:MOST_ALIKE]
        if len(ordered) > MOST_ALIKE:
            told.append(_rest(ordered[MOST_ALIKE:]))
    return told


def _order(draft: Draft) -> tuple[int, int, str]:
    command = -1 if draft.load_command is None else draft.load_command
    return -draft.severity.rank, command, draft.subject


def _rest(rest: Sequence[Draft]) -> Draft:
    first = rest[0]
    import hashlib  # noqa: PLC0415  # few images have as many findings alike

    digest = hashlib.sha256("\0".join(draft.subject for draft in rest).encode("utf-8", "surrogateescape")).hexdigest()
    certain = all(draft.confidence is Confidence.CERTAIN for draft in rest)
    return evolve(
        first,
        load_command=None,
        subject=f"{len(rest)} more ({digest[:12]})",
        message=f"the same of {len(rest)} more in {printable(leaf(first.image))}, from {printable(first.subject)} on",
        evidence={"count": len(rest), "first": first.subject},
        remedy=(),
        confidence=Confidence.CERTAIN if certain else Confidence.LIKELY,
    )
