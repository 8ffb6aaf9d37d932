"""MC204 and MC206: what an image needs and the oldest macOS it says it supports does not have.

Where the modelled release itself lacks it, that is told as what is missing (MC101, and MC206 of `missing_symbol`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from machochain.dyld.facts import might_be_in_shared_cache
from machochain.findings.draft import Draft, ReleaseCase
from machochain.findings.osfacts import OSFacts, bounds, oldest_release, releases_from, spoken
from machochain.findings.registry import of_release, register
from machochain.findings.remedies import advice
from machochain.findings.rule import Rule
from machochain.findings.sources import GUARD, RAISE, RESOLVE
from machochain.findings.words import symbol_names
from machochain.model.filesystem import Presence
from machochain.model.image import LinkedDylib
from machochain.model.paths import leaf, printable
from machochain.model.result import Confidence, Severity
from machochain.model.version import Version

LIBRARY: Final = register(
    Rule(
        "MC204",
        "library-newer-than-minos",
        "A system library is newer than the oldest macOS the image supports",
        Severity.WARNING,
        "The image loads a library of the OS strongly; an SDK of a release it says it supports does not have it.",
        "On those releases dyld ends the process (`Library not loaded: …`). Where the modelled release itself lacks "
        "the "
        "library, MC101 says so.",
        ("Link it weakly (`-weak_framework NAME`, `-weak-lNAME`) and check before use.", RAISE),
        references=("WerWolv/ImHex#614", "dyld-1378, dyld/JustInTimeLoader.cpp, loadDependents()"),
    )
)

SYMBOL: Final = register(
    Rule(
        "MC206",
        "symbol-newer-than-minos",
        "A symbol of the OS is newer than the oldest macOS the image supports",
        Severity.ERROR,
        "The image binds strongly to a symbol of a system library that SDKs of older releases do not have: of the "
        "modelled release, or of one the image says it supports.",
        "On those releases dyld ends the process (`Symbol not found: …`): at launch with chained fixups, with bind "
        "opcodes "
        "for functions at the first call.",
        (RAISE, GUARD),
        milder="warning where the modelled release has the symbol and only older ones lack it",
        references=(RESOLVE, "MCMrARM/mcpelauncher-manifest#20", "libimobiledevice/libimobiledevice#1322"),
    )
)


@of_release
def check(case: ReleaseCase) -> Iterator[Draft]:
    """Yield the libraries and symbols that came later."""
    facts, oldest = case.facts.os, oldest_release(case.header)
    if facts is None or oldest is None:
        return
    absent: set[int] = set()
    for dylib in case.of_system:
        if facts.find(dylib.name, oldest).presence is Presence.ABSENT:
            absent.add(dylib.ordinal)
            yield from _library(case, dylib, facts, oldest)
    yield from _symbols(case, absent, facts, oldest)


def _library(case: ReleaseCase, dylib: LinkedDylib, facts: OSFacts, oldest: Version) -> Iterator[Draft]:
    macos, path = case.macos, case.image.path
    if dylib.weak or leaf(dylib.name).startswith("libswift") or facts.present(dylib.name, macos) is None:
        return
    releases = releases_from(oldest)
    broken = facts.absent_on(dylib.name, releases)
    first = next((r for r in releases if r not in broken), macos)
    message = (
        f"{printable(leaf(path))} is built for macOS {oldest} and newer, but {printable(leaf(dylib.name))} "
        f"is not part of {spoken(r for r in broken if r < first)}"
    )
    yield Draft(
        LIBRARY.id, Severity.WARNING, path, dylib.command_index, dylib.name, message,
        {
            "minos": str(oldest), "broken_on": [str(r) for r in broken],
            "why": facts.find(dylib.name, oldest).why, "why_present": facts.find(dylib.name, macos).why,
        },
        (advice("link it weakly and check before use: -weak_framework NAME, -weak-lNAME"),
         advice(f"raise the minimum version: MACOSX_DEPLOYMENT_TARGET={first}", also=True)),
        Confidence.LIKELY,
    )  # fmt: skip


def _symbols(case: ReleaseCase, absent: set[int], facts: OSFacts, oldest: Version) -> Iterator[Draft]:
    header, macos = case.header, case.macos
    for ordinal, names in facts.strong(case.image).items():
        if ordinal > len(header.loads) or ordinal in absent:
            continue
        dylib = header.loads[ordinal - 1]
        if not might_be_in_shared_cache(dylib.name) or dylib.weak:
            continue
        path = facts.present(dylib.name, macos)
        if path is None:
            continue
        lacking = facts.lacking(case.image, ordinal, path, oldest)
        if not lacking:
            continue
        gone = set(facts.lacking(case.image, ordinal, path, macos))
        newer = [n for n in lacking if n not in gone]
        known = [b for b in bounds(facts, path, newer, oldest, header.arch.name) if b["present_in"] is not None]
        if known:
            lazy = all(names[str(b["symbol"])] for b in known)
            yield _newer_symbols(case, dylib, path, known, facts, oldest, lazy=lazy)


def _newer_symbols(
    case: ReleaseCase,
    dylib: LinkedDylib,
    library: str,
    known: list[dict[str, str | None]],
    facts: OSFacts,
    oldest: Version,
    *,
    lazy: bool,
) -> Draft:
    symbols = [str(b["symbol"]) for b in known]
    releases = releases_from(oldest)
    arch = case.header.arch.name
    answers = {r: [facts.lookup(library, symbol, r, arch).presence for symbol in symbols] for r in releases}
    broken = [r for r, found in answers.items() if Presence.ABSENT in found]
    path = case.image.path
    fails = "the process does not launch"
    if lazy:
        fails = "the process ends at the first call"
        if not case.main:
            fails = "it fails at the first call, or at once where it is opened with RTLD_NOW as Python does"
    message = (
        f"{printable(leaf(path))} is built for macOS {oldest} and newer, but {symbol_names(symbols)} of "
        f"{printable(leaf(dylib.name))} came later: on {spoken(broken)} {fails}"
    )
    newest = max(Version.parse(str(b["present_in"])) for b in known)
    return Draft(
        SYMBOL.id, Severity.WARNING, path, dylib.command_index, library, message,
        {"minos": str(oldest), "library": library, "bounds": known, "broken_on": [str(r) for r in broken],
         "lazy": lazy},
        (advice(f"raise the minimum version: MACOSX_DEPLOYMENT_TARGET={newest}"),
         advice("compile with -Werror=unguarded-availability-new and check with __builtin_available before each use",
                also=True)),
        Confidence.LIKELY,
    )  # fmt: skip
