"""What a module names of a Mac is recorded with it, and is known where the Mac is not."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from machochain import examine
from machochain.machine.asked import Asked, asked_of, quoted
from machochain.machine.snapshot import RecordedFile, Snapshot, cut, document
from machochain.source.values import SearchOutcome
from testdata.macs import MACS
from tests.cli.running import run
from tests.machine.faking import FakeMac, imported

GO = """package a

/*
#cgo pkg-config: acme
#cgo LDFLAGS: -L/opt/acme/lib -L${SRCDIR}/own -lacme -L /opt/apart/lib
#cgo CFLAGS: -I/opt/acme/include
#include <acme.h>
*/
import "C"
"""
FILES = {
    "/opt/acme/lib/libacme.dylib": "", "/opt/acme/include/acme.h": "",
    "/opt/homebrew/lib/pkgconfig/acme.pc": "Name: acme\nVersion: 1.2\nDescription: x\nRequires: base >= 0.1, libzmq\n"
    "Libs: -L/opt/acme/lib -lacme\nCflags: -I/opt/acme/include -DACME=1\n",
    "/opt/homebrew/Cellar/base/2/base.pc": "Name: base\nVersion: 2\nDescription: x\nLibs: -lbase\n",
    "/opt/homebrew/lib/pkgconfig/base.pc": "-> /opt/homebrew/Cellar/base/2/base.pc",
    "/opt/homebrew/lib/pkgconfig/other.pc": "Name: other\nVersion: 2\nDescription: x\n",
}  # fmt: skip


@pytest.fixture
def module(tmp_path: Path) -> Path:
    folder = tmp_path / "module"
    (folder / "own").mkdir(parents=True)
    (folder / "go.mod").write_text("module example.org/a\n\ngo 1.21\n")
    (folder / "a.go").write_text(GO)
    return folder


def mac() -> FakeMac:
    healthy = MACS["healthy-arm64"]
    return FakeMac(healthy.programs, {**healthy.files, **FILES}, healthy.environment)


def test_a_module_asks_for_what_its_flags_name_outside_of_it(module: Path) -> None:
    assert asked_of(examine(module), str(module)) == Asked(
        ("/opt/acme/include", "/opt/acme/lib", "/opt/apart/lib"), ("acme",)
    )


def recorded(root: Path, kind: str) -> Snapshot:
    asked = Asked(("/opt/acme/include", "/opt/acme/lib", "/opt/apart/lib"), ("acme",))
    mac().build(root)
    if kind == "python":
        return mac().by_python(root, asked)
    return imported(mac().by_script(root, shell=kind, asked=asked), root)


@pytest.mark.parametrize("kind", ["python", "sh", "bash"])
def test_both_collectors_record_it(tmp_path: Path, kind: str) -> None:
    found = recorded(tmp_path / "mac", kind)
    assert [entry[0] for entry in found.listings["/opt/acme/lib"]] == ["libacme.dylib"]
    assert found.files["/opt/apart/lib"].kind == "absent"
    texts = {path.rpartition("/")[2] for path, file in found.files.items() if path.endswith(".pc") and file.text}
    assert texts == {"acme.pc", "base.pc"}  # libzmq.pc is empty, other.pc nobody asked for


@pytest.mark.parametrize("kind", ["python", "sh"])
def test_the_flags_of_the_mac_are_known_elsewhere(tmp_path: Path, kind: str, module: Path) -> None:
    (tmp_path / "mac.json").write_text(json.dumps(document(recorded(tmp_path / "mac", kind))))
    report = examine(module, goarch=("arm64",), snapshot=tmp_path / "mac.json")
    (facts,) = report.packages["darwin/arm64"].values()
    assert "-DACME=1" in [word.text for words in facts.words.values() for word in words]
    outcomes = {search.name: search.outcome for search in report.searches}
    assert outcomes["acme"] is SearchOutcome.FOUND
    without = examine(module, goarch=("arm64",))
    assert SearchOutcome.FOUND not in {s.outcome for s in without.searches if s.name == "acme"}


def test_the_command_takes_a_module_and_says_what_makes_no_sense(module: Path) -> None:
    text = run("snapshot", "--script", "--source", str(module)).stdout
    assert "list '/opt/acme/lib'" in text
    assert "pcs 'acme'" in text
    assert "list '/opt/acme/lib'" not in run("snapshot", "--script").stdout
    refused = run("snapshot", "--import", "x", "--source", str(module))
    assert refused.returncode == 2


def test_a_name_is_a_word_of_the_script_and_never_more() -> None:
    names = ["/opt/x'y", "$(touch caught)", "a b; c", "`id`"]
    said = subprocess.run(["sh", "-c", f"printf '%s\\n' {quoted(names)}"], capture_output=True, text=True, check=True)
    assert said.stdout.splitlines() == names


def test_a_record_that_is_too_large_is_cut_and_says_so() -> None:
    names = tuple((f"lib{number}.dylib", "file", 1, None) for number in range(1000))
    found = Snapshot(
        listings={"/big": names, "/small": names[:2]}, files={"/x.pc": RecordedFile("file", text="y" * 99)}
    )
    cut(found, limit=1000)
    assert set(found.listings) == {"/small"}
    assert found.more["truncated"] is True
    assert found.files["/x.pc"].text is not None
