"""Every JSON document is what its published schema says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from click.testing import CliRunner

from machochain.cli import cli

ROOT = Path(__file__).parents[2]
HELLO = ROOT / "testdata" / "hello"


def schema(name: str) -> dict[str, Any]:
    text = (ROOT / "docs" / "schema" / f"{name}-1.json").read_text()
    found: dict[str, Any] = json.loads(text)
    return found


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
    ],
)
def test_a_document_keeps_to_its_schema(name: str, arguments: list[str]) -> None:
    jsonschema.validate(document(*arguments), schema(name), cls=jsonschema.Draft202012Validator)
