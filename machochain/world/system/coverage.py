"""What the embedded facts know of each release, in numbers: witnessed, inferred, known to be absent, not known."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

from machochain.model.filesystem import Presence
from machochain.model.ospaths import FRAMEWORKS, is_private_framework
from machochain.model.version import Version
from machochain.world.system.catalogue import FIRST_ARM, EmbeddedCatalogue

KINDS: Final = ("witnessed", "inferred", "absent", "unknown")
"""``witnessed``: an SDK of that major release has it; ``inferred``: there by other evidence."""


def releases(catalogue: EmbeddedCatalogue) -> tuple[Version, ...]:
    """Return the first of each major release of which some SDK is known, since macOS 11."""
    majors = {source.low.major for source in catalogue.sources if source.low.major >= FIRST_ARM}
    return tuple(Version.of(major) for major in sorted(majors))


def coverage(catalogue: EmbeddedCatalogue, wanted: Sequence[Version]) -> list[dict[str, Any]]:
    """Count for each release the public libraries and symbols that any source knows, by how sure they are.

    Args:
        catalogue: The embedded facts.
        wanted: The releases.
    """
    names = [
        n for n in catalogue.libraries() if n.startswith(("/usr/lib/", FRAMEWORKS)) and not is_private_framework(n)
    ]
    counts = [(Counter[str](), Counter[str]()) for _ in wanted]
    for name in names:
        majors = {source.low.major for source in catalogue.sdks_of(name)}
        there = [catalogue.find(name, macos).presence for macos in wanted]
        groups = catalogue.alike(name)
        for (libraries, symbols), macos, presence in zip(counts, wanted, there, strict=True):
            libraries[_kind(presence, witnessed=macos.major in majors)] += 1
            for answer, exported, number in groups(macos):
                # no symbol is there without its library
                of_symbol = answer if presence is Presence.PRESENT else presence
                symbols[_kind(of_symbol, witnessed=macos.major in exported)] += number
    return [
        {
            "macos": str(macos),
            "libraries": {kind: libraries[kind] for kind in KINDS},
            "symbols": {kind: symbols[kind] for kind in KINDS},
        }
        for macos, (libraries, symbols) in zip(wanted, counts, strict=True)
    ]


def _kind(presence: Presence, *, witnessed: bool) -> str:
    if presence is Presence.UNSEEN:
        return "unknown"
    if presence is Presence.ABSENT:
        return "absent"
    return "witnessed" if witnessed else "inferred"
