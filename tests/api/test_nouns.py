"""A public name means one thing: no other module has a public class of that name."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from pathlib import Path

import machochain

ROOT = Path(__file__).parents[2]
NOUNS = {"Place", "Request", "Verdict"}
"""What three modules once meant three things by."""
STILL_SHARED = {"Answer", "Cause", "Failure", "Remedy", "Report"}
"""Names of the API that a module of its own calls something else by; to become fewer, never more."""


def test_each_public_noun_has_one_home() -> None:
    homes = defaultdict(list)
    for path in (ROOT / "machochain").rglob("*.py"):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef):
                homes[node.name].append(str(path.relative_to(ROOT)))
    shared = {name for name in {*machochain.__all__, *NOUNS} if len(homes[name]) > 1}
    assert shared <= STILL_SHARED, {name: homes[name] for name in shared - STILL_SHARED}


def test_the_glossary_has_each_word_once() -> None:
    page = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
    words = [word for row in re.findall(r"^\| ([^|]+) \|", page, re.MULTILINE) for word in row.split(", ")]
    assert len(words) == len(set(words)) or [word for word in words if words.count(word) > 1] == ["word", "word"]
    assert {"image", "run path", "modelled Mac", "passed over"} <= {word.removeprefix("the ") for word in words}
