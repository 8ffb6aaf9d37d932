"""Every reader against LIEF, macholib, llvm-objdump, llvm-nm and Go, field by field, on pinned packages.

Load commands are compared on up to `HEADERS` files of a package, spread over its folders; what costs a look at whole
files (symbols, imports, exports, signatures) on up to `WHOLE`. The packages come through pip and npm into
``MACHOCHAIN_TEST_CACHE`` (default ``~/.cache/machochain-tests``), 3 GB in all.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from machochain.macho.deep import read_deep
from machochain.macho.details import sections
from machochain.macho.interop import lief_image
from machochain.macho.reader import read_file, read_source, slice_reader
from machochain.macho.signature import read_signature, verify_pages
from machochain.macho.source import FileSource
from machochain.model.image import Image, MachOFile, Question, Slice
from machochain.model.paths import HostPath
from machochain.model.reading import ReadAt
from tests.differential.headers import as_objdump_shows, by_lief, by_macholib, by_objdump, objdump, of, ours
from tests.differential.known import Difference, differences, judge
from tests.differential.packages import Package, fetch, packages
from tests.differential.tables import (
    OPTIONS,
    by_nm,
    go_build_info,
    lief_signature,
    our_build_info,
    our_signature,
    our_symbols,
    our_tables,
    their_tables,
)
from tests.llvm import llvm
from tests.toolchain import Toolchain, cache_folder

pytestmark = pytest.mark.wheels

HEADERS = 400
WHOLE = 40
needs_llvm = pytest.mark.skipif(llvm("llvm-objdump") is None or llvm("llvm-nm") is None, reason="no LLVM here")


@pytest.fixture(scope="module", params=packages(), ids=lambda each: each.requirement)
def package(request: pytest.FixtureRequest) -> Package:
    found: Package = request.param
    return found


@pytest.fixture(scope="module")
def files(package: Package) -> list[Path]:
    found = fetch(package)
    assert found
    return found


def spread(files: Sequence[Path], count: int) -> list[Path]:
    """Take some files, evenly over the list."""
    if len(files) <= count:
        return list(files)
    return [files[i * (len(files) - 1) // (count - 1)] for i in range(count)]


def slices(files: Sequence[Path]) -> Iterator[tuple[Path, MachOFile, int, Image]]:
    for path in files:
        file = read_file(HostPath(str(path)))
        assert file.defects == (), path
        for index, piece in enumerate(file.slices):
            assert piece.image is not None, path
            yield path, file, index, piece.image


def opened(files: Sequence[Path]) -> Iterator[tuple[Path, Slice, Image, ReadAt]]:
    for path in files:
        with FileSource(HostPath(str(path))) as source:
            for piece in read_source(source).slices:
                assert piece.image is not None, path
                yield path, piece, piece.image, slice_reader(source, piece)


def test_load_commands_as_lief_reads_them(package: Package, files: list[Path]) -> None:
    found: list[Difference] = []
    fields: set[str] = set()
    for path, file, index, image in slices(spread(files, HEADERS)):
        theirs = by_lief(path, file, index)
        fields |= theirs.keys()
        found += differences("LIEF", str(path), image.arch.name, ours(image), theirs)
    judge(package, fields, "LIEF", found)


def test_load_commands_as_macholib_reads_them(package: Package, files: list[Path]) -> None:
    found: list[Difference] = []
    fields: set[str] = set()
    for path in spread(files, HEADERS):
        headers = by_macholib(path)
        images = [image for _, _, _, image in slices([path])]
        for image, theirs in zip(images, headers, strict=True):
            fields |= theirs.keys()
            found += differences("macholib", str(path), image.arch.name, ours(image), theirs)
    judge(package, fields, "macholib", found)


@needs_llvm
def test_load_commands_as_llvm_objdump_prints_them(package: Package, files: list[Path]) -> None:
    chosen = spread(files, HEADERS)
    printed = objdump(chosen, "--private-headers")
    found: list[Difference] = []
    fields: set[str] = set()
    for path, _, _, image in slices(chosen):
        theirs = by_objdump(of(printed, path, image.arch.name))
        fields |= theirs.keys()
        found += differences("llvm-objdump", str(path), image.arch.name, as_objdump_shows(ours(image)), theirs)
    judge(package, fields, "llvm-objdump", found)


def test_imports_exports_and_signatures_as_lief_reads_them(package: Package, files: list[Path]) -> None:
    found: list[Difference] = []
    for path, piece, image, read in opened(spread(files, WHOLE)):
        arch = image.arch.name
        deep = read_deep(image, sections(image), read, piece.size)
        assert deep.error is None, path
        assert (deep.imports.defects, deep.export_defects) == ((), ()), path
        found += [
            Difference("LIEF", each.table, str(path), arch, f"{each.name}: {each.ours}", f"{each.name}: {each.theirs}")
            for each in deep.disagreements
        ]
        image_of_lief = lief_image(read(0, piece.size))
        found += differences("LIEF", str(path), arch, our_signature(image, read), lief_signature(image_of_lief))
    judge(package, ["imports", "exports", "signature"], "LIEF", found)


@needs_llvm
def test_imports_and_exports_as_llvm_objdump_prints_them(package: Package, files: list[Path]) -> None:
    chosen = spread(files, WHOLE)
    printed = {option: objdump(chosen, option) for option in OPTIONS}
    found: list[Difference] = []
    fields: set[str] = set()
    for path, piece, image, read in opened(chosen):
        theirs = their_tables({option: of(lines, path, image.arch.name) for option, lines in printed.items()})
        fields |= theirs.keys()
        mine = our_tables(image, read)
        found += differences("llvm-objdump", str(path), piece.arch.name, mine, theirs)
    judge(package, fields, "llvm-objdump", found)


@needs_llvm
def test_symbols_as_llvm_nm_lists_them(package: Package, files: list[Path]) -> None:
    found: list[Difference] = []
    for path, piece, image, read in opened(spread(files, WHOLE)):
        theirs = by_nm(path, piece.arch.name)
        found += differences("llvm-nm", str(path), piece.arch.name, our_symbols(image, read), theirs)
    judge(package, ["defined symbols", "undefined symbols"], "llvm-nm", found)


def test_go_finds_build_information_where_we_do_and_prints_the_same(
    package: Package, files: list[Path], tmp_path: Path
) -> None:
    chain = Toolchain(cache_folder() / "py" / "go", cache_folder() / "py" / "ziglang" / "zig", cache_folder())
    if not chain.go_binary.exists():
        pytest.skip("Go is not in the cache of the tests: run them with -m toolchain first")
    expected: dict[str, str] = {}
    names: dict[str, tuple[str, str]] = {}
    for number, (path, piece, image, read) in enumerate(opened(spread(files, HEADERS))):
        # Go looks at one slice of a universal file, so each is a file of its own.
        name = f"{number}.bin"
        place = tmp_path / name
        if piece.offset:
            place.write_bytes(read(0, piece.size))
        else:
            place.symlink_to(path)
        names[name] = (str(path), piece.arch.name)
        text = our_build_info(image, read, name)
        if text is not None:
            expected[name] = text
    printed = go_build_info(chain.go_binary, tmp_path, list(names), chain.environment(None, cgo=False))
    found = [
        Difference("go", "build info", *names[name], expected.get(name, "none"), printed.get(name, "none"))
        for name in names
        if expected.get(name) != printed.get(name)
    ]
    judge(package, ["build info"], "go", found)


def test_real_files_have_no_structural_defect_and_their_signatures_fit_their_bytes(files: list[Path]) -> None:
    for path, _, image, _ in opened(spread(files, HEADERS)):
        assert [each.text for each in image.defects if each.question is Question.ALWAYS] == [], path
    for path, _, image, read in opened(spread(files, WHOLE)):
        signature = read_signature(image, read)
        assert signature.defects == (), path
        assert verify_pages(read, signature) is None, path
