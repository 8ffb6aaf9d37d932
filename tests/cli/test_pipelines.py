"""The snippets of docs/pipelines.md: they parse, and our command line takes every command in them."""

from __future__ import annotations

import json
import re
import shlex
import shutil
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
from tests.cli.running import run
from tests.docs.stages import wheels

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
    assert [language for language, _ in BLOCKS].count("yaml") == 6
    assert len(COMMANDS) == 8


@pytest.mark.parametrize("text", COMMANDS)
def test_our_command_line_takes_the_command(text: str) -> None:
    program, name, *arguments = shlex.split(re.sub(r"\{\{.*?\}\}|\{\w+\}", "x", text))
    assert program == "machochain"
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    context = command.make_context(name, arguments)
    assert parse_formats(context.params["forms"], formats=formats(Document.AUDIT))


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a pipeline has when it audits: programs in dist/, a wheel in wheelhouse/, the repository around them."""
    folder = tmp_path_factory.mktemp("released")
    shutil.copytree(ROOT / "testdata" / "hello", folder / "dist")
    wheels(folder / "wheels")
    shutil.move(folder / "wheels" / "dist", folder / "wheelhouse")
    (folder / "go.mod").write_text("module example.org/hello\n")
    return folder


PLACES = {
    "{{ .Path }}": "dist/bin/greeter", "{{ .Name }}": "greeter", "{{ .ArtifactPath }}": "dist/bin/greeter",
    "{dest_dir}": "wheelhouse",
}  # fmt: skip


@pytest.mark.parametrize("text", COMMANDS)
def test_the_command_does_its_work(text: str, released: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(released)
    for placeholder, value in PLACES.items():
        text = text.replace(placeholder, value)
    words = shlex.split(text)
    done = run(*words[1:])
    # At /usr/local/bin the program does not have its library: the hook stops the release.
    good = "dist/bin/greeter" in words and "--at" not in words
    assert done.returncode == (0 if good else 1), done
    written = [word.partition(":")[2] for word in words if re.match(r"(sarif|junit|html|cyclonedx):", word)]
    assert all((released / name).stat().st_size > 100 for name in written)


def test_the_page_names_every_format() -> None:
    table = re.findall(r"^\| `(\w+)` \| (.*) \|$", PAGE, re.MULTILINE)
    assert table == [(each.name, each.purpose) for each in FORMATS if each.document is Document.AUDIT]


def test_the_yaml_has_the_keys_its_readers_know() -> None:
    actions, ours, gitlab, build, publish, hooks = (parsed(kind, text) for kind, text in BLOCKS if kind == "yaml")
    assert all({"uses", "run"} & set(step) for step in actions["jobs"]["audit"]["steps"])
    step = ours["jobs"]["audit"]["steps"][-1]
    declared = yaml.safe_load((ROOT / ".github/actions/machochain/action.yml").read_text(encoding="utf-8"))
    assert step["uses"].partition("@")[0].endswith("/.github/actions/machochain")
    assert set(step["with"]) <= set(declared["inputs"])
    assert gitlab["audit"]["artifacts"]["reports"]["junit"] == "machochain.xml"
    assert "{{ .Path }}" in build["builds"][0]["hooks"]["post"][0]["cmd"]
    assert publish["before_publish"][0]["artifacts"] == "archive"
    (offered,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))
    assert hooks["repos"][0]["hooks"][0]["id"] == offered["id"]


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
