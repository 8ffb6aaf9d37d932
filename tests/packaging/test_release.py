"""A release is one command: it refuses what is none, and what it writes is what it says."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from machochain import __version__
from tests import release as made

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def rehearsed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("release") / "dist"
    made.release(ROOT, out, rehearse=True)
    return out


def test_the_hashes_are_those_of_the_files(rehearsed: Path) -> None:
    lines = (rehearsed / "SHA256SUMS").read_text().splitlines()
    told = {name: digest for digest, name in (line.split("  ") for line in lines)}
    there = {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in rehearsed.iterdir()}
    assert told == {name: digest for name, digest in there.items() if name != "SHA256SUMS"}
    assert {Path(name).suffix for name in told} >= {".whl", ".gz", ".json", ".md"}


def test_the_bill_names_what_an_installation_brings_and_the_facts(rehearsed: Path) -> None:
    bill = json.loads((rehearsed / "sbom.cdx.json").read_text())
    named = {part["name"]: part for part in bill["components"]}
    assert {"attrs", "click", "lief", "macholib", "networkx", "packaging", "pyyaml"} <= set(named)
    assert "cryptography" not in named
    facts = (ROOT / made.CATALOGUE).read_bytes()
    assert named[str(made.CATALOGUE)]["hashes"][0]["content"] == hashlib.sha256(facts).hexdigest()
    (wheel,) = rehearsed.glob("*.whl")
    assert bill["metadata"]["component"]["hashes"][0]["content"] == hashlib.sha256(wheel.read_bytes()).hexdigest()


def test_the_note_on_the_facts_names_every_sdk(rehearsed: Path) -> None:
    note = (rehearsed / "catalogue.md").read_text()
    assert hashlib.sha256((ROOT / made.CATALOGUE).read_bytes()).hexdigest() in note
    assert "\n10.9 " in note
    assert "\n26.5 " in note


def test_the_section_is_that_of_the_version() -> None:
    text = "# Changes\n\n## 2.0 (unreleased)\n\n- b\n\n## 1.0 (2026-01-02)\n\n- a\n"
    assert made.changes(text, "1.0") == ("2026-01-02", "- a\n")
    assert made.changes(text, "2.0") == ("unreleased", "- b\n")
    with pytest.raises(made.NotReady, match=r"nothing on 3\.0"):
        made.changes(text, "3.0")


def test_a_release_has_a_date_a_version_and_addresses() -> None:
    assert list(made.faults("1.0", "2026-01-02", {"urls": {"Source": "https://x"}})) == []
    assert len(list(made.faults("1.0.dev0", "unreleased", {}))) == 3


def test_a_tree_that_builds_otherwise_in_another_place_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    builds = iter([{"a.whl": b"1", "a.tar.gz": b"1"}, {"a.whl": b"2", "a.tar.gz": b"1"}])
    monkeypatch.setattr(made, "build", lambda _tree, _out: next(builds))
    with pytest.raises(made.NotReady, match=r"two builds differ in a\.whl$"):
        made.built_twice(tmp_path)


def test_metadata_that_breaks_its_rules_is_refused(rehearsed: Path, tmp_path: Path) -> None:
    import zipfile

    (wheel,) = rehearsed.glob("*.whl")
    broken = tmp_path / wheel.name
    name = f"machochain-{__version__}.dist-info/METADATA"
    with zipfile.ZipFile(wheel) as old, zipfile.ZipFile(broken, "w") as new:
        new.writestr(name, old.read(name).replace(b"Requires-Python: >=3.11", b"Requires-Python: three"))
    with pytest.raises(made.NotReady, match="requires-python"):
        made.metadata_of(broken.read_bytes())
    assert str(made.metadata_of(wheel.read_bytes()).version) == __version__


def test_a_release_does_not_write_over_another(rehearsed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert made.main(["--rehearse", str(rehearsed)]) == 1
    assert "not released" in capsys.readouterr().err
    assert made.main([]) == 2
