"""``machochain source``: what it prints, and its exit codes."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Final

import pytest

from machochain.findings import RULES
from tests.cli.running import run
from tests.source.modules import GO_MOD, cgo, write

ROOT: Final = Path(__file__).parents[2]
PAGE: Final = ROOT / "docs" / "source.md"
_BLOCK: Final = re.compile(r"```console\n\$ machochain ([^\n]*)\n(.*?)```", re.DOTALL)


def blocks() -> list[tuple[str, str]]:
    return [(m[1], m[2]) for m in _BLOCK.finditer(PAGE.read_text())]


def regenerate() -> None:
    """Write the outputs of the page anew: ``python -m tests.cli.test_source``."""
    os.environ["COLUMNS"] = "80"

    def filled(match: re.Match[str]) -> str:
        return f"```console\n$ machochain {match[1]}\n{run(*match[1].split()).stdout}```"

    PAGE.write_text(_BLOCK.sub(filled, PAGE.read_text()))


@pytest.mark.parametrize(("command", "output"), blocks())
def test_outputs_of_the_page_are_real(command: str, output: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("COLUMNS", "80")
    assert output
    assert run(*command.split()).stdout == output


def test_the_page_names_rules_that_exist() -> None:
    assert set(re.findall(r"MC\d{3}", PAGE.read_text())) <= set(RULES)


@pytest.mark.parametrize(
    ("line", "options", "code"),
    [
        ("#cgo LDFLAGS: -lz", (), 0),
        ("#cgo ldflags: -lz", (), 1),
        ("#cgo ldflags: -lz", ("--fail-on", "never"), 0),
        ("#cgo CFLAGS: -I/Users/x", (), 0),
        ("#cgo CFLAGS: -I/Users/x", ("--fail-on", "warning"), 1),
        ("#include <stdio.h>", ("--strict",), 3),
        ("#cgo LDFLAGS: -lz", ("--go", "two"), 2),
        ("#cgo LDFLAGS: -lz", ("--why", "nothing.h"), 2),
        ("#cgo LDFLAGS: -lz", ("--why", "-lz"), 0),
        ("#cgo LDFLAGS: -lz", ("--goenv", "/nonexistent"), 2),
    ],
)
def test_exit_codes(tmp_path: Path, line: str, options: tuple[str, ...], code: int) -> None:
    write(tmp_path, {"go.mod": GO_MOD, "x.go": cgo(line)})
    done = run("source", str(tmp_path), *options)
    assert done.returncode == code, done.stdout + done.stderr


def test_every_answer_has_its_evidence(tmp_path: Path) -> None:
    write(tmp_path, {"go.mod": GO_MOD, "x.go": cgo("#cgo darwin LDFLAGS: -lz", "#include <stdio.h>")})
    found = json.loads(run("source", str(tmp_path), "--json", "--goarch", "arm64").stdout)

    assert found["module"]["path"] == "example.org/m"
    (word,) = found["packages"][0]["flags"]["LDFLAGS"]
    assert (word["line"], word["condition"], word["origin"]) == (3, "darwin", "directive")
    assert {s["name"]: s["outcome"] for s in found["search"]} == {"stdio.h": "unknown", "z": "found"}


if __name__ == "__main__":
    regenerate()


def test_programs_of_which_nothing_is_known_are_counted_and_named_on_request(tmp_path: Path) -> None:
    files = {"go.mod": GO_MOD, "x.go": cgo("#cgo LDFLAGS: -lz"), "x_test.go": "package m\n"}
    mains = {f"cmd/c{n}/main.go": 'package main\n\nimport _ "example.org/m"\n\nfunc main() {}\n' for n in range(6)}
    write(tmp_path, {**files, **mains})

    short = run("source", str(tmp_path), "--goarch", "arm64").stdout
    assert "  6 programs and 1 test binary: ? launch unknown until linked (-v names them)" in short.splitlines()
    assert "cmd/c0" not in short
    long = run("source", str(tmp_path), "--goarch", "arm64", "-v").stdout
    assert "  example.org/m/cmd/c0: ? launch unknown until linked" in long.splitlines()


def test_why_of_a_name_nothing_asks_for_says_what_is_asked_for(tmp_path: Path) -> None:
    write(tmp_path, {"go.mod": GO_MOD, "x.go": cgo("#cgo LDFLAGS: -lz")})

    assert "nothing asks for '-lnope'; what is asked for: -lz" in run("source", str(tmp_path), "--why", "-lnope").stderr


def test_a_run_path_of_one_machine_is_to_start_at_the_program(tmp_path: Path) -> None:
    write(tmp_path, {"go.mod": GO_MOD, "x.go": cgo("#cgo darwin LDFLAGS: -Wl,-rpath,/Users/x/lib")})

    done = run("source", str(tmp_path), "--goarch", "arm64").stdout
    assert "warning[MC717]" in done
    assert "CGO_LDFLAGS='-O2 -g -Wl,-rpath,@loader_path/../lib' go build" in done
    assert "one line for each processor" not in done
