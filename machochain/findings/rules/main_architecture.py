"""MC502 and MC503: code that no Mac runs, and code that only Apple's programs may be."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from machochain.findings.draft import Case, Draft
from machochain.findings.registry import of_process, register
from machochain.findings.remedies import advice
from machochain.findings.rule import Rule
from machochain.model.arch import CPU_ARM64, CPU_X86_64
from machochain.model.execution import ExecOutcome, ExecRule
from machochain.model.paths import leaf, printable
from machochain.model.remedy import Remedy, RemedyKind
from machochain.model.result import Confidence, Severity

LEGACY: Final = register(
    Rule(
        "MC502",
        "legacy-architecture",
        "No Mac that is modelled runs this architecture",
        Severity.ERROR,
        "The slice is 32-bit Intel, PowerPC or another architecture that current macOS does not run.",
        "32-bit Intel programs ended with macOS 10.14, PowerPC with 10.6.",
        ("Build for arm64 and x86_64.", "Drop the slice: `lipo -remove ARCH -output FILE FILE`."),
        since="macOS 10.15",
        milder="info where the file has a slice that runs",
    )
)

ARM64E: Final = register(
    Rule(
        "MC503",
        "third-party-arm64e",
        "A main executable is arm64e",
        Severity.ERROR,
        "The executable uses the arm64e ABI, which Apple keeps for its own programs.",
        "macOS 11 to 15 kill third-party programs of ABI version 0 unless the boot argument `-arm64e_preview_abi` is "
        "set, and take no other slice instead. What macOS 26 does is not known.",
        ("Build for arm64: `-arch arm64`.",),
        milder="warning on macOS 26, where nobody knows; info for ABI version 1, which runs as arm64 does",
        references=("dyld-1378, mach_o/GradedArchitectures.cpp", "xnu, bsd/kern/kern_exec.c, exec_mach_imgact()"),
    )
)


@of_process
def check(case: Case) -> Iterator[Draft]:
    """Yield what the architecture of the first image means for the process."""
    first = case.result.images[0]
    header = first.image
    if header is None:
        return
    name, arch = printable(leaf(first.path)), header.arch.name
    evidence = {"arch": arch, "slices": list(case.facts.slices)}
    if header.arch.cputype not in (CPU_ARM64, CPU_X86_64):
        other = any(s.startswith(("arm64", "x86_64")) and s != "arm64_32" for s in case.facts.slices)
        drop = Remedy(RemedyKind.REMOVE_SLICE, first.path, arch)
        yield Draft(
            LEGACY.id, Severity.INFO if other else Severity.ERROR, first.path, None, arch,
            f"macOS {case.result.macos} runs no {arch} code, the architecture of this slice of {name}", evidence,
            (drop if other else advice("build for arm64 and x86_64"),),
        )  # fmt: skip
    elif header.is_main_executable and header.arch.is_arm64e:
        yield Draft(
            ARM64E.id, _arm64e_severity(case), first.path, None, arch,
            f"{name} is arm64e, which macOS runs only for Apple's own programs", evidence,
            (advice("build with -arch arm64"),), Confidence.LIKELY,
        )  # fmt: skip


def _arm64e_severity(case: Case) -> Severity:
    found = case.result.execution
    if found is None or found.rule is not ExecRule.ARM64E_PREVIEW:
        return Severity.INFO if found is not None else Severity.WARNING
    return Severity.ERROR if found.outcome is not ExecOutcome.UNKNOWN else Severity.WARNING
