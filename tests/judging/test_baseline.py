"""What is put up with does not count; what got worse, expired or matches nothing is told."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from machochain.auditing import audit
from machochain.graph.resolve import Target
from machochain.judging.baseline import SCHEMA, read_baseline, write_baseline
from machochain.judging.policy_file import parse_policy
from machochain.model.audit import AuditReport, SuppressionSource
from machochain.model.errors import UsageError
from machochain.model.result import Severity
from tests.findings.audited import write_tree, zipped
from tests.findings.scenes import exe

TODAY = date(2026, 6, 30)
LEAK = "/Users/runner/work/x/lib"


def look(path: Path, baseline: Path | None = None, **policy: Any) -> AuditReport:
    asked = parse_policy(policy, "policy.toml")
    return audit(path, policy=asked, target=Target(macos=("26",)), baseline=baseline, today=TODAY)


@pytest.fixture
def release(tmp_path: Path) -> Path:
    return write_tree(tmp_path / "dist", {"bin/tool": exe("/gone/libx.dylib", rpaths=[LEAK])})


def test_a_baseline_suppresses_what_was_there_when_it_was_written(release: Path, tmp_path: Path) -> None:
    file = tmp_path / "known.json"
    before = look(release)
    assert [f.finding.rule for f in before.active] == ["MC101", "MC402"]
    assert write_baseline(file, before.findings) == 2

    after = look(release, file)

    assert after.passed
    assert (after.active, len(after.suppressed), after.stale) == ((), 2, ())
    assert {f.suppressed.source for f in after.suppressed if f.suppressed} == {SuppressionSource.BASELINE}


def test_a_new_finding_counts(release: Path, tmp_path: Path) -> None:
    write_baseline(tmp_path / "known.json", look(release).findings)
    (release / "bin/tool").write_bytes(exe("/gone/libx.dylib", "/gone/liby.dylib", rpaths=[LEAK]))

    after = look(release, tmp_path / "known.json")

    assert [f.finding.subject for f in after.active] == ["/gone/liby.dylib"]
    assert not after.passed


def test_an_entry_that_matches_nothing_is_stale(release: Path, tmp_path: Path) -> None:
    write_baseline(tmp_path / "known.json", look(release).findings)
    (release / "bin/tool").write_bytes(exe("/gone/libx.dylib"))

    after = look(release, tmp_path / "known.json")

    (stale,) = after.stale
    assert stale.why == "matches nothing"
    assert stale.suppression.entry.endswith(" MC402 bin/tool")


def test_a_finding_that_got_worse_counts_again(release: Path, tmp_path: Path) -> None:
    write_baseline(tmp_path / "known.json", look(release).findings)

    after = look(release, tmp_path / "known.json", severity={"MC402": "error"})

    assert [(f.finding.rule, f.severity) for f in after.active] == [("MC402", Severity.ERROR)]
    assert after.stale == ()


@pytest.mark.parametrize(("day", "holds"), [("2026-06-30", True), ("2026-06-29", False)])
def test_an_entry_holds_up_to_its_last_day(day: str, holds: bool, release: Path, tmp_path: Path) -> None:
    file = tmp_path / "known.json"
    write_baseline(file, look(release).findings)
    document = json.loads(file.read_text())
    for entry in document["findings"]:
        entry["expires"] = day
    file.write_text(json.dumps(document))

    after = look(release, file)

    assert after.passed is holds
    assert [s.why for s in after.stale] == ([] if holds else [f"expired on {day}"] * 2)


def test_reasons_and_dates_survive_writing_again(release: Path, tmp_path: Path) -> None:
    file = tmp_path / "known.json"
    write_baseline(file, look(release).findings)
    document = json.loads(file.read_text())
    document["findings"][0].update(reason="known since 1.0", expires="2027-01-31")
    file.write_text(json.dumps(document))

    write_baseline(file, look(release, file).findings, read_baseline(file))

    assert json.loads(file.read_text()) == document


def test_what_the_policy_ignores_is_left_to_the_policy(release: Path, tmp_path: Path) -> None:
    ignore = [{"rule": "MC402", "path": "bin/*", "library": "/Users/runner/*", "reason": "harmless"}]
    report = look(release, ignore=ignore)

    (suppressed,) = report.suppressed
    assert suppressed.suppressed is not None
    assert suppressed.suppressed.source is SuppressionSource.POLICY
    assert suppressed.suppressed.reason == "harmless"
    assert write_baseline(tmp_path / "known.json", report.findings) == 1


@pytest.mark.parametrize(
    ("ignore", "why"),
    [
        ({"rule": "MC402", "path": "lib/*", "reason": "x"}, "matches nothing"),
        ({"rule": "MC402", "library": "/opt/*", "reason": "x"}, "matches nothing"),
        ({"rule": "MC302", "reason": "x"}, "matches nothing"),
        ({"rule": "MC402", "reason": "x", "expires": date(2026, 6, 29)}, "expired on 2026-06-29"),
    ],
)
def test_an_ignore_that_ignores_nothing_is_stale(ignore: dict[str, Any], why: str, release: Path) -> None:
    report = look(release, ignore=[ignore])
    assert report.suppressed == ()
    assert [s.why for s in report.stale] == [why]


def test_fingerprints_do_not_depend_on_where_the_release_lies(tmp_path: Path) -> None:
    tree = {"bin/tool": exe(rpaths=[LEAK], signed=False)}
    one, other = (look(write_tree(tmp_path / name, tree)) for name in ("one", "other/place"))

    assert [f.fingerprint for f in one.findings] == [f.fingerprint for f in other.findings]
    assert [f.finding.rule for f in one.findings] == ["MC501", "MC402"]


def test_fingerprints_do_not_depend_on_the_folder_named_after_the_release(tmp_path: Path) -> None:
    prints = []
    for version in ("1.0", "1.1"):
        name = f"tool-{version}-darwin"
        path = tmp_path / f"{name}.zip"
        path.write_bytes(zipped({f"{name}/bin/tool": exe(rpaths=[LEAK])}))
        report = look(path)
        assert [f.path for f in report.findings] == [f"{name}/bin/tool"]
        prints.append([f.fingerprint for f in report.findings])
    assert prints[0] == prints[1]


def test_fingerprints_tell_files_subjects_and_architectures_apart(tmp_path: Path) -> None:
    tree = {
        "a": exe(rpaths=[LEAK]),
        "b": exe(rpaths=[LEAK]),
        "c": exe(rpaths=[LEAK + "2"]),
        "d": exe(rpaths=[LEAK], arch="x86_64"),
    }
    report = look(write_tree(tmp_path / "dist", tree))
    assert len({f.fingerprint for f in report.findings}) == len(report.findings) == 5  # one says that d needs Rosetta


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is no JSON"),
        ("[]", "is no baseline"),
        ('{"schema": "machochain.audit/1"}', "is no baseline"),
        (json.dumps({"schema": SCHEMA}), "findings: must be a list"),
        (json.dumps({"schema": SCHEMA, "findings": [1]}), r"findings\[0\]: must be an object"),
        (json.dumps({"schema": SCHEMA, "findings": [{}]}), r"findings\[0\]\.fingerprint: must be a string"),
        (
            json.dumps({"schema": SCHEMA, "findings": [{"fingerprint": "x", "expires": "soon"}]}),
            r"findings\[0\]\.expires: 'soon' is no date",
        ),
        (
            json.dumps({"schema": SCHEMA, "findings": [{"fingerprint": "x", "severity": "bad"}]}),
            r"findings\[0\]\.severity",
        ),
        ("[" * 100_000, "is no JSON"),
    ],
)
def test_a_file_that_is_no_baseline_is_told(text: str, message: str, tmp_path: Path) -> None:
    file = tmp_path / "known.json"
    file.write_text(text)
    with pytest.raises(UsageError, match=message):
        read_baseline(file)


def test_a_baseline_that_cannot_be_written_is_told(release: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be written"):
        write_baseline(tmp_path / "gone" / "known.json", look(release).findings)


def test_the_worst_of_two_findings_with_one_fingerprint_is_put_up_with(release: Path, tmp_path: Path) -> None:
    finding = look(release).findings[0]
    mild = evolve(finding, finding=evolve(finding.finding, severity=Severity.INFO))
    write_baseline(tmp_path / "known.json", [mild, finding])
    assert look(release, tmp_path / "known.json").passed
