"""MC411: a run path is set that the policy does not allow."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from machochain.findings.audited import SliceCase, of_binary
from machochain.findings.expectations import matches
from machochain.findings.registry import of_slice, register
from machochain.findings.remedies import drop_run_path
from machochain.findings.rule import Rule
from machochain.findings.sources import RESIGN
from machochain.model.paths import leaf, printable
from machochain.model.result import Finding, Severity

RULE: Final = register(
    Rule(
        "MC411",
        "forbidden-run-path",
        "A run path is set that the policy does not allow",
        Severity.ERROR,
        "An LC_RPATH matches `forbid-run-paths`; or `allow-run-paths` is given and none of its patterns matches.",
        "Libraries may be taken from a place you decided not to trust.",
        ("`install_name_tool -delete_rpath RUN_PATH FILE`", RESIGN),
    )
)


@of_slice
def check(case: SliceCase) -> Iterator[Finding]:
    """Yield the run paths that are not allowed."""
    binary, asked = case.binary, case.asked
    for run_path in binary.image.run_paths:
        path = run_path.path
        if asked.forbid_run_paths is not None and matches(path, asked.forbid_run_paths):
            why = "matches forbid-run-paths"
        elif asked.allow_run_paths is not None and not matches(path, asked.allow_run_paths):
            why = "is not among allow-run-paths"
        else:
            continue
        yield of_binary(
            RULE, Severity.ERROR, binary, path,
            f"the run path {printable(path)} of {printable(leaf(binary.place))} {why}",
            drop_run_path(path, binary.place), command=run_path.command_index, why=why,
        )  # fmt: skip
