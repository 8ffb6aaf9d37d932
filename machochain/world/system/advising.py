"""What is known of the OS, laid beside what a message says: which release has the symbol, what became of the library.

A message that names a library of macOS does not say whether the system is too old or the library is gone; the facts of
the SDKs often do.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from machochain.diagnosis.conclusions import helps_for
from machochain.diagnosis.elision import is_elided
from machochain.diagnosis.eras import of_ios
from machochain.diagnosis.explain import headline_of
from machochain.diagnosis.remedies import remedies
from machochain.diagnosis.table import forms
from machochain.model.cause import Cause
from machochain.model.diagnosis import Answer, Diagnosis, Fact, Help
from machochain.model.evidence import Era, EvidenceKind
from machochain.model.filesystem import Presence
from machochain.model.ospaths import FRAMEWORKS
from machochain.model.paths import leaf
from machochain.model.result import Confidence
from machochain.model.value import evolve
from machochain.model.version import Version
from machochain.world.system.facts import LibraryFacts, SystemFacts

_SYSTEM: Final = ("/usr/lib/", "/System/Library/")
_SWIFT: Final = "/usr/lib/swift/"
_FIRST: Final = Version.of(11)
"""The oldest release whose programs are judged; what is older says nothing to a reader of today."""
_LATELY: Final = Version.of(13)
"""What was there at the beginning and in no later release is gone."""
_DIRECT: Final = 3
"""Slashes in the path of a library that lies in /usr/lib itself."""
_OF_12: Final = frozenset({Era.DYLD4_EARLY, Era.DYLD4_QUOTED, Era.DYLD4})
"""Words of macOS 12 or later."""
_NUMBERED: Final = re.compile(r"/usr/lib/lib(?:crypto|ssl|tls)\.").match
"""Libraries that come with macOS in many numbers, and that no SDK names."""
_MOST_SYMBOLS: Final = 50
_LINKED: Final = re.compile(
    r"lib(?:z|iconv|xml2|xslt|exslt|sqlite3|curl|resolv|bz2|ncurses|edit|objc|pcap|expat|lzma|compression|archive)\."
).match
"""Libraries in /usr/lib that programs link with by name."""
_ONCE: Final = re.compile(
    r"/usr/lib/lib(?:ltdl\.\d|pq\.5|ecpg\.\d|pgtypes\.\d|netsnmp\w*\.\d+|svn_\w+-1\.\d|wx_\w+-2\.8\.\d|apr(?:util)?-1\.\d)\.dylib"
).match
"""Libraries that macOS had before the oldest SDK that is known, or a part of it that is no more: the server's."""
_OF_SYSTEM: Final = frozenset({Cause.NEWER_MACOS, Cause.SYSTEM_LIBRARY_GONE})
_OF_FLAT: Final = frozenset({Cause.NEWER_MACOS, Cause.FLAT_SYMBOL})


def asks(answer: Answer) -> bool:
    """Whether the facts of the OS may settle what an answer leaves open."""
    e = answer.evidence
    if of_ios(e):
        return False
    if e.kind is EvidenceKind.BUILD:
        return answer.cause is Cause.MISSING_INPUT and (_is_link(answer) or _is_framework(answer))
    if e.kind is EvidenceKind.LIBRARY_MISSING:
        return answer.cause in _OF_SYSTEM and (e.library or "").startswith(_SYSTEM) and not is_elided(e.library)
    if e.kind is not EvidenceKind.SYMBOL_MISSING or not e.symbol or is_elided(e.symbol):
        return False
    if (e.expected_in or "").startswith(_SYSTEM):
        return not _OF_SYSTEM.isdisjoint({answer.cause, *answer.alternatives}) and not is_elided(e.expected_in)
    return e.expected_in == "flat namespace" and answer.cause in _OF_FLAT


def settled(diagnosis: Diagnosis, facts: SystemFacts) -> Diagnosis:
    """Return a diagnosis with what the facts of the OS say of its symbols and libraries.

    Args:
        diagnosis: What was read from a text alone.
        facts: The embedded facts, or SDKs.
    """
    return evolve(diagnosis, answers=tuple(_one(a, facts) if asks(a) else a for a in diagnosis.answers))


def _one(answer: Answer, facts: SystemFacts) -> Answer:
    e = answer.evidence
    if e.kind is EvidenceKind.BUILD:
        return _linked(answer, facts) if _is_link(answer) else _framework(answer, facts)
    if e.kind is EvidenceKind.LIBRARY_MISSING:
        return _library(answer, e.library or "", facts)
    if e.expected_in == "flat namespace":
        return _anywhere(answer, e.symbol or "", facts)
    return _expected(answer, e.expected_in or "", e.symbol or "", facts)


def _is_link(answer: Answer) -> bool:
    return (answer.form or "").startswith(("ld.undef", "lld.undef", "zig.undef"))


def _is_framework(answer: Answer) -> bool:
    return (answer.form or "").startswith(("ld.framework", "lld.framework"))


def _framework(answer: Answer, facts: SystemFacts) -> Answer:
    """A framework a linker did not find: does macOS have it?"""
    name = str(answer.fact("name") or "")
    known = facts.library(f"{FRAMEWORKS}{name}.framework/Versions/A/{name}")
    if known is None:
        return answer
    first, _ = _span(known, facts)
    since = f", from {_words(first)} on" if first is not None and first > facts.sources[0].high else ""
    why = f"macOS has {name}.framework{since}: no SDK was found, or one without it."
    return _changed(answer, Cause.SDK_MISSING, why, {})


def _linked(answer: Answer, facts: SystemFacts) -> Answer:
    """Symbols a linker did not find: which of them are of a library of macOS that can be linked with?"""
    value = answer.fact("symbols")
    symbols = (value if isinstance(value, tuple) else (str(value),))[:_MOST_SYMBOLS]
    found: dict[str, list[str]] = {}
    for symbol, owners in facts.providers(symbols).items():
        owner = next((o for o in owners if _is_public(o) and (".framework/" in o or _LINKED(leaf(o)))), None)
        if owner is not None:
            found.setdefault(owner, []).append(symbol)
    if not found:
        return answer
    newest = facts.sources[-1].high
    because, rivals = list(answer.because), list(answer.alternatives)
    for owner, names in found.items():
        named = names[0] if len(names) == 1 else f"{len(names)} of them ({names[0]}, …)"
        since = max((v for n in names if (v := facts.lookup(owner, n, newest).present_in)), default=None)
        late = since is not None and since > facts.sources[0].high
        because.append(f"{leaf(owner)} of macOS has {named}{f', from {_words(since)} on' if late and since else ''}.")
        if late and Cause.SDK_MISSING not in rivals:
            rivals.append(Cause.SDK_MISSING)
    steps = tuple(f"link with {_flag(owner)}" for owner in found)
    return evolve(
        answer,
        because=tuple(because),
        alternatives=tuple(rivals),
        helps=(*(Help("relink", step) for step in steps), *answer.helps),
        remedy=(*steps, *answer.remedy),
    )


def _flag(library: str) -> str:
    name = leaf(library)
    return f"-framework {name}" if ".framework/" in library else f"-l{name.removeprefix('lib').partition('.')[0]}"


def _expected(answer: Answer, library: str, symbol: str, facts: SystemFacts) -> Answer:
    """A symbol that was expected in a library of macOS: since when has it been there?"""
    newest = facts.sources[-1].high
    known = facts.lookup(library, symbol, newest)
    if known.presence is Presence.ABSENT and known.present_in is None:
        why = f"No SDK that is known has it in {leaf(library)}: most likely it was linked against another copy."
        return _changed(answer, Cause.ABI_MISMATCH, why, {})
    here = answer.evidence.macos
    if known.present_in is None:
        return answer
    if known.presence is not Presence.PRESENT:
        if answer.cause not in _OF_SYSTEM or here is None or here < known.present_in or known.absent_in is not None:
            return answer
        why = f"{leaf(library)} of macOS {_words(known.present_in)} had it, and nothing vouches for it since."
        return _changed(answer, Cause.SYSTEM_LIBRARY_GONE, why, {"seen_in": str(known.present_in)})
    low = here or (answer.evidence.macos_range.low if answer.evidence.macos_range else None)
    if low is not None and low >= known.present_in and answer.confidence is not Confidence.CERTAIN:
        since = _words(known.present_in)
        why = f"{leaf(library)} is known to have it from macOS {since} on: the text does not say why not here."
        return _changed(answer, Cause.UNKNOWN, why, {}, out=(Cause.NEWER_MACOS,))
    since = _words(known.present_in)
    if known.absent_in is not None:
        since += f", not yet in {_words(known.absent_in)}"
    return _changed(
        answer,
        Cause.NEWER_MACOS,
        f"{leaf(library)} is known to have it from macOS {since}.",
        {"since": str(known.present_in)},
    )


def _anywhere(answer: Answer, symbol: str, facts: SystemFacts) -> Answer:
    """A symbol that was left to be found anywhere: is it one of macOS, and was its library merely not linked?"""
    every = facts.providers([symbol]).get(symbol, ())
    newest = facts.sources[-1].high
    inner = next((name for name in every if name.startswith("/usr/lib/system/")), None)
    if inner is not None:
        since = facts.lookup(inner, symbol, newest).present_in
        if since is None or since <= facts.sources[0].high:
            return answer
        why = f"libSystem, which every program has loaded, is known to have it from macOS {_words(since)}."
        return _changed(answer, Cause.NEWER_MACOS, why, {"since": str(since)})
    owners = [name for name in every if _is_public(name)]
    if not owners:
        if answer.cause is Cause.FLAT_SYMBOL:
            rest = tuple(c for c in answer.alternatives if c is not Cause.NEWER_MACOS)
            return evolve(answer, alternatives=rest)
        return answer
    known = facts.lookup(owners[0], symbol, newest)
    name = leaf(owners[0])
    here = answer.evidence.macos
    flag = _flag(owners[0])
    told: dict[str, Fact] = {"provider": owners[0]}
    if known.present_in is not None and known.present_in > (_FIRST if here is None else here):
        told["since"] = str(known.present_in)
        why = f"{name} is known to have it from macOS {_words(known.present_in)}."
        return _changed(answer, Cause.NEWER_MACOS, why, told)
    since = known.present_in if known.present_in is not None and known.present_in > facts.sources[0].high else None
    if since is None or (here is not None and here >= since):
        why = f"{name} of macOS has it: most likely that library was not linked."
        found = _changed(answer, Cause.FLAT_SYMBOL, why, told, out=(Cause.NEWER_MACOS,))
    else:
        why = f"{name} of macOS has it, from {_words(since)} on: it was not linked, or this release lacks it."
        found = _changed(answer, Cause.FLAT_SYMBOL, why, told)
        found = evolve(
            found, alternatives=(Cause.NEWER_MACOS, *(c for c in found.alternatives if c is not Cause.NEWER_MACOS))
        )
    step = f"link with {flag}"
    return evolve(found, helps=(Help("relink", step), *found.helps), remedy=(step, *found.remedy))


def _library(answer: Answer, library: str, facts: SystemFacts) -> Answer:
    """A library of macOS that was not there: not yet, or no longer?"""
    known = facts.library(library)
    if known is None:
        return _unlisted(answer, library)
    span = answer.evidence.macos_range
    if known.removed and not (span is not None and span.high is not None and span.high < known.removed[0][0]):
        version, _ = known.removed[0]
        return _changed(
            answer, Cause.SYSTEM_LIBRARY_GONE, f"macOS {_words(version)} removed it.", {"removed_in": str(version)}
        )
    first, last = _span(known, facts)
    always = first is not None and first <= facts.sources[0].high
    if last is not None and (last < _FIRST or (always and last < _LATELY)):
        why = f"The newest macOS known to have it is {_words(last)}."
        out = (Cause.NEWER_MACOS,) if always else ()
        return _changed(answer, Cause.SYSTEM_LIBRARY_GONE, why, {"until": str(last)}, out=out)
    if first is not None and first > facts.sources[0].high:
        stated = re.search(r"\d+(?:\.\d+){0,2}", answer.evidence.built_for or "")
        built = Version.parse(stated[0]) if stated else None
        if library.startswith(_SWIFT) or (built is not None and built < first):
            return answer  # the SDKs before it do not name every library a release has
        why = f"It is known from macOS {_words(first)} on."
        return _changed(answer, Cause.NEWER_MACOS, why, {"since": str(first)})
    if first is not None and answer.evidence.era in _OF_12:
        why = "Every macOS that is known has it: this process could not see it, or the system is damaged."
        found = _changed(answer, Cause.UNKNOWN, why, {}, out=(*_OF_SYSTEM, Cause.BUILD_MACHINE_PATH))
        return evolve(found, alternatives=(Cause.SANDBOX, Cause.OS_DAMAGED), helps=(), remedy=())
    return answer


def _unlisted(answer: Answer, library: str) -> Answer:
    """A library in /usr/lib that no SDK names."""
    if not library.startswith("/usr/lib/") or library.count("/") != _DIRECT or _NUMBERED(library):
        return answer
    if _ONCE(library):
        why = "No SDK that is known has it: macOS had a library of this name once."
        return _changed(answer, Cause.SYSTEM_LIBRARY_GONE, why, {})
    why = "No SDK that is known has it: most likely it is a file of the machine the program was built on."
    return _changed(answer, Cause.BUILD_MACHINE_PATH, why, {})


def _span(known: LibraryFacts, facts: SystemFacts) -> tuple[Version | None, Version | None]:
    """Return the oldest and the newest release that a library is known to be in."""
    sdks = [s for s in facts.sources if s.id in known.sdks]
    low = [s.low for s in sdks] + [version for version, _, _ in known.introduced]
    high = [s.high for s in sdks] + [last or version for version, _, last in known.introduced]
    high += [version for version, _ in known.seen]
    if known.observed is not None:
        high.append(known.observed[1])
    return min(low, default=None), max(high, default=None)


_INTERPRETER: Final = re.compile(
    r"/(?:Python|Python3|Ruby|Tcl|Tk|JavaScriptCore)\.framework/|/lib(?:python|ruby|perl|tcl|tk|php|lua)[^/]*$"
)
"""Run times whose own modules ask for their symbols: another of its kind has them too, and macOS's is not meant."""


def _is_public(library: str) -> bool:
    if _INTERPRETER.search(library):
        return False
    if library.startswith(FRAMEWORKS):
        return f"/{leaf(library)}.framework/" in library
    return (
        library.startswith("/usr/lib/")
        and "/" not in library[len("/usr/lib/") :]
        and not _NUMBERED(library)
        and "libstdc++" not in library
    )


def _words(version: Version) -> str:
    return str(version).removesuffix(".0")


def _changed(answer: Answer, cause: Cause, why: str, told: dict[str, Fact], *, out: tuple[Cause, ...] = ()) -> Answer:
    """Return an answer whose cause the facts name; what it was before is a rival, unless it is ruled out."""
    rivals: Iterable[Cause] = (answer.cause, *answer.alternatives)
    facts = (*answer.facts, *told.items())
    found = evolve(
        answer,
        cause=cause,
        because=(*(answer.because if cause is answer.cause else ()), why),
        alternatives=tuple(dict.fromkeys(c for c in rivals if c is not cause and c not in out)),
        facts=facts,
    )
    if cause is answer.cause:
        return found
    row = forms()[answer.form or ""]
    helps = tuple(helps_for([row], cause, dict(facts)))
    return evolve(
        found,
        confidence=Confidence.LIKELY,
        headline=answer.headline if answer.evidence.kind is EvidenceKind.BUILD else headline_of(answer.evidence, cause),
        helps=helps,
        remedy=remedies(cause, answer.evidence, answer.process) or tuple(h.text for h in helps),
    )
