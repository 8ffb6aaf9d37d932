"""MC235: a wheel's platform tag promises an older macOS than a file in it supports."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from machochain.findings.audited import WheelCase, of_binary
from machochain.findings.registry import of_wheel, register
from machochain.findings.remedies import advice
from machochain.findings.rule import Rule
from machochain.model.paths import leaf, printable
from machochain.model.platform import Platform
from machochain.model.remedy import Remedy, RemedyKind
from machochain.model.result import Finding, Severity

RULE: Final = register(
    Rule(
        "MC235",
        "wheel-minimum-too-low",
        "A wheel's platform tag promises an older macOS than a file in it supports",
        Severity.WARNING,
        "The macOS version in the wheel's platform tag is below the minimum macOS version of a Mach-O file inside.",
        "pip installs the wheel on a macOS on which importing it may fail.",
        (
            "Set `MACOSX_DEPLOYMENT_TARGET` to the tag's version for everything in the wheel, dependencies included.",
            "Or raise the tag: `wheel tags --platform-tag …`. From 11 on tags end with `_0`: pip takes no other minor.",
        ),
        milder="info where the two differ in the minor release alone, which tags from macOS 11 on cannot tell",
        references=("packaging.tags, mac_platforms()", "matthew-brett/delocate#56", "pypa/cibuildwheel#1766"),
    )
)

_BASE: Final = {"arm64e": "arm64", "x86_64h": "x86_64"}


@of_wheel
def check(case: WheelCase) -> Iterator[Finding]:
    """Yield the files that need more than the tag says."""
    for binary in case.binaries:
        build = binary.image.build
        promised = case.tags.get(_BASE.get(binary.arch, binary.arch))
        if promised is None or build is None or build.platform != Platform.MACOS or build.minos <= promised:
            continue
        # From macOS 11 on tags know no minor release: whoever needs 14.4 cannot say more than 14.0.
        within = build.minos.major == promised.major >= 11
        yield of_binary(
            RULE, Severity.INFO if within else Severity.WARNING, binary, f"tag macOS {promised}",
            f"{printable(leaf(binary.place))} ({binary.arch}) needs macOS {build.minos}, but the wheel's tag says "
            f"{promised}",
            (
                advice(f"build it with MACOSX_DEPLOYMENT_TARGET={promised}"),
                _retag(case, binary.place),
            ),
            minos=str(build.minos), promised=str(promised),
        )  # fmt: skip


def _retag(case: WheelCase, place: str) -> Remedy:
    """Return how the wheel is given a tag that is true of all that is in it.

    From macOS 11 on pip takes tags with a minor version of 0 only (packaging.tags, ``mac_platforms``).
    """
    builds = [b.image.build for b in case.binaries]
    least = max(b.minos for b in builds if b is not None and b.platform == Platform.MACOS)
    archs = set(case.tags)
    arch = "universal2" if len(archs) > 1 else next(iter(archs))
    if least.major > 10:
        version = f"{least.major + (1 if least.minor or least.patch else 0)}_0"
    else:
        version = f"{least.major}_{least.minor}"
    return Remedy(RemedyKind.RETAG_WHEEL, place, f"macosx_{version}_{arch}", also=True)
