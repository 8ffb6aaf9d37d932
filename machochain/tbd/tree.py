"""A stub document as plain nested values, every scalar a string.

Two ways lead there. What Apple's tapi and its kin write is a small, regular part of YAML: one regular expression reads
it five times faster than libyaml. Whatever it does not recognise goes to PyYAML's event stream, which is the authority
on YAML; nothing is resolved there either (``1.10`` is no number, ``NO`` no boolean).
"""

from __future__ import annotations

import re
from typing import Any, Final

from machochain.model.errors import InputError

Value = str | list["Value"] | dict[str, "Value"]

MAX_DEPTH: Final = 12
"""Deeper nesting than any stub has; a bound for hostile input."""

# One "key: value" line, at the three indentations tapi uses; a flow list may run over several lines.
_LINE = re.compile(
    r"(?P<indent>  - |    |)(?P<key>[A-Za-z][A-Za-z-]*):[ ]*+"
    r"(?:\[(?P<list>[^\][{}#\\\"\t]*+)\]|(?P<scalar>[^\n\[{#\\\"\t]*+))[ ]*+\n+"
)
# What may stand in a plain scalar without YAML giving it another meaning.
_PLAIN = re.compile(r"[^\s,\[\]{}#&*!|>'\"%@`:?-][^\s,\[\]{}#'\"]*")
_SPACED = re.compile(r"[\w.+][\w.+ -]*")


class _UnrecognisedError(Exception):
    """The document is not in the form tapi writes."""


def _scalar(text: str) -> str:
    text = text.strip(" ")
    if not text:
        return ""
    if text[0] == "'":
        inner = text[1:-1]
        if len(text) < 2 or text[-1] != "'" or "'" in inner or "\n" in inner:
            raise _UnrecognisedError
        return inner
    if (_PLAIN.fullmatch(text) and not text.endswith(":")) or _SPACED.fullmatch(text):
        return text
    raise _UnrecognisedError


def _flow(body: str) -> list[Value]:
    items = [item.strip(" \n") for item in body.split(",")]
    if items and not items[-1]:
        items.pop()  # a trailing comma, or an empty list
    if all(map(_PLAIN.fullmatch, items)) and not any(item[-1] == ":" for item in items):
        return list(items)
    return [_scalar(item) if item else _reject() for item in items]


def _reject() -> str:
    raise _UnrecognisedError


def _quick(text: str) -> dict[str, Value]:
    document: dict[str, Value] = {}
    section: list[Value] | None = None
    entry: dict[str, Value] | None = None
    opened = ""
    end = 0
    for match in _LINE.finditer(text):
        if match.start() != end:
            raise _UnrecognisedError
        end = match.end()
        indent, key, body, scalar = match.groups()
        value: Value = _flow(body) if body is not None else _scalar(scalar or "")
        if not indent:
            if opened and not section:
                raise _UnrecognisedError
            opened, section, entry = "", None, None
            if key in document:
                raise _UnrecognisedError
            if value == "" and body is None and not (scalar or "").strip():
                section, opened = [], key
                value = section
            document[key] = value
            continue
        if section is None or (body is None and value == "" and "'" not in (scalar or "")):
            raise _UnrecognisedError
        if indent == "  - ":
            entry = {}
            section.append(entry)
        if entry is None or key in entry:
            raise _UnrecognisedError
        entry[key] = value
    if end != len(text) or (opened and not section):
        raise _UnrecognisedError
    return document


def parse(text: str, first_line: int = 1) -> Value:
    """Return the tree of one YAML document (without its ``---`` line).

    Args:
        text: The document, lines ended by line feeds only.
        first_line: The line of the file the text begins at, for error messages.

    Raises:
        InputError: It is not YAML, or nested deeper than any stub.
    """
    try:
        return _quick(text if text.endswith("\n") else text + "\n")
    except _UnrecognisedError:
        return _slow(text, first_line)


def _slow(text: str, first_line: int) -> Value:  # noqa: C901, PLR0912  # the order of its steps is the rule
    import yaml  # noqa: PLC0415 - only for what the fast path does not recognise

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    stack: list[Value] = []
    keys: list[str | None] = []
    root: Value | None = None

    def fail(reason: str, mark: Any) -> InputError:  # PyYAML and libyaml have a class each
        line = first_line + (mark.line if mark is not None else 0)
        return InputError(reason, part=f"line {line}")

    try:
        for event in yaml.parse(text, Loader=loader):
            value: Value
            if isinstance(event, yaml.ScalarEvent):
                value = event.value
            elif isinstance(event, yaml.SequenceStartEvent):
                value = []
            elif isinstance(event, yaml.MappingStartEvent):
                value = {}
            elif isinstance(event, yaml.AliasEvent):
                raise fail("YAML aliases have no place in a stub", event.start_mark)
            elif isinstance(event, yaml.SequenceEndEvent | yaml.MappingEndEvent):
                stack.pop()
                keys.pop()
                continue
            elif isinstance(event, yaml.DocumentStartEvent) and root is not None:
                raise fail("more than one document", event.start_mark)
            else:
                continue
            if not stack:
                root = value
            elif isinstance(parent := stack[-1], list):
                parent.append(value)
            elif isinstance(parent, dict):
                if keys[-1] is None:
                    if not isinstance(value, str):
                        raise fail("a key is no plain text", event.start_mark)
                    keys[-1] = value
                else:
                    parent[keys[-1]] = value
                    keys[-1] = None
            if not isinstance(value, str):
                if len(stack) >= MAX_DEPTH:
                    raise fail("nested deeper than any stub", event.start_mark)
                stack.append(value)
                keys.append(None)
    except UnicodeError:  # YAML holds characters; the bytes that are none came as surrogate escapes
        raise fail("not UTF-8", None) from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or getattr(error, "reason", None) or "malformed"
        raise fail(f"not YAML: {problem}", mark) from None
    return "" if root is None else root
