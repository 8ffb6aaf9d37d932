"""Every JSON document is what its published schema says."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from click.testing import CliRunner

from machochain.cli import cli
from machochain.diagnosis import diagnose, forms
from machochain.report.diagnosis import as_document, forms_document
from tests.dyld.printed import observations, printed

ROOT = Path(__file__).parents[2]
HELLO = ROOT / "testdata" / "hello"


def schema(name: str) -> dict[str, Any]:
    text = (ROOT / "docs" / "schema" / f"{name}-1.json").read_text()
    found: dict[str, Any] = json.loads(text)
    return found


@cache
def validator(name: str) -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(schema(name))


def keeps_to_its_schema(found: object, name: str) -> None:
    validator(name).validate(found)


def document(*arguments: str) -> Any:
    return json.loads(CliRunner().invoke(cli, [*arguments, "--json"]).stdout)


@pytest.mark.parametrize("name", sorted(p.stem.removesuffix("-1") for p in (ROOT / "docs" / "schema").glob("*.json")))
def test_a_schema_is_itself_valid_and_named_after_its_document(name: str) -> None:
    found = schema(name)
    jsonschema.Draft202012Validator.check_schema(found)
    assert found["$id"] == f"machochain.{name}/1"


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("resolve", ["resolve", str(HELLO)]),
        ("resolve", ["resolve", str(HELLO), "--macos", "11..26"]),
        ("resolve", ["resolve", str(ROOT / "pyproject.toml")]),
        ("explain", ["explain", str(HELLO / "bin" / "greeter"), "libgreet.1.dylib"]),
        ("explain", ["explain", str(HELLO / "bin" / "greeter-broken"), "@rpath/libgreet.1.dylib"]),
        ("scenario", ["scenario", str(HELLO / "bin" / "greeter"), "--contexts", "all", "--macos", "11..26"]),
        ("resolve", ["resolve", str(ROOT / "testdata" / "go" / "greet.a")]),
        ("inspect", ["inspect", str(HELLO / "bin" / "greeter-universal"), str(HELLO / "lib" / "libgreet.1.dylib")]),
        ("inspect", ["inspect", str(ROOT / "testdata" / "go" / "greet.a"), str(ROOT / "pyproject.toml")]),
        ("inspect", ["inspect", "--deep", str(HELLO / "bin" / "greeter-universal"), str(HELLO / "lib")]),
        ("diagnose", ["diagnose", str(ROOT / "README.md")]),
        ("diagnose", ["diagnose", str(ROOT / "pyproject.toml"), "--binary", str(HELLO / "bin" / "greeter-broken")]),
        ("audit", ["audit", str(HELLO), "--no-config"]),
        ("audit", ["audit", str(ROOT / "pyproject.toml"), "--no-config"]),
        ("diff", ["diff", str(HELLO / "bin" / "greeter"), str(HELLO / "bin" / "greeter-broken"), "--no-config"]),
        ("rule", ["explain", "MC301"]),
        ("rules", ["audit", "--rules"]),
        ("fix", ["fix", str(HELLO), "--dry-run", "--no-config"]),
        ("fix", ["fix", str(HELLO / "bin" / "greeter"), "--dry-run", "--no-config", "--resign"]),
        ("source", ["source", str(ROOT / "testdata" / "source")]),
    ],
)
def test_a_document_keeps_to_its_schema(name: str, arguments: list[str]) -> None:
    keeps_to_its_schema(document(*arguments), name)


def test_the_diagnosis_of_each_reported_failure_keeps_to_its_schema() -> None:
    for record in observations():
        diagnosis = diagnose(printed(record))
        assert diagnosis.answers
        keeps_to_its_schema(as_document(diagnosis), "diagnose")


LOGS = {
    "libraries": "dyld[8]: <6F1C0A2B-0000-3000-8000-123456789ABC> /opt/x/libx.dylib\n",
    "searching": (
        'dyld[8]: find path "@rpath/libx.dylib"\n'
        "dyld[8]:   LC_RPATH '@loader_path/../lib' from '/opt/x/bin/x'\n"
        'dyld[8]:   possible path(@path expansion): "/opt/x/lib/libx.dylib"\n'
        'dyld[8]:   not found: "@rpath/libx.dylib"\n'
    ),
    "trace": '  501/0x1:  stat64("/opt/x/lib/libx.dylib\\0", 0x1, 0x2)\t\t = -1 Err#2\n',
    "link": "ld: library 'greet' not found\nclang: error: linker command failed with exit code 1\n",
    "termination": "Termination Reason: Namespace DYLD, Code 1 Library missing\n",
}


@pytest.mark.parametrize("name", LOGS)
def test_the_diagnosis_of_a_log_keeps_to_its_schema(name: str) -> None:
    diagnosis = diagnose(LOGS[name])
    assert diagnosis.answers
    keeps_to_its_schema(as_document(diagnosis), "diagnose")


def test_the_list_of_known_messages_keeps_to_its_schema() -> None:
    keeps_to_its_schema(forms_document(tuple(forms().values())), "forms")


def test_a_diagnosis_held_against_a_prediction_keeps_to_its_schema(tmp_path: Path) -> None:
    broken = str(HELLO / "bin" / "greeter-broken")
    text = tmp_path / "terminal.txt"
    text.write_text(f"dyld[1]: {document('resolve', broken)['results'][0]['message']}\n")
    found = document("diagnose", str(text), "--expect", broken, "--macos", "26")
    assert [each["agrees"] for each in found["comparisons"]] == [True]
    keeps_to_its_schema(found, "diagnose")


def test_what_deep_adds_is_in_the_schema_and_not_there_unasked() -> None:
    greeter = str(HELLO / "bin" / "greeter")
    (deep,) = document("inspect", "--deep", greeter)["files"][0]["slices"]
    (plain,) = document("inspect", greeter)["files"][0]["slices"]
    assert {**plain, "deep": deep["deep"]} == deep
    assert deep["deep"]["lief"]["disagreements"] == []
    with pytest.raises(jsonschema.ValidationError):
        keeps_to_its_schema({**document("inspect", greeter), "files": [{"slices": [{**plain, "deep": {}}]}]}, "inspect")


def test_a_baseline_and_an_audit_under_it_keep_to_their_schemas(tmp_path: Path) -> None:
    file = tmp_path / "known.json"
    policy = tmp_path / "policy.toml"
    policy.write_text('[[ignore]]\nrule = "MC103"\nreason = "one slice is enough"\nexpires = 2099-12-31\n')
    arguments = ["audit", str(HELLO), "--policy", str(policy)]
    CliRunner().invoke(cli, [*arguments, "--write-baseline", str(file)])
    jsonschema.validate(json.loads(file.read_text()), schema("baseline"), cls=jsonschema.Draft202012Validator)
    found = document(*arguments, "--baseline", str(file))
    jsonschema.validate(found, schema("audit"), cls=jsonschema.Draft202012Validator)
    assert {f["suppressed"]["source"] for f in found["findings"]} == {"policy", "baseline"}
