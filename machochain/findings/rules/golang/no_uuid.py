"""MC601: a Go program has no UUID. From sdk 26 on MC301 speaks, with certainty."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from machochain.findings.draft import Case, Draft
from machochain.findings.go_words import uuid_remedy
from machochain.findings.registry import of_process, register
from machochain.findings.rule import Rule
from machochain.model.image import FileType
from machochain.model.paths import leaf, printable
from machochain.model.result import Confidence, Severity
from machochain.model.version import Version

RULE: Final = register(
    Rule(
        "MC601",
        "go-no-uuid",
        "A Go program has no UUID",
        Severity.WARNING,
        "The program was linked by Go's own linker and has no LC_UUID: Go 1.23 and older write none, Go 1.24 to 1.26 "
        "none with `-ldflags=-buildid=`.",
        "dyld's source refuses it only once it is built with sdk 26 (MC301), which Go up to 1.26 copies from C objects "
        "of the build machine. There are reports of such programs being refused on macOS 26 with an older sdk, and "
        "macOS 15 and newer cannot remember the permission for the local network of a program without a UUID.",
        ("Build with Go 1.24 or newer, without `-buildid=`.", "Or `go build -ldflags=-linkmode=external`."),
        since="macOS 15 (local network), macOS 26 (reports)",
        references=("golang/go#68678", "golang/go#77917", "onsi/ginkgo#1612", "dyld-1378, mach_o/Policy.cpp"),
    )
)

_SDK_26: Final = Version.of(26)


@of_process
def check(case: Case) -> Iterator[Draft]:
    """Yield the programs that Go's own linker made without a UUID."""
    for image, header, go in case.go_images:
        sdk = header.build.sdk if header.build is not None else None
        if header.uuid is not None or header.file_type != FileType.MH_EXECUTE or (sdk is not None and sdk >= _SDK_26):
            continue
        if go.link != "internal":
            continue
        message = (
            f"{printable(leaf(image.path))} of {go.binary.version or 'an unknown Go'} has no LC_UUID: dyld accepts it "
            f"with sdk {sdk or 'n/a'}, but reports of macOS 26 say otherwise"
        )
        yield Draft(
            RULE.id, Severity.WARNING, image.path, None, image.path, message,
            {"go": go.binary.version, "sdk": str(sdk or "")},
            uuid_remedy(go.binary.version),
            Confidence.LIKELY,
        )  # fmt: skip
