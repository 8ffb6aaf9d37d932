"""What is known of the OS is opened once for many inputs, and anew when a file behind it changes."""

from __future__ import annotations

import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import machochain
from machochain.model.filesystem import Presence
from machochain.model.paths import HostPath
from machochain.model.version import Version
from machochain.world.system.build_catalogue import build
from machochain.world.system.catalogue_file import CatalogueFile
from machochain.world.system.opening import open_system
from tests.findings.audited import write_tree
from tests.findings.scenes import exe
from tests.world.sdk_tree import sdk, settings, stub, write

NEW = "/usr/lib/libnew.dylib"


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The catalogues that were opened since the test began."""
    found: list[str] = []
    plain = CatalogueFile.__init__

    def counted(self: CatalogueFile, file: Path) -> None:
        found.append(str(file))
        plain(self, file)

    monkeypatch.setattr(CatalogueFile, "__init__", counted)
    return found


def at(path: Path) -> HostPath:
    return HostPath(os.fspath(path))


@pytest.mark.parametrize("ask", [machochain.audit, machochain.resolve])
def test_many_inputs_open_the_catalogue_once(ask: Any, tmp_path: Path, opened: list[str]) -> None:
    names = ["a", "b", "c"]
    write_tree(tmp_path, {name: exe("@rpath/libfoo.dylib") for name in names})
    with ThreadPoolExecutor(1) as pool:  # a thread that has opened nothing yet
        pool.submit(ask, [str(tmp_path / name) for name in names]).result()
    assert len(opened) == 1


def test_each_thread_opens_its_own(opened: list[str]) -> None:
    with ThreadPoolExecutor(1) as one, ThreadPoolExecutor(1) as other:
        first, again, second = (pool.submit(open_system).result() for pool in (one, one, other))
    assert first is again
    assert first is not second
    assert len(opened) == 2


@pytest.mark.slow
def test_a_catalogue_that_was_written_anew_is_opened_anew(tmp_path: Path) -> None:
    file = tmp_path / "facts.catalogue"
    file.write_bytes(build([]))
    assert open_system([at(file)]).find(NEW, Version.of(26, 1)).presence is Presence.UNSEEN
    library = {"install_name": NEW, "symbols": [], "targets": ["arm64-macos"]}
    document: dict[str, Any] = {
        "schema": "machochain.sdk-facts/1", "sdk": "26.1", "low": "26.1", "high": "26.1", "complete": [], "missing": [],
        "libraries": [library], "aliases": {},
    }  # fmt: skip
    file.write_bytes(build([document]))
    assert open_system([at(file)]).find(NEW, Version.of(26, 1)).presence is Presence.PRESENT
    facts = tmp_path / "facts.json"
    facts.write_text(json.dumps(document))
    assert open_system([at(facts)]) is open_system([at(facts)])


def test_an_sdk_is_read_once_until_a_stub_or_its_settings_change(tmp_path: Path) -> None:
    root = sdk(tmp_path / "S.sdk")
    first = open_system([at(root)])
    assert open_system([at(root)]) is first
    assert first.find(NEW, Version.of(14, 2)).presence is not Presence.PRESENT
    write(root, "usr/lib/libnew.tbd", stub(NEW) + "...\n")
    second = open_system([at(root)])
    assert second.find(NEW, Version.of(14, 2)).presence is Presence.PRESENT
    settings(root, "15.0")
    assert [given.version for given in open_system([at(root)]).given()] == [Version.of(15, 0)]


def test_other_sdks_are_other_facts(tmp_path: Path) -> None:
    one, other = sdk(tmp_path / "A.sdk"), sdk(tmp_path / "B.sdk", "15.0")
    versions = [open_system([at(root)]).given()[0].version for root in (one, other, one)]
    assert versions == [Version.of(14, 2), Version.of(15, 0), Version.of(14, 2)]
    assert not open_system().given()
