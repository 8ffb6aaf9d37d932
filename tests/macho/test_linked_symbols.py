"""Freshly linked dylibs: what the linker was told against what is read."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Final

import pytest

from machochain.macho.exports import open_exports
from machochain.macho.imports import read_imports
from machochain.macho.reader import read_bytes, slice_reader
from machochain.macho.symtab import defined_symbols
from machochain.model.image import Image
from machochain.model.reading import BytesSource, ReadAt
from machochain.model.symbols import ORDINAL_FLAT, ORDINAL_WEAK, ImportKind
from tests.toolchain import Toolchain, c_dylib, install

pytestmark = pytest.mark.toolchain

SOURCE: Final = """
extern void *malloc(unsigned long);
extern int gone(void) __attribute__((weak_import));
extern int far_away(void);
extern char table[64];
__attribute__((weak)) int shared_weak(void) { return 3; }
_Thread_local int tls = 4;
char *inside = table + 20;
char *outside = table + OFFSET;
__attribute__((visibility("hidden"), noinline)) int hidden(int x) { return x + 1; }
int use(void) {
  if (gone) return gone();
  return far_away() + hidden(tls) + shared_weak();
}
void *made(void) { return malloc(3); }
"""
STUB: Final = """--- !tapi-tbd
tbd-version: 4
targets: [ x86_64-macos, arm64-macos ]
install-name: '/usr/lib/libSystem.B.dylib'
exports:
  - targets: [ x86_64-macos, arm64-macos ]
    symbols: [ _malloc, _gone, _table, dyld_stub_binder, __tlv_bootstrap ]
...
"""


@pytest.fixture(scope="module")
def chain() -> Toolchain:
    return install()


def linked(
    chain: Toolchain, folder: Path, *flags: str, arch: str = "arm64", offset: str = "500"
) -> tuple[Image, ReadAt]:
    lld = shutil.which("ld64.lld-19") or shutil.which("ld64.lld")
    if lld is None:
        pytest.skip("ld64.lld is not installed")
    (folder / "a.c").write_text(SOURCE)
    (folder / "s.tbd").write_text(STUB)
    chain.cc(arch, "-O1", f"-DOFFSET={offset}", "-c", "a.c", "-o", "a.o", cwd=folder)
    subprocess.run(
        [
            lld, "-arch", {"amd64": "x86_64"}.get(arch, arch), "-platform_version", "macos", "12.0", "14.0", "-dylib",
            "-install_name", "@rpath/liba.dylib", "-undefined", "dynamic_lookup", *flags,
            "a.o", "s.tbd", "-o", "liba.dylib",
        ],
        cwd=folder, check=True,
    )  # fmt: skip
    return opened(folder / "liba.dylib")


def opened(path: Path) -> tuple[Image, ReadAt]:
    data = path.read_bytes()
    piece = read_bytes(data).slices[0]
    assert piece.image is not None
    return piece.image, slice_reader(BytesSource(data), piece)


@pytest.mark.parametrize("arch", ["arm64", "amd64"])
@pytest.mark.parametrize(("offset", "imports_format"), [("20", 2), ("500", 2), ("0x1000000000", 3)])
def test_chained_fixups_of_lld(chain: Toolchain, tmp_path: Path, arch: str, offset: str, imports_format: int) -> None:
    image, read = linked(chain, tmp_path, "-fixup_chains", arch=arch, offset=offset)
    assert image.linkedit.chained_fixups is not None
    found = read_imports(image, read)
    assert found.defects == ()
    assert {e[:3] for e in found.entries} == {
        ("_malloc", 1, False),
        ("_gone", 1, True),
        ("_table", 1, False),
        ("__tlv_bootstrap", 1, False),
        ("_far_away", ORDINAL_FLAT, False),
        ("_shared_weak", ORDINAL_WEAK, False),
    }
    if offset != "20":
        header = read(image.linkedit.chained_fixups[0], 24)
        assert int.from_bytes(header[20:24], "little") == imports_format


def test_opcodes_of_lld(chain: Toolchain, tmp_path: Path) -> None:
    found = read_imports(*linked(chain, tmp_path, "-no_fixup_chains"))
    by_kind: dict[ImportKind, set[tuple[str, int, bool]]] = {}
    for entry in found.entries:
        by_kind.setdefault(entry.kind, set()).add((entry.name, entry.ordinal, entry.weak))
    assert found.defects == ()
    assert ("_gone", 1, True) in by_kind[ImportKind.BIND]
    assert ("_table", 1, False) in by_kind[ImportKind.BIND]
    assert ("_far_away", ORDINAL_FLAT, False) in by_kind[ImportKind.LAZY_BIND]
    assert by_kind[ImportKind.WEAK_BIND] == {("_shared_weak", ORDINAL_WEAK, False)}


@pytest.mark.parametrize("flag", ["-fixup_chains", "-no_fixup_chains"])
def test_a_flat_namespace_binds_everything_flat(chain: Toolchain, tmp_path: Path, flag: str) -> None:
    found = read_imports(*linked(chain, tmp_path, flag, "-flat_namespace"))
    assert {e.ordinal for e in found.entries} == {ORDINAL_FLAT, ORDINAL_WEAK}


@pytest.mark.parametrize("flag", ["-fixup_chains", "-no_fixup_chains"])
def test_exports_of_lld(chain: Toolchain, tmp_path: Path, flag: str) -> None:
    image, read = linked(chain, tmp_path, flag)
    table = open_exports(image, read)
    found = {e.name: e for e in table.all()}
    assert set(found) == {"_inside", "_outside", "_made", "_shared_weak", "_use", "_tls"}
    assert {name for name, e in found.items() if e.weak} == {"_shared_weak"}
    assert {name for name, e in found.items() if e.thread_local} == {"_tls"}
    assert table.find("_hidden") is None
    base = next(s.vmaddr for s in image.segments if s.name == "__TEXT")
    values = {s.name: s.value - base for s in defined_symbols(image, read).entries}
    assert {name: e.value for name, e in found.items()} == {name: values[name] for name in found}
    assert "_hidden" in values


def test_opcodes_of_zig(chain: Toolchain, tmp_path: Path) -> None:
    source = "#include <stdlib.h>\nvoid *(*keep)(size_t) = malloc;\nint use(void) { return rand() + abs(rand()); }\n"
    image, read = opened(c_dylib(chain, tmp_path / "libz.dylib", source, install_name="@rpath/libz.dylib"))
    found = read_imports(image, read)
    assert found.defects == ()
    assert {("_malloc", 1), ("_rand", 1)} <= {e[:2] for e in found.entries}
    assert {e.name for e in open_exports(image, read).all()} >= {"_keep", "_use"}
