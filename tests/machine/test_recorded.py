"""Recorded Macs of every kind in ``testdata/snapshots``: what is found in them, and what both collectors agree on."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import attrs
import jsonschema
import pytest

import machochain
from machochain.machine.compare import Weight
from machochain.machine.doctor import Buildable
from machochain.machine.facts import facts_of
from machochain.machine.reading import read_snapshot
from machochain.machine.snapshot import document
from testdata.macs import HERE, MACS, PERSON, make
from tests.cli.running import run
from tests.machine.faking import FakeMac, imported
from tests.machine.test_snapshot import SHELLS

ROOT = Path(__file__).parents[2]
MODULE = ROOT / "testdata" / "source"
FOUND: dict[str, tuple[Buildable, set[str], set[str]]] = {
    "healthy-arm64.json": (Buildable.YES, set(), set()),
    "clt-only.json": (Buildable.YES, set(), set()),
    "broken-developer-dir.json": (Buildable.NO, {"MC741"}, {"MC743", "MC744", "MC745", "MC747"}),
    "nix-shell.json": (Buildable.YES, {"MC757"}, set()),
    "rosetta.json": (Buildable.YES, {"MC751"}, set()),
    "github-macos-15.json": (Buildable.YES, set(), set()),
    "github-macos-26.json": (Buildable.YES, set(), set()),
    "by-script.json": (Buildable.YES, set(), {"MC753"}),
    "by-script.txt": (Buildable.YES, set(), {"MC753"}),
    "redacted.json": (Buildable.YES, set(), set()),
    "truncated.txt": (
        Buildable.UNKNOWN, set(),
        {"MC745", "MC747", "MC748", "MC749", "MC751", "MC752", "MC753", "MC754", "MC755", "MC757", "MC758", "MC759",
         "MC760", "MC761", "MC762", "MC764"},
    ),
}  # fmt: skip


def test_there_is_a_recorded_mac_of_every_kind_and_each_is_what_its_maker_makes() -> None:
    made = make()
    assert set(made) == {p.name for p in HERE.iterdir()} == set(FOUND)
    for name, data in made.items():
        assert data == (HERE / name).read_bytes(), f"python -m testdata.macs makes another {name}"


@pytest.mark.parametrize("name", FOUND)
def test_a_recorded_mac_is_judged_by_what_it_holds(name: str) -> None:
    case = machochain.doctor(HERE / name, source=MODULE).case
    can_build, rules, skipped = FOUND[name]
    assert ({f.rule for f in case.findings}, set(case.skipped)) == (rules, skipped)
    assert case.can_build is can_build
    assert case.unnamed == {"MC763": "no program was named: --binary BIN"}
    schema = json.loads((ROOT / "docs/schema/snapshot-1.json").read_text())
    jsonschema.validate(document(case.snapshot), schema)


@pytest.mark.parametrize("name", MACS)
def test_both_collectors_say_the_same_of_a_mac(tmp_path: Path, name: str) -> None:
    mac = MACS[name]
    for shell in SHELLS[:2] if name == "healthy-arm64" else SHELLS[:1]:
        root = tmp_path / shell
        mac.build(root)
        python = facts_of(mac.by_python(root))
        (tmp_path / "mac.txt").write_bytes(mac.by_script(root, "DYLD_X=y", shell=shell))
        done = run("snapshot", "--import", str(tmp_path / "mac.txt"), "-o", str(tmp_path / "mac.json"))
        assert done.returncode == 0
        shown = facts_of(imported((tmp_path / "mac.txt").read_bytes(), root))
        shown.environment = {n: v for n, v in shown.environment.items() if n != "DYLD_X"}
        shown.settings = attrs.evolve(shown.settings, process=shown.environment)
        differing = [f.name for f in attrs.fields(type(python)) if getattr(python, f.name) != getattr(shown, f.name)]
        assert differing == []
        by_script = read_snapshot(str(tmp_path / "mac.json"))
        assert by_script.environment["DYLD_X"] == "y"
        assert set(by_script.commands) == set(read_snapshot(str(HERE / f"{name}.json")).commands)


def test_what_may_be_secret_gets_into_no_record(tmp_path: Path) -> None:
    kept = {"/Users/dev/Library/Application Support/go/env": "GOPRIVATE=corp.example.org\nGOFLAGS=-mod=mod\n"}
    mac = MACS["healthy-arm64"]
    owned = FakeMac(mac.programs, {**mac.files, **kept}, {**PERSON, "GOAUTH": "netrc"})
    owned.build(tmp_path / "mac")
    for found in (owned.by_python(tmp_path / "mac"), imported(owned.by_script(tmp_path / "mac"), tmp_path / "mac")):
        text = json.dumps(document(found))
        for secret in ("secret", "proxy.example.org", "netrc", "corp.example.org"):
            assert secret not in text
        assert found.files[next(iter(kept))].text == "GOPRIVATE=(set)\nGOFLAGS=-mod=mod\n"
        assert json.loads(found.commands["go_env"].stdout)["GOPROXY"] == "(set)"
        assert facts_of(found).kept == {"GOPRIVATE": "(set)", "GOFLAGS": "-mod=mod"}
    redacted = (HERE / "redacted.json").read_text()
    assert not [word for word in ("jane", "janes-mac", "secret", "proxy.example") if word in redacted]
    assert "-L~/prefix/lib" in redacted


def test_two_images_of_github_differ_in_what_changes_a_search_first() -> None:
    done = run("diff", str(HERE / "github-macos-15.json"), str(HERE / "github-macos-26.json"), "--json")
    found = json.loads(done.stdout)
    weights = [d["weight"] for d in found["differences"]]
    assert done.returncode == 1
    assert weights == sorted(weights, key=[w.name.lower() for w in Weight].index)
    assert {"SDK version", "SDK", "macOS", "ImageOS", "Xcode"} <= {d["fact"] for d in found["differences"]}
    assert run("diff", str(HERE / "by-script.json"), str(HERE / "by-script.txt")).returncode == 0


def test_a_variable_go_cannot_split_stops_no_recording(tmp_path: Path) -> None:
    mac = MACS["clt-only"]
    FakeMac(mac.programs, mac.files, {**mac.environment, "CC": '"clang -x'}).build(tmp_path / "mac")
    found = FakeMac(mac.programs, mac.files, {**mac.environment, "CC": '"clang -x'}).by_python(tmp_path / "mac")
    assert "MC764" in {f.rule for f in _doctor(tmp_path, document(found))}


def _doctor(tmp_path: Path, data: object) -> tuple[machochain.Finding, ...]:
    (tmp_path / "mac.json").write_text(json.dumps(data))
    return machochain.doctor(tmp_path / "mac.json").case.findings


@pytest.mark.skipif(shutil.which("dash") is None, reason="there is no dash here")
def test_the_shells_of_the_script_are_those_of_macs_and_of_pipelines() -> None:
    assert SHELLS[0] == "dash"


def test_a_folder_is_no_snapshot_and_what_is_not_there_is_said_to_be_so(tmp_path: Path) -> None:
    assert "is a folder, not a snapshot: `machochain snapshot` writes one" in run("doctor", str(tmp_path)).stderr
    assert "no such file or directory" in run("doctor", str(tmp_path / "absent.json")).stderr


@pytest.mark.parametrize("name", ["healthy-arm64", "by-script"])
def test_the_verdict_on_tools_is_not_one_on_libraries(name: str) -> None:
    module = str(HERE.parent / "source")
    told = " ".join(run("doctor", str(HERE / f"{name}.json"), "--source", module).stdout.split())
    assert "whether there is -lgreet is not part of that" in told
    assert "-lz" not in told
