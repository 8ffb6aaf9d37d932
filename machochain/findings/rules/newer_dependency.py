"""MC201: a library needs a newer macOS than the program that loads it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from machochain.findings.draft import Case, Draft
from machochain.findings.osfacts import macos_build
from machochain.findings.registry import of_walk, register
from machochain.findings.remedies import advice
from machochain.findings.rule import Rule
from machochain.model.image import BuildVersion
from machochain.model.paths import leaf, printable
from machochain.model.result import LoadedImage, Severity
from machochain.model.shell import quoted

RULE: Final = register(
    Rule(
        "MC201",
        "dependency-newer-than-executable",
        "A library needs a newer macOS than the program that loads it",
        Severity.WARNING,
        "The minimum macOS version of a library that comes with the program is higher than the program's own.",
        "dyld does not compare them, but the library may use functions the older macOS lacks: the program then ends "
        "with `Symbol not found` on Macs it says it supports.",
        (
            "Build the library with the same `MACOSX_DEPLOYMENT_TARGET` as the program, or raise the program's.",
            "Libraries of Homebrew are built for the macOS of the machine they were poured on.",
        ),
        references=(
            "dyld-1378, dyld/Loader.cpp, tooNewErrorAddendum()",
            "golang/go#36025",
            "golang/go#41548",
            "mattn/go-sqlite3#1055",
        ),
    )
)


@of_walk
def check(case: Case) -> Iterator[Draft]:
    """Yield files with a higher minos than the image they are loaded for."""
    subject = case.subject
    own = _build(subject)
    if own is None:
        return
    for image in case.files:
        build = _build(image)
        if image.id <= subject.id or build is None or build.minos <= own.minos:
            continue
        message = (
            f"{printable(leaf(image.path))} is built for macOS {build.minos} and newer, "
            f"{printable(leaf(subject.path))} for {own.minos} and newer"
        )
        yield Draft(
            RULE.id, Severity.WARNING, image.path, None, image.path, message,
            {"minos": str(build.minos), "loaded_for": subject.path, "loaded_for_minos": str(own.minos)},
            (
                advice(f"build it with MACOSX_DEPLOYMENT_TARGET={own.minos}"),
                advice(f"build {quoted(leaf(subject.path))} for macOS {build.minos}", also=True),
            ),
        )  # fmt: skip


def _build(image: LoadedImage) -> BuildVersion | None:
    return macos_build(image.image) if image.image is not None else None
