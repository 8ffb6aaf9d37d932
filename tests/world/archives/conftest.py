"""What holds for every test of archives: nothing is written elsewhere, nothing is left."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def nothing_is_left_or_written_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Unpack below a folder with a witness around it; after each test the folder is empty and the witness untouched."""
    scratch = tmp_path / "around" / "scratch"
    scratch.mkdir(parents=True)
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    yield
    assert [str(path) for path in (tmp_path / "around").rglob("*")] == [str(scratch)]
