"""Sentences and commands with the facts of a message filled in."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from machochain.diagnosis.elision import is_elided
from machochain.model.diagnosis import Fact
from machochain.model.paths import directory, leaf, printable
from machochain.model.shell import file_word, quoted

_HOLE: Final = re.compile(r"(?<!\$)\{(\w+)(?:\.(\w+))?\}")
_NOUNS: Final = {
    "lib": "the library", "asker": "the program", "file": "the file", "path": "the file", "app": "the app",
    "command": "the program", "process": "the process", "name": "the one named", "sub": "a part of it",
    "symbols": "some symbols", "expected": "the library", "header": "a header", "sym": "a symbol",
    "plugin": "a plug-in", "culprit": "the file", "tool": "the tool", "arch": "the processor linked for",
    "option": "no more is said",
    "file1": "one file", "file2": "the other", "need": "another processor", "have": "one processor",
    "indicator": "no more is said", "words": "no more is said", "pkg": "the package", "module": "a module",
}  # fmt: skip
_FILES: Final = frozenset({"file", "path", "asker", "app", "lib", "real"})


def sentence(words: str, facts: Mapping[str, Fact]) -> str:
    """Return a sentence with its values; what is not known is named by a noun."""

    def fill(match: re.Match[str]) -> str:
        name, part = match[1], match[2]
        dotted = facts.get(f"{name}.{part}") if part else None
        value = dotted or _one(facts.get(name), part)
        return printable(value) if isinstance(value, str) and value else _NOUNS.get(name, "?")

    text = _HOLE.sub(fill, words)
    return text[:1].upper() + text[1:] if words.startswith("{") and text.startswith("the ") else text


def command(words: str, facts: Mapping[str, Fact]) -> str:
    """Return a command with its values as words of a shell; what is not known stands in capitals."""

    def fill(match: re.Match[str]) -> str:
        name, part = match[1], match[2]
        value = _one(facts.get(name), part)
        if part == "program" and value and "/" not in value:
            return f'"$(command -v {quoted(value.split(" ")[0])})"'  # the shell looked it up in PATH
        if not value or is_elided(value):
            return re.sub(r"\d", "", name).upper()
        if part == "regex":
            return quoted("^" + re.escape(value).replace("\\-", "-").replace("\\,", ",") + "$")
        if part == "file" and "/" not in value:  # a window gives the name alone
            return quoted(f"/PATH/TO/{value}")
        home = "~/" if value.startswith("~/") else ""  # a quoted ~ is no home
        return home + (file_word(value) if name in _FILES and not home else quoted(value.removeprefix(home)))

    return _HOLE.sub(fill, words)


def _one(value: Fact | None, part: str | None) -> str:
    if part == "named":
        return _named(value)
    if isinstance(value, tuple):
        value = value[0] if value else ""
    text = "" if value is None or isinstance(value, bool) else str(value)
    if part == "leaf":
        return leaf(text.rstrip("/")) or text
    if part == "file":
        return text
    if part == "program":
        return text if ".app/" in text and text.startswith("/") else text.split(" ")[0]
    if part == "dir":
        return directory(text)
    return text


def _named(value: Fact | None) -> str:
    """Return symbols as a reader counts them: one by its name, several by how many and the first."""
    if isinstance(value, tuple) and len(value) > 1:
        return f"{len(value)} symbols ({value[0]}, …)"
    one = value[0] if isinstance(value, tuple) and value else value
    return f"the symbol {one}" if one and isinstance(one, str) else ""
