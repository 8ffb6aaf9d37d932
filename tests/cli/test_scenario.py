"""``machochain scenario``: what is printed, the documents, the exit codes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.cli.running import Done, run
from tests.factory import load
from tests.graph.test_scenario import GREET, LIBRARIES, PLACE, program

ROOT = Path(__file__).parents[2]
RELATIVE = program(GREET, rpaths=["@loader_path/../lib"])
STABLE = program(GREET, rpaths=["/opt/greet/lib"])


def scenario(root: Path, binary: bytes, *options: str) -> Done:
    for place, data in {PLACE: binary, **LIBRARIES}.items():
        file = root / place[1:]
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
    return run("scenario", str(root / PLACE[1:]), "--root", str(root), *options)


def document(root: Path, binary: bytes, *options: str) -> Any:
    found = json.loads(scenario(root, binary, "--json", *options).stdout)
    schema = json.loads((ROOT / "docs" / "schema" / "scenario-1.json").read_text())
    jsonschema.validate(found, schema, cls=jsonschema.Draft202012Validator)
    return found


def test_the_table_has_a_letter_for_each_context_and_a_mark_for_each_library(tmp_path: Path) -> None:
    done = scenario(tmp_path, RELATIVE, "--contexts", "in-place,go-run,go-test", "--cwd", "/src")
    lines = done.stdout.splitlines()

    assert lines[0].endswith("arm64  macOS 26.4  go1.27.3  started in /src")
    assert lines[2].split() == ["A", "B", "C"]
    assert lines[3].split() == [GREET, "✔", "✘", "✘", "differs"]
    assert lines[4].split() == ["1", "from", "the", "OS", "✔", "✔", "✔", "stable"]
    assert lines[5].split() == ["launches", "✔", "✘", "✘"]
    assert "  B  go run (fresh)  $WORK/b001/exe/hello" in lines
    assert "  C  go test         $WORK/b001/hello.test" in lines
    assert "@rpath/libgreet.dylib: differs, depends on where the executable lies" in lines
    assert "      $WORK/b001/exe/../lib/libgreet.dylib: no such file" in lines
    assert "    Only Go writes below $WORK and $GOCACHE: no library can ever lie there." in lines


def test_marks_stand_below_their_letters_where_all_names_are_short(tmp_path: Path) -> None:
    lines = scenario(tmp_path, program()).stdout.splitlines()
    assert lines[2].index("A") == lines[3].index("✔") == lines[4].index("✔")


def test_tables_keep_to_80_columns(tmp_path: Path) -> None:
    long = "/opt/some/very/long/prefix/that/goes/on/and/on/Frameworks/Greetings.framework/Versions/A/Greetings"
    done = scenario(tmp_path, program(GREET, long, rpaths=["@loader_path/../lib"]), "--contexts", "all")
    table = done.stdout.split("\n  A  ")[0].splitlines()[1:]

    assert all(len(line) <= 80 for line in table)
    # A name that is too long is broken behind a slash.
    assert any(line.rstrip().endswith("/") for line in table)
    assert [line.split()[0] for line in table[3:6]] == [
        "/opt/some/very/long/prefix/that/goes/on/",
        "and/on/Frameworks/Greetings.framework/",
        "Versions/A/Greetings",
    ]


def test_without_unicode_the_table_is_plain(tmp_path: Path) -> None:
    for place, data in {PLACE: RELATIVE, **LIBRARIES}.items():
        (tmp_path / place[1:]).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / place[1:]).write_bytes(data)
    arguments = ("scenario", str(tmp_path / PLACE[1:]), "--root", str(tmp_path), "--contexts", "in-place,go-run")
    done = run(*arguments, encoding="ascii")

    assert done.stdout.isascii()
    assert f"  {GREET}  + x differs" in done.stdout


@pytest.mark.parametrize(
    ("binary", "options", "code"),
    [
        (STABLE, (), 0),
        (RELATIVE, (), 1),
        (RELATIVE, ("--fail-on", "broken"), 0),
        (RELATIVE, ("--fail-on", "never"), 0),
        (program(GREET), ("--fail-on", "broken"), 1),
        (program(GREET), ("--fail-on", "never"), 0),
        (STABLE, ("--unseen", "/opt"), 0),
        (STABLE, ("--unseen", "/opt", "--strict"), 3),
        (STABLE, ("--strict",), 0),
        (program(load(GREET, weak=True)), ("--strict",), 0),
        (STABLE, ("--contexts", "go-walk"), 2),
        (STABLE, ("--context", "mine:exe=relative"), 2),
        (STABLE, ("--go", "/nonexistent/go"), 2),
    ],
)
def test_exit_codes(tmp_path: Path, binary: bytes, options: tuple[str, ...], code: int) -> None:
    done = scenario(tmp_path, binary, *options)

    assert done.returncode == code, done.stdout + done.stderr
    assert bool(done.stderr) is (code == 2)


def test_releases_with_one_answer_share_a_table(tmp_path: Path) -> None:
    done = scenario(tmp_path, RELATIVE, "--contexts", "in-place,go-run", "--macos", "14..26")

    assert done.stdout.count("  launches") == 1
    assert "macOS 14.0 to 26.4" in done.stdout.splitlines()[0]


def test_the_document_keeps_to_its_schema_and_says_what_the_table_says(tmp_path: Path) -> None:
    found = document(tmp_path, RELATIVE, "--contexts", "all", "--macos", "15", "--macos", "26", "--env", "DYLD_X=1")
    (matrix,) = found["results"]
    (greet,) = [x for x in matrix["libraries"] if x["name"] == GREET]

    assert len(matrix["columns"]) == len(greet["cells"]) == 30
    assert (greet["verdict"], greet["reasons"]) == ("differs", ["executable-relative"])
    cells = {(c["context"], c["macos"]): c for c in greet["cells"]}
    assert cells["in-place", "26.0"]["path"] == "/src/lib/libgreet.dylib"
    assert cells["in-place", "26.0"]["rule"] == "@path expansion"
    assert cells["in-place", "26.0"]["run_path"] == "@loader_path/../lib"
    assert cells["go-run", "15.0"]["certain_by_place"]
    assert cells["go-run", "15.0"]["reason"] == "$WORK/b001/exe/../lib/libgreet.dylib: no such file"
    assert {c["context"]: c["lost"] for c in matrix["columns"]}["go-official"] == ["DYLD_X"]
    assert "go-build0" not in json.dumps(found)


@pytest.mark.parametrize(
    "binary", [STABLE, program(GREET, version=None), program(load(GREET, weak=True), version="go1.20")]
)
def test_every_document_keeps_to_its_schema(tmp_path: Path, binary: bytes) -> None:
    assert document(tmp_path, binary, "--unseen", "/opt")["schema"] == "machochain.scenario/1"


def test_markdown_is_a_table_with_its_remedies(tmp_path: Path) -> None:
    lines = scenario(
        tmp_path, RELATIVE, "--format", "markdown", "--contexts", "in-place,go-run"
    ).stdout.splitlines()  # fmt: skip

    assert "| library | in place | go run (fresh) | verdict |" in lines
    assert f"| `{GREET}` | found | missing | **differs** |" in lines
    assert "| launches | yes | **no** | |" in lines
    assert '- `CGO_LDFLAGS="$CGO_LDFLAGS -Wl,-rpath,/src/lib" go run .   (go test ./... likewise)`' in lines


def test_the_package_directory_is_where_tests_run(tmp_path: Path) -> None:
    (matrix,) = document(tmp_path, program("libgreet.dylib"), "--package-dir", "/src/lib", "--contexts", "go")[
        "results"
    ]
    launches = {c["context"]: c["launches"] for c in matrix["columns"]}

    assert launches == {
        "in-place": None, "go-run": None, "go-run-cached": None, "go-test": True, "go-test-c": None,
        "go-official": None, "go-install": None,
    }  # fmt: skip


def test_contexts_of_ones_own_stand_beside_the_others(tmp_path: Path) -> None:
    options = ("--contexts", "in-place", "--context", "CI:exe=/Users/runner/out/hello,cwd=/Users/runner")
    (matrix,) = document(tmp_path, RELATIVE, *options)["results"]

    assert [(c["context"], c["executable"]) for c in matrix["columns"]] == [
        ("in-place", "/src/bin/hello"),
        ("CI", "/Users/runner/out/hello"),
    ]


def test_help_states_contexts_and_exit_codes() -> None:
    text = " ".join(run("scenario", "--help").stdout.split())

    # Long words are broken at their hyphens.
    assert "in-place,go-run,go-run-cached,go-test,go-test-c,go-official" in text.replace(" ", "")
    assert "Exit codes: 0 the program launches everywhere, 1 it fails" in text
