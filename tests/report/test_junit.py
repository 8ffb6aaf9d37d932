"""JUnit XML as Jenkins and GitLab read it."""

from __future__ import annotations

import subprocess
import sys
import tarfile
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from attrs import evolve

import machochain
from machochain.findings import RULES
from machochain.model.audit import AuditReport
from machochain.model.result import Severity
from machochain.report.junit import render_junit
from tests.report.audits import audit, finding, full, hostile


def parsed(report: AuditReport) -> ET.Element:
    return ET.fromstring(render_junit(report))


def test_there_is_a_suite_for_each_input_and_a_case_for_each_rule_or_cause() -> None:
    app, inputs = parsed(full()).findall("testsuite")
    assert app.get("name") == "dist/app"
    # MC402 has two causes; no audit looks at sources and machines.
    assert len(app.findall("testcase")) == sum(not rule.startswith("MC7") for rule in RULES) + 1
    assert inputs.find("testcase/error") is not None


def test_causes_that_fail_the_audit_are_failures_others_pass_and_suppressed_ones_are_skipped() -> None:
    app = parsed(full()).find("testsuite")
    assert app is not None
    by_name = {str(c.get("name")): c for c in app.findall("testcase")}
    failed = by_name["missing-library: bin/tool: @rpath/libx.dylib [arm64, x86_64]"]
    failure = failed.find("failure")
    assert failure is not None
    assert "which cannot be found" in str(failure.get("message"))
    assert "install_name_tool" in str(failure.text)
    warned = by_name["foreign-run-path: bin/tool: /Users/ci/lib [arm64, x86_64]"]
    assert warned.find("failure") is None
    assert str(warned.findtext("system-out")).startswith("warning: ")
    skipped = by_name["foreign-run-path: bin/tool: /opt/homebrew/lib [arm64, x86_64]"].find("skipped")
    assert skipped is not None
    assert "known | harmless" in str(skipped.get("message"))


def test_no_rule_is_passed_by_an_input_that_cannot_be_read(tmp_path: Path) -> None:
    path = tmp_path / "text"
    path.write_text("hello")
    root = parsed(machochain.audit([path]))
    (case,) = root.iter("testcase")
    assert case.find("error") is not None
    assert (root.get("tests"), root.get("errors")) == ("1", "1")


def test_a_stricter_threshold_makes_warnings_fail() -> None:
    report = full()
    strict = evolve(report, policy=evolve(report.policy, fail_on=Severity.WARNING))
    assert parsed(report).get("failures") == "1"
    assert parsed(strict).get("failures") == "2"


def test_counts_are_those_of_the_cases() -> None:
    root = parsed(full())
    assert root.get("tests") == str(len(root.findall("testsuite/testcase")))
    assert root.get("errors") == str(len(root.findall("testsuite/testcase/error")))
    for suite in root:
        assert suite.get("skipped") == str(len(suite.findall("testcase/skipped")))


def test_the_name_of_a_case_stays_when_the_releases_change() -> None:
    before = finding()
    after = evolve(before, macos=(), count=99, when="")
    names = [[c.get("name") for c in parsed(audit(f)).iter("testcase")] for f in (before, after)]
    assert names[0] == names[1]


def test_names_from_files_cannot_break_the_document() -> None:
    text = render_junit(hostile())
    ET.fromstring(text)
    assert "<script" not in text
    assert "\x1b" not in text


@pytest.mark.wheels
@pytest.mark.parametrize("report", [full(), hostile(), audit()])
def test_the_document_keeps_to_the_schema_of_jenkins(report: AuditReport, tmp_path: Path) -> None:
    """Against junit-10.xsd of Jenkins' xunit plugin, which pytest's own source distribution holds."""
    xmlschema = pytest.importorskip("xmlschema")
    command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--no-binary=:all:", "pytest==8.4.2"]
    subprocess.run([*command, "-d", str(tmp_path)], check=True)
    (source,) = tmp_path.glob("pytest-*.tar.gz")
    with tarfile.open(source) as archive:
        (member,) = [m for m in archive.getnames() if m.endswith("junit-10.xsd")]
        archive.extract(member, tmp_path, filter="data")
    xmlschema.XMLSchema(str(tmp_path / member)).validate(render_junit(report))
