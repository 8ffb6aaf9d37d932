"""Messages and crash reports, and what they are compared with."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

from machochain import api
from machochain.diagnosis import diagnose
from machochain.graph.compare import compare
from machochain.graph.resolve import Target as Process
from machochain.model.errors import MachochainError
from machochain.model.result import Result
from machochain.report.diagnosis import as_document, comparison_fields, render_comparisons, render_text
from tests.dyld.printed import observations, printed

TESTDATA = Path(__file__).parents[2] / "testdata"


@cache
def messages() -> list[bytes]:
    found = [printed(record).encode("utf-8", "surrogateescape") for record in observations()]
    report = {"app_name": "x", "bug_type": "309"}, {"termination": {"reasons": [found[0].decode()]}, "pid": 1}
    examples = Path(__file__).parents[1].joinpath("diagnosis/forms.txt").read_text("utf-8").splitlines()
    rows = [line[2:].replace("⏎", "\n").replace("⇥", "\t") for line in examples if line.startswith("+ ")]
    return [*found, "\n".join(map(json.dumps, report)).encode(), *(row.encode() for row in rows)]


def read_message(data: bytes) -> None:
    try:
        diagnosis = diagnose(data)
    except MachochainError:
        return
    json.dumps(as_document(diagnosis), allow_nan=False)
    render_text(diagnosis, width=80).encode("utf-8", "surrogateescape")


def diagnose_binary(data: bytes) -> None:
    """Compare a message with the prediction for a program it may be about."""
    try:
        diagnoses = diagnose(data).answers
    except MachochainError:
        return
    for result in _predicted():
        compared = list(compare(diagnoses, result))
        json.dumps([comparison_fields(each) for each in compared])
        render_comparisons(compared, "x").encode("utf-8", "surrogateescape")


@cache
def _predicted() -> tuple[Result, ...]:
    programs = [TESTDATA / "hello" / "bin" / name for name in ("greeter", "greeter-broken")]
    return api.resolve(programs, target=Process(macos=("11", "15", "26"))).results


@cache
def reports() -> list[bytes]:
    """Crash reports of both kinds."""
    message, uuid = messages()[0].decode(), "11111111-2222-3333-4444-555555555555"
    head = {
        "app_name": "x",
        "timestamp": "2024-01-01 00:00:00.00 +0000",
        "bug_type": "309",
        "os_version": "macOS 14.2 (23C64)",
    }
    body = {
        "pid": 1,
        "procName": "x",
        "procPath": "/opt/x",
        "cpuType": "ARM-64",
        "osVersion": {"train": "macOS 14.2", "build": "23C64"},
        "termination": {
            "flags": 0,
            "code": 1,
            "namespace": "DYLD",
            "indicator": "Library missing",
            "details": ["(x)"],
            "reasons": [message],
        },
        "usedImages": [{"name": "x", "path": "/opt/x", "uuid": uuid, "arch": "arm64", "base": 1, "size": 2}],
        "threads": [{"frames": [{"imageOffset": 1, "imageIndex": 0}], "triggered": True}],
        "exception": {"type": "EXC_CRASH"},
    }
    old = (
        "Process:               x [1]\nPath:                  /opt/x\nIdentifier:            x\n"
        "Code Type:             X86-64 (Native)\n"
        "OS Version:            Mac OS X 10.15.7 (19H2)\n\nTermination Reason:    DYLD, [0x1] Library missing\n\n"
        f"Application Specific Information:\ndyld: launch, loading dependent libraries\n\n"
        f"Dyld Error Message:\n{message}\n\n"
        f"Binary Images:\n       0x1 -        0x2 +x (0) <{uuid}> /opt/x\n"
    )
    log = f"dyld[1]: <{uuid}> /opt/x\ndyld[1]: find path \"@rpath/a\"\ndyld[1]:   LC_RPATH '/b' from '/opt/x'\n"
    log += 'dyld[1]:   possible path(@path expansion): "/b/a"\ndyld[1]:   not found: /b/a\n' + messages()[1].decode()
    return [f"{json.dumps(head)}\n{json.dumps(body, indent=2)}".encode(), old.encode(), log.encode()]
