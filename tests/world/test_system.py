"""Facts of other people's SDKs, and what is kept of them."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path
from typing import Any

import pytest

from machochain.model.errors import InputError
from machochain.model.filesystem import Presence
from machochain.model.paths import HostPath
from machochain.model.version import Version
from machochain.world.system.build_catalogue import build
from machochain.world.system.catalogue import EmbeddedCatalogue
from machochain.world.system.fact_documents import read_facts
from machochain.world.system.kept import cache_folder, clear_cache
from machochain.world.system.opening import merged, open_system

NEW = "/usr/lib/libnew.dylib"
FACTS: dict[str, Any] = {
    "schema": "machochain.sdk-facts/1", "sdk": "26.1", "low": "26.1", "high": "26.1", "complete": [], "missing": [],
    "libraries": [{"install_name": NEW, "symbols": ["_new"], "targets": ["arm64-macos"]}], "aliases": {},
}  # fmt: skip


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """A catalogue of no SDK: to build the embedded one anew takes a while."""
    file = tmp_path / "base.catalogue"
    file.write_bytes(build([]))
    return file


@pytest.fixture
def facts(tmp_path: Path) -> HostPath:
    file = tmp_path / "facts.json"
    file.write_text(json.dumps(FACTS))
    return HostPath(str(file))


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def knows(catalogue: Path) -> bool:
    return EmbeddedCatalogue(catalogue).find(NEW, Version.of(26, 1)).presence is Presence.PRESENT


def test_a_kept_catalogue_is_taken_while_it_is_what_was_written(base: Path, facts: HostPath) -> None:
    first = merged(base, [facts])
    assert knows(first)
    before = first.stat().st_mtime_ns
    assert merged(base, [facts]) == first
    assert first.stat().st_mtime_ns == before


@pytest.mark.parametrize("damage", [b"", b"x", None])
def test_a_damaged_kept_catalogue_is_built_anew(base: Path, facts: HostPath, damage: bytes | None) -> None:
    first = merged(base, [facts])
    whole = first.read_bytes()
    first.write_bytes(whole[:-1] if damage is None else damage)
    assert merged(base, [facts]) == first
    assert first.read_bytes() == whole


def test_where_nothing_can_be_kept_facts_are_read_all_the_same(base: Path, facts: HostPath, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file stands where the folder should")
    found = merged(base, [facts])
    assert knows(found)
    assert not found.is_relative_to(tmp_path / "cache")
    assert found.parent.stat().st_mode & 0o077 == 0, "nobody else may write there"


def test_one_file_is_kept_and_can_be_cleared(base: Path, facts: HostPath, tmp_path: Path) -> None:
    merged(base, [facts])
    assert [path.suffix for path in Path(cache_folder() or "").iterdir()] == [".bin"]
    assert clear_cache() == 1


def changed(**fields: Any) -> bytes:
    return json.dumps({**FACTS, **fields}).encode()


def library(**fields: Any) -> bytes:
    return changed(libraries=[{"install_name": NEW, **fields}])


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"[" * 100_000,
        b"{}",
        b"\xff",
        b"9" * 5000,
        changed(schema="other"),
        changed(schema=[]),
        changed(sdk=1),
        changed(low="x"),
        changed(low=None),
        changed(high={}),
        changed(complete="/usr/lib/"),
        changed(missing=[1]),
        changed(origin={}),
        changed(libraries={}),
        changed(libraries=[[]]),
        changed(libraries=None),
        library(install_name=1),
        library(install_name="/usr/lib/a\tb"),
        library(symbols=["_a\n_b"]),
        library(symbols=["=1"]),
        library(symbols="_a"),
        library(symbols=[{}]),
        library(directives=[None]),
        library(current=[]),
        library(symbols=False),
        library(flags=""),
        library(reexports=["\ud800"]),
        changed(aliases=[]),
        changed(aliases={"/usr/lib/a": 1}),
        changed(aliases={"/usr/lib/a\n": "b"}),
        b'{"schema": "machochain.os-facts/1", "introduced": [["/usr/lib/a", "x", "y"]]}',
        b'{"schema": "machochain.os-facts/1", "observed": [["/usr/lib/a", "11.0"]]}',
        b'{"schema": "machochain.os-facts/1", "observed_symbols": [["/usr/lib/a", "_a", "11.0", "z"]]}',
        b'{"schema": "machochain.os-facts/1", "legacy": {}}',
    ],
)
def test_what_is_no_document_of_facts_is_told(tmp_path: Path, content: bytes) -> None:
    for name, data in (
        ("facts.json", content),
        ("facts.gz", gzip.compress(content)),
        ("cut.gz", gzip.compress(content)[:-9]),
    ):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(InputError, match="no document of facts") as caught:
            read_facts(tmp_path / name)
        assert caught.value.path == str(tmp_path / name)


def test_a_document_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_facts(tmp_path / "absent.json")
    with pytest.raises(InputError, match="cannot be read"):
        open_system([HostPath(os.fspath(tmp_path / "absent"))])
