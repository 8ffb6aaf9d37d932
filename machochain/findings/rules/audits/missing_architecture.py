"""MC510: a file lacks an architecture the policy asks for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from machochain.findings.audited import SliceCase, of_binary
from machochain.findings.registry import of_slice, register
from machochain.findings.remedies import advice
from machochain.findings.rule import Rule
from machochain.findings.sources import RESIGN
from machochain.model.paths import leaf, printable
from machochain.model.result import Finding, Severity

RULE: Final = register(
    Rule(
        "MC510",
        "missing-architecture",
        "A file lacks an architecture the policy asks for",
        Severity.ERROR,
        "A Mach-O file has no slice for one of the architectures in `archs` of the policy.",
        "On Macs of that architecture the file does not load (or, for x86_64 alone, needs Rosetta).",
        ("Build for each architecture and join the files: `lipo -create -output FILE ARM64 X86_64`.", RESIGN),
    )
)


@of_slice
def check(case: SliceCase) -> Iterator[Finding]:
    """Yield the architectures that are not there."""
    binary = case.binary
    for arch in case.asked.archs or ():
        if arch in binary.slices:
            continue
        yield of_binary(
            RULE, Severity.ERROR, binary, arch,
            f"{printable(leaf(binary.place))} has no {arch} slice (it has {', '.join(binary.slices)})",
            (advice(f"build it for {arch} as well, and join the files by lipo -create"),),
            slices=list(binary.slices),
        )  # fmt: skip
