"""The model against dyld's own answers (testdata/vectors)."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.factory import executable
from tests.vectors.__main__ import main
from tests.vectors.reading import Vector, vectors
from tests.vectors.replay import differences

FOLDER: Final = Path(__file__).parents[2] / "testdata" / "vectors"
STEP: Final = {"search-agree": 20, "dyld2-search-agree": 20, "binding-symbols-agree": 20, "thresholds": 37}
"""Of large files only every so-many-th vector is replayed in the ordinary run."""
DIFFERENT: Final = {
    "validity-differences validity-1378-arm64-576": "mmap() fails, and says where the kernel put it",
    "validity-differences validity-1066.8-arm64-186": "the same",
    "validity-differences validity-1323.3-arm64-1433": "vm_allocate() of 64 GB fails on that machine, not on a Mac",
    "validity-differences validity-1286.10-arm64-1433": "the same",
    "validity-differences validity-1241.17-arm64-248": "a crash behind the checks, with no text",
    "validity-differences validity-1241.17-arm64-579": "the same",
    "validity-differences validity-1066.8-arm64-456": "the same",
    "dyld2-differences difference-852.2-A5-main-through-link": "the main executable is known by its real path",
    "dyld2-dlopen-agree dlopen-852.2-310": "the working directory is in no tree",
    "dyld2-validity-differences validity-852.2-v1-192": "the bytes behind the load commands count as a command",
    "dyld2-validity-differences validity-852.2-v1-353": "not examined: slices of a universal file",
    "dyld2-validity-differences validity-852.2-v1-758": "the kernel maps no header",
    "dyld2-validity-differences validity-852.2-v1-994": "not examined: a load command with an empty name",
}
"""Vectors on which the model differs from dyld, by file and id, and why."""


FILES: Final = sorted(FOLDER.glob("*.xz"))


def stem(path: Path) -> str:
    return path.name.partition(".")[0]


def name(path: Path, vector: Vector) -> str:
    return f"{stem(path)} {vector.get('id')}"


def disagreeing(path: Path, step: int) -> Iterator[str]:
    for number, vector in enumerate(vectors(path)):
        chosen = number % step == 0 or name(path, vector) in DIFFERENT
        if chosen and differences(vector, catalogue="catalogue" in stem(path)):
            yield name(path, vector)


def known(path: Path) -> set[str]:
    return {each for each in DIFFERENT if each.startswith(stem(path) + " ")}


@pytest.mark.parametrize("path", FILES, ids=stem)
def test_the_model_answers_as_dyld_does(path: Path) -> None:
    assert set(disagreeing(path, STEP.get(stem(path), 7))) == known(path)


@pytest.mark.fuzz
@pytest.mark.parametrize("path", FILES, ids=stem)
def test_the_model_answers_every_vector_as_dyld_does(path: Path) -> None:
    assert set(disagreeing(path, 1)) == known(path)


def test_the_command_names_the_vectors_that_differ(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    vector = {
        "id": "one",
        "area": "search",
        "dyld": "dyld-1378",
        "macos": "26.5",
        "arch": "arm64",
        "main": "/m",
        "cwd": "/",
        "env": {},
        "security": {"at_paths": True},
        "os": {},
        "files": {"/m": {"z": base64.b64encode(zlib.compress(executable())).decode()}},
        "expect": {"message": "words", "launches": False, "loaded": [], "searches": []},
    }
    file = tmp_path / "few.jsonl"
    file.write_text(json.dumps(vector), encoding="utf-8")
    assert main([str(file)]) == 1
    out = capsys.readouterr().out.splitlines()
    assert out[0] == "search: 0 of 1 agree  (few.jsonl)"
    assert out[1].startswith("  one: message: dyld 'words'")
    assert main([str(tmp_path / "none.jsonl")]) == 2
