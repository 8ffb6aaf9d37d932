"""Folders for audits, made in memory and written to disk, and what the audit says about them."""

from __future__ import annotations

import io
import plistlib
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from machochain.auditing import audit
from machochain.graph.resolve import Target
from machochain.judging.policy_file import parse_policy
from machochain.model.audit import AuditFinding, AuditReport

Tree = Mapping[str, bytes]


def plist(**keys: Any) -> bytes:
    return plistlib.dumps(keys)


def write_tree(folder: Path, tree: Tree) -> Path:
    for name, content in tree.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


def zipped(tree: Tree) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in tree.items():
            archive.writestr(zipfile.ZipInfo(name), content)
    return out.getvalue()


def audited(path: Path, policy: Mapping[str, Any] | None = None, macos: tuple[str, ...] = ("26",)) -> AuditReport:
    """Audit one path under a policy document."""
    return audit(path, policy=parse_policy(policy or {}, "policy.toml"), target=Target(macos=macos))


def found(report: AuditReport, rule: str) -> list[AuditFinding]:
    return [f for f in report.findings if f.finding.rule == rule]
