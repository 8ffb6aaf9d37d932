"""MC605: a Go program loads a libgo or libcgo."""

from __future__ import annotations

import re
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
        "MC605",
        "go-foreign-runtime",
        "A Go program loads a libgo or libcgo",
        Severity.WARNING,
        "A load command of a Go program names `libgo` or `libcgo`. The Go toolchain makes neither: `runtime/cgo` is "
        "linked into the program, and libgo is the run-time library of gccgo.",
        "The library comes from somewhere else, and nothing of Go will put it where dyld looks.",
        ("Find out which `-l` flag or library asks for it: `go build -x`, `machochain inspect`.",),
        references=("Go 1.27, runtime/cgo/cgo.go",),
    )
)

_FOREIGN: Final = re.compile(r"libc?go(?:[.-]\d+)*\.(?:dylib|so)(?:\.\d+)*")


@of_process
def check(case: Case) -> Iterator[Draft]:
    """Yield the loads of a run-time library that Go does not make."""
    for image, header, _ in case.go_images:
        for dylib in header.loads:
            if _FOREIGN.fullmatch(leaf(dylib.name)):
                yield Draft(
                    RULE.id, Severity.WARNING, image.path, None, dylib.name,
                    f"{printable(leaf(image.path))} loads {printable(dylib.name)}, which is no part of Go: runtime/cgo "
                    "is linked into the program",
                    {}, (advice("go build -x shows which flag links it"),),
                )  # fmt: skip
