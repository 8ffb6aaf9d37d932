r"""How Go splits flags into words: one way for variables and options, another for ``#cgo`` lines.

Variables such as ``CGO_LDFLAGS`` and options such as ``-extldflags``: ``cmd/internal/quoted`` (Go 1.27). A quote counts
only at the start of a word, and there is no backslash. ``#cgo`` lines: ``go/build``, ``splitQuoted``.
"""

from __future__ import annotations

from machochain.model.errors import UsageError

_SPACE = " \t\n\r"
GO_SPACE = "\t\n\v\f\r \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B)))
"""``unicode.IsSpace``; Python's own ``isspace`` has four more (U+001C to U+001F)."""
_GO_SPACES = frozenset(GO_SPACE)


def split_variable(text: str) -> tuple[str, ...]:
    """Split the value of a variable or option.

    Raises:
        UsageError: A quote is not closed; the text is Go's.
    """
    words: list[str] = []
    at, end = 0, len(text)
    while at < end:
        if text[at] in _SPACE:
            at += 1
            continue
        if text[at] in "\"'":
            close = text.find(text[at], at + 1)
            if close < 0:
                raise UsageError(f"unterminated {text[at]} string")
            words.append(text[at + 1 : close])
            at = close + 1
            continue
        start = at
        while at < end and text[at] not in _SPACE:
            at += 1
        words.append(text[start:at])
    return tuple(words)


def split_directive(text: str) -> tuple[str, ...] | None:
    """Split what stands behind the colon of a ``#cgo`` line; None if a quote or backslash is left open."""
    if not ("\\" in text or '"' in text or "'" in text):
        return fields(text)
    words: list[str] = []
    word: list[str] = []
    escaped = quoted = False
    quote = ""
    for char in text:
        if escaped:
            escaped = False
        elif char == "\\":
            escaped = True
            continue
        elif quote:
            if char == quote:
                quote = ""
                continue
        elif char in "\"'":
            quoted, quote = True, char
            continue
        elif char in _GO_SPACES:
            if quoted or word:
                quoted = False
                words.append("".join(word))
                word = []
            continue
        word.append(char)
    if quoted or word:
        words.append("".join(word))
    return None if quote or escaped else tuple(words)


def fields(text: str) -> tuple[str, ...]:
    """Split around white space as ``strings.Fields`` does."""
    if text.isascii() and not any("\x1c" <= c <= "\x1f" for c in text):
        return tuple(text.split())
    words, word = [], ""
    for char in text:
        if char not in _GO_SPACES:
            word += char
        elif word:
            words.append(word)
            word = ""
    return (*words, word) if word else tuple(words)
