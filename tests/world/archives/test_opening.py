"""Archives: what is taken over, what is refused, and that nothing is ever written elsewhere."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import struct
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from machochain.model.artifact import ArtifactEntryKind, ArtifactKind
from machochain.model.errors import InputError
from machochain.world.archives.opening import is_artifact, open_artifact
from tests.factory.macho import MachO, fat
from tests.world.archives.looking import content, entry, names_on_disk, pack
from tests.world.archives.packing import (
    LIBRARY,
    TEXT,
    Content,
    Link,
    Special,
    compressed,
    tar,
    tar_bytes,
    zipped,
)

MIB = 1 << 20


FORMS = ["zip", "tar", "tar.gz", "tar.bz2", "tar.xz", "tar.zst"]


@pytest.mark.parametrize("form", FORMS)
def test_an_archive_is_known_by_its_content(tmp_path: Path, form: str) -> None:
    path = pack(tmp_path, form, [("lib/libx.dylib", LIBRARY)]).rename(tmp_path / "release")
    assert is_artifact(path) == form
    with open_artifact(path) as artifact:
        assert (artifact.container, artifact.kind, artifact.complete) == (form, ArtifactKind.ARCHIVE, True)
        assert content(artifact, "lib/libx.dylib") == LIBRARY
        assert artifact.problems == ()


@pytest.mark.parametrize("packer", [gzip.compress, bz2.compress, lzma.compress])
def test_one_compressed_program_is_an_archive_of_it(tmp_path: Path, packer: Callable[[bytes], bytes]) -> None:
    path = tmp_path / "tool-darwin-arm64.gz"
    path.write_bytes(packer(LIBRARY))
    with open_artifact(path) as artifact:
        assert artifact.container.startswith("macho.")
        assert content(artifact, "tool-darwin-arm64") == LIBRARY
        assert (entry(artifact, "tool-darwin-arm64").size, artifact.problems) == (len(LIBRARY), ())


def test_what_is_no_archive_is_none(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    files = {"macho": LIBRARY, "text": TEXT, "empty": b"", "gz": b"\x1f\x8b\x08" + b"x" * 100, "zeros": bytes(2048)}
    files["gz of text"] = gzip.compress(TEXT)
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    assert {name: is_artifact(tmp_path / name) for name in [*files, "fifo", "absent", "."]} == dict.fromkeys(
        [*files, "fifo", "absent", "."]
    )


@pytest.mark.parametrize(
    ("start", "end", "container"), [(b"xar!", b"", "xar"), (b"x\x01", b"koly" + bytes(508), "dmg")]
)
def test_packages_and_disk_images_without_sense_are_errors(
    tmp_path: Path, start: bytes, end: bytes, container: str
) -> None:
    path = tmp_path / "x"
    path.write_bytes(start + bytes(1000) + end)
    assert is_artifact(path) == container
    with pytest.raises(InputError) as caught, open_artifact(path):
        pass
    assert caught.value.path == str(path)


def test_a_file_that_is_no_archive_cannot_be_opened_as_one(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(LIBRARY)
    for path in (tmp_path / "x", tmp_path / "absent", tmp_path):
        with pytest.raises(InputError) as caught, open_artifact(path):
            pass
        assert caught.value.path == str(path)


@pytest.mark.parametrize("form", ["zip", "tar.gz"])
def test_only_what_matters_is_written_in_full(tmp_path: Path, form: str) -> None:
    universal = fat([MachO(arch="arm64").bytes(), MachO(arch="x86_64").bytes()])
    plist = b"<plist>" + bytes(9000)
    files = {
        "libx.dylib": LIBRARY + bytes(10_000),
        "universal": universal,
        "libx.a": b"!<arch>\n" + b"x" * 9000,
        "Info.plist": plist,
        "script": TEXT,
        "small": b"#!",
        "empty": b"",
        "module.py": TEXT,
        "disguised.py": LIBRARY,
    }
    path = pack(tmp_path, form, list(files.items()))
    with open_artifact(path) as artifact:
        whole = {each.name for each in artifact.entries if each.whole}
        assert whole == files.keys() - {"script", "module.py"}
        assert all(content(artifact, name) == files[name] for name in whole)
        assert content(artifact, "script") == TEXT[:4096] + bytes(len(TEXT) - 4096), "its length, its beginning"
        assert {each.name for each in artifact.entries if each.macho} == {
            "libx.dylib", "universal", "libx.a", "disguised.py",
        }  # fmt: skip
        module = entry(artifact, "module.py")
        assert (module.host, module.size, module.kind) == (None, len(TEXT), ArtifactEntryKind.FILE)


HOSTILE = [
    "../escaped",
    "a/../../escaped",
    "/escaped",
    "/tmp/escaped",
    "C:\\escaped",
    "C:/escaped",
    "..\\escaped",
    "..",
]


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("form", ["zip", "tar"])
def test_a_name_that_leads_out_is_refused_and_told(tmp_path: Path, form: str, name: str) -> None:
    path = pack(tmp_path, form, [("before", LIBRARY), (name, LIBRARY), ("after", LIBRARY)])
    with open_artifact(path) as artifact:
        assert names_on_disk(artifact) == {"before", "after"}
        (problem,) = artifact.problems
        assert (problem.path, problem.part) == (str(path), name)
        assert "name" in problem.reason


def test_a_folder_or_link_whose_name_leads_out_is_refused_too(tmp_path: Path) -> None:
    entries: list[tuple[str, Content]] = [
        ("../d", None),
        ("../l", Link("x")),
        ("../h", Link("a", hard=True)),
        ("a", LIBRARY),
    ]
    with open_artifact(tar(tmp_path / "x.tar", entries)) as artifact:
        assert names_on_disk(artifact) == {"a"}
        assert [problem.part for problem in artifact.problems] == ["../d", "../l", "../h"]


@pytest.mark.parametrize("form", ["zip", "tar"])
def test_names_no_mac_can_have_are_refused(tmp_path: Path, form: str) -> None:
    bad = ["n" * 300, "/".join(["d" * 200] * 6), "d/" * 120 + "f"]
    path = pack(tmp_path, form, [(name, LIBRARY) for name in [*bad, "good"]])
    with open_artifact(path) as artifact:
        assert names_on_disk(artifact) == {"good"}
        assert [problem.part for problem in artifact.problems] == bad


def test_a_nul_in_a_name_is_refused(tmp_path: Path) -> None:
    path = zipped(tmp_path / "x.zip", [("libxQ.dylib", LIBRARY), ("good", LIBRARY)])
    path.write_bytes(path.read_bytes().replace(b"libxQ.dylib", b"libx\0.dylib"))
    with open_artifact(path) as artifact:
        assert names_on_disk(artifact) == {"good"}
        assert [problem.part for problem in artifact.problems] == ["libx\\x00.dylib"]


def test_a_name_of_stray_bytes_is_refused(tmp_path: Path) -> None:
    path = tar(tmp_path / "x.tar", [("lib\udcff", LIBRARY), ("good", LIBRARY)], format=tarfile.GNU_FORMAT)
    with open_artifact(path) as artifact:
        assert names_on_disk(artifact) == {"good"}
        assert [problem.part for problem in artifact.problems] == ["lib\\xff"]


def test_a_zip_whose_names_are_falsely_called_utf8_cannot_be_read(tmp_path: Path) -> None:
    path = zipped(tmp_path / "x.zip", [("lib\N{EURO SIGN}", LIBRARY)])
    path.write_bytes(path.read_bytes().replace("\N{EURO SIGN}".encode(), b"\xff\xfe\xfd"))
    with pytest.raises(InputError, match="UTF-8"), open_artifact(path):
        pass


def test_names_that_macos_writes_without_the_utf8_flag_are_read(tmp_path: Path) -> None:
    path = zipped(tmp_path / "x.zip", [("liQQ.dylib", LIBRARY)])
    path.write_bytes(path.read_bytes().replace(b"QQ", "\N{LATIN SMALL LETTER E WITH ACUTE}".encode()))
    with open_artifact(path) as artifact:
        assert names_on_disk(artifact) == {"li\N{LATIN SMALL LETTER E WITH ACUTE}.dylib"}


@pytest.mark.parametrize("form", ["zip", "tar"])
def test_links_inside_are_made_and_those_that_leave_are_facts_only(tmp_path: Path, form: str) -> None:
    leaving = {
        "absolute": "/etc/passwd", "up": "../outside", "deep/up": "../../outside", "through": "inside/../../../outside",
        "hidden": "deep/down/../outside", "empty": "", "self": "self",
    }  # fmt: skip
    staying = {"inside": "deep/er", "deep/down": "..", "dangling": "nothing/../../x"}
    links: list[tuple[str, Content]] = [(name, Link(to)) for name, to in {**leaving, **staying}.items()]
    if form == "tar":
        links = [(name, link) for name, link in links if name != "empty"]
    path = pack(tmp_path, form, [("deep/er/libx.dylib", LIBRARY), *links])
    with open_artifact(path) as artifact:
        made = {name for name in names_on_disk(artifact) if (Path(artifact.folder) / name).is_symlink()}
        assert made == {"inside", "deep/down", "dangling"}
        left = {
            each.name: each for each in artifact.entries if each.kind is ArtifactEntryKind.LINK and each.host is None
        }
        assert left.keys() == {name for name, _ in links} - made
        assert all(each.lost == name and each.link == leaving[name] for name, each in left.items())
        assert artifact.problems == ()


@pytest.mark.parametrize("form", ["zip", "tar"])
def test_nothing_is_written_through_a_link_of_the_archive(tmp_path: Path, form: str) -> None:
    (tmp_path / "victim").mkdir()
    folder = "away/d/" if form == "zip" else "away/d"
    entries: list[tuple[str, Content]] = [
        ("away", Link(str(tmp_path / "victim"))), ("away/libx.dylib", LIBRARY), (folder, None),
        ("file", LIBRARY), ("file/below", LIBRARY), ("d/x", LIBRARY), ("d", Link(str(tmp_path / "victim"))),
    ]  # fmt: skip
    with open_artifact(pack(tmp_path, form, entries)) as artifact:
        assert names_on_disk(artifact) == {"file", "d/x"}
        assert [problem.part for problem in artifact.problems] == [
            "away/libx.dylib", folder, "file/below", "d",
        ]  # fmt: skip
    assert list((tmp_path / "victim").iterdir()) == []


def test_a_link_may_not_be_replaced_by_a_file_behind_it(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(b"untouched")
    entries: list[tuple[str, Content]] = [("x", Link(str(victim))), ("x", LIBRARY)]
    with open_artifact(tar(tmp_path / "x.tar", entries)) as artifact:
        assert content(artifact, "x") == LIBRARY
    assert victim.read_bytes() == b"untouched"


def test_a_hard_link_is_the_file_it_names(tmp_path: Path) -> None:
    entries: list[tuple[str, Content]] = [
        ("libx.1.dylib", LIBRARY), ("libx.dylib", Link("./libx.1.dylib", hard=True)),
        ("out", Link("../../etc/passwd", hard=True)), ("absolute", Link("/etc/passwd", hard=True)),
        ("nothing", Link("absent", hard=True)), ("libx.1.dylib", Link("libx.1.dylib", hard=True)),
    ]  # fmt: skip
    with open_artifact(tar(tmp_path / "x.tar", entries)) as artifact:
        first, second = entry(artifact, "libx.dylib"), artifact.entries[0]
        assert first.host is not None
        assert second.host is not None
        assert Path(first.host).samefile(second.host)
        assert (first.kind, first.macho) == (ArtifactEntryKind.HARD_LINK, True)
        assert names_on_disk(artifact) == {"libx.1.dylib", "libx.dylib"}
        assert [problem.part for problem in artifact.problems] == ["out", "absolute", "nothing", "libx.1.dylib"]


@pytest.mark.parametrize("kind", [tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE])
def test_devices_are_never_made(tmp_path: Path, kind: bytes) -> None:
    with open_artifact(tar(tmp_path / "x.tar", [("dev", Special(kind)), ("libx", LIBRARY)])) as artifact:
        assert names_on_disk(artifact) == {"libx"}
        assert entry(artifact, "dev").kind is ArtifactEntryKind.SPECIAL


def test_a_fifo_in_a_zip_is_never_made(tmp_path: Path) -> None:
    with open_artifact(zipped(tmp_path / "x.zip", [("dev", Special(b"")), ("libx", LIBRARY)])) as artifact:
        assert names_on_disk(artifact) == {"libx"}


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("form", ["zip", "tar"])
def test_of_two_entries_of_one_name_the_later_wins(tmp_path: Path, form: str) -> None:
    with open_artifact(pack(tmp_path, form, [("libx", TEXT), ("libx", LIBRARY)])) as artifact:
        first, second = artifact.entries
        assert (first.host, first.note) == (None, "replaced by a later entry of the same name")
        assert content(artifact, "libx") == LIBRARY
        assert second.note is None


@pytest.mark.parametrize(("one", "other"), [("Lib/libX", "lib/LIBx"), ("\u00e9", "e\u0301")])
def test_names_that_apfs_takes_for_one_are_one(tmp_path: Path, one: str, other: str) -> None:
    with open_artifact(tar(tmp_path / "x.tar", [(one, TEXT), (other, LIBRARY)])) as artifact:
        first, second = artifact.entries
        assert (first.host, second.host is None) == (None, False)
        assert "APFS" in str(first.note)
        assert len(names_on_disk(artifact)) == 1


def test_an_encrypted_zip_is_told_apart(tmp_path: Path) -> None:
    path = zipped(tmp_path / "x.zip", [("plain", LIBRARY), ("secret", LIBRARY)])
    data = bytearray(path.read_bytes())
    at = data.rindex(b"PK\x01\x02")
    data[at + 8] |= 1
    path.write_bytes(data)
    with pytest.raises(InputError, match="encrypted") as caught, open_artifact(path):
        pass
    assert (caught.value.path, caught.value.part) == (str(path), "secret")


@pytest.mark.parametrize("form", ["tar", "tar.gz", "tar.bz2", "tar.xz", "tar.zst"])
def test_of_a_cut_tar_what_came_before_is_kept(tmp_path: Path, form: str) -> None:
    noise = os.urandom(400_000)
    path = pack(tmp_path, form, [("first", LIBRARY), ("noise", noise), ("second", LIBRARY + noise), ("third", LIBRARY)])
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 3 // 4])
    with open_artifact(path) as artifact:
        # bzip2 and Zstandard give nothing before a block of up to 900 kB is whole.
        expected = {"first", "noise"} if form in {"tar", "tar.gz", "tar.xz"} else set()
        assert expected <= {each.name for each in artifact.entries if each.host} <= {"first", "noise"}
        assert not artifact.complete
        assert "cut or damaged" in artifact.problems[-1].reason


def test_a_compressed_file_cut_before_anything_comes_out_is_told_as_cut(tmp_path: Path) -> None:
    path = compressed(tmp_path / "x.tar.gz", [("first", LIBRARY)])
    path.write_bytes(path.read_bytes()[:15])
    assert is_artifact(path) == "tar.gz"
    with open_artifact(path) as artifact:
        assert (artifact.complete, artifact.entries) == (False, ())
        assert "too early" in artifact.problems[0].reason


def test_a_tar_that_ends_between_two_entries_is_not_complete(tmp_path: Path) -> None:
    whole = tar_bytes([("first", LIBRARY), ("second", LIBRARY)])
    path = tmp_path / "x.tar"
    path.write_bytes(whole[: whole.index(b"second")])
    with open_artifact(path) as artifact:
        assert (artifact.complete, names_on_disk(artifact)) == (False, {"first"})
        assert "after 'first'" in artifact.problems[0].reason


def test_a_damaged_header_is_no_end(tmp_path: Path) -> None:
    whole = bytearray(tar_bytes([("first", LIBRARY), ("second", LIBRARY)]))
    whole[whole.index(b"second") + 150] ^= 0xFF
    (tmp_path / "x.tar").write_bytes(whole)
    with open_artifact(tmp_path / "x.tar") as artifact:
        assert (artifact.complete, names_on_disk(artifact)) == (False, {"first"})


def test_a_zip_without_its_end_cannot_be_read(tmp_path: Path) -> None:
    path = zipped(tmp_path / "x.zip", [("libx", LIBRARY)])
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(InputError, match="cut or damaged"), open_artifact(path):
        pass


def test_damaged_bytes_of_one_zip_entry_do_not_hide_the_others(tmp_path: Path) -> None:
    path = zipped(tmp_path / "x.zip", [("bad", LIBRARY + b"marker"), ("good", LIBRARY)], zipfile.ZIP_STORED)
    path.write_bytes(path.read_bytes().replace(b"marker", b"Marker"))
    with open_artifact(path) as artifact:
        assert names_on_disk(artifact) == {"good"}
        assert [problem.part for problem in artifact.problems] == ["bad"]
        assert entry(artifact, "bad").lost == "bad", "users have something there: nobody can tell what"


def test_an_unknown_compression_of_a_zip_entry_is_told(tmp_path: Path) -> None:
    path = zipped(tmp_path / "x.zip", [("odd", LIBRARY)], zipfile.ZIP_STORED)
    data = bytearray(path.read_bytes())
    data[8:10] = struct.pack("<H", 99)
    at = data.index(b"PK\x01\x02")
    data[at + 10 : at + 12] = struct.pack("<H", 99)
    path.write_bytes(data)
    with open_artifact(path) as artifact:
        assert [problem.part for problem in artifact.problems] == ["odd"]
        assert entry(artifact, "odd").host is None


def test_a_size_that_leads_backward_does_not_hang(tmp_path: Path) -> None:
    info = tarfile.TarInfo("first")
    info.size = 10
    header = bytearray(info.tobuf())
    header[124:136] = b"\xff" * 4 + (-512).to_bytes(8, "big", signed=True)
    header[148:156] = b"        "
    header[148:156] = b"%06o\0 " % sum(header)
    path = tmp_path / "x.tar"
    path.write_bytes(bytes(header) + bytes(20480))
    with open_artifact(path) as artifact:
        assert not artifact.complete
        reason = artifact.problems[0].reason
        assert "negative" in reason or "invalid offset" in reason  # tarfile of 3.14.10 refuses it itself


def test_headers_nested_without_end_are_damage(tmp_path: Path) -> None:
    info = tarfile.TarInfo("pax")
    info.type = tarfile.XHDTYPE
    path = tmp_path / "x.tar"
    base = tar_bytes([("first", b"")])[:512]
    path.write_bytes(base + info.tobuf() * 1500 + bytes(1024))
    with open_artifact(path) as artifact:
        assert not artifact.complete
        assert names_on_disk(artifact) == {"first"}


def test_a_sparse_file_keeps_its_holes(tmp_path: Path) -> None:
    # GNU.sparse.* headers as in https://www.gnu.org/software/tar/manual/html_node/PAX-1.html
    info = tarfile.TarInfo("./GNUSparseFile.0/libx.dylib")
    sparse_map = f"1\n0\n{len(LIBRARY)}\n".encode().ljust(512, b"\0")
    info.size = len(sparse_map) + len(LIBRARY)
    info.pax_headers = {
        "GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": "libx.dylib",
        "GNU.sparse.realsize": str(len(LIBRARY) + 5000),
    }  # fmt: skip
    path = tmp_path / "x.tar"
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as archive:
        archive.addfile(info, io.BytesIO(sparse_map + LIBRARY))
    with open_artifact(path) as artifact:
        assert content(artifact, "libx.dylib") == LIBRARY + bytes(5000)
        assert artifact.problems == ()


def test_without_a_library_for_zstandard_the_error_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = compressed(tmp_path / "x.tar.zst", [("libx", LIBRARY)])
    for name in ("backports", "backports.zstd", "compression", "compression.zstd"):
        monkeypatch.setitem(sys.modules, name, None)
    assert is_artifact(path) == "tar.zst"
    with pytest.raises(InputError, match=r"machochain\[zstd\]"), open_artifact(path):
        pass


def test_the_folder_is_gone_even_if_the_user_fails(tmp_path: Path) -> None:
    path = zipped(tmp_path / "x.zip", [("libx", LIBRARY)])
    folders = []

    def interrupted() -> None:
        with open_artifact(path) as artifact:
            folders.append(Path(artifact.folder))
            assert folders[0].is_dir()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert not folders[0].exists()
