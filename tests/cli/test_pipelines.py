"""The snippets of docs/pipelines.md: they parse, and our command line takes every command in them."""

from __future__ import annotations

import json
import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import click
import pytest
import yaml
from click.testing import CliRunner

from machochain.cli import cli
from machochain.cli.destinations import parse_formats
from machochain.report.registry import FORMATS, Document, formats

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "pipelines.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def parsed(language: str, text: str) -> Any:
    if language == "yaml":
        return yaml.safe_load(text)
    return tomllib.loads(text) if language == "toml" else text.splitlines()


def texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for each in value.values():
            yield from texts(each)
    elif isinstance(value, list):
        for each in value:
            yield from texts(each)


COMMANDS = [
    text[text.index("machochain ") :]
    for language, block in BLOCKS
    for text in texts(parsed(language, block))
    if re.match(r"(pipx run )?machochain ", text)
]


def test_the_page_has_a_snippet_for_each_pipeline() -> None:
    assert [language for language, _ in BLOCKS].count("yaml") == 5
    assert len(COMMANDS) == 11


@pytest.mark.parametrize("text", COMMANDS)
def test_our_command_line_takes_the_command(text: str) -> None:
    program, name, *arguments = shlex.split(re.sub(r"\{\{.*?\}\}|\{\w+\}", "x", text))
    assert program == "machochain"
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    if "--profile dev" in text:
        arguments.append("x.dylib")  # pre-commit adds the files
    context = command.make_context(name, arguments)
    assert parse_formats(context.params["forms"], formats=formats(Document.AUDIT))


def test_the_page_names_every_format() -> None:
    table = re.findall(r"^\| `(\w+)` \| (.*) \|$", PAGE, re.MULTILINE)
    assert table == [(each.name, each.purpose) for each in FORMATS if each.document is Document.AUDIT]


def test_the_yaml_has_the_keys_its_readers_know() -> None:
    actions, gitlab, build, publish, hooks = (parsed(kind, text) for kind, text in BLOCKS if kind == "yaml")
    assert all({"uses", "run"} & set(step) for step in actions["jobs"]["audit"]["steps"])
    assert gitlab["audit"]["artifacts"]["reports"]["junit"] == "machochain.xml"
    assert "{{ .Path }}" in build["builds"][0]["hooks"]["post"][0]["cmd"]
    assert publish["before_publish"][0]["artifacts"] == "archive"
    assert re.search(hooks["repos"][0]["hooks"][0]["files"], "lib/libx.dylib")


def test_one_run_writes_all_reports_and_annotates_in_github_actions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_WORKSPACE", str(ROOT))
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))
    monkeypatch.chdir(ROOT)
    arguments = ["audit", "testdata/hello", "--macos", "26", "--no-config", "--format", "json"]
    for form in ("sarif", "junit", "markdown", "cyclonedx", "html", "text"):
        arguments += ["--format", f"{form}:{tmp_path / form}"]
    done = CliRunner().invoke(cli, arguments)
    assert done.exit_code == 1, done.output
    assert json.loads(done.stdout)["schema"] == "machochain.audit/1"
    assert re.search(r"^::error file=testdata/hello/bin/greeter-broken,line=1,title=MC101", done.stderr, re.MULTILINE)
    assert "machochain audit failed" in (tmp_path / "summary.md").read_text()
    uris = {
        result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
        for result in json.loads((tmp_path / "sarif").read_text())["runs"][0]["results"]
    }
    assert "testdata/hello/bin/greeter-broken" in uris
    assert int(ET.parse(tmp_path / "junit").getroot().get("failures", "0")) > 0
    names = {c["name"] for c in json.loads((tmp_path / "cyclonedx").read_text())["components"]}
    assert {"greeter", "libgreet.1.dylib", "libSystem.B.dylib"} <= names
    assert 'class="node missing"' in (tmp_path / "html").read_text()
    assert (tmp_path / "text").read_text()
