"""What checks of a recorded Mac share: a check is asked only if the facts it needs were recorded."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from machochain.findings.registry import of_machine
from machochain.findings.rule import Rule
from machochain.model.remedy import Remedy
from machochain.model.result import Confidence, Finding, Severity

if TYPE_CHECKING:
    from machochain.machine.doctor import MachineCase

_NAMED = {
    "cgo": "no module was named: --source DIR", "source": "no module was named: --source DIR",
    "binary": "no program was named: --binary BIN",
}  # fmt: skip
Check = Callable[["MachineCase"], Iterator[Finding]]


def machine_rule(rule: Rule, *needs: str) -> Callable[[Check], Check]:
    """Add a check of a recorded Mac.

    Args:
        rule: The rule.
        needs: Names of facts; if one of them was not recorded, the rule is skipped, never passed. ``cgo`` and
            ``source`` stand for the module, ``binary`` for the program: without it the rule is not asked.
    """

    def decorate(check: Check) -> Check:
        def asked(case: MachineCase) -> Iterator[Finding]:
            missing = [name for name in needs if _of(case, name) is None]
            unnamed = [name for name in missing if name in _NAMED]
            if unnamed:
                case.unnamed[rule.id] = _NAMED[unnamed[0]]
            elif missing:
                case.skipped[rule.id] = f"not recorded: {', '.join(missing)}"
            if missing:
                return
            yield from check(case)

        asked.__module__ = check.__module__
        of_machine(asked)
        return check

    return decorate


def _of(case: MachineCase, name: str) -> object:
    if name in ("cgo", "source", "binary"):
        return getattr(case, name)
    if name == "environment":
        # PATH is always among them: without any, none was recorded.
        return case.facts.environment or None
    return getattr(case.facts, name)


def machine_finding(
    rule: Rule,
    case: MachineCase,
    message: str,
    *,
    subject: str = "",
    severity: Severity | None = None,
    confidence: Confidence = Confidence.CERTAIN,
    remedies: Iterable[Remedy] = (),
    **evidence: Any,
) -> Finding:
    """Return a finding about a Mac."""
    given = tuple(remedies)
    return Finding(
        rule.id, rule.name, severity or rule.severity, confidence, case.name, case.facts.arch or "", "", None,
        subject or rule.name, message, evidence, given or rule.advice,
    )  # fmt: skip
