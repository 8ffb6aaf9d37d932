"""Findings that are made when somebody looks at them are what a tuple of them would be."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
from attrs import evolve

from machochain import Target, audit
from machochain.findings.draft import NO_FACTS, Draft
from machochain.findings.finished import Findings, chosen, drafts_of
from machochain.model.result import Severity
from tests.factory.macho import dylib, executable
from tests.findings.scenes import TOOL, Scene, exe
from tests.hostile.test_hostile_worlds import placed

PROCESS = Scene({TOOL: exe()}).results()[0]
DRAFTS = [Draft("MC101", Severity.ERROR, "/a", None, name, f"{name} is missing") for name in "xyz"]


def test_they_read_as_a_tuple() -> None:
    whole = tuple(draft.finish(PROCESS) for draft in DRAFTS)
    found = Findings(DRAFTS, PROCESS, NO_FACTS)
    assert found == whole
    assert whole == found
    assert (len(found), tuple(found), repr(found), found[1], found[1:]) == (3, whole, repr(whole), whole[1], whole[1:])
    assert hash(found) == hash(whole)
    assert found != whole[:2]
    assert (found + whole, whole + found, found + found) == (whole * 2,) * 3
    with pytest.raises(TypeError):
        found + list(whole)  # as a tuple refuses it
    assert pickle.loads(pickle.dumps(found)) == whole
    assert evolve(PROCESS, findings=found) == evolve(PROCESS, findings=whole)


def test_one_is_chosen_without_making_the_others() -> None:
    found = Findings(DRAFTS, PROCESS, NO_FACTS)
    assert drafts_of(found) == tuple(DRAFTS)
    assert chosen(drafts_of(found)[2], found) == DRAFTS[2].finish(PROCESS)
    made = tuple(found)
    assert drafts_of(made) is made
    assert chosen(made[0], made) is made[0]


def test_an_audit_makes_the_findings_it_tells_and_no_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    placed(
        tmp_path,
        program=executable("@rpath/a.dylib", "@rpath/b.dylib", rpaths=["@loader_path"]),
        **{"a.dylib": dylib("@rpath/a.dylib")},
    )
    made: list[str] = []
    finish = Draft.finish

    def counted(self: Draft, *args: object) -> object:
        made.append(self.rule)
        return finish(self, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(Draft, "finish", counted)
    report = audit([tmp_path], target=Target(macos=("13", "14", "15", "26")))
    everywhere = [f for f in report.findings if len(f.macos) == 4 and f.processes]
    assert everywhere
    assert len(made) <= len(report.findings)
    assert {f.evidence["macos"] for r in report.results for f in r.findings} == {"13.0", "14.0", "15.0", "26.0"}
