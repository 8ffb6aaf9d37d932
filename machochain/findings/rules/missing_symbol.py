"""MC205, MC207 to MC209, MC905: symbols that are missing, or nobody can tell about; some of them are MC206."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from machochain.findings.draft import Case, Draft
from machochain.findings.osfacts import OSFacts, bounds
from machochain.findings.registry import of_process, register
from machochain.findings.remedies import advice
from machochain.findings.rule import Rule
from machochain.findings.rules import newer_than_minos
from machochain.findings.sources import RESOLVE
from machochain.findings.words import symbol_names
from machochain.model.paths import leaf, printable
from machochain.model.remedy import Remedy
from machochain.model.result import PLACELESS, Confidence, LoadedImage, Lookup, MissingSymbol, Origin, Severity
from machochain.model.shortage import Kind, Shortage, by_image
from machochain.model.version import Version

MISSING: Final = register(
    Rule(
        "MC205",
        "missing-symbol",
        "A symbol is missing",
        Severity.ERROR,
        "The image binds a symbol at launch to a library that does not have it, neither itself nor through what it "
        "re-exports.",
        "dyld ends the process before `main` runs (`Symbol not found: …`); for a plugin, `dlopen` fails.",
        (
            "Ship the version of the library the image was linked with, or link the image again.",
            "A symbol of a weakly linked library that is absent: link the whole library with `-weak-lNAME`.",
        ),
        references=(RESOLVE,),
    )
)

FLAT_SYMBOL: Final = register(
    Rule(
        "MC207",
        "missing-flat-symbol",
        "No image of the process has a symbol that is looked up in all",
        Severity.ERROR,
        "The symbol was linked with `-undefined dynamic_lookup` or in a flat namespace, and none of the images that "
        "are "
        "loaded at launch exports it.",
        "dyld ends the process (`symbol not found in flat namespace …`).",
        ("Link with the library that defines it.", "A plugin: open it in the program it was made for."),
        references=(RESOLVE,),
    )
)

LAZY: Final = register(
    Rule(
        "MC208",
        "missing-lazy-symbol",
        "A function that is bound at its first call is missing",
        Severity.WARNING,
        "The image has bind opcodes, and a symbol of its lazy binds is nowhere to be found.",
        "The process launches, and ends when the function is called (`Symbol not found: …`, `missing symbol called`). "
        "`dlopen` with `RTLD_NOW`, which Python and others use, fails at once.",
        ("Ship the version of the library the image was linked with, or link the image again.",),
        references=(RESOLVE, "dyld-1378, dyld/DyldAPIs.cpp, dlopen_from(): allowLazyBinds"),
    )
)

WEAK_DEFINITION: Final = register(
    Rule(
        "MC209",
        "missing-weak-definition",
        "No image of the process has a C++ definition that is shared",
        Severity.ERROR,
        "A symbol is looked up among the weak definitions of all images (chained fixups), and none has it.",
        "dyld ends the process (`weak-def symbol not found`, since macOS 15 `Expected as weak-def export from some "
        "loaded "
        "dylib`). With bind opcodes such symbols are passed over.",
        ("Link with the library that defines it; do not strip exported weak definitions.",),
        references=(RESOLVE,),
    )
)

UNKNOWN: Final = register(
    Rule(
        "MC905",
        "unknown-symbols",
        "Symbols that could not be checked",
        Severity.INFO,
        "The image binds to symbols of a library of the OS, and no SDK known here says whether this release has them; "
        "or "
        "one of the OS's own libraries, which are not modelled, may define them.",
        "Whether the process launches is unknown.",
        ("Name an SDK of that release: `--sdk DIR`.",),
    )
)

NEWER: Final = newer_than_minos.SYMBOL

_RENEW: Final = (advice("build it again with the headers and libraries it will run with"),)
_OF_SYSTEM: Final = (
    advice("build it for this macOS: -mmacosx-version-min, MACOSX_DEPLOYMENT_TARGET"),
    advice("check before each use", also=True),
)


@of_process
def check(case: Case) -> Iterator[Draft]:
    """Yield a draft for each image and library between which symbols are missing, or may be."""
    if not case.result.missing_symbols:
        return
    paths: dict[str, LoadedImage] = {image.path: image for image in case.result.images}
    for source, shortage in by_image(case.result.missing_symbols):
        image = case.result.images[source]
        groups: dict[tuple[str | None, Lookup, str, bool, bool], list[int]] = {}
        for kind, places in shortage.kinds.items():
            # Most are those of a library that is missing itself, which is told of that.
            if kind.known or kind.place is not None:
                late = kind.lazy and not kind.fatal and not case.binds_now(source)
                for rule, told in _rules(kind, shortage, places, paths, case, source, late=late):
                    groups.setdefault((kind.expected_in, kind.lookup, rule.id, late, kind.known), []).extend(told)
        ordered = sorted((sorted(told), key[2], key[3]) for key, told in groups.items() if told)
        for told, rule_id, late in ordered:
            found = shortage.at(told, source)
            yield _unknown(image, found) if rule_id == UNKNOWN.id else _missing(case, image, rule_id, found, late=late)


def _rules(
    kind: Kind,
    shortage: Shortage,
    places: Sequence[int],
    paths: Mapping[str, LoadedImage],
    case: Case,
    source: int,
    *,
    late: bool,
) -> Iterator[tuple[Rule, Sequence[int]]]:
    """Yield the rules that symbols of one kind belong to; none where they are allowed, or the library is missing."""
    if kind.weak and not kind.fatal:
        return
    if not kind.known:
        if kind.lookup in PLACELESS or kind.expected_in in paths:
            yield UNKNOWN, places
        return
    provider = paths.get(kind.expected_in or "")
    if provider is not None and provider.origin is Origin.OS and case.facts.os is not None:
        asked = zip(places, shortage.at(places, source), strict=True)
        newer = [place for place, m in asked if _is_newer(case, case.facts.os, provider.path, m.symbol)]
        yield NEWER, newer
        places = sorted(set(places) - set(newer))
    other = LAZY if late else {Lookup.FLAT: FLAT_SYMBOL, Lookup.WEAK: WEAK_DEFINITION}.get(kind.lookup, MISSING)
    yield other, places


def _is_newer(case: Case, facts: OSFacts, library: str, symbol: str) -> bool:
    known = facts.lookup(library, symbol, case.result.macos, case.result.arch).present_in
    return known is not None and known > case.result.macos


def _missing(  # noqa: C901, PLR0912  # the order of its steps is the rule
    case: Case, image: LoadedImage, rule: str, found: Sequence[MissingSymbol], *, late: bool
) -> Draft:
    host = case.result.host.value if case.result.host is not None else None
    expected, flat = found[0].place, found[0].lookup is Lookup.FLAT
    severity = Severity.WARNING if late else Severity.ERROR
    who, names = printable(leaf(image.path)), symbol_names(m.symbol for m in found)
    evidence: dict[str, Any] = {"library": expected, "symbols": [m.symbol for m in found]}
    system = next((i for i in case.result.images if i.path == expected and i.origin is Origin.OS), None)
    confidence = Confidence.CERTAIN
    remedy: tuple[Remedy, ...] = _RENEW
    if system is not None and case.facts.os is not None:
        confidence = Confidence.LIKELY
        evidence["bounds"] = bounds(
            case.facts.os, system.path, evidence["symbols"], case.result.macos, case.result.arch
        )
        remedy = _OF_SYSTEM
    if rule == NEWER.id:
        known = [Version.parse(text) for b in evidence["bounds"] if (text := b["absent_in"]) is not None]
        lacking = min(known, default=case.result.macos)
        message = (
            f"{who} needs {names} of {printable(leaf(expected or ''))}, which macOS {lacking} and older do not have"
        )
        if late:
            message += ": the process ends at the first call"
    elif rule == FLAT_SYMBOL.id:
        message = f"{who} looks {names} up in all images of the process, and none has it"
        if host is not None:
            message = (
                f"{who} looks {names} up in all images of the process: neither {host} nor any library it loads has it"
            )
        remedy = (advice("link with the library that defines it, without -undefined dynamic_lookup"),)
    elif rule == WEAK_DEFINITION.id:
        message = f"{who} needs {names}, a weak definition that no image of the process has"
        remedy = (advice("link with the library that defines it, or with the same C++ library as the others"),)
    elif rule == LAZY.id:
        place = "no image of the process" if flat else printable(leaf(expected or "its absent library"))
        message = f"{who} calls {names}, which {place} lacks: the process ends at the first call"
        if flat:
            message = f"{who} calls {names}, which {place} has: the process ends at the first call"
        if case.result.host is not None and case.result.host.binds_now is None:
            message += "; who opens it with RTLD_NOW gets nothing at all"
    elif expected is None:
        message = f"{who} needs {names} of a library that is absent: a weak load does not make its symbols weak"
        remedy = (advice("build it again, with the library linked weakly: -weak-lNAME, -weak_framework NAME"),)
    else:
        message = f"{who} needs {names}, which {printable(leaf(expected))} does not have"
    unreadable = next((m.error for m in found if m.error is not None), None)
    if unreadable is not None:
        what = f"needs {names}" if names else "has a table of symbols that dyld cannot read"
        message = f"{who} {what}: {printable(unreadable.strip()) or 'dyld crashes while it looks for it'}"
        remedy = (advice("link it again with a current linker, and change nothing afterwards"),)
    elif found[0].lookup is Lookup.BAD_ORDINAL:
        message = f"{who} binds {names} to library {found[0].ordinal}, which it does not name: dyld ends the launch"
        remedy = (advice("link it again with a current linker, and change nothing afterwards"),)
    return Draft(
        rule, severity, image.path, None, expected or found[0].symbol, message, evidence, remedy, confidence
    )  # fmt: skip


def _unknown(image: LoadedImage, found: Sequence[MissingSymbol]) -> Draft:
    expected = found[0].place
    where = "in the process" if found[0].lookup in PLACELESS else f"in {printable(leaf(expected or ''))}"
    lazy = all(m.lazy for m in found)
    names = symbol_names(m.symbol for m in found)
    message = f"{printable(leaf(image.path))} needs {names}: nobody can tell whether it is {where}"
    return Draft(
        UNKNOWN.id, Severity.INFO, image.path, None, expected or "", message,
        {"library": expected, "symbols": [[m.symbol, m.unknown] for m in found], "lazy": lazy},
        (advice("name an SDK of that release: --sdk DIR"),),
    )  # fmt: skip
