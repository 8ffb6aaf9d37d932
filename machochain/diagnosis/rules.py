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
        if rule.cause not in {r.cause for r in found} and all(holds(c, facts, elided) for c in rule.conditions):
            found.append(rule)
    return found


def holds(condition: Condition, facts: Facts, elided: frozenset[str] = frozenset()) -> bool:
    """Whether a predicate is true of some facts; one over a shortened value is not."""
    name, wanted = condition.name, condition.values
    value = facts.get(name)
    if condition.operator in {"", "!"}:
        return (value in _NO) == (condition.operator == "!")
    values = _each(value)
    if condition.operator == "!*=":
        return not any(part in v for v in values for part in wanted)
    shown = name == "lib.scheme" and str(value).startswith("@")
    if value is None or (name.partition(".")[0] in elided and condition.operator in {"^=", "="} and not shown):
        return False
    match condition.operator:
        case "=":
            return any(v in wanted for v in values)
        case "!=":
            return not any(v in wanted for v in values)
        case "^=":
            return any(v.startswith(wanted) for v in values)
        case "$=":
            return any(v.endswith(wanted) for v in values)
        case _:
            return any(part in v for v in values for part in wanted)


def _each(value: Fact | None) -> list[str]:
    return [str(v) for v in value] if isinstance(value, tuple) else [] if value is None else [str(value)]
