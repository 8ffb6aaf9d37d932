"""Pictures of load graphs: every image and every absent library is one node."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import machochain
from machochain.report.graphs import render_dot, render_mermaid
from tests.factory import executable


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
    assert len(arrows) == 3
