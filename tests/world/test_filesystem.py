"""Walking paths: what every store of files has in common, shown on the one in memory."""

from __future__ import annotations

import pytest

from machochain.model.errors import InputError, UsageError
from machochain.model.filesystem import ABSENT, UNSEEN, Node, NodeKind, Presence
from machochain.model.paths import TargetPath
from machochain.world.filesystem import WalkedFileSystem, realpath
from machochain.world.memory import MemoryFileSystem


def look(files: WalkedFileSystem, path: str) -> Node:
    return files.look(TargetPath(path))


def real(files: WalkedFileSystem, path: str) -> str | None:
    return look(files, path).real


TREE = """
    opt/
      homebrew/
        Cellar/
          openssl@3/
            3.4.0/
              lib/
                libssl.3.dylib
        opt/
          openssl@3 -> ../Cellar/openssl@3/3.4.0
          openssl -> /opt/homebrew/opt/openssl@3
        lib/
          libssl.dylib -> ../opt/openssl@3/lib/libssl.3.dylib
    fifo |
    secret !
    nobody-knows ?
    empty/
"""


def test_a_file_is_present_with_its_real_path() -> None:
    files = MemoryFileSystem.from_text(TREE, {"/opt/note": b"12345"})
    node = look(files, "/opt/note")
    assert (node.presence, node.kind, node.real, node.size, node.errno) == (
        Presence.PRESENT,
        NodeKind.FILE,
        "/opt/note",
        5,
        0,
    )


def test_a_directory_is_present_but_no_file() -> None:
    node = look(MemoryFileSystem.from_text(TREE), "/opt/homebrew")
    assert (node.presence, node.kind, node.real) == (Presence.PRESENT, NodeKind.DIRECTORY, "/opt/homebrew")


def test_the_root_is_a_directory() -> None:
    assert look(MemoryFileSystem({}), "/").kind is NodeKind.DIRECTORY
    assert real(MemoryFileSystem({}), "/") == "/"


def test_something_neither_file_nor_directory_is_present_as_other() -> None:
    node = look(MemoryFileSystem.from_text(TREE), "/fifo")
    assert (node.presence, node.kind) == (Presence.PRESENT, NodeKind.OTHER)


def test_what_is_not_there_is_absent_with_enoent() -> None:
    files = MemoryFileSystem.from_text(TREE)
    assert look(files, "/opt/homebrew/lib/libz.dylib") == ABSENT
    assert look(files, "/opt/nowhere/lib/libz.dylib") == ABSENT
    assert look(files, "") == ABSENT


def test_what_nobody_can_tell_is_unseen_at_and_below_its_path() -> None:
    files = MemoryFileSystem.from_text(TREE)
    assert look(files, "/nobody-knows") == UNSEEN
    assert look(files, "/nobody-knows/lib/libz.dylib") == UNSEEN
    assert look(files, "/nobody-knows/../opt/homebrew") == UNSEEN, "it may be a link that leads elsewhere"


def test_a_denied_look_is_absent_with_eacces() -> None:
    files = MemoryFileSystem.from_text(TREE)
    assert look(files, "/secret") == look(files, "/secret/x") == Node(Presence.ABSENT, errno=13)


@pytest.mark.parametrize(
    "path",
    [
        "/opt/homebrew/lib/libssl.dylib",
        "/opt/homebrew/opt/openssl@3/lib/libssl.3.dylib",
        "//opt/./homebrew//lib/libssl.dylib",
    ],
)
def test_links_are_followed_in_every_place(path: str) -> None:
    assert real(MemoryFileSystem.from_text(TREE), path) == "/opt/homebrew/Cellar/openssl@3/3.4.0/lib/libssl.3.dylib"


def test_an_absolute_link_starts_again_at_the_root_of_the_model() -> None:
    files = MemoryFileSystem.from_text(TREE)
    assert real(files, "/opt/homebrew/opt/openssl/lib") == "/opt/homebrew/Cellar/openssl@3/3.4.0/lib"


def test_dot_dot_goes_up_from_where_a_link_led() -> None:
    files = MemoryFileSystem.from_text(TREE)
    assert real(files, "/opt/homebrew/opt/openssl/..") == "/opt/homebrew/Cellar/openssl@3"
    assert real(files, "/opt/homebrew/opt/openssl/../../..") == "/opt/homebrew"


def test_above_the_root_is_the_root() -> None:
    assert real(MemoryFileSystem.from_text(TREE), "/../../opt/..") == "/"


def test_dot_dot_behind_something_absent_finds_nothing() -> None:
    assert look(MemoryFileSystem.from_text(TREE), "/nowhere/../opt") == ABSENT


@pytest.mark.parametrize("path", ["/f/x", "/f/", "/f/.", "/f/..", "/l/x", "/l/"])
def test_below_a_file_is_enotdir(path: str) -> None:
    files = MemoryFileSystem({"/f": b"", "/l": "f"})
    assert look(files, path) == Node(Presence.ABSENT, errno=20)


def test_a_link_to_something_absent_is_absent() -> None:
    assert look(MemoryFileSystem({"/l": "gone"}), "/l") == ABSENT
    assert look(MemoryFileSystem({"/l": ""}), "/l") == ABSENT


@pytest.mark.parametrize("tree", [{"/a": "a"}, {"/a": "/b", "/b": "a"}, {"/a": "a/x"}, {"/a": "./../a"}])
def test_links_in_a_circle_end_with_eloop(tree: dict[str, str]) -> None:
    assert look(MemoryFileSystem(tree), "/a").errno == 62
    assert look(MemoryFileSystem(tree), "/a/b/c").errno == 62


def test_thirty_two_links_are_followed_and_no_more() -> None:
    files = MemoryFileSystem({"/0": b"", **{f"/{n}": str(n - 1) for n in range(1, 34)}})
    assert real(files, "/32") == "/0"
    assert look(files, "/33").errno == 62


def test_links_on_the_way_count_too() -> None:
    files = MemoryFileSystem({"/d/0": b"", **{f"/d/{n}": str(n - 1) for n in range(1, 33)}, "/way": "d"})
    assert real(files, "/way/31") == "/d/0"
    assert look(files, "/way/32").errno == 62


def test_a_name_of_more_than_255_bytes_is_too_long() -> None:
    files = MemoryFileSystem({})
    assert look(files, "/" + "n" * 255).errno == 2
    assert look(files, "/" + "n" * 256).errno == 63
    assert look(files, "/" + "é" * 128).errno == 63, "bytes count, not characters"
    assert look(files, "/gone/" + "n" * 256).errno == 2, "the walk breaks off earlier"


def test_a_path_of_1024_bytes_is_too_long() -> None:
    files = MemoryFileSystem({"/f": b""})
    assert real(files, "/" * 1022 + "f") == "/f"
    assert look(files, "/" * 1023 + "f").errno == 63


def test_a_link_of_1024_bytes_is_too_long() -> None:
    assert look(MemoryFileSystem({"/l": "/" * 1023 + "f", "/f": b""}), "/l").errno == 63


@pytest.mark.parametrize("name", ["nul\0in it", "stray \ud800 surrogate"])
def test_names_no_file_can_have_are_absent(name: str) -> None:
    assert look(MemoryFileSystem({"/a": b"", "/l": name}), f"/{name}") == ABSENT
    assert look(MemoryFileSystem({"/a": b"", "/l": name}), f"/{name}/x") == ABSENT
    assert look(MemoryFileSystem({"/a": b"", "/l": name}), "/l") == ABSENT


def test_names_that_are_not_utf8_are_found() -> None:
    name = b"/caf\xe9".decode("utf-8", "surrogateescape")
    assert real(MemoryFileSystem({name: b""}), name) == name


def test_a_relative_path_starts_at_the_root() -> None:
    assert real(MemoryFileSystem.from_text(TREE), "opt/homebrew/lib") == "/opt/homebrew/lib"


def test_case_is_ignored_and_the_real_path_has_the_case_of_the_volume() -> None:
    node = look(MemoryFileSystem.from_text(TREE), "/Opt/HOMEBREW/cellar")
    assert (node.real, node.case_differs) == ("/opt/homebrew/Cellar", True)


def test_a_path_as_spelt_on_the_volume_does_not_differ_in_case() -> None:
    assert not look(MemoryFileSystem.from_text(TREE), "/opt/homebrew/Cellar").case_differs


def test_a_link_in_another_case_is_followed_and_told() -> None:
    node = look(MemoryFileSystem({"/Lib/a": b"", "/l": "/lib/A"}), "/l")
    assert (node.real, node.case_differs) == ("/Lib/a", True)


def test_a_case_sensitive_volume_tells_case_apart() -> None:
    files = MemoryFileSystem.from_text(TREE, case_sensitive=True)
    assert look(files, "/opt/homebrew/cellar") == ABSENT
    assert real(files, "/opt/homebrew/Cellar") == "/opt/homebrew/Cellar"


def test_of_names_that_differ_in_case_only_the_exact_one_is_found_else_the_first() -> None:
    files = MemoryFileSystem({"/liba": b"", "/LibA": b"", "/lIBA": b""})
    assert real(files, "/liba") == "/liba"
    assert real(files, "/lIBA") == "/lIBA"
    assert real(files, "/LIBA") == "/LibA", "upper case sorts first"


@pytest.mark.parametrize("case_sensitive", [False, True])
def test_composed_and_decomposed_names_are_one(case_sensitive: bool) -> None:
    files = MemoryFileSystem({"/cafe\u0301": b""}, case_sensitive=case_sensitive)
    node = look(files, "/caf\u00e9")
    assert (node.real, node.case_differs) == ("/cafe\u0301", False)


def test_case_is_ignored_beyond_ascii() -> None:
    files = MemoryFileSystem({"/ÄRGER": b""})
    assert look(files, "/a\u0308rger").case_differs
    assert look(MemoryFileSystem({"/ÄRGER": b""}, case_sensitive=True), "/ärger") == ABSENT


def test_two_paths_of_one_file_have_one_identity() -> None:
    files = MemoryFileSystem.from_text(TREE)
    one = look(files, "/opt/homebrew/lib/libssl.dylib").identity
    assert one is not None
    assert one == look(files, "/opt/homebrew/opt/openssl/lib/libssl.3.dylib").identity
    assert one != look(files, "/fifo").identity


def test_the_same_tree_gives_the_same_identities() -> None:
    path = "/opt/homebrew/lib/libssl.dylib"
    assert look(MemoryFileSystem.from_text(TREE), path) == look(MemoryFileSystem.from_text(TREE), path)


def test_bytes_are_read_through_the_node() -> None:
    files = MemoryFileSystem({"/f": b"0123456789", "/l": "f"})
    node = look(files, "/l")
    assert files.read_bytes(node, 2, 3) == b"234"
    assert files.read_bytes(node, 8, 30) == b"89"
    assert files.read_bytes(node, 30, 3) == b""
    with files.opened(node) as source:
        assert source.size == 10


@pytest.mark.parametrize("path", ["/", "/gone", "/fifo"])
def test_only_files_are_read(path: str) -> None:
    files = MemoryFileSystem({}, special=["/fifo"])
    with pytest.raises(InputError):
        files.read_bytes(look(files, path), 0, 1)


def test_a_tree_that_puts_a_file_below_a_file_makes_no_sense() -> None:
    with pytest.raises(UsageError, match="is not a directory"):
        MemoryFileSystem({"/a": b"", "/a/b": b""})


def test_text_trees_may_hold_paths_marks_and_comments() -> None:
    files = MemoryFileSystem.from_text(
        """
        # what /usr/local has
        usr/local/
            lib/liba.dylib
            what?
        usr/other
        """
    )
    assert real(files, "/usr/local/lib/liba.dylib") == "/usr/local/lib/liba.dylib"
    assert look(files, "/usr/local/what?").kind is NodeKind.FILE
    assert look(files, "/usr/other").kind is NodeKind.FILE


def test_the_real_path_of_an_absent_file_is_that_of_its_directory_and_the_leaf() -> None:
    files = MemoryFileSystem.from_text(TREE)
    assert realpath(files, "/opt/homebrew/lib/libssl.dylib") == real(files, "/opt/homebrew/lib/libssl.dylib")
    assert realpath(files, "/opt/homebrew/opt/openssl/x") == "/opt/homebrew/Cellar/openssl@3/3.4.0/x"
    assert realpath(files, "/opt/homebrew/gone/x") is None
    assert realpath(files, "/gone") is None
    assert realpath(files, "/nobody-knows/x") is None
