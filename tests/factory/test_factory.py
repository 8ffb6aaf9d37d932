"""The factory's files are what they claim to be, in the eyes of LLVM and of our own reader."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from machochain.macho.reader import read_bytes
from machochain.model.image import FileType
from tests.factory import Export, Import, MachO, Section, delayed, fat, load, reexport, upward
from tests.llvm import llvm

OBJDUMP = llvm("llvm-objdump")
needs_objdump = pytest.mark.skipif(OBJDUMP is None, reason="llvm-objdump is not installed")

RECIPES: list[dict[str, Any]] = [
    {"file_type": FileType.MH_EXECUTE},
    {"file_type": FileType.MH_EXECUTE, "entry": "unixthread", "arch": "x86_64"},
    {"file_type": FileType.MH_EXECUTE, "arch": "i386", "entry": None},
    {"file_type": FileType.MH_BUNDLE, "arch": "arm64e"},
    {"install_name": "@rpath/a", "loads": [load("/b", weak=True), reexport("/c"), upward("/d"), delayed("/e")]},
    {"install_name": "/a", "rpaths": ["x", "y"], "dyld_env": ["A=b"], "restrict": True, "tools": [(3, "1.2.3")]},
    {"install_name": "/a", "sections": [Section("__DATA", "__bss", size=1 << 20)], "signed": True, "team_id": "T"},
    {"install_name": "/a", "exports": ["_a", Export("_b", weak=True), Export("_c", reexport=(1, "_d"))]},
    {
        "install_name": "/a",
        "imports": ["_x", Import("_y", 1, weak=True), Import("_z", -2, lazy=True)],
        "exports": ["_a"],
    },
    {"install_name": "/a", "imports": [Import("_x", coalesced=True)], "signed": True},
    {"install_name": "/a", "imports": ["_x", Import("_y", -2, weak=True)], "fixups": "chained", "exports": ["_a"]},
    {"install_name": "/a", "imports": ["_x"], "fixups": "chained", "imports_format": 3},
    {"file_type": FileType.MH_OBJECT, "build": "version_min"},
]


def objdump(path: Path, *options: str) -> str:
    assert OBJDUMP is not None
    run = subprocess.run([OBJDUMP, "--macho", *options, str(path)], capture_output=True, text=True, check=False)
    assert (run.returncode, run.stderr) == (0, "")
    return run.stdout


@pytest.mark.parametrize("recipe", RECIPES)
def test_default_files_have_no_defects(recipe: dict[str, Any]) -> None:
    (piece,) = read_bytes(MachO(**recipe).bytes()).slices
    assert piece.image is not None
    has_no_entry = recipe.get("entry", "main") is None
    assert [x.text for x in piece.image.defects] == (
        ["missing LC_MAIN or LC_UNIXTHREAD in main executable"] if has_no_entry else []
    )


@needs_objdump
@pytest.mark.parametrize("recipe", RECIPES)
def test_llvm_reads_every_kind_without_complaint(recipe: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(MachO(**recipe).bytes())
    assert "Load command 0" in objdump(path, "--private-headers")
    objdump(path, "--syms", "--dylibs-used", "--rpaths")


@needs_objdump
@pytest.mark.parametrize("fat64", [False, True])
def test_llvm_reads_universal_files(fat64: bool, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(fat([MachO(install_name="/a"), MachO(install_name="/a", arch="x86_64")], fat64=fat64))
    out = objdump(path, "--universal-headers", "--arch", "all")
    assert "nfat_arch 2" in out
    assert out.count("cputype") >= 2


@needs_objdump
def test_llvm_sees_the_symbols(tmp_path: Path) -> None:
    path = tmp_path / "file"
    exports: list[Export | str] = ["_here", Export("_weak", weak=True), Export("_alias", reexport=(1, "_real"))]
    imports: list[Import | str] = [
        "_puts",
        Import("_maybe", 2, weak=True),
        Import("_flat", -2),
        Import("_late", 1, lazy=True),
    ]
    for arch in ("arm64", "x86_64"):
        image = MachO(install_name="/a", loads=["/one", "/two"], exports=exports, imports=imports, arch=arch)
        path.write_bytes(image.bytes())
        trie = objdump(path, "--exports-trie")
        assert "_here" in trie
        assert "_weak [weak_def]" in trie
        assert "_alias (_real from /one)" in trie
        binds = objdump(path, "--bind", "--lazy-bind")
        assert "_maybe (weak_import)" in binds
        assert "flat-namespace" in binds
        assert "_late" in binds


@needs_objdump
@pytest.mark.parametrize("imports_format", [1, 2, 3])
def test_llvm_sees_chained_imports(imports_format: int, tmp_path: Path) -> None:
    path = tmp_path / "file"
    image = MachO(
        install_name="/a",
        loads=["/one"],
        imports=["_puts", Import("_maybe", -2, weak=True)],
        fixups="chained",
        imports_format=imports_format,
    )
    path.write_bytes(image.bytes())
    out = objdump(path, "--chained-fixups")
    assert "imports_count  = 2" in out
    # LLVM 19 names every import of format 3 after the first
    assert imports_format == 3 or "(_maybe)" in out


def test_a_tweak_changes_the_command_and_not_the_layout() -> None:
    plain = read_bytes(MachO(install_name="/a").bytes()).slices[0].image
    tweaked = read_bytes(MachO(install_name="/a", tweak={"__DATA": {"vmsize": 8}}).bytes()).slices[0].image
    assert plain is not None
    assert tweaked is not None
    assert [x.fileoff for x in plain.segments] == [x.fileoff for x in tweaked.segments]
    assert tweaked.segments[1].vmsize == 8
