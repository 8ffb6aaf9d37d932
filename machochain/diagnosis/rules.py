"""Cause rules: predicates over facts, evaluated in the order of their row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from machochain.diagnosis.table import CauseRule, Condition
from machochain.model.diagnosis import Fact

Facts = Mapping[str, Fact]
_NO: Final = (None, "", "no", False, ())


def holding(rules: Sequence[CauseRule], facts: Facts, elided: frozenset[str]) -> list[CauseRule]:
    """Return the rules that hold, in their order, each class once.

    Args:
        rules: Of a row.
        facts: By name.
        elided: Facts that were shortened or cut: a rule that needs one does not hold.
    """
    found: list[CauseRule] = []
    for rule in rules:
        if rule.cause not in {r.cause for r in found} and all(_holds(c, facts, elided) for c in rule.conditions):
            found.append(rule)
    return found


def _holds(condition: Condition, facts: Facts, elided: frozenset[str]) -> bool:
    name = condition.name
    value = facts.get(name)
    if condition.operator == "":
        return value not in _NO
    if condition.operator == "!":
        return value in _NO
    if value is None or (name.partition(".")[0] in elided and condition.operator in {"^=", "="}):
        return False
    values = [str(v) for v in value] if isinstance(value, tuple) else [str(value)]
    match condition.operator:
        case "=":
            return any(v in condition.values for v in values)
        case "!=":
            return not any(v in condition.values for v in values)
        case "^=":
            return any(v.startswith(condition.values) for v in values)
        case "$=":
            return any(v.endswith(condition.values) for v in values)
        case _:
            return any(part in v for v in values for part in condition.values)
