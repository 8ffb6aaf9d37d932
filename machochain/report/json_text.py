"""JSON as text, a large document in parts: what it is made of need not be in memory at once."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any


def json_parts(document: Mapping[str, Any]) -> Iterator[str]:
    """Yield the text of a document, the same that ``json.dumps`` with an indent of 2 gives, and a newline.

    Args:
        document: Members by name, at least one. An iterator stands for a list: each item is asked for when its turn
            comes.
    """
    start = "{"
    for name, value in document.items():
        yield f"{start}\n  {json.dumps(name)}: "
        if isinstance(value, Iterator):
            yield from _items(value)
        else:
            yield _within(value, "  ")
        start = ","
    yield "\n}\n"


def _items(items: Iterator[Any]) -> Iterator[str]:
    start = "["
    for item in items:
        yield f"{start}\n    {_within(item, '    ')}"
        start = ","
    yield "[]" if start == "[" else "\n  ]"


def _within(value: Any, margin: str) -> str:
    # No string in JSON holds a line break: all of them are ours.
    return json.dumps(value, indent=2).replace("\n", f"\n{margin}")
