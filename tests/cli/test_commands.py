"""The commands as a person meets them: output, exit codes, pipes, bad input."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from machochain.cli import LazyGroup
from tests.cli.running import run
from tests.factory.macho import MachO, load

ROOT = Path(__file__).parents[2]
HELLO = ROOT / "testdata" / "hello"
GREETER = str(HELLO / "bin" / "greeter")
BROKEN = str(HELLO / "bin" / "greeter-broken")


def test_a_binary_that_launches_exits_with_0_and_says_whose_run_path_found_the_library() -> None:
    done = run("resolve", GREETER)
    assert done.returncode == 0, done.stderr
    assert "launches" in done.stdout
    assert "run path '@executable_path/../lib' of greeter" in done.stdout


def test_a_binary_that_does_not_launch_exits_with_1_and_gives_dylds_words_and_a_command() -> None:
    done = run("resolve", BROKEN)
    assert done.returncode == 1
    assert "Library not loaded: @rpath/libgreet.1.dylib" in done.stdout
    assert "Reason: no LC_RPATH's found" in done.stdout
    assert "install_name_tool -add_rpath @loader_path/../lib" in done.stdout


def test_an_intel_program_on_apple_silicon_is_said_to_launch_with_rosetta(tmp_path: Path) -> None:
    tool = tmp_path / "tool"
    tool.write_bytes(MachO(arch="x86_64").bytes())
    assert "launches with Rosetta" in run("resolve", str(tool), "--host", "apple-silicon").stdout
    assert "Rosetta" not in run("resolve", str(tool), "--host", "intel").stdout


def test_a_file_that_is_no_mach_o_exits_with_2_and_the_others_are_still_looked_at() -> None:
    done = run("resolve", str(ROOT / "pyproject.toml"), GREETER)
    assert done.returncode == 2
    assert "pyproject.toml" in done.stderr
    assert "launches" in done.stdout


def test_a_missing_file_exits_with_2_without_a_traceback() -> None:
    done = run("resolve", "/no/such/file")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "/no/such/file" in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["resolve", GREETER, "--macos", "10.15"],
        ["resolve", GREETER, "--macos", "19"],
        ["resolve", GREETER, "--macos", "15..12"],
        ["resolve", GREETER, "--macos", "fifteen"],
        ["resolve", GREETER, "--env", "NOVALUE"],
        ["resolve", GREETER, "--map", "relative=."],
        ["resolve", GREETER, "--cwd", "relative"],
        ["resolve", GREETER, "--no-such-option"],
        ["resolve"],
        ["explain", GREETER, "libnothing.dylib"],
        ["no-such-command"],
    ],
)
def test_wrong_usage_exits_with_2_and_one_plain_sentence(arguments: list[str]) -> None:
    done = run(*arguments)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert done.stderr.strip()


def test_an_unseen_prefix_makes_the_answer_unknown_which_strict_turns_into_exit_code_3(tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_bytes(MachO(loads=[load("/usr/lib/libSystem.B.dylib"), load("/opt/x/libx.dylib")]).bytes())
    unseen = ["--unseen", "/opt/x"]
    assert run("resolve", str(program)).returncode == 1
    assert run("resolve", str(program), *unseen).returncode == 0
    done = run("resolve", str(program), "--strict", *unseen)
    assert done.returncode == 3
    assert "/opt/x/libx.dylib may or may not exist" in done.stdout


def test_a_slice_that_is_not_there_is_named_together_with_those_that_are() -> None:
    done = run("resolve", GREETER, "--arch", "ppc")
    assert done.returncode == 2
    assert "no ppc slice (it has arm64)" in done.stderr


def test_a_range_of_releases_gives_one_result_per_generation_of_dyld() -> None:
    found = json.loads(run("resolve", GREETER, "--macos", "14..26", "--json").stdout)
    assert [r["macos"] for r in found["results"]] == ["14.0", "14.4", "15.0", "15.4", "15.5", "26.0", "26.1", "26.4"]


def test_output_goes_to_the_file_that_is_named(tmp_path: Path) -> None:
    done = run("resolve", GREETER, "--json", "-o", str(tmp_path / "out.json"))
    assert done.stdout == ""
    assert json.loads((tmp_path / "out.json").read_text())["schema"] == "machochain.resolve/1"


def test_a_pipe_gets_no_colours_and_a_dumb_encoding_no_box_characters() -> None:
    assert "\x1b" not in run("resolve", BROKEN).stdout
    done = run("resolve", BROKEN, encoding="ascii")
    assert done.returncode == 1
    assert done.stdout.isascii()


@pytest.mark.parametrize("form", ["dot", "mermaid", "graphml", "node-link"])
def test_the_graph_comes_in_the_forms_other_programs_read(form: str) -> None:
    done = run("resolve", GREETER, "--format", form)
    assert done.returncode == 0
    assert "libgreet.1.dylib" in done.stdout


def test_explain_numbers_the_paths_in_dylds_order_and_names_the_rule() -> None:
    universal = str(HELLO / "bin" / "greeter-universal")
    done = run("explain", universal, "libgreet.1.dylib", "--arch", "x86_64")
    assert done.returncode == 1
    first, second = (done.stdout.index(f"  {n}. ") for n in (1, 2))
    assert first < second
    assert "run path '@executable_path/../lib' of greeter-universal" in done.stdout


def test_inspect_shows_what_otool_would_and_what_dyld_thinks_of_it() -> None:
    done = run("inspect", GREETER)
    assert done.returncode == 0
    for text in ("MH_EXECUTE", "@rpath/libgreet.1.dylib", "run path", "@executable_path/../lib", "ad-hoc"):
        assert text in done.stdout


def test_quiet_says_nothing_and_the_exit_code_tells() -> None:
    done = run("resolve", BROKEN, "-q")
    assert (done.returncode, done.stdout) == (1, "")


def test_the_start_loads_no_heavy_library() -> None:
    code = (
        "import sys; from machochain.cli import main\n"
        "try: main(['resolve', sys.argv[1], '-q'])\n"
        "except SystemExit: pass\n"
        "print(sorted({'lief', 'macholib', 'networkx', 'rich', 'yaml'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code, GREETER], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_reader_that_leaves_early_is_no_error() -> None:
    command = f"{sys.executable} -m machochain inspect {GREETER} -v | head -1; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["/bin/bash", "-c", command], cwd=ROOT, capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr
    assert done.returncode == 0


def test_a_name_cannot_move_the_cursor_or_forge_a_line(tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_bytes(MachO(loads=[load("/usr/lib/libSystem.B.dylib"), load(b"/x/\x1b[2J\nok.dylib")]).bytes())
    done = run("resolve", str(program))
    assert "\x1b" not in done.stdout
    assert "\\x1b[2J\\x0aok.dylib" in done.stdout


@pytest.mark.parametrize("command", [*LazyGroup.COMMANDS])
def test_the_help_keeps_each_example_on_a_line_of_its_own_and_shows_no_control_mark(command: str) -> None:
    shown = run(command, "--help").stdout
    assert "\\b" not in shown
    assert "\b" not in shown
    assert not [line for line in shown.splitlines() if line.count("machochain ") > 1 and "Usage" not in line]


def test_the_tree_shows_a_plug_in_below_the_program_that_loads_it(tmp_path: Path) -> None:
    (tmp_path / "app").write_bytes(MachO(loads=[load("@loader_path/liba.dylib")]).bytes())
    (tmp_path / "plug.bundle").write_bytes(
        MachO(file_type=8, loads=[load("@loader_path/liba.dylib"), load("@rpath/libgone.dylib", weak=True)]).bytes()
    )
    (tmp_path / "liba.dylib").write_bytes(MachO(install_name="@loader_path/liba.dylib").bytes())
    shown = run("resolve", str(tmp_path / "plug.bundle"), "--main", str(tmp_path / "app")).stdout
    assert "\n  plug.bundle  [loaded by app when it runs]\n  ├─ @loader_path/liba.dylib" in shown
    assert "├─ @rpath/libgone.dylib (weak)  absent" in shown


def test_a_binary_that_is_named_twice_is_two_processes_of_one_release() -> None:
    shown = run("resolve", GREETER, GREETER).stdout
    assert "releases looked at" not in shown
    assert shown.count("macOS 26.4  ✔ launches") == 2


def test_a_link_that_leads_nowhere_is_called_that(tmp_path: Path) -> None:
    (tmp_path / "gone").symlink_to("nowhere")
    (tmp_path / "loop").symlink_to("loop")
    for name in ("gone", "loop"):
        done = run("resolve", str(tmp_path / name))
        assert done.returncode == 2
        assert done.stderr == f"machochain: {tmp_path / name}: a symbolic link that leads nowhere\n"


@pytest.mark.parametrize("command", [["resolve"], ["resolve", "--macos", "12"], ["explain"]])
def test_the_tabs_of_dyld2_are_shown_as_they_are(command: list[str], tmp_path: Path) -> None:
    (tmp_path / "app").write_bytes(MachO(loads=[load("@loader_path/liba.dylib")]).bytes())
    (tmp_path / "liba.dylib").write_bytes(b"no library\n" * 1000)
    asked = ["liba.dylib"] if command[0] == "explain" else []
    shown = run(*command, str(tmp_path / "app"), *asked, "--macos", "11").stdout
    assert f"\t{tmp_path}/liba.dylib: unknown file type" in shown
    assert "\\x09" not in shown
    assert not [line for line in shown.splitlines() if line != line.rstrip()]


def test_a_missing_file_does_not_keep_the_others_from_being_looked_at() -> None:
    done = run("resolve", "/no/such/file", GREETER, "/no/other")
    assert done.returncode == 2
    assert "launches" in done.stdout
    assert done.stderr.splitlines() == [
        "machochain: /no/such/file: no such file or directory", "machochain: /no/other: no such file or directory",
    ]  # fmt: skip
    assert run("resolve", "/no/such/file", "/no/other").stdout == ""
