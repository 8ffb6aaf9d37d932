"""MC412: a library that the policy requires is not loaded."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from machochain.findings.audited import ProcessCase, of_binary
from machochain.findings.expectations import matches
from machochain.findings.registry import of_audited, register
from machochain.findings.remedies import advice
from machochain.findings.rule import Rule
from machochain.model.paths import leaf, printable
from machochain.model.result import Finding, Severity

RULE: Final = register(
    Rule(
        "MC412",
        "required-library-absent",
        "A library that the policy requires is not loaded",
        Severity.ERROR,
        "No library of the process matches a pattern of `required-libraries`.",
        "The build lost something you want to be in it: a feature, a hardening library, the bundled copy of a library.",
        ("Link the library: `-lNAME`; linkers drop unused ones with `-dead_strip_dylibs`.",),
    )
)


@of_audited
def check(case: ProcessCase) -> Iterator[Finding]:
    """Yield the required libraries that no load of a root names or finds."""
    root = case.binary(case.subject) if case.is_root else None
    if root is None:
        return
    wanted = case.asked(root.path).required_libraries or ()
    texts = [
        text
        for load in case.result.loads
        for text in case.names(load.dylib.name, case.result.images[load.to] if load.to is not None else None)
    ]
    for glob in wanted:
        if not any(matches(text, (glob,)) for text in texts):
            yield of_binary(
                RULE, Severity.ERROR, root, glob,
                f"{printable(leaf(root.place))} ({root.arch}) loads no library that matches {printable(glob)}",
                (advice("link the library"),), required=glob,
            )  # fmt: skip
