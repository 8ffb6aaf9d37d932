"""What the rules say of one process, each finding made when somebody looks at it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import overload

from machochain.findings.draft import Draft, Facts
from machochain.model.frozen import LateTuple
from machochain.model.result import Finding, Result


class Findings(LateTuple[Finding]):
    """The findings of one process on one release, in their order; to all who read it what a tuple would be.

    Releases share the drafts, and most findings differ in the release they name alone. An audit looks at few of them.

    Attributes:
        drafts: What they are made from.
    """

    __slots__ = ("_facts", "_result", "drafts")

    def __init__(self, drafts: Sequence[Draft], result: Result, facts: Facts) -> None:
        """Take the drafts and the process they are about.

        Args:
            drafts: In their order.
            result: What became of the process.
            facts: Where its images lie on this machine: they are kept as long as this is.
        """
        self.drafts = tuple(drafts)
        self._result = result
        self._facts = facts

    def finished(self, draft: Draft) -> Finding:
        """Return the finding of one draft."""
        return draft.finish(self._result, self._facts)

    def __len__(self) -> int:
        return len(self.drafts)

    def __iter__(self) -> Iterator[Finding]:
        return map(self.finished, self.drafts)

    @overload
    def __getitem__(self, index: int) -> Finding: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Finding, ...]: ...
    def __getitem__(self, index: int | slice) -> Finding | tuple[Finding, ...]:
        """Return one of them, or some."""
        if isinstance(index, slice):
            return tuple(map(self.finished, self.drafts[index]))
        return self.finished(self.drafts[index])

    def __reduce__(self) -> tuple[type[tuple[Finding, ...]], tuple[tuple[Finding, ...]]]:
        return tuple, (tuple(self),)


def drafts_of(findings: Sequence[Finding]) -> Sequence[Finding | Draft]:
    """Return what is enough to choose among findings, without making those that are not chosen."""
    return findings.drafts if isinstance(findings, Findings) else findings


def chosen(finding: Finding | Draft, findings: Sequence[Finding]) -> Finding:
    """Return one of what `drafts_of` gave as a finding."""
    if isinstance(finding, Draft):
        assert isinstance(findings, Findings)
        return findings.finished(finding)
    return finding
