"""A repair as text and as JSON (schema ``machochain.fix/1``)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from attrs import asdict

from machochain.model.audit import AuditFinding
from machochain.model.paths import directory, leaf, printable
from machochain.model.result import Severity
from machochain.model.shell import quoted
from machochain.model.version import Version
from machochain.repair.edits import Edit, describe
from machochain.repair.file import SliceRepair
from machochain.repair.obstacle import Obstacle, ObstacleKind
from machochain.repair.proof import Harm, Proof
from machochain.repair.result import FileChange, InputRepair, Repair, RepairOutcome
from machochain.repair.signing import Signing
from machochain.report.audit_words import sentence
from machochain.report.context import RenderContext
from machochain.report.resolution import error_fields, tool
from machochain.report.style import Style

FIX_SCHEMA: Final = "machochain.fix/1"
_SIGNING: Final = {
    Signing.UNTOUCHED: "signature untouched",
    Signing.PATCHED: "hashes renewed in the signature that was there",
    Signing.MADE: "signed anew, ad hoc",
}
_HEAD: Final = {
    RepairOutcome.REPAIRED: ("✔", "good", "repaired, and proved by a second audit"),
    RepairOutcome.NOTHING_TO_DO: ("·", "dim", "nothing is mended here"),
    RepairOutcome.NO_HELP: ("✘", "bad", "left as it was: the remedies do not help"),
    RepairOutcome.REFUSED: ("✘", "bad", "left as it was: it cannot be edited"),
}


def write(repair: Repair, context: RenderContext) -> str:
    """Return the text of ``fix``."""
    style = context.style
    lines: list[str] = []
    for each in repair.inputs:
        lines += [*_input(each, repair, style), ""]
    lines += [style.paint(f"cannot read {printable(str(error))}", "bad") for error in repair.errors]
    return "\n".join(lines).rstrip("\n") + "\n"


def _input(done: InputRepair, repair: Repair, style: Style) -> Iterator[str]:
    mark, kind, words = _HEAD[done.outcome]
    if not style.unicode:
        mark = {"✔": "ok", "✘": "FAILED", "·": "-"}[mark]
    if done.outcome is RepairOutcome.NOTHING_TO_DO and not done.left:
        mark, kind, words = ("✔" if style.unicode else "ok", "good", "nothing to mend")
    if done.outcome is RepairOutcome.REPAIRED:
        if repair.dry_run:
            words = "would be repaired (proved on a copy that is gone again)"
        if not done.helped:
            mark, kind = ("·", "doubt")
            words = words.replace("repaired", "repaired in part", 1)
    to = f" {style.arrow} {printable(done.output)}" if done.output is not None else ""
    yield f"{printable(done.input)}{to}  {style.paint(f'{mark} {words}', kind)}"
    for change in done.changes:
        yield from _change(change, style)
    for refusal in done.refusals:
        yield style.paint(f"  {printable(refusal.path or done.input)}: {printable(refusal.obstacle.text)}", "bad")
        yield from (f"    {line}" for line in _advice(refusal.obstacle, done.input, refusal.path))
    if done.proof is not None:
        yield from _proof(done.proof, style)
    elif done.left:
        yield f"  {_count(len(done.left), 'finding')} without a remedy that can be carried out here"
        yield from _staying(done.left, style)
    if done.output is not None and done.outcome is RepairOutcome.REPAIRED and _belongs_there(done):
        yield f"  proved at {printable(done.input)}, where the libraries beside it are: it belongs there"
    if done.name is not None and done.output is not None and not done.output.endswith(done.name):
        yield f"  call it {printable(done.name)}: pip goes by the name of the file"


def _belongs_there(done: InputRepair) -> bool:
    """Whether a single program or library was given a name that starts at its place, and the copy lies elsewhere."""
    single = [change.path for change in done.changes] == [leaf(done.input)]
    relative = any("@" in describe(edit) for change in done.changes for each in change.slices for edit in each.edits)
    return single and relative and directory(done.output or "") != directory(done.input)


def _change(change: FileChange, style: Style) -> Iterator[str]:
    rules = f"  {style.paint(' '.join(change.rules), 'dim')}" if change.rules else ""
    yield f"  {printable(change.path)}{rules}"
    for piece in change.slices:
        if not piece.edits and piece.signing is Signing.UNTOUCHED:
            continue
        arch = f"{piece.arch}: " if len(change.slices) > 1 else ""
        yield from (f"    {arch}{printable(describe(edit))}" for edit in piece.edits)
        yield style.paint(f"    {arch}{_SIGNING[piece.signing]}", "dim")
        yield from (f"    {arch}note: {printable(note)}" for note in piece.notes)


def _proof(proof: Proof, style: Style) -> Iterator[str]:
    yield f"  {_count(len(proof.gone), 'finding')} gone, {len(proof.stays)} left"
    yield from _staying(proof.stays, style)
    yield from _findings("new", proof.new, "bad", style)
    for harm in proof.harms:
        yield style.paint(f"  worse: {_harm(harm)}", "bad")


def _staying(findings: Sequence[AuditFinding], style: Style) -> Iterator[str]:
    shown = [f for f in findings if style.verbose or f.severity is not Severity.INFO]
    hidden = len(findings) - len(shown)
    if hidden:
        yield style.paint(f"  {_count(hidden, 'note')} of them not shown (-v shows them)", "dim")
    yield from _findings("left", shown, "doubt", style)


_SHOWN: Final = 3
"""Findings of one rule that are written out before the rest is counted."""


def _findings(head: str, findings: Iterable[AuditFinding], kind: str, style: Style) -> Iterator[str]:
    by_rule: dict[tuple[str, str], list[AuditFinding]] = {}
    for found in findings:
        by_rule.setdefault((found.severity.value, found.finding.rule), []).append(found)
    for (severity, rule), each in by_rule.items():
        shown = each if style.verbose else each[:_SHOWN]
        for found in shown:
            yield f"  {head}: {style.paint(f'{severity}[{rule}]', kind)} {_words(found)}"
        if len(shown) < len(each):
            yield style.paint(f"  {head}: {len(each) - len(shown)} more of {rule} (-v shows them)", "dim")


def _words(found: AuditFinding) -> str:
    return printable(f"{found.path}: {sentence(found)}")


def _harm(harm: Harm) -> str:
    process = f"{printable(harm.process)} ({harm.arch}, macOS {harm.macos})"
    if not harm.image:
        return f"{process} fared better before"
    if not harm.before:
        return f"{process}: {printable(harm.name)} is looked for in fewer places, or not at all"
    now = printable(harm.after) if harm.after else "nothing"
    return f"{process}: {printable(harm.name)} led to {printable(harm.before)} and leads to {now}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _advice(obstacle: Obstacle, given: str, path: str) -> Iterator[str]:
    """Say what can be done about an obstacle."""
    del path
    match obstacle.kind:
        case ObstacleKind.SIGNED_BY_OTHERS | ObstacleKind.BROKEN_SIGNATURE:
            yield "--resign puts an ad hoc signature in its place; who may sign it signs it again on a Mac:"
            yield "codesign -f -s IDENTITY --preserve-metadata=identifier,entitlements,flags,runtime FILE"
        case ObstacleKind.RESTRICTED_ENTITLEMENTS:
            yield "--drop-entitlements leaves them out"
        case ObstacleKind.CONTAINER:
            yield f"unpack {quoted(given)}, and run machochain fix on the folder"
        case _:
            return


def write_json(repair: Repair, context: RenderContext) -> str:  # noqa: ARG001
    """Return the document of ``fix --json``."""
    document = {
        "schema": FIX_SCHEMA,
        "tool": tool(),
        "dry_run": repair.dry_run,
        "helped": repair.helped,
        "inputs": [_input_fields(each) for each in repair.inputs],
        "errors": [error_fields(error) for error in repair.errors],
    }
    return json.dumps(document, indent=2) + "\n"


def _input_fields(done: InputRepair) -> dict[str, Any]:
    proof = done.proof
    return {
        "input": done.input,
        "output": done.output,
        "outcome": done.outcome.value,
        "helped": done.helped,
        "name": done.name,
        "changes": [
            {"path": c.path, "rules": list(c.rules), "slices": [_slice_fields(s) for s in c.slices]}
            for c in done.changes
        ],
        "refusals": [{"path": r.path, **_obstacle_fields(r.obstacle)} for r in done.refusals],
        "proof": None
        if proof is None
        else {
            "gone": [_finding_fields(f) for f in proof.gone],
            "stays": [_finding_fields(f) for f in proof.stays],
            "new": [_finding_fields(f) for f in proof.new],
            "harms": [asdict(h) for h in proof.harms],
        },
        "left": [_finding_fields(f) for f in done.left],
    }


def _finding_fields(found: AuditFinding) -> dict[str, Any]:
    """Return what names a finding; ``audit --json`` has all of it, by the same fingerprint."""
    return {
        "rule": found.finding.rule,
        "severity": found.severity.value,
        "path": found.path,
        "subject": found.finding.subject,
        "message": found.finding.message,
        "fingerprint": found.fingerprint,
    }


def _slice_fields(piece: SliceRepair) -> dict[str, Any]:
    return {
        "arch": piece.arch,
        "edits": [_edit_fields(edit) for edit in piece.edits],
        "signing": piece.signing.value,
        "notes": list(piece.notes),
        "room": piece.room,
    }


def _edit_fields(edit: Edit) -> dict[str, Any]:
    fields = {k: str(v) if isinstance(v, Version) else v for k, v in asdict(edit, recurse=False).items()}
    return {"kind": type(edit).__name__, **fields, "text": describe(edit)}


def _obstacle_fields(obstacle: Obstacle) -> dict[str, Any]:
    return {
        "kind": obstacle.kind.value,
        "subject": obstacle.subject,
        "amount": obstacle.amount,
        "arch": obstacle.arch,
        "text": obstacle.text,
    }
