"""Load commands are edited in their own space: what an edit does, what it leaves, and when it is refused."""

from __future__ import annotations

import struct
from typing import Any

import pytest

from machochain.macho import constants as c
from machochain.macho.reader import read_bytes
from machochain.model.image import FileType
from machochain.model.version import Version
from machochain.repair.edits import (
    AddRunPath,
    AddUUID,
    ChangeInstallName,
    ChangeLoad,
    ChangeRunPath,
    DeleteRunPath,
    Edit,
    ProtectConstants,
    RaiseMinimum,
    WeakenLoad,
    apply_edits,
    describe,
)
from machochain.repair.layout import read_layout
from machochain.repair.obstacle import ObstacleKind, RepairError
from tests.factory.macho import MachO, Section, load, raw_command, reexport, upward, use

ROOMY = 512


def made(**more: Any) -> bytes:
    return MachO(**{"install_name": "/x/liba.dylib", "headerpad": ROOMY, **more}).bytes()


def facts(data: bytes) -> Any:
    image = read_bytes(data).slices[0].image
    assert image is not None
    return image


def run_paths(data: bytes) -> list[str]:
    return [r.path for r in facts(data).run_paths]


def loads(data: bytes) -> list[str]:
    return [d.name for d in facts(data).loads]


def outside_is_untouched(old: bytes, new: bytes) -> bool:
    low = read_layout(old).low
    return len(old) == len(new) and old[low:] == new[low:] and old[:16] == new[:16]


def test_an_added_run_path_is_the_last_command_and_nothing_else_changes() -> None:
    old = made(rpaths=["/one"])
    new = apply_edits(old, [AddRunPath("/p"), AddRunPath("/q")])
    assert run_paths(new) == ["/one", "/p", "/q"]
    assert read_layout(new).commands[:-2] == read_layout(old).commands
    assert len(read_layout(new).commands[-1]) == 16
    assert outside_is_untouched(old, new)


def test_of_equal_run_paths_the_first_stays() -> None:
    old = made(rpaths=["/a", "/b", "/a", "/a"])
    new = apply_edits(old, [DeleteRunPath("/a", repeats=True)])
    assert run_paths(new) == ["/a", "/b"]
    layout = read_layout(new)
    assert not any(new[layout.end : layout.low])
    assert outside_is_untouched(old, new)


def test_a_repeated_run_path_that_goes_altogether_goes_in_one_run() -> None:
    edits = [DeleteRunPath("/a"), DeleteRunPath("/a", repeats=True)]
    assert run_paths(apply_edits(made(rpaths=["/a", "/b", "/a"]), edits)) == ["/b"]


def test_a_deleted_run_path_is_the_first_of_its_kind() -> None:
    assert run_paths(apply_edits(made(rpaths=["/a", "/b", "/a"]), [DeleteRunPath("/a")])) == ["/b", "/a"]


def test_a_changed_run_path_keeps_its_place() -> None:
    assert run_paths(apply_edits(made(rpaths=["/a", "/b"]), [ChangeRunPath("/a", "@loader_path/longer")])) == [
        "@loader_path/longer",
        "/b",
    ]


@pytest.mark.parametrize("kind", [load, reexport, upward])
def test_a_load_is_changed_whatever_its_kind_and_ordinals_stay(kind: Any) -> None:
    old = made(loads=["/a", kind("/b"), "/c"])
    new = apply_edits(old, [ChangeLoad("/b", "@rpath/much/longer/name.dylib")])
    assert loads(new)[:3] == ["/a", "@rpath/much/longer/name.dylib", "/c"]
    assert [d.ordinal for d in facts(new).loads] == [d.ordinal for d in facts(old).loads]
    assert [(d.current_version, d.compatibility_version) for d in facts(new).loads] == [
        (d.current_version, d.compatibility_version) for d in facts(old).loads
    ]


def test_a_dylib_use_command_keeps_its_flags() -> None:
    old = made(loads=[use("/b", c.DYLIB_USE_WEAK | c.DYLIB_USE_DELAYED)])
    new = apply_edits(old, [ChangeLoad("/b", "/somewhere/else")])
    (was, *_), (is_, *_) = facts(old).loads, facts(new).loads
    assert (
        (is_.name, is_.weak, is_.delayed)
        == ("/somewhere/else", was.weak, was.delayed)
        == (
            "/somewhere/else",
            True,
            True,
        )
    )


def test_a_shorter_name_gives_room_back_and_zeros_it() -> None:
    old = made(loads=["/a/very/long/name/that/takes/room.dylib"])
    new = apply_edits(old, [ChangeLoad("/a/very/long/name/that/takes/room.dylib", "/b")])
    assert (read_layout(new).room - read_layout(old).room) % 8 == 0
    assert read_layout(new).room > read_layout(old).room
    assert not any(new[read_layout(new).end : read_layout(new).low])


def test_a_weakened_load_keeps_its_ordinal() -> None:
    old = made(loads=["/a", "/b"])
    new = apply_edits(old, [WeakenLoad("/a")])
    assert [(d.name, d.weak, d.ordinal) for d in facts(new).loads][:2] == [("/a", True, 1), ("/b", False, 2)]


def test_only_a_dylib_has_an_install_name() -> None:
    assert facts(apply_edits(made(), [ChangeInstallName("@rpath/liba.dylib")])).install_name == "@rpath/liba.dylib"
    program = MachO(headerpad=ROOMY).bytes()
    assert apply_edits(program, [ChangeInstallName("/x")]) == program


def test_constants_are_marked_read_only_unless_something_writes_there() -> None:
    def data_const(section: str, flags: int = 0) -> bytes:
        sections = [Section("__DATA_CONST", section, b"x" * 8, flags=flags)]
        return made(sections=sections, tweak={"__DATA_CONST": {"flags": 0}})

    new = apply_edits(data_const("__const"), [ProtectConstants()])
    assert next(s for s in read_layout(new).segments if s.name == "__DATA_CONST").flags == 0x10
    for section, flags in (("__la_symbol_ptr", 0x7), ("__objc_data", 0)):
        with pytest.raises(RepairError) as caught:
            apply_edits(data_const(section, flags), [ProtectConstants()])
        assert caught.value.obstacle.kind is ObstacleKind.WRITABLE_CONSTANTS


def test_a_uuid_is_made_of_the_bytes_and_is_the_same_each_time() -> None:
    old = made(uuid=None)
    new = apply_edits(old, [AddUUID()])
    assert new == apply_edits(old, [AddUUID()])
    (uuid,) = (x[8:24] for x in read_layout(new).commands if struct.unpack_from("<I", x)[0] == c.LC_UUID)
    assert (uuid[6] >> 4, uuid[8] >> 6) == (8, 2)
    assert uuid != apply_edits(made(uuid=None, rpaths=["/x"]), [AddUUID()])[-16:]


def test_the_minimum_is_only_raised_and_the_sdk_stays() -> None:
    old = made(minos="11.0", sdk="14.2")
    new = facts(apply_edits(old, [RaiseMinimum(Version.of(12, 3))]))
    assert (str(new.build.minos), str(new.build.sdk)) == ("12.3", "14.2")
    assert apply_edits(old, [RaiseMinimum(Version.of(10, 9))]) == old


def test_deletions_make_room_for_what_is_added_in_the_same_run() -> None:
    long = "/" + "x" * 60
    old = MachO(install_name="/a", rpaths=[long], signed=True).bytes()
    with pytest.raises(RepairError):
        apply_edits(old, [AddRunPath("/y" * 20)])
    new = apply_edits(old, [AddRunPath("/y" * 20), DeleteRunPath(long)])
    assert run_paths(new) == ["/y" * 20]


@pytest.mark.parametrize(("signed", "missing"), [(True, 16), (False, 32)])
def test_without_room_the_missing_bytes_are_told(signed: bool, missing: int) -> None:
    """Sixteen bytes are kept for the signature of a file that has none."""
    old = MachO(install_name="/a", signed=signed, uuid=b"\1" * 16).bytes()
    free = read_layout(old).room
    with pytest.raises(RepairError) as caught:
        apply_edits(old, [AddRunPath("/p")])
    obstacle = caught.value.obstacle
    assert (obstacle.kind, obstacle.amount) == (ObstacleKind.NO_ROOM, missing - free)
    assert "-headerpad_max_install_names" in obstacle.text


def test_a_gap_that_holds_data_is_not_written_over() -> None:
    old = bytearray(made())
    old[read_layout(bytes(old)).end + 20] = 1
    with pytest.raises(RepairError) as caught:
        apply_edits(bytes(old), [AddRunPath("/a/path/that/reaches/it")])
    assert caught.value.obstacle.kind is ObstacleKind.GAP_IN_USE


@pytest.mark.parametrize(
    ("edit", "kind"),
    [
        (DeleteRunPath("/none"), ObstacleKind.ABSENT),
        (DeleteRunPath("/a", repeats=True), ObstacleKind.ABSENT),
        (ChangeRunPath("/none", "/x"), ObstacleKind.ABSENT),
        (ChangeRunPath("/a", "/b"), ObstacleKind.WOULD_REPEAT),
        (AddRunPath("/a"), ObstacleKind.WOULD_REPEAT),
        (ChangeLoad("/none", "/x"), ObstacleKind.ABSENT),
        (ChangeLoad("/one", "/two"), ObstacleKind.WOULD_REPEAT),
        (WeakenLoad("/none"), ObstacleKind.ABSENT),
        (ProtectConstants(), ObstacleKind.ABSENT),
        (AddUUID(), ObstacleKind.WOULD_REPEAT),
    ],
)
def test_what_cannot_be_done_is_refused_by_its_kind(edit: Edit, kind: ObstacleKind) -> None:
    with pytest.raises(RepairError) as caught:
        apply_edits(made(rpaths=["/a", "/b"], loads=["/one", "/two"]), [edit])
    assert caught.value.obstacle.kind is kind
    assert describe(edit)


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"", ObstacleKind.MALFORMED),
        (b"\xfe\xed\xfa\xcf" + bytes(60), ObstacleKind.BYTE_ORDER),
        (made(file_type=FileType.MH_OBJECT, install_name=None), ObstacleKind.FILE_TYPE),
        (made(extra=[raw_command(0x2C, struct.pack("<4I", 0, 16, 1, 0))]), ObstacleKind.ENCRYPTED),
        (made()[:200], ObstacleKind.MALFORMED),
        (made(extra=[struct.pack("<II", 0x1C | 0x80000000, 4) + bytes(8)]), ObstacleKind.MALFORMED),
        (made(extra=[raw_command(c.LC_RPATH, struct.pack("<I", 99))]), ObstacleKind.MALFORMED),
    ],
)
def test_what_is_nothing_to_edit_is_refused(data: bytes, kind: ObstacleKind) -> None:
    with pytest.raises(RepairError) as caught:
        apply_edits(data, [AddRunPath("/new")])
    assert caught.value.obstacle.kind is kind


@pytest.mark.parametrize("step", [7, 64])
def test_a_file_cut_or_changed_anywhere_is_edited_or_refused_and_never_cut_further(step: int) -> None:
    whole = made(rpaths=["/a"], signed=True)
    end = read_layout(whole).end
    for at in range(0, end, step):
        for data in (whole[:at], whole[:at] + b"\xff\xff\xff\xff" + whole[at + 4 :]):
            try:
                new = apply_edits(data, [AddRunPath("/new"), DeleteRunPath("/a")])
            except RepairError:
                continue
            assert len(new) == len(data)
