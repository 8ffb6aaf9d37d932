"""MC603: a cgo program needs the macOS of the machine it was built on."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from machochain.findings.draft import Case, Draft
from machochain.findings.registry import of_process, register
from machochain.findings.remedies import advice, command
from machochain.findings.rule import Rule
from machochain.model.arch import CPU_ARM64
from machochain.model.image import Image
from machochain.model.paths import leaf, printable
from machochain.model.result import Confidence, Severity
from machochain.model.shell import more_ldflags
from machochain.model.version import Version

RULE: Final = register(
    Rule(
        "MC603",
        "go-build-host-minos",
        "A cgo program needs the macOS of the machine it was built on",
        Severity.WARNING,
        "The host linker wrote a minimum macOS above that of the Go release, equal to the SDK's: cmd/go passes no "
        "deployment target, so the compiler takes the build machine's.",
        "The program says it needs a macOS that it does not need; older ones may refuse it or miss symbols.",
        (
            (
                "`CGO_CPPFLAGS=-mmacosx-version-min=12.0` and the same in `CGO_LDFLAGS`, beside what is there: both "
                "are part of the cache key. Not `CGO_CFLAGS`: setting it drops the `-O2 -g` of Go."
            ),
            (
                "`MACOSX_DEPLOYMENT_TARGET` works too, but is not part of the cache key: use a GOCACHE of its own, or "
                "`go build -a`."
            ),
        ),
        references=("golang/go#36025", "golang/go#41548", "Go 1.27, cmd/go/internal/work/exec.go, buildActionID()"),
    )
)

_FLOORS: Final = ((27, "13.0"), (25, "12.0"), (23, "11.0"))


def floor_of(release: str | None, header: Image) -> Version | None:
    """Return the oldest macOS a Go release writes into what it links itself; None for an unknown release.

    Measured for Go 1.21 to 1.27.
    """
    match = re.match(r"go1\.(\d+)", release or "")
    if match is None or int(match.group(1)) < 21:
        return None
    minor = int(match.group(1))
    for since, version in _FLOORS:
        if minor >= since:
            return Version.parse(version)
    return Version.parse("11.0" if header.arch.cputype == CPU_ARM64 else "10.13")


@of_process
def check(case: Case) -> Iterator[Draft]:
    """Yield the programs that say they need more than Go does."""
    for image, header, go in case.go_images:
        build, info = header.build, go.binary.build
        floor = floor_of(go.binary.version, header)
        if build is None or build.sdk is None or info is None or floor is None or go.link != "external":
            continue
        given = " ".join(value for key, value in info.settings if key.startswith("CGO_") or key == "-ldflags")
        if build.minos <= floor or build.minos.major != build.sdk.major or "version-min" in given or "target" in given:
            continue
        message = (
            f"{printable(leaf(image.path))} needs macOS {build.minos}, though {go.binary.version} needs {floor}: it "
            "seems to have the build machine's version, for want of a deployment target"
        )
        yield Draft(
            RULE.id, Severity.WARNING, image.path, None, str(build.minos), message,
            {"minos": str(build.minos), "sdk": str(build.sdk), "go": go.binary.version, "go_minos": str(floor)},
            (
                command(
                    f"CGO_CPPFLAGS=-mmacosx-version-min={floor} {more_ldflags(f'-mmacosx-version-min={floor}')} "
                    "go build"
                ),
                advice("not CGO_CFLAGS: setting it drops the -O2 -g of Go"),
            ),
            Confidence.LIKELY,
        )  # fmt: skip
