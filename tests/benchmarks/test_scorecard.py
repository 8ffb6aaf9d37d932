"""machochain is right in every situation of the scorecard; a tool that breaks is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.scorecard.cases import CASES, Answer, Case
from benchmarks.scorecard.tools import Answers, judge, machochain


@pytest.mark.parametrize("number", CASES)
def test_machochain_is_right(number: str, tmp_path: Path) -> None:
    case = CASES[number]
    root = tmp_path.resolve()
    case.build(root)
    correct, given = judge(case, root, machochain)
    assert correct, (case.title, given, case.expected(str(root)))


def test_a_wrong_answer_and_a_crash_are_not_right(tmp_path: Path) -> None:
    def nothing(case: Case, root: Path) -> Answers:
        return {"": Answer(frozenset())}

    def broken(case: Case, root: Path) -> Answers:
        raise RuntimeError("no")

    assert judge(CASES["01"], tmp_path, nothing)[0] is False
    assert judge(CASES["01"], tmp_path, broken) == (False, "RuntimeError: no")
    assert judge(CASES["07"], tmp_path, nothing)[0] is True
