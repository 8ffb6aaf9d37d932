"""MC234: a bundle promises an older macOS than a file in it supports."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from machochain.findings.audited import FIRST_ARM64, BundleCase, of_binary
from machochain.findings.registry import of_bundles, register
from machochain.findings.remedies import advice
from machochain.findings.rule import Rule
from machochain.model.errors import UsageError
from machochain.model.paths import leaf, printable
from machochain.model.platform import Platform
from machochain.model.remedy import FILE
from machochain.model.result import Finding, Severity
from machochain.model.shell import quoted
from machochain.model.version import Version

RULE: Final = register(
    Rule(
        "MC234",
        "bundle-minimum-too-low",
        "A bundle promises an older macOS than a file in it supports",
        Severity.WARNING,
        "LSMinimumSystemVersion (or LSMinimumSystemVersionByArchitecture) in Info.plist is below the minimum macOS "
        "version of a Mach-O file inside the bundle.",
        "The Finder starts the program on a macOS on which a part of it may not load.",
        (
            "Raise LSMinimumSystemVersion, or build the file with a lower deployment target.",
            "Bundled libraries of a package manager carry the minimum of the machine they were built for.",
        ),
        references=("Mudlet/Mudlet#10095",),
    )
)


@of_bundles
def check(case: BundleCase) -> Iterator[Finding]:
    """Yield the files that need more than their program's bundle says."""
    for bundle, own in case.programs:
        for binary in own:
            promised = _promised(bundle.info, binary.arch)
            build = binary.image.build
            if promised is None or build is None or build.platform != Platform.MACOS:
                continue
            key, version = promised
            if build.minos > version:
                yield of_binary(
                    RULE, Severity.WARNING, binary, f"{key} {version}",
                    f"{printable(leaf(binary.place))} ({binary.arch}) needs macOS {build.minos}, but "
                    f"{printable(leaf(bundle.place))} says it runs on {version}",
                    (
                        advice(f"set {key} to {build.minos} in {FILE}", file=bundle.plist),
                        advice(
                            f"build {quoted(leaf(binary.place))} with MACOSX_DEPLOYMENT_TARGET={version}", also=True
                        ),
                    ),
                    minos=str(build.minos), promised=str(version), key=key, plist=bundle.plist,
                )  # fmt: skip


def _promised(info: Mapping[str, Any], arch: str) -> tuple[str, Version] | None:
    """Return which key says which release is the oldest; arm64 Macs begin with macOS 11 whatever it says."""
    by_arch = info.get("LSMinimumSystemVersionByArchitecture")
    key, text = "LSMinimumSystemVersion", info.get("LSMinimumSystemVersion")
    if isinstance(by_arch, dict) and isinstance(by_arch.get(arch), str):
        key, text = "LSMinimumSystemVersionByArchitecture", by_arch[arch]
    if not isinstance(text, str):
        return None
    try:
        version = Version.parse(text)
    except UsageError:
        return None
    return key, max(version, FIRST_ARM64) if arch.startswith("arm64") else version
