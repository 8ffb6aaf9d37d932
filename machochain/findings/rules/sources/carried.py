"""MC733: what whoever requires the module does not get."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from machochain.findings.registry import of_source, register
from machochain.findings.rule import Rule
from machochain.findings.sourced import listed, source_finding, where
from machochain.model.paths import leaf, printable
from machochain.model.result import Confidence, Finding, Severity

if TYPE_CHECKING:
    from machochain.source.carried import NotCarried, UncarriedFile
    from machochain.source.values import SourceReport

RULE: Final = register(
    Rule(
        "MC733",
        "not-in-module-zip",
        "Whoever requires the module does not get a file it needs",
        Severity.WARNING,
        "A `#cgo` line or an include leads into a git submodule, outside the module, to a product of a build that is "
        "not there or that git does not know, or to a file that git-lfs keeps.",
        "A module comes as a zip of what its repository holds at one commit: without submodules, without files that "
        "git ignores, with pointers in place of git-lfs' files. It builds in its own checkout and nowhere else.",
        (
            "Commit the files themselves, into a directory with a Go file, so that vendoring takes them, too.",
            "Or let users bring the library: `#cgo pkg-config`, or flags in their environment.",
        ),
        references=(
            "Go 1.27, golang.org/x/mod/zip (CreateFromVCS)", "golang/go#24094", "golang/go#47241",
        ),
    )
)  # fmt: skip


@of_source
def check(report: SourceReport) -> Iterator[Finding]:
    """Yield files and directories that do not come with the module, by package, folder and reason."""
    groups: dict[tuple[str, str, str, NotCarried], list[UncarriedFile]] = {}
    for each in report.uncarried:
        folder = each.path.rpartition("/")[0]
        groups.setdefault((each.module, each.package, folder, each.why), []).append(each)
    for (module, package, folder, why), files in groups.items():
        first = files[0]
        names = listed([leaf(f.path) if folder else f.path for f in files])
        yield source_finding(
            RULE, report, package=package, subject=first.path, place=first.place, confidence=Confidence.LIKELY,
            message=(
                f"{where(first.place, report)}: {printable(f'{folder}/' if folder else '')}{names} "
                f"{'does' if len(files) == 1 else 'do'} not come with {printable(module)}: {why.value}"
            ),
            evidence={"files": [f.path for f in files], "module": module, "why": why.name.lower()},
        )  # fmt: skip
