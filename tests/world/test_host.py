"""The files of this machine as a Mac's: mounts, system calls, and the same answers on any volume."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from machochain.model.errors import InputError
from machochain.model.filesystem import ABSENT, UNSEEN, Node, NodeKind, Presence
from machochain.model.paths import HostPath, TargetPath
from machochain.world.host import HostFileSystem, MountState, MountTree, iter_files


def mounted(mounts: dict[str, Path], *, case_sensitive: bool = False) -> MountTree:
    tree = MountTree(case_sensitive=case_sensitive)
    for target, host in mounts.items():
        mount = tree.at(target)
        mount.state, mount.host = MountState.HOST, HostPath(str(host))
    return tree


def rooted(root: Path, *, case_sensitive: bool = False) -> HostFileSystem:
    return HostFileSystem(mounted({"/": root}, case_sensitive=case_sensitive))


def look(files: HostFileSystem, path: str) -> Node:
    return files.look(TargetPath(path))


def write(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(name.encode())


class Calls:
    """Counts what is asked of the system."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.looked: list[str] = []
        self.listed: list[str] = []
        lstat, listdir = os.lstat, os.listdir

        def counted_lstat(path: str) -> os.stat_result:
            self.looked.append(path)
            return lstat(path)

        def counted_listdir(path: str) -> list[str]:
            self.listed.append(path)
            return listdir(path)

        monkeypatch.setattr(os, "lstat", counted_lstat)
        monkeypatch.setattr(os, "listdir", counted_listdir)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Calls:
    return Calls(monkeypatch)


def test_a_node_names_the_file_to_read_and_its_identity(tmp_path: Path) -> None:
    write(tmp_path, "lib/liba.dylib")
    node = look(rooted(tmp_path), "/lib/liba.dylib")
    status = (tmp_path / "lib/liba.dylib").stat()
    assert node.host == str(tmp_path / "lib/liba.dylib")
    assert node.identity == (status.st_dev, status.st_ino)
    assert node.size == status.st_size


def test_an_absolute_link_stays_inside_the_root(tmp_path: Path) -> None:
    write(tmp_path, "usr/local/lib/liba.dylib", "etc/passwd")
    (tmp_path / "link").symlink_to("/usr/local/lib")
    (tmp_path / "up").symlink_to("../../../../../../../../etc/passwd")
    files = rooted(tmp_path)
    assert look(files, "/link/liba.dylib").host == str(tmp_path / "usr/local/lib/liba.dylib")
    assert look(files, "/up").host == str(tmp_path / "etc/passwd")


def test_a_link_in_a_mapped_folder_leads_through_the_model(tmp_path: Path) -> None:
    write(tmp_path, "hb/Cellar/x/libx.dylib", "other/libx.dylib")
    (tmp_path / "hb/opt").symlink_to("/opt/homebrew/Cellar/x")
    (tmp_path / "hb/out").symlink_to("../other")
    files = HostFileSystem(mounted({"/opt/homebrew": tmp_path / "hb", "/opt/other": tmp_path / "other"}))
    assert look(files, "/opt/homebrew/opt/libx.dylib").real == "/opt/homebrew/Cellar/x/libx.dylib"
    assert look(files, "/opt/homebrew/out/libx.dylib").real == "/opt/other/libx.dylib"


def test_a_fifo_is_never_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    files = rooted(tmp_path)
    node = look(files, "/fifo")
    assert (node.presence, node.kind) == (Presence.PRESENT, NodeKind.OTHER)
    with pytest.raises(InputError):
        files.read_bytes(node, 0, 1)


def test_a_file_that_became_a_fifo_keeps_nobody_waiting(tmp_path: Path) -> None:
    write(tmp_path, "f")
    files = rooted(tmp_path)
    node = look(files, "/f")
    (tmp_path / "f").unlink()
    os.mkfifo(tmp_path / "f")
    with pytest.raises(InputError, match="not a regular file"):
        files.read_bytes(node, 0, 1)


def test_bytes_are_read_through_the_node(tmp_path: Path) -> None:
    write(tmp_path, "f")
    (tmp_path / "f").write_bytes(b"0123456789")
    files = rooted(tmp_path)
    assert files.read_bytes(look(files, "/f"), 8, 30) == b"89"
    with files.opened(look(files, "/f")) as source:
        assert (source.size, source.read(2, 3)) == (10, b"234")


def test_a_file_that_vanished_cannot_be_read(tmp_path: Path) -> None:
    write(tmp_path, "f")
    files = rooted(tmp_path)
    node = look(files, "/f")
    (tmp_path / "f").unlink()
    with pytest.raises(InputError) as error:
        files.read_bytes(node, 0, 1)
    assert error.value.path == str(tmp_path / "f")


def failing(monkeypatch: pytest.MonkeyPatch, function: str, number: int, fails: Callable[[str], bool]) -> None:
    original = getattr(os, function)

    def fail(path: str) -> object:
        if fails(path):
            raise OSError(number, os.strerror(number), path)
        return original(path)

    monkeypatch.setattr(os, function, fail)


@pytest.mark.parametrize(
    ("host", "mac"),
    [(errno.EACCES, 13), (errno.EPERM, 13), (errno.ELOOP, 62), (errno.ENAMETOOLONG, 63), (errno.ENOENT, 2)],
)
def test_errors_of_this_machine_become_the_numbers_of_macos(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, host: int, mac: int
) -> None:
    write(tmp_path, "d/f")
    failing(monkeypatch, "lstat", host, lambda path: path.endswith("/f"))
    assert look(rooted(tmp_path), "/d/f") == Node(Presence.ABSENT, errno=mac)


def test_what_this_machine_fails_to_look_at_is_unseen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, "d/f")
    failing(monkeypatch, "lstat", errno.EIO, lambda path: path.endswith("/d"))
    assert look(rooted(tmp_path), "/d/f") == UNSEEN


def test_a_link_that_cannot_be_read_is_denied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "l").symlink_to("f")
    failing(monkeypatch, "readlink", errno.EACCES, lambda _: True)
    assert look(rooted(tmp_path), "/l").errno == 13


@pytest.mark.skipif(os.geteuid() == 0, reason="root may look everywhere")
def test_below_a_directory_without_search_permission_is_eacces(tmp_path: Path) -> None:
    write(tmp_path, "d/f")
    (tmp_path / "d").chmod(0o600)
    try:
        assert look(rooted(tmp_path), "/d/f").errno == 13
    finally:
        (tmp_path / "d").chmod(0o700)


def test_a_directory_that_cannot_be_listed_finds_exact_names_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, "d/LibA", "d/LibB")
    failing(monkeypatch, "listdir", errno.EACCES, lambda path: path.endswith("/d"))
    files = rooted(tmp_path)
    assert look(files, "/d/liba") == ABSENT
    assert look(files, "/d/LibA").real == "/d/LibA"


def test_names_that_are_not_utf8_are_found(tmp_path: Path) -> None:
    name = os.fsencode(tmp_path) + b"/caf\xe9"
    try:
        Path(os.fsdecode(name)).write_bytes(b"")
    except OSError:
        pytest.skip("this volume takes UTF-8 only")
    assert look(rooted(tmp_path), "/caf\udce9").kind is NodeKind.FILE


def test_a_directory_is_listed_once_and_answers_for_itself_from_then_on(tmp_path: Path, calls: Calls) -> None:
    write(tmp_path, *(f"lib/lib{n}.dylib" for n in range(200)))
    files = rooted(tmp_path)
    look(files, "/lib/absent.dylib")
    calls.looked.clear()
    for n in range(2000):
        assert look(files, f"/lib/absent{n}.dylib") == ABSENT
    assert calls.looked == []
    assert calls.listed == [str(tmp_path / "lib")]


def test_below_a_missing_directory_nothing_is_asked_twice(tmp_path: Path, calls: Calls) -> None:
    files = rooted(tmp_path)
    look(files, "/opt/homebrew/lib/liba.dylib")
    calls.looked.clear()
    calls.listed.clear()
    for n in range(100):
        assert look(files, f"/opt/{n}/lib/liba.dylib") == ABSENT
    assert (calls.looked, calls.listed) == ([], [])


def test_a_file_that_is_found_as_spelt_needs_no_listing_where_case_counts(tmp_path: Path, calls: Calls) -> None:
    write(tmp_path, "lib/liba.dylib", "lib/libb.dylib")
    if (tmp_path / "LIB").exists():
        pytest.skip("this volume ignores case")
    files = rooted(tmp_path)
    look(files, "/lib/liba.dylib")
    calls.looked.clear()
    look(files, "/lib/libb.dylib")
    look(files, "/lib/libb.dylib")
    assert calls.looked == [str(tmp_path / "lib/libb.dylib")]
    assert calls.listed == []


def test_a_case_sensitive_model_never_lists(tmp_path: Path, calls: Calls) -> None:
    write(tmp_path, "lib/liba.dylib")
    assert look(rooted(tmp_path, case_sensitive=True), "/LIB/LIBA.dylib") == ABSENT
    assert calls.listed == []


def ignore_case(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make this machine's volume answer to any case, as APFS does."""
    lstat = os.lstat

    def insensitive(path: str) -> os.stat_result:
        folder, name = os.path.split(path)
        for found in os.listdir(folder):  # noqa: PTH208 - names only, as the code under test asks
            if found.casefold() == name.casefold():
                return lstat(f"{folder}/{found}")
        return lstat(path)

    monkeypatch.setattr(os, "lstat", insensitive)


@pytest.mark.parametrize("case_sensitive", [False, True])
@pytest.mark.parametrize("path", ["/Lib/libA.dylib", "/lib/liba.dylib", "/Lib/1", "/Lib/ünder", "/LIB/Ünder", "/Lib/x"])
def test_a_host_volume_that_ignores_case_changes_no_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case_sensitive: bool, path: str
) -> None:
    write(tmp_path, "Lib/libA.dylib", "Lib/1", "Lib/ünder")
    expected = look(rooted(tmp_path, case_sensitive=case_sensitive), path)
    ignore_case(monkeypatch)
    assert look(rooted(tmp_path, case_sensitive=case_sensitive), path) == expected


def test_parents_of_a_mapped_path_exist_as_directories(tmp_path: Path) -> None:
    write(tmp_path, "hb/liba.dylib", "root/opt/x")
    files = HostFileSystem(mounted({"/": tmp_path / "root", "/usr/local/hb": tmp_path / "hb"}))
    for path in ("/usr", "/usr/local"):
        node = look(files, path)
        assert (node.kind, node.real, node.host) == (NodeKind.DIRECTORY, path, None)
    assert look(files, "/usr").identity != look(files, "/usr/local").identity
    assert look(files, "/usr/local/x") == ABSENT
    assert look(files, "/opt/x").kind is NodeKind.FILE


def test_a_parent_of_a_mapped_path_keeps_what_else_is_in_it(tmp_path: Path) -> None:
    write(tmp_path, "hb/liba.dylib", "root/opt/x")
    files = HostFileSystem(mounted({"/": tmp_path / "root", "/opt/hb": tmp_path / "hb"}))
    assert look(files, "/opt/x").host == str(tmp_path / "root/opt/x")
    assert look(files, "/opt/hb/../x").host == str(tmp_path / "root/opt/x")
    assert look(files, "/OPT/HB/liba.dylib").real == "/opt/hb/liba.dylib"


def test_a_file_in_the_way_of_a_mapped_path_gives_way_to_a_directory(tmp_path: Path) -> None:
    write(tmp_path, "hb/liba.dylib", "root/opt", "file")
    files = HostFileSystem(mounted({"/": tmp_path / "root", "/opt/hb": tmp_path / "hb"}))
    assert look(files, "/opt/hb/liba.dylib").kind is NodeKind.FILE
    files = HostFileSystem(mounted({"/opt": tmp_path / "file", "/opt/hb": tmp_path / "hb"}))
    assert look(files, "/opt/hb/liba.dylib").kind is NodeKind.FILE


def test_what_is_mapped_hides_what_was_there_in_any_case_of_its_name(tmp_path: Path) -> None:
    write(tmp_path, "hb/new", "root/opt/HomeBrew/old")
    files = HostFileSystem(mounted({"/": tmp_path / "root", "/opt/homebrew": tmp_path / "hb"}))
    assert look(files, "/opt/HomeBrew/old") == ABSENT
    assert look(files, "/opt/HomeBrew/new").real == "/opt/homebrew/new"


def test_where_case_counts_a_mapped_path_leaves_other_cases_alone(tmp_path: Path) -> None:
    write(tmp_path, "hb/new", "root/opt/HomeBrew/old")
    tree = mounted({"/": tmp_path / "root", "/opt/homebrew": tmp_path / "hb"}, case_sensitive=True)
    assert look(HostFileSystem(tree), "/opt/HomeBrew/old").kind is NodeKind.FILE
    assert look(HostFileSystem(tree), "/opt/homebrew/new").kind is NodeKind.FILE


def test_mapping_below_a_link_maps_where_the_link_leads(tmp_path: Path) -> None:
    write(tmp_path, "root/private/var/x", "new/f")
    (tmp_path / "root/var").symlink_to("private/var")
    files = HostFileSystem(mounted({"/": tmp_path / "root", "/var/db": tmp_path / "new"}))
    assert look(files, "/private/var/db/f").host == look(files, "/var/db/f").host == str(tmp_path / "new/f")
    assert look(files, "/var/db/f").real == "/private/var/db/f"


def test_mapping_at_a_link_replaces_the_link(tmp_path: Path) -> None:
    write(tmp_path, "root/Cellar/f", "new/f")
    (tmp_path / "root/hb").symlink_to("Cellar")
    files = HostFileSystem(mounted({"/": tmp_path / "root", "/hb": tmp_path / "new"}))
    assert look(files, "/hb/f").real == "/hb/f"
    assert look(files, "/Cellar/f").host == str(tmp_path / "root/Cellar/f")


def test_a_mapped_path_that_vanished_is_absent(tmp_path: Path) -> None:
    write(tmp_path, "a/f")
    files = HostFileSystem(mounted({"/a": tmp_path / "gone", "/b": tmp_path / "gone", "/b/a": tmp_path / "a"}))
    assert look(files, "/a") == ABSENT
    assert look(files, "/b/a/f").kind is NodeKind.FILE


def test_a_root_that_vanished_cannot_be_looked_at(tmp_path: Path) -> None:
    with pytest.raises(InputError):
        rooted(tmp_path / "gone")


def test_a_folder_is_walked_in_order_hidden_directories_too(tmp_path: Path) -> None:
    write(tmp_path, "b/z", "b/.dylibs/y", "a", "b/a/x", "c")
    (tmp_path / "empty").mkdir()
    found = list(iter_files(HostPath(str(tmp_path))))
    assert found == [str(tmp_path / name) for name in ("a", "b/.dylibs/y", "b/a/x", "b/z", "c")]


def test_a_walk_follows_no_links_and_yields_plain_files_only(tmp_path: Path) -> None:
    write(tmp_path, "in/f", "out/g")
    (tmp_path / "in/circle").symlink_to(".")
    (tmp_path / "in/outside").symlink_to("../out")
    (tmp_path / "in/again").symlink_to("f")
    os.mkfifo(tmp_path / "in/fifo")
    assert list(iter_files(HostPath(str(tmp_path / "in")))) == [str(tmp_path / "in/f")]


def test_a_folder_given_by_a_link_is_walked(tmp_path: Path) -> None:
    write(tmp_path, "in/f")
    (tmp_path / "link").symlink_to("in")
    assert list(iter_files(HostPath(str(tmp_path / "link")))) == [str(tmp_path / "link/f")]


def test_a_directory_that_cannot_be_read_is_told_and_the_walk_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, "a/f", "b/f", "c/f")
    failing(monkeypatch, "scandir", errno.EACCES, lambda path: path.endswith("/b"))
    first, error, last = iter_files(HostPath(str(tmp_path)))
    assert (first, last) == (str(tmp_path / "a/f"), str(tmp_path / "c/f"))
    assert isinstance(error, InputError)
    assert error.path == str(tmp_path / "b")
