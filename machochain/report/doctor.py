"""What is told about a recorded Mac: verdict, facts, findings, what could not be judged, a pipeline's decision."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, Final

from machochain.machine.ci import CiAnswer
from machochain.machine.compare import Difference
from machochain.machine.doctor import Buildable, MachineCase
from machochain.machine.facts import MachineFacts
from machochain.model.paths import printable
from machochain.model.result import Finding, Severity
from machochain.model.value import frozen
from machochain.report.context import RenderContext
from machochain.report.resolution import finding_fields, tool
from machochain.report.style import Style
from machochain.source.values import Kind, SearchOutcome

DOCTOR_SCHEMA: Final = "machochain.doctor/1"
SNAPSHOT_DIFF_SCHEMA: Final = "machochain.snapshot-diff/1"
_STYLES: Final = {Severity.ERROR: "bad", Severity.WARNING: "doubt", Severity.INFO: "dim"}
_GROUPS: Final = (
    ("Xcode and SDK", ("MC741", "MC742", "MC743", "MC744", "MC745", "MC746", "MC747")),
    ("Go", ("MC751", "MC753", "MC754", "MC756", "MC760", "MC761", "MC762", "MC763", "MC764")),
    ("compiler and pkg-config", ("MC748", "MC749", "MC755", "MC758", "MC759")),
    ("Homebrew", ("MC752",)),
    ("caches", ("MC757",)),
)
_MARKS: Final = {
    "good": ("✔", "+", "good"), "note": ("✔", "+", "good"), "warning": ("!", "!", "doubt"), "error": ("✘", "x", "bad"),
    "skipped": ("?", "?", "doubt"),
}  # fmt: skip


@frozen
class Diagnosed:
    """A case with a pipeline's decision."""

    case: MachineCase
    ci: CiAnswer | None = None


def write(value: Diagnosed, context: RenderContext) -> str:
    """Return the text."""
    return "\n".join(_text(value, context.style)) + "\n"


def _text(value: Diagnosed, style: Style) -> Iterator[str]:
    case = value.case
    yield _verdict(case, style)
    if case.snapshot.more.get("truncated"):
        yield style.paint("the record was cut off: what came behind was not recorded", "doubt")
    yield from _unsettled(case, style)
    for title, rules in _GROUPS:
        yield ""
        yield style.paint(title, "bold")
        yield from _group(case, rules, style)
    shown = [f for f in case.findings if f.severity is not Severity.INFO or style.verbose]
    for finding in sorted(shown, key=lambda f: -f.severity.rank):
        yield ""
        label, tone = f"{finding.severity.value}[{finding.rule}]", _STYLES[finding.severity]
        yield from style.wrap(label, tone, printable(finding.message), url=finding.url)
        if finding.remedy:
            yield "  fix:"
            yield from (f"    {printable(step)}" for step in finding.remedy)
    hidden = len(case.findings) - len(shown)
    if hidden:
        yield ""
        yield style.paint(f"{hidden} {'note' if hidden == 1 else 'notes'} not shown (-v shows them)", "dim")
    if case.skipped:
        yield ""
        yield f"{len(case.skipped)} {'rule' if len(case.skipped) == 1 else 'rules'} could not be asked:"
        for rule, why in sorted(case.skipped.items()):
            yield f"  ? {rule} {printable(why)}"
    by_why: dict[str, list[str]] = {}
    for rule, why in sorted(case.unnamed.items()):
        by_why.setdefault(why, []).append(rule)
    if by_why:
        yield ""
    for why, names in by_why.items():
        yield style.paint(f"not asked, {why}  ({', '.join(names)})", "dim")
    if value.ci is not None:
        yield from _decision(value.ci, style)


def _unsettled(case: MachineCase, style: Style) -> Iterator[str]:
    """Name the libraries that the module links, and that nothing recorded shows: the verdict is about tools."""
    searches = case.source.searches if case.source is not None else []
    flags = {Kind.LIBRARY: "-l", Kind.FRAMEWORK: "-framework ", Kind.PKG_CONFIG: "pkg-config "}
    names = (
        f"{flags[each.kind]}{printable(each.name)}"
        for each in searches
        if each.kind in flags and each.certain and not each.by_system and each.outcome is not SearchOutcome.FOUND
    )
    told = ", ".join(sorted(dict.fromkeys(names)))
    if told:
        text = f"whether there is {told} is not part of that: machochain source DIR --snapshot FILE"
        yield from style.wrap("?", "doubt", text)


def _verdict(case: MachineCase, style: Style) -> str:
    facts = case.facts
    mac = f"macOS {facts.macos or '?'} {printable(facts.arch or '?')}"
    warnings = sum(f.severity is Severity.WARNING for f in case.findings)
    errors = sum(f.severity is Severity.ERROR for f in case.findings)
    counted = f"{errors} error{'' if errors == 1 else 's'}, {warnings} warning{'' if warnings == 1 else 's'}"
    if case.source is None:
        return f"{style.paint(mac, 'bold')}: {counted}; --source DIR weighs them by what a module needs"
    kind = {Buildable.YES: "good", Buildable.NO: "bad", Buildable.UNKNOWN: "doubt"}[case.can_build]
    how = "with cgo" if case.cgo else "without cgo"
    answer = style.paint(
        {Buildable.YES: "yes", Buildable.NO: "no", Buildable.UNKNOWN: "not known"}[case.can_build], kind
    )
    name = printable(case.source.module.path or case.source.module.directory)
    return f"{style.paint(mac, 'bold')}: what is needed to build {name} {how} is there: {answer} ({counted})"


def _group(case: MachineCase, rules: tuple[str, ...], style: Style) -> Iterator[str]:
    for text in _facts(case.facts, rules[0]):
        yield f"  {text}"
    worst: dict[str, str] = {}
    for finding in case.findings:
        if finding.rule in rules:
            level = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "note"}[finding.severity]
            if list(_MARKS).index(level) > list(_MARKS).index(worst.get(finding.rule, "good")):
                worst[finding.rule] = level
    from machochain.findings import RULES  # noqa: PLC0415

    for rule in rules:
        if rule in case.skipped:
            state = "skipped"
        elif rule in worst and worst[rule] != "note":
            state = worst[rule]
        else:
            continue
        mark, plain, kind = _MARKS[state]
        yield f"  {style.paint(mark if style.unicode else plain, kind)} {RULES[rule].title} ({rule})"
    asked = [r for r in rules if r not in case.skipped and r not in case.unnamed and r not in worst]
    if asked:
        mark, plain, kind = _MARKS["good"]
        count = f"{len(asked)} rule{'' if len(asked) == 1 else 's'} hold{'s' if len(asked) == 1 else ''}"
        yield f"  {style.paint(mark if style.unicode else plain, kind)} {count}"


def _facts(facts: MachineFacts, first: str) -> Iterator[str]:
    if first == "MC741":
        yield f"developer directory {printable(facts.developer_dir or 'not known')}"
        yield f"SDK {facts.sdk_version or '?'} {printable(facts.sdk or 'not known')}"
    elif first == "MC751":
        yield f"{printable(facts.go or 'not known')} for {printable(facts.goarch or '?')}"
    elif first == "MC748":
        mode = f", {facts.mode.value}" if facts.mode is not None else ""
        yield f"{printable(facts.cc or 'no compiler known')}{mode}"
    elif first == "MC752":
        known = f", {len(facts.brew)} formulae" if facts.brew is not None else ""
        yield f"{printable(facts.brew_prefix)}{known}" if facts.brew_prefix else "none known"


def _decision(answer: CiAnswer, style: Style) -> Iterator[str]:
    yield ""
    kind = {"cgo": "good", "pure-go": "doubt", "cross": "doubt"}.get(answer.decision.value, "bad")
    yield f"decision: {style.paint(answer.decision.value, kind)}"
    yield from (f"  {name}: {printable(value)}" for name, value in answer.inputs)
    yield from (f"  - {printable(reason)}" for reason in answer.reasons)


def write_json(value: Diagnosed, _: RenderContext) -> str:
    """Return the document (schema ``machochain.doctor/1``)."""
    case = value.case
    ci = value.ci
    data = {
        "schema": DOCTOR_SCHEMA,
        "tool": tool(),
        "snapshot": case.name or None,
        "taken": case.snapshot.taken or None,
        "module": None if case.source is None else case.source.module.path,
        "binary": None if case.binary is None else case.binary.name,
        "can_build": None if case.source is None else case.can_build.value,
        "facts": facts_fields(case.facts),
        "findings": [finding_fields(f) for f in case.findings],
        "skipped": [{"rule": rule, "why": why} for rule, why in sorted({**case.skipped, **case.unnamed}.items())],
        "ci": None if ci is None else {
            "decision": ci.decision.value, "cgo_enabled": ci.cgo_enabled, "reasons": list(ci.reasons),
            "inputs": dict(ci.inputs), "vanishing": list(ci.vanishing),
        },
    }  # fmt: skip
    return json.dumps(data, indent=2) + "\n"


def facts_fields(facts: MachineFacts) -> dict[str, Any]:
    """Return facts as JSON has them; null was not recorded."""
    return {
        "macos": _text_of(facts.macos), "arch": facts.arch, "translated": facts.translated,
        "developer_dir": facts.developer_dir, "sdk": facts.sdk, "sdk_version": _text_of(facts.sdk_version),
        "sdk_macosx": facts.sdk_macosx, "xcode": _text_of(facts.xcode), "clt": _text_of(facts.clt), "ld": facts.ld,
        "cc": facts.cc, "mode": None if facts.mode is None else facts.mode.value, "go": facts.go,
        "goarch": facts.goarch, "go_hardened": facts.go_hardened, "brew_prefix": facts.brew_prefix,
        "pkg_config": facts.pkg_config,
        "pkg_config_path": None if facts.pkg_config_path is None else list(facts.pkg_config_path),
        "header_directories": None if facts.header_directories is None else list(facts.header_directories),
        "kept": None if facts.kept is None else dict(facts.kept), "dyld_seen": facts.dyld_seen,
    }  # fmt: skip


def _text_of(value: object) -> str | None:
    return None if value is None else str(value)


def render_differences(
    found: tuple[Difference, ...], old: str, new: str, findings: Sequence[Finding], style: Style
) -> str:
    """Return what differs between two recorded Macs."""
    if not found:
        return f"{printable(old)} and {printable(new)}: no recorded fact differs\n"
    lines = [f"{printable(old)} {style.arrow} {printable(new)}"]
    last = None
    for each in found:
        if each.weight is not last:
            lines += ["", style.paint(each.weight.value, "bold")]
            last = each.weight
        before, after = (printable("not recorded" if v is None else v or "(none)") for v in (each.old, each.new))
        lines.append(f"  {printable(each.fact)}: {before} {style.arrow} {after}")
    for finding in findings:
        lines += ["", f"{finding.severity.value}[{finding.rule}] {printable(finding.message)}"]
        lines += ["  fix:", *(f"    {printable(step)}" for step in finding.remedy)]
    return "\n".join(lines) + "\n"


def differences_document(
    found: tuple[Difference, ...], old: str, new: str, findings: Sequence[Finding]
) -> dict[str, Any]:
    """Return the differences as JSON has them (schema ``machochain.snapshot-diff/1``)."""
    return {
        "schema": SNAPSHOT_DIFF_SCHEMA, "tool": tool(), "old": old, "new": new,
        "differences": [
            {"fact": d.fact, "old": d.old, "new": d.new, "weight": d.weight.name.lower(), "why": d.weight.value}
            for d in found
        ],
        "findings": [finding_fields(f) for f in findings],
    }  # fmt: skip
