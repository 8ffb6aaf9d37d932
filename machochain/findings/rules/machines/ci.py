"""MC771 to MC773: what a pipeline was decided to do, and what changed under it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from machochain.findings.machined import machine_finding
from machochain.findings.registry import register
from machochain.findings.rule import Rule
from machochain.model.paths import printable
from machochain.model.result import Finding, Severity

if TYPE_CHECKING:
    from machochain.machine.ci import CiAnswer
    from machochain.machine.compare import Difference
    from machochain.machine.doctor import MachineCase

_SINCE: Final = "A recorded Mac of any release"
TAKEN: Final = register(
    Rule(
        "MC771", "fallback-taken", "A declared fallback stands in for cgo", Severity.INFO,
        "The toolchain does not work, and the policy says what stands in.",
        "Without cgo the program is another one: files vanish.",
        ("Mend the toolchain to build with cgo.",), since=_SINCE, references=("docs/doctor.md",),
    )
)  # fmt: skip
NONE: Final = register(
    Rule(
        "MC772", "no-fallback", "The module cannot be built here, and nothing stands in", Severity.ERROR,
        "The toolchain does not work, and the policy declares no fallback.",
        "The pipeline stops here rather than later.",
        ("Mend the toolchain, or declare `fallback` in `[machochain.ci]`.",),
        since=_SINCE, references=("docs/doctor.md",),
    )
)  # fmt: skip
DRIFT: Final = register(
    Rule(
        "MC773", "image-drift", "A runner's image changed under its label", Severity.INFO,
        "Two records of one runner label differ in Xcode, SDK or image version.",
        "Builds change though nothing of the project did.",
        ("Pin DEVELOPER_DIR.",), since=_SINCE, references=("actions/runner-images#14001",),
    )
)  # fmt: skip


def of_decision(case: MachineCase, answer: CiAnswer) -> tuple[Finding, ...]:
    """Return what is to be said about a decision."""
    why = printable("; ".join(answer.reasons))
    if answer.decision.value == "fail":
        return (machine_finding(NONE, case, why),)
    broken = any(r.startswith("MC") for r in answer.reasons)
    if answer.decision.value in ("pure-go", "cross") and broken:
        return (machine_finding(TAKEN, case, why, subject=answer.decision.value, packages=list(answer.vanishing)),)
    return ()


def of_drift(case: MachineCase, differences: tuple[Difference, ...]) -> tuple[Finding, ...]:
    """Return what is to be said about two records of one runner label."""
    facts = {d.fact: d for d in differences}
    if "ImageOS" in facts or not case.facts.environment.get("ImageOS"):
        return ()
    seen = {n: d for n, d in facts.items() if d.old and d.new}
    changed = [seen[n] for n in ("ImageVersion", "Xcode", "SDK version") if n in seen]
    if not changed:
        return ()
    text = ", ".join(f"{d.fact} {d.old} became {d.new}" for d in changed)
    image = printable(case.facts.environment["ImageOS"])
    return (machine_finding(DRIFT, case, f"{image}: {printable(text)}"),)
