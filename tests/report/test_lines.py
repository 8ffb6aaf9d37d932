"""JSON lines: a document a line, each there as soon as its input is finished, the same whoever writes them."""

from __future__ import annotations

import json
import shutil
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

import machochain
from tests.cli.running import run
from tests.report.audits import audit, full, hostile
from tests.report.bills import everything
from tests.report.test_guard import is_command
from tests.report.test_schemas import keeps_to_its_schema
from tests.world.archives.packing import zipped

HELLO = Path(__file__).parents[2] / "testdata" / "hello" / "bin"
GREETER, BROKEN, UNIVERSAL = (str(HELLO / name) for name in ("greeter", "greeter-broken", "greeter-universal"))


def lines(text: str) -> list[Any]:
    assert text == "" or text.endswith("\n")
    return [json.loads(line) for line in text.splitlines()]


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("resolve", ["resolve", GREETER, BROKEN, UNIVERSAL, "no-such-file"]),
        ("audit", ["audit", "--no-config", GREETER, BROKEN, "no-such-file"]),
        ("audit", ["audit", "--no-config", "--jobs", "2", GREETER, BROKEN, "no-such-file"]),
        ("inspect", ["inspect", GREETER, BROKEN, "no-such-file"]),
    ],
)
def test_each_line_is_the_document_of_one_input(name: str, arguments: list[str]) -> None:
    done, whole = (run(*arguments, *form) for form in (("--format", "jsonl"), ("--json",)))
    found = lines(done.stdout)
    for document in found:
        keeps_to_its_schema(document, name)
    assert len(found) == len(arguments) - arguments.index(GREETER)
    assert (done.returncode, done.stderr) == (whole.returncode, whole.stderr)
    key = {"resolve": "results", "audit": "processes", "inspect": "files"}[name]
    assert [x for document in found for x in document[key]] == json.loads(whole.stdout)[key]


def test_an_audit_has_the_same_lines_from_the_command_line_as_from_render(tmp_path: Path) -> None:
    shutil.copy(BROKEN, tmp_path / "tool")
    zipped(tmp_path / "x.zip", [("bin/tool", Path(GREETER).read_bytes()), ("lib/y.so", b"\xcf\xfa\xed\xfe")])
    zipped(tmp_path / "empty.zip", [("readme.txt", b"")])
    for inputs in ([str(tmp_path)], [GREETER, str(tmp_path / "x.zip")]):
        done = run("audit", "--no-config", *inputs, "--format", "jsonl")
        assert done.stdout == machochain.render(machochain.audit(inputs), "jsonl")
        assert len(lines(done.stdout)) == 2


def test_what_names_mean_stays_in_the_line() -> None:
    for report in (full(), hostile(), everything(), audit(), audit(skipped=("late",), inputs=())):
        text = machochain.render(report, "jsonl")
        for document in lines(text):
            keeps_to_its_schema(document, "audit")
        assert not any(is_command(line) for line in text.splitlines())
    assert lines(machochain.render(audit(skipped=("late",)), "jsonl"))[-1]["skipped"] == ["late"]


def test_lines_go_to_a_file_beside_another_report(tmp_path: Path) -> None:
    file = tmp_path / "out.jsonl"
    done = run("audit", "--no-config", GREETER, BROKEN, "--format", "text", "--format", f"jsonl:{file}")
    assert done.stdout.startswith("error[MC101]")
    assert [document["passed"] for document in lines(file.read_text())] == [True, False]
    assert run("resolve", GREETER, "--format", "jsonl", "-o", str(tmp_path)).returncode == 2
    assert run("resolve", GREETER, "--format", "jsonl", "-q").stdout == ""


@pytest.mark.parametrize(
    ("command", "looks"),
    [
        (["resolve"], "machochain.resolving.resolve_group"),
        (["audit", "--no-config"], "machochain.auditing.pool.audit_input"),
        (["inspect"], "machochain.graph.inspect.inspect_file"),
    ],
)
def test_a_line_is_there_before_the_next_input_is_looked_at(
    command: list[str], looks: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "out.jsonl"
    written: list[int] = []
    module, _, name = looks.rpartition(".")
    real = getattr(import_module(module), name)

    def looking(*arguments: Any, **more: Any) -> Any:
        written.append(len(lines(file.read_text())))
        return real(*arguments, **more)

    monkeypatch.setattr(looks, looking)
    run(*command, GREETER, BROKEN, UNIVERSAL, "--format", "jsonl", "-o", str(file))
    assert written == [0, 1, 2]
    assert len(lines(file.read_text())) == 3
