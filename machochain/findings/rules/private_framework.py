"""MC210: a private framework is loaded, whether this release is known to have it or not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from machochain.findings.draft import Draft, ReleaseCase
from machochain.findings.osloads import is_private
from machochain.findings.registry import of_release, register
from machochain.findings.remedies import advice
from machochain.findings.rule import Rule
from machochain.model.filesystem import Presence
from machochain.model.paths import leaf, printable
from machochain.model.result import Severity

RULE: Final = register(
    Rule(
        "MC210",
        "private-framework",
        "A private framework is loaded",
        Severity.WARNING,
        "A load path leads into `/System/Library/PrivateFrameworks`.",
        "Such frameworks change and go without notice, and the App Store refuses programs that use them.",
        ("Use a public framework, or open it with `dlopen` and do without it where it is not there.",),
        milder="info for a weak load",
        references=("insidegui/AssetCatalogTinkerer#22",),
    )
)


@of_release
def check(case: ReleaseCase) -> Iterator[Draft]:
    """Yield the private frameworks an image loads."""
    facts, path = case.facts.os, case.image.path
    for dylib in case.of_system:
        if facts is None or not is_private(dylib.name) or facts.library(dylib.name) is None:
            continue
        answer = facts.find(dylib.name, case.macos)
        if answer.presence is Presence.ABSENT:
            continue
        yield Draft(
            RULE.id, Severity.INFO if dylib.weak else Severity.WARNING, path, dylib.command_index, dylib.name,
            f"{printable(leaf(path))} loads {printable(dylib.name)}, a private framework",
            {"present": answer.presence.value, "why": answer.why},
            (
                advice("use a public framework"),
                advice("open it with dlopen and do without it where it is not there", also=True),
            ),
        )  # fmt: skip
