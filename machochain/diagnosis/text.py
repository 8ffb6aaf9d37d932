"""Bytes of a paste, a log or a crash report -> plain text with nothing lost that a message needs."""

from __future__ import annotations

import re
from typing import Final

from machochain.model.errors import InputError

_ANSI: Final = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b\n]{0,512}(?:\x07|\x1b\\)|[@-Z\\^_])")
_MACHO_MAGICS: Final = (
    b"\xcf\xfa\xed\xfe",
    b"\xce\xfa\xed\xfe",
    b"\xfe\xed\xfa\xcf",
    b"\xfe\xed\xfa\xce",
    b"\xca\xfe\xba\xbe",
    b"\xca\xfe\xba\xbf",
    b"!<arch>\n",
    b"PK\x03\x04",
)
_HEAD: Final = 65536
_ENTITIES: Final = (("&lt;", "<"), ("&gt;", ">"), ("&#39;", "'"), ("&#x27;", "'"), ("&quot;", '"'), ("&amp;", "&"))
_ENTITY: Final = re.compile(r"&(?:lt|gt|#39|#x27|quot|amp);")
_QUOTED: Final = re.compile(r'"([^"\n]{1,4096})"(?= \()')
_FRAME_END: Final = re.compile(r"(?m)[ \t]{2,}[\u2502\u2503][ \t]*$")
_MARKED: Final = re.compile(r"\\([_<>])")
_STEP: Final = re.compile(r"\[(\d{1,4})\]\(https://github\.com/[^)\s]{1,300}#step:\d{1,6}:\d{1,9}\)")
"""A number in a name that GitHub's log viewer made a link of, when it was copied."""
_BRACKETED: Final = re.compile(r"\\([()\[\]])")
_TAKEN_OUT: Final = (
    ("\x1b", _ANSI, ""),
    ('tried: "', _QUOTED, r"'\1'"),
    ("\\_", _MARKED, r"\1"),  # as Markdown needs it
    ("\\<", _MARKED, r"\1"),
    ("dlopen\\(", _BRACKETED, r"\1"),
    ("#step:", _STEP, r"\1"),
    ("\u2502", _FRAME_END, ""),
    ("\u2503", _FRAME_END, ""),
)
"""What a text must have for a pattern to be looked for, the pattern, and what is kept of it."""

_WITHIN: Final = re.compile(r"[ \"'`(:](?=/\w)")
_ENDED: Final = re.compile(r"(?P<path>\.(?:dylib|so|bundle|app|framework))[)\]\"'.,;:!?]{1,3}(?:\s|$)")

_STAMP: Final = (
    r"\[?\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?:Z|\s?[+-]\d\d:?\d\d)?\]?"
    r"|\[?\d\d:\d\d:\d\d(?:[.,]\d{1,9})?\]?"
    r"|(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) {1,2}\d{1,2} \d\d:\d\d:\d\d"
)
_LINE_PREFIX: Final = re.compile(
    r"(?:[ \t]{0,8}(?:>[ \t]?){1,8})?"  # quoted mail or Markdown
    rf"(?:[ \t]{{0,8}}(?:{_STAMP})[ \t]?)?"  # log time stamps
    r"(?:[\w.-]{1,40}[ \t]{1,20}\|[ \t])?"  # "service_1  | "
)


def trimmed(path: str) -> str:
    """Return a path without the sentence, quote or bracket it stands in."""
    if path[:1] not in "/.~@<*" and path[1:3] not in {":/", ":\\"} and (at := _WITHIN.search(path)) is not None:
        path = path[at.end() :]
    path = path.partition("`")[0].rstrip() or path
    end = _ENDED.search(path)
    return path[: end.end("path")] if end is not None else path


def clean(data: bytes | str) -> str:
    """Decode what the user gave and take out what terminals and web pages add: colours, carriage returns, entities.

    Bytes that are not UTF-8 stay as surrogate escapes, so that a path keeps its bytes.

    Raises:
        InputError: The data is binary: it has no message to read.
    """
    text = data if isinstance(data, str) else _decode(data)
    if "\0" in text[:_HEAD]:
        raise InputError("this is binary data, not text that dyld or a crash report printed")
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    if "\u00a0" in text:
        text = text.replace("\u00a0", " ")
    if "\u200b" in text or "\ufeff" in text:
        text = text.replace("\u200b", "").replace("\ufeff", "")
    if "tried: \u2018" in text or "namespace \u2018" in text:  # an editor made the quotes typographic
        text = text.replace("\u2018", "'").replace("\u2019", "'")
    for mark, pattern, kept in _TAKEN_OUT:
        if mark in text:
            text = pattern.sub(kept, text)
    if "&" in text and _ENTITY.search(text):
        for entity, char in _ENTITIES:
            text = text.replace(entity, char)
    return text


def _decode(data: bytes) -> str:
    """Return the text of UTF-8 or, with its mark, UTF-16 data."""
    if data.startswith(_MACHO_MAGICS):
        raise InputError("this is a binary file, not a message: `machochain resolve` and `inspect` read those")
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", "replace").lstrip("\ufeff")
    return data.decode("utf-8", "surrogateescape").removeprefix("\ufeff")


def line_prefix(line: str) -> str:
    """Return what a mail quote, a log's time stamp or a service name puts before the line's own text."""
    match = _LINE_PREFIX.match(line)
    return match.group() if match else ""
