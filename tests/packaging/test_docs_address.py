"""The address of the documentation: set in one place, absolute wherever a rule is linked."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest

import machochain
from machochain._docs import ADDRESS, VARIABLE, base, rule_page
from machochain.findings import RULES

ROOT = Path(__file__).parents[2]
BROKEN = ROOT / "testdata" / "hello" / "bin" / "greeter-broken"


def test_the_metadata_repeats_the_address() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project.get("urls", {}).get("Documentation", "") == ADDRESS


def test_without_an_address_a_rule_names_its_page_in_the_sources(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "")
    assert base() == ""
    assert all((ROOT / rule.page).is_file() for rule in RULES.values())
    (run,) = json.loads(machochain.render(machochain.audit(BROKEN), "sarif"))["runs"]
    assert not any("helpUri" in rule for rule in run["tool"]["driver"]["rules"])


@pytest.mark.parametrize("given", ["https://pages.example/machochain", "https://pages.example/machochain/"])
def test_with_an_address_findings_and_sarif_link_to_it(monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    monkeypatch.setenv(VARIABLE, given)
    page = "https://pages.example/machochain/rules/MC101.html"
    assert rule_page("MC101") == page
    report = machochain.audit(BROKEN)
    assert page in {found.finding.url for found in report.findings}
    driver = json.loads(machochain.render(report, "sarif"))["runs"][0]["tool"]["driver"]
    assert driver["informationUri"] == "https://pages.example/machochain/"
    assert {rule["id"]: rule["helpUri"] for rule in driver["rules"]} == {
        rule: f"https://pages.example/machochain/rules/{rule}.html" for rule in RULES
    }
