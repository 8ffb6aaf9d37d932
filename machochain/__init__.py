"""Will this Mach-O binary launch on that Mac, and if not, what will dyld say?

The public surface; everything else may change. Names are loaded on first use: importing this package costs nothing.

    >>> import machochain
    >>> report = machochain.resolve(["./bin"], target=machochain.Target(macos="15.4"))  # doctest: +SKIP
    >>> [(r.arch, r.launches, r.message) for r in report.results]  # doctest: +SKIP
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from machochain._version import __version__

if TYPE_CHECKING:
    from machochain.api import explain, inspect, resolve, scenarios
    from machochain.auditing import audit, diff
    from machochain.graph.answers import Explanation, Report
    from machochain.graph.loadgraph import LoadGraph
    from machochain.graph.resolve import Target
    from machochain.judging.policy import Policy
    from machochain.model.audit import AuditReport
    from machochain.model.errors import InputError, MachochainError, UsageError
    from machochain.model.version import Version
    from machochain.world.placement import World

__all__ = [
    "AuditReport",
    "Explanation",
    "InputError",
    "LoadGraph",
    "MachochainError",
    "Policy",
    "Report",
    "Target",
    "UsageError",
    "Version",
    "World",
    "__version__",
    "audit",
    "diff",
    "explain",
    "inspect",
    "resolve",
    "scenarios",
]

_HOMES = {
    "AuditReport": "machochain.model.audit",
    "Explanation": "machochain.graph.answers",
    "InputError": "machochain.model.errors",
    "LoadGraph": "machochain.graph.loadgraph",
    "MachochainError": "machochain.model.errors",
    "Policy": "machochain.judging.policy",
    "Report": "machochain.graph.answers",
    "Target": "machochain.graph.resolve",
    "UsageError": "machochain.model.errors",
    "Version": "machochain.model.version",
    "World": "machochain.world.placement",
    "audit": "machochain.auditing",
    "diff": "machochain.auditing",
    "explain": "machochain.api",
    "inspect": "machochain.api",
    "resolve": "machochain.api",
    "scenarios": "machochain.api",
}


def __getattr__(name: str) -> Any:
    """Load a public name from its home (PEP 562)."""
    if name in _HOMES:
        value = getattr(import_module(_HOMES[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """List the public names."""
    return __all__
