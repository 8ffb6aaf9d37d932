"""Universal files: layout, and the texts of dyld-1378's Universal::valid()."""

from __future__ import annotations

import contextlib
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from machochain.macho.reader import NOT_MACH_O, read_bytes
from machochain.model.arch import Arch
from machochain.model.errors import InputError
from machochain.model.image import FileType, Question
from tests.factory import MachO, dylib, fat

ARM = dylib("/x")
INTEL = dylib("/x", arch="x86_64")
ARM64E = dylib("/x", arch="arm64e")


def texts(data: bytes) -> list[str]:
    file = read_bytes(data)
    assert all(x.question is Question.ALWAYS for x in file.defects)
    return [x.text for x in file.defects]


def entries(*rows: tuple[int, int, int, int], count: int | None = None, fat64: bool = False) -> bytes:
    """A fat header with (cputype, cpusubtype, offset, size) rows."""
    out = struct.pack(">II", 0xCAFEBABF if fat64 else 0xCAFEBABE, len(rows) if count is None else count)
    for row in rows:
        out += struct.pack(">IIQQII", *row, 14, 0) if fat64 else struct.pack(">5I", *row, 14)
    return out


@pytest.mark.parametrize("fat64", [False, True])
def test_slices_in_header_order(fat64: bool) -> None:
    file = read_bytes(fat([INTEL, ARM, ARM64E], fat64=fat64))
    assert (file.universal, file.fat64, file.slice_count, file.defects) == (True, fat64, 3, ())
    assert [x.arch.name for x in file.slices] == ["x86_64", "arm64", "arm64e"]
    assert [x.align for x in file.slices] == [14, 14, 14]
    assert [x.size for x in file.slices] == [len(INTEL), len(ARM), len(ARM64E)]
    assert all(x.image is not None and x.image.install_name == "/x" for x in file.slices)


def test_a_thin_file_has_one_slice() -> None:
    file = read_bytes(ARM)
    assert (file.universal, file.fat64, file.slice_count) == (False, False, 1)
    (piece,) = file.slices
    assert (piece.offset, piece.size, piece.align) == (0, len(ARM), 0)


def test_a_hidden_arm64_slice_is_found() -> None:
    file = read_bytes(fat([INTEL, ARM], hidden=True))
    assert [x.arch.name for x in file.slices] == ["x86_64", "arm64"]
    assert file.slice_count == 1
    # only arm64 hides, and not in 64-bit headers
    assert len(read_bytes(fat([ARM, INTEL], hidden=True)).slices) == 1
    assert len(read_bytes(fat([INTEL, ARM], hidden=True, fat64=True)).slices) == 1


ROWS = [
    (entries(count=1), "fat file too short"),
    (entries((0x0100000C, 0, 0x4000, 0), count=17) + bytes(0x5000), "fat file has too many slices (17)"),
    (entries(count=0x80000000, fat64=True) + bytes(64), "fat file has too many slices (-2147483648)"),
    (entries((0x0100000C, 0, 0, 0)), "slice headers extend beyond end of file"),
    (fat([INTEL, ARM])[:-1], "arm64 slice extends beyond end of file"),
    (fat([ARM, ARM]), "duplicate arm64 slices"),
    (fat([ARM64E, ARM64E]), "duplicate arm64e slices"),
    (fat([INTEL, ARM], align=12), "slice is not page aligned"),
    (fat([INTEL], align=4), "slice is not page aligned"),
    (
        fat([ARM], archs=[Arch.named("x86_64")]),
        "cpu type/subtype in slice (arm64) does not match fat header (x86_64)",
    ),
    (
        fat([INTEL], archs=[Arch.named("x86_64h")]),
        "cpu type/subtype in slice (x86_64) does not match fat header (x86_64h)",
    ),
    (
        fat([ARM], archs=[Arch.of(77, 5)]),
        "cpu type/subtype in slice (arm64) does not match fat header (unknown)",
    ),
    (
        entries((0x0100000C, 0, 0x4000, 0x4000), (0x01000007, 3, 0x6000, 0x1000)) + bytes(0x8000),
        "overlapping slices",
    ),
]


@pytest.mark.parametrize(("data", "text"), ROWS, ids=[x[1] for x in ROWS])
def test_each_text(data: bytes, text: str) -> None:
    assert texts(data)[0] == text


@pytest.mark.parametrize(
    "data",
    [
        fat([INTEL, ARM]),
        fat([INTEL], align=12),
        # the hidden slice counts as one of them
        fat([INTEL, ARM], hidden=True),
        # libtool leaves the ABI bits of arm64e out of the fat header
        fat([ARM64E], archs=[Arch.of(0x0100000C, 2)]),
        fat([MachO(file_type=FileType.MH_OBJECT)], align=3),
        fat([MachO(file_type=FileType.MH_DSYM)], align=5),
        # out of order, yet apart
        entries((0x0100000C, 0, 0x8000, 0x1000), (0x01000007, 3, 0x4000, 0x1000)) + bytes(0x9000),
        entries(count=0) + bytes(40),
    ],
)
def test_sound_layouts(data: bytes) -> None:
    assert texts(data) == []


def test_slices_that_are_no_images() -> None:
    file = read_bytes(entries((18, 0, 0x4000, 0x100), (7, 3, 0x5000, 8)) + bytes(0x8000))
    assert [(x.image, x.error) for x in file.slices] == [(None, NOT_MACH_O)] * 2
    assert [x.arch.name for x in file.slices] == ["ppc", "i386"]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 70), st.integers(0, 255)), min_size=1, max_size=8))
def test_flipped_bytes_raise_nothing_but_input_errors(changes: list[tuple[int, int]]) -> None:
    data = bytearray(fat([INTEL, ARM]))
    for at, value in changes:
        data[at] = value
    with contextlib.suppress(InputError):
        read_bytes(bytes(data))


def test_truncation_at_every_byte_of_the_header() -> None:
    data = fat([INTEL, ARM])
    for length in range(8, 200):
        assert texts(data[:length])
