"""A universal file is edited slice by slice, all or nothing, and keeps its table."""

from __future__ import annotations

import struct
from typing import Any

import pytest

from machochain.repair.edits import AddRunPath
from machochain.repair.file import SigningPolicy, repair_file
from machochain.repair.obstacle import ObstacleKind, RepairError
from machochain.repair.signing import Signing
from machochain.repair.universal import read_pieces
from tests.factory.macho import MachO, fat


def made(arch: str, **more: Any) -> bytes:
    return MachO(**{"arch": arch, "headerpad": 256, "signed": True, **more}).bytes()


def test_a_thin_file_is_one_slice() -> None:
    data = made("arm64")
    assert read_pieces(data).with_data([data]) == data


@pytest.mark.parametrize("fat64", [False, True])
@pytest.mark.parametrize("align", [12, 14])
def test_an_edit_of_one_slice_leaves_the_table_and_the_other_slice(fat64: bool, align: int) -> None:
    old = fat([made("x86_64"), made("arm64")], fat64=fat64, align=align)
    done = repair_file(old, {"arm64": [AddRunPath("/p")]}, "x")
    assert [s.signing for s in done.slices] == [Signing.UNTOUCHED, Signing.PATCHED]
    assert len(done.data) == len(old)
    before, after = read_pieces(old), read_pieces(done.data)
    assert before.slices[0] == after.slices[0]
    assert [(p.offset, p.align) for p in before.slices] == [(p.offset, p.align) for p in after.slices]
    assert old[:8] == done.data[:8]


def test_a_slice_that_grows_moves_the_later_ones_by_their_own_alignment() -> None:
    old = fat([made("arm64", signed=False), made("x86_64")], align=12)
    done = repair_file(old, {"arm64": [AddRunPath("/p")]}, "x")
    first, second = read_pieces(done.data).slices
    assert second.offset % 4096 == 0
    assert second.offset >= first.offset + len(first.data)
    assert second.data == read_pieces(old).slices[1].data


def test_an_edit_that_fits_one_slice_only_is_done_in_none() -> None:
    old = fat([made("x86_64", headerpad=0), made("arm64")])
    with pytest.raises(RepairError) as caught:
        repair_file(old, {"arm64": [AddRunPath("/p" * 40)], "x86_64": [AddRunPath("/p" * 40)]}, "x")
    assert (caught.value.obstacle.kind, caught.value.obstacle.arch) == (ObstacleKind.NO_ROOM, "x86_64")
    assert "(x86_64)" in caught.value.obstacle.text


def _with(data: bytes, at: int, value: int) -> bytes:
    return data[:at] + struct.pack(">I", value) + data[at + 4 :]


WHOLE = fat([made("x86_64"), made("arm64")])


@pytest.mark.parametrize(
    "data",
    [
        _with(WHOLE, 4, 0),
        _with(WHOLE, 4, 500),
        _with(WHOLE, 8 + 8, 20),
        _with(WHOLE, 8 + 12, 1 << 30),
        WHOLE + b"tail",
        fat([made("arm64"), made("arm64")]),
        fat([made("x86_64"), made("arm64"), made("arm64e")], hidden=True),
        WHOLE[:200] + b"x" + WHOLE[201:],
    ],
    ids=["no slices", "too many", "unaligned", "past the end", "tail", "twice", "hidden", "gap in use"],
)
def test_a_layout_no_linker_makes_is_left_alone(data: bytes) -> None:
    with pytest.raises(RepairError) as caught:
        repair_file(data, {"arm64": [AddRunPath("/p")]}, "x", SigningPolicy())
    assert caught.value.obstacle.kind is ObstacleKind.UNIVERSAL_LAYOUT
