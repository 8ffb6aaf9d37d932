"""MC414 and MC514: what a wheel holds, against the paths its files load by and the tag it bears."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from typing import Final

from machochain.findings.audited import WheelCase, of_binary
from machochain.findings.registry import of_wheel, register
from machochain.findings.remedies import advice, beside, change
from machochain.findings.rule import Rule
from machochain.findings.sources import AT_PATHS, RESIGN
from machochain.model.paths import directory, leaf, printable
from machochain.model.result import Finding, Severity

LEAVES: Final = register(
    Rule(
        "MC414",
        "load-path-leaves-wheel",
        "A load path leads out of the wheel that holds the library",
        Severity.WARNING,
        "A load path that starts with `@loader_path` leads to a place where the wheel has no file, while it holds a "
        "file of that very name elsewhere.",
        "The wheel was put together after its paths were: importing the module ends with `Library not loaded: …`.",
        ("`install_name_tool -change OLD NEW FILE` with the place the library has now.", RESIGN),
        references=(AT_PATHS,),
    )
)

PURE: Final = register(
    Rule(
        "MC514",
        "pure-wheel-with-code",
        "A wheel for any platform holds code for Macs",
        Severity.WARNING,
        "The wheel's platform tag is `any`, and there are Mach-O files in it.",
        "pip installs it on every machine, where the files are of no use, and on Macs of any processor and macOS.",
        ("Tag it for what it has: `wheel tags --platform-tag macosx_11_0_universal2 WHEEL`, or leave the files out.",),
        milder="info for programs and static data that no Python module is",
        references=("packaging.tags, mac_platforms()",),
    )
)


@of_wheel
def leaving(case: WheelCase) -> Iterator[Finding]:
    """Yield the load paths that miss a library of the same wheel."""
    held = {str(binary.place) for binary in case.binaries}
    places: dict[str, list[str]] = {}
    for place in sorted(held):
        places.setdefault(leaf(place), []).append(place)
    for binary in case.binaries:
        for dylib in binary.image.loads:
            name = dylib.name
            if not name.startswith("@loader_path/") or dylib.weak:
                continue
            target = posixpath.normpath(directory(binary.place) + name.removeprefix("@loader_path"))
            there = places.get(leaf(name), ())
            if target in held or not there or case.exists(target):
                continue
            yield of_binary(
                LEAVES, Severity.WARNING, binary, name,
                f"{printable(leaf(binary.place))} ({binary.arch}) loads {printable(name)}, which leads to "
                f"{printable(target)}, where the wheel has nothing; it holds the file at {printable(there[0])}",
                change(name, beside(there[0], binary.place), binary.place), command=dylib.command_index,
                target=target, places=list(there),
            )  # fmt: skip


@of_wheel
def pure(case: WheelCase) -> Iterator[Finding]:
    """Yield the files of a wheel that says it has none."""
    if not case.pure:
        return
    for binary in case.binaries:
        module = leaf(binary.place).endswith((".so", ".dylib"))
        yield of_binary(
            PURE, Severity.WARNING if module else Severity.INFO, binary, binary.arch,
            f"{printable(leaf(binary.place))} is {binary.arch} code for Macs, but the wheel's tag says any platform",
            (advice("tag the wheel for what it has: wheel tags --platform-tag, or leave the file out"),),
        )  # fmt: skip
