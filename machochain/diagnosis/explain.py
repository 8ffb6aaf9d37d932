"""The sentences on a message of dyld. Words only; every decision is taken elsewhere."""

from __future__ import annotations

from typing import Final

from machochain.diagnosis.derive import is_unsaid
from machochain.model.cause import Cause
from machochain.model.diagnosis import Place, PlaceKind
from machochain.model.evidence import Evidence, EvidenceKind, Request
from machochain.model.paths import leaf, printable

_ANYWHERE: Final = frozenset({"flat namespace", "dynamic lookup", "weak-def export"})


_NOT_ABSENT: Final = frozenset({Cause.OS_DAMAGED, Cause.TOO_LARGE, Cause.OUT_OF_MEMORY, Cause.UNKNOWN, Cause.TCC})


def headline_of(e: Evidence, cause: Cause) -> str:  # noqa: C901, PLR0911, PLR0912  # the order of its steps is the rule
    """Return what happened, in one sentence."""
    library = printable(leaf(e.library or "")) or "the library"
    asker = printable(leaf(e.referenced_from or "")) or "the program"
    process = printable(leaf(e.process or "")) or "the process"
    match e.kind:
        case EvidenceKind.LIBRARY_MISSING if e.request is Request.INSERTED and not e.library:
            return f"DYLD_INSERT_LIBRARIES of {process} has an entry without a name."
        case EvidenceKind.LIBRARY_MISSING if e.request is Request.INSERTED and _is_absent(e):
            return f"{library} is missing: DYLD_INSERT_LIBRARIES of {process} names it."
        case _ if e.request is Request.INSERTED:
            return f"{library} could not be inserted: DYLD_INSERT_LIBRARIES of {process} names it."
        case EvidenceKind.LIBRARY_MISSING if cause is Cause.SANDBOX:
            return f"{library} could not be read: the system refuses it to {process}."
        case EvidenceKind.LIBRARY_MISSING if cause is Cause.RESTRICTED_PATH:
            return f"{library} was refused: {process} runs restricted, and the path is not absolute."
        case EvidenceKind.LIBRARY_MISSING if (
            e.dlopen_path == e.library and e.referenced_from is None and e.request is Request.DLOPEN
        ):
            if cause in {Cause.WRONG_ARCHITECTURE, Cause.SIGNATURE_BROKEN, Cause.UNKNOWN}:
                return f"{library} could not be loaded: the program itself asked for it."
            return f"{library} is not there: the program itself asked for it."
        case EvidenceKind.LIBRARY_MISSING:
            what = "could not be loaded" if is_unsaid(e) or cause in _NOT_ABSENT else "is missing"
            return f"{library} {what}: {asker} needs it."
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
        case EvidenceKind.TERMINATION if cause is Cause.UNKNOWN:
            return f"dyld ended {process}{_why_ended(e)}."
        case EvidenceKind.TERMINATION:
            return f"{process} was ended by the system{_why_ended(e)}."
        case EvidenceKind.BUILD | EvidenceKind.MESSAGE:
            return "A message was found."
        case EvidenceKind.LOADS:
            return f"A log of {len(e.loads)} loaded images."
        case EvidenceKind.SEARCHES:
            noun = "search" if len(e.searches) == 1 else "searches"
            return f"A log of {len(e.searches)} {noun}, {sum(s.missing for s in e.searches)} in vain."
        case EvidenceKind.TRACE:
            return f"A trace of {len(e.calls)} file calls on libraries; failed ones are normal."


def _is_absent(e: Evidence) -> bool:
    """Whether dyld says of no file that it is there."""
    return bool(e.attempts or e.reason == "image not found") and not e.truncated


def _symbol_headline(e: Evidence, asker: str) -> str:
    symbol = printable(e.symbol or "?")
    whom = asker if e.referenced_from else printable(leaf(e.library or "")) or asker
    if e.expected_in in _ANYWHERE:
        return f"No loaded library has the symbol {symbol}: {whom} needs it."
    if e.expected_in == "dyld shared cache":
        return f"The libraries of the system lack the symbol {symbol}: {whom} needs it."
    return f"{printable(leaf(e.expected_in or 'a library'))} lacks the symbol {symbol}: {whom} needs it."


def _why_ended(e: Evidence) -> str:
    t = e.termination
    if t is None:
        return ""
    code = "" if t.code is None else str(t.code)
    return f" ({printable(' '.join(x for x in (t.namespace, code, t.indicator) if x))})"


def place_words(place: Place, e: Evidence) -> list[str]:
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
    if e.redacted:
        words.append("The crash reporter removed parts of the paths: * stands for any of them.")
    return words
