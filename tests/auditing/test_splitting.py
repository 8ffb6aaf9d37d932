"""One big input in several processes gives the report that one process gives, whatever becomes of the others."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

import machochain
from machochain.auditing import splitting
from machochain.cli import cli
from machochain.cli.audit import _bar
from machochain.report.registry import Document, render
from tests.auditing.killing import resolve_or_die
from tests.findings.audited import write_tree
from tests.findings.scenes import exe, lib


@pytest.fixture
def tree(tmp_path: Path) -> str:
    """Programs, and libraries that load one another: some of them in circles, two files that are cut."""
    files = {f"bin/tool{n}": exe(f"@rpath/lib{n}.dylib", rpaths=["@executable_path/../lib"]) for n in range(12)}
    for number in range(60):
        needs = [f"@loader_path/lib{(number * 7 + 3) % 70}.dylib", "/usr/lib/libSystem.B.dylib"]
        files[f"lib/lib{number}.dylib"] = lib(f"@rpath/lib{number}.dylib", *needs)
    files["lib/cut.dylib"] = files["lib/lib1.dylib"][:200]
    files["bin/cut"] = files["bin/tool1"][:100]
    write_tree(tmp_path / "tree", files)
    return str(tmp_path / "tree")


@pytest.mark.parametrize("form", ["json", "sarif", "text"])
def test_the_report_is_the_same_byte_for_byte(tree: str, form: str) -> None:
    alone, shared = (
        "".join(render(machochain.audit([tree], jobs=jobs), form, document=Document.AUDIT)) for jobs in (1, 3)
    )
    assert alone == shared
    assert "lib3" in alone


def test_a_killed_process_loses_the_file_it_worked_on_and_no_other(tree: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(splitting, "_resolve_in_worker", resolve_or_die)
    report = machochain.audit([tree], jobs=2)
    plain = machochain.audit([tree])
    (lost,) = [error for error in report.errors if "killed" in error.reason]
    assert lost.path is not None
    assert lost.path.endswith("bin/tool3")
    told = {result.input for result in report.results}
    assert told >= {result.input for result in plain.results} - {lost.path}


def test_files_of_one_input_are_counted(tree: str) -> None:
    from machochain.auditing import audit_parts, policy_of

    seen: list[tuple[int, int]] = []

    def told(done: int, total: int) -> None:
        seen.append((done, total))

    list(audit_parts([tree], policy_of(None), progress=told))
    total = seen[0][1]
    assert seen == [(n, total) for n in range(1, total + 1)]
    assert total > 70


def test_a_bar_is_shown_on_a_terminal_only(tree: str, capsys: pytest.CaptureFixture[str]) -> None:
    found = CliRunner().invoke(cli, ["audit", tree, "--macos", "26"])
    assert "files\n" not in found.stderr
    assert "\r" not in found.stderr
    _bar(5, 10)
    assert "[###############               ] 5/10 files" in capsys.readouterr().err
