"""Names a recorded Mac holds are data wherever GitHub shows them: annotations, step summary, a merge request."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from machochain.machine.snapshot import document
from tests.cli.running import run
from tests.machine.macs import mac
from tests.report.audits import EVIL
from tests.report.test_guard import ATTACKS, is_command
from tests.source.modules import GO_MOD, cgo, write

NAMES = (*ATTACKS, EVIL.replace("\udcff", ""), "![x](http://evil/x.png)", "[a](javascript:alert(1))|b", "`` @user `")
SPANS = re.compile(r"(?<!`)(`+)(?!`).*?(?<!`)\1(?!`)")


def recorded(path: Path, name: str) -> str:
    """Record a Mac where a name stands wherever one may: its toolchain is broken, so that the name becomes a reason."""
    settings = {"MACOSX_DEPLOYMENT_TARGET": name, "CGO_LDFLAGS": f"-L{name}", "CPATH": name, "SDKROOT": name}
    outputs = {"developer_dir": name, "sdk_version": name, "brew_prefix": name, "which_cc": name}
    path.write_text(json.dumps(document(mac(out=outputs, env=settings, go_env={"GOARCH": name}))))
    return str(path)


def bare(markdown: str) -> str:
    """Return what is neither a code span nor in a block of code."""
    out, fence = [], ""
    for line in markdown.splitlines():
        if not fence and (found := re.match("`{3,}", line)):
            fence = found[0]
        elif fence and line == fence:
            fence = ""
        elif not fence:
            out.append(SPANS.sub("", line))
    return "\n".join(out)


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_no_name_of_a_mac_becomes_a_command_or_markup(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    module = str(write(tmp_path / "module", {"go.mod": GO_MOD, "x.go": cgo("#cgo LDFLAGS: -lz")}))
    (tmp_path / "policy.toml").write_text("[machochain.ci]\n")
    monkeypatch.setenv("GITHUB_OUTPUT", str(tmp_path / "out"))
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary"))
    mine = recorded(tmp_path / "mac.json", name)
    done = run("doctor", mine, "--source", module, "--policy", str(tmp_path / "policy.toml"), "--github")
    annotations = done.stderr.splitlines()
    assert any(line.startswith("::warning title=MC756 ") for line in annotations), done.stderr
    for line in annotations:
        assert re.match(r"::(error|warning|notice) title=MC7\d\d [a-z0-9-]+::", line), line
        assert not is_command(line.partition(" ")[2].partition("::")[2]), line
    (tmp_path / "healthy.json").write_text(json.dumps(document(mac())))
    compared = run("diff", str(tmp_path / "healthy.json"), mine, "--format", "markdown").stdout
    assert "| `CPATH` | (none) | `" in compared
    for text in ((tmp_path / "summary").read_text(), compared):
        assert not any(map(is_command, text.splitlines())), text
        assert not re.search(r"<img|<script|@user|\]\(", bare(text)), bare(text)
