"""MC103 to MC108 and MC309: files lie where a library should be, and dyld takes none of them, or another.

Which of the rules speaks is told by dyld's reason (`machochain.findings.refusal`); an image with a defect of its own
belongs to MC3xx.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from machochain.findings.draft import Case, Draft, load_draft
from machochain.findings.outcomes import Fate
from machochain.findings.refusal import OF_SIGNATURES, rule_of
from machochain.findings.registry import RULES, of_walk, register
from machochain.findings.remedies import advice
from machochain.findings.rule import Rule
from machochain.findings.sources import GET_LOADER, RESIGN
from machochain.model.paths import leaf, printable
from machochain.model.result import Severity
from machochain.world.placement import OS_PREFIXES

ARCHITECTURE: Final = register(
    Rule(
        "MC103",
        "wrong-architecture",
        "A library has no slice for the process",
        Severity.ERROR,
        "A file lies where the library should be, but it has no code for the architecture of the process.",
        "dyld passes the file over and goes on searching; if nothing else serves, the process ends.",
        (
            "Build or install the library for this architecture, or join both with `lipo -create`.",
            "Check with `lipo -archs LIBRARY`. arm64 takes arm64 and arm64e, x86_64 takes x86_64 and x86_64h.",
        ),
        milder="info where a later path supplies a file that fits",
        references=("dyld-1378, common/MachOFile.cpp, compatibleSlice()", "dyld-1378, mach_o/GradedArchitectures.cpp"),
    )
)

PLATFORM: Final = register(
    Rule(
        "MC104",
        "wrong-platform",
        "A library was built for another platform",
        Severity.ERROR,
        "The file's platform command names iOS, a simulator, Catalyst or another platform the process cannot load.",
        "dyld passes the file over and goes on searching; if nothing else serves, the process ends.",
        ("Build the library for macOS (`-target arm64-apple-macos12`), or take the macOS slice of an `.xcframework`.",),
        milder="info where a later path supplies a file that fits",
        references=("dyld-1378, mach_o/UnsafeHeader.cpp, loadableIntoProcess()",),
    )
)

FILE_TYPE: Final = register(
    Rule(
        "MC105",
        "wrong-file-type",
        "A load command names something that is no dylib",
        Severity.ERROR,
        "The file is a bundle, an executable or an object file. Load commands take MH_DYLIB only.",
        "dyld refuses it (`cannot link against bundle …`); if nothing else serves, the process ends.",
        ("Link the library with `-dynamiclib` instead of `-bundle`, or open the bundle with `dlopen`.",),
        milder="info where a later path supplies a file that fits",
        references=("dyld-1378, dyld/JustInTimeLoader.cpp, makeJustInTimeLoaderDisk()",),
    )
)

NOT_MACH_O: Final = register(
    Rule(
        "MC106",
        "not-mach-o",
        "What lies at a library's path is no Mach-O file",
        Severity.ERROR,
        "The path leads to a directory, an empty file, or a file that does not begin as a Mach-O file does.",
        "dyld passes it over and goes on searching; if nothing else serves, the process ends.",
        (
            (
                "Replace the file: often it is a linker stub (`.tbd`), a Git LFS pointer, a text instead of a "
                "symbolic link, or a download that was cut short."
            ),
        ),
        milder="info where a later path supplies a file that fits",
        references=(GET_LOADER,),
    )
)

UNREADABLE: Final = register(
    Rule(
        "MC107",
        "unreadable-library",
        "A library cannot be opened",
        Severity.ERROR,
        "The file or a directory above it does not let itself be opened (no permission).",
        "dyld passes it over and goes on searching; if nothing else serves, the process ends.",
        ("Give read permission: `chmod a+r LIBRARY`, and `chmod a+x` for the directories above it.",),
        milder="info where a later path supplies a file that fits",
        references=(GET_LOADER,),
    )
)

HARDENED: Final = register(
    Rule(
        "MC108",
        "blocked-by-hardening",
        "A hardened process may not load by this path",
        Severity.ERROR,
        "The process has the hardened runtime or is restricted otherwise; dyld then refuses paths that depend on the "
        "working directory, does not let libSystem be overridden, and in a restricted program expands no `@` paths.",
        "dyld passes the path over; if nothing else serves, the process ends.",
        (
            (
                "Use `@rpath/…` or `@loader_path/…` instead of a relative name: "
                "`install_name_tool -change NAME @rpath/LEAF FILE`."
            ),
            RESIGN,
        ),
        milder="info where a later path supplies a file that fits",
        references=(GET_LOADER, "dyld-1378, dyld/Loader.cpp, isFileRelativePath()"),
    )
)

UNIVERSAL: Final = register(
    Rule(
        "MC309",
        "malformed-universal-file",
        "The universal file around the slices is malformed",
        Severity.ERROR,
        "A slice lies outside the file, is not aligned, overlaps another, or disagrees with the fat header.",
        "dyld refuses the whole file, even if the slice the process needs is sound.",
        ("Join the slices again: `lipo -create -output FILE SLICE…`.", RESIGN),
        since="macOS 12",
        milder="info where a later path supplies a file that fits",
        references=("dyld-1378, mach_o/Universal.cpp, Universal::valid()",),
    )
)


@of_walk
def refused(case: Case) -> Iterator[Draft]:
    """Yield the loads for which dyld takes none of the files that are there."""
    for failure in case.failures[Fate.REFUSED]:
        load, first = failure.load, failure.refused[0]
        if first.objection.kind in OF_SIGNATURES:
            continue
        rule = RULES[rule_of(first.objection)]
        path = printable(first.candidate.path)
        message = (
            f"{case.who(load)} loads {printable(load.dylib.name)}, but dyld refuses {path}: "
            f"{printable(first.reason) or 'the file is empty'}"
        )
        steps = rule.advice
        if rule is PLATFORM and first.candidate.path.startswith(OS_PREFIXES):
            steps = (advice("build the program for macOS: -target arm64-apple-macos12"),)
        yield load_draft(rule.id, Severity.ERROR, case, load, message, steps, file=first.candidate.path)


@of_walk
def opened(case: Case) -> Iterator[Draft]:
    """Yield why dyld takes no slice of the universal file that is opened."""
    wrong = case.result.malformed
    if wrong is not None:
        path = case.result.path
        message = f"dyld takes no slice of {printable(leaf(path))}: {printable(wrong)}"
        yield Draft(UNIVERSAL.id, Severity.ERROR, path, None, wrong, message, {"reason": wrong}, UNIVERSAL.advice)


@of_walk
def forbidden(case: Case) -> Iterator[Draft]:
    """Yield the loads whose every path the restrictions of the process forbid."""
    for failure in case.failures[Fate.FORBIDDEN]:
        load = failure.load
        message = f"{case.who(load)} loads {printable(load.dylib.name)}, a path its restrictions forbid"
        yield load_draft(HARDENED.id, Severity.ERROR, case, load, message, HARDENED.advice)


@of_walk
def passed_over(case: Case) -> Iterator[Draft]:
    """Yield the files dyld refuses on the way to one that serves."""
    for load, attempt in case.passed_over:
        if attempt.objection.kind in OF_SIGNATURES:
            continue
        assert load.to is not None
        rule = RULES[rule_of(attempt.objection)]
        message = (
            f"dyld passes over {printable(attempt.candidate.path)} for {printable(load.dylib.name)} "
            f"({printable(attempt.reason) or 'the file is empty'}) and takes "
            f"{printable(case.result.images[load.to].path)}"
        )
        yield load_draft(rule.id, Severity.INFO, case, load, message, rule.advice, file=attempt.candidate.path)
