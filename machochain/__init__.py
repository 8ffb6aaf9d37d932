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
    from machochain.api import diagnose, doctor, examine, explain, inspect, render, resolve, scenarios
    from machochain.auditing import audit, diff
    from machochain.graph.answers import Explanation, Report
    from machochain.graph.diff import BinaryDiff, Change, Diff
    from machochain.graph.inspect import Inspection, SliceFacts
    from machochain.graph.loadgraph import LoadGraph
    from machochain.graph.resolve import Target
    from machochain.graph.scenario.values import Matrix
    from machochain.judging.baseline import Baseline
    from machochain.judging.policy import Policy
    from machochain.mending import fix
    from machochain.model.arch import Arch
    from machochain.model.artifact import Artifact, ArtifactKind, Limits
    from machochain.model.audit import (
        AuditBinary,
        AuditFinding,
        AuditInput,
        AuditReport,
        Suppression,
        SuppressionSource,
    )
    from machochain.model.cause import Cause
    from machochain.model.diagnosis import Answer, Diagnosis
    from machochain.model.errors import InputError, MachochainError, UsageError
    from machochain.model.evidence import Evidence, EvidenceKind
    from machochain.model.image import FileType, Image, LinkedDylib, MachOFile, RunPath, Slice
    from machochain.model.location import Location
    from machochain.model.platform import Platform
    from machochain.model.remedy import Remedy, RemedyKind
    from machochain.model.result import (
        Confidence,
        Finding,
        Load,
        LoadedImage,
        Lookup,
        MissingSymbol,
        Origin,
        Outcome,
        Result,
        Severity,
        Unknown,
        UnknownKind,
    )
    from machochain.model.search import Attempt, Candidate, Failure, FailureKind, SearchRule
    from machochain.model.version import Version
    from machochain.repair.obstacle import Obstacle, ObstacleKind
    from machochain.repair.result import FileChange, InputRepair, Repair, RepairOutcome
    from machochain.world.placement import World

__all__ = [
    "Answer",
    "Arch",
    "Artifact",
    "ArtifactKind",
    "Attempt",
    "AuditBinary",
    "AuditFinding",
    "AuditInput",
    "AuditReport",
    "Baseline",
    "BinaryDiff",
    "Candidate",
    "Cause",
    "Change",
    "Confidence",
    "Diagnosis",
    "Diff",
    "Evidence",
    "EvidenceKind",
    "Explanation",
    "Failure",
    "FailureKind",
    "FileChange",
    "FileType",
    "Finding",
    "Image",
    "InputError",
    "InputRepair",
    "Inspection",
    "Limits",
    "LinkedDylib",
    "Load",
    "LoadGraph",
    "LoadedImage",
    "Location",
    "Lookup",
    "MachOFile",
    "MachochainError",
    "Matrix",
    "MissingSymbol",
    "Obstacle",
    "ObstacleKind",
    "Origin",
    "Outcome",
    "Platform",
    "Policy",
    "Remedy",
    "RemedyKind",
    "Repair",
    "RepairOutcome",
    "Report",
    "Result",
    "RunPath",
    "SearchRule",
    "Severity",
    "Slice",
    "SliceFacts",
    "Suppression",
    "SuppressionSource",
    "Target",
    "Unknown",
    "UnknownKind",
    "UsageError",
    "Version",
    "World",
    "__version__",
    "audit",
    "diagnose",
    "diff",
    "doctor",
    "examine",
    "explain",
    "fix",
    "inspect",
    "render",
    "resolve",
    "scenarios",
]

_HOMES = {
    "machochain.api": ["diagnose", "doctor", "examine", "explain", "inspect", "render", "resolve", "scenarios"],
    "machochain.auditing": ["audit", "diff"],
    "machochain.graph.answers": ["Explanation", "Report"],
    "machochain.graph.diff": ["BinaryDiff", "Change", "Diff"],
    "machochain.graph.inspect": ["Inspection", "SliceFacts"],
    "machochain.graph.loadgraph": ["LoadGraph"],
    "machochain.graph.resolve": ["Target"],
    "machochain.graph.scenario.values": ["Matrix"],
    "machochain.judging.baseline": ["Baseline"],
    "machochain.judging.policy": ["Policy"],
    "machochain.mending": ["fix"],
    "machochain.model.arch": ["Arch"],
    "machochain.model.artifact": ["Artifact", "ArtifactKind", "Limits"],
    "machochain.model.audit": [
        "AuditBinary",
        "AuditFinding",
        "AuditInput",
        "AuditReport",
        "Suppression",
        "SuppressionSource",
    ],
    "machochain.model.errors": ["InputError", "MachochainError", "UsageError"],
    "machochain.model.cause": ["Cause"],
    "machochain.model.diagnosis": ["Answer", "Diagnosis"],
    "machochain.model.evidence": ["Evidence", "EvidenceKind"],
    "machochain.model.image": ["FileType", "Image", "LinkedDylib", "MachOFile", "RunPath", "Slice"],
    "machochain.model.location": ["Location"],
    "machochain.model.platform": ["Platform"],
    "machochain.model.remedy": ["Remedy", "RemedyKind"],
    "machochain.model.result": [
        "Confidence",
        "Finding",
        "Load",
        "LoadedImage",
        "Lookup",
        "MissingSymbol",
        "Origin",
        "Outcome",
        "Result",
        "Severity",
        "Unknown",
        "UnknownKind",
    ],
    "machochain.model.search": ["Attempt", "Candidate", "Failure", "FailureKind", "SearchRule"],
    "machochain.model.version": ["Version"],
    "machochain.repair.obstacle": ["Obstacle", "ObstacleKind"],
    "machochain.repair.result": ["FileChange", "InputRepair", "Repair", "RepairOutcome"],
    "machochain.world.placement": ["World"],
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    """Load a public name from its home (PEP 562)."""
    if name in _HOME_OF:
        value = getattr(import_module(_HOME_OF[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """List the public names."""
    return __all__
