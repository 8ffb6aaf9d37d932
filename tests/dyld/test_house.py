"""What the house asks of the rules of dyld: releases of macOS are compared in the tables alone."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path
from typing import Final

from machochain.dyld.profile import NEWEST, PROFILES, majors, modelled, profile_of_tag

ROOT: Final = Path(__file__).parents[2] / "machochain"
COMPARED: Final = re.compile(
    r"macos(?:\.major|\.minor)? *(?:<=?|>=?|==|!=) *(?:\d|Version\.of|MACOS_)"
    r"|(?:\d\)?|MACOS_\d+) *(?:<=?|>=?) *(?:\w+\.)*macos\b"
)
TABLES: Final = {
    "dyld/profile.py": "the profiles themselves",
    "findings/rules/machines/go.py": "which Go runs on which macOS: no rule of dyld",
}
"""Files that may compare releases, and why. kernel/ and world/system/ have tables of their own."""


def test_no_other_file_compares_releases() -> None:
    found = {
        str(path.relative_to(ROOT))
        for path in ROOT.rglob("*.py")
        if not str(path.relative_to(ROOT)).startswith(("kernel/", "world/system/"))
        and COMPARED.search(path.read_text(encoding="utf-8"))
    }
    assert found - TABLES.keys() == set()


def test_profiles_follow_one_another_and_know_their_tags() -> None:
    assert [p.since for p in PROFILES] == sorted({p.since for p in PROFILES})
    assert all(profile_of_tag(tag) is p for p in PROFILES for tag in p.tags)
    assert all(p.since <= p.last < later.since for p, later in pairwise(PROFILES))
    assert PROFILES[-1].since <= NEWEST


def test_what_can_be_modelled_is_told_from_the_table() -> None:
    assert majors() == (11, 12, 13, 14, 15, 26, 27)
    assert modelled() == "11.0 to 15 and 26 to 27"
