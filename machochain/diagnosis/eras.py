"""Which dyld wrote a text, told from its wording alone (dyld-852.2 to dyld-1378)."""

from __future__ import annotations

import re
from typing import Final

from machochain.diagnosis.elision import is_elided
from machochain.model.evidence import Era, Evidence, EvidenceKind, MacOSRange, Request
from machochain.model.ospaths import CRYPTEX
from machochain.model.value import evolve
from machochain.model.version import Version

_OLD_REASONS: Final = ("image not found", "no suitable image found", "Incompatible library version", "unsafe use of")
_SAME_WORDS: Final = ("symbol not found in flat namespace", "weak-def symbol not found")
"""Lines that name neither image nor path: 12.0 to 12.4 and 13 or later write the same (Loader.cpp resolveSymbol())."""
_NEEDS_ARM64: Final = re.compile(r"need '(?:arm64e' or ')?arm64'")
"""Up to 12.4 dyld names the best architecture only, which is arm64e on every Apple silicon Mac."""
_ARCH_IN_BRACKETS: Final = re.compile(r"\(have \([\w,]+\), need \(")

_BY_ERA: Final = {
    Era.DYLD2: (None, Version.of(11, 7), "a message without process number or list of attempts"),
    Era.DYLD3_CLOSURE: (Version.of(10, 15), Version.of(11, 7), "the wording of dyld3 closures"),
    Era.DYLD4_EARLY: (Version.of(12), None, "a list of attempts"),
    Era.DYLD4_QUOTED: (Version.of(12, 5), Version.of(12, 7), "paths in quotes or names in brackets"),
    Era.DYLD4: (Version.of(13), None, "UUIDs or cryptex paths"),
}


def era_of(evidence: Evidence, *, bare_prefix: bool, quoted: bool) -> Era | None:  # noqa: PLR0911  # one answer a case
    """Return whose layout a message follows; None where several would write the same.

    Args:
        evidence: The facts read so far.
        bare_prefix: Whether ``dyld: `` without a process number stood before it.
        quoted: Whether names stood in the quotes or brackets of dyld-960.
    """
    reasons = [t.reason or "" for t in evidence.attempts]
    text = evidence.reason or ""
    # dyld4 has these words of MachOAnalyzer.cpp behind a path that was tried; dyld3 (852.2, APIs.cpp) alone says them.
    of_closures = text.startswith(("tried but", "missing compatible arch in", "could not use '"))
    if of_closures or (evidence.request is Request.LAUNCH and evidence.dlopen_mode is not None):
        return Era.DYLD3_CLOSURE  # the second: "dependent dylib … not found for …" of a dlopen
    if bare_prefix and _by_hand(evidence, text):
        bare_prefix = False
        if is_elided(evidence.referenced_from):
            return None
    if bare_prefix or text.startswith(_OLD_REASONS) or (evidence.built_for or "").startswith("Mac OS X"):
        return Era.DYLD2
    if quoted or any(_ARCH_IN_BRACKETS.search(r) for r in reasons):
        return Era.DYLD4_QUOTED
    if evidence.uuid or evidence.expected_uuid or _wording_of_13(evidence, reasons):
        return Era.DYLD4
    if text.startswith(_SAME_WORDS):
        return None
    mode = evidence.dlopen_mode
    if mode is not None and not mode.startswith("0x") and not evidence.attempts:
        return Era.DYLD2
    if evidence.kind is EvidenceKind.VALIDITY:
        return None if _OLD_CHECK.search(text) else Era.DYLD4
    if (evidence.pid is None and mode is None) or evidence.truncated:
        return None
    if evidence.request is Request.DLOPEN and evidence.attempts and evidence.referenced_from is None:
        early = evidence.attempts[0].path.startswith("/") and not any(_NEWER_REFUSAL in r for r in reasons)
        return Era.DYLD4_EARLY if early else None
    return Era.DYLD4_EARLY


def _by_hand(evidence: Evidence, reason: str) -> bool:
    """Whether the prefix of dyld2 stands before what dyld2 never printed, or before a text that was edited."""
    if reason.startswith(_OLD_REASONS):
        return False
    return bool(evidence.attempts) or bool(evidence.uuid) or is_elided(evidence.referenced_from)


def _wording_of_13(evidence: Evidence, reasons: list[str]) -> bool:
    text = evidence.reason or ""
    return (
        any(CRYPTEX in t.path for t in evidence.attempts)
        or any(_NEEDS_ARM64.search(r) for r in reasons)
        or any("not in dyld cache" in r for r in reasons)
        or text.startswith("no LC_RPATH's")
        or (evidence.built_for or "").startswith("macOS")
        or (evidence.expected_in == "weak-def export" and not text.startswith(_SAME_WORDS))
    )


def macos_range(evidence: Evidence) -> MacOSRange | None:
    """Return the releases whose dyld words things this way; None where the wording tells nothing, or it is of iOS."""
    return None if of_ios(evidence) else _range(evidence)


def of_ios(evidence: Evidence) -> bool:
    """Whether a path of the message is one of a device with iOS, or of its simulator."""
    named = (evidence.library, evidence.referenced_from, evidence.process, *(t.path for t in evidence.attempts))
    return any(_IOS.match(path or "") for path in named)


def _range(evidence: Evidence) -> MacOSRange | None:
    low: Version | None = None
    high: Version | None = None
    because: list[str] = []
    if evidence.era is not None:
        low, high, why = _BY_ERA[evidence.era]
        because.append(why)
    reasons = [t.reason or "" for t in evidence.attempts]
    for test, since, until, why in _WORDINGS:
        if any(test.search(r) for r in (*reasons, evidence.reason or "", *(t.path for t in evidence.attempts))):
            if since is not None and (low is None or since > low):
                low = since
                because.append(why)
            if until is not None and (high is None or until < high):
                high = until
                because.append(why)
    if evidence.dlopen_mode is not None and evidence.era is None:
        if evidence.dlopen_mode.startswith("0x"):  # dyld3's own dlopen of macOS 11 prints it so, too
            low = max(low or Version.of(11), Version.of(11))
            because.append("the dlopen mode in hexadecimal")
        else:
            high = min(high or Version.of(11, 7), Version.of(11, 7))
            because.append("the dlopen mode in decimal")
    if evidence.expected_in == "weak-def export" and not evidence.reason:
        low = max(low or Version.of(15), Version.of(15))
        because.append('the words "Expected as weak-def export"')
    if evidence.kind is EvidenceKind.VALIDITY and evidence.era is Era.DYLD4:
        low = Version.of(26)
        because.append("only macOS 26 and later check the main executable itself")
    if low is not None and high is not None and low > high:
        # Two wordings of different releases: the one dyld cannot have printed so was typed by hand.
        return MacOSRange(low, None, (*dict.fromkeys(because), _BY_HAND))
    if low is None and high is None:
        return None
    return MacOSRange(low, high, tuple(dict.fromkeys(because)))


def dated(evidence: Evidence, release: str | None) -> Evidence:
    """Return a failure with the release the text around it tells, unless its wording is of another."""
    if release is None or evidence.macos is not None or not evidence.kind.is_failure:
        return evidence
    told, span = Version.parse(release), evidence.macos_range
    if span is not None:
        exact = "." in release
        if span.low is not None and (told < span.low if exact else told.major < span.low.major):
            return evidence
        if span.high is not None and told.major > span.high.major:
            return evidence
    return evolve(evidence, macos=told)


def is_of_a_build(evidence: Evidence, release: str) -> bool:
    """Whether a release a text tells is the one a file was built for: dyld says that it runs on an older one."""
    built = re.search(r"\d+(?:\.\d+){0,2}", evidence.built_for or "")
    return evidence.macos is None and built is not None and Version.parse(built[0]) <= Version.parse(release)


_OLD_CHECK: Final = re.compile(r"must be last|malformed mach-o|load commands size")
_IOS: Final = re.compile(r"(?:/private)?/var/(?:containers|mobile)/|.*/CoreSimulator/")
"""Where programs of an iPhone or of its simulator lie."""
_NEWER_REFUSAL: Final = "denied by system policy"
"""Words seen on macOS 26 only, after a single attempt: older kernels wrote "disallowed"."""
_BY_HAND: Final = "the prefix of older releases was typed by hand"
_WORDINGS: Final = (
    (
        re.compile(r"missing compatible arch in"),
        Version.of(11),
        Version.of(11, 7),
        'the words "missing compatible arch in"',
    ),
    (re.compile(r"^symbol not found in flat"), Version.of(12), None, "a flat look-up without the image that asked"),
    (re.compile(r"^weak-def symbol not"), Version.of(12), Version.of(14, 7), 'the words "weak-def symbol not found"'),
    (re.compile(r"^no LC_RPATH's found"), Version.of(14), None, 'the words "no LC_RPATH\'s found"'),
    (re.compile(r"^no LC_RPATH's used"), Version.of(15), None, 'the words "no LC_RPATH\'s used"'),
    (re.compile(r"Cryptexes/OS@"), Version.of(13), Version.of(13, 2), "a cryptex path glued to an @-path"),
    (re.compile(r"^duplicate (?:LC_RPATH|linked dylib)"), Version.of(15, 4), None, "a check that came with 15.4"),
    (re.compile(r"^slice is not valid mach-o"), Version.of(15, 4), None, "a check that came with 15.4"),
    (re.compile(r"^not a mach-o file"), None, Version.of(15, 3), "a wording that went with 15.4"),
    (re.compile(r"arm64e\.v1"), Version.of(26), None, "the architecture arm64e.v1"),
    (re.compile(r"^blocked by sandbox"), Version.of(15), None, 'the words "blocked by sandbox"'),
    (re.compile(r"^cannot override a protected"), Version.of(15, 4), None, "a check that came with 15.4"),
)
