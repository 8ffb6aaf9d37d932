"""A recorded Mac held against what a module or a binary needs: facts, findings, and what could not be judged."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum

from machochain.machine.facts import MachineFacts, facts_of
from machochain.machine.snapshot import Snapshot
from machochain.model.result import Finding
from machochain.model.value import define, field, frozen
from machochain.source.values import SourceReport


@frozen
class BinaryNeeds:
    """What a program that exists needs of a Mac.

    Attributes:
        name: The program.
        archs: Its slices.
        loads: Its load paths outside macOS.
        settings: Flags Go recorded in it.
        go: The release that made it; None if Go did not.
    """

    name: str
    archs: tuple[str, ...] = ()
    loads: tuple[str, ...] = ()
    settings: Mapping[str, str] = field(factory=dict)
    go: str | None = None


class Buildable(Enum):
    """Whether the module can be built on the Mac."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


@define
class MachineCase:
    """What rules look at.

    Attributes:
        name: The snapshot as the user named it; ``""`` for this Mac.
        snapshot: What was recorded.
        facts: What that says.
        source: The module; None if none was named.
        binary: The program; None if none was named.
        release: Whether a release is built, which wants a deployment target.
        skipped: Ids of rules that could not be asked, with what was not recorded.
        unnamed: Ids of rules that were not asked, as the user named no module or program, with what to name.
        findings: What is worth telling.
    """

    name: str
    snapshot: Snapshot
    facts: MachineFacts
    source: SourceReport | None = None
    binary: BinaryNeeds | None = None
    release: bool = False
    skipped: dict[str, str] = field(factory=dict)
    unnamed: dict[str, str] = field(factory=dict)
    findings: tuple[Finding, ...] = ()

    @property
    def cgo(self) -> bool | None:
        """Whether the module uses cgo; None if no module was named."""
        if self.source is None:
            return None
        return any(p.cgo or p.lines for packages in self.source.packages.values() for p in packages.values())

    @property
    def can_build(self) -> Buildable:
        """Whether the module can be built here, as far as the recorded facts tell."""
        if any(f.severity.value == "error" for f in self.findings):
            return Buildable.NO
        return Buildable.UNKNOWN if self.skipped.keys() & {"MC741", "MC743", "MC755", "MC754"} else Buildable.YES


def case_of(snapshot: Snapshot, name: str) -> MachineCase:
    """Return a case without module and binary."""
    return MachineCase(name, snapshot, facts_of(snapshot))
