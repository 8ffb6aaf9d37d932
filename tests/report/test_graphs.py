"""Pictures of load graphs: every image and every absent library is one node."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import machochain
from machochain.report.graphs import render_dot, render_mermaid
from tests.cli.running import run
from tests.factory.macho import dylib, executable
from tests.world.archives.packing import zipped

HELLO = Path(__file__).parents[2] / "testdata" / "hello" / "bin"


@pytest.mark.parametrize("render", [render_dot, render_mermaid])
def test_names_that_are_shown_alike_stay_apart(tmp_path: Path, render: object) -> None:
    (tmp_path / "tool").write_bytes(executable("/x/\x1b", "/x/\\x1b", "/x/\\x1b"))
    assert callable(render)
    text = render(machochain.resolve([tmp_path]).results)
    assert "\x1b" not in text
    nodes = {m for line in text.splitlines() if "x1b" in line for m in re.findall(r'^\s*("[^"]+"|\w+)\s*\[', line)}
    arrows = [line for line in text.splitlines() if "->" in line]
    assert len(nodes) == 2
    assert all(sum(line.rstrip(";").split(" [")[0].endswith(node) for line in arrows) in (1, 2) for node in nodes)
    assert len(arrows) == 2


def both(*paths: Path, macos: str = "12..26") -> tuple[str, str, str]:
    """Return DOT, Mermaid and what is warned of on the command line."""
    names, dot, mermaid = [str(path) for path in paths], "", ""
    dot = run("resolve", *names, "--macos", macos, "--format", "dot").stdout
    done = run("resolve", *names, "--macos", macos, "--format", "mermaid")
    mermaid = done.stdout
    return dot, mermaid, done.stderr


def test_what_processes_share_is_drawn_once(tmp_path: Path) -> None:
    (tmp_path / "libx.dylib").write_bytes(dylib("@rpath/libx.dylib"))
    for name in ("a", "b"):
        (tmp_path / name).write_bytes(executable("@rpath/libx.dylib", rpaths=["@loader_path"]))
    dot, mermaid, _ = both(tmp_path)
    for text in (dot, mermaid):
        assert text.count('libx.dylib"') == 1 + text.count('/libx.dylib"')
        assert sum(" -> n" in line or "--> n" in line for line in text.splitlines()) == 2
        assert text.count("arm64, macOS 12 to 26") == 1, "it is the same for all: it is the title"


def test_a_load_that_only_some_processes_have_says_which() -> None:
    dot, mermaid, _ = both(HELLO / "greeter-universal", macos="26")
    assert '  n0 -> n1 [label="x86_64"];' in dot
    assert '  n0 -->|"arm64"| n2' in mermaid
    assert mermaid.startswith('flowchart LR\n  subgraph all["x86_64, arm64, macOS 26"]\n')


def test_programs_of_several_kinds_say_which_they_are_and_files_at_one_place_stay_apart(tmp_path: Path) -> None:
    for number, arch in enumerate(("arm64", "x86_64")):
        zipped(tmp_path / f"{number}.zip", [("bin/tool", executable(arch=arch))])
    dot, mermaid, _ = both(tmp_path, macos="26")
    assert dot.count('label="tool') == 2
    assert "tool\\n(arm64, macOS 26)" in dot
    assert "tool<br/>(x86_64, macOS 26)" in mermaid


def test_one_is_warned_where_a_renderer_will_not_take_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"/gone/lib{number}.dylib" for number in range(40)]
    (tmp_path / "tool").write_bytes(executable(*names))
    assert "Mermaid" not in both(tmp_path / "tool", macos="26")[2]
    monkeypatch.setattr("machochain.report.graphs.MERMAID_ARROWS", 39)
    monkeypatch.setattr("machochain.report.graphs.MERMAID_CHARACTERS", 100)
    warned = both(tmp_path / "tool", macos="26")[2]
    assert "Mermaid will not draw this: 40 arrows are more than the 39 and" in warned
    monkeypatch.setattr("machochain.report.graphs.DOT_ARROWS", 39)
    done = run("resolve", str(tmp_path / "tool"), "--macos", "26", "--format", "dot", "-o", str(tmp_path / "x.dot"))
    assert "40 arrows: dot works for minutes on them" in done.stderr
    assert (tmp_path / "x.dot").read_text().count("->") == 40
