"""A program of a user, as type checkers see it: checked strictly against the installed wheel, and run."""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, assert_type

import machochain
from machochain import Outcome, Report, Result, Severity

if TYPE_CHECKING:
    from collections.abc import Mapping


def verdicts(report: Report) -> dict[str, bool | None]:
    """Say which programs launch."""
    return {result.path: result.launches for result in report}


def missing(result: Result) -> list[str]:
    """Return what is missing."""
    return [load.dylib.name for load in result.loads if load.outcome is Outcome.MISSING]


def main(program: Path) -> None:
    """Use everything once."""
    target = machochain.Target(macos="12..26", arch="arm64", environment={"A": "b"})
    world = machochain.World(at="/opt/tool", unseen="/opt/homebrew", maps={"/opt/x": program.parent})
    report = machochain.resolve(program, target=target, world=world)
    assert_type(report, Report)
    assert_type(report.launches, "bool | None")
    print(verdicts(report), [missing(result) for result in report])

    data = program.read_bytes()
    tree: Mapping[str, bytes] = {"bin/tool": data}
    machochain.resolve([data, io.BytesIO(data), str(program)])
    machochain.resolve(tree)
    with ThreadPoolExecutor(2) as executor:
        machochain.resolve([program, program], executor=executor)

    audit = machochain.audit([program], profile="wheel", jobs=1)
    assert_type(audit, machochain.AuditReport)
    worst = [f for f in audit.failing if f.severity is Severity.ERROR]
    for found in worst:
        assert_type(found.finding, machochain.Finding)
        evidence: Mapping[str, object] = found.finding.evidence
        print(found.finding.rule, sorted(evidence))

    (inspected,) = machochain.inspect(program)
    assert_type(inspected, machochain.Inspection)
    for matrix in machochain.scenarios(program):
        assert_type(matrix.launches, "bool | None")
    for explanation in machochain.explain(program, report.results[0].loads[0].dylib.name):
        assert_type(explanation.load.outcome, Outcome)
    assert_type(machochain.diff(program, data).appeared, tuple[machochain.AuditFinding, ...])
    assert_type(machochain.diagnose("dyld[1]: x"), machochain.Diagnosis)
    text: str = machochain.render(audit, "sarif")
    print(len(text), str(machochain.Version.parse("15.4")))
    try:
        machochain.resolve("no/such/file")
    except machochain.InputError as error:
        reason: str = error.reason
        print(reason)


if __name__ == "__main__":
    import sys

    main(Path(sys.argv[1]))
