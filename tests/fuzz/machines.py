"""Recorded Macs, as JSON and as their script prints them, and what else of a module lies in a file: how it is read."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path

import jsonschema

from machochain import api
from machochain.machine.compare import compare_machines
from machochain.machine.facts import facts_of
from machochain.machine.reading import read_snapshot
from machochain.machine.snapshot import document, parse, redact
from machochain.model.errors import MachochainError
from machochain.report.doctor import differences_document, render_differences
from machochain.report.doctor_markdown import annotated, render_differences_markdown, summary_table
from machochain.report.registry import Document, render
from machochain.report.style import Style
from machochain.source.values import SourceReport
from tests.fuzz import mutators
from tests.fuzz.places import scratch
from tests.machine.macs import DEVELOPER, SDK, mac
from tests.source.modules import GO_MOD, cgo, write

SCHEMAS = Path(__file__).parents[2] / "docs" / "schema"
MODULE = {
    "go.mod": GO_MOD + "require example.org/d v1.0.0\n\nreplace example.org/d => ./d\n",
    "x.go": cgo("#cgo LDFLAGS: -L/usr/local/lib -lz -lssl", "#cgo pkg-config: foo", "#include <a.h>"),
    "main/main.go": 'package main\n\nimport (\n\t_ "example.org/d"\n\t_ "example.org/m"\n)\n\nfunc main() {}\n',
    "d/go.mod": "module example.org/d\n",
    "d/d.go": cgo('#include "inc/d.h"', package="d"),
    "d/inc/d.h": "",
}
POLICY = "[machochain.ci]\nfallback = 'pure-go'\npure_go_ok = true\nmin_macos = '13.0'\n"
WORK = b"go 1.22\n\ntoolchain go1.24.1\n\nuse (\n\t.\n\t./d // c\n)\n\nreplace example.org/e v1.0.0 => ../e\n"
VENDOR = b"# example.org/d v1.0.0 => ./d\n## explicit; go 1.20\nexample.org/d\n# example.org/d => ./d\n"


@cache
def module() -> Path:
    """Return a module with C in it."""
    root = write(scratch() / "module", MODULE)
    (scratch() / "policy.toml").write_text(POLICY)
    return root


@cache
def _schema(name: str) -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(json.loads((SCHEMAS / f"{name}-1.json").read_text()))


def snapshots() -> list[bytes]:
    """Return recorded Macs as JSON."""
    broken = mac(
        out={"developer_dir": "/gone\n", "translated": "1\n"},
        err={"cc_version": "You have not agreed to the Xcode license"},
        env={"DYLD_LIBRARY_PATH": "/x", "CGO_LDFLAGS": "-L/a '", "SDKROOT": SDK, "CC": '"zig cc" -target x'},
        kept="CC=clang\nCGO_CFLAGS=-O2\n", listings={"/usr/local/lib": ["libz.dylib"]}, files={DEVELOPER: "absent"},
    )  # fmt: skip
    return [json.dumps(document(each)).encode() for each in (mac(), broken)]


def scripts() -> list[bytes]:
    """Return the same Macs as the script prints them."""
    return [framed(data) for data in snapshots()]


def framed(data: bytes) -> bytes:
    """Turn a recorded Mac into what the script prints of it."""
    found = parse(data.decode(), "x")
    out = [b"@@ machochain-snapshot 1\n"]

    def frame(kind: str, name: str, rc: int, text: str, more: str = "") -> None:
        a, b = text.encode(), more.encode()
        out.append(b"@@ %s %s %d %d %d\n%s%s\n" % (kind.encode(), name.encode(), rc, len(a), len(b), a, b))

    for name, each in found.commands.items():
        frame("command", name, 127 if each.rc is None else each.rc, each.stdout, each.stderr)
    for path, file in found.files.items():
        frame("file", "-", 0, file.kind, path)
        if file.text is not None:
            frame("text", "-", 0, file.text, path)
    for path, names in found.listings.items():
        frame("list", "-", 0, "".join(f"{n[0]}\n" for n in names), path)
    for name, value in found.environment.items():
        frame("dyld" if name.startswith("DYLD_") else "env", name, 0, f"{value}\n")
    return b"".join(out) + b"@@ end\n"


_FRAME = re.compile(rb"@@ (\w+) (\S+) (\d+) (\d+) (\d+)\n")


def mutate_script(data: bytes, chance: random.Random) -> bytes:
    """Change what one frame holds and count anew; now and then what the frames say of themselves."""
    frames = list(_FRAME.finditer(data))
    if not frames or chance.random() < 0.3:
        return mutators.text(data, chance)
    for _ in range(chance.choice((1, 1, 2, 5))):
        frame = chance.choice(frames)
        start, first, second = frame.end(), int(frame[4]), int(frame[5])
        out, err = data[start : start + first], data[start + first : start + first + second]
        kind, rc = frame[1], int(frame[3])
        match chance.randrange(5):
            case 0 | 1:
                out = mutators.text(out, chance)
            case 2:
                err = mutators.text(err, chance)
            case 3:
                rc = chance.choice((0, 1, 69, 126, 127, 137, 143, 255, 10**9))
            case _:
                kind = chance.choice((b"command", b"env", b"dyld", b"text", b"file", b"list"))
        made = b"@@ %s %s %d %d %d\n%s%s\n" % (kind, frame[2], rc, len(out), len(err), out, err)
        data = data[: frame.start()] + made + data[start + first + second + 1 :]
        frames = list(_FRAME.finditer(data)) or frames
    return mutators.bounded(data)


def read_machine(data: bytes) -> None:
    """Read a recorded Mac, judge it, show it, take names out of it, and compare it."""
    file = scratch() / "mac"
    file.write_bytes(data)
    try:
        found = read_snapshot(str(file))
    except MachochainError:
        return
    written = document(found)
    assert document(parse(json.dumps(written), "x")) == written
    _schema("snapshot").validate(written)
    redact(found, home="/Users/me", user="me", host="mac")
    with suppress(MachochainError):
        answer = api.doctor(file, source=module(), policy=scratch() / "policy.toml", release=True)
        _schema("doctor").validate(json.loads("".join(render(answer, "json", document=Document.DOCTOR))))
        text = "".join(render(answer, "text", document=Document.DOCTOR)) + summary_table(answer)
        # What is not text goes to the terminal by surrogate escapes; nothing in a name may steer it.
        assert "\x1b" not in text
        text.encode("utf-8", "surrogateescape")
        assert not any("##[" in line or "##vso[" in line for line in annotated(answer).splitlines())
    sound = facts_of(parse(snapshots()[0].decode(), "x"))
    differences = compare_machines(sound, facts_of(found))
    json.dumps(differences_document(differences, "a", "b", ()), allow_nan=False)
    for shown in (
        render_differences(differences, "a", "b", (), Style()),
        render_differences_markdown(differences, "a", "b", ()),
    ):
        assert "\x1b" not in shown


def listings() -> list[bytes]:
    """Return what ``go list -deps -json -e`` prints."""
    package = {
        "ImportPath": "example.org/m", "Dir": str(module()), "Name": "m",
        "Module": {"Path": "example.org/m", "Main": True},
        "GoFiles": ["y.go"], "CgoFiles": ["x.go"], "CgoCFLAGS": ["-Iinc"], "CgoLDFLAGS": ["-lz", "-Wl,-rpath,/x"],
        "CgoPkgConfig": ["foo"], "Imports": ["C", "os", "example.org/d"], "TestGoFiles": ["x_test.go"],
        "EmbedPatterns": ["*.h"],
    }  # fmt: skip
    other = {
        "ImportPath": "example.org/d", "Dir": str(module() / "d"), "Name": "d", "DepOnly": True, "Imports": ["gone"],
        "CgoFiles": ["d.go"], "Error": {"Err": "x"},
    }  # fmt: skip
    both = [json.dumps(each, indent=1) for each in (package, other)]
    return ["\n".join(both).encode(), json.dumps([package, other, {"ImportPath": "os", "Standard": True}]).encode()]


def read_listing(data: bytes) -> None:
    """Examine a module by what ``go list`` is said to have printed."""
    file = scratch() / "list.json"
    file.write_bytes(data)
    with suppress(MachochainError):
        _shown(api.examine(module(), go_list=file))


def _shown(report: SourceReport) -> None:
    _schema("source").validate(json.loads("".join(render(report, "json", document=Document.SOURCE))))
    for name in ("text", "sarif", "dot"):
        "".join(render(report, name, document=Document.SOURCE)).encode("utf-8", "surrogateescape")


def module_file(name: str) -> Callable[[bytes], None]:
    """Return a reader that takes an input for a file that says where packages are, and examines the module."""

    def run(data: bytes) -> None:
        root = scratch() / name.replace("/", "-")
        if not root.exists():
            write(root, {**MODULE, "vendor/example.org/d/d.go": cgo(package="d")})
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_bytes(data)
        with suppress(MachochainError):
            _shown(api.examine(root, goarch=("arm64",)))

    return run
