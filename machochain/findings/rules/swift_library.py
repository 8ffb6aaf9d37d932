"""MC217: a Swift library that older releases lack, with no copy beside the image."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from machochain.findings.draft import Draft, ReleaseCase
from machochain.findings.osfacts import OSFacts, oldest_release, releases_from, spoken
from machochain.findings.osloads import SWIFT
from machochain.findings.registry import of_release, register
from machochain.findings.remedies import advice
from machochain.findings.rule import Rule
from machochain.findings.sources import RAISE
from machochain.model.filesystem import Presence
from machochain.model.image import LinkedDylib
from machochain.model.paths import directory, leaf, printable
from machochain.model.result import Confidence, Severity

RULE: Final = register(
    Rule(
        "MC217",
        "swift-back-deployment",
        "A Swift library is newer than the oldest macOS the image supports",
        Severity.WARNING,
        "The image loads a library of the Swift run-time from the OS; releases it says it supports lack the library, "
        "and "
        "no copy lies in its other run paths.",
        "On those releases dyld ends the process (`Library not loaded: @rpath/libswift_Concurrency.dylib`).",
        (
            "Ship a copy (`xcrun swift-stdlib-tool --copy`) in a folder behind `/usr/lib/swift` in the run paths.",
            RAISE,
        ),
        references=("majd/ipatool#50", "tailscale/tailscale#14356"),
    )
)

_FOLDER: Final = SWIFT.rstrip("/")


@of_release
def check(case: ReleaseCase) -> Iterator[Draft]:
    """Yield the Swift libraries of the OS that came later."""
    for dylib in case.header.loads:
        if case.facts.os is not None and leaf(dylib.name).startswith("libswift"):
            yield from _swift(case, dylib, case.facts.os)


def _swift(case: ReleaseCase, dylib: LinkedDylib, facts: OSFacts) -> Iterator[Draft]:
    name, oldest = leaf(dylib.name), oldest_release(case.header)
    if dylib.weak or oldest is None or facts.present(SWIFT + name, case.macos) is None:
        return
    if dylib.name.startswith("@rpath/"):
        if _FOLDER not in {r.path.rstrip("/") for r in case.header.run_paths} or _has_copy(case, name):
            return
    elif dylib.name != SWIFT + name:
        return
    releases = releases_from(oldest)
    broken = facts.absent_on(SWIFT + name, releases)
    if not broken:
        return
    first = next((r for r in releases if r not in broken), case.macos)
    yield Draft(
        RULE.id, Severity.WARNING, case.image.path, dylib.command_index, dylib.name,
        f"{printable(leaf(case.image.path))} is built for macOS {oldest} and newer, but {name} is not part of "
        f"{spoken(broken)} and no copy is shipped",
        {"minos": str(oldest), "broken_on": [str(r) for r in broken], "why": facts.find(SWIFT + name, oldest).why},
        (
            advice(
                "ship a copy: xcrun swift-stdlib-tool --copy, and put its folder behind /usr/lib/swift in the run paths"
            ),
            advice(f"raise the minimum version: MACOSX_DEPLOYMENT_TARGET={first}", also=True),
        ),
        Confidence.LIKELY,
    )  # fmt: skip


def _has_copy(case: ReleaseCase, name: str) -> bool:
    """Whether a copy may lie in one of the image's other run paths."""
    look = case.facts.look
    for run_path in case.header.run_paths:
        text = run_path.path.rstrip("/")
        if text == _FOLDER:
            continue
        if text.startswith("@loader_path"):
            text = directory(case.image.path) + text[12:]
        if not text.startswith("/") or look is None:
            return True  # only the process can tell
        if look(f"{text}/{name}").presence is not Presence.ABSENT:
            return True
    return False
