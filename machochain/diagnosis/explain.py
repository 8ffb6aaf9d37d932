"""Evidence -> diagnosis: the sentence and the reasons. Words only; every decision is taken elsewhere."""

from __future__ import annotations

from typing import Final

from machochain.diagnosis.attempts import explain_attempts
from machochain.diagnosis.causes import classify
from machochain.diagnosis.places import place_of
from machochain.diagnosis.remedies import remedies, warnings
from machochain.model.evidence import Diagnosis, Evidence, EvidenceKind, Place, PlaceKind, Request
from machochain.model.paths import leaf, printable

_BUILD_HEADLINES: Final = {
    "ld-library-not-found": "The linker does not find {lib}.",
    "ld-framework-not-found": "The linker does not find the framework {lib}.",
    "ld-built-for-newer": "{lib} was built for macOS {new}, newer than what is being linked.",
    "tapi-version": "The linker cannot read a stub file of the SDK ({new}): it is older than the SDK.",
    "xcrun-developer-path": "The Command Line Tools are not where xcrun looks ({lib}).",
    "cgo-invalid-flag": "cgo does not let the flag {lib} through.",
    "strip-format": "strip cannot read {lib}: it is not the strip for Mach-O files.",
}
_ANYWHERE: Final = frozenset({"flat namespace", "weak-def export"})


def explain_evidence(evidence: Evidence) -> Diagnosis:
    """Say what one piece of evidence means.

    Args:
        evidence: What `read` found.

    Returns:
        The diagnosis; for a log that shows no failure, one whose cause is `Cause.UNKNOWN` and that has no remedy.
    """
    attempts, facts = explain_attempts(evidence)
    verdict = classify(evidence, facts)
    place = place_of(evidence.referenced_from or evidence.process)
    failed = evidence.kind.is_failure
    return Diagnosis(
        evidence=evidence,
        headline=_headline(evidence),
        cause=verdict.cause,
        confidence=verdict.confidence,
        because=tuple(printable(b) for b in (*verdict.because, *_place_words(place, evidence))),
        alternatives=verdict.alternatives,
        attempts=attempts,
        process=facts,
        place=place,
        remedy=remedies(verdict.cause, evidence, facts) if failed else (),
        avoid=warnings(verdict.cause, evidence, facts) if failed else (),
    )


def _headline(e: Evidence) -> str:
    library = printable(leaf(e.library or "")) or "the library"
    asker = printable(leaf(e.referenced_from or "")) or "the program"
    process = printable(leaf(e.process or "")) or "the process"
    match e.kind:
        case EvidenceKind.LIBRARY_MISSING if e.request is Request.INSERTED:
            return f"{library} is missing: DYLD_INSERT_LIBRARIES of {process} names it."
        case EvidenceKind.LIBRARY_MISSING:
            return f"{library} is missing: {asker} needs it."
        case EvidenceKind.ARCHITECTURE:
            return f"{library} is there, but for another processor than {process} runs on."
        case EvidenceKind.SIGNATURE:
            return f"{library} is there, but its code signature is not accepted in {process}."
        case EvidenceKind.COMPATIBILITY:
            return f"{library} is there, but older than {asker} demands."
        case EvidenceKind.RESTRICTED:
            return f"{library} was refused: {asker} runs restricted, and the load path is not absolute."
        case EvidenceKind.BAD_FILE:
            return f"{library} is there, but dyld does not accept the file."
        case EvidenceKind.SYMBOL_MISSING:
            return _symbol_headline(e, asker)
        case EvidenceKind.VALIDITY:
            return f"dyld refuses to start {asker}: {printable(e.reason or '')}."
        case EvidenceKind.TERMINATION:
            return f"{process} was ended by the system{_why_ended(e)}."
        case EvidenceKind.BUILD:
            words = _BUILD_HEADLINES.get(e.build_rule or "", "The build failed.")
            return words.format(lib=printable(e.library or "a file"), new=printable(e.built_for or "a newer version"))
        case EvidenceKind.LOADS:
            return f"A log of {len(e.loads)} loaded images."
        case EvidenceKind.SEARCHES:
            noun = "search" if len(e.searches) == 1 else "searches"
            return f"A log of {len(e.searches)} {noun}, {sum(s.missing for s in e.searches)} in vain."
        case EvidenceKind.TRACE:
            return f"A trace of {len(e.calls)} file calls on libraries; failed ones are normal."


def _symbol_headline(e: Evidence, asker: str) -> str:
    symbol = printable(e.symbol or "?")
    whom = asker if e.referenced_from else printable(leaf(e.library or "")) or asker
    if e.expected_in in _ANYWHERE:
        return f"no loaded library has the symbol {symbol}: {whom} needs it."
    return f"{printable(leaf(e.expected_in or 'a library'))} lacks the symbol {symbol}: {whom} needs it."


def _why_ended(e: Evidence) -> str:
    t = e.termination
    if t is None:
        return ""
    code = "" if t.code is None else str(t.code)
    return f" ({printable(' '.join(x for x in (t.namespace, code, t.indicator) if x))})"


def _place_words(place: Place, e: Evidence) -> list[str]:
    """Say what the place of the image that asks means for the search."""
    words = []
    if place.kind is PlaceKind.GO_TEST:
        words.append(
            "`go test` runs a temporary program in the package's folder: "
            "relative paths and @executable_path change meaning."
        )
    elif place.kind is PlaceKind.GO_RUN:
        words.append("`go run` starts a temporary copy: @executable_path and @loader_path lead there.")
    elif place.kind is PlaceKind.GO_RUN_CACHED:
        words.append("`go run` started it from Go's build cache: @executable_path and @loader_path lead there.")
    elif place.kind is PlaceKind.CARGO_TARGET and e.kind is EvidenceKind.LIBRARY_MISSING:
        words.append("cargo sets DYLD_FALLBACK_LIBRARY_PATH for what it runs: /usr/local/lib is no fallback then.")
    if e.redacted:
        words.append("The crash reporter removed parts of the paths: * stands for any of them.")
    return words
