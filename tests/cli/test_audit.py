"""The gate as a release job meets it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest

from machochain.judging.policy_file import IGNORE_KEYS, KEYS, OVERRIDE_KEYS, parse_policy
from tests.cli.running import Done, run
from tests.factory.macho import MachO
from tests.findings.audited import write_tree
from tests.findings.scenes import exe

ROOT = Path(__file__).parents[2]
HELLO = ROOT / "testdata" / "hello"
GREETER = str(HELLO / "bin" / "greeter")
BROKEN = str(HELLO / "bin" / "greeter-broken")
DOCS = (ROOT / "docs" / "audit.md").read_text()


def audit(*arguments: str) -> Done:
    return run("audit", "--no-config", *arguments)


def test_a_release_that_launches_passes() -> None:
    done = audit(GREETER)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].startswith(
        "passed: no errors, no warnings, no notes in 14 processes of 1 input"
    )


def test_a_release_that_does_not_launch_fails_and_says_how_to_fix_it() -> None:
    done = audit(BROKEN)
    assert done.returncode == 1
    assert "error[MC101]" in done.stdout
    assert f"install_name_tool -add_rpath @loader_path/../lib {BROKEN}" in done.stdout
    assert done.stdout.splitlines()[-1].startswith("failed: 1 error,")


def test_findings_of_one_cause_are_told_together(tmp_path: Path) -> None:
    write_tree(tmp_path, {f"tool{n}": exe(rpaths=["/Users/runner/work/x"]) for n in range(8)})
    done = audit(str(tmp_path))
    assert done.stdout.count("warning[MC402]") == 1
    assert "(8 files)" in done.stdout
    assert "and 3 more (-v shows them)" in done.stdout
    assert "tool7" in audit(str(tmp_path), "-v").stdout


@pytest.mark.parametrize(("fail_on", "code"), [("error", 0), ("warning", 1), ("info", 1), ("never", 0)])
def test_the_threshold_decides(fail_on: str, code: int, tmp_path: Path) -> None:
    write_tree(tmp_path, {"tool": exe(rpaths=["/Users/runner/work/x"])})
    assert audit(str(tmp_path), "--fail-on", fail_on).returncode == code


def test_missing_evidence_is_3_only_where_it_is_asked_for(tmp_path: Path) -> None:
    write_tree(tmp_path, {"tool": MachO(loads=["/opt/x/libx.dylib"], signed=True).bytes()})
    arguments = (str(tmp_path), "--unseen", "/opt", "--fail-on", "never")
    assert audit(*arguments).returncode == 0
    assert audit(*arguments, "--strict").returncode == 3


@pytest.mark.parametrize("name", ["no-such-file", "README", "empty"])
def test_what_is_no_mach_o_is_2(name: str, tmp_path: Path) -> None:
    write_tree(tmp_path, {"README": b"text", "empty/README": b"text"})
    done = audit(str(tmp_path / name))
    assert done.returncode == 2
    assert name in done.stderr


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ((), "Missing argument"),
        ((GREETER, "--profile", "relase"), "did you mean 'release'?"),
        ((GREETER, "--policy", "/no/such/policy.toml"), "cannot be read"),
        ((GREETER, "--baseline", "/no/such/baseline.json"), "cannot be read"),
        ((GREETER, "--format", "jsn"), "no such format"),
        ((GREETER, "--macos", "9"), "not modelled"),
        ((GREETER, "--jobs", "-1"), "--jobs"),
        ((GREETER, BROKEN, "--at", "/opt/x"), "--at names the place of one input"),
    ],
)
def test_wrong_usage_is_2_and_says_what_is_wrong(arguments: tuple[str, ...], text: str) -> None:
    done = audit(*arguments)
    assert done.returncode == 2
    assert text in done.stderr
    assert "Traceback" not in done.stderr


def test_several_reports_are_written_at_once(tmp_path: Path) -> None:
    done = audit(BROKEN, "--format", "text", "--format", f"json:{tmp_path / 'out.json'}")
    assert "error[MC101]" in done.stdout
    document = json.loads((tmp_path / "out.json").read_text())
    assert (document["schema"], document["passed"]) == ("machochain.audit/1", False)


def test_the_policy_of_the_repository_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_tree(tmp_path, {"machochain.toml": b"minos = { max = '11.0' }\n", "src/x": b"", ".git/HEAD": b""})
    monkeypatch.chdir(tmp_path / "src")
    done = run("audit", GREETER)
    assert done.returncode == 1
    assert "error[MC231]" in done.stdout
    assert "machochain.toml" in done.stdout.splitlines()[-1]
    assert run("audit", GREETER, "--no-config").returncode == 0


def test_a_baseline_is_written_and_counts_at_once(tmp_path: Path) -> None:
    file = tmp_path / "known.json"
    written = audit(BROKEN, "--write-baseline", str(file))
    assert (written.returncode, written.stderr) == (0, f"machochain: 1 findings in {file}\n")

    again = audit(BROKEN, "--baseline", str(file))
    assert again.returncode == 0
    assert "1 suppressed" in again.stdout

    repaired = audit(GREETER, "--baseline", str(file))
    assert "stale suppression" in repaired.stdout
    assert "matches nothing" in repaired.stdout


def test_no_baseline_is_written_of_what_could_not_be_read(tmp_path: Path) -> None:
    done = audit(BROKEN, "/no/such/file", "--write-baseline", str(tmp_path / "known.json"))
    assert done.returncode == 2
    assert not (tmp_path / "known.json").exists()


def test_rules_are_listed_and_explained() -> None:
    listed = run("audit", "--rules")
    assert listed.returncode == 0
    assert "MC1xx  Load chain" in listed.stdout
    assert re.search(r"MC301  error +missing-uuid +An image has no LC_UUID", listed.stdout)
    for name in ("MC301", "mc301", "missing-uuid"):
        done = run("explain", name)
        assert done.returncode == 0
        assert "How to fix it" in done.stdout
    assert "golang/go#68678" in run("explain", "MC301").stdout
    assert "MC999 is no rule" in run("explain", "MC999").stderr


def test_quiet_says_nothing_and_the_exit_code_tells() -> None:
    done = audit(BROKEN, "-q")
    assert (done.returncode, done.stdout) == (1, "")


def test_ctrl_c_ends_with_what_is_known(tmp_path: Path) -> None:
    """The second input is a pipe nobody writes to: opening it waits for ever."""
    slow = tmp_path / "slow"
    os.mkfifo(slow)
    code = (
        # whoever started the tests in the background made them, and all they start, deaf to the signal
        "import signal\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "import sys\nfrom pathlib import Path\nimport machochain.auditing.one as a\nfrom machochain.cli import main\n"
        "plain = a._audit_on_disk\n"
        "def look(given, *rest):\n"
        "    if given.host.endswith('slow'):\n"
        "        print('waiting', file=sys.stderr, flush=True)\n"
        "        Path(given.host).read_bytes()\n"
        "    return plain(given, *rest)\n"
        "a._audit_on_disk = look\nmain(sys.argv[1:])\n"
    )
    command = [sys.executable, "-c", code, "audit", "--no-config", BROKEN, str(slow), GREETER]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert process.stderr.readline() == "waiting\n"
        time.sleep(0.2)
        process.send_signal(signal.SIGINT)
        try:
            out, err = process.communicate(timeout=30)
        finally:
            process.kill()
    assert process.returncode == 130
    assert "Traceback" not in err
    assert "error[MC101]" in out
    assert f"not looked at: {slow}" in out
    assert f"not looked at: {GREETER}" in out


# ---------------------------------------------------------------------------------------------------------------------
# diff


def test_diff_shows_what_changed_and_fails_for_new_findings() -> None:
    done = run("diff", "--no-config", GREETER, BROKEN)
    assert done.returncode == 1
    assert "- run path @executable_path/../lib" in done.stdout
    assert "new error[MC101]" in done.stdout
    assert run("diff", "--no-config", GREETER, BROKEN, "--fail-on", "never").returncode == 0


def test_diff_the_other_way_is_a_repair() -> None:
    done = run("diff", "--no-config", BROKEN, GREETER)
    assert done.returncode == 0
    assert "gone error[MC101]" in done.stdout
    assert "+ run path @executable_path/../lib" in done.stdout


def test_diff_of_nothing_is_nothing() -> None:
    done = run("diff", "--no-config", str(HELLO), str(HELLO))
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "no change in the files; 0 new and 0 gone findings")
    assert done.stdout.startswith("old: 3 programs and 1 library examined")


def test_diff_is_written_for_release_notes_and_for_programs() -> None:
    markdown = run("diff", "--no-config", GREETER, BROKEN, "--format", "markdown").stdout
    assert "### New findings" in markdown
    document = json.loads(run("diff", "--no-config", GREETER, BROKEN, "--json").stdout)
    assert document["appeared"][0]["rule"] == "MC101"


def test_diff_of_a_file_that_is_not_there_is_2() -> None:
    done = run("diff", "--no-config", GREETER, "/no/such/file")
    assert done.returncode == 2
    assert "/no/such/file" in done.stderr


# ---------------------------------------------------------------------------------------------------------------------
# docs/audit.md


def test_the_policy_in_the_documentation_is_one_and_has_every_key() -> None:
    (text,) = re.findall(r"```toml\n(.*?)```", DOCS, re.DOTALL)
    document = tomllib.loads(text)
    policy = parse_policy(document, "docs/audit.md")
    assert list(document) == [key for key in (*KEYS[:2], *KEYS[4:-3], *KEYS[2:4], *KEYS[-3:]) if key in document]
    assert set(document) == set(KEYS)
    assert set(document["ignore"][0]) == set(IGNORE_KEYS)
    assert policy.overrides


def test_every_key_has_its_row_in_the_documentation() -> None:
    rows = re.findall(r"^\| `(?:\[\[)?([a-z-]+)(?:\]\])?` \| (.*) \|$", DOCS, re.MULTILINE)
    described = dict(rows)
    assert set(KEYS) <= set(described)
    for key in IGNORE_KEYS:
        assert f"`{key}`" in described["ignore"]
    for key in set(OVERRIDE_KEYS) - {"allow-libraries", "forbid-libraries", "required-libraries", "provided-libraries"}:
        assert f"`{key}`" in described["override"] or key.endswith("run-paths")


def test_every_option_of_the_documentation_exists() -> None:
    known = run("audit", "--help").stdout + run("diff", "--help").stdout
    for option in set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", DOCS)):
        assert option in known, option


def test_the_python_of_the_documentation_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (text,) = re.findall(r"```python\n(.*?)```", DOCS, re.DOTALL)
    tree = {"dist/tool": exe("/gone/x"), "machochain.toml": b"", "old/tool": exe(), "new/tool": exe("/gone/x")}
    monkeypatch.chdir(write_tree(tmp_path, tree))
    names: dict[str, object] = {}
    exec(compile(text, "docs/audit.md", "exec"), names)
    assert names["report"].failing  # type: ignore[attr-defined]
    assert names["changes"].appeared  # type: ignore[attr-defined]
