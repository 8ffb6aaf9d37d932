"""Pure rules: from one process to what is worth telling about it."""

from machochain.findings.checker import Checker, check, index_by_name, order
from machochain.findings.draft import Facts
from machochain.findings.registry import FAMILIES, RULES
from machochain.findings.rule import Rule

__all__ = ["FAMILIES", "RULES", "Checker", "Facts", "Rule", "check", "index_by_name", "order"]
