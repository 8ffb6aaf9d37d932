"""MC223: an image has no two-level namespace.

The flag alone changes little: dyld goes by the ordinal of each bind, and only dyld2 by MH_FORCE_FLAT of the main
executable (dyld-852.2, ImageLoaderMachOCompressed.cpp, resolve()).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from machochain.findings.draft import Draft, FileCase
from machochain.findings.registry import of_file, register
from machochain.findings.remedies import advice
from machochain.findings.rule import Rule
from machochain.findings.sources import RESOLVE
from machochain.model.image import HeaderFlag
from machochain.model.paths import leaf, printable
from machochain.model.result import Severity
from machochain.model.symbols import ORDINAL_FLAT

RULE: Final = register(
    Rule(
        "MC223",
        "flat-namespace",
        "An image has a flat namespace",
        Severity.WARNING,
        "The image lacks MH_TWOLEVEL, or carries MH_FORCE_FLAT.",
        "Symbols bound without naming a library come from the first image that happens to have one of that name: one "
        "that is loaded for another reason can take the place of the one that was meant.",
        ("Link without `-flat_namespace` and `-force_flat_namespace`.",),
        milder="info where each bind names its library all the same",
        references=(RESOLVE, "dyld-852.2, src/ImageLoaderMachOCompressed.cpp, resolve()"),
    )
)


@of_file
def check(case: FileCase) -> Iterator[Draft]:
    """Yield an image with a flat namespace."""
    header, path = case.header, case.image.path
    forced = bool(header.flags & HeaderFlag.MH_FORCE_FLAT)
    if case.facts.os is None or not header.loads or (header.flags & HeaderFlag.MH_TWOLEVEL and not forced):
        return
    loose = sum(entry.ordinal == ORDINAL_FLAT for entry in case.facts.os.imports(case.image))
    effect = (
        f"{loose} of its symbols may come from any image"
        if loose
        else "macOS 11 binds each of its symbols to any image"
        if forced
        else "each of its binds names a library all the same"
    )
    yield Draft(
        RULE.id, Severity.WARNING if forced or loose else Severity.INFO, path, None, path,
        f"{printable(leaf(path))} has a flat namespace: {effect}",
        {"forced": forced, "flat_binds": loose}, (advice("link without -flat_namespace and -force_flat_namespace"),),
    )  # fmt: skip
