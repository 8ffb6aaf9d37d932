"""MC5xx: architecture, platform and signature."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from machochain.dyld.facts import process_platform
from machochain.findings.draft import Case, Draft
from machochain.findings.remedies import sign
from machochain.model.arch import CPU_ARM64, CPU_X86_64
from machochain.model.paths import leaf, printable
from machochain.model.platform import Platform, platform_name
from machochain.model.result import Confidence, LoadedImage, Severity
from machochain.model.shell import quoted
from machochain.model.signature import Signature, SignatureKind

_SIMULATORS: Final = frozenset(
    {Platform.IOS_SIMULATOR, Platform.TVOS_SIMULATOR, Platform.WATCHOS_SIMULATOR, Platform.VISIONOS_SIMULATOR}
)


def unsigned(image: LoadedImage, signature: Signature | None) -> Iterator[Draft]:
    """MC501: arm64 code without a signature.

    Args:
        image: An image of the process.
        signature: What its signature says, if somebody read it.
    """
    header = image.image
    if header is None or header.arch.cputype != CPU_ARM64:
        return
    named = header.linkedit.code_signature is not None
    if named and (signature is None or signature.kind is not SignatureKind.NONE):
        return
    what = "has a signature that cannot be read" if named else "is not signed"
    yield Draft(
        "MC501", Severity.ERROR, image.path, None, image.path,
        f"{printable(leaf(image.path))} ({header.arch.name}) {what}: the kernel of Apple silicon kills the process",
        {"signature": "unreadable" if named else "none"}, (sign(image.path),),
    )  # fmt: skip


def architectures(case: Case) -> Iterator[Draft]:
    """MC502 to MC504: what no Mac runs, what only Apple's programs may be, and what needs a simulator."""
    first = case.result.images[0]
    header = first.image
    if header is None:
        return
    name = printable(leaf(first.path))
    arch = header.arch.name
    evidence = {"arch": arch, "slices": list(case.facts.slices)}
    if header.arch.cputype not in (CPU_ARM64, CPU_X86_64):
        other = any(s.startswith(("arm64", "x86_64")) and s != "arm64_32" for s in case.facts.slices)
        yield Draft(
            "MC502", Severity.INFO if other else Severity.ERROR, first.path, None, arch,
            f"macOS {case.result.macos} runs no {arch} code, the architecture of this slice of {name}", evidence,
            (f"lipo -remove {arch} -output {quoted(first.path)} {quoted(first.path)}",) if other else
            ("build for arm64 and x86_64",),
        )  # fmt: skip
        return
    if header.is_main_executable and process_platform(header) in _SIMULATORS:
        platform = platform_name(process_platform(header))
        yield Draft(
            "MC504", Severity.ERROR, first.path, None, platform,
            f"{name} is built for {platform}: macOS starts it inside a simulator only", {"platform": platform},
            ("build for macOS: -target arm64-apple-macos12",),
        )  # fmt: skip
    if header.is_main_executable and header.arch.is_arm64e:
        other = "arm64" in case.facts.slices
        yield Draft(
            "MC503", Severity.INFO if other else Severity.WARNING, first.path, None, arch,
            f"{name} is arm64e, which macOS runs only for Apple's own programs", evidence, ("build with -arch arm64",),
            Confidence.LIKELY,
        )  # fmt: skip
