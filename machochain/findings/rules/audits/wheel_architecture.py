"""MC511: a wheel's platform tag names an architecture that a file in it lacks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from machochain.findings.audited import WheelCase, of_binary, serves
from machochain.findings.registry import of_wheel, register
from machochain.findings.remedies import advice
from machochain.findings.rule import Rule
from machochain.model.image import FileType
from machochain.model.paths import leaf, printable
from machochain.model.result import Finding, Severity
from machochain.model.shell import quoted

RULE: Final = register(
    Rule(
        "MC511",
        "wheel-tag-architecture",
        "A wheel's platform tag names an architecture that a file in it lacks",
        Severity.WARNING,
        "The platform tag says arm64, x86_64 or universal2, but an extension module or library in the wheel has no "
        "slice for it.",
        "pip installs the wheel on Macs on which importing it fails.",
        ("Build the missing slice, or tag the wheel for what it has: `wheel tags --platform-tag …`.",),
        milder="info for a library that is no module: something may open it on one architecture only",
    )
)


@of_wheel
def check(case: WheelCase) -> Iterator[Finding]:
    """Yield the modules and libraries that lack a slice; programs may be for one architecture only."""
    for binary in case.binaries:
        if binary.image.file_type == FileType.MH_EXECUTE:
            continue
        name = leaf(binary.place)
        module = binary.image.file_type == FileType.MH_BUNDLE
        for arch in case.tags:
            if not serves(binary.slices, arch):
                yield of_binary(
                    RULE, Severity.WARNING if module else Severity.INFO, binary, arch,
                    f"{printable(name)} has no {arch} slice, but the wheel's tag names {arch}",
                    (advice(f"build {quoted(name)} for {arch}, too, or tag the wheel for what it has"),),
                    slices=list(binary.slices),
                )  # fmt: skip
