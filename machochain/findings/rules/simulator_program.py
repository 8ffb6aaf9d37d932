"""MC504: a main executable is built for a simulator."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from machochain.dyld.facts import process_platform
from machochain.findings.draft import Case, Draft
from machochain.findings.registry import of_walk, register
from machochain.findings.remedies import advice
from machochain.findings.rule import Rule
from machochain.model.arch import CPU_ARM64, CPU_X86_64
from machochain.model.paths import leaf, printable
from machochain.model.platform import Platform, platform_name
from machochain.model.result import Severity

RULE: Final = register(
    Rule(
        "MC504",
        "simulator-program",
        "A main executable is built for a simulator",
        Severity.ERROR,
        "The executable's platform is the iOS, tvOS, watchOS or visionOS simulator.",
        "macOS starts such programs only inside a simulator, which sets DYLD_ROOT_PATH; else they end at once.",
        ("Build for macOS: `-target arm64-apple-macos12`.",),
        references=("dyld-1378, dyld/dyldMain.cpp, prepare()",),
    )
)

_SIMULATORS: Final = frozenset(
    {Platform.IOS_SIMULATOR, Platform.TVOS_SIMULATOR, Platform.WATCHOS_SIMULATOR, Platform.VISIONOS_SIMULATOR}
)


@of_walk
def check(case: Case) -> Iterator[Draft]:
    """Yield a program that needs a simulator."""
    first = case.result.images[0]
    header = first.image
    if header is None or header.arch.cputype not in (CPU_ARM64, CPU_X86_64) or not header.is_main_executable:
        return
    if process_platform(header) in _SIMULATORS:
        platform = platform_name(process_platform(header))
        yield Draft(
            RULE.id, Severity.ERROR, first.path, None, platform,
            f"{printable(leaf(first.path))} is built for {platform}: macOS starts it inside a simulator only",
            {"platform": platform}, (advice("build for macOS: -target arm64-apple-macos12"),),
        )  # fmt: skip
