"""MC614: what Go wrote into a file is damaged."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from machochain.findings.draft import Case, Draft
from machochain.findings.registry import of_process, register
from machochain.findings.remedies import advice
from machochain.findings.rule import Rule
from machochain.model.paths import leaf, printable
from machochain.model.result import Severity

RULE: Final = register(
    Rule(
        "MC614",
        "go-data-damaged",
        "What Go wrote into a file is damaged",
        Severity.WARNING,
        "The build information, the pragmas or the members of an archive are not as Go writes them. The rest was read.",
        "Answers that rest on the damaged part are missing.",
        ("Build the file again; look for tools that rewrite it.",),
        references=("Go 1.27, debug/buildinfo/buildinfo.go", "Go 1.27, cmd/link/internal/ld/go.go"),
    )
)

_REMEDY: Final = (advice("build the file again"),)


@of_process
def check(case: Case) -> Iterator[Draft]:
    """Yield the damage that was met while reading images and archives."""
    for image, _, go in case.go_images:
        for fact in go.binary.facts:
            message = f"{printable(leaf(image.path))}: {printable(fact.text)}"
            yield Draft(
                RULE.id, Severity.WARNING, image.path, None, fact.text, message, {"offset": fact.offset}, _REMEDY
            )  # fmt: skip
    path, prediction = case.result.path, case.result.prediction
    for text in prediction.facts if prediction is not None else ():
        message = f"{printable(leaf(path))}: {printable(text)}"
        yield Draft(RULE.id, Severity.WARNING, path, None, text, message, {}, _REMEDY)
