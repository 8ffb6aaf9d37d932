"""MC608: a Go program names the Homebrew of the other processor."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from machochain.findings.draft import Case, Draft
from machochain.findings.registry import of_process, register
from machochain.findings.remedies import advice
from machochain.findings.rule import Rule
from machochain.model.arch import CPU_ARM64, CPU_X86_64
from machochain.model.paths import leaf, printable
from machochain.model.result import Severity

RULE: Final = register(
    Rule(
        "MC608",
        "go-other-homebrew",
        "A Go program names the Homebrew of the other processor",
        Severity.WARNING,
        "Homebrew lies in `/opt/homebrew` on Apple silicon and in `/usr/local` on Intel; a load path or run path of "
        "this slice names the other one. Often the prefix is written into a `#cgo` line.",
        "On a Mac of this slice's own processor there is nothing in that place, or a library of the wrong "
        "architecture.",
        (
            (
                "Part the directive: `#cgo darwin,arm64 LDFLAGS: -L/opt/homebrew/lib` and "
                "`#cgo darwin,amd64 LDFLAGS: -L/usr/local/lib`."
            ),
            "Or let pkg-config find it: `#cgo pkg-config: NAME`.",
        ),
        references=("alexbrainman/odbc#168",),
    )
)

_HOMEBREWS: Final = {
    CPU_ARM64: ("/usr/local/opt/", "/usr/local/Cellar/", "/usr/local/Homebrew/"),
    CPU_X86_64: ("/opt/homebrew/",),
}


@of_process
def check(case: Case) -> Iterator[Draft]:
    """Yield load paths and run paths into that Homebrew."""
    for image, header, _ in case.go_images:
        foreign = _HOMEBREWS.get(header.arch.cputype)
        if foreign is None:
            continue
        intel = header.arch.cputype == CPU_X86_64
        right, goarch = ("/usr/local", "amd64") if intel else ("/opt/homebrew", "arm64")
        texts = dict.fromkeys((*(d.name for d in header.loads), *(r.path for r in header.run_paths)))
        for text in texts:
            if f"{text}/".startswith(foreign):
                yield Draft(
                    RULE.id, Severity.WARNING, image.path, None, text,
                    f"{printable(leaf(image.path))} ({header.arch.name}) names {printable(text)}; Homebrew of this "
                    f"processor lies in {right}",
                    {"prefix": right},
                    (
                        advice(
                            f"#cgo darwin,{goarch} LDFLAGS: -L{right}/lib, one line per GOARCH, or #cgo pkg-config"
                        ),
                    ),
                )  # fmt: skip
