"""The notation of message forms, compiled to bounded patterns.

    {name}     a value; its name says what it may hold (see `PIECES`)
    ⟦ ⟧        may be absent
    ⟨a|b⟩      one of them
    ⏎          a line break and whatever blanks the next line begins with
    ^ and $    at either end: begin and end of a line

A blank stands for any run of blanks, a quote for its typographic twin too. Every piece is bounded in length and, once
it has matched, is never tried again: each value ends at the first place where the literal behind it stands. So a form
costs a constant number of steps for each character it looks at, whatever the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from machochain.model.value import define, field, frozen

LONGEST: Final = 4096
"""Longest value, characters: four times PATH_MAX of macOS."""
_LINE: Final = rf"[^\n]{{1,{LONGEST}}}"
_WORD: Final = r"[^\s]{1,2048}"
_BLANKS: Final = r"[ \t]{1,200}"
_BREAK: Final = r"[ \t]{0,200}\n[ \t>|*]{0,200}"
_END: Final = r"[ \t]{0,200}(?=\n|\Z|`)"

PIECES: Final = {
    "n": r"-?\d{1,20}",
    "hex": r"(?:0x)?[0-9A-Fa-f]{1,32}",
    "ver": r"\d{1,6}(?:\.\d{1,6}){0,4}",
    "word": _WORD,
    "arch": r"[\w.+-]{1,40}",
    "archs": r"[^\n]{1,200}",
    "line": _LINE,
    "any": rf"[^\n]{{0,{LONGEST}}}",
    "osname": r"[A-Za-z0-9][A-Za-z0-9 -]{0,40}",
    "space": r"(?!DYLD|CODESIGNING|SIGNAL|EXEC)[A-Z_]{2,40}",
    "plain": r"\w{1,40}",
    "abs": r"/[^\n]{1,4095}",
    "denied": r"denied:[^\n]{1,400}",
    "tbd": r"[^\n:]{1,4090}?\.tbd",
    "uuid": r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}",
}
_OF_NAME: Final = {
    **dict.fromkeys(("n", "pid", "code", "errno", "mode", "have_n", "need_n", "row"), "n"),
    **dict.fromkeys(("hex", "offset", "status"), "hex"),
    **dict.fromkeys(("ver", "new", "old", "need_ver", "provided", "build_ver"), "ver"),
    **dict.fromkeys(("sym", "sym2", "flag", "header", "pkg", "uuid_text", "where", "token", "option", "build"), "word"),
    **dict.fromkeys(("arch", "platform", "platform2", "have", "need"), "arch"),
    **dict.fromkeys(("any", "words", "rest", "words2"), "any"),
    "uuid": "uuid",
}
_LAZY: Final = frozenset({"line", "abs", "word", "any", "osname", "archs"})
_SHORT: Final = 3
"""Letters of a word that too many texts have."""
_WORDS: Final = re.compile(r"[A-Za-z]+")
_CUTS: Final = re.compile(r"(⏎|['\"]|[ \t]{2,})")
"""Where the words of a literal may differ in a text: breaks, quotes, runs of blanks."""
_VALUE: Final = re.compile(r"\{(\w+)(?::(\w+))?\}")
_BRACKET: Final = re.compile(r"[⟦⟨⟧⟩]")
_STOP: Final = re.compile(r"[{⟦⟨⟧⟩]")
_STOP_OF_WAY: Final = re.compile(r"[{⟦⟨⟧⟩|]")
_QUOTES: Final = {"'": "['\u2018\u2019`]", '"': '["\u201c\u201d]'}


class Literal(NamedTuple):
    """Words as they are printed."""

    text: str


class Value(NamedTuple):
    """A placeholder and what it may hold."""

    name: str
    piece: str


class Choice(NamedTuple):
    """Ways to go on; an empty one where the whole may be absent."""

    ways: tuple[tuple[Token, ...], ...]


Token = Literal | Value | Choice


@frozen
class Anchor:
    """Words every text of a form has.

    Attributes:
        text: As printed, blanks made one.
        words: Its whole words; the longest first.
        up: How many lines of the form stand above it.
    """

    text: str
    words: tuple[str, ...]
    up: int


def tokens(notation: str) -> tuple[Token, ...]:
    """Take a form apart.

    Raises:
        ValueError: A bracket is not closed.
    """
    if not _BRACKET.search(notation):
        return _values_between(notation)
    found, rest = _sequence(notation, 0, "")
    if rest != len(notation):
        raise ValueError(f"a closing bracket too many: {notation}")
    return found


def _values_between(text: str) -> tuple[Token, ...]:
    """Take a form without brackets apart, as most are."""
    found: list[Token] = []
    at = 0
    for match in _VALUE.finditer(text):
        if match.start() > at:
            found.append(Literal(text[at : match.start()]))
        name = match[1]
        found.append(Value(name, match[2] or _OF_NAME.get(name, "line")))
        at = match.end()
    if at < len(text):
        found.append(Literal(text[at:]))
    return tuple(found)


def _sequence(text: str, at: int, closing: str) -> tuple[tuple[Token, ...], int]:
    found: list[Token] = []
    while at < len(text):
        char = text[at]
        if closing and char in closing:
            return tuple(found), at
        if char == "{" and (match := _VALUE.match(text, at)):
            found.append(Value(match[1], match[2] or _OF_NAME.get(match[1], "line")))
            at = match.end()
        elif char == "⟦":
            inner, at = _sequence(text, at + 1, "⟧")
            found.append(Choice((inner, ())))
            at += 1
        elif char == "⟨":
            ways = []
            while text[at] != "⟩":
                inner, at = _sequence(text, at + 1, "|⟩")
                if at >= len(text):
                    raise ValueError(f"⟨ without ⟩: {text}")
                ways.append(inner)
            found.append(Choice(tuple(ways)))
            at += 1
        else:
            stop = (_STOP_OF_WAY if "|" in closing else _STOP).search(text, at + 1)
            end = stop.start() if stop else len(text)
            found.append(Literal(text[at:end]))
            at = end
    if closing:
        raise ValueError(f"a bracket that does not end: {text}")
    return tuple(found), at


def literal_pattern(text: str) -> str:
    """Return literal words as a pattern: any blanks, any quotes."""
    parts = []
    for part in re.split(r"([ \t]+|⏎)", text):
        if part == "⏎":
            parts.append(_BREAK)
        elif part.isspace():
            parts.append(_BLANKS)
        else:
            parts.append("".join(_QUOTES.get(c) or re.escape(c) for c in part))
    return "".join(parts)


@define
class _Compiler:
    """Names each value once: a second one of the same name gets a number."""

    names: dict[str, int] = field(factory=dict)

    def group(self, name: str) -> str:
        count = self.names.get(name, 0)
        self.names[name] = count + 1
        return f"{name}__{count}" if count else name

    def sequence(self, parts: tuple[Token, ...]) -> str:
        out: list[str] = []
        at = 0
        while at < len(parts):
            token = parts[at]
            if isinstance(token, Literal):
                out.append(literal_pattern(token.text))
            elif isinstance(token, Choice):
                out.append(self.choice(token))
            elif token.piece in _LAZY:
                name = self.group(token.name)
                lazy = PIECES[token.piece] + "?"
                behind = parts[at + 1] if at + 1 < len(parts) else None
                if behind is None:
                    out.append(f"(?>(?P<{name}>{lazy}){_END})")
                elif isinstance(behind, Literal):
                    end = literal_pattern(behind.text)
                    at += 1
                    after = parts[at + 1] if at + 1 < len(parts) else None
                    if isinstance(after, Choice) and not behind.text.strip():
                        end += self.behind(after)  # a blank alone would end the value at its first word
                        at += 1
                    out.append(f"(?>(?P<{name}>{lazy}){end})")
                else:
                    end = self.behind(behind)
                    at += 1
                    after = parts[at + 1] if at + 1 < len(parts) else None
                    if isinstance(after, Literal) and isinstance(behind, Choice) and () in behind.ways:
                        # What may be absent ends nothing by itself: the words behind it do.
                        end = self.choice(behind) + literal_pattern(after.text)
                        at += 1
                    out.append(f"(?>(?P<{name}>{lazy}){end})")
            else:
                out.append(f"(?P<{self.group(token.name)}>(?>{PIECES[token.piece]}))")
            at += 1
        return "".join(out)

    def behind(self, token: Token) -> str:
        """What ends a lazy value that no literal follows: a choice; where it may be absent, the end of the line too."""
        if isinstance(token, Choice):
            ways = [self.sequence(way) for way in token.ways if way]
            if any(not way for way in token.ways):
                ways.append(_END)
            return "(?:" + "|".join(ways) + ")"
        return self.sequence((token,))

    def choice(self, token: Choice) -> str:
        ways = [self.sequence(way) for way in token.ways]
        if "" in ways:
            inner = "|".join(w for w in ways if w)
            return f"(?>(?:{inner})?)"
        return "(?>" + "|".join(ways) + ")"


@frozen
class Compiled:
    """A form ready to be tried.

    Attributes:
        pattern: What to match.
        at_line: Whether it begins where a line begins (it starts with a value), else where its words stand.
        lead: Its first characters, where it does not.
    """

    pattern: re.Pattern[str]
    at_line: bool
    lead: str = ""


def compile_form(notation: str) -> Compiled:
    """Return the bounded pattern of a form."""
    begin, end = notation.startswith("^"), notation.endswith("$")
    parts = tokens(notation[begin : len(notation) - end])
    text = _Compiler().sequence(parts) + (_END if end else "")
    at_line = begin or isinstance(parts[0], Value)
    lead = ""
    if not at_line and isinstance(parts[0], Literal):
        lead = re.split(r"[ \t\u23ce]", parts[0].text.lstrip(), maxsplit=1)[0][:24]
    return Compiled(re.compile(r"[ \t]{0,200}" + text if at_line else text), at_line, lead)


def anchor_of(notation: str) -> Anchor:
    """Return the words by which texts of a form are found.

    Raises:
        ValueError: The form has no word of four letters that is always there.
    """
    best: tuple[str, tuple[str, ...], int] = ("", (), 0)
    lines = 0
    for text, open_before, open_behind in _literals(notation.removeprefix("^").removesuffix("$")):
        pieces = _CUTS.split(text) if _CUTS.search(text) else (text,)
        for number, piece in enumerate(pieces):
            if piece == "⏎":
                lines += 1
                continue
            if best[1] and len(piece) <= len(best[0]) and len(best[1][0]) > _SHORT:
                continue
            open_begin = open_before and number == 0
            open_end = open_behind and number == len(pieces) - 1
            words = _whole_words(piece, open_begin=open_begin, open_end=open_end)
            if words and (
                not best[1] or (len(words[0]) > _SHORT, len(piece)) > (len(best[1][0]) > _SHORT, len(best[0]))
            ):
                best = (piece if open_begin and open_end else piece.strip(), words, lines)
    if not best[1]:
        raise ValueError(f"no word to look for: {notation}")
    return Anchor(*best)


def _literals(notation: str) -> Iterator[tuple[str, bool, bool]]:
    """Words that are always printed, and whether a letter may stand right before them, and right behind them."""
    if not _BRACKET.search(notation):
        parts = _VALUE.split(notation)[::3]
        for index, text in enumerate(parts):
            if text:
                yield text, index > 0, index < len(parts) - 1
        return
    found = tokens(notation)
    for index, token in enumerate(found):
        if isinstance(token, Literal):
            before = index > 0 and _touches(found[index - 1], -1)
            yield token.text, before, index < len(found) - 1 and _touches(found[index + 1], 0)


def _touches(token: Token, side: int) -> bool:
    """Whether a token may put a letter right beside the literal before (side 0) or behind it (-1)."""
    if isinstance(token, Value):
        return True
    if isinstance(token, Choice):
        return any(way and _touches(way[side], side) for way in token.ways)
    return token.text[side].isalpha()


def _whole_words(piece: str, *, open_begin: bool, open_end: bool) -> tuple[str, ...]:
    """Return the words of a literal that cannot be the rest or the beginning of a longer one; the longest first."""
    found: list[str] = _WORDS.findall(piece)
    if found and open_end and piece.endswith(found[-1]):
        del found[-1]
    if found and open_begin and piece.startswith(found[0]):
        del found[0]
    found.sort(key=len, reverse=True)
    return tuple(found)
