"""Every format has one row, and everything that goes over formats goes over these rows."""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

import machochain.report
from machochain import api
from machochain.auditing import diff
from machochain.findings import RULES
from machochain.graph.resolve import Target
from machochain.machine.doctor import case_of
from machochain.mending import fix
from machochain.model.errors import UsageError
from machochain.report.context import RenderContext
from machochain.report.doctor import Diagnosed
from machochain.report.registry import FORMATS, Document, Format, document_of, formats, render
from tests.cli.running import run
from tests.machine.macs import mac
from tests.report.audits import full

HELLO = Path(__file__).parents[2] / "testdata" / "hello" / "bin"
CONTEXT = RenderContext("/repo/sub", "/repo")


def values() -> dict[Document, Any]:
    greeter, broken = str(HELLO / "greeter"), str(HELLO / "greeter-broken")
    message = api.resolve(broken).results[0].message
    return {
        Document.RESOLUTION: api.resolve([greeter, broken], target=Target(macos=("12", "26"))),
        Document.EXPLANATIONS: api.explain(greeter, "libgreet.1.dylib"),
        Document.INSPECTIONS: api.inspect(greeter),
        Document.SCENARIOS: api.scenarios(greeter),
        Document.DIAGNOSES: api.diagnose(f"dyld[1]: {message}\n"),
        Document.AUDIT: full(),
        Document.DIFF: diff(greeter, broken),
        Document.RULE: RULES["MC101"],
        Document.REPAIR: fix(broken, dry_run=True),
        Document.SOURCE: api.examine(HELLO.parents[1] / "source"),
        Document.DOCTOR: Diagnosed(case_of(mac(), "mac.json")),
    }


@pytest.fixture(scope="module")
def written() -> dict[Format, str]:
    found = {}
    for document, value in values().items():
        for form in formats(document):
            text = render(value, form, CONTEXT)
            row = next(f for f in FORMATS if f.document is document and f.name == form)
            found[row] = text if isinstance(text, str) else "".join(text)
    return found


def test_each_row_writes_its_document(written: dict[Format, str]) -> None:
    assert set(written) == set(FORMATS)
    for row, text in written.items():
        assert text.endswith("\n"), row
        if row.name in {"json", "sarif", "cyclonedx", "spdx", "statement", "node-link"}:
            json.loads(text)
        elif row.name == "jsonl":
            assert [json.loads(line) for line in text.splitlines()]
        elif row.name in {"junit", "graphml"}:
            ET.fromstring(text)


def test_a_value_says_which_document_it_is() -> None:
    for document, value in values().items():
        assert document_of(value) is document
    for other in ([], (), None, 3, "text", object()):
        with pytest.raises(UsageError, match="nothing that can be rendered"):
            document_of(other)


def test_a_format_nobody_knows_is_refused_with_a_hint() -> None:
    with pytest.raises(UsageError, match="did you mean sarif"):
        render(full(), "sarfi")
    with pytest.raises(UsageError, match="there are text, json, dot"):
        render(api.resolve(HELLO / "greeter"), "junit")


def test_every_writer_has_a_row() -> None:
    """A module that writes and is not in the list could be reached by nobody."""
    folder = Path(machochain.report.__path__[0])
    found = {
        f"{path.stem}:{name}"
        for path in folder.glob("*.py")
        for name in vars(import_module(f"machochain.report.{path.stem}"))
        if name == "write" or name.startswith("write_")
    }
    assert found == {row.home for row in FORMATS}


COMMANDS: Sequence[tuple[Document, list[str]]] = [
    (Document.RESOLUTION, ["resolve", str(HELLO / "greeter")]),
    (Document.EXPLANATIONS, ["explain", str(HELLO / "greeter"), "libgreet.1.dylib"]),
    (Document.INSPECTIONS, ["inspect", str(HELLO / "greeter")]),
    (Document.SCENARIOS, ["scenario", str(HELLO / "greeter")]),
    (Document.AUDIT, ["audit", "--no-config", str(HELLO / "greeter")]),
    (Document.DIFF, ["diff", "--no-config", str(HELLO / "greeter"), str(HELLO / "greeter-broken")]),
    (Document.RULE, ["explain", "MC101"]),
    (Document.SOURCE, ["source", str(HELLO.parents[1] / "source")]),
]


@pytest.mark.parametrize(("document", "arguments"), COMMANDS)
def test_a_command_takes_every_format_of_its_document(document: Document, arguments: list[str]) -> None:
    for form in formats(document):
        done = run(*arguments, "--format", form)
        assert done.returncode in {0, 1}, done.stderr
        assert done.stdout, form
