"""SARIF as GitHub code scanning demands it: one result that breaks a rule makes it refuse the whole file."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import jsonschema
import pytest
from attrs import evolve

from machochain.findings import RULES
from machochain.model.audit import AuditInput, AuditReport
from machochain.model.paths import TargetPath
from machochain.report.sarif import relative_uri, render_sarif
from tests.report.audits import audit, finding, full, hostile

TEXT = {"type": "object", "required": ["text"], "properties": {"text": {"type": "string", "minLength": 1}}}
LOCATION: dict[str, Any] = {
    "type": "object",
    "required": ["physicalLocation"],
    "properties": {
        "physicalLocation": {
            "type": "object",
            "required": ["artifactLocation", "region"],
            "properties": {
                "artifactLocation": {
                    "type": "object",
                    "required": ["uri"],
                    "properties": {"uri": {"type": "string", "pattern": r"^(?![/]|\.\./|[a-z]+:)[!-~]+$"}},
                },
                "region": {
                    "type": "object",
                    "required": ["startLine"],
                    "properties": {"startLine": {"type": "integer", "minimum": 1}},
                },
            },
        }
    },
}
DEMANDED: dict[str, Any] = {
    "type": "object",
    "required": ["$schema", "version", "runs"],
    "properties": {
        "version": {"const": "2.1.0"},
        "runs": {
            "type": "array",
            "minItems": 1,
            "items": {
                "required": ["tool", "results"],
                "properties": {
                    "tool": {
                        "required": ["driver"],
                        "properties": {
                            "driver": {
                                "required": ["name", "rules"],
                                "properties": {
                                    "rules": {
                                        "items": {
                                            "required": ["id", "shortDescription", "fullDescription", "help"],
                                            "properties": {
                                                "id": {"type": "string"},
                                                "shortDescription": TEXT,
                                                "fullDescription": TEXT,
                                                "help": TEXT,
                                            },
                                        }
                                    }
                                },
                            }
                        },
                    },
                    "results": {
                        "items": {
                            "required": ["ruleId", "message", "locations", "partialFingerprints"],
                            "properties": {
                                "level": {"enum": ["none", "note", "warning", "error"]},
                                "message": TEXT,
                                "locations": {"type": "array", "minItems": 1, "maxItems": 1, "items": LOCATION},
                                "partialFingerprints": {
                                    "required": ["primaryLocationLineHash"],
                                    "additionalProperties": {"type": "string"},
                                },
                            },
                        }
                    },
                },
            },
        },
    },
}
"""The parts that GitHub's page on SARIF support calls required, and what its uploads were refused for."""


def log(report: AuditReport, **more: Any) -> dict[str, Any]:
    text = render_sarif(report, source_root="/repo", cwd="/repo", **more)
    found: dict[str, Any] = json.loads(text)
    jsonschema.validate(found, DEMANDED)
    return found


def results(report: AuditReport, **more: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = log(report, **more)["runs"][0]["results"]
    return found


def uri(result: dict[str, Any]) -> str:
    found: str = result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
    return found


@pytest.mark.parametrize("report", [full(), hostile(), audit()])
def test_every_result_has_what_github_demands(report: AuditReport) -> None:
    for result in results(report):
        assert result["ruleId"] in RULES
        assert log(report)["runs"][0]["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == result["ruleId"]


def test_the_uri_is_relative_to_the_repository_and_the_severity_becomes_the_level() -> None:
    first, second, third, _ = results(full())
    assert uri(first) == "dist/app/bin/tool"
    assert [first["level"], second["level"], third["level"]] == ["error", "warning", "note"]
    assert "fails on macOS 26, launches on older ones" in first["message"]["text"]
    assert "install_name_tool -add_rpath" in first["message"]["text"]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("dist/tool", "sub/dist/tool"),
        ("/repo/a b/tool#1?", "a%20b/tool%231%3F"),
        ("../tool", "tool"),
        ("../../elsewhere/tool", "elsewhere/tool"),
        ("/opt/tool", "opt/tool"),
        ("/repo/c:d", "c%3Ad"),
        ("/repo/\udcff", "%FF"),
        ("/repo", "repo"),
        ("/repository/tool", "repository/tool"),
    ],
)
def test_a_path_becomes_a_relative_uri_even_outside_of_the_repository(path: str, expected: str) -> None:
    assert relative_uri(path, source_root="/repo", cwd="/repo/sub") == expected


def test_what_is_inside_an_archive_is_told_at_the_archive() -> None:
    given = AuditInput("dist/a.whl", "wheel", TargetPath("/site-packages"), "a", "1", (), True)
    (result,) = results(audit(finding(origin="dist/a.whl", path="a/core.so"), inputs=(given,)))
    assert uri(result) == "dist/a.whl"
    assert result["locations"][0]["logicalLocations"][0]["fullyQualifiedName"] == "a/core.so"
    names = [place["name"] for place in result["locations"][0]["logicalLocations"]]
    assert names == ["a/core.so", "arm64", "x86_64", "load command 3"]


def test_an_anchor_takes_all_results_and_they_still_differ() -> None:
    found = results(full(), anchor="go.mod")
    assert {uri(r) for r in found} == {"go.mod"}
    assert len({r["partialFingerprints"]["primaryLocationLineHash"] for r in found}) == len(found)
    assert (
        unquote(found[0]["relatedLocations"][0]["physicalLocation"]["artifactLocation"]["uri"]) == "dist/app/bin/tool"
    )
    assert found[0]["message"]["text"].startswith("dist/app/bin/tool: ")


def test_suppressions_are_told_of_all_results_or_of_none() -> None:
    assert [len(r["suppressions"]) for r in results(full())] == [0, 0, 0, 1]
    assert all("suppressions" not in r for r in results(audit(finding())))
    assert "known | harmless" in results(full())[3]["suppressions"][0]["justification"]


def test_what_could_not_be_read_is_a_notification_and_the_run_no_success() -> None:
    (invocation,) = log(full())["runs"][0]["invocations"]
    assert invocation["executionSuccessful"] is False
    assert "not a zip file" in invocation["toolExecutionNotifications"][0]["message"]["text"]
    assert log(audit())["runs"][0]["invocations"][0]["executionSuccessful"] is True


@pytest.mark.skipif("MACHOCHAIN_SARIF_SCHEMA" not in os.environ, reason="no registry carries the schema of OASIS")
@pytest.mark.parametrize("report", [full(), hostile(), audit()])
@pytest.mark.parametrize("anchor", [None, "go.mod"])
def test_the_log_keeps_to_the_official_schema(report: AuditReport, anchor: str | None) -> None:
    """Against the file ``sarif-schema-2.1.0.json`` of OASIS, where MACHOCHAIN_SARIF_SCHEMA says it is."""
    schema = json.loads(Path(os.environ["MACHOCHAIN_SARIF_SCHEMA"]).read_text(encoding="utf-8"))
    jsonschema.validate(log(report, anchor=anchor), schema, format_checker=jsonschema.FormatChecker())


def test_no_more_results_than_github_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("machochain.report.sarif.MAX_RESULTS", 2)
    found = log(evolve(full(), errors=()))
    assert len(found["runs"][0]["results"]) == 2
    (told,) = found["runs"][0]["invocations"][0]["toolExecutionNotifications"]
    assert told["message"]["text"] == "2 results are left out"
