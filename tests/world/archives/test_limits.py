"""What an archive may cost: every limit holds, and says which it is."""

from __future__ import annotations

import bz2
import gzip
import lzma
import random
import struct
import sys
import tarfile
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from machochain.model.artifact import Limits
from machochain.model.errors import InputError
from machochain.world.archives.compression import EMPTY_PARTS, memory_of
from machochain.world.archives.errors import OverLimitError
from machochain.world.archives.opening import is_artifact, open_artifact
from tests.factory.macho import MachO
from tests.world.archives.disks import fat_image, udif
from tests.world.archives.looking import content, entry, names_on_disk, pack
from tests.world.archives.packages import component, xar
from tests.world.archives.packing import (
    LIBRARY,
    Content,
    Link,
    compressed,
    lzma_with_a_huge_dictionary,
    tar,
    tar_bytes,
    zip_bytes,
    zipped,
)

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

MIB = 1 << 20


def bomb(form: str, path: Path, size: int) -> Path:
    return pack(path, form, [("harmless", LIBRARY), ("libbomb.dylib", LIBRARY + bytes(size))])


@pytest.mark.parametrize("form", ["zip", "tar.gz", "tar.bz2", "tar.xz", "tar.zst"])
def test_a_bomb_ends_at_the_ratio(tmp_path: Path, form: str) -> None:
    path = bomb(form, tmp_path, 12 * MIB)
    limits = Limits(ratio=50, ratio_floor=4 * MIB)
    with pytest.raises(InputError, match="limit ratio") as caught, open_artifact(path, limits):
        pass
    assert caught.value.path == str(path)


@pytest.mark.parametrize("form", ["zip", "tar.gz", "tar.xz"])
def test_a_bomb_ends_at_the_total(tmp_path: Path, form: str) -> None:
    path = bomb(form, tmp_path, 12 * MIB)
    with pytest.raises(InputError, match="limit total_bytes"), open_artifact(path, Limits(total_bytes=5 * MIB)):
        pass


@pytest.mark.parametrize("form", ["zip", "tar", "tar.gz"])
def test_a_file_too_long_is_left_out(tmp_path: Path, form: str) -> None:
    path = bomb(form, tmp_path, 2 * MIB)
    with open_artifact(path, Limits(file_bytes=MIB)) as artifact:
        assert names_on_disk(artifact) == {"harmless"}
        assert "limit file_bytes" in artifact.problems[0].reason
        assert entry(artifact, "libbomb.dylib").lost == "libbomb.dylib"


@pytest.mark.parametrize("form", ["zip", "tar"])
def test_too_many_entries_end_it(tmp_path: Path, form: str) -> None:
    path = pack(tmp_path, form, [(f"f{number}.py", b"") for number in range(60)])
    with pytest.raises(InputError, match=r"limit entries") as caught, open_artifact(path, Limits(entries=50)):
        pass
    assert caught.value.path == str(path)


def test_too_many_folders_end_it(tmp_path: Path) -> None:
    path = tar(tmp_path / "x.tar", [("/".join(f"{n}{d}" for d in range(20)), b"") for n in range(10)])
    with pytest.raises(InputError, match=r"folders \(limit entries\)"), open_artifact(path, Limits(entries=100)):
        pass


def test_more_than_a_hundred_thousand_entries_are_refused_before_anything_is_made_of_them(tmp_path: Path) -> None:
    # A central directory and its end record: APPNOTE.TXT 4.3.12 and 4.3.16.
    one = struct.pack("<4s6H3I5H2I", b"PK\x01\x02", 20, 20, 0, 0, 0, 33, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0) + b"f"
    directory = one * 100_001
    end = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, 0xFFFE, 0xFFFE, len(directory), 4, 0)
    path = tmp_path / "x.zip"
    path.write_bytes(b"PK\x03\x04" + directory + end)
    tracemalloc.start()
    try:
        with pytest.raises(InputError, match="100000 entries"), open_artifact(path):
            pass
        assert tracemalloc.get_traced_memory()[1] < 16 * MIB
    finally:
        tracemalloc.stop()


def test_memory_does_not_grow_with_a_bomb(tmp_path: Path) -> None:
    path = bomb("tar.gz", tmp_path, 24 * MIB)
    tracemalloc.start()
    try:
        with open_artifact(path) as artifact:
            assert entry(artifact, "libbomb.dylib").size > 24 * MIB
        assert tracemalloc.get_traced_memory()[1] < 8 * MIB
    finally:
        tracemalloc.stop()


def test_a_header_that_claims_gigabytes_is_refused_before_it_is_read(tmp_path: Path) -> None:
    info = tarfile.TarInfo("././@LongLink")
    info.type, info.size = tarfile.GNUTYPE_LONGNAME, 64 * MIB
    path = tmp_path / "x.tar.gz"
    data = tar_bytes([("first", LIBRARY)])
    body = data[: 512 + (len(LIBRARY) + 511) // 512 * 512] + info.tobuf(tarfile.GNU_FORMAT) + b"n" * (64 * MIB)
    path.write_bytes(gzip.compress(body, 1))
    tracemalloc.start()
    try:
        with pytest.raises(InputError, match="header is longer"), open_artifact(path):
            pass
        assert tracemalloc.get_traced_memory()[1] < 8 * MIB
    finally:
        tracemalloc.stop()


def test_an_xz_stream_that_asks_for_too_much_memory_is_told_as_such(tmp_path: Path) -> None:
    path = tmp_path / "x.tar.xz"
    good = compressed(tmp_path / "good.tar.xz", [("first", LIBRARY)])
    assert is_artifact(good) == "tar.xz"
    path.write_bytes(lzma_with_a_huge_dictionary(tar_bytes([("first", LIBRARY)])))
    assert is_artifact(path) == "tar.xz"
    with pytest.raises(OverLimitError, match=r"1536 MiB.*limit memory_bytes"), open_artifact(path):
        pass


@pytest.mark.parametrize("long", [29, 30, 31])
def test_a_zstandard_stream_that_asks_for_too_much_memory_is_told_as_such(tmp_path: Path, long: int) -> None:
    window = zstd.CompressionParameter.window_log
    stream = zstd.ZstdCompressor(options={window: long})
    data = stream.compress(tar_bytes([("first", LIBRARY)])) + stream.flush()
    path = tmp_path / "x.tar.zst"
    path.write_bytes(data)
    assert memory_of(data, "zst") == 1 << long
    assert is_artifact(path) == "tar.zst"
    with pytest.raises(OverLimitError, match="limit memory_bytes"), open_artifact(path):
        pass


def test_the_memory_of_what_people_write_is_allowed(tmp_path: Path) -> None:
    data = tar_bytes([("first", LIBRARY)])
    window = zstd.CompressionParameter.window_log
    stream = zstd.ZstdCompressor(options={window: 27})
    forms = {
        "xz": lzma.compress(data, preset=9 | lzma.PRESET_EXTREME),
        "zst": stream.compress(data) + stream.flush(),
    }
    for form, packed in forms.items():
        path = tmp_path / f"x.{form}"
        path.write_bytes(packed)
        assert 0 < memory_of(packed, form) <= 128 * MIB
        with open_artifact(path) as artifact:
            assert content(artifact, "first") == LIBRARY


SKIPPABLE = struct.pack("<2I", 0x184D2A50, 0)
EMPTY = {
    "gz": gzip.compress(b"", mtime=0), "bz2": bz2.compress(b""), "xz": lzma.compress(b""), "zst": SKIPPABLE,
}  # fmt: skip


@pytest.mark.parametrize("form", EMPTY)
def test_empty_parts_of_a_stream_are_not_followed_without_end(tmp_path: Path, form: str) -> None:
    packers: dict[str, Callable[[bytes], bytes]] = {
        "gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress, "zst": zstd.compress,
    }  # fmt: skip
    data = packers[form]
    halves = tar_bytes([("first", LIBRARY), ("second", LIBRARY)])
    cut = 512 + len(LIBRARY)
    few = data(halves[:cut]) + EMPTY[form] * EMPTY_PARTS + data(halves[cut:])
    many = data(halves[:cut]) + EMPTY[form] * (EMPTY_PARTS + 1) + data(halves[cut:])
    path = tmp_path / "x"
    path.write_bytes(few)
    with open_artifact(path) as artifact:
        assert names_on_disk(artifact) == {"first", "second"}
    path.write_bytes(many)
    with pytest.raises(OverLimitError, match="parts in a row that give nothing"), open_artifact(path):
        pass


def test_many_small_parts_of_a_stream_are_counted(tmp_path: Path) -> None:
    data = tar_bytes([("first", LIBRARY)])
    path = tmp_path / "x.tar.gz"
    path.write_bytes(b"".join(gzip.compress(data[at : at + 64]) for at in range(0, len(data), 64)))
    with open_artifact(path) as artifact:
        assert content(artifact, "first") == LIBRARY
    with pytest.raises(OverLimitError, match="limit steps"), open_artifact(path, Limits(steps=10_000)):
        pass


def test_room_on_disk_is_a_limit_of_its_own_and_zeros_take_none(tmp_path: Path) -> None:
    noise = MachO(arch="arm64").bytes() + bytes(range(1, 255)) * 10_000
    zeros = LIBRARY + bytes(24 * MIB)
    with open_artifact(tar(tmp_path / "a.tar", [("libx", zeros)]), Limits(disk_bytes=MIB)) as artifact:
        host = Path(entry(artifact, "libx").host or "")
        assert host.read_bytes() == zeros
        assert host.stat().st_blocks * 512 < MIB
    path = tar(tmp_path / "b.tar", [("libx", noise)])
    with pytest.raises(OverLimitError, match="limit disk_bytes"), open_artifact(path, Limits(disk_bytes=MIB)):
        pass


def test_long_links_and_chains_of_links_end_at_the_limits_of_a_look_up(tmp_path: Path) -> None:
    chain: list[tuple[str, Content]] = [(f"l{n}", Link(f"l{n + 1}")) for n in range(200)]
    entries: list[tuple[str, Content]] = [
        ("d/libx", LIBRARY),
        *chain,
        ("l200", Link("d/libx")),
        ("long", Link("d/../" * 300)),
    ]
    with open_artifact(tar(tmp_path / "x.tar", entries)) as artifact:
        made = {name for name in names_on_disk(artifact) if (Path(artifact.folder) / name).is_symlink()}
        assert made == {f"l{n}" for n in range(169, 201)} | {"l168"}
        assert entry(artifact, "l167").lost == "l167"
        assert "longer than a path" in str(entry(artifact, "long").note)


def test_following_links_is_counted(tmp_path: Path) -> None:
    long = "a/../" * 150
    entries: list[tuple[str, Content]] = [("a/b", LIBRARY), *((f"l{n}", Link(f"{long}a")) for n in range(100))]
    path = compressed(tmp_path / "x.tar.gz", entries)
    with open_artifact(path) as artifact:
        assert len(names_on_disk(artifact)) == 101
    with pytest.raises(OverLimitError, match="limit steps"), open_artifact(path, Limits(steps=10_000)):
        pass


def test_entries_of_a_zip_that_share_their_bytes_are_refused(tmp_path: Path) -> None:
    data = bytearray(zip_bytes([("a", LIBRARY), ("b", LIBRARY), ("c", LIBRARY)]))
    first = data.index(b"PK\x01\x02")
    second = data.index(b"PK\x01\x02", first + 4)
    data[second + 42 : second + 46] = data[first + 42 : first + 46]
    path = tmp_path / "x.zip"
    path.write_bytes(data)
    with open_artifact(path) as artifact:
        assert names_on_disk(artifact) == {"c"}
        assert [problem.part for problem in artifact.problems] == ["a", "b"]


def test_limits_count_nested_archives_in(tmp_path: Path) -> None:
    many = zip_bytes([(f"{number}.so", LIBRARY) for number in range(40)])
    path = zipped(tmp_path / "x.zip", [("a.zip", many), ("b.zip", many), ("c.zip", many), ("own", LIBRARY)])
    with open_artifact(path, Limits(entries=70)) as artifact:
        assert [inner.path for inner in artifact.nested] == [f"{path}:a.zip"]
        assert [each.location.path for each in artifact.unopened] == ["b.zip", "c.zip"]
        (problem,) = artifact.problems
        assert (problem.path, "limit entries" in problem.reason) == (str(path), True)
        assert content(artifact, "own") == LIBRARY, "what is known is not lost"


def used(folder: Path) -> int:
    """Return the bytes of disk that a folder takes."""
    return sum(path.lstat().st_blocks * 512 for path in folder.rglob("*"))


@pytest.mark.parametrize("form", ["zip", "tar.gz", "dmg", "pkg"])
def test_what_is_opened_takes_little_more_disk_than_its_mach_o_files(tmp_path: Path, form: str) -> None:
    noise = random.Random(7).randbytes(6 * MIB)
    files: list[tuple[str, Content]] = [("movie.bin", noise), ("libx.dylib", LIBRARY), ("more.bin", noise)]
    path = tmp_path / f"x.{form}"
    if form == "dmg":
        (tmp_path / "f").mkdir()
        for name, data in files:
            assert isinstance(data, bytes)
            (tmp_path / "f" / name).write_bytes(data)
        path.write_bytes(udif(fat_image(tmp_path / "f", tmp_path / "fat", bits=16, size=20 << 20), ["zlib"]))
    elif form == "pkg":
        path.write_bytes(xar(component([(f"./opt/{name}", data) for name, data in files])))
    else:
        pack(tmp_path, form, files).rename(path)
    with open_artifact(path) as artifact:
        assert sum(each.size for each in artifact.entries) > 12 * MIB
        assert used(Path(artifact.folder).parent) < len(LIBRARY) + 256 * 1024


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_an_entry_of_any_method_is_unpacked_by_the_piece(tmp_path: Path, method: int) -> None:
    sound = zipped(
        tmp_path / "sound.zip", [("bin/x.dylib", LIBRARY), ("link", Link("bin/x.dylib")), ("e", b"")], method
    )
    with open_artifact(sound) as artifact:
        assert not artifact.problems
        hosts = {entry.name: entry.host for entry in artifact.entries if entry.host is not None}
        assert Path(hosts["bin/x.dylib"]).read_bytes() == Path(hosts["link"]).read_bytes() == LIBRARY

    packed = zipped(tmp_path / "bomb.zip", [("x.dylib", LIBRARY + bytes(64 * MIB))], method)
    assert packed.stat().st_size < MIB // 10

    tracemalloc.start()
    try:
        with (
            pytest.raises(InputError, match="limit ratio"),
            open_artifact(packed, Limits(ratio=50, ratio_floor=4 * MIB)),
        ):
            pass
        assert tracemalloc.get_traced_memory()[1] < 16 * MIB
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_an_entry_of_any_method_is_held_against_its_sum(tmp_path: Path, method: int) -> None:
    data = bytearray(zipped(tmp_path / "x.zip", [("x.dylib", LIBRARY)], method).read_bytes())
    at = data.index(b"PK\x01\x02") + 16
    data[at] ^= 1
    (tmp_path / "x.zip").write_bytes(data)
    with open_artifact(tmp_path / "x.zip") as artifact:
        (problem,) = artifact.problems
        assert "its sum (CRC-32) is another" in problem.reason
