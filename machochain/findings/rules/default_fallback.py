"""MC110: a library is found in a default fallback directory only."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from machochain.findings.draft import Case, Draft, load_draft
from machochain.findings.registry import of_walk, register
from machochain.findings.remedies import change
from machochain.findings.rule import Rule
from machochain.findings.sources import VARIANTS
from machochain.model.paths import printable
from machochain.model.result import Severity
from machochain.model.search import SearchRule

RULE: Final = register(
    Rule(
        "MC110",
        "default-fallback",
        "A library is found in a default fallback directory only",
        Severity.WARNING,
        "No path of the load command or its run paths led anywhere; dyld's last resort did: `/usr/local/lib`, "
        "`/usr/lib`, `/Library/Frameworks` or `/System/Library/Frameworks`.",
        "It works by accident: from macOS 13 on only for images built with an sdk before macOS 14, and a hardened "
        "program gets `/usr/lib` alone.",
        (
            (
                "Name the library by the path it has, or ship it and add a run path: "
                "`install_name_tool -change NAME PATH FILE`."
            ),
        ),
        references=(VARIANTS, "dyld-1378, dyld/Loader.h, pre2022Binary"),
    )
)


@of_walk
def check(case: Case) -> Iterator[Draft]:
    """Yield the loads that only a default fallback serves."""
    for load in case.survey.odd:
        if load.found is None or load.found.rule is not SearchRule.STANDARD_FALLBACK:
            continue
        found, image = load.found.path, case.requester(load)
        if found == load.dylib.name:
            continue  # what a prefix did not lead to lies where it always did
        message = (
            f"{case.who(load)} loads {printable(load.dylib.name)}, which only dyld's default fallback finds, as "
            f"{printable(found)}"
        )
        remedy = change(load.dylib.name, found, image.path)
        yield load_draft(RULE.id, Severity.WARNING, case, load, message, remedy, found=found)
