"""Text -> the forms that stand in it.

The words of the text decide which anchors are looked for, the anchors which patterns are tried: so a text of 10 MB
costs a few passes in C, and only the lines around an anchor are looked at in full.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from functools import cache
from itertools import accumulate
from typing import Final

from machochain.diagnosis import table
from machochain.diagnosis.joiners import JOINERS
from machochain.diagnosis.names import FILES, MARKS, PLACES, SENTENCE_END, place_in, without_sentence
from machochain.diagnosis.notation import Anchor, Compiled, literal_pattern
from machochain.model.value import frozen

CHUNK: Final = 1 << 18
"""Characters whose words are collected at once."""
MAX_HITS: Final = 4_000
"""Hits of all forms in one text."""
MAX_OF_FORM: Final = 200
"""Hits of one form in one text; a log that repeats itself tells no more after so many."""
MAX_LINE: Final = 8_192
"""Characters of a line looked at on either side of an anchor."""
MAX_STARTS: Final = 6
"""Places tried where the first words of a wording stand before its anchor."""
LONG: Final = 2_048
"""Characters from which on a stretch counts four times against the budget."""
BUDGET: Final = 8_000_000
"""Characters looked at in full in one text; ten thousand messages of usual length are a third of it."""
_OPENING: Final = frozenset("'\"\u2018\u201c")
_CLOSING: Final = frozenset("'\"\u2019\u201d")
_LETTERS: Final = bytes(b if chr(b).isalpha() and b < 128 else 32 for b in range(256))
_TAIL: Final = " \t\r`"


@frozen
class Hit:
    """A form that was found.

    Attributes:
        form: Its row.
        wording: Which of its wordings.
        facts: Its values; one that occurs twice in the wording as a tuple.
        begin: Offset of its first character.
        end: Offset behind its last.
        line: Number of its first line, 1-based.
        text: What matched.
    """

    form: table.Form
    wording: int
    facts: dict[str, str | tuple[str, ...]]
    begin: int
    end: int
    line: int
    text: str


def find_forms(text: str) -> list[Hit]:
    """Return the forms in a text, in its order; of several that read the same characters the longest wording."""
    index, keys = table.anchors()
    breaks: list[int] = []
    counts: dict[str, int] = {}
    hits: list[Hit] = []
    begin = 0
    budget = BUDGET
    while begin < len(text) and len(hits) < MAX_HITS and budget > 0:
        end = _chunk_end(text, begin)
        chunk = text[begin:end]
        words = set(chunk.encode("ascii", "replace").translate(_LETTERS).split())
        found = {w.decode() for w in words if len(w) < 40}
        for key in keys & found:
            for anchor, name, number in index[key]:
                if not found.issuperset(anchor.words):
                    continue
                for at in _places(chunk, anchor):
                    if counts.get(name, 0) >= MAX_OF_FORM or budget <= 0:
                        break
                    breaks = breaks or _line_starts(text)
                    hit, cost = _try(text, name, number, anchor, begin + at, breaks)
                    budget -= cost
                    if hit is not None:
                        counts[name] = counts.get(name, 0) + 1
                        hits.append(hit)
        begin = end
    return _sift(hits)


def _chunk_end(text: str, begin: int) -> int:
    end = begin + CHUNK
    if end >= len(text):
        return len(text)
    cut = text.rfind("\n", begin, end)
    return cut + 1 if cut > begin else end


def _line_starts(text: str) -> list[int]:
    return [0, *accumulate(len(line) + 1 for line in text.split("\n")[:-1])]


def _places(chunk: str, anchor: Anchor) -> Iterator[int]:
    """Where the anchor stands: as it is, or else with other blanks."""
    at = chunk.find(anchor.text)
    if at < 0 and " " in anchor.text and ("  " in chunk or "\t" in chunk):
        for count, match in enumerate(re.finditer(literal_pattern(anchor.text), chunk)):
            if count >= MAX_OF_FORM:
                return
            yield match.start()
        return
    last = -1
    for _ in range(MAX_OF_FORM * 4):
        if at < 0:
            return
        line = chunk.rfind("\n", max(0, at - MAX_LINE), at)
        if line != last or line < 0:
            yield at
        last = line
        at = chunk.find(anchor.text, at + len(anchor.text))


def _try(text: str, name: str, number: int, anchor: Anchor, at: int, breaks: list[int]) -> tuple[Hit | None, int]:
    """Match one wording around its anchor."""
    form = table.forms()[name]
    row = bisect_right(breaks, at) - 1
    first = max(0, row - anchor.up)
    begin = max(breaks[first], at - MAX_LINE)
    below = form.wordings[number].count("⏎") - anchor.up + 1
    last = row + below
    end = min(breaks[last] if last < len(breaks) else len(text), at + MAX_LINE)
    cost = (end - begin) * (4 if end - begin > LONG else 1)
    compiled = table.compiled(name, number)
    if compiled.at_line:
        match = compiled.pattern.match(text, begin, end)
    else:
        match = _nearest(compiled, text, begin, end, at + len(anchor.text))
    if match is None:
        return None, cost
    facts = _facts(match)
    line = bisect_right(breaks, match.start())
    stop = match.end()
    if form.joiner:
        more, stop = JOINERS[form.joiner](text, stop, match)
        facts = {**facts, **more}
    return Hit(form, number, facts, match.start(), stop, line, match.group()), cost


def _nearest(compiled: Compiled, text: str, begin: int, end: int, behind: int) -> re.Match[str] | None:
    """Match a wording that begins with words: where they stand nearest before its anchor."""
    if compiled.lead is not None:
        at = min(behind + 24, end)
        for _ in range(MAX_STARTS):
            at = text.rfind(compiled.lead, begin, at + len(compiled.lead) - 1)
            if at < 0:
                break
            match = compiled.pattern.match(text, at, end)
            if match is not None:
                return match
        if end - begin > LONG:
            return None
    return compiled.pattern.search(text, begin, end)


def _is_quoted(match: re.Match[str], group: str) -> bool:
    """Whether a name stands between quotes: then nothing of a sentence is in it."""
    begin, end = match.span(group)
    return match.string[begin - 1 : begin] in _OPENING and match.string[end : end + 1] in _CLOSING


def _facts(match: re.Match[str]) -> dict[str, str | tuple[str, ...]]:
    facts: dict[str, str | tuple[str, ...]] = {}
    leading = True
    for group, raw in match.groupdict().items():
        if raw is None:
            continue
        name = group.partition("__")[0]
        near = leading and match.start(group) - match.start() < 200
        value = raw.strip() if name == "command" else trimmed(raw, leading=near)
        if leading and name in FILES | PLACES and not _is_quoted(match, group):
            value = MARKS.sub("", value)
            value = without_sentence(value).lstrip("'") if name in FILES else place_in(value)
        leading = False
        if name in FILES and _NO_FILE.match(value):
            continue
        if not value and name not in {"words", "any"}:
            continue
        held = facts.get(name)
        if held is None:
            facts[name] = value
        elif isinstance(held, tuple):
            facts[name] = (*held, value)
        elif held != value:
            facts[name] = (held, value)
    return facts


_NO_FILE: Final = re.compile(r"(?:Failed|Error|Unable|Could not|Cannot|Can't|Couldn't) [^/\n]{1,400}$")
"""The beginning of a sentence where a tool names the file."""
_BEFORE: Final = re.compile(
    r"(?:(?:\[?\w{2,12}\]?|\w[\w.-]{0,40}\[\d{1,10}\]):[ \t]{1,8}|[-*\u2022\u2716\u2a2f>$%#][ \t]{1,8}"
    r"|\[[^\]\n]{1,60}\][ \t]{1,8}"
    r"|(?:internal )?error:? |ERROR: |Error: |zsh: |bash: |sh: |line \d{1,6}: "
    r"|-bash: |codesign: |xcrun: |exec: |amfid: )"
)


_TOOL: Final = re.compile(
    r"[^\n]{1,400}?: line \d{1,6}: (?=[/.~])"
    r"|(?:[^\n]{0,80}?(?:error|warning): )?/[^\s:]{1,400}/(?:lipo|install_name_tool|strip|codesign_allocate"
    r"|libtool|ranlib|ld|nm|otool)(?:: ?| )(?:for: )?|(?:[$%>#] |sudo ){0,2}codesign(?: -{1,2}[\w=-]{1,40}){1,8} "
)
"""A tool that names itself before the file, or the command that was typed to look at it."""


def trimmed(value: str, *, leading: bool) -> str:
    """Take off what a log, a shell or a writer puts around a value."""
    value = SENTENCE_END.sub("", value.strip(_TAIL))
    if leading:
        tool = _TOOL.match(value)
        value = value[tool.end() :] if tool is not None and tool.end() < len(value) else value
        for _ in range(6):
            match = _BEFORE.match(value)
            if match is None or (match.group().startswith("/") or match.end() == len(value)):
                break
            value = value[match.end() :]
        tail = re.search(r"[\"\u201c]([^\"\u201c\u201d\n]{1,400})[\"\u201d]$", value)
        if tail:
            return tail[1]
    for first, last in (("'", "'"), ('"', '"'), ("\u201c", "\u201d"), ("\u2018", "\u2019")):
        if len(value) > 1 and value[0] == first and value[-1] == last:
            return value[1:-1]
    if value[:1] in {'"', "'"} and len(value) > 1 and value.count(value[0]) == 1:
        value = value[1:]
    if value[-1:] in {'"', "'", "\u201d", "\u2019"} and value.count(value[-1]) == 1:
        value = value[:-1]
    return value


def _sift(hits: list[Hit]) -> list[Hit]:
    """Drop what a longer wording of the same producer reads too."""
    hits.sort(key=lambda h: (-_literal(h), h.begin))
    kept: list[Hit] = []
    spans: dict[tuple[str, int], list[Hit]] = {}
    for hit in hits:
        # What wraps a message is no rival of the message it wraps.
        party = f"{hit.form.producer} wraps" if hit.form.level == table.WRAPPER else hit.form.producer
        rivals = spans.setdefault((party, hit.line), [])
        if any(r.begin < hit.begin + len(hit.text) and hit.begin < r.begin + len(r.text) for r in rivals):
            continue
        kept.append(hit)
        for line in range(hit.line, hit.line + hit.text.count("\n") + 1):
            spans.setdefault((party, line), []).append(hit)
    return sorted(kept, key=lambda h: h.begin)


@cache
def _own(wording: str) -> int:
    """How many characters of a wording are its own."""
    return len(re.sub(r"\{[^}]*\}|\u27e6[^\u27e7]*\u27e7", "", wording))


def _literal(hit: Hit) -> int:
    return _own(hit.form.wordings[hit.wording])
