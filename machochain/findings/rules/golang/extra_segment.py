"""MC604: a segment was added behind the linker's back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from machochain.findings.draft import Case, Draft
from machochain.findings.registry import of_process, register
from machochain.findings.remedies import command
from machochain.findings.rule import Rule
from machochain.model.paths import leaf, printable
from machochain.model.result import Confidence, Severity

RULE: Final = register(
    Rule(
        "MC604",
        "go-extra-segment",
        "A segment was added behind the linker's back",
        Severity.WARNING,
        "The image has more segments than its chained fixups count. Go runs dsymutil and copies the debug information "
        "into the finished file as one more segment, `__DWARF`.",
        "dyld's validator says `chained fixups, seg_count does not match number of segments`; Go's source names macOS "
        "27 as the first that minds it in shared libraries and plugins.",
        (
            'Leave debug information out: `go build -ldflags="-s -w"`.',
            "Or link without chained fixups: `CGO_LDFLAGS=-Wl,-no_fixup_chains` (Go 1.27 does so for plugins).",
        ),
        since="macOS 27 (by Go's source)",
        references=("golang/go#81793", "dyld-1378, mach_o/ChainedFixups.cpp, ChainedFixups::validLinkedit()"),
    )
)


@of_process
def check(case: Case) -> Iterator[Draft]:
    """Yield the Go images with more segments than their chained fixups count."""
    for image, header, go in case.go_images:
        count = go.chained_segments
        if count is None or count >= len(header.segments) or header.segments[-1].name == "__CTF":
            continue
        last = header.segments[-1]
        message = (
            f"{printable(leaf(image.path))} has {len(header.segments)} segments, its chained fixups count {count}: "
            f"{printable(last.name)} was added after the link"
        )
        yield Draft(
            RULE.id, Severity.WARNING, image.path, last.command_index, last.name, message,
            {"segments": len(header.segments), "seg_count": count}, (command('go build -ldflags="-s -w"'),),
            Confidence.LIKELY,
        )  # fmt: skip
