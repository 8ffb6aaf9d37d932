"""MC115: one library is loaded twice."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Final

from machochain.findings.draft import Case, Draft
from machochain.findings.names import library_base
from machochain.findings.registry import of_walk, register
from machochain.findings.remedies import advice
from machochain.findings.rule import Rule
from machochain.model.image import FileType
from machochain.model.paths import leaf, printable
from machochain.model.result import Confidence, LoadedImage, Origin, Severity
from machochain.model.shell import quoted

RULE: Final = register(
    Rule(
        "MC115",
        "loaded-twice",
        "One library is loaded twice",
        Severity.WARNING,
        "Two files with the same name from different places, or two versions of one library, are in the process.",
        "Each has its own global state; memory given out by one and freed by the other, and Objective-C classes that "
        "exist twice, lead to crashes that are hard to find. Names alone cannot prove it: a heuristic.",
        ("Let all importers name the same file: one copy, one install name, one run path.",),
        milder="info where one of the two belongs to the OS",
    )
)


@of_walk
def check(case: Case) -> Iterator[Draft]:
    """Yield two dylibs of one name, or two versions of one library."""
    groups: defaultdict[str, list[LoadedImage]] = defaultdict(list)
    for image in case.result.images:
        if image.path.endswith(".dylib"):
            groups[library_base(leaf(image.path))].append(image)
    for base, group in groups.items():
        files = [i for i in group if i.origin is Origin.DISK and _is_dylib(i)]
        if len(group) < 2 or not files:
            continue
        last = files[-1]
        others = [i for i in group if i is not last]
        severity = Severity.WARNING if len(files) > 1 else Severity.INFO
        other = next((i for i in others if i in files), others[0])
        kind = "two versions" if leaf(other.path) != leaf(last.path) else "two copies"
        message = f"{kind} of {printable(base)} are loaded: {printable(other.path)} and {printable(last.path)}"
        yield Draft(
            RULE.id, severity, last.path, None, base, message,
            {"paths": [i.path for i in group]}, (advice(f"let all importers of {quoted(base)} name one file"),),
            Confidence.LIKELY,
        )  # fmt: skip


def _is_dylib(image: LoadedImage) -> bool:
    return image.image is not None and image.image.file_type == FileType.MH_DYLIB
