"""Which rules look at what, by the checks their modules registered."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

from machochain.findings import RULES, Rule
from machochain.findings.registry import (
    Checks,
    of_audited,
    of_bundles,
    of_file,
    of_process,
    of_release,
    of_slice,
    of_walk,
    of_wheel,
)


def _rules(kinds: Iterable[Checks[Any, Any]]) -> list[str]:
    len(RULES)  # all of them
    modules = {module for checks in kinds for module in checks.modules}
    return sorted({v.id for module in modules for v in vars(sys.modules[module]).values() if isinstance(v, Rule)})


def of_processes() -> list[str]:
    """Ids of the rules about a process or an image of it."""
    return _rules([of_walk, of_process, of_file, of_release])


def of_audits() -> list[str]:
    """Ids of the rules that only an audit has."""
    return _rules([of_slice, of_bundles, of_wheel, of_audited])
