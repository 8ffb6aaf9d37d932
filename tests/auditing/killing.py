"""A task as a worker runs it, but for inputs whose worker is killed."""

from __future__ import annotations

import os
import signal

from machochain.auditing import splitting
from machochain.auditing.one import audit_input
from machochain.auditing.part import AuditPart
from machochain.graph.inputs import Input
from machochain.graph.resolve import Target
from machochain.judging.policy import Policy
from machochain.session import Resolved
from machochain.world.handed import Handed, called
from machochain.world.placement import World


def audit_or_die(handed: Handed, policy: Policy, target: Target, world: World) -> AuditPart:
    if called(handed).endswith("deadly"):
        os.kill(os.getpid(), signal.SIGKILL)
    return audit_input(handed, policy, target, world)


def resolve_or_die(share: tuple[Input, ...]) -> list[Resolved | None]:
    """Work as usual, unless one of the files is the deadly one."""
    if any(item.name.endswith("bin/tool3") for item in share):
        os.kill(os.getpid(), signal.SIGKILL)
    return splitting._resolve(share)
