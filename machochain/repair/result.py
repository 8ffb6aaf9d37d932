"""What a repair comes to."""

from __future__ import annotations

from enum import Enum

from machochain.model.audit import AuditFinding
from machochain.model.errors import InputError
from machochain.model.result import Severity
from machochain.model.value import field, frozen
from machochain.repair.file import SliceRepair
from machochain.repair.obstacle import Obstacle
from machochain.repair.proof import Proof


class RepairOutcome(Enum):
    """What became of one input."""

    REPAIRED = "repaired"
    """The copy has its remedies, and an audit of it shows that they help."""
    NOTHING_TO_DO = "nothing-to-do"
    """No finding has a remedy that can be carried out; the copy is the input."""
    NO_HELP = "no-help"
    """An audit of the repaired copy shows that it is no better, or worse; the copy is the input."""
    REFUSED = "refused"
    """Something stands against every edit; the copy is the input."""


@frozen
class FileChange:
    """One file that was changed.

    Attributes:
        path: Its path in the input.
        slices: What was done to each slice; empty for a file that follows others: a seal, a RECORD.
        rules: Ids of the rules whose findings asked for it.
    """

    path: str
    slices: tuple[SliceRepair, ...] = ()
    rules: tuple[str, ...] = ()


@frozen
class Refusal:
    """One file that was to be changed and was not.

    Attributes:
        path: Its path in the input.
        obstacle: Why.
    """

    path: str
    obstacle: Obstacle


@frozen
class InputRepair:
    """One input.

    Attributes:
        input: As the user named it.
        output: Where the copy is; None where none was written.
        outcome: What became of it.
        changes: Files that are changed in the copy, or would be.
        refusals: Files that were to be changed and were not.
        proof: What an audit of the copy shows beside that of the input; None where nothing was changed.
        left: Findings that nothing here can mend.
        name: The name the copy should have, if it is another one: a wheel with another tag.
        renamed: Whether it has it.
    """

    input: str
    output: str | None
    outcome: RepairOutcome
    changes: tuple[FileChange, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    proof: Proof | None = None
    left: tuple[AuditFinding, ...] = ()
    failing: tuple[AuditFinding, ...] = ()
    name: str | None = None

    @property
    def helped(self) -> bool:
        """Whether all that was to be done is done and nothing that counts is left."""
        good = self.outcome in (RepairOutcome.REPAIRED, RepairOutcome.NOTHING_TO_DO)
        return good and not self.refusals and not self.failing


@frozen
class Repair:
    """What a repair of some inputs comes to.

    Attributes:
        inputs: In the order given.
        errors: Inputs that cannot be read.
        dry_run: Whether nothing was written.
        fail_on: The severity from which on a finding that is left counts.
        tool: Version of this program.
    """

    inputs: tuple[InputRepair, ...]
    errors: tuple[InputError, ...] = field(default=(), eq=False)
    dry_run: bool = False
    fail_on: Severity | None = None
    tool: str = ""

    @property
    def helped(self) -> bool:
        """Whether every input is as it should be now; never true of nothing."""
        return bool(self.inputs) and not self.errors and all(i.helped for i in self.inputs)
