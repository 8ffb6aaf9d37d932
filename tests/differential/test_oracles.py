"""The comparison itself: equal on made-up files of every kind, and no field can differ unseen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from machochain.macho.interop import lief_image
from machochain.macho.reader import read_file, read_source, slice_reader
from machochain.model.image import Image
from machochain.model.paths import HostPath
from machochain.model.reading import BytesSource, ReadAt
from tests.differential.headers import (
    Facts,
    as_objdump_shows,
    by_lief,
    by_macholib,
    by_objdump,
    objdump,
    of,
    ours,
)
from tests.differential.known import differences
from tests.differential.tables import OPTIONS, lief_signature, our_signature, our_tables, their_tables
from tests.factory.macho import Export, Import, MachO, Section, load, reexport, upward
from tests.llvm import llvm

FULL: dict[str, Any] = {
    "install_name": "@rpath/libx.dylib",
    "id_current": "3.2.1",
    "loads": [load("/opt/a.dylib", weak=True), reexport("@rpath/b.dylib"), upward("/opt/c.dylib")],
    "rpaths": ["@loader_path", "/opt/lib"],
    "tools": [(3, "1115.7.3")],
    "source_version": 5 << 40 | 4 << 30 | 3 << 20 | 2 << 10 | 1,
    "sections": [Section("__DATA", "__mine", b"12345678")],
    "imports": [Import("_in", 1, weak=True), Import("_flat", -2)],
    "exports": [
        Export("_out"),
        Export("_weak", weak=True),
        Export("_again", reexport=(2, "_other")),
        Export("_same", reexport=(2, "")),
    ],
    "signed": True,
}
CHANGES: dict[str, tuple[dict[str, Any], set[str]]] = {
    "cpu": ({"arch": "arm64e"}, {"cpu"}),
    "flags": ({"flags": 0x100085}, {"flags"}),
    "id": ({"id_current": "3.2.2"}, {"id"}),
    "version": ({"loads": [load("/opt/a.dylib", weak=True, current="9.9.9"), *FULL["loads"][1:]]}, {"loads"}),
    "order": ({"loads": FULL["loads"][::-1]}, {"loads"}),
    "run path": ({"rpaths": ["@loader_path", "/opt/lab"]}, {"run paths"}),
    "minimum": ({"minos": "11.3"}, {"builds"}),
    "tool": ({"tools": [(3, "1115.7.4")]}, {"tools"}),
    "source": ({"source_version": 1}, {"source version"}),
    "section": ({"sections": [Section("__DATA", "__mine", b"1234567")]}, {"sections"}),
    "segment": ({"tweak": {"__DATA": {"vmsize": 0x8000}}}, {"segments"}),
    "segment flags": ({"tweak": {"__DATA": {"flags": 0x10}}}, {"segment flags"}),
    "symbols": ({"exports": [*FULL["exports"], Export("_more")]}, {"symtab", "dysymtab", "dyld info"}),
}
KINDS: dict[str, dict[str, Any]] = {
    "full": FULL,
    "chained": {**FULL, "fixups": "chained"},
    "program": {"dyld_env": ["DYLD_LIBRARY_PATH=/opt"], "imports": [Import("_x", 1)]},
    "old": {"build": "version_min", "arch": "x86_64", "imports": [Import("_x", 1, lazy=True)]},
    "i386": {"arch": "i386", "rpaths": ["@loader_path"]},
}


def written(folder: Path, recipe: dict[str, Any]) -> tuple[Path, Image, ReadAt]:
    data = MachO(**recipe).bytes()
    path = folder / "image"
    path.write_bytes(data)
    source = BytesSource(data)
    (piece,) = read_source(source).slices
    assert piece.image is not None
    return path, piece.image, slice_reader(source, piece)


def theirs(path: Path, image: Image) -> dict[str, Facts]:
    found = {"LIEF": by_lief(path, read_file(HostPath(str(path))), 0)}
    (found["macholib"],) = by_macholib(path)
    if llvm("llvm-objdump") is not None:
        found["llvm-objdump"] = by_objdump(of(objdump([path], "--private-headers"), path, image.arch.name))
    return found


def differing(reader: str, mine: Facts, other: Facts) -> set[str]:
    shown = as_objdump_shows(mine) if reader == "llvm-objdump" else mine
    return {each.field for each in differences(reader, "file", "arch", shown, other)}


@pytest.mark.parametrize("kind", KINDS)
def test_readers_agree_on_load_commands_of_every_kind(kind: str, tmp_path: Path) -> None:
    path, image, _ = written(tmp_path, KINDS[kind])
    for reader, facts in theirs(path, image).items():
        assert differing(reader, ours(image), facts) == set(), reader


@pytest.mark.parametrize("change", CHANGES)
def test_a_reader_that_sees_something_else_is_caught_in_that_field(change: str, tmp_path: Path) -> None:
    _, image, _ = written(tmp_path, FULL)
    altered, fields = CHANGES[change]
    path, other, _ = written(tmp_path, {**FULL, **altered})
    for reader, facts in theirs(path, other).items():
        expected = {field for field in fields if field in facts}
        assert expected <= differing(reader, ours(image), facts), reader
        assert expected or reader != "LIEF"


def test_readers_agree_on_tables_and_a_change_in_each_is_caught(tmp_path: Path) -> None:
    if llvm("llvm-objdump") is None:
        pytest.skip("llvm-objdump is not installed")
    _, image, read = written(tmp_path, FULL)
    mine = our_tables(image, read)
    for altered, fields in (
        ({}, set()),
        ({"imports": [Import("_in", 1)]}, {"bind opcodes"}),
        ({"exports": [Export("_out", weak=True)]}, {"exports"}),
        ({"fixups": "chained"}, {"bind opcodes", "chained imports", "exports"}),  # the places move
    ):
        path, other, _ = written(tmp_path, {**FULL, **altered})
        lines = {option: of(objdump([path], option), path, other.arch.name) for option in OPTIONS}
        assert {each.field for each in differences("llvm-objdump", "", "", mine, their_tables(lines))} == fields


def test_readers_agree_on_signatures_and_a_change_is_caught(tmp_path: Path) -> None:
    more = {"team_id": "ABCDE12345", "identifier": "org.example.x", "cs_flags": 0x10002, "cms": b"certificate"}
    found = []
    for recipe in (FULL, {**FULL, **more}):
        _, image, read = written(tmp_path, recipe)
        opened = lief_image(read(0, 1 << 30))
        assert our_signature(image, read) == lief_signature(opened)
        found.append(our_signature(image, read)["signature"])
    assert (found[1]["team"], found[1]["identifier"], found[1]["flags"]) == ("ABCDE12345", "org.example.x", 0x10002)
    assert found[1]["signed"] is True
    assert found[0]["signed"] is False
