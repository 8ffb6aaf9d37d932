"""SPDX 2.3: every element is described, linked, and says no more than is known."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from machochain.model.audit import AuditReport
from machochain.model.result import Outcome
from machochain.report.spdx import spdx
from tests.cli.running import run
from tests.golang.test_buildinfo import image_with, inline
from tests.report.audits import audit, full, hello, hostile, process
from tests.report.bills import everything

HELLO = Path(__file__).parents[2] / "testdata" / "hello"


def links(document: dict[str, Any], kind: str) -> set[tuple[str, str]]:
    return {
        (x["spdxElementId"], x["relatedSpdxElement"])
        for x in document["relationships"]
        if x["relationshipType"] == kind
    }


def refs(document: dict[str, Any]) -> dict[str, str]:
    return {p["name"]: p["SPDXID"] for p in document["packages"]}


def test_every_end_of_a_relationship_is_in_the_document() -> None:
    for report in (full(), hello(), hostile(), audit(), everything()):
        document = spdx(report)
        known = {"SPDXRef-DOCUMENT", "NOASSERTION", *(p["SPDXID"] for p in document["packages"])}
        assert len(known) == len(document["packages"]) + 2
        for link in document["relationships"]:
            assert {link["spdxElementId"], link["relatedSpdxElement"]} <= known


def test_loads_are_dynamic_links_and_what_finds_nothing_leads_to_no_assertion() -> None:
    document = spdx(hello())
    named = refs(document)
    found = links(document, "DYNAMIC_LINK")
    assert (named["greeter"], named["libgreet.1.dylib"]) in found
    assert (named["greeter-broken"], "NOASSERTION") in found
    comment = next(x["comment"] for x in document["relationships"] if x["relatedSpdxElement"] == "NOASSERTION")
    assert comment == "missing on macOS 12 and 26: @rpath/libgreet.1.dylib"


def test_what_a_package_declares_is_declared_and_nothing_is_concluded() -> None:
    document = spdx(everything())
    by_name = {p["name"]: p for p in document["packages"]}
    assert by_name["Foo"]["licenseDeclared"] == "MIT"
    assert len(by_name["Foo"]["checksums"][0]["checksumValue"]) == 64
    ref = by_name["odd"]["licenseDeclared"]
    (extracted,) = document["hasExtractedLicensingInfos"]
    assert (extracted["licenseId"], extracted["name"]) == (ref, "My own <licence>")
    assert {p["licenseConcluded"] for p in document["packages"]} == {"NOASSERTION"}
    assert (refs(document)["odd"], refs(document)["libx.dylib"]) in links(document, "CONTAINS")


def test_go_modules_are_linked_into_their_program(tmp_path: Path) -> None:
    (tmp_path / "hello").write_bytes(image_with(inline()))
    text = run("audit", str(tmp_path / "hello"), "--no-config", "--format", "spdx").stdout
    document = json.loads(text)
    modules = {p["name"]: p for p in document["packages"]}
    program = next(p for p in document["packages"] if p["primaryPackagePurpose"] == "APPLICATION")
    assert {(program["SPDXID"], modules[n]["SPDXID"]) for n in ("stdlib", "golang.org/x/sys", "../new")} <= links(
        document, "STATIC_LINK"
    )
    assert modules["golang.org/x/sys"]["comment"] == "go.sum h1:abc="
    assert modules["../new"]["comment"] == "in place of example.org/old v1.0.0"


def test_the_same_report_gives_the_same_document_and_a_time_only_if_one_is_given() -> None:
    assert spdx(hello()) == spdx(hello())
    assert spdx(hello())["creationInfo"]["created"] == "1970-01-01T00:00:00Z"
    assert "SOURCE_DATE_EPOCH" in spdx(hello())["creationInfo"]["comment"]
    given = spdx(hello(), epoch=1_700_000_000)
    assert given["creationInfo"]["created"] == "2023-11-14T22:13:20Z"
    assert given["documentNamespace"] != spdx(hello())["documentNamespace"]


def test_a_weak_load_says_so() -> None:
    document = spdx(audit(results=(process([("/opt/l.dylib", Outcome.LOADED), ("/gone", Outcome.WEAK_MISSING)]),)))
    assert not [x for x in document["relationships"] if "/gone" in x.get("comment", "")]


CHECK = """
import sys
from spdx_tools.spdx.parser.parse_anything import parse_file
from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document
for path in sys.argv[1:]:
    for each in validate_full_spdx_document(parse_file(path)):
        print(path, each.validation_message)
"""


@pytest.mark.wheels
def test_the_reference_library_of_spdx_takes_every_document(tmp_path: Path) -> None:
    """Of the dependencies of that library none is ours, so it stays out of this environment."""
    pip = [sys.executable, "-m", "pip", "install", "-q", "--target", str(tmp_path / "library")]
    subprocess.run([*pip, "spdx-tools==0.8.5"], check=True)
    reports: list[AuditReport] = [full(), hello(), hostile(), audit(), everything()]
    for number, report in enumerate(reports):
        (tmp_path / f"{number}.spdx.json").write_text(json.dumps(spdx(report)))
    files = [str(path) for path in sorted(tmp_path.glob("*.json"))]
    environment = {"PYTHONPATH": str(tmp_path / "library")}
    done = subprocess.run(
        [sys.executable, "-c", CHECK, *files], capture_output=True, text=True, env=environment, check=False
    )
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
