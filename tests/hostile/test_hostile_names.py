"""Names that mean harm, through every command and every format: kept to the byte, shown so that they do nothing."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote_to_bytes
from xml.etree import ElementTree as ET

import pytest

from tests.cli.running import Done, run
from tests.factory import Import, Section
from tests.factory.macho import MachO, load
from tests.hostile.names import NAMES, text

LOADED = [prefix + name for name in NAMES for prefix in (b"@rpath/", b"/opt/", b"")]
AUDITS = ("text", "json", "sarif", "junit", "github", "markdown", "cyclonedx", "html")
GO = Section("__DATA", "__go_buildinfo", bytes(32))
GRAPHS = ("text", "json", "dot", "mermaid", "graphml", "node-link")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A program, and a library whose names are as bad, at a place of a good name."""
    where = tmp_path_factory.mktemp("names")
    symbols = [text(b"_" + name) for name in NAMES]
    program = MachO(
        loads=[load(name) for name in LOADED],
        rpaths=[b"/r/" + name for name in NAMES],
        dyld_env=[b"DYLD_LIBRARY_PATH=/" + NAMES[0]],
        imports=[Import(symbol, number + 1) for number, symbol in enumerate(symbols)],
        signed=True,
        identifier="id\x1b[2J<b>",
        team_id="team\x1b<b>",
    )
    library = MachO(install_name=b"/usr/local/" + NAMES[0], exports=symbols, rpaths=[b"/r/" + n for n in NAMES])
    (where / "program").write_bytes(program.bytes())
    (where / "lib.dylib").write_bytes(library.bytes())
    before = Path.cwd()
    os.chdir(where)
    yield where
    os.chdir(before)


def calm(done: Done, *, tabs: bool = True) -> str:
    """Return what a command wrote, after a look at it: nothing moves a cursor, and nothing is a fault of ours."""
    assert "Traceback" not in done.stderr
    assert done.returncode in {0, 1, 2}
    for stream in (done.stdout, done.stderr):
        loud = {c for c in stream if not c.isprintable()} - {"\n", *(["\t"] if tabs else [])}
        assert not loud, loud
    return done.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        *(f"resolve {{}} --format {form}" for form in GRAPHS),
        "resolve {} -vv",
        "resolve {} --macos 11..26",
        *(f"audit {{}} --macos 26 --format {form}" for form in AUDITS),
        "audit {} --macos 26 -v",
        "inspect {}",
        "inspect {} --deep",
        "inspect {} --deep --json",
        "explain {} @rpath/nowhere",
        *(f"scenario {{}} --format {form}" for form in ("text", "json", "markdown")),
        *(f"diff {{}} lib.dylib --macos 26 --format {form}" for form in ("text", "json", "markdown")),
    ],
)
@pytest.mark.parametrize("file", ["program", "lib.dylib"])
def test_no_command_and_no_format_lets_a_name_through_as_it_is(folder: Path, arguments: str, file: str) -> None:
    assert (folder / file).exists()
    calm(run(*arguments.format(file).split()))


def test_json_has_every_name_to_the_byte(folder: Path) -> None:
    document = json.loads(calm(run("resolve", "program", "--json")))
    image = document["results"][0]
    assert [load["name"].encode("utf-8", "surrogateescape") for load in image["loads"]][: len(LOADED)] == LOADED
    assert [r.encode("utf-8", "surrogateescape") for r in image["images"][0]["rpaths"]] == [b"/r/" + n for n in NAMES]
    (piece,) = json.loads(calm(run("inspect", "lib.dylib", "--json")))["files"][0]["slices"]
    assert piece["install_name"].encode("utf-8", "surrogateescape") == b"/usr/local/" + NAMES[0]
    assert folder.name


def test_sarif_and_html_show_a_name_and_have_its_bytes(folder: Path) -> None:
    assert folder.name
    log = json.loads(calm(run("audit", "program", "--macos", "26", "--format", "sarif")))
    subjects = set()
    for result in log["runs"][0]["results"]:
        properties = result["properties"]
        subjects.add(unquote_to_bytes(properties.get("subjectPercentEncoded", ascii_safe(properties["subject"]))))
        assert result["message"]["text"].isprintable() or "\n" in result["message"]["text"]
    assert set(LOADED) <= subjects
    page = calm(run("audit", "program", "--macos", "26", "--format", "html"))
    assert "/opt/%FF%FE%1B%5B2J%3Cb%3Ebold%3C/b%3E" in page


def ascii_safe(name: str) -> str:
    """A name that was shown as it is, percent-encoded no further than to survive decoding."""
    return name.replace("%", "%25")


class _Tags(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs


def test_no_name_adds_an_element_to_html_or_xml(folder: Path) -> None:
    page = _Tags(calm(run("audit", "program", "--macos", "26", "--format", "html")))
    assert page.tags.count("script") == 1
    assert not {"img", "iframe", "object"} & set(page.tags)
    assert not any(name.startswith("on") for name, _ in page.attributes)
    suites = ET.fromstring(calm(run("audit", "program", "--macos", "26", "--format", "junit")))
    assert {e.tag for e in suites.iter()} <= {
        "testsuites", "testsuite", "testcase", "failure", "error", "skipped", "system-out", "properties", "property"
    }  # fmt: skip
    graph = ET.fromstring(calm(run("resolve", "program", "--format", "graphml")))
    space = "{http://graphml.graphdrawing.org/xmlns}"
    assert {e.tag for e in graph.iter()} == {space + t for t in ("graphml", "graph", "key", "node", "edge", "data")}
    missing = [n.get("id") for n in graph.iter(f"{space}node") if str(n.get("id")).startswith("missing:")]
    assert len(set(missing)) == len(missing) == len(set(LOADED)), "two names are two nodes, however they are shown"
    assert folder.name


def test_no_name_forges_an_annotation_or_leaves_its_code_span(folder: Path) -> None:
    assert folder.name
    for line in calm(run("audit", "program", "--macos", "26", "--format", "github")).splitlines()[:-1]:
        assert re.fullmatch(r"::(error|warning|notice) [^\n]*", line)
        assert not line.startswith("::error::")
    spans = re.compile(r"(?<!`)(`+)(?!`).*?(?<!`)\1(?!`)")
    for arguments in ("audit program --macos 26", "scenario program", "diff program lib.dylib --macos 26"):
        fenced = False
        for line in calm(run(*arguments.split(), "--format", "markdown")).splitlines():
            if line.startswith("```"):
                fenced = not fenced
            elif not fenced:
                bare = spans.sub("", line)
                assert not re.search(r"<img|<script|<b>|@user|\]\(", bare), line


def test_dot_and_mermaid_keep_each_name_inside_its_quotes(folder: Path) -> None:
    assert folder.name
    quoted = r'"(?:[^"\\]|\\.)*"'
    for line in calm(run("resolve", "program", "--format", "dot")).splitlines():
        assert '"' not in re.sub(quoted, "", line), line
    for line in calm(run("resolve", "program", "--format", "mermaid")).splitlines():
        assert line.count('"') in {0, 2}, line


def test_documents_are_utf_8_and_text_is_ascii_where_the_terminal_has_no_more(folder: Path) -> None:
    assert folder.name
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "LC_ALL": "C"}
    for form in ("html", "junit", "markdown", "text"):
        done = subprocess.run(  # our own program
            [sys.executable, "-m", "machochain", "audit", "program", "--macos", "26", "--format", form],
            capture_output=True, check=False, env=environment,
        )  # fmt: skip
        assert done.returncode == 1, done.stderr
        same = run("audit", "program", "--macos", "26", "--format", form).stdout
        if form == "text":
            assert done.stdout.isascii()
        else:
            assert done.stdout.decode("utf-8") == same


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_errors_name_a_file_without_sending_its_name_to_the_terminal(tmp_path: Path, name: bytes) -> None:
    there = f"{tmp_path}/nowhere/{text(name)}"
    for arguments in (
        ["resolve", there],
        ["audit", there],
        ["inspect", there],
        ["scenario", there],
        ["diff", there, there],
        ["diagnose", there],
        ["sdk", "index", there],
        ["sdk", "show", there],
        ["sdk", "symbols", there],
        ["resolve", there, "--root", there],
        ["resolve", there, "--map", f"/x={there}"],
        ["resolve", there, "--sdk", there],
        ["audit", there, "--policy", there],
        ["audit", there, "--baseline", there],
        ["audit", there, "--format", f"tex{text(name)}"],
        ["resolve", there, "--macos", text(name)],
        ["resolve", f"--no-such-option{text(name)}", there],
    ):
        done = run(*arguments)
        calm(done, tabs=False)
        assert done.returncode in {0, 2}
        if done.returncode:
            assert done.stderr


def test_no_remedy_runs_anything_but_what_it_says_when_it_is_copied(tmp_path: Path) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    for tool in ("install_name_tool", "codesign", "lipo", "go", "cc", "env"):
        (tools / tool).write_text('#!/bin/sh\nfor word in "$@"; do printf "%s\\0" "$word"; done >> "$LOG"\n')
        (tools / tool).chmod(0o755)
    app = tmp_path / "app"
    for name in NAMES:
        if name and b"/" not in name and name != b"..":
            inner = os.fsencode(app) + b"/" + name + b".d"
            os.makedirs(inner)  # noqa: PTH103  # a name of bytes
            # what asks lies beside what is asked for, so that the remedy names the directory
            for file, data in (
                (b"x.dylib", MachO(install_name="@rpath/x.dylib").bytes()),
                (b"program", MachO(loads=["@rpath/x.dylib", load(name)], sections=[GO]).bytes()),
            ):
                with open(inner + b"/" + file, "wb") as out:  # noqa: PTH123  # a name of bytes
                    out.write(data)
    document = json.loads(run("audit", str(app), "--macos", "26", "--json").stdout)
    matrices = json.loads(run("scenario", str(app / (text(NAMES[8]) + ".d") / "program"), "--json").stdout)
    steps = {s for finding in document["findings"] for s in finding["remedy"]} | set(_remedies(matrices))
    starts = ("install_name_tool", "codesign", "lipo", "go ", "CGO_LDFLAGS=", "link with", "cc ")
    commands = [s for s in (re.sub(r"^or (?:build with )?", "", step) for step in steps) if s.startswith(starts)]
    assert len(commands) > len(NAMES)
    assert any(command.startswith("CGO_LDFLAGS=") for command in commands)
    log = tmp_path / "log"
    for command in commands:
        subprocess.run(
            ["bash", "-c", re.sub(r"   ?[(#].*| \.\.\.$", "", command)],
            cwd=tmp_path, check=False, capture_output=True,
            env={"PATH": f"{tools}:/bin:/usr/bin", "LOG": str(log), "LC_ALL": "C.UTF-8"},
        )  # fmt: skip
    assert not list(tmp_path.rglob("PWNED"))
    words = set(log.read_bytes().split(b"\0"))
    for name in NAMES:
        if name and b"/" not in name and name != b"..":
            assert os.fsencode(app) + b"/" + name + b".d/program" in words, name


def _remedies(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            if key == "remedy":
                yield from inner
            else:
                yield from _remedies(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _remedies(inner)


def test_a_file_whose_name_is_an_option_is_no_option_of_a_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "-add_rpath").write_bytes(MachO(loads=["@rpath/x.dylib"]).bytes())
    (finding, *_) = json.loads(run("audit", "--macos", "26", "--json", "--", "-add_rpath").stdout)["findings"]
    assert shlex.split(finding["remedy"][0])[-1] == "./-add_rpath"


def test_files_on_disk_with_such_names_are_audited_under_them(tmp_path: Path) -> None:
    wanted = set()
    for name in NAMES:
        if name and b"/" not in name and name != b"..":
            wanted.add(name)
            with open(os.fsencode(tmp_path) + b"/" + name, "wb") as out:  # noqa: PTH123  # a name of bytes
                out.write(MachO(loads=["@rpath/x.dylib"]).bytes())
    document = json.loads(calm(run("audit", str(tmp_path), "--macos", "26", "--json")))
    assert {f["path"].encode("utf-8", "surrogateescape") for f in document["findings"]} == wanted
    for form in AUDITS:
        calm(run("audit", str(tmp_path), "--macos", "26", "--format", form))
