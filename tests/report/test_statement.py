"""What was examined, with which answer, and what was not: nothing is left to be guessed."""

from __future__ import annotations

import json
from pathlib import Path

from machochain.model.coverage import PassedOver, PassedOverKind
from machochain.model.errors import InputError
from machochain.report.context import RenderContext
from machochain.report.statement import statement, write
from tests.cli.running import run
from tests.report.audits import REASONED, audit, finding, full, hello, hostile
from tests.report.test_schemas import keeps_to_its_schema

HELLO = Path(__file__).parents[2] / "testdata" / "hello"


def test_every_form_of_an_audit_keeps_to_the_schema() -> None:
    for report in (full(), hello(), hostile(), audit()):
        for epoch in (None, 0):
            document = statement(report, epoch=epoch)
            keeps_to_its_schema(json.loads(json.dumps(document)), "statement")
            assert json.loads("".join(write(report, RenderContext(epoch=epoch)))) == document


def test_an_answer_holds_for_the_releases_it_names() -> None:
    found = {(Path(x["product"]).name, x["status"]): x for x in statement(hello())["launches"]}
    assert found["greeter", "holds"]["macos"] == ["12", "26"]
    broken = found["greeter-broken", "fails"]
    assert broken["justification"] == "dyld"
    assert "Library not loaded: @rpath/libgreet.1.dylib" in broken["reason"]


def test_what_is_put_up_with_is_no_failure_and_says_why() -> None:
    accepted = finding(suppressed=REASONED)
    states = {x["status"]: x for x in statement(audit(finding("MC402", "foreign-run-path"), accepted))["findings"]}
    assert states["accepted"]["reason"] == "known | harmless"
    assert (states["accepted"]["justification"], states["accepted"]["until"]) == ("policy", "2027-01-31")
    assert states["fails"]["rule"] == "MC402"


def test_all_that_was_not_looked_at_is_named_with_its_reason() -> None:
    report = audit(
        errors=(InputError("not a zip file", path="broken.whl"),),
        skipped=("late.whl",),
        passed_over=(PassedOver("x.7z", PassedOverKind.ARCHIVE, "nothing here reads it"),),
        inputs=(),
    )
    told = {x["path"]: x["justification"] for x in statement(report)["not_examined"]}
    assert told == {"broken.whl": "unreadable", "late.whl": "interrupted", "x.7z": "archive"}


def test_the_command_line_adds_digests() -> None:
    document = json.loads(run("audit", str(HELLO), "--no-config", "--format", "statement").stdout)
    keeps_to_its_schema(document, "statement")
    (product,) = document["products"]
    assert len(product["files"]) == 4
    assert all(len(file["sha256"]) == 64 for file in product["files"])
