"""From which release on a process launches, in one sentence."""

from __future__ import annotations

import pytest

from machochain.model.paths import TargetPath
from machochain.model.result import Result
from machochain.model.version import Version
from machochain.report.text import reach

RELEASES = ("11", "12", "13", "14", "15", "26")


def result(macos: str, launches: bool | None, kind: str) -> Result:
    path = TargetPath("/app/x")
    return Result(
        input="x", path=path, arch="arm64", file_type=kind, macos=Version.parse(macos), hardened=False,
        launches=launches, message=None, images=(), loads=(),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("verdicts", "sentence"),
    [
        ("TTTTTT", "launches on all of the releases looked at, macOS 11.0 to 26.0"),
        ("FFFFFF", "launches on none of the releases looked at, macOS 11.0 to 26.0"),
        ("??????", "not known whether it launches on any of the releases looked at, macOS 11.0 to 26.0"),
        ("FTTTTT", "launches from macOS 12.0 on; does not launch on macOS 11.0"),
        ("FFF?TT", "launches from macOS 15.0 on; not known for macOS 14.0; does not launch on macOS 13.0"),
        ("FF??TT", "launches from macOS 15.0 on; not known for macOS 13.0, 14.0; does not launch on macOS 12.0"),
        ("?TTTTT", "launches from macOS 12.0 on; not known for macOS 11.0"),
        ("F?????", "not known whether it launches on macOS 12.0 and newer; does not launch on macOS 11.0"),
        ("TT??FF", "launches on macOS 11.0, 12.0 only; does not launch on macOS 26.0"),
        ("FF??FF", "does not launch on any of the releases looked at but macOS 13.0, 14.0, where it is not known"),
        ("TFTTTT", "launches from macOS 13.0 on; does not launch on macOS 12.0"),
        ("F?T?TT", "launches from macOS 15.0 on; not known for macOS 12.0, 14.0; does not launch on macOS 11.0"),
    ],
)
def test_executables(verdicts: str, sentence: str) -> None:
    words = {"T": True, "F": False, "?": None}
    rising = [result(m, words[v], "MH_EXECUTE") for m, v in zip(RELEASES, verdicts, strict=True)]

    assert reach(rising) == sentence


def test_libraries_load() -> None:
    rising = [result(m, m == "26", "MH_BUNDLE") for m in RELEASES]

    assert reach(rising) == "loads from macOS 26.0 on; does not load on macOS 15.0"
