"""Text in, evidence out: finds every message, report and log line in a paste, by content.

The text is searched for fixed words only (`str.find`); grammar is applied to the few characters around a hit, each
character at most once. So 10 MB of anything cost a fraction of a second, and memory is bounded by what was found.
"""

from __future__ import annotations

import heapq
import re
from collections.abc import Iterator
from typing import Final

from machochain.diagnosis.eras import macos_range
from machochain.diagnosis.joining import Joined, join
from machochain.diagnosis.logs import SEARCHED, SearchReader, read_call, read_loaded
from machochain.diagnosis.messages import VALIDITY, Context, parse_message
from machochain.diagnosis.normalise import normalise
from machochain.diagnosis.reports import REPORT_LITERALS, Report, read_heading, read_ips, read_version
from machochain.diagnosis.text import clean, line_prefix
from machochain.model.evidence import Evidence, EvidenceKind, LoggedImage, Request, TracedCall
from machochain.model.result import Confidence
from machochain.model.value import evolve
from machochain.model.version import Version

MAX_MESSAGES: Final = 2_000
"""Messages read from one text. A log that repeats one failure for ever must not take for ever to read."""
MAX_SEARCHED: Final = 200_000
"""Lines of a log of searches that are read; 10 MB of a real one have half as many."""
MAX_HITS: Final = 150_000
"""Places looked at in one text; a log of 10 MB has fewer than that, one per line at most."""

_MESSAGE: Final = (
    "Library not loaded:",
    "Symbol not found:",
    "symbol not found in flat namespace",
    "weak-def symbol not found",
    "terminating because inserted dylib",
    "could not load inserted library",
    "dlopen(",
    "dependent dylib '",
    "Library not\n",
    "Symbol not\n",
)
_PREFIX: Final = ("dyld[", "dyld: ")
_HEADLESS: Final = ("tried: '", "Referenced from:")
_TRACE: Final = ("Err#", 'stat64("', 'open("', " stat64 ", "[  2]", "[ 2]")

_DYLD: Final = re.compile(r"dyld(?:\[(?P<pid>\d{1,10})\])?: ")
_BEFORE: Final = re.compile(
    r"(?P<dyld>dyld(?:\[(?P<pid>\d{1,10})\])?:\s{1,8})?(?P<lazy>lazy symbol binding failed:\s{1,8})?$"
)
_DLOPEN_CLOSE: Final = re.compile(r"\)\n?:\s{0,8}")
_DLOPEN_MODE: Final = re.compile(r",\s{0,24}(?:0[xX][0-9A-Fa-f]{1,8}|\d{1,5})$")
_SW_VERS: Final = "ProductVersion:"


def read(data: bytes | str) -> tuple[Evidence, ...]:
    """Return what a text tells, in the order it stands there; empty if it tells nothing this reader knows.

    Args:
        data: What was pasted or piped: messages, crash reports, logs, in any mixture.

    Raises:
        InputError: The data is binary.
    """
    return read_lines(normalise(clean(data)).text)


def read_lines(text: str) -> tuple[Evidence, ...]:
    """Return what a text tells from which everything around its messages was taken off."""
    return _Reader(text).read()


class _Reader:
    """One pass over one text."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.used = 0
        self.report: Report | None = None
        self.report_used = True
        self.found: dict[Evidence, Evidence] = {}
        self.last: Evidence | None = None
        self.loads: dict[int | None, list[LoggedImage]] = {}
        self.searches: dict[int | None, SearchReader] = {}
        self.calls: list[TracedCall] = []
        self.first_line: dict[object, int] = {}
        self.strong: Iterator[tuple[int, str]] = iter(())
        self.upcoming = -1
        self.counted = (0, 1)
        self.looked = 0
        self.searched = 0
        self.taken = 0

    def read(self) -> tuple[Evidence, ...]:
        """Walk the hits in order."""
        text = self.text
        ips = read_ips(text)
        if ips is not None:
            self._keep(ips[0])
            self.used = ips[1]
        literals = (*_MESSAGE, *_PREFIX, *_HEADLESS, *_TRACE, *REPORT_LITERALS, 'find path "')
        hits = heapq.merge(*(_occurrences(text, literal, self.used) for literal in literals))
        self.strong = heapq.merge(*(_occurrences(text, literal, self.used) for literal in (*_MESSAGE, *_PREFIX)))
        for offset, literal in hits:
            if self.looked >= MAX_HITS:
                break
            if offset < self.used:
                continue
            self.looked += 1
            if literal in _PREFIX:
                self._prefixed(offset)
            elif literal in _MESSAGE or literal in _HEADLESS:
                if self.taken >= MAX_MESSAGES:
                    continue
                if literal in _MESSAGE:
                    self._message(offset, literal)
                else:
                    self._headless(offset)
            elif literal in REPORT_LITERALS:
                self._heading(offset)
            elif literal in _TRACE:
                self._traced(offset)
            else:
                self._searched(offset)
        return self._finish()

    # --- hits -----------------------------------------------------------------------------------------------------

    def _next_message(self, after: int) -> int:
        """Return where the next message begins behind ``after``."""
        while self.upcoming <= after:
            hit = next(self.strong, None)
            self.upcoming = len(self.text) if hit is None else hit[0]
            if hit is None:
                break
        return self.upcoming

    def _line(self, offset: int) -> tuple[int, int]:
        """Return begin and end of the line around an offset; at most 64 KiB of it."""
        begin = self.text.rfind("\n", max(self.used, offset - 65536), offset) + 1
        begin = begin or max(self.used, offset - 65536)
        end = self.text.find("\n", offset, offset + 65536)
        return begin, end if end >= 0 else min(len(self.text), offset + 65536)

    def _number(self, offset: int) -> int:
        """Return the line number of an offset, 1-based; offsets must not fall."""
        at, number = self.counted
        if offset > at:
            self.counted = (offset, number + self.text.count("\n", at, offset))
        return self.counted[1]

    # --- messages -------------------------------------------------------------------------------------------------

    def _prefixed(self, offset: int) -> None:
        """A line that begins ``dyld[pid]: ``: a log line, or a message that has no first words of its own."""
        match = _DYLD.match(self.text, offset)
        if match is None:
            return
        _, end = self._line(offset)
        rest = self.text[match.end() : end].rstrip()
        pid = int(match["pid"]) if match["pid"] else None
        loaded = read_loaded(rest)
        if loaded is not None:
            self.first_line.setdefault(("loads", pid), self._number(offset))
            self.loads.setdefault(pid, []).append(loaded)
            self.used = end
        elif self._search_reader(pid, offset).feed(rest):
            self.used = end
        elif VALIDITY.match(rest) or rest.startswith("tried:"):
            self._take(match.end(), self._next_message(match.end()), Context(pid, pid is None), offset)

    def _message(self, offset: int, literal: str) -> None:
        begin = max(self.used, offset - 120)
        head = self.text[begin:offset]
        before = _BEFORE.search(head) if head.endswith((": ", ":\n", "\t", "  ")) else None
        context = Context()
        start = offset
        if before is not None and before.group():
            start = begin + before.start()
            has_prefix = before["dyld"] is not None
            context = Context(
                int(before["pid"]) if before["pid"] else None,
                bare_prefix=has_prefix and not before["pid"],
                lazy=before["lazy"] is not None,
            )
        inner = offset + len(literal)
        if literal == "dlopen(":
            inner = self._dlopen_header(inner) + 1
            if inner <= 0:
                return
        bound = self._next_message(inner)
        self._take(offset, bound, context, start)

    def _dlopen_header(self, at: int) -> int:
        """Return where the words behind ``dlopen(path, mode): `` begin; -2 if this is no such header."""
        close, limit = at, at + 4400
        again = self.text.find("dlopen(", at, limit)
        limit = again if again >= 0 else limit
        for _ in range(40):
            close = self.text.find(")", close + 1, limit)
            if close < 0:
                break
            behind = _DLOPEN_CLOSE.match(self.text, close)
            before = self.text[max(at, close - 44) : close].replace("\n", "")
            if behind is not None and _DLOPEN_MODE.search(before):
                return behind.end()
        return -2

    def _headless(self, offset: int) -> None:
        """The tail of a message whose first line is not there."""
        self._take(offset, self._next_message(offset), Context(headless=True), offset)

    def _take(self, offset: int, bound: int, context: Context, start: int) -> None:
        if self.taken >= MAX_MESSAGES:
            return
        self.taken += 1
        begin, _ = self._line(start)
        prefix = self.text[begin:start]
        joined = join(self.text, offset, bound, prefix if len(prefix) < 120 else "")
        report = self._report_for(context)
        if report is not None:
            context = evolve(context, pid=report.pid, bare_prefix=report.old_style)
        evidence = parse_message(joined.text, context)
        self.used = max(self.used, offset + 1)
        if evidence is None or not _tells(evidence):
            if context.headless:
                self.used = max(self.used, joined.end)
            return
        self.used = joined.end
        first = self._number(start)
        evidence = evolve(evidence, lines=(first, first + self.text.count("\n", start, joined.end)))
        if joined.guessed:
            evidence = evolve(evidence, confidence=Confidence.LIKELY)
        if report is not None:
            evidence = report.apply(evidence)
            self.report_used = True
        self._keep(_sober(evidence, joined))

    def _report_for(self, context: Context) -> Report | None:
        """Return the crash report a message belongs to: one with a ``dyld[pid]: `` of its own belongs to none."""
        if self.report is None or context.bare_prefix or (context.pid not in {None, self.report.pid}):
            return None
        return self.report

    def _keep(self, evidence: Evidence) -> None:
        """Add a message, or count it if it stands in the text already; drop what only repeats the one before."""
        last = self.last
        if last is not None and _repeats(last, evidence):
            return
        key = evolve(
            evidence, lines=(0, 0), pid=None, lazy=False, macos_range=None, confidence=Confidence.CERTAIN, era=None
        )
        held = self.found.get(key)
        if held is None:
            self.found[key] = evidence
        elif held.lazy and not evidence.lazy and last is not None and last.lazy:
            pass  # dyld2 prints a lazy failure twice, the second time without saying so
        else:
            self.found[key] = evolve(held, occurrences=held.occurrences + 1)
        self.last = evidence

    # --- reports, logs, build errors ------------------------------------------------------------------------------

    def _heading(self, offset: int) -> None:
        begin, end = self._line(offset)
        line = self.text[begin:end]
        if self.text[begin:offset].strip("> \t"):
            return
        report = read_heading(line, begin, self.report)
        if report is None:
            return
        if self.report is not None and report.start != self.report.start:
            self._unread_report()
        self.report, self.report_used = report, self.report_used and report.termination is None
        if report.termination is not None and self.text.startswith("\n", end):
            after = self._line(end + 1)[1]
            follower = self.text[end + 1 : after].lstrip("> ")
            if VALIDITY.match(follower):
                self.used = end + 1
                self._take(after - len(follower), self._next_message(after), Context(), end + 1)
        self.report_used = self.report_used or report.termination is None

    def _unread_report(self) -> None:
        """A report whose reason is not a message of dyld is evidence of its own."""
        report = self.report
        if report is None or self.report_used or report.termination is None:
            return
        line = self._number(report.start)
        self._keep(report.apply(Evidence(EvidenceKind.TERMINATION, lines=(line, line))))
        self.report_used = True

    def _search_reader(self, pid: int | None, offset: int) -> SearchReader:
        if pid not in self.searches:
            self.searches[pid] = SearchReader()
            self.first_line[("searches", pid)] = self._number(offset)
        return self.searches[pid]

    def _searched(self, offset: int) -> None:
        """A DYLD_PRINT_SEARCHING log whose lines lost their ``dyld[pid]: ``."""
        begin, end = self._line(offset)
        reader = self._search_reader(None, offset)
        while self.searched < MAX_SEARCHED:
            self.searched += 1
            line = self.text[begin:end]
            if not reader.feed(line if line.lstrip(" \t").startswith(SEARCHED) else line[len(line_prefix(line)) :]):
                return
            self.used = end
            if end >= len(self.text) or self.text[end] != "\n":
                return
            begin = end + 1
            end = self.text.find("\n", begin, begin + 65536)
            end = end if end >= 0 else min(len(self.text), begin + 65536)

    def _traced(self, offset: int) -> None:
        begin, end = self._line(offset)
        call = read_call(self.text[begin:end][:8192])
        self.used = max(self.used, end)
        if call is not None:
            self.first_line.setdefault("calls", self._number(begin))
            self.calls.append(call)

    def _finish(self) -> tuple[Evidence, ...]:
        self._unread_report()
        stated = self._stated_macos()
        found = [_with_range(e, stated) for e in self.found.values()]
        for pid, loads in self.loads.items():
            line = self.first_line[("loads", pid)]
            found.append(Evidence(EvidenceKind.LOADS, pid=pid, loads=tuple(loads), lines=(line, line + len(loads) - 1)))
        for pid, reader in self.searches.items():
            searches = reader.finish()
            if searches:
                line = self.first_line[("searches", pid)]
                count = len(searches) + sum(len(s.steps) for s in searches)
                found.append(
                    Evidence(EvidenceKind.SEARCHES, pid=pid, searches=searches, lines=(line, line + count - 1))
                )
        if self.calls:
            line = self.first_line["calls"]
            found.append(
                Evidence(EvidenceKind.TRACE, calls=tuple(self.calls), lines=(line, line + len(self.calls) - 1))
            )
        return tuple(sorted(found, key=lambda e: e.lines))

    def _stated_macos(self) -> Version | None:
        """Return the release ``sw_vers`` printed somewhere in the text, if it is one and only one."""
        versions = set()
        for offset, _ in _occurrences(self.text, _SW_VERS, 0):
            version = read_version(self.text[offset + len(_SW_VERS) : offset + 64].partition("\n")[0])
            if version is not None:
                versions.add(version)
            if len(versions) > 1:
                break
        return versions.pop() if len(versions) == 1 else None


def _with_range(evidence: Evidence, stated: Version | None) -> Evidence:
    if evidence.macos is None and stated is not None and evidence.kind.is_failure:
        evidence = evolve(evidence, macos=stated)
    return evolve(evidence, macos_range=macos_range(evidence)) if evidence.macos_range is None else evidence


def _occurrences(text: str, literal: str, start: int) -> Iterator[tuple[int, str]]:
    at = text.find(literal, start)
    while at >= 0:
        yield at, literal
        at = text.find(literal, at + 1)


def _tells(evidence: Evidence) -> bool:
    """Whether a message has at least one fact: prose that only quotes dyld's words has none."""
    if evidence.library and evidence.truncated and not evidence.referenced_from and not evidence.attempts:
        looks = evidence.library
        return "/" in looks or looks.startswith("@") or ".dylib" in looks or evidence.dlopen_path is not None
    return bool(evidence.library or evidence.symbol or evidence.attempts or evidence.reason)


def _sober(evidence: Evidence, joined: Joined) -> Evidence:
    """Cut prose off the load path of a message that has nothing but it."""
    library = evidence.library
    if (
        library
        and evidence.truncated
        and not evidence.referenced_from
        and not evidence.attempts
        and "\n" not in joined.text
    ):
        match = re.match(r"(\S{1,4096}?\.(?:dylib|so|bundle|node))[\s,;:!?)\"`]", library)
        if match:
            return evolve(evidence, library=match[1], confidence=Confidence.LIKELY)
    return evidence


def _repeats(last: Evidence, evidence: Evidence) -> bool:
    """Whether a message only repeats the one right before: dyld prints some refusals a second time, shorter."""
    near = evidence.lines[0] - last.lines[1] <= 2
    if not near:
        return False
    if evidence.kind is EvidenceKind.VALIDITY and last.kind is EvidenceKind.VALIDITY:
        return evidence.reason == last.reason and evidence.referenced_from is None
    if last.request is Request.INSERTED and evidence.library is None:
        return evidence.attempts == last.attempts
    return False
