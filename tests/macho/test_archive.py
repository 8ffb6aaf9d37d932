from __future__ import annotations

import shutil
import struct
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from machochain.macho.archive import Archive, MemberKind, member_source, read_archives
from machochain.macho.fat import CROWDED
from machochain.macho.reader import read_bytes, read_source
from machochain.macho.source import FileSource
from machochain.model.arch import Arch
from machochain.model.errors import InputError
from machochain.model.image import FileType
from machochain.model.paths import HostPath
from machochain.model.reading import BytesSource
from tests.factory.macho import MachO, over_one_another

MAGIC = b"!<arch>\n"
OBJECT = MachO(file_type=FileType.MH_OBJECT, loads=(), libsystem=False).bytes()


def header(name: bytes, size: int | bytes, *, end: bytes = b"`\n") -> bytes:
    digits = size if isinstance(size, bytes) else str(size).encode()
    return name.ljust(16) + b"0".ljust(12) + b"0".ljust(6) * 2 + b"644".ljust(8) + digits.ljust(10) + end


def member(name: bytes, content: bytes, pad: bytes = b"\n") -> bytes:
    return header(name, len(content)) + content + pad * (len(content) & 1)


def bsd(name: bytes, content: bytes) -> bytes:
    padded = name + bytes(-len(name) % 8)
    return member(b"#1/%d" % len(padded), padded + content)


def only(data: bytes) -> Archive:
    (archive,) = read_archives(BytesSource(data))
    return archive


def listing(archive: Archive) -> list[tuple[str, int, MemberKind]]:
    return [(m.name, m.size, m.kind) for m in archive.members]


def test_bsd_names_stand_before_the_content() -> None:
    data = (
        MAGIC
        + bsd(b"__.SYMDEF SORTED", bytes(8))
        + bsd(b"a name with blanks and more.o", OBJECT)
        + member(b"b.o", b"x")
    )
    archive = only(data)
    assert listing(archive) == [
        ("__.SYMDEF SORTED", 8, MemberKind.SYMBOL_TABLE),
        ("a name with blanks and more.o", len(OBJECT), MemberKind.MACHO),
        ("b.o", 1, MemberKind.OTHER),
    ]
    assert archive.error is None
    macho = archive.members[1]
    assert data[macho.offset : macho.offset + macho.size] == OBJECT


def test_gnu_long_names_are_looked_up() -> None:
    names = b"a_very_long_object_name.o/\nanother_rather_long_name.o/\n"
    data = MAGIC + member(b"/", bytes(4)) + member(b"//", names) + member(b"/27", b"12") + member(b"/0", b"3")
    archive = only(data + member(b"short.o/", b""))
    assert listing(archive) == [
        ("/", 4, MemberKind.SYMBOL_TABLE),
        ("//", len(names), MemberKind.NAME_TABLE),
        ("another_rather_long_name.o", 2, MemberKind.OTHER),
        ("a_very_long_object_name.o", 1, MemberKind.OTHER),
        ("short.o", 0, MemberKind.EMPTY),
    ]


def test_go_archives_pad_with_nul_and_have_empty_sentinels() -> None:
    text = b"go object darwin arm64 go1.27.3\n"
    data = MAGIC + b"".join(
        [
            member(b"__.PKGDEF", text + b"x", b"\0"),
            member(b"_go_.o", text, b"\0"),
            member(b"preferlinkext", b"", b"\0"),
            member(b"zsyscall_darwin_", text + b"y", b"\0"),
            member(b"_x001.o", OBJECT, b"\0"),
        ]
    )
    archive = only(data)
    assert listing(archive) == [
        ("__.PKGDEF", len(text) + 1, MemberKind.OTHER),
        ("_go_.o", len(text), MemberKind.OTHER),
        ("preferlinkext", 0, MemberKind.EMPTY),
        ("zsyscall_darwin_", len(text) + 1, MemberKind.OTHER),
        ("_x001.o", len(OBJECT), MemberKind.MACHO),
    ]
    assert archive.error is None


def test_a_member_is_read_as_a_file_of_its_own() -> None:
    source = BytesSource(MAGIC + member(b"x", b"y") + member(b"a.o", OBJECT))
    found = only(MAGIC + member(b"x", b"y") + member(b"a.o", OBJECT)).members[1]
    inner = read_source(member_source(source, found))
    assert inner.size == len(OBJECT)
    assert inner.slices[0].image == read_bytes(OBJECT).slices[0].image


def test_each_archive_of_a_universal_file_is_listed() -> None:
    first = MAGIC + member(b"x86.o", OBJECT)
    second = MAGIC + member(b"arm.o", OBJECT)
    x86, arm = Arch.named("x86_64"), Arch.named("arm64")
    at = 0x100
    data = struct.pack(">II", 0xCAFEBABE, 2)
    data += struct.pack(">5I", x86.cputype, x86.cpusubtype, at, len(first), 3)
    data += struct.pack(">5I", arm.cputype, arm.cpusubtype, at + len(first), len(second), 3)
    data = data.ljust(at, b"\0") + first + second
    archives = read_archives(BytesSource(data))
    assert [(a.arch, a.members[0].name, a.error) for a in archives] == [(x86, "x86.o", None), (arm, "arm.o", None)]
    place = archives[1].members[0]
    assert data[place.offset : place.offset + place.size] == OBJECT
    assert data[place.header_offset :].startswith(b"arm.o")


def test_a_universal_file_of_images_holds_no_archive() -> None:
    data = struct.pack(">II5I", 0xCAFEBABE, 1, 0x0100000C, 0, 64, len(OBJECT), 3).ljust(64, b"\0") + OBJECT
    assert read_archives(BytesSource(data)) == ()


@pytest.mark.parametrize("data", [b"", b"!<arch>", OBJECT, b"!<thin>\n"])
def test_what_is_no_archive_cannot_be_listed(data: bytes) -> None:
    with pytest.raises(InputError):
        read_archives(BytesSource(data))


def test_the_padding_of_the_last_member_may_be_missing() -> None:
    archive = only(MAGIC + header(b"a", 1) + b"x")
    assert (len(archive.members), archive.error) == (1, None)
    assert only(MAGIC) == Archive((), None, None, 0, 8)


@pytest.mark.parametrize(
    ("bad", "text"),
    [
        (header(b"b", 1, end=b"xx"), "archive member invalid control bits"),
        (header(b"b", b"1x") + b"y", "archive member size contains non-numeric characters: '1x'"),
        (header(b"b", b"-1") + b"y", "archive member size contains non-numeric characters: '-1'"),
        (header(b"b", 10) + b"y", "malformed archive, member exceeds file size"),
        (b"leftover", "malformed archive, member exceeds file size"),
        (member(b"#1/9", b"short"), "archive member has a name that does not fit"),
        (member(b"#1/x", b"short"), "archive member has a name that does not fit"),
        (member(b"/12", b"y"), "archive member has a name outside the table of long names"),
        (member(b"", b"y"), "archive member without a name"),
        (member(b"#1/4", bytes(4)), "archive member without a name"),
    ],
)
def test_an_error_keeps_the_members_before_it(bad: bytes, text: str) -> None:
    good = MAGIC + member(b"good.o", b"1234")
    archive = only(good + bad)
    assert [m.name for m in archive.members] == ["good.o"]
    assert archive.error is not None
    assert (archive.error.text, archive.error.offset) == (text, len(good))


def test_members_that_share_one_endless_name_cannot_exhaust_memory() -> None:
    names = b"n" * 300_000
    archive = only(MAGIC + member(b"//", names) + b"".join(member(b"/%d" % i, b"") for i in range(1000)))
    assert archive.error is not None
    assert archive.error.text == "names of the archive overlap without end"


def test_many_members_are_listed() -> None:
    archive = only(MAGIC + member(b"a.o", b"xy") * 5000)
    assert (len(archive.members), archive.error) == (5000, None)


def test_names_that_are_not_utf8_survive() -> None:
    assert only(MAGIC + member(b"\xff.o", b"")).members[0].name == "\udcff.o"


@settings(deadline=None)
@given(st.binary(min_size=1, max_size=20), st.integers(0, 500))
def test_mutated_archives_never_raise(change: bytes, at: int) -> None:
    data = bytearray(
        MAGIC + bsd(b"__.SYMDEF", bytes(8)) + bsd(b"name.o", b"12345") + member(b"//", b"abc/\n") + member(b"/0", b"x")
    )
    at = 8 + at % (len(data) - 8)
    data[at : at + len(change)] = change
    archive = only(bytes(data))
    for found in archive.members:
        assert found.offset + found.size <= len(data)


@pytest.mark.toolchain
@pytest.mark.parametrize("dialect", ["gnu", "bsd", "darwin"])
def test_llvm_ar_lists_the_same(tmp_path: Path, dialect: str) -> None:
    tool = shutil.which("llvm-ar-19") or shutil.which("llvm-ar")
    if tool is None:
        pytest.skip("llvm-ar is not installed")
    names = ["a.o", "a_name_of_more_than_sixteen_bytes.o", "exactly_sixteen_.o", "with blank.o"]
    for index, name in enumerate(names):
        (tmp_path / name).write_bytes(OBJECT + bytes(index))
    subprocess.run([tool, f"--format={dialect}", "rcs", "lib.a", *names], cwd=tmp_path, check=True)
    listed = subprocess.run([tool, "t", "lib.a"], cwd=tmp_path, check=True, capture_output=True, text=True)
    with FileSource(HostPath(str(tmp_path / "lib.a"))) as source:
        (archive,) = read_archives(source)
        tables = {MemberKind.SYMBOL_TABLE, MemberKind.NAME_TABLE}
        members = [m for m in archive.members if m.kind not in tables]
        assert archive.error is None
        assert [m.name for m in members] == listed.stdout.splitlines() == names
        for index, found in enumerate(members):
            content = member_source(source, found).read(0, found.size)
            # the darwin dialect pads contents to 8 bytes
            assert content.startswith(OBJECT + bytes(index))
            assert found.kind is MemberKind.MACHO


def test_archives_that_lie_over_one_another_do_not_multiply_what_is_read() -> None:
    one = b"!<arch>\n" + b"".join(header(b"o%d/" % n, 0) for n in range(300))
    found = read_archives(BytesSource(over_one_another(one, 14)))
    assert len(found) == 14
    assert 2 <= sum(archive.error is None or archive.error.text != CROWDED for archive in found) <= 12
