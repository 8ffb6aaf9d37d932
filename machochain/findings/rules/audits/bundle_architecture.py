"""MC512: a file of a bundle lacks an architecture of the bundle's program."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from machochain.findings.audited import COMPATIBLE, BundleCase, of_binary, serves
from machochain.findings.registry import of_bundles, register
from machochain.findings.remedies import advice
from machochain.findings.rule import Rule
from machochain.model.image import FileType
from machochain.model.paths import leaf, printable
from machochain.model.result import Finding, Severity
from machochain.model.shell import quoted

RULE: Final = register(
    Rule(
        "MC512",
        "bundle-lacks-architecture",
        "A file of a bundle lacks an architecture of the bundle's program",
        Severity.WARNING,
        "The program of the bundle has a slice for an architecture, a library or plug-in in the same bundle has not, "
        "and nothing the program loads at launch needs it.",
        "On Macs of that architecture the program starts, and fails when it opens the library with `dlopen`.",
        ("Build the library for the same architectures: `lipo -archs FILE` tells what it has.",),
    )
)


@of_bundles
def check(case: BundleCase) -> Iterator[Finding]:
    """Yield libraries and plug-ins that lack a slice the bundle's program has."""
    for bundle, own in case.programs:
        program = next((b for b in own if b.place in bundle.executables), None)
        if program is None:
            continue
        for binary in own:
            if binary.image.file_type == FileType.MH_EXECUTE:
                continue
            name = leaf(binary.place)
            for arch in program.slices:
                if arch in COMPATIBLE and not serves(binary.slices, arch):
                    yield of_binary(
                        RULE, Severity.WARNING, binary, arch,
                        f"{printable(name)} has no {arch} slice, {printable(leaf(program.place))} has one",
                        (advice(f"build {quoted(name)} for {arch}, too"),),
                        slices=list(binary.slices), program=list(program.slices),
                    )  # fmt: skip
