"""CycloneDX with the edges dyld follows."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from machochain.model.audit import AuditInput, AuditReport
from machochain.model.paths import TargetPath
from machochain.model.result import Outcome
from machochain.report.cyclonedx import bill, render_cyclonedx
from tests.cli.running import run
from tests.report.audits import ROOT, V12, audit, full, hello, hostile, process
from tests.report.bills import SUM, everything


def refs_by_name(document: dict[str, Any]) -> dict[str, str]:
    return {c["name"]: c["bom-ref"] for c in document["components"]}


def depends(document: dict[str, Any], ref: str) -> list[str]:
    (found,) = [d.get("dependsOn", []) for d in document["dependencies"] if d["ref"] == ref]
    return list(found)


def properties(component: dict[str, Any]) -> dict[str, str]:
    return {p["name"]: p["value"] for p in component["properties"]}


def test_edges_are_the_loads_of_real_processes_and_every_end_is_a_component() -> None:
    document = bill(hello())
    refs = refs_by_name(document)
    assert depends(document, refs["greeter"]) == [refs["libSystem.B.dylib"], refs["libgreet.1.dylib"]]
    assert depends(document, refs["greeter-broken"]) == [refs["libSystem.B.dylib"]]
    known = {*refs.values(), document["metadata"]["component"]["bom-ref"]}
    for dependency in document["dependencies"]:
        assert {dependency["ref"], *dependency.get("dependsOn", [])} <= known
    assert len({d["ref"] for d in document["dependencies"]}) == len(document["dependencies"])


def test_a_missing_library_is_no_component_but_told_by_who_asks() -> None:
    report = audit(results=(process([("@rpath/gone.dylib", Outcome.MISSING), ("/opt/l.dylib", Outcome.LOADED)]),))
    document = bill(report)
    assert sorted(refs_by_name(document)) == ["l.dylib", "tool"]
    tool = next(c for c in document["components"] if c["name"] == "tool")
    assert properties(tool)["machochain:missing"] == "@rpath/gone.dylib (macOS 26)"
    assert {"aggregate": "incomplete", "dependencies": [tool["bom-ref"]]} in document["compositions"]


def test_a_component_tells_install_name_uuid_and_architecture() -> None:
    document = bill(hello())
    library = next(c for c in document["components"] if c["name"] == "libgreet.1.dylib")
    found = properties(library)
    assert found["machochain:install-name"] == "@rpath/libgreet.1.dylib"
    assert found["machochain:arch"] == "arm64"
    assert len(found["machochain:uuid:arm64"]) == 36
    assert library["type"] == "library"


def test_the_same_report_gives_the_same_bytes_and_another_one_another_serial_number() -> None:
    assert render_cyclonedx(hello()) == render_cyclonedx(hello())
    changed = evolve(hello(), results=hello().results[:1])
    assert bill(hello())["serialNumber"] != bill(changed)["serialNumber"]


def test_a_time_is_in_it_only_if_one_is_given() -> None:
    assert "timestamp" not in bill(full())["metadata"]
    assert bill(full(), epoch=1_700_000_000)["metadata"]["timestamp"] == "2023-11-14T22:13:20Z"


@pytest.mark.parametrize(
    ("kind", "name", "purl"),
    [
        ("wheel", "Foo_Bar", "pkg:pypi/foo-bar@1.0%2Blocal"),
        ("npm", "@scope/pkg", "pkg:npm/%40scope/pkg@1.0%2Blocal"),
        ("app", "Foo", None),
    ],
)
def test_packages_get_the_url_of_their_kind(kind: str, name: str, purl: str | None) -> None:
    given = AuditInput("x", kind, TargetPath("/x"), name, "1.0+local", (), True)
    assert bill(audit(inputs=(given,)))["metadata"]["component"].get("purl") == purl


def test_several_inputs_are_components_and_keep_their_images_apart() -> None:
    inputs = tuple(AuditInput(n, "folder", TargetPath("/opt/app"), n, None, (), False) for n in ("a", "b"))
    results = tuple(process([], given=f"{n}/bin/tool", macos=V12) for n in ("a", "b"))
    document = bill(audit(results=results, inputs=inputs))
    assert [c["name"] for c in document["components"]] == ["a", "b", "tool", "tool"]
    assert depends(document, "input-0") != depends(document, "input-1")


def named(document: dict[str, Any], name: str) -> dict[str, Any]:
    every = [*document["components"], document["metadata"].get("component", {})]
    return next(each for each in every if each.get("name") == name)


def test_an_input_that_says_what_it_is_tells_licence_supplier_and_digest() -> None:
    foo = named(bill(everything()), "Foo")
    assert foo["purl"] == "pkg:pypi/foo@1.0"
    assert foo["hashes"] == [{"alg": "SHA-256", "content": SUM}]
    assert foo["licenses"] == [{"expression": "MIT", "acknowledgement": "declared"}]
    assert (foo["supplier"]["name"], foo["copyright"]) == ("Somebody & Co", "© 2026")


def test_a_package_inside_is_a_component_that_its_files_belong_to() -> None:
    document = bill(everything())
    odd, library = named(document, "odd"), named(document, "libx.dylib")
    assert odd["licenses"] == [{"license": {"name": "My own <licence>", "acknowledgement": "declared"}}]
    assert properties(library)["machochain:package"] == odd["bom-ref"]
    assert library["hashes"][0]["content"] == SUM
    assert depends(document, odd["bom-ref"]) == [library["bom-ref"]]
    assert odd["bom-ref"] in depends(document, named(document, "Foo")["bom-ref"])


def test_modules_of_go_are_parts_of_their_program() -> None:
    tool = next(c for c in bill(everything())["components"] if c.get("version") == "v2.0.0")
    assert tool["purl"] == "pkg:golang/example.org/tool@v2.0.0"
    parts = {part["name"]: part for part in tool["components"]}
    assert set(parts) == {"stdlib", "example.org/a", "../b"}
    assert parts["stdlib"]["purl"] == "pkg:golang/stdlib@v1.26.5"
    assert properties(parts["example.org/a"]) == {"machochain:go-sum": "h1:a"}
    assert properties(parts["../b"]) == {"machochain:go-replaces": "example.org/b"}


def test_the_command_line_asks_for_what_the_bill_tells() -> None:
    done = run("audit", str(ROOT / "testdata" / "hello"), "--no-config", "--format", "cyclonedx", "--macos", "26")
    components = json.loads(done.stdout)["components"]
    hashed = {c["name"]: len(c["hashes"][0]["content"]) for c in components if "hashes" in c}
    assert hashed == dict.fromkeys(("greeter", "greeter-broken", "greeter-universal", "libgreet.1.dylib"), 64)


@pytest.fixture(scope="module")
def official(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A validator of the official schema, which the reference library for Python carries."""
    import jsonschema
    from referencing import Registry, Resource

    folder = tmp_path_factory.mktemp("cyclonedx")
    command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary=:all:"]
    subprocess.run([*command, "-d", str(folder), "cyclonedx-python-lib==11.12.0"], check=True)
    (wheel,) = Path(folder).glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        schemas = {
            name.rpartition("/")[2]: json.loads(archive.read(name))
            for name in archive.namelist()
            if name.endswith(".SNAPSHOT.schema.json") and "strict" not in name
        }
    resources = [(schema["$id"], Resource.from_contents(schema)) for schema in schemas.values() if "$id" in schema]
    registry: Any = Registry().with_resources(resources)
    schema = schemas["bom-1.6.SNAPSHOT.schema.json"]
    return jsonschema.Draft7Validator(schema, registry=registry, format_checker=jsonschema.FormatChecker())


@pytest.mark.wheels
@pytest.mark.parametrize("make", [full, hello, hostile, audit, everything])
def test_the_document_keeps_to_the_official_schema(make: Any, official: Any) -> None:
    report: AuditReport = make()
    for epoch in (None, 0):
        assert [e.message for e in official.iter_errors(bill(report, epoch=epoch))] == []
