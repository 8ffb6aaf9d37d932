"""MC218 and MC220: an image that says less of what it was built with than it shows, or nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from machochain.findings.draft import Draft, FileCase
from machochain.findings.osfacts import macos_build
from machochain.findings.registry import of_file, register
from machochain.findings.remedies import advice
from machochain.findings.rule import Rule
from machochain.model.ospaths import LIBSYSTEM
from machochain.model.paths import leaf, printable
from machochain.model.result import Confidence, Severity

STAMP: Final = register(
    Rule(
        "MC218",
        "sdk-stamp-doubtful",
        "The sdk field says less than the image shows",
        Severity.INFO,
        "The version of libSystem that the linker recorded is newer than that of SDKs newer than the sdk field.",
        "dyld goes by the field. Who wants to know which headers were used should not.",
        ("Nothing.",),
    )
)

NO_PLATFORM: Final = register(
    Rule(
        "MC220",
        "no-platform",
        "An image names no platform",
        Severity.INFO,
        "There is neither LC_BUILD_VERSION nor LC_VERSION_MIN_MACOSX.",
        "dyld takes an arm64 image for one of macOS 11.0 and an Intel one for one of 10.5; with what it was built, "
        "and for "
        "what, nobody can tell.",
        ("Link with a current linker: `-platform_version macos MINOS SDK`.",),
        references=("dyld-1378, mach_o/UnsafeHeader.cpp, platformAndVersions()",),
    )
)


@of_file
def stamp(case: FileCase) -> Iterator[Draft]:
    """Yield an sdk that is older than the libSystem that was linked with."""
    facts, path = case.facts.os, case.image.path
    build = macos_build(case.header)
    linked = next((d for d in case.header.loads if d.name in {LIBSYSTEM, "/usr/lib/libSystem.dylib"}), None)
    if facts is None or build is None or build.sdk is None or linked is None:
        return
    older = max((s for s in facts.system_stamps() if s[2] < linked.current_version), default=None)
    if older is None or build.sdk >= older[0]:
        return
    yield Draft(
        STAMP.id, Severity.INFO, path, None, str(build.sdk),
        f"{printable(leaf(path))} says sdk {build.sdk}, but it was linked with libSystem {linked.current_version}, "
        f"newer than that of SDK {older[1]} ({older[2]})",
        {"sdk": str(build.sdk), "libsystem": linked.current_version.full, "newer_than_sdk": older[1]},
        (advice("nothing: dyld goes by the sdk field. Know that headers of a newer SDK were used"),),
        Confidence.LIKELY,
    )  # fmt: skip


@of_file
def platform(case: FileCase) -> Iterator[Draft]:
    """Yield an image without a word about its platform."""
    path = case.image.path
    if case.facts.os is None or case.header.builds:
        return
    taken = "macOS 11.0" if case.header.arch.is_arm64 else "macOS 10.5"
    yield Draft(
        NO_PLATFORM.id, Severity.INFO, path, None, path,
        f"{printable(leaf(path))} names no platform: dyld takes it for one built with and for {taken}",
        {"taken_for": taken}, (advice("link with a current linker: -platform_version macos MINOS SDK"),),
    )  # fmt: skip
