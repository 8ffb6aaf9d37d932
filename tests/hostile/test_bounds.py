"""Small inputs that ask for much: what is tried, kept and told is bounded, and what is left out is told."""

from __future__ import annotations

import json
import struct
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from machochain import Target, resolve
from machochain.findings import draft, folding
from machochain.findings.folding import MOST_ALIKE
from machochain.findings.names import library_base
from machochain.graph import binding, process
from machochain.graph.process import MOST_ATTEMPTS, MOST_SEARCH_TEXT, MOST_TEXT
from machochain.macho.reader import read_bytes
from machochain.model.filesystem import Presence
from machochain.model.paths import MOST_SHOWN, shortened
from machochain.model.result import Outcome, Result, UnknownKind
from machochain.model.version import Version
from machochain.world.system import catalogue, reached
from machochain.world.system.catalogue import EmbeddedCatalogue
from tests.cli.running import run
from tests.factory.macho import Import, dylib, executable, load, reexport
from tests.hostile.test_hostile_worlds import placed, resolved

LONG = [f"/r{n}/" + "x" * 40_000 for n in range(50)]


def one(tmp_path: Path, macos: str = "26") -> Result:
    return next(r for r in resolved(tmp_path, macos).results if r.path.endswith("program"))


def characters(result: Result) -> int:
    return sum(len(attempt.candidate.path) for each in result.loads for attempt in each.tried)


@pytest.mark.parametrize("macos", ["11", "12", "26"])
def test_long_run_paths_for_many_libraries_are_counted_by_their_characters(tmp_path: Path, macos: str) -> None:
    placed(tmp_path, program=executable(*[f"@rpath/l{n}" for n in range(2000)], rpaths=LONG))
    failed = one(tmp_path, macos)
    assert MOST_TEXT < characters(failed) <= MOST_TEXT + MOST_SEARCH_TEXT
    rest = [each for each in failed.loads if each.outcome is Outcome.UNKNOWN]
    assert len(rest) > 1900
    (told,) = (each for each in failed.unknowns if each.kind is UnknownKind.TOO_LONG)
    assert "the rest was not looked for" in told.text
    # The first search was made whole: that nothing serves it is certain.
    assert failed.loads[0].outcome is Outcome.MISSING
    assert failed.launches is False
    assert len(failed.message or "") < 2 * MOST_SHOWN
    assert [f.evidence["count"] for f in failed.findings if f.rule == "MC901"] == [len(rest)]


def test_a_search_is_broken_off_where_it_alone_is_too_long_and_nothing_is_said_to_be_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "MOST_SEARCH_TEXT", 100_000)
    placed(tmp_path, program=executable("@rpath/a", "/usr/lib/libSystem.B.dylib", rpaths=LONG[:9]))
    found = one(tmp_path)
    assert found.launches is None
    assert [each.outcome for each in found.loads] == [Outcome.UNKNOWN] * 2
    assert UnknownKind.TOO_LONG in {each.kind for each in found.unknowns}


def test_a_search_that_fails_costs_more_than_its_paths(tmp_path: Path) -> None:
    placed(tmp_path, program=executable(*[load(f"/l/{n}", weak=True) for n in range(30_000)]))
    found = one(tmp_path)
    answered = sum(each.outcome is Outcome.WEAK_MISSING for each in found.loads)
    assert 1000 < answered < MOST_ATTEMPTS // process.FAILURE
    assert sum(each.outcome is Outcome.UNKNOWN for each in found.loads) == len(found.loads) - answered


def test_findings_alike_are_folded_with_their_number_and_a_subject_of_their_own(tmp_path: Path) -> None:
    def findings(count: int) -> list[Any]:
        placed(
            tmp_path, program=executable("/usr/lib/libSystem.B.dylib", rpaths=[f"/Users/me/{n}" for n in range(count)])
        )
        found = json.loads(run("audit", "--no-config", str(tmp_path / "program"), "--macos", "26", "--json").stdout)
        return [each for each in found["findings"] if each["rule"] == "MC402"]

    few, many, more = (findings(count) for count in (MOST_ALIKE, MOST_ALIKE + 400, MOST_ALIKE + 401))
    assert (len(few), len(many), len(more)) == (MOST_ALIKE, MOST_ALIKE + 1, MOST_ALIKE + 1)
    (rest,) = (each for each in many if "count" in each["evidence"])
    assert rest["evidence"]["count"] == 400
    assert rest["subject"].startswith("400 more")
    assert rest["severity"] == few[0]["severity"]
    # Whoever knows 400 more of yesterday does not know those of today.
    assert rest["fingerprint"] not in {each["fingerprint"] for each in more}


def test_what_is_folded_keeps_the_worst(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(folding, "MOST_ALIKE", 3)
    placed(tmp_path, program=executable(*[f"/l/{n}" for n in range(10)]))
    missing = [f for f in one(tmp_path).findings if f.rule == "MC101"]
    assert [f.evidence.get("count") for f in missing].count(7) == 1
    assert {f.severity.value for f in missing} == {"error"}


def test_a_finding_repeats_no_more_of_a_search_than_anybody_reads(tmp_path: Path) -> None:
    placed(tmp_path, program=executable("@rpath/a.dylib", rpaths=[f"/r/{n}" for n in range(10_000)]))
    failed = one(tmp_path)
    (missing,) = (f for f in failed.findings if f.rule == "MC101")
    tried = failed.loads[0].tried
    assert len(missing.evidence["tried"]) + missing.evidence["tried_more"] == len(tried)
    assert len(missing.evidence["tried"]) < 500
    assert len(missing.evidence["run_paths"]) < 500
    assert len(missing.evidence["reason"]) < 2 * MOST_SHOWN


def test_a_shortened_text_says_how_much_it_leaves_out() -> None:
    assert shortened("x" * MOST_SHOWN) == "x" * MOST_SHOWN
    assert shortened("x" * (MOST_SHOWN + 7)).endswith("x … (7 more characters)")


def test_symbols_that_nobody_lists_are_looked_up_once_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    facts = EmbeddedCatalogue()
    release = Version.of(15)

    def asked(first: int, last: int) -> list[object]:
        return [facts.lookup("/usr/lib/libSystem.B.dylib", f"_no_{n}", release, "arm64") for n in range(first, last)]

    early = asked(0, 2 * reached._MANY)

    def never(*_: object) -> dict[str, Any]:
        raise AssertionError("a library was looked into again")

    monkeypatch.setattr(reached.Served, "__iter__", never)
    assert set(early) == set(asked(1000, 3000))
    monkeypatch.undo()
    fresh = EmbeddedCatalogue()
    assert fresh.lookup("/usr/lib/libSystem.B.dylib", "_no_1", release, "arm64") == early[1]
    assert facts.lookup("/usr/lib/libSystem.B.dylib", "_printf", release, "arm64").presence is Presence.PRESENT


def test_of_libraries_that_nobody_knows_not_all_are_kept_in_mind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue, "_MOST_SERVED", 10)
    facts, release = EmbeddedCatalogue(), Version.of(15)
    for n in range(35):
        assert facts.lookup(f"/usr/lib/libno{n}.dylib", "_printf", release, "arm64").presence is Presence.UNSEEN
        assert facts.lookup("/usr/lib/libSystem.B.dylib", "_printf", release, "arm64").presence is Presence.PRESENT
    assert len(facts._serving) <= 10


def test_whether_go_made_an_image_is_asked_of_its_bytes_once() -> None:
    asked: list[object] = []

    class Counted(bytes):
        def __contains__(self, part: object) -> bool:
            asked.append(part)
            return False

    (piece,) = read_bytes(executable("@rpath/a")).slices
    assert piece.image is not None
    image = evolve(piece.image, raw=Counted(piece.image.raw))
    assert [image.made_by_go for _ in range(9)] == [False] * 9
    assert len(asked) == 2


def test_names_of_the_tree_are_compared_once_for_all_that_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def counted(name: str) -> str:
        asked.append(name)
        return library_base(name)

    monkeypatch.setattr(draft, "library_base", counted)
    files = {f"lib{n}.1.dylib": dylib("x") for n in range(60)}
    placed(tmp_path, program=executable(*[f"/l/lib{n}.2.dylib" for n in range(200)]), **files)
    missing = [f for f in one(tmp_path).findings if f.rule == "MC101"]
    assert sum("has nearly that name" in f.message for f in missing) == 60
    assert len(asked) < 60 + 200 + 10


def test_what_a_file_may_cost_is_shared_by_its_slices(tmp_path: Path) -> None:
    program = executable(*[f"@rpath/{n}" for n in range(3000)], rpaths=[f"/r/{n}" for n in range(30)])
    alone, many = tmp_path / "alone", tmp_path / "many"
    alone.write_bytes(program)
    head, start = struct.pack(">II", 0xCAFEBABE, 8), 1 << 14
    for subtype in range(8):
        head += struct.pack(">5I", 0x0100000C, subtype, start, len(program), 14)
    many.write_bytes(head.ljust(start, b"\0") + program)

    def tried(path: Path) -> int:
        results = resolve([path], target=Target(macos="26")).results
        assert results
        return sum(len(each.tried) for result in results for each in result.loads)

    assert 0 < tried(many) <= tried(alone) + 8 * 200


@pytest.mark.parametrize("names", [[f"l{n}" for n in range(400)]])
def test_a_row_of_libraries_that_re_export_one_another_has_an_end(tmp_path: Path, names: list[str]) -> None:
    for name, following in pairwise([*names, ""]):
        link = reexport(f"@loader_path/{following}") if following else load("/usr/lib/libSystem.B.dylib")
        (tmp_path / name).write_bytes(dylib(f"@rpath/{name}", link, exports=[f"_{name}"]))
    wanted = ["_l0", "_l50", "_l399", "_nowhere"]
    program = executable("@loader_path/l0", imports=[Import(each, 1) for each in wanted], fixups="chained")
    placed(tmp_path, program=program)
    found = one(tmp_path)
    assert {m.symbol for m in found.missing_symbols} == {"_l399", "_nowhere"}
    assert all(m.unknown is not None and "re-export one another" in m.unknown for m in found.missing_symbols)
    assert found.launches is None


def test_libraries_that_all_re_export_all_are_looked_at_so_often_and_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(binding, "_MOST_STEPS", 500)
    for name in range(20):
        others = [reexport(f"@loader_path/l{other}") for other in range(20) if other != name]
        (tmp_path / f"l{name}").write_bytes(dylib(f"@rpath/l{name}", *others))
    wanted = [Import(f"_n{n}", 1) for n in range(50)]
    placed(tmp_path, program=executable("@loader_path/l0", imports=wanted, fixups="chained"))
    reasons = [m.unknown for m in one(tmp_path).missing_symbols]
    assert reasons[0] is None  # the first was looked for to the end: it is missing
    assert "so many libraries" in (reasons[-1] or "")
