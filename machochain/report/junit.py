"""Audits as JUnit XML, as Jenkins and GitLab read it: a suite for each input, a case for each rule or cause.

A rule without a finding is a case that passes, so that a dashboard shows a repaired cause as fixed. A cause that fails
the audit is a failure; one below the threshold passes and says so; a suppressed one is skipped.
"""

from __future__ import annotations

from typing import Final
from xml.etree import ElementTree as ET

from machochain.findings import RULES
from machochain.model.audit import AuditFinding, AuditInput, AuditReport
from machochain.model.coverage import PassedOver
from machochain.model.errors import InputError
from machochain.model.paths import printable
from machochain.report.audit_words import releases, sentence, why_suppressed
from machochain.report.context import RenderContext
from machochain.report.coverage import coverage_words

_NOT_OF_AUDITS: Final = "MC7"
"""Rules about sources and machines: nothing that is shipped is held against them, so nothing passes them."""
_TIME: Final = "0"
"""Times would differ from run to run and say nothing about the binaries."""


def render_junit(report: AuditReport) -> str:
    """Return the XML document."""
    failing = {id(f) for f in report.failing}
    suites = []
    unexamined = set(report.unexamined)
    for number, each in enumerate(report.inputs):
        if each.path in unexamined:
            # A rule that nothing was held against has not passed.
            suites.append(_counted(printable(each.path), [_unexamined(each.path)]))
            continue
        if not each.members:
            continue
        # An input named twice is reported once.
        first = next(i for i, other in enumerate(report.inputs) if other.path == each.path) == number
        findings = [f for f in report.findings if first and f.origin == each.path]
        suites.append(_suite(each, findings, failing))
    known = {i.path for i in report.inputs}
    elsewhere = [f for f in report.findings if f.origin not in known]
    if elsewhere:
        suites.append(_counted("elsewhere", [_case(f, failing) for f in elsewhere]))
    unread = [_error(e) for e in report.errors]
    unread += [_skipped(path) for path in report.skipped]
    unread += [_passed_over(each) for each in report.passed_over]
    if unread:
        suites.append(_counted("inputs", unread))
    root = ET.Element("testsuites", name="machochain audit", time=_TIME)
    for kind in ("tests", "failures", "errors"):
        root.set(kind, str(sum(int(s.get(kind, "0")) for s in suites)))
    properties = ET.Element("properties")
    ET.SubElement(properties, "property", name="examined", value=coverage_words(report.coverage))
    if suites:
        suites[0].insert(0, properties)
    root.extend(suites)
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _suite(each: AuditInput, findings: list[AuditFinding], failing: set[int]) -> ET.Element:
    cases = []
    for rule in RULES.values():
        causes = [f for f in findings if f.finding.rule == rule.id]
        if causes:
            cases += [_case(f, failing) for f in causes]
        elif not rule.id.startswith(_NOT_OF_AUDITS):
            cases.append(_testcase(rule.id, rule.name, rule.title))
    cases += [_case(f, failing) for f in findings if f.finding.rule not in RULES]
    return _counted(printable(each.path), cases)


def _counted(name: str, cases: list[ET.Element]) -> ET.Element:
    def having(tag: str) -> str:
        return str(sum(case.find(tag) is not None for case in cases))

    suite = ET.Element(
        "testsuite", name=name, tests=str(len(cases)), failures=having("failure"), errors=having("error"),
        skipped=having("skipped"), time=_TIME,
    )  # fmt: skip
    suite.extend(cases)
    return suite


def _testcase(rule: str, name: str, title: str) -> ET.Element:
    return ET.Element("testcase", classname=f"machochain.{rule}", name=f"{name}: {title}", time=_TIME)


def _case(found: AuditFinding, failing: set[int]) -> ET.Element:
    """Return one cause. Its name holds no release and no count: it must stay the same from build to build."""
    finding = found.finding
    subject = f": {printable(finding.subject)}" if finding.subject else ""
    case = _testcase(finding.rule, finding.name, f"{printable(found.path)}{subject} [{', '.join(found.archs)}]")
    if found.suppressed is not None:
        ET.SubElement(case, "skipped", message=why_suppressed(found.suppressed))
    elif id(found) in failing:
        failure = ET.SubElement(case, "failure", type=finding.severity.value, message=sentence(found))
        failure.text = _body(found)
    else:
        ET.SubElement(case, "system-out").text = f"{finding.severity.value}: {_body(found)}"
    return case


def _body(found: AuditFinding) -> str:
    finding = found.finding
    lines = [sentence(found), f"image: {printable(finding.image)}", f"macOS: {releases(found.macos)}"]
    if found.processes:
        lines.append(f"seen in: {', '.join(printable(p) for p in found.processes)}")
    if finding.remedy:
        lines += ["fix:", *(f"  {printable(step)}" for step in finding.remedy)]
    return "\n".join(lines)


def _error(error: InputError) -> ET.Element:
    case = ET.Element(
        "testcase", classname="machochain.input", name=f"readable: {printable(error.path or '?')}", time=_TIME
    )
    ET.SubElement(case, "error", type="unreadable", message=printable(str(error)))
    return case


def _unexamined(path: str) -> ET.Element:
    case = ET.Element("testcase", classname="machochain.input", name=f"examined: {printable(path)}", time=_TIME)
    ET.SubElement(case, "error", type="unexamined", message="no Mach-O file in it")
    return case


def _passed_over(each: PassedOver) -> ET.Element:
    name = f"looked into: {printable(each.path)}"
    case = ET.Element("testcase", classname="machochain.input", name=name, time=_TIME)
    ET.SubElement(case, "skipped", message=printable(each.reason))
    return case


def _skipped(path: str) -> ET.Element:
    case = ET.Element("testcase", classname="machochain.input", name=f"looked at: {printable(path)}", time=_TIME)
    ET.SubElement(case, "skipped", message="the audit was interrupted")
    return case


def write(report: AuditReport, _: RenderContext) -> str:
    """Return the XML document."""
    return render_junit(report)
