"""The action of GitHub, the hook of pre-commit, the matcher, the container: each done as its host does it."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cli.running import run

ROOT = Path(__file__).parents[2]
HELLO = ROOT / "testdata" / "hello"
ACTION = ROOT / ".github" / "actions" / "machochain"
DOCUMENT: dict[str, Any] = yaml.safe_load((ACTION / "action.yml").read_text(encoding="utf-8"))


def act(folder: Path, **inputs: str) -> tuple[subprocess.CompletedProcess[str], str]:
    """Run the action's step as a runner does: inputs become variables, outputs are read from the file."""
    (step,) = DOCUMENT["runs"]["steps"]
    given = {name: each.get("default", "") for name, each in DOCUMENT["inputs"].items()} | inputs
    variables = {}
    for name, expression in step["env"].items():
        asked = re.fullmatch(r"\$\{\{ (inputs|github)\.([a-z_-]+) \}\}", expression)
        assert asked is not None
        variables[name] = given[asked[2]] if asked[1] == "inputs" else str(ACTION)
    # The environment that is installed into is there already: the tests' own.
    prepared = folder / "runner" / "machochain" / "bin"
    prepared.mkdir(parents=True, exist_ok=True)
    program = prepared / "machochain"
    program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m machochain "$@"\n')
    program.chmod(0o755)
    outputs = folder / "outputs"
    outputs.write_text("")
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "RUNNER_TEMP": str(folder / "runner"),
        "GITHUB_OUTPUT": str(outputs),
    }
    done = subprocess.run(
        ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", "-c", step["run"]],
        cwd=folder, env={**environment, **variables}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done, outputs.read_text()


def test_no_input_becomes_part_of_a_command() -> None:
    (step,) = DOCUMENT["runs"]["steps"]
    assert "${{" not in step["run"]
    assert set(DOCUMENT["inputs"]) == set(re.findall(r"inputs\.([a-z-]+)", json.dumps(step["env"])))


@pytest.mark.parametrize(
    ("name", "code", "result"), [("greeter", 0, "passed"), ("greeter-broken", 1, "failed"), ("absent", 2, "error")]
)
def test_the_action_ends_as_the_audit(name: str, code: int, result: str, tmp_path: Path) -> None:
    shutil.copytree(HELLO, tmp_path / "dist")
    done, outputs = act(tmp_path, paths=f"dist/bin/{name}\n", macos="12..26", sarif="out.sarif")
    assert done.returncode == code, done
    assert outputs == f"result={result}\n"
    assert (tmp_path / "out.sarif").exists()


def test_patterns_and_lines_are_paths_and_nothing_is_run(tmp_path: Path) -> None:
    shutil.copytree(HELLO / "bin", tmp_path / "dist" / "with space")
    paths = "dist/with sp*/greeter-b*\n$(touch caught)\n; touch caught"
    done, outputs = act(tmp_path, paths=paths, arguments="--fail-on=never\n--macos=26")
    assert "greeter-broken" in done.stdout
    assert "$(touch caught)" in done.stdout + done.stderr
    assert not (tmp_path / "caught").exists()
    assert outputs == "result=error\n"


@pytest.mark.toolchain
def test_the_action_installs_its_own_revision(tmp_path: Path) -> None:
    shutil.copytree(HELLO, tmp_path / "dist")
    shutil.copytree(
        ROOT, tmp_path / "source", ignore=shutil.ignore_patterns(".venv", ".git", "__pycache__", ".*_cache")
    )
    environment = {
        **{name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")},
        "RUNNER_TEMP": str(tmp_path / "runner"), "GITHUB_OUTPUT": str(tmp_path / "outputs"),
        "MC_ACTION": str(tmp_path / "source" / ".github" / "actions" / "machochain"), "MC_PATHS": "dist/bin/greeter",
        **{f"MC_{name}": "" for name in ("MACOS", "PROFILE", "FAIL_ON", "SARIF", "ANCHOR", "HTML", "ARGUMENTS")},
    }  # fmt: skip
    done = subprocess.run(
        ["bash", ACTION / "audit.sh"], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done
    assert "passed" in done.stdout


def hook(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "machochain.hook", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_the_hook_leaves_other_systems_alone_and_stops_what_does_not_load(tmp_path: Path) -> None:
    (declared,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
    assert shlex.split(declared["entry"]) == ["python", "-m", "machochain.hook"]
    files = re.compile(declared["files"])
    assert all(files.search(name) for name in ("a.dylib", "lib/_x.so", "m.node", "bin/tool"))
    assert not any(files.search(name) for name in ("a.py", "README.md", "bin/tool.sh"))
    elf = tmp_path / "x.so"
    elf.write_bytes(b"\x7fELF\x02\x01\x01" + bytes(60))
    alone = hook(str(elf))
    assert (alone.returncode, alone.stdout, alone.stderr) == (0, "", "")
    broken = hook("--macos=26", str(elf), str(HELLO / "bin" / "greeter-broken"))
    assert broken.returncode == 1
    assert "MC101" in broken.stdout
    assert "x.so" not in broken.stdout + broken.stderr
    assert hook(str(HELLO / "bin" / "greeter")).returncode == 0


def test_the_matcher_finds_the_findings_of_a_log() -> None:
    matchers = json.loads((ROOT / ".github" / "machochain-matcher.json").read_text())["problemMatcher"]
    log = run("resolve", str(HELLO), "--color", "always").stdout
    found = [
        (matcher["severity"], hit[pattern["code"]], hit[pattern["message"]])
        for matcher in matchers
        for (pattern,) in [matcher["pattern"]]
        for line in log.splitlines()
        if (hit := re.search(pattern["regexp"], line))
    ]
    assert [(severity, rule) for severity, rule, _ in found] == [("error", "MC101"), ("error", "MC103")]
    assert found[0][2].startswith("greeter-broken loads @rpath/libgreet.1.dylib")


def test_the_container_copies_what_the_build_needs_and_starts_the_command() -> None:
    lines = (ROOT / "Containerfile").read_text().splitlines()
    copied = [
        word for line in lines if line.startswith("COPY ") and "--from" not in line for word in line.split()[1:-1]
    ]
    assert all((ROOT / name).exists() for name in copied)
    assert {"pyproject.toml", "README.md", "LICENSE", "machochain"} <= set(copied)
    (entry,) = (json.loads(line.split(" ", 1)[1]) for line in lines if line.startswith("ENTRYPOINT"))
    assert entry == ["/opt/machochain/bin/machochain"]
    assert any(line.startswith("USER ") for line in lines)
