"""Starting is cheap because a command loads only what it works with."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

GREETER = Path(__file__).parents[2] / "testdata" / "hello" / "bin" / "greeter"

NOT_FOR_RESOLVE = {
    "machochain.auditing": "audits",
    "machochain.diagnosis": "reads messages",
    "machochain.findings.golang": "judges what Go made",
    "machochain.golang": "reads what Go made",
    "machochain.graph.diff": "compares two trees",
    "machochain.graph.inspect": "shows facts",
    "machochain.source.archive": "links static libraries",
    "machochain.graph.scenario": "runs contexts of Go",
    "machochain.macho.archive": "reads static libraries",
    "machochain.macho.cms": "is signed ad hoc",
    "machochain.model.artifact": "describes wheels",
    "machochain.model.go": "describes what Go made",
    "machochain.model.prediction": "says what a link will give",
    "machochain.model.stub": "describes stubs",
    "machochain.report.resolution": "writes, and nothing is to be written",
    "machochain.report.text": "writes, and nothing is to be written",
    "machochain.tbd": "reads stubs",
    "machochain.world.archives.opening": "opens wheels",
    "machochain.world.survey": "walks through folders",
    "machochain.world.system.sdk": "reads SDKs",
    "attr": "nobody asks what fields a class has",
    "attrs": "nobody asks what fields a class has",
    "concurrent.futures": "an executor is the caller's",
    "hashlib": "nothing is hashed",
    "lief": "deep inspection",
    "macholib": "deep inspection",
    "networkx": "nobody asked for a graph",
    "pathlib": "paths are texts",
    "plistlib": "no entitlements",
    "shlex": "nothing is proposed",
    "tempfile": "nothing is unpacked",
    "urllib": "nothing is fetched",
    "yaml": "no stubs",
    "zipfile": "nothing is unpacked",
}


def loaded_by(statement: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", f"import sys\n{statement}\nprint(*sys.modules)"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


@pytest.fixture(scope="module")
def resolving() -> set[str]:
    run = f"try: main(['resolve', {str(GREETER)!r}, '-q'])\nexcept SystemExit as end: assert not end.code"
    return loaded_by(f"from machochain.cli import main\n{run}")


@pytest.mark.parametrize("module", NOT_FOR_RESOLVE)
def test_resolving_a_program_loads_nothing_that_others_need(module: str, resolving: set[str]) -> None:
    assert "machochain.api" in resolving
    assert not {m for m in resolving if m == module or m.startswith(module + ".")}, NOT_FOR_RESOLVE[module]


@pytest.mark.parametrize("command", ["audit", "inspect", "resolve"])
def test_no_command_asks_attrs_to_make_the_classes_of_values(command: str) -> None:
    run = f"try: main([{command!r}, {str(GREETER)!r}, '--json', '-o', {os.devnull!r}])\nexcept SystemExit: pass"
    loaded = loaded_by(f"from machochain.cli import main\n{run}")
    assert "machochain.session" in loaded
    assert "attr" not in loaded


def test_importing_the_package_loads_nothing_else_of_it() -> None:
    loaded = loaded_by("import machochain")
    assert {m for m in loaded if m.startswith("machochain")} == {"machochain", "machochain._version"}
    assert not {"attr", "attrs", "click", "re", "json"} & loaded - loaded_by("import importlib, typing")


def test_the_command_line_alone_loads_no_command() -> None:
    loaded = loaded_by("import machochain.cli")
    assert {m for m in loaded if m.startswith("machochain")} <= {
        "machochain", "machochain._version", "machochain.cli", "machochain.model", "machochain.model.errors",
    }  # fmt: skip


def test_the_details_of_the_catalogue_are_not_unpacked_to_follow_re_exports() -> None:
    run = f"try: main(['resolve', {str(GREETER)!r}, '-q'])\nexcept SystemExit as end: assert not end.code"
    code = (
        "from machochain.cli import main\nfrom machochain.world.system.opening import open_system\n"
        f"{run}\nprint(sorted(vars(open_system()._tables).keys() & {{'umbrellas', '_detail_texts', '_squeezed'}}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "['umbrellas']\n"
