"""MC502 and MC503: code that no Mac runs, and code that only Apple's programs may be."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from machochain.findings.draft import Case, Draft
from machochain.findings.registry import of_process, register
from machochain.findings.remedies import advice
from machochain.findings.rule import Rule
from machochain.model.arch import CPU_ARM64, CPU_X86_64
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
        Severity.WARNING,
        "The executable uses the arm64e ABI, which Apple keeps for its own programs.",
        "macOS runs third-party arm64e programs only with the boot argument `-arm64e_preview_abi`.",
        ("Build for arm64: `-arch arm64`.",),
        milder="info where the file has an arm64 slice too",
        references=("dyld-1378, mach_o/GradedArchitectures.cpp",),
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
        other = "arm64" in case.facts.slices
        yield Draft(
            ARM64E.id, Severity.INFO if other else Severity.WARNING, first.path, None, arch,
            f"{name} is arm64e, which macOS runs only for Apple's own programs", evidence,
            (advice("build with -arch arm64"),), Confidence.LIKELY,
        )  # fmt: skip
