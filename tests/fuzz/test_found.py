"""Cases that fuzzing found, each mended where it says."""

from __future__ import annotations

from pathlib import Path

import pytest

from machochain import Target, resolve
from machochain.findings import baseline
from machochain.findings.baseline import read_baseline
from machochain.model.errors import UsageError

ROOT = Path(__file__).parents[2]


def test_a_program_to_be_linked_has_no_bytes_for_dyld2_to_look_at() -> None:
    report = resolve([ROOT / "testdata" / "go" / "greet.a"], target=Target(macos="11"))
    assert not report.errors
    assert [str(result.macos) for result in report.results] == ["11.0"]


def test_a_baseline_is_not_read_into_a_buffer_of_its_largest_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(baseline, "_MAX_BYTES", 10)
    file = tmp_path / "known.json"
    file.write_text(" " * 11)
    with pytest.raises(UsageError, match="longer than 10 bytes"):
        read_baseline(file)
