"""Whole commands over changed folders, by every renderer: documents keep to their schemas, answers to each other."""

from __future__ import annotations

import json
import os
import plistlib
import random
import re
import zlib
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import jsonschema

from machochain.auditing import audit
from machochain.graph.answers import Report
from machochain.graph.resolve import Target
from machochain.model.audit import AuditReport
from machochain.model.errors import MachochainError
from machochain.model.paths import HostPath
from machochain.report.audit_json import audit_document
from machochain.report.context import RenderContext
from machochain.report.guard import guarded
from machochain.report.registry import Document, formats, render
from machochain.report.style import Style
from machochain.world.placement import World
from tests.cli.running import Done, run
from tests.factory.macho import Import, MachO, bundle, dylib, executable, fat, load, reexport
from tests.fuzz.containers import seeds as containers
from tests.fuzz.places import scratch
from tests.fuzz.systems import cache_at
from tests.fuzz.trees import LINK, lay_out, pack, unpack
from tests.golang.test_buildinfo import pointed
from tests.report.test_guard import is_command
from tests.world.archives.packing import wheel
from tests.world.sdk_tree import stub

TESTDATA = Path(__file__).parents[2] / "testdata"
SCHEMAS = Path(__file__).parents[2] / "docs" / "schema"
SCHEMATIC = frozenset(path.name.removesuffix("-1.json") for path in SCHEMAS.glob("*.json"))
CODES = (0, 1, 2, 3)
_STEERING = re.compile(r"[\0-\x08\x0b-\x1f\x7f\x80-\x9f\u202a-\u202e\u2066-\u2069]")
"""What a terminal takes for more than a letter: no name of a file may get that far."""

DOCUMENTS = {
    "resolve": Document.RESOLUTION,
    "audit": Document.AUDIT,
    "inspect": Document.INSPECTIONS,
    "explain": Document.EXPLANATIONS,
    "scenario": Document.SCENARIOS,
    "diagnose": Document.DIAGNOSES,
    "diff": Document.DIFF,
}
FORMATS = {**{command: formats(document) for command, document in DOCUMENTS.items()}, "sdk": ("text", "json")}
MESSAGE = b"""dyld[4321]: Library not loaded: @rpath/libfoo.dylib
  Referenced from: <11111111-2222-3333-4444-555555555555> /opt/x/tool
  Reason: tried: '/opt/x/../Frameworks/libfoo.dylib' (no such file)
"""


@cache
def folders() -> list[bytes]:
    """An application, a Go program, a site-packages folder, two releases, packages."""
    foo = dylib("@rpath/libfoo.dylib", reexport("@loader_path/libbar.dylib"), exports=["_foo"], signed=True)
    bar = dylib("@loader_path/libbar.dylib", exports=["_bar"], imports=[Import("_malloc", 1)])
    tool = executable(
        "@rpath/libfoo.dylib",
        load("@rpath/libgone.dylib", weak=True),
        rpaths=["@executable_path/../Frameworks", "/Users/me/x"],
        signed=True,
        identifier="com.example.tool",
        cs_flags=0x10002,
        imports=[Import("_foo", 1), Import("_bar", 1, weak=True)],
        fixups="chained",
    )
    keys = {"CFBundleExecutable": "tool", "LSMinimumSystemVersion": "12.0", "CFBundleIdentifier": "com.example.tool"}
    plist = plistlib.dumps(keys)
    known = {"fingerprint": "ab", "rule": "MC101", "path": "x", "subject": "y"}
    baseline = json.dumps({"schema": "machochain.baseline/1", "findings": [known]}).encode()
    policy = (
        b'profile = "release"\nmacos = ["12..26"]\n[[override]]\npath = "**/*.dylib"\nfail-on = "warning"\n'
        b'[[ignore]]\nrule = "MC402"\npath = "**"\nreason = "known"\nexpires = 2027-01-31\n'
    )
    app = {
        "in/A.app/Contents/Info.plist": plist,
        "in/A.app/Contents/MacOS/tool": tool,
        "in/A.app/Contents/Frameworks/libfoo.dylib": foo,
        "in/A.app/Contents/Frameworks/libbar.dylib": bar,
        "in/A.app/Contents/PlugIns/p.bundle/Contents/MacOS/p": bundle("@rpath/libfoo.dylib", arch="x86_64"),
        "machochain.toml": policy,
        "known.json": baseline,
        "message.txt": MESSAGE,
    }
    go = {
        "in/server": pointed(),
        "in/lib/libgreet.1.dylib": (TESTDATA / "hello" / "lib" / "libgreet.1.dylib").read_bytes(),
        "in/greet.a": (TESTDATA / "go" / "greet-loader-rpath.a").read_bytes(),
        "sdk/SDKSettings.json": b'{"Version": "15.0", "CanonicalName": "macosx15.0"}',
        "sdk/usr/lib/libSystem.B.tbd": stub("/usr/lib/libSystem.B.dylib", "_malloc").encode() + b"...\n",
        "message.txt": MESSAGE,
    }
    folder = scratch() / "packages"
    folder.mkdir(exist_ok=True)
    extension = bundle("@loader_path/.dylibs/libfoo.dylib", minos="11.0")
    site = {
        "in/pkg/a.so": extension,
        "in/pkg/.dylibs/libfoo.dylib": dylib("/DLC/pkg/libfoo.dylib", minos="13.0"),
        f"in/pkg/link.so{LINK}": b"a.so",
        "in/pkg-1.2.dist-info/WHEEL": b"Wheel-Version: 1.0\nTag: cp312-cp312-macosx_11_0_arm64\n",
        "in/pkg-1.2.dist-info/METADATA": b"Metadata-Version: 2.1\nName: pkg\nVersion: 1.2\n",
        "in/pkg-1.2.dist-info/RECORD": b"pkg/a.so,sha256=x,1\n",
        "machochain.toml": b'profile = "wheel"\n',
    }
    releases = {
        "in/old/bin/tool": executable("@rpath/a.dylib", rpaths=["@executable_path/../lib"]),
        "in/old/lib/a.dylib": dylib("@rpath/a.dylib"),
        "in/new/bin/tool": fat(
            [
                MachO(arch="x86_64", loads=["@rpath/a.dylib"]).bytes(),
                MachO(arch="arm64", loads=["@rpath/b.dylib"]).bytes(),
            ]
        ),
        "in/new/lib/b.dylib": dylib("@rpath/b.dylib", "@rpath/a.dylib"),
        "in/new/lib/a.dylib": dylib("@rpath/a.dylib", "@rpath/b.dylib", build="version_min"),
    }
    package = wheel(folder / "x.whl", {"pkg/a.so": extension, "pkg/.dylibs/libfoo.dylib": bar}).read_bytes()
    packed = {"in/x.whl": package, "in/y.tgz": containers()[4], "in/z.conda": containers()[7]}
    names = ["::add-matcher::x", "  ::error file=x::y", "##[error]b", "a ##vso[task.setvariable variable=PATH]y"]
    commanding = {
        "in/bin/tool": executable(*[f"@rpath/{n}" for n in names], rpaths=names, imports=[Import(names[2], 1)]),
        **{f"in/{name}.dylib": dylib(f"@rpath/{name}", f"/opt/{name}") for name in names if "/" not in name},
        "message.txt": MESSAGE.replace(b"libfoo.dylib", b"##[command]rm").replace(b"/opt/x", b"\n::error::x"),
    }
    lengthy = {
        "in/long": executable(*[f"@rpath/{n}" for n in range(9)], rpaths=[f"/{n}" + "r" * 9000 for n in range(3)]),
    }
    return [pack(x) for x in (app, go, site, releases, packed, commanding, lengthy)]


def arguments(top: Path, chance: random.Random) -> tuple[str, list[str]]:
    """Return a command and its arguments for the files that are there."""
    files = sorted(f"{place}/{name}" for place, _, names in os.walk(top / "in") for name in names)
    one, other = chance.choice(files or [str(top)]), chance.choice(files or [str(top)])
    command = chance.choice(("resolve", "audit", "audit", "inspect", "explain", "scenario", "diagnose", "diff", "sdk"))
    form = chance.choice(FORMATS[command])
    words: list[str] = []
    folder = chance.random() < 0.5
    match command:
        case "resolve":
            words = [str(top / "in") if folder else one, *chance.choice(([], ["-v"], ["-vv"]))]
        case "audit":
            words = [
                *([str(top / "in")] if folder else [one, other]),
                "--no-github",
                *chance.choice(([], ["-v"], ["--strict"])),
            ]
            words += (
                ["--policy", str(top / "machochain.toml")]
                if os.path.lexists(top / "machochain.toml")
                else ["--no-config"]
            )
            words += ["--baseline", str(top / "known.json")] if os.path.lexists(top / "known.json") and folder else []
        case "inspect":
            words = [one, other]
        case "explain":
            words = [one, chance.choice(("@rpath/libfoo.dylib", "libSystem.B.dylib", "libz", "a.dylib"))]
        case "scenario":
            words = [one, "--contexts", chance.choice(("all", "go", "in-place,app-bundle,install:/opt"))]
        case "diagnose":
            words = [str(top / "message.txt"), *([chance.choice(("--binary", "--expect")), one] if folder else [])]
        case "sdk":
            sdk, library = str(top / "sdk"), chance.choice(("libSystem.B.dylib", "/usr/lib/libz.1.dylib", "Security"))
            asked = [
                ["show", library, "--sdk", sdk],
                ["symbols", library, "--sdk", sdk],
                ["index", sdk],
                ["diff", sdk, sdk],
            ]
            words = chance.choice(asked)
            form = "json" if words[0] == "index" else form
            return form, [command, *words, "--format", form]
        case _:
            words = [str(top / "in/old"), str(top / "in/new")] if folder else [one, other]
            words += ["--no-config"]
    words += ["--format", form]
    return form, [command, *words, *(_modelled(top, command, chance) if command != "inspect" else ())]


def _modelled(top: Path, command: str, chance: random.Random) -> list[str]:
    several = command != "diagnose"
    choices = [
        ["--macos", "11..26"] if several else ["--macos", "26"],
        ["--macos", "11"],
        ["--macos", "15.4"],
        ["--hardened"],
        ["--no-hardened"],
        ["--env", "DYLD_LIBRARY_PATH=/opt/x/lib"],
        ["--env", "DYLD_IMAGE_SUFFIX=_debug"],
        ["--case-sensitive"],
        ["--unseen", "/opt"],
        ["--at", "/opt/x"],
        ["--root", str(top)],
        ["--map", f"/opt={top}/in"],
        ["--cwd", "/opt"],
        ["--arch", "x86_64"],
        ["--main", str(top / "in/A.app/Contents/MacOS/tool")],
    ]
    if os.path.lexists(top / "sdk"):
        choices += [["--sdk", str(top / "sdk")]] * 4
    return [word for choice in chance.sample(choices, chance.choice((0, 1, 1, 2, 3))) for word in choice]


def work(data: bytes) -> tuple[list[str], Done]:
    """Lay a folder out and run a command over it; which one, the folder itself decides."""
    top = scratch() / "tree"
    lay_out(unpack(data), top)
    _, words = arguments(top, random.Random(zlib.crc32(data)))
    with cache_at(scratch() / "cache"):
        return words, run(*words)


def read(data: bytes) -> None:
    """Run a command twice; hold what comes out against everything that must hold of it."""
    words, done = work(data)
    told = f"{words} ended with {done.returncode}: {done.stderr[-3000:]}"
    assert done.returncode in CODES, told
    form = words[words.index("--format") + 1]
    try:
        holds(words[0], form, done)
    except Exception as error:
        error.add_note(told)
        raise


def options() -> list[bytes]:
    """Options that describe a Mac and a process: a command, then one option a line."""
    return [
        b"resolve\nmacos=11..26\narch=arm64\nat=/opt/x/bin/greeter\ncwd=/opt\nenv=DYLD_LIBRARY_PATH=/a:/b\nmain=/opt/x",
        b"resolve\nroot=/nowhere\nmap=/opt=/tmp\nunseen=/usr/local\nenv=DYLD_INSERT_LIBRARIES=/x.dylib\nhardened",
        b"resolve\nsdk=/nowhere\nmacos=15.4\nenv=DYLD_FALLBACK_LIBRARY_PATH=\ncase-sensitive\nstrict",
        b"scenario\ncontexts=go,install:/opt/x\ncontext=CI:exe=/a/b,cwd=/a,env=A=B,hardened=yes\npackage-dir=/src",
        b"scenario\ncontexts=all\nmacos=12..13\nenv=GOCACHE=/x\ncwd=/src\nfail-on=broken",
        b"resolve\nenv=DYLD_FRAMEWORK_PATH=/x\nenv=DYLD_IMAGE_SUFFIX=_debug:_profile\nno-hardened\nat=/a/../b/greeter",
        b"audit\nno-config\nprofile=wheel\nsarif-anchor=a/b\nfail-on=never\nmacos=12\nmacos=15..15.4\nmap=/opt/x=/tmp",
    ]


_WRITING = ("o", "w", "j", "form", "go", "b", "policy")
"""Beginnings of options that write or read files, or start processes: these stay out."""


def read_options(data: bytes) -> None:
    """Run a command over a sound program under other options."""
    command, *lines = data.decode("utf-8", "surrogateescape").split("\n")
    if command not in {"resolve", "scenario", "audit"} or "\0" in "".join(lines):
        return
    words = [f"--{line}" for line in lines if line and not line.startswith(("-", *_WRITING))]
    done = run(command, str(TESTDATA / "hello" / "bin" / "greeter"), *words)
    assert done.returncode in CODES, f"{words} ended with {done.returncode}: {done.stderr[-3000:]}"


def read_by_all(data: bytes) -> None:
    """Audit and resolve a folder once, and write what was found in every form."""
    top = scratch() / "whole"
    lay_out(unpack(data), top)
    if not (top / "in").is_dir():
        return
    place, context = top / "in", RenderContext(str(top), str(top), epoch=1, style=Style(verbose=2))
    world = World(sdks=[HostPath(str(top / "sdk"))] if os.path.isdir(top / "sdk") else ())  # noqa: PTH112
    target, today = Target(macos=("11", "13", "26")), date(2026, 1, 1)
    with cache_at(scratch() / "cache"):
        try:
            report = audit(place, target=target, world=world, materials=True, today=today)
            again = audit(place, target=target, world=world, materials=True, today=today)
        except MachochainError:
            return
    assert audit_document(again) == audit_document(report), "the same folder, another answer"
    for value, command, code in (
        (report, "audit", 1),
        (Report(report.results, report.errors), "resolve", _code(report)),
    ):
        for form in FORMATS[command]:
            text = render(value, form, context)
            # Whoever writes a document guards it (`machochain.render`, the command line).
            holds(command, form, Done(code, guarded(text if isinstance(text, str) else "".join(text), form), ""))


def _code(report: AuditReport) -> int:
    """Return how ``resolve`` would end."""
    if report.errors or not report.results:
        return 2
    return 1 if any(result.launches is False for result in report.results) else 0


def holds(command: str, form: str, done: Done) -> None:
    """Check one answer."""
    assert not _STEERING.search(done.stderr), repr(_STEERING.findall(done.stderr))
    told = done.stderr if form == "github" else f"{done.stderr}\n{done.stdout}"  # whose commands are our own
    assert not (found := [line for line in told.split("\n") if is_command(line)]), found
    if not done.stdout:
        assert done.returncode != 0, "no answer, and no reason why"
        return
    match form:
        case "json":
            document = json.loads(done.stdout, parse_constant=_no_number)
            if command in SCHEMATIC:
                _validator(command).validate(document)
            agrees(command, document, done.returncode)
        case "jsonl":
            for line in done.stdout.splitlines():
                document = json.loads(line, parse_constant=_no_number)
                if command in SCHEMATIC:
                    _validator(command).validate(document)
        case "statement":
            _validator(form).validate(json.loads(done.stdout, parse_constant=_no_number))
        case "spdx":
            document = json.loads(done.stdout)
            refs = [each["SPDXID"] for each in document["packages"]]
            assert len(refs) == len(set(refs))
            ends = {link[end] for link in document["relationships"] for end in ("spdxElementId", "relatedSpdxElement")}
            assert ends <= {*refs, "SPDXRef-DOCUMENT", "NOASSERTION"}
        case "sarif" | "cyclonedx" | "node-link":
            json.loads(done.stdout)
        case "junit" | "graphml":
            ET.fromstring(done.stdout)
        case _:
            assert not _STEERING.search(done.stdout), repr(_STEERING.findall(done.stdout))


def _no_number(text: str) -> None:
    raise AssertionError(f"JSON has no {text}")


def agrees(command: str, document: dict[str, Any], code: int) -> None:
    """Check that the parts of a document do not contradict one another, nor the exit code."""
    results = document.get("results", [])
    for result in results if command == "resolve" else ():
        assert result["message"] is None or result["launches"] is False, result["message"]
        if result["launches"] is False and result["message"] is None:
            # The kernel refuses it before dyld can say anything.
            refused = (result.get("exec") or {}).get("outcome") not in {None, "loaded"}
            assert refused or any(found["rule"] == "MC502" for found in result["findings"]), result
        for each in result["loads"]:
            found = each["outcome"] in {"loaded", "already-loaded"}
            assert (each["to"] is not None) == found, each
            assert each["to"] is None or 0 <= each["to"] < len(result["images"]), each
            assert 0 <= each["from"] < len(result["images"]), each
    if command == "resolve":
        broken = any(result["launches"] is False for result in results)
        assert code == (2 if document["errors"] or not results else 1 if broken else 0)


@cache
def _validator(command: str) -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(json.loads((SCHEMAS / f"{command}-1.json").read_text()))
