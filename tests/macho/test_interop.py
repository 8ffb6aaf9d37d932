"""LIEF and macholib behind a door of our own: objects that stay valid, one kind of error."""

from __future__ import annotations

import gc
from pathlib import Path

import pytest

from machochain.macho.interop import lief_image, lief_text, to_lief, to_macholib
from machochain.model.errors import InputError
from tests.factory.macho import dylib, fat

HELLO = Path(__file__).parents[2] / "testdata" / "hello"
UNIVERSAL = str(HELLO / "bin" / "greeter-universal")


@pytest.fixture
def broken(tmp_path: Path) -> str:
    path = tmp_path / "broken"
    path.write_bytes(dylib("@rpath/libx.dylib")[:60])
    return str(path)


def test_a_slice_stays_valid_while_the_wrapper_is_kept() -> None:
    image = to_lief(UNIVERSAL, "x86_64")
    gc.collect()
    assert [lief_text(x.name) for x in image.binary.libraries] == [
        "/usr/lib/libSystem.B.dylib",
        "@rpath/libgreet.1.dylib",
    ]


def test_the_slice_is_the_one_asked_for_and_the_first_by_default() -> None:
    images = [to_lief(UNIVERSAL, arch) for arch in ("arm64", "x86_64", None)]
    assert [each.binary.header.cpu_type.name for each in images] == ["ARM64", "X86_64", "X86_64"]


def test_a_universal_file_with_64_bit_offsets_which_lief_refuses_can_be_opened(tmp_path: Path) -> None:
    path = tmp_path / "libx.dylib"
    path.write_bytes(fat([dylib("@rpath/libx.dylib")], fat64=True))
    image = to_lief(str(path), "arm64")
    assert next(iter(image.binary.libraries)).name == "@rpath/libx.dylib"


def test_a_slice_that_is_not_there_is_named_with_those_that_are() -> None:
    with pytest.raises(InputError, match=r"no ppc in it \(there is x86_64, arm64\)"):
        to_lief(UNIVERSAL, "ppc")


def test_bytes_that_end_inside_the_load_commands_are_an_error_and_not_a_binary_without_any(broken: str) -> None:
    with pytest.raises(InputError, match="LIEF"):
        to_lief(broken)


def test_what_is_no_image_is_an_error() -> None:
    with pytest.raises(InputError, match="LIEF cannot read it"):
        lief_image(b"no image at all, by no means")


def test_names_come_as_text_whatever_their_bytes() -> None:
    assert (lief_text(b"a\xff"), lief_text("b")) == ("a\udcff", "b")


def test_macholib_sees_every_slice() -> None:
    assert [header.header.cputype for header in to_macholib(UNIVERSAL).headers] == [0x01000007, 0x0100000C]


def test_whatever_macholib_raises_is_one_error_that_names_the_file(broken: str, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.write_bytes(b"")
    for path in (broken, str(empty), str(tmp_path / "absent")):
        with pytest.raises(InputError, match="macholib cannot read it") as caught:
            to_macholib(path)
        assert caught.value.path == path
