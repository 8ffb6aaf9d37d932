"""Directories of public modules, recorded as facts, give the lists and flags ``go list`` gave for them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.golang.golden import FOLDER, TARGETS, VERBS, context_of, read, replay, skeleton

MODULES = sorted(FOLDER.glob("*.json"))
FACT = re.compile(r"//go:build .*|//\s*\+build .*|package \w+|#cgo[ \t].*|import \"C\"")


def recorded(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return found


@pytest.mark.parametrize("path", MODULES, ids=lambda p: p.stem)
def test_a_recorded_module_gives_the_lists_and_flags_go_list_gave(path: Path) -> None:
    differences = [(name, target) for name, target, mine, said in replay(recorded(path)) if mine != said]
    assert not differences


@pytest.mark.parametrize("path", MODULES, ids=lambda p: p.stem)
def test_a_record_holds_facts_and_no_source(path: Path) -> None:
    module = recorded(path)
    assert re.fullmatch("[0-9a-f]{40}", module["commit"])
    lines = [line for each in module["packages"].values() for of in each["files"].values() for line in of]
    assert [line for line in lines if not FACT.fullmatch(line)] == []


def test_the_record_is_as_large_as_the_documentation_says() -> None:
    rows = [row for path in MODULES for row in replay(recorded(path))]
    words = sum(len(said.get(key, ())) for _, _, _, said in rows for key in VERBS)
    files = sum(len(each["files"]) for path in MODULES for each in recorded(path)["packages"].values())
    assert (len(MODULES), len(rows), files, words) == (48, 651, 3929, 1848)


def test_another_target_a_lost_line_and_a_lost_file_would_be_noticed() -> None:
    module = recorded(FOLDER / "mattn_go-sqlite3.json")
    package = module["packages"]["."]
    said = package["go_list"]["darwin/arm64"]
    files = {name: skeleton(lines) for name, lines in package["files"].items()}

    lost = 0
    assert read("/module", files, context_of("darwin/arm64")) == said
    assert read("/module", files, context_of("linux/amd64")) != said
    for name, lines in package["files"].items():
        assert read("/module", {k: v for k, v in files.items() if k != name}, context_of(TARGETS[0])) != said, name
        for at, line in enumerate(lines):
            if name in said["CgoFiles"] and re.match(r"#cgo (darwin )?(CFLAGS|LDFLAGS|pkg-config):", line):
                less = {**files, name: skeleton(lines[:at] + lines[at + 1 :])}
                assert read("/module", less, context_of("darwin/arm64")) != said, line
                lost += 1
    assert lost > 10
