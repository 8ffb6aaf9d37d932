"""What LIEF adds to an image's facts, and that a disagreement is told."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from machochain.macho import deep
from machochain.macho.deep import DeepFacts, Disagreement, read_deep
from machochain.macho.details import sections
from machochain.macho.imports import read_imports
from machochain.macho.reader import read_bytes, read_source, slice_reader
from machochain.model.image import Image
from machochain.model.reading import BytesSource
from machochain.model.symbols import Imports
from tests.factory.macho import Export, Import, MachO, Section, load

HELLO = Path(__file__).parents[2] / "testdata" / "hello"
LIBRARIES = [load("/usr/lib/libSystem.B.dylib"), load("@rpath/libx.dylib")]


def facts(data: bytes) -> DeepFacts:
    source = BytesSource(data)
    (piece,) = read_source(source).slices
    assert piece.image is not None
    return read_deep(piece.image, sections(piece.image), slice_reader(source, piece), piece.size)


def made(**more: Any) -> DeepFacts:
    return facts(MachO(loads=LIBRARIES, **more).bytes())


def test_a_real_program_has_symbols_with_their_sections_and_libraries() -> None:
    found = facts((HELLO / "bin" / "greeter").read_bytes())
    assert found.error is None
    by_name = {s.name: s for s in found.symbols}
    assert (by_name["_main"].section, by_name["_main"].external) == ("__TEXT,__text", True)
    assert by_name["_puts__thunk"].external is False
    assert (by_name["_greeting"].kind, by_name["_greeting"].ordinal) == ("undefined", 2)
    assert (found.bindings, found.relocations, found.debug_symbols) == (3, 2, 0)
    assert (found.objc, found.swift) == (False, False)


@pytest.mark.parametrize("style", ["chained", "opcodes"])
def test_lief_and_our_readers_agree_on_every_kind_of_import_and_export(style: str) -> None:
    found = made(
        imports=[Import("_plain", 1), Import("_weak", 2, weak=True), Import("_flat", -2), Import("_main", -1)],
        exports=[Export("_x"), Export("_again", reexport=(2, "_other"))],
        fixups=style,
    )
    assert found.error is None
    assert len(found.imports.entries) == 4
    assert len(found.exports) == 2
    assert found.disagreements == ()


def test_a_symbol_only_one_side_reads_is_a_disagreement() -> None:
    def forgetful(image: Image, read: Any) -> Imports:
        entries = read_imports(image, read).entries
        return Imports(tuple(e._replace(ordinal=7) if e.name == "_puts" else e for e in entries[1:]))

    with mock.patch.object(deep, "read_imports", forgetful):
        found = facts((HELLO / "bin" / "greeter").read_bytes())
    assert found.disagreements == (
        Disagreement("imports", "_puts", "library 7", "library 1"),
        Disagreement("imports", "dyld_stub_binder", None, "library 1"),
    )


@pytest.mark.parametrize(
    ("names", "objc", "swift"),
    [(["__objc_imageinfo"], True, False), (["__swift5_types"], False, True), (["__data"], False, False)],
)
def test_languages_are_told_by_their_sections(names: Sequence[str], objc: bool, swift: bool) -> None:
    found = made(sections=[Section("__DATA", name, b"12345678") for name in names])
    assert (found.objc, found.swift) == (objc, swift)


def test_an_image_lief_refuses_still_has_what_we_read() -> None:
    data = (HELLO / "bin" / "greeter").read_bytes()
    image = read_bytes(data).slices[0].image
    assert image is not None

    def read(offset: int, size: int) -> bytes:
        return b"" if offset == 0 else data[offset : offset + size]

    found = read_deep(image, sections(image), read, len(data))
    assert (found.reader, found.error) == (None, "LIEF cannot read it")
    assert [e.name for e in found.imports.entries] == ["dyld_stub_binder", "_puts", "_greeting"]


def test_names_that_are_no_text_are_kept_byte_for_byte() -> None:
    data = MachO(
        loads=LIBRARIES,
        sections=[Section("__DxTA", "__xdata", b"12345678")],
        imports=[Import("_xein", 1)],
        exports=[Export("_xout")],
    ).bytes()
    for name in (b"__DxTA", b"__xdata", b"_xein", b"_xout"):
        data = data.replace(name, name.replace(b"x", b"\xff"))
    found = facts(data)
    assert found.error is None
    assert found.disagreements == ()
    assert {"_\udcffein", "_\udcffout"} <= {s.name for s in found.symbols}
