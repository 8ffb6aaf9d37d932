"""No name becomes a command of the runner whose log shows it; the parsers are those of the runners, told again."""

from __future__ import annotations

import json
import re
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from attrs import evolve

import machochain
from machochain.report.guard import guarded
from machochain.report.registry import Document, formats
from tests.cli.running import run
from tests.factory.macho import executable
from tests.report.audits import audit, finding

COMMANDS = ("add-matcher", "error", "set-output", "stop-commands", "task.setvariable", "command", "group")
ATTACKS = (
    "::add-matcher::/tmp/x.json",
    "  ::error file=x::y",
    "\u3000::stop-commands::x",
    "##[add-matcher]/tmp/x",
    "a##[error]b",
    "x ##vso[task.setvariable variable=PATH]y",
    "##[command]rm",
    "x ##teamcity[setParameter name='env.PATH' value='/tmp']",
    "a\n::error::b",
)


def is_command(line: str) -> bool:
    """As actions/runner (ActionCommand.TryParseV2, TryParse) and the agent of Azure Pipelines (Command.TryParse) do."""
    start = line.lstrip()
    if start.startswith("::"):
        end = start.find("::", 2)
        if end >= 0 and start[2:end].partition(" ")[0] in COMMANDS:
            return True
    for prefix in ("##[", "##vso[", "##teamcity["):
        at = line.find(prefix)
        if at >= 0 and "]" in line[at:]:
            return True
    return False


def test_the_attacks_are_such() -> None:
    assert all(any(is_command(line) for line in text.split("\n")) for text in ATTACKS)


@pytest.mark.parametrize("text", ATTACKS)
@pytest.mark.parametrize("form", ["text", "markdown", "dot", "mermaid"])
def test_no_line_of_a_guarded_text_is_a_command(text: str, form: str) -> None:
    assert not any(is_command(line) for line in guarded(text, form).split("\n"))
    assert guarded(guarded(text, form), form) == guarded(text, form)


def test_documents_say_the_same_guarded() -> None:
    document = {"names": list(ATTACKS)}
    text = guarded(json.dumps(document, ensure_ascii=False), "json")
    assert json.loads(text) == document
    assert not is_command(text)
    element = ET.Element("x", name=ATTACKS[3])
    element.text = ATTACKS[4]
    read = ET.fromstring(guarded(ET.tostring(element, encoding="unicode"), "junit"))
    assert (read.get("name"), read.text) == (ATTACKS[3], ATTACKS[4])


@pytest.mark.parametrize("form", formats(Document.AUDIT))
def test_no_report_holds_a_command_of_a_file(form: str) -> None:
    hostile = []
    for number, attack in enumerate(ATTACKS):
        one = finding(subject=attack, path=f"{attack}/{number}", message=attack)
        hostile.append(evolve(one, when=attack, processes=(attack,)))
    text = machochain.render(audit(*hostile, errors=(machochain.InputError(ATTACKS[0], path=ATTACKS[3]),)), form)
    ours = (
        re.compile(r"::(error|warning|notice) (file=[^,]*,line=1,)?(file=[^,]*,)?title=[^:]*::")
        if form == "github"
        else None
    )
    for line in text.split("\n"):
        if ours is not None and ours.match(line):
            line = line.replace("::", "", 2)  # noqa: PLW2901  # what is left is data
        assert not is_command(line), line


def test_no_command_of_a_name_comes_out_of_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    name = "##[error]x"
    Path(name).write_bytes(executable("::add-matcher::x", "##vso[task.setvariable]y", rpaths=["::error::z"]))
    for arguments in (
        ["resolve", name],
        ["resolve", name, "-vv"],
        ["inspect", name],
        ["audit", "--no-config", name, "-v"],
        ["explain", name, "::add-matcher::x"],
        ["resolve", "::error::no-such-file"],
        ["audit", "--no-config", name, "--format", "::error::sarif"],
        ["resolve", name, "--macos", "::error::15"],
        ["::error::x"],
        ["resolve", name, "--format", "dot"],
        ["resolve", name, "--format", "node-link"],
    ):
        done = run(*arguments)
        for line in (done.stdout + done.stderr).split("\n"):
            assert not is_command(line), (arguments, line)
    done = run("diagnose", stdin="::add-matcher::x\n##[error]y\ndyld[1]: Library not loaded: ##[command]z\n")
    assert not any(is_command(line) for line in (done.stdout + done.stderr).split("\n"))
