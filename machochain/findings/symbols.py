"""MC204 to MC209 and MC905: libraries and symbols that are missing, newer than they may be, or not known."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from machochain.dyld.facts import might_be_in_shared_cache
from machochain.findings.draft import Case, Draft
from machochain.findings.osfacts import OSFacts, oldest_release, releases_from, spoken, versions
from machochain.model.filesystem import Presence
from machochain.model.image import LinkedDylib
from machochain.model.paths import leaf, printable
from machochain.model.result import Confidence, LoadedImage, Lookup, MissingSymbol, Origin, Severity
from machochain.model.version import Version

SHOWN: Final = 3
"""Symbols that a message names; the evidence has all."""

_ANYWHERE: Final = (Lookup.FLAT, Lookup.WEAK)
_RENEW: Final = "build it again with the headers and libraries it will run with"


def missing_symbols(case: Case) -> Iterator[Draft]:
    """Yield a draft for each image and library between which symbols are missing, or may be."""
    paths: dict[str, LoadedImage] = {image.path: image for image in case.result.images}
    groups: dict[tuple[int, str | None, Lookup, str], list[MissingSymbol]] = {}
    for missing in case.result.missing_symbols:
        rule = _rule(missing, paths, case)
        if rule is not None:
            groups.setdefault((missing.source, missing.expected_in, missing.lookup, rule), []).append(missing)
    for (source, _, _, rule), found in groups.items():
        image = case.result.images[source]
        if rule == "MC905":
            yield _unknown(image, found)
        else:
            yield _missing(case, image, rule, found)


def _rule(missing: MissingSymbol, paths: dict[str, LoadedImage], case: Case) -> str | None:
    """Return the rule a missing symbol belongs to; None where it is allowed, or its library is what is missing."""
    if missing.weak:
        return None
    expected = missing.expected_in
    if missing.unknown is not None:
        return "MC905" if missing.lookup in _ANYWHERE or expected in paths else None
    if missing.lazy:
        return "MC208"
    if missing.lookup is Lookup.FLAT:
        return "MC207"
    if missing.lookup is Lookup.WEAK:
        return "MC209"
    provider = paths.get(expected or "")
    if provider is not None and provider.origin is Origin.OS and case.facts.os is not None:
        answer = case.facts.os.lookup(provider.path, missing.symbol, case.result.macos)
        if answer.present_in is not None and answer.present_in > case.result.macos:
            return "MC206"
    return "MC205"


def _missing(case: Case, image: LoadedImage, rule: str, found: Sequence[MissingSymbol]) -> Draft:
    expected, flat = found[0].place, found[0].lookup is Lookup.FLAT
    severity = Severity.WARNING if rule == "MC208" else Severity.ERROR
    who, names = printable(leaf(image.path)), _named(m.symbol for m in found)
    evidence: dict[str, Any] = {"library": expected, "symbols": [m.symbol for m in found]}
    system = next((i for i in case.result.images if i.path == expected and i.origin is Origin.OS), None)
    confidence = Confidence.CERTAIN
    remedy: tuple[str, ...] = (_RENEW,)
    if system is not None and case.facts.os is not None:
        confidence = Confidence.LIKELY
        evidence["bounds"] = bounds(case.facts.os, system.path, evidence["symbols"], case.result.macos)
        remedy = ("build it for this macOS: -mmacosx-version-min, MACOSX_DEPLOYMENT_TARGET", "or check before each use")
    if rule == "MC206":
        known = [Version.parse(text) for b in evidence["bounds"] if (text := b["absent_in"]) is not None]
        lacking = min(known, default=case.result.macos)
        message = (
            f"{who} needs {names} of {printable(leaf(expected or ''))}, which macOS {lacking} and older do not have"
        )
    elif rule == "MC207":
        message = f"{who} looks {names} up in all images of the process, and none has it"
        remedy = ("link with the library that defines it, without -undefined dynamic_lookup",)
    elif rule == "MC209":
        message = f"{who} needs {names}, a weak definition that no image of the process has"
        remedy = ("link with the library that defines it, or with the same C++ library as the others",)
    elif rule == "MC208":
        place = "no image of the process" if flat else printable(leaf(expected or "its absent library"))
        message = f"{who} calls {names}, which {place} lacks: the process ends at the first call"
        if flat:
            message = f"{who} calls {names}, which {place} has: the process ends at the first call"
    elif expected is None:
        message = f"{who} needs {names} of a library that is absent: a weak load does not make its symbols weak"
        remedy = ("build it again, with the library linked weakly: -weak-lNAME, -weak_framework NAME",)
    else:
        message = f"{who} needs {names}, which {printable(leaf(expected))} does not have"
    return Draft(
        rule, severity, image.path, None, expected or found[0].symbol, message, evidence, remedy, confidence
    )  # fmt: skip


def _unknown(image: LoadedImage, found: Sequence[MissingSymbol]) -> Draft:
    expected = found[0].place
    where = "in the process" if found[0].lookup in _ANYWHERE else f"in {printable(leaf(expected or ''))}"
    lazy = all(m.lazy for m in found)
    message = (
        f"{printable(leaf(image.path))} needs {_named(m.symbol for m in found)}: nobody can tell whether it is {where}"
    )
    return Draft(
        "MC905", Severity.INFO, image.path, None, expected or "", message,
        {"library": expected, "symbols": [[m.symbol, m.unknown] for m in found], "lazy": lazy},
        ("name an SDK of that release: --sdk DIR",),
    )  # fmt: skip


def _named(symbols: Iterator[str]) -> str:
    """Name the first symbols and count the rest."""
    names = list(dict.fromkeys(symbols))
    shown = ", ".join(printable(name) for name in names[:SHOWN])
    return shown + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")


def bounds(facts: OSFacts, library: str, symbols: Sequence[str], macos: Version) -> list[dict[str, str | None]]:
    """Return for each symbol the newest release known without it, the oldest known with it, and what says so."""
    found = []
    for symbol in symbols:
        answer = facts.lookup(library, symbol, macos)
        known = versions({"absent_in": answer.absent_in, "present_in": answer.present_in})
        found.append({"symbol": symbol, **known, "why": answer.why})
    return found


# -- what breaks on other releases ------------------------------------------------------------------------------------


def too_new(image: LoadedImage, facts: OSFacts, macos: Version) -> Iterator[Draft]:
    """MC204 and MC206: what an image needs and the oldest macOS it says it supports does not have.

    Args:
        image: An image of the process.
        facts: What is known of the OS.
        macos: The modelled release, which has it; where it has not, that is told as what is missing.
    """
    header = image.image
    oldest = oldest_release(header) if header is not None else None
    if header is None or oldest is None:
        return
    absent: set[int] = set()
    for dylib in header.loads:
        if might_be_in_shared_cache(dylib.name) and facts.find(dylib.name, oldest).presence is Presence.ABSENT:
            absent.add(dylib.ordinal)
            yield from _library_too_new(image, dylib, facts, oldest, macos)
    yield from _symbols_too_new(image, absent, facts, oldest, macos)


def _library_too_new(
    image: LoadedImage, dylib: LinkedDylib, facts: OSFacts, oldest: Version, macos: Version
) -> Iterator[Draft]:
    if dylib.weak or leaf(dylib.name).startswith("libswift") or facts.present(dylib.name, macos) is None:
        return
    releases = releases_from(oldest)
    broken = facts.absent_on(dylib.name, releases)
    first = next((r for r in releases if r not in broken), macos)
    message = (
        f"{printable(leaf(image.path))} is built for macOS {oldest} and newer, but {printable(leaf(dylib.name))} "
        f"is not part of {spoken(r for r in broken if r < first)}"
    )
    yield Draft(
        "MC204", Severity.WARNING, image.path, dylib.command_index, dylib.name, message,
        {
            "minos": str(oldest), "broken_on": [str(r) for r in broken],
            "why": facts.find(dylib.name, oldest).why, "why_present": facts.find(dylib.name, macos).why,
        },
        ("link it weakly and check before use: -weak_framework NAME, -weak-lNAME",
         f"or raise the minimum version: MACOSX_DEPLOYMENT_TARGET={first}"),
        Confidence.LIKELY,
    )  # fmt: skip


def _symbols_too_new(
    image: LoadedImage, absent: set[int], facts: OSFacts, oldest: Version, macos: Version
) -> Iterator[Draft]:
    header = image.image
    assert header is not None
    for ordinal, names in facts.strong(image).items():
        if ordinal > len(header.loads) or ordinal in absent:
            continue
        dylib = header.loads[ordinal - 1]
        if not might_be_in_shared_cache(dylib.name) or dylib.weak:
            continue
        path = facts.present(dylib.name, macos)
        if path is None:
            continue
        lacking = facts.lacking(path, names, oldest)
        if not lacking:
            continue
        gone = set(facts.lacking(path, names, macos))
        newer = [n for n in lacking if n not in gone]
        known = [b for b in bounds(facts, path, newer, oldest) if b["present_in"] is not None]
        if known:
            yield _newer_symbols(
                image, dylib, path, known, facts, oldest, lazy=all(names[str(b["symbol"])] for b in known)
            )


def _newer_symbols(
    image: LoadedImage,
    dylib: LinkedDylib,
    path: str,
    known: list[dict[str, str | None]],
    facts: OSFacts,
    oldest: Version,
    *,
    lazy: bool,
) -> Draft:
    symbols = [str(b["symbol"]) for b in known]
    releases = releases_from(oldest)
    broken = [r for r in releases if any(facts.lookup(path, s, r).presence is Presence.ABSENT for s in symbols)]
    fails = "ends at the first call" if lazy else "does not launch"
    message = (
        f"{printable(leaf(image.path))} is built for macOS {oldest} and newer, but {_named(iter(symbols))} of "
        f"{printable(leaf(dylib.name))} came later: on {spoken(broken)} the process {fails}"
    )
    newest = max(Version.parse(str(b["present_in"])) for b in known)
    return Draft(
        "MC206", Severity.WARNING, image.path, dylib.command_index, path, message,
        {"minos": str(oldest), "library": path, "bounds": known, "broken_on": [str(r) for r in broken], "lazy": lazy},
        (f"raise the minimum version: MACOSX_DEPLOYMENT_TARGET={newest}",
         "or compile with -Werror=unguarded-availability-new and check with __builtin_available before each use"),
        Confidence.LIKELY,
    )  # fmt: skip
