"""Disk images: every way of packing, every file system that is read, and what is told of the others."""

from __future__ import annotations

import os
import plistlib
import struct
import sys
from pathlib import Path

import pytest

from machochain.model.artifact import ArtifactKind, Limits, UnopenedReason
from machochain.model.errors import InputError
from machochain.model.filesystem import Presence
from machochain.model.paths import TargetPath
from machochain.world.archives.budget import Budget
from machochain.world.archives.disks.codecs import adc as unpack_adc
from machochain.world.archives.disks.codecs import lzfse_size
from machochain.world.archives.disks.udif import UdifFile, read_udif
from machochain.world.archives.errors import EncryptedError, NeedsLibraryError, NotReadError, OverLimitError
from machochain.world.archives.opening import is_artifact, open_artifact
from machochain.world.archives.places import place_artifact
from machochain.world.placement import World, open_world
from tests.world.archives.disks import (
    END,
    PACKERS,
    adc,
    fat_image,
    hfs_image,
    koly,
    lzfse,
    mish,
    run,
    tool,
    udif,
)
from tests.world.archives.looking import content, entry, names_on_disk
from tests.world.archives.packing import LIBRARY, TEXT, tar_bytes
from tests.world.archives.test_tools import assert_same

SAMPLE = (LIBRARY + bytes(70_000) + os.urandom(30_000) + TEXT * 4).ljust(256 << 10, b"\0")[: 256 << 10]


def shown(path: Path) -> bytes:
    """Return the whole image behind a UDIF file."""
    budget = Budget("x", Limits())
    with path.open("rb") as file:
        image = UdifFile(file, read_udif(file, path.stat().st_size, budget), budget)
        return image.read()


@pytest.mark.parametrize("encoding", [*PACKERS, "all"])
@pytest.mark.parametrize("form", ["new", "old", "with a data offset", "in three tables", "without a length"])
def test_every_way_of_packing_shows_the_same_image(tmp_path: Path, encoding: str, form: str) -> None:
    options = {
        "new": {}, "old": {"old": True}, "with a data offset": {"data_offset": 311}, "in three tables": {"split": 3},
        "without a length": {"sectors": False},
    }[form]  # fmt: skip
    path = tmp_path / "x.dmg"
    path.write_bytes(udif(SAMPLE, list(PACKERS) if encoding == "all" else [encoding], **options))  # type: ignore[arg-type]
    assert is_artifact(path) == "dmg"
    found = shown(path)
    assert found == SAMPLE if form != "without a length" else found.rstrip(b"\0") == SAMPLE.rstrip(b"\0")


def test_parts_of_an_image_are_what_they_are_in_the_whole(tmp_path: Path) -> None:
    path = tmp_path / "x.dmg"
    path.write_bytes(udif(SAMPLE, list(PACKERS), block=7))
    budget = Budget("x", Limits())
    with path.open("rb") as file:
        image = UdifFile(file, read_udif(file, path.stat().st_size, budget), budget)
        for at, size in [(0, 1), (511, 2), (3583, 3586), (100_000, 15_000), (len(SAMPLE) - 5, 50), (len(SAMPLE), 1)]:
            image.seek(at)
            assert image.read(size) == SAMPLE[at : at + size]
        assert image.seek(-3, os.SEEK_END) == len(SAMPLE) - 3


@pytest.mark.parametrize("data", [b"", b"a", b"abc" * 50, bytes(5000), os.urandom(700), LIBRARY, b"ab" * 40_000])
def test_adc_gives_what_was_packed(data: bytes) -> None:
    assert unpack_adc(adc(data), len(data)) == data


@pytest.mark.parametrize("bad", [b"\x00\x00", b"\x40\x00\x00", b"\x80a\x40", b"\x80a\x04\x05"])
def test_damaged_adc_is_an_error(bad: bytes) -> None:
    with pytest.raises(ValueError, match=r"copy|end"):
        unpack_adc(bad, 100)


def test_the_headers_of_lzfse_say_what_comes_out() -> None:
    for data in (LIBRARY, TEXT * 10, os.urandom(100_000), bytes(1 << 20), b"x"):
        assert lzfse_size(lzfse(data)) == len(data)
    for bad in (b"", b"bvx2", b"what" * 20, b"bvx-\x05\0\0\0abc", lzfse(TEXT)[:40]):
        with pytest.raises((ValueError, struct.error)):
            lzfse_size(bad)


def test_a_block_that_gives_more_than_it_should_is_damage_before_it_is_made(tmp_path: Path) -> None:
    kind, _ = PACKERS["LZFSE"]
    bomb = lzfse(bytes(2 << 20))
    table = mish(0, 2, [(kind, 0, 2, 0, len(bomb)), (END, 2, 0, 0, 0)])
    text = plistlib.dumps({"resource-fork": {"blkx": [{"Data": table}]}})
    path = tmp_path / "x.dmg"
    path.write_bytes(bomb + text + koly(len(bomb), len(bomb), len(text)))
    with pytest.raises(OSError, match="2097152"):
        shown(path)


# --- file systems ------------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What a disk image holds: an app with a framework, a text, the link to /Applications."""
    top = tmp_path / "packed"
    macos = top / "Foo.app" / "Contents" / "MacOS"
    macos.mkdir(parents=True)
    (macos / "Foo").write_bytes(LIBRARY + os.urandom(300_000))
    inner = top / "Foo.app" / "Contents" / "Frameworks" / "X.framework" / "Versions" / "A"
    inner.mkdir(parents=True)
    (inner / "X").write_bytes(LIBRARY)
    (inner.parent / "Current").symlink_to("A")
    (top / "Foo.app" / "Contents" / "Info.plist").write_bytes(b"<plist/>")
    (top / "A long name of a text").write_bytes(TEXT)
    (top / "Applications").symlink_to("/Applications")
    return top


@pytest.mark.parametrize("encoding", ["zlib", "bzip2", "LZFSE", "LZMA", "ADC", "raw", "image"])
def test_an_hfs_volume_is_read_file_by_file(tmp_path: Path, folder: Path, encoding: str) -> None:
    pytest.importorskip("pyfshfs")
    image = hfs_image(folder, tmp_path / "x.img")
    path = tmp_path / "Foo.dmg"
    path.write_bytes(image if encoding == "image" else udif(image, [encoding]))
    with open_artifact(path) as artifact:
        assert_same(artifact, folder)
        assert artifact.image is not None
        assert [each.form for each in artifact.image.volumes] == ["HFS+"]
        assert artifact.image.encodings == (() if encoding == "image" else (encoding,))
        assert (artifact.kind, artifact.default_place) == (ArtifactKind.APP, "/Applications")
        view = open_world(place_artifact(World(), artifact))
        assert view.look(TargetPath("/Applications/Foo.app/Contents/MacOS/Foo")).presence is Presence.PRESENT
        text = f"{artifact.image.mounted}/A long name of a text"
        assert view.look(TargetPath(text)).presence is Presence.PRESENT


@pytest.mark.parametrize(("bits", "size"), [(12, 2 << 20), (16, 16 << 20), (32, 40 << 20)])
@pytest.mark.parametrize("packed", [True, False])
def test_a_fat_volume_is_read_file_by_file(tmp_path: Path, folder: Path, bits: int, size: int, packed: bool) -> None:
    for link in [path for path in folder.rglob("*") if path.is_symlink()]:
        link.unlink()
    (folder / "short.txt").write_bytes(TEXT)
    (folder / "NOTHING").write_bytes(b"")
    (folder / "Grüße und mehr als dreizehn Zeichen.txt").write_bytes(TEXT)
    image = fat_image(folder, tmp_path / "x.img", bits=bits, size=size)
    path = tmp_path / "Foo.dmg"
    path.write_bytes(udif(image) if packed else image)
    with open_artifact(path) as artifact:
        assert_same(artifact, folder)
        assert artifact.image is not None
        assert [(each.name, each.form) for each in artifact.image.volumes] == [("FOO", f"FAT{bits}")]


def fat12(tmp_path: Path) -> bytearray:
    (tmp_path / "f").mkdir()
    (tmp_path / "f" / "tool").write_bytes(LIBRARY + os.urandom(30_000))
    return bytearray(fat_image(tmp_path / "f", tmp_path / "fat.img", bits=16, size=16 << 20))


def test_a_chain_of_clusters_that_is_a_circle_ends(tmp_path: Path) -> None:
    image = fat12(tmp_path)
    reserved, table = struct.unpack_from("<H", image, 14)[0] * 512, struct.unpack_from("<H", image, 22)[0] * 512
    for at in range(reserved + 4, reserved + table, 2):
        struct.pack_into("<H", image, at, 2)
    path = tmp_path / "x.img"
    path.write_bytes(image)
    with open_artifact(path) as artifact:
        assert [each.name for each in artifact.entries] == ["tool"]


def test_a_chain_that_leads_nowhere_is_damage(tmp_path: Path) -> None:
    image = fat12(tmp_path)
    reserved = struct.unpack_from("<H", image, 14)[0] * 512
    struct.pack_into("<H", image, reserved + 6, 0xFF00)
    path = tmp_path / "x.img"
    path.write_bytes(image)
    with open_artifact(path) as artifact:
        assert [problem.part for problem in artifact.problems] == ["tool"]
        assert entry(artifact, "tool").lost == "tool"


def test_several_volumes_lie_below_their_names(tmp_path: Path) -> None:
    one = bytes(fat12(tmp_path))
    head = bytearray(512)
    for number in range(2):
        struct.pack_into("<II", head, 446 + 16 * number + 8, 1 + number * len(one) // 512, len(one) // 512)
    head[510:512] = b"\x55\xaa"
    path = tmp_path / "x.dmg"
    path.write_bytes(udif(bytes(head) + one + one))
    with open_artifact(path) as artifact:
        assert names_on_disk(artifact) == {"FOO/tool", "FOO 1/tool"}


def test_the_wrapper_of_an_old_volume_is_opened(tmp_path: Path, folder: Path) -> None:
    pytest.importorskip("pyfshfs")
    image = hfs_image(folder, tmp_path / "x.img")
    count = struct.unpack_from(">I", image, 512 + 4)[0] if image[512:514] == b"PM" else 0
    block = 512 if count else 2048
    start = next(
        struct.unpack_from(">I", image, block * (n + 1) + 8)[0] * block
        for n in range(max(count, struct.unpack_from(">I", image, block + 4)[0]))
        if image[block * (n + 1) + 48 :].startswith(b"Apple_HFS")
    )
    plain = image[start:]
    wrapper = bytearray(4096)
    struct.pack_into(">2s", wrapper, 1024, b"BD")
    struct.pack_into(">I", wrapper, 1024 + 20, 512)
    struct.pack_into(">H", wrapper, 1024 + 28, 4)
    struct.pack_into(">2sHH", wrapper, 1024 + 124, b"H+", 4, min(len(plain) // 512, 0xFFFF))
    path = tmp_path / "wrapped.img"
    path.write_bytes(bytes(wrapper) + plain)
    with open_artifact(path) as artifact:
        assert content(artifact, "Foo.app/Contents/Frameworks/X.framework/Versions/A/X") == LIBRARY


def test_an_empty_apfs_volume_is_one(tmp_path: Path) -> None:
    pytest.importorskip("pyfsapfs")
    path = tmp_path / "x.img"
    path.write_bytes(b"")
    with path.open("r+b") as file:
        file.truncate(600 << 20)  # the tool makes no small ones
    run(tool("mkapfs"), "-L", "Foo", path)
    with open_artifact(path) as artifact:
        assert artifact.image is not None
        assert [(each.name, each.form) for each in artifact.image.volumes] == [("Foo", "APFS")]
        assert artifact.problems == ()


# --- what is not read, and what is damaged -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "error", "word"),
    [
        (b"encrcdsa" + bytes(5000), EncryptedError, "encrypted"),
        (bytes(5000) + b"cdsaencr", EncryptedError, "encrypted"),
        (b"AEA1" + bytes(5000), EncryptedError, "encrypted"),
        (b"sprs" + bytes(5000), NotReadError, "sparse"),
        (udif(bytes(1 << 16) + b"x" * 512), NotReadError, "no file system"),
        (udif(bytes(1024) + b"BD" + bytes(510 + (1 << 16))), NotReadError, "HFS volume"),
        (udif(bytes(88) + b"CS" + bytes(512 - 90)), NotReadError, "no file system"),
        (udif(b"x" * 88 + b"CS" + bytes(512 - 90)), EncryptedError, "FileVault"),
        (udif(bytes(32768) + b"\1CD001" + bytes(506)), NotReadError, "ISO 9660"),
        (udif(b"\xeb\x76\x90EXFAT   " + bytes(501)), NotReadError, "exFAT"),
        (koly(0, 0, 0), InputError, "lists no blocks"),
        (koly(0, 0, 0, segments=3), NotReadError, "3 segments"),
        (koly(0, 1 << 40, 10), InputError, "outside"),
        (b"x" * 100 + koly(100, 0, 100), InputError, "cannot be read"),
    ],
)
def test_what_is_not_read_is_told_with_its_reason(
    tmp_path: Path, data: bytes, error: type[InputError], word: str
) -> None:
    path = tmp_path / "x.dmg"
    path.write_bytes(data)
    assert is_artifact(path) == "dmg"
    with pytest.raises(error, match=word), open_artifact(path):
        pass
    outer = tmp_path / "x.tar"
    outer.write_bytes(tar_bytes([("x.dmg", data), ("libx", LIBRARY)]))
    with open_artifact(outer) as artifact:
        (unopened,) = artifact.unopened
        assert unopened.reason is {
            EncryptedError: UnopenedReason.ENCRYPTED, NotReadError: UnopenedReason.NOT_READ,
        }.get(error, UnopenedReason.DAMAGED)  # fmt: skip


def tables(*blocks: tuple[int, int, int, int, int], first: int = 0, sectors: int = 8) -> bytes:
    """Return an image with one table over 4096 bytes of data."""
    text = plistlib.dumps({"resource-fork": {"blkx": [{"Data": mish(first, sectors, blocks)}]}})
    return b"x" * 4096 + text + koly(4096, 4096, len(text))


@pytest.mark.parametrize(
    ("data", "word"),
    [
        (tables((1, 0, 4, 0, 2048), (1, 3, 4, 0, 2048)), "overlap"),
        (tables((1, 4, 5, 0, 2560)), "outside of its partition"),
        (tables((1, 0, 8, 1 << 62, 4096)), "outside of the file"),
        (tables((0x80000042, 0, 8, 0, 100)), "unknown type"),
        (tables((0x80000005, 0, 1 << 20, 0, 100), sectors=1 << 20), "more than"),
        (tables((1, 0, 1 << 55, 0, 4096), sectors=1 << 56), "no file system"),
    ],
)
def test_tables_that_make_no_sense_are_errors(tmp_path: Path, data: bytes, word: str) -> None:
    path = tmp_path / "x.dmg"
    path.write_bytes(data)
    with pytest.raises(InputError, match=word), open_artifact(path):
        pass


def test_a_table_that_claims_more_blocks_than_it_has_is_cut(tmp_path: Path) -> None:
    table = bytearray(mish(0, 8, [(1, 0, 8, 0, 4096)]))
    struct.pack_into(">I", table, 200, 0xFFFFFFFF)
    text = plistlib.dumps({"resource-fork": {"blkx": [{"Data": bytes(table)}]}})
    path = tmp_path / "x.dmg"
    path.write_bytes(bytes(4096) + text + koly(4096, 4096, len(text)))
    with pytest.raises(InputError, match="is cut"), open_artifact(path):
        pass


def test_blocks_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "x.dmg"
    path.write_bytes(udif(SAMPLE, block=1))
    with pytest.raises(OverLimitError, match="limit steps"), open_artifact(path, Limits(steps=100)):
        pass


def test_entities_in_the_list_are_refused(tmp_path: Path) -> None:
    text = (
        b'<?xml version="1.0"?><!DOCTYPE plist [<!ENTITY x SYSTEM "file:///etc/passwd">]><plist><dict>'
        b"<key>resource-fork</key><string>&x;</string></dict></plist>"
    )
    path = tmp_path / "x.dmg"
    path.write_bytes(text + koly(0, 0, len(text)))
    with pytest.raises(InputError, match="cannot be read"), open_artifact(path):
        pass


def test_a_damaged_block_is_told_with_its_place_and_whether_the_hash_knew(tmp_path: Path) -> None:
    image = bytes(fat12(tmp_path))

    def harm(data: bytearray) -> None:
        data[-3000:-2900] = bytes(100)

    path = tmp_path / "x.dmg"
    path.write_bytes(udif(image, ["zlib"], change=harm))
    with open_artifact(path) as artifact:
        assert not artifact.complete
        reasons = [problem.reason for problem in artifact.problems]
        assert any("(zlib) is damaged" in reason for reason in reasons)
        assert any("damaged on its way" in reason for reason in reasons)
        assert any(problem.offset for problem in artifact.problems)


def test_a_sparse_image_of_a_terabyte_costs_nothing(tmp_path: Path) -> None:
    first = fat12(tmp_path)
    huge = (1 << 40) // 512
    many = len(first) // 512
    table = mish(0, huge, [(1, 0, many, 0, len(first)), (0, many, huge - many, 0, 0), (END, huge, 0, 0, 0)])
    text = plistlib.dumps({"resource-fork": {"blkx": [{"Data": table}]}})
    path = tmp_path / "x.dmg"
    path.write_bytes(bytes(first) + text + koly(len(first), len(first), len(text)))
    with open_artifact(path) as artifact:
        assert names_on_disk(artifact) == {"tool"}


def test_without_the_libraries_the_error_says_what_to_install(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x.dmg"
    path.write_bytes(udif(hfs_image(folder, tmp_path / "x.img")))
    for name in ("pyfshfs", "pyfsapfs", "lzfse"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(NeedsLibraryError, match=r"machochain\[dmg\]"), open_artifact(path):
        pass
    path.write_bytes(udif(bytes(fat12(tmp_path))))
    with open_artifact(path) as artifact:
        assert names_on_disk(artifact) == {"tool"}, "FAT needs none"


def test_a_licence_is_a_fact(tmp_path: Path) -> None:
    path = tmp_path / "x.dmg"
    path.write_bytes(udif(bytes(fat12(tmp_path)), licence=True))
    with open_artifact(path) as artifact:
        assert artifact.image is not None
        assert artifact.image.licence


def test_a_disk_image_in_an_archive_is_opened(tmp_path: Path) -> None:
    image = udif(bytes(fat12(tmp_path)))
    path = tmp_path / "x.tar"
    path.write_bytes(tar_bytes([("dist/Foo.dmg", image)]))
    with open_artifact(path) as artifact:
        assert [inner.path for inner in artifact.nested] == [f"{path}:dist/Foo.dmg"]
