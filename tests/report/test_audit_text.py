"""The text of an audit: grouped by cause, the remedy last, the verdict in the last line, safe on any terminal."""

from __future__ import annotations

import pytest
from attrs import evolve

from machochain.findings import RULES
from machochain.model.audit import AuditFinding
from machochain.report.audit_text import render_audit, render_rule, render_rules
from machochain.report.style import Style
from tests.report.audits import REASONED, audit, finding, full, hostile

PLAIN = Style()


def test_hostile_names_cannot_move_the_cursor_or_forge_a_line() -> None:
    for verbose in (0, 1):
        text = render_audit(hostile(), Style(verbose=verbose))
        assert "\x1b" not in text
        assert "\u202e" not in text
        assert not any(line.startswith("::error") for line in text.splitlines())


def test_nothing_is_coloured_unless_asked_for() -> None:
    assert "\x1b[" not in render_audit(full(), PLAIN)
    assert "\x1b[31m" in render_audit(full(), Style(colour=True))


def test_the_remedy_stands_below_what_it_repairs_and_the_verdict_is_last() -> None:
    lines = render_audit(audit(finding()), PLAIN).splitlines()
    assert lines[0].startswith("error[MC101] tool loads @rpath/libx.dylib")
    assert lines.index("  fix:") > lines.index("  in dist/app/bin/tool (arm64, x86_64)")
    assert lines[-1].startswith("failed: 1 error, no warnings, no notes")


def test_what_is_suppressed_is_counted_and_shown_with_its_reason_on_demand() -> None:
    report = audit(finding(suppressed=REASONED))
    brief, long = render_audit(report, PLAIN), render_audit(report, Style(verbose=1))
    assert "error[" not in brief
    assert "1 suppressed (-v shows them)" in brief
    assert "known | harmless (machochain.toml: ignore[0] MC402, until 2027-01-31)" in long


def test_stale_suppressions_and_what_was_not_looked_at_are_told() -> None:
    text = render_audit(evolve(full(), skipped=("dist/late",)), PLAIN)
    assert "stale suppression: " in text
    assert "not looked at: dist/late" in text


def test_an_image_outside_of_the_input_names_who_loads_it() -> None:
    text = render_audit(audit(finding(path="/opt/x/libx.dylib")), PLAIN)
    assert "  in /opt/x/libx.dylib, loaded by dist/app (arm64, x86_64)" in text


def test_the_list_of_rules_has_each_once() -> None:
    lines = render_rules().splitlines()
    for rule in RULES.values():
        assert sum(line.startswith(f"  {rule.id}  ") for line in lines) == 1


@pytest.mark.parametrize("rule_id", RULES)
def test_the_page_of_a_rule_says_all_that_the_catalogue_does(rule_id: str) -> None:
    rule = RULES[rule_id]
    text = " ".join(render_rule(rule, PLAIN).split())
    for part in (rule.title, rule.meaning, rule.why, *rule.fix, *rule.references, rule.milder, rule.since):
        assert " ".join(part.split()) in text


def test_grouped_findings_name_the_symbols_that_a_library_lacks() -> None:
    evidence = {"symbols": ["_a", "_b"], "bounds": []}
    missing = [
        evolve(f, finding=evolve(f.finding, evidence=evidence))
        for f in (finding("MC205", "missing-symbol", subject="/usr/lib/libz.1.dylib", path=p) for p in ("a.so", "b.so"))
    ]

    assert "/usr/lib/libz.1.dylib: _a, _b (2 files)" in " ".join(render_audit(audit(*missing), PLAIN).split())


def test_grouped_findings_name_the_release_of_symbols_and_where_they_fail() -> None:
    def one(path: str, since: str, broken: list[str]) -> AuditFinding:
        found = finding("MC206", "symbol-newer-than-minimum", subject="/usr/lib/libSystem.B.dylib", path=path)
        bounds = [{"symbol": "_f", "absent_in": "10.14", "present_in": since, "why": "x"}]
        return evolve(found, when="", finding=evolve(found.finding, evidence={"bounds": bounds, "broken_on": broken}))

    report = audit(one("a.so", "10.15", ["10.13"]), one("b.so", "10.15", ["10.9", "10.14"]))
    text = " ".join(render_audit(report, PLAIN).split())
    assert "libSystem.B.dylib: _f (known from macOS 10.15 on) (2 files), on macOS 10.9 to 10.14" in text


def test_grouped_findings_say_once_on_which_releases_they_hold() -> None:
    text = " ".join(render_audit(audit(finding(path="a"), finding(path="b")), PLAIN).split())
    assert "@rpath/libx.dylib (2 files), fails on macOS 26, launches on older ones" in text
    mixed = audit(finding(path="a"), evolve(finding(path="b"), when="fails on macOS 12 only"))
    assert "(2 files), on macOS 26" in " ".join(render_audit(mixed, PLAIN).split())
    always = audit(*(evolve(finding(path=p), when="") for p in "ab"))
    assert "@rpath/libx.dylib (2 files) in" in " ".join(render_audit(always, PLAIN).split())
