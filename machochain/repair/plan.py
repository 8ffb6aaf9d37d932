"""From findings to edits: what of their remedies can be carried out, file by file and slice by slice."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Final

from machochain.model.audit import AuditFinding
from machochain.model.remedy import Remedy, RemedyKind, mendable
from machochain.model.value import evolve, frozen
from machochain.repair.bundling import Bundling
from machochain.repair.edits import (
    AddRunPath,
    AddUUID,
    ChangeInstallName,
    ChangeLoad,
    ChangeRunPath,
    DeleteRunPath,
    Edit,
    ProtectConstants,
)

_ASKED_FOR: Final = frozenset({"MC120", "MC121"})
"""Idle run paths: ``dlopen`` or another process may need them, which no audit of this one shows."""


@frozen
class FilePlan:
    """What is to be done to one file.

    Attributes:
        path: Its path in the input.
        edits: By architecture, in the order of the findings.
        signs: Whether it is to be signed though nothing else of it changes.
        rules: Ids of the rules whose findings ask for it, sorted.
    """

    path: str
    edits: Mapping[str, tuple[Edit, ...]]
    signs: bool
    rules: tuple[str, ...]


@frozen
class Plan:
    """What is to be done to one input.

    Attributes:
        files: By path.
        tag: The platform tag a wheel is to have; None if its own stays.
        meant: Fingerprints of the findings that it is for.
        left: Findings that nothing here can mend.
    """

    files: tuple[FilePlan, ...]
    tag: str | None
    meant: frozenset[str]
    left: tuple[AuditFinding, ...]


def edits_of(remedy: Remedy) -> tuple[Edit, ...]:  # noqa: PLR0911  # one answer a case
    """Return a remedy as edits of load commands; nothing for one that is none."""
    match remedy.kind:
        case RemedyKind.ADD_RUN_PATH:
            return (AddRunPath(remedy.argument),)
        case RemedyKind.DELETE_RUN_PATH:
            return (DeleteRunPath(remedy.argument),)
        case RemedyKind.DELETE_REPEATED_RUN_PATH:
            return (DeleteRunPath(remedy.argument, repeats=True),)
        case RemedyKind.REPLACE_RUN_PATH:
            return (ChangeRunPath(remedy.argument, remedy.value),)
        case RemedyKind.SPLIT_RUN_PATH:
            parts = tuple(AddRunPath(part) for part in dict.fromkeys(remedy.argument.split(":")) if part)
            return (DeleteRunPath(remedy.argument), *parts)
        case RemedyKind.CHANGE_LOAD:
            return (ChangeLoad(remedy.argument, remedy.value),)
        case RemedyKind.SET_INSTALL_NAME:
            return (ChangeInstallName(remedy.value),)
        case RemedyKind.PROTECT_CONSTANTS:
            return (ProtectConstants(),)
        case RemedyKind.ADD_UUID:
            return (AddUUID(),)
        case _:
            return ()


def make_plan(
    findings: Iterable[AuditFinding],
    only: Collection[str] = (),
    archs: Collection[str] = (),
    *,
    drop_entitlements: bool = False,
) -> Plan:
    """Plan the repair of one input.

    Args:
        findings: Those that count.
        only: Ids of the rules to mend; all if empty.
        archs: Architectures a finding without any is about.
        drop_entitlements: Whether a signature without the entitlements that nothing grants is a remedy.
    """
    edits: dict[str, dict[str, list[Edit]]] = {}
    signs: set[str] = set()
    rules: dict[str, set[str]] = {}
    meant: set[str] = set()
    left: list[AuditFinding] = []
    tag = None
    for found in findings:
        finding = found.finding
        if only and finding.rule not in only:
            continue
        mends = mendable(finding.remedies) if finding.rule in only or finding.rule not in _ASKED_FOR else ()
        does = drop_entitlements and finding.rule == "MC808"
        if does:
            signs.add(found.path)
        for remedy in mends:
            if remedy.kind is RemedyKind.RETAG_WHEEL:
                # It keeps users off whom most of the wheel would serve: only who asks for it gets it.
                if finding.rule in only:
                    tag, does = remedy.argument, True
            elif remedy.kind is RemedyKind.SIGN:
                signs.add(found.path)
                does = True
            for edit in edits_of(remedy):
                for arch in found.archs or archs:
                    asked = edits.setdefault(found.path, {}).setdefault(arch, [])
                    if edit not in asked:
                        asked.append(edit)
                does = True
        if does:
            rules.setdefault(found.path, set()).add(finding.rule)
            meant.add(found.fingerprint)
        else:
            left.append(found)
    files = tuple(
        FilePlan(
            path,
            {arch: tuple(asked) for arch, asked in sorted(edits.get(path, {}).items())},
            path in signs,
            tuple(sorted(rules.get(path, ()))),
        )
        for path in sorted(set(edits) | signs)
    )
    return Plan(files, tag, frozenset(meant), tuple(left))


def with_bundling(plan: Plan, bundling: Bundling) -> Plan:
    """Return a plan that also names otherwise what is brought in; of two new names for a load that of the copy wins."""
    copied = {copy.path for copy in bundling.copies}
    files = {file.path: file for file in plan.files}
    for path, by_arch in bundling.edits.items():
        if path in copied:
            continue
        file = files.get(path, FilePlan(path, {}, signs=False, rules=()))
        edits = dict(file.edits)
        for arch, more in by_arch.items():
            names = {edit.old for edit in more if isinstance(edit, ChangeLoad)}
            kept = [e for e in edits.get(arch, ()) if not (isinstance(e, ChangeLoad) and e.old in names)]
            edits[arch] = (*kept, *more)
        files[path] = evolve(file, edits=edits)
    return evolve(plan, files=tuple(files[path] for path in sorted(files)))
