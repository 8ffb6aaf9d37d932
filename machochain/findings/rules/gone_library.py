"""MC212 and MC213: a library that left the SDK, or leaves the OS."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from machochain.findings.draft import Draft, ReleaseCase
from machochain.findings.osfacts import OSFacts, macos_build
from machochain.findings.osloads import is_openssl, left_sdk
from machochain.findings.registry import of_release, register
from machochain.findings.remedies import advice
from machochain.findings.rule import Rule
from machochain.model.filesystem import Presence
from machochain.model.image import LinkedDylib
from machochain.model.paths import leaf, printable
from machochain.model.result import Confidence, Severity

SDK: Final = register(
    Rule(
        "MC212",
        "gone-from-sdk",
        "A system library is no longer in the SDK",
        Severity.WARNING,
        "The library was in older SDKs, and is not in the one the image says it was built with, or a later one.",
        "What left the SDK may still be in the OS, for programs linked long ago; nothing says for how long.",
        ("Do without the library, or ship a copy.",),
        milder="info for a weak load",
    )
)

MACOS: Final = register(
    Rule(
        "MC213",
        "gone-from-macos",
        "A system library goes with a later macOS",
        Severity.WARNING,
        "The modelled release has the library, a later one is known not to.",
        "From that release on dyld ends the process (`Library not loaded: …`).",
        ("Do without the library, or ship a copy.",),
        milder="info for a weak load",
    )
)

_DO_WITHOUT: Final = (advice("do without it, or ship a copy"),)


@of_release
def check(case: ReleaseCase) -> Iterator[Draft]:
    """Yield the libraries of the OS that are on their way out."""
    facts, build = case.facts.os, macos_build(case.header)
    if facts is None:
        return
    sdk = build.sdk if build is not None else None
    for dylib in case.of_system:
        if (dylib.name, case.macos, sdk) in facts.staying or is_openssl(dylib.name):
            continue
        found = tuple(_gone(case, dylib, facts))
        yield from found
        if not found:
            facts.staying.add((dylib.name, case.macos, sdk))


def _gone(case: ReleaseCase, dylib: LinkedDylib, facts: OSFacts) -> Iterator[Draft]:
    macos, path = case.macos, case.image.path
    severity = Severity.INFO if dylib.weak else Severity.WARNING
    if facts.present(dylib.name, macos) is not None:
        later = facts.gone(dylib.name, macos)
        if later is not None:
            yield Draft(
                MACOS.id, severity, path, dylib.command_index, dylib.name,
                f"{_loads(path, dylib)}, which is no longer part of macOS {later[0]}",
                {"gone_in": str(later[0]), "why": later[1]}, _DO_WITHOUT, Confidence.LIKELY,
            )  # fmt: skip
            return
    if facts.find(dylib.name, macos).presence is Presence.ABSENT:
        return
    left = left_sdk(facts, dylib.name, case.header)
    if left is not None:
        yield Draft(
            SDK.id, severity, path, dylib.command_index, dylib.name,
            f"{_loads(path, dylib)}, which SDK {left[1]} no longer has; the OS may still have it",
            {"last_sdk": left[0], "first_sdk_without": left[1]}, _DO_WITHOUT, Confidence.LIKELY,
        )  # fmt: skip


def _loads(path: str, dylib: LinkedDylib) -> str:
    return f"{printable(leaf(path))} loads {printable(dylib.name)}"
