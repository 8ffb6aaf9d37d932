"""MC607: the flags a Go program was linked with are not recorded."""

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
        "MC607",
        "go-settings-hidden",
        "The flags a Go program was linked with are not recorded",
        Severity.INFO,
        "`-trimpath` keeps `-ldflags` and the `CGO_` flags out of the build information.",
        "Nobody can tell from the file which run paths or libraries were asked for.",
        ("Record the flags beside the release, or build without `-trimpath` to compare.",),
        references=("golang/go#52372", "Go 1.27, cmd/go/internal/load/pkg.go, setBuildInfo()"),
    )
)


@of_process
def check(case: Case) -> Iterator[Draft]:
    """Yield the images that were built with -trimpath and linked by a host linker."""
    for image, _, go in case.go_images:
        if go.binary.hidden and go.link == "external":
            yield Draft(
                RULE.id, Severity.INFO, image.path, None, "-trimpath",
                f"{printable(leaf(image.path))} was built with -trimpath, which does not record "
                f"{', '.join(go.binary.hidden)}",
                {"hidden": list(go.binary.hidden)}, (advice("build without -trimpath to see the flags"),),
            )  # fmt: skip
