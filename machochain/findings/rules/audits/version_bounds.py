"""MC231 to MC233: files built for a macOS, or with an SDK, that the policy does not allow."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from machochain.findings.audited import SliceCase, of_binary
from machochain.findings.registry import of_slice, register
from machochain.findings.remedies import advice
from machochain.findings.rule import Rule
from machochain.model.paths import leaf, printable
from machochain.model.platform import Platform
from machochain.model.result import Finding, Severity

TOO_NEW: Final = register(
    Rule(
        "MC231",
        "minos-above-ceiling",
        "A file needs a newer macOS than the policy allows",
        Severity.ERROR,
        "The minimum macOS version of a slice is above `minos.max` of the policy.",
        "Users of the macOS you promise to support may see `Symbol not found`, or a program that is not even started.",
        (
            "Build with `MACOSX_DEPLOYMENT_TARGET` (or `-mmacosx-version-min`) of the promised version.",
            "Go: the toolchain sets the minimum; with cgo also `CGO_CPPFLAGS=-mmacosx-version-min=…`.",
        ),
        references=("Mudlet/Mudlet#10095", "matthew-brett/delocate#56"),
    )
)

TOO_OLD: Final = register(
    Rule(
        "MC232",
        "minos-below-floor",
        "A file is built for an older macOS than the policy allows",
        Severity.WARNING,
        "The minimum macOS version of a slice is below `minos.min` of the policy, or none is recorded.",
        "dyld and the system frameworks keep old behaviour for such files.",
        ("Build with a deployment target at or above the floor.",),
    )
)

SDK: Final = register(
    Rule(
        "MC233",
        "sdk-out-of-range",
        "A file is built with an SDK the policy does not allow",
        Severity.WARNING,
        "The SDK version a slice records is below `sdk.min` or above `sdk.max` of the policy, or none is recorded.",
        "The recorded SDK decides what dyld refuses and which behaviour the frameworks show.",
        ("Build with an SDK of that range: `xcrun --sdk macosx --show-sdk-version`.",),
        references=("dyld-1378, mach_o/Policy.cpp",),
    )
)


@of_slice
def check(case: SliceCase) -> Iterator[Finding]:
    """Yield versions out of bounds; those of another system are none of macOS."""
    binary, asked = case.binary, case.asked
    build = binary.image.build
    if build is not None and build.platform != Platform.MACOS:
        return
    name = f"{printable(leaf(binary.place))} ({binary.arch})"
    minos = build.minos if build is not None else None
    if asked.minos is not None:
        low, high = asked.minos.low, asked.minos.high
        if high is not None and minos is not None and minos > high:
            yield of_binary(
                TOO_NEW, Severity.ERROR, binary, f"minos {minos}",
                f"{name} needs macOS {minos}, the policy allows {high} at most",
                (advice(f"build it with MACOSX_DEPLOYMENT_TARGET={high}"),), minos=str(minos), max=str(high),
            )  # fmt: skip
        if low is not None and (minos is None or minos < low):
            yield of_binary(
                TOO_OLD, Severity.WARNING, binary, f"minos {minos}",
                f"{name} is built for macOS {minos or '(none)'}, the policy wants {low} or newer",
                (advice(f"build it with MACOSX_DEPLOYMENT_TARGET={low}"),),
                minos=str(minos) if minos is not None else None, min=str(low),
            )  # fmt: skip
    if asked.sdk is not None:
        sdk = build.sdk if build is not None else None
        low, high = asked.sdk.low, asked.sdk.high
        if sdk is None or (low is not None and sdk < low) or (high is not None and sdk > high):
            yield of_binary(
                SDK, Severity.WARNING, binary, f"sdk {sdk}",
                f"{name} is built with sdk {sdk or '(not recorded)'}, the policy wants {low or ''}..{high or ''}",
                (advice("build it with an SDK of that range"),), sdk=str(sdk) if sdk is not None else None,
                min=str(low) if low is not None else None, max=str(high) if high is not None else None,
            )  # fmt: skip
