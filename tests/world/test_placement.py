"""--root, --map, --at and --unseen: what is on the modelled Mac, and where."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from machochain.model.errors import InputError, UsageError
from machochain.model.filesystem import ABSENT, UNSEEN, Node, NodeKind, Presence
from machochain.model.paths import TargetPath
from machochain.world.placement import World, WorldView, open_world, parse_map


def look(view: WorldView, path: str | Path) -> Node:
    return view.look(TargetPath(str(path)))


def write(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(name.encode())


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """A folder with a root, a Homebrew tree and files outside both."""
    write(
        tmp_path,
        "root/opt/app/bin/tool",
        "root/opt/app/lib/liba.dylib",
        "root/usr/lib/libown.dylib",
        "hb/lib/libb.dylib",
        "outside/tool",
        "outside/lib/libc.dylib",
    )
    return tmp_path


def test_without_root_this_machine_stands_for_the_mac(here: Path) -> None:
    view = open_world(World())
    node = look(view, here / "outside/tool")
    assert (node.presence, node.host) == (Presence.PRESENT, os.path.realpath(here / "outside/tool"))
    assert look(view, here / "absent") == ABSENT


@pytest.mark.parametrize("prefix", ["/usr/lib", "/System", "/Library/Apple"])
def test_below_the_prefixes_of_the_os_this_machine_is_never_looked_at(prefix: str) -> None:
    view = open_world(World())
    node = look(view, prefix)
    assert (node.kind, node.host) == (NodeKind.DIRECTORY, None)
    names = [path.name for path in Path(prefix).iterdir()] if Path(prefix).exists() else ["libz.so.1"]
    assert [look(view, f"{prefix}/{name}") for name in names] == [ABSENT] * len(names)
    assert look(view, f"{prefix.upper()}/libSystem.B.dylib") == ABSENT


@pytest.mark.parametrize("name", ["/lib", "/lib32", "/lib64", "/libx32"])
def test_links_that_only_linux_has_are_not_there(name: str, tmp_path: Path) -> None:
    view = open_world(World())
    assert look(view, name) == look(view, f"{name}/libx.dylib") == ABSENT
    write(tmp_path, "libx.dylib")
    mapped = open_world(World(maps={name: tmp_path}))
    assert look(mapped, f"{name}/libx.dylib").kind is NodeKind.FILE
    assert look(mapped, f"{name}/libm.so") == ABSENT
    deeper = open_world(World(maps={f"{name}/x": tmp_path}))
    assert look(deeper, name).kind is NodeKind.DIRECTORY
    assert look(deeper, f"{name}/libm.so") == ABSENT


def test_a_link_of_this_machine_into_the_os_finds_nothing_either(tmp_path: Path) -> None:
    (tmp_path / "lib").symlink_to("/usr/lib")
    assert look(open_world(World()), tmp_path / "lib").real == "/usr/lib"
    assert {look(open_world(World()), tmp_path / "lib" / path.name) for path in Path("/usr/lib").iterdir()} <= {ABSENT}


def test_with_a_root_nothing_outside_exists(here: Path) -> None:
    view = open_world(World(root=here / "root"))
    assert look(view, "/opt/app/bin/tool").host == os.path.realpath(here / "root/opt/app/bin/tool")
    assert look(view, here / "outside/tool") == ABSENT
    assert look(view, "/usr/lib/libown.dylib").kind is NodeKind.FILE, "a root may hold files of the OS"


def test_a_mapped_folder_appears_at_its_target_on_top_of_this_machine(here: Path) -> None:
    view = open_world(World(maps={"/opt/homebrew": here / "hb"}))
    assert look(view, "/opt/homebrew/lib/libb.dylib").real == "/opt/homebrew/lib/libb.dylib"
    assert look(view, here / "outside/tool").kind is NodeKind.FILE


def test_a_mapped_file_appears_at_its_target(here: Path) -> None:
    view = open_world(World(root=here / "root", maps={"/opt/x/liba.1.dylib": here / "hb/lib/libb.dylib"}))
    node = look(view, "/opt/x/liba.1.dylib")
    assert (node.real, view.read_bytes(node, 0, 4)) == ("/opt/x/liba.1.dylib", b"hb/l")
    assert look(view, "/opt/x/libb.dylib") == ABSENT


def test_of_a_mapped_link_the_target_appears_under_the_mapped_name(here: Path) -> None:
    (here / "link").symlink_to("hb/lib/libb.dylib")
    view = open_world(World(root=here / "root", maps={"/opt/b": here / "link"}))
    assert look(view, "/opt/b").real == "/opt/b"


@pytest.mark.parametrize("turned", [False, True])
def test_the_longest_target_wins_whatever_the_order(here: Path, turned: bool) -> None:
    maps = [("/opt", here / "outside"), ("/opt/lib", here / "hb/lib")]
    view = open_world(World(root=here / "root", maps=maps[::-1] if turned else maps))
    assert look(view, "/opt/tool").kind is NodeKind.FILE
    assert look(view, "/opt/lib/libb.dylib").kind is NodeKind.FILE
    assert look(view, "/opt/lib/libc.dylib") == ABSENT
    assert look(view, "/opt/app/bin/tool") == ABSENT


def test_below_the_os_a_mapped_file_is_there(here: Path) -> None:
    view = open_world(World(maps={"/usr/lib/libx.dylib": here / "outside/tool"}))
    assert look(view, "/usr/lib/libx.dylib").kind is NodeKind.FILE
    assert look(view, "/usr/lib/liby.dylib") == ABSENT


def test_mapping_at_the_root_is_a_root(here: Path) -> None:
    view = open_world(World(maps={"/": here / "root"}))
    assert look(view, "/opt/app/bin/tool").kind is NodeKind.FILE
    assert look(view, here / "outside/tool") == ABSENT


@pytest.mark.parametrize(
    "world",
    [
        World(root="absent"),
        World(root=__file__),
        World(maps={"/a": "absent"}),
        World(maps={"/": __file__}),
        World(maps={"relative": "."}),
        World(maps={"/a/../b": "."}),
        World(maps=[("/a", "."), ("/a/", "..")]),
        World(maps=[("/a", "."), ("/A", "..")]),
        World(root=".", maps={"/": ".."}),
        World(unseen=["relative"]),
        World(unseen=["/a\0b"]),
    ],
)
def test_a_description_without_sense_is_refused(world: World) -> None:
    with pytest.raises(UsageError):
        open_world(world)


def test_where_case_counts_two_cases_are_two_targets(here: Path) -> None:
    open_world(World(root=here / "root", maps=[("/a", here), ("/A", here)], case_sensitive=True))


def test_below_an_unseen_prefix_nobody_can_tell_even_what_this_machine_has(here: Path) -> None:
    view = open_world(World(root=here / "root", unseen=["/opt/app/lib", "/opt/other"]))
    assert look(view, "/opt/app/lib/liba.dylib") == UNSEEN
    assert look(view, "/opt/app/LIB/absent.dylib") == UNSEEN
    assert look(view, "/opt/other/deep/x") == look(view, "/opt/other") == UNSEEN
    assert look(view, "/opt/app/bin/tool").kind is NodeKind.FILE
    assert look(view, "/opt/absent") == ABSENT


def test_a_link_into_an_unseen_prefix_is_unseen(here: Path) -> None:
    (here / "root/link").symlink_to("/opt/app/lib")
    view = open_world(World(root=here / "root", unseen=["/opt/app/lib"]))
    assert look(view, "/link/liba.dylib") == UNSEEN


def test_an_unseen_prefix_below_a_link_is_unseen_where_the_link_leads(here: Path) -> None:
    (here / "root/link").symlink_to("/opt/app")
    view = open_world(World(root=here / "root", unseen=["/link/lib"]))
    assert look(view, "/opt/app/lib/liba.dylib") == UNSEEN


def test_what_is_mapped_deeper_than_an_unseen_prefix_is_seen(here: Path) -> None:
    view = open_world(World(root=here / "root", unseen=["/opt"], maps={"/opt/homebrew": here / "hb"}))
    assert look(view, "/opt").kind is NodeKind.DIRECTORY
    assert look(view, "/opt/homebrew/lib/libb.dylib").kind is NodeKind.FILE
    assert look(view, "/opt/homebrew/lib/absent") == ABSENT
    assert look(view, "/opt/app/lib/liba.dylib") == look(view, "/opt/x") == UNSEEN


def test_what_is_unseen_inside_a_mapping_is_unseen(here: Path) -> None:
    view = open_world(World(root=here / "root", unseen=["/opt/hb/lib"], maps={"/opt/hb": here / "hb"}))
    assert look(view, "/opt/hb/lib/libb.dylib") == UNSEEN
    assert look(view, "/opt/hb/x") == ABSENT


def test_what_is_mapped_at_an_unseen_prefix_is_there_and_the_rest_unseen(here: Path) -> None:
    view = open_world(World(root=here / "root", unseen=["/opt/hb", "/"], maps={"/opt/hb": here / "hb"}))
    assert look(view, "/opt/hb/lib/libb.dylib").kind is NodeKind.FILE
    assert look(view, "/opt/hb/lib/x") == look(view, "/opt/hb/x") == UNSEEN
    assert look(view, "/opt/app/bin/tool").kind is NodeKind.FILE
    assert look(view, "/opt/x") == look(view, "/x") == UNSEEN


def test_with_everything_unseen_the_os_still_answers_for_itself(here: Path) -> None:
    view = open_world(World(unseen=["/"]), [here / "outside"])
    assert look(view, "/usr/lib/libx.dylib") == ABSENT
    assert look(view, "/usr/local/lib/libx.dylib") == UNSEEN
    assert look(view, here / "hb/lib/libb.dylib") == UNSEEN
    assert look(view, view.place(here / "outside/tool")).kind is NodeKind.FILE, "the input is there"


def test_unseen_below_the_os_is_unseen() -> None:
    assert look(open_world(World(unseen=["/usr/lib"])), "/usr/lib/libx.dylib") == UNSEEN


def test_an_input_stands_at_its_own_path_without_a_root(here: Path) -> None:
    tool = here / "outside/tool"
    view = open_world(World(maps={"/opt/homebrew": here / "hb"}), [tool])
    assert view.place(tool) == str(tool)


def test_an_input_given_relatively_stands_at_its_absolute_path(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(here / "outside")
    view = open_world(World(), ["tool", "./lib/../tool", "."])
    assert view.place("tool") == str(Path.cwd() / "tool")
    assert view.place("./lib/../tool") == os.path.realpath("tool")
    assert view.place(".") == str(Path.cwd())


def test_an_input_below_the_root_stands_at_its_place_there(here: Path) -> None:
    view = open_world(World(root=here / "root"), [here / "root/opt/app/bin/tool", here / "root"])
    assert view.place(here / "root/opt/app/bin/tool") == "/opt/app/bin/tool"
    assert view.place(here / "root") == "/"


def test_an_input_below_a_mapped_host_stands_at_its_place_there(here: Path) -> None:
    lib = here / "hb/lib/libb.dylib"
    assert open_world(World(maps={"/opt/homebrew": here / "hb"}), [lib]).place(lib) == "/opt/homebrew/lib/libb.dylib"
    assert open_world(World(maps={"/x/b": lib}), [lib]).place(lib) == "/x/b"


def test_of_nested_mapped_hosts_the_nearest_gives_the_place(here: Path) -> None:
    maps = {"/all": here, "/opt/homebrew": here / "hb"}
    view = open_world(World(root=here / "root", maps=maps))
    assert view.place(here / "hb/lib/libb.dylib") == "/opt/homebrew/lib/libb.dylib"
    assert view.place(here / "outside/tool") == "/all/outside/tool"


def test_an_input_outside_the_root_needs_a_place(here: Path) -> None:
    with pytest.raises(UsageError, match="--at"):
        open_world(World(root=here / "root"), [here / "outside/tool"])
    with pytest.raises(UsageError, match="--at"):
        open_world(World(root=here / "root")).place(here / "outside/tool")


def test_a_file_at_a_directory_lies_in_it_under_its_own_name(here: Path) -> None:
    tool = here / "outside/tool"
    view = open_world(World(root=here / "root", at="/usr/local/bin/"), [tool])
    assert view.place(tool) == "/usr/local/bin/tool"
    view = open_world(World(root=here / "root", at="/opt/app/"), [here / "outside"])
    assert view.place(tool) == "/opt/app/tool"


def test_an_input_file_stands_where_at_says_and_brings_nothing_else(here: Path) -> None:
    tool = here / "outside/tool"
    view = open_world(World(root=here / "root", at="/opt/app/bin/new"), [tool])
    assert view.place(tool) == "/opt/app/bin/new"
    assert look(view, "/opt/app/bin/new").host == os.path.realpath(tool)
    assert look(view, "/opt/app/bin/tool").kind is NodeKind.FILE, "what was there before stays"
    assert look(view, "/opt/app/bin/lib") == ABSENT


def test_an_input_folder_lies_where_at_says_with_all_that_is_in_it(here: Path) -> None:
    view = open_world(World(root=here / "root", at="/opt/app"), [here / "outside"])
    assert view.place(here / "outside") == "/opt/app"
    assert view.place(here / "outside/lib/libc.dylib") == "/opt/app/lib/libc.dylib"
    assert look(view, "/opt/app/lib/libc.dylib").kind is NodeKind.FILE
    assert look(view, "/opt/app/lib/liba.dylib") == ABSENT


def test_at_moves_even_what_has_a_place(here: Path) -> None:
    tool = here / "root/opt/app/bin/tool"
    view = open_world(World(root=here / "root", maps={"/m": tool}, at="/bin/tool"), [tool])
    assert view.place(tool) == "/bin/tool"
    assert look(view, "/bin/tool").kind is NodeKind.FILE


def test_at_wins_over_a_mapping_at_the_same_target(here: Path) -> None:
    view = open_world(World(root=here / "root", maps={"/x": here / "hb"}, at="/x"), [here / "outside"])
    assert look(view, "/x/tool").kind is NodeKind.FILE


def test_at_is_for_one_input(here: Path) -> None:
    with pytest.raises(UsageError, match="several"):
        open_world(World(at="/x"), [here / "hb", here / "outside"])
    open_world(World(at="/x"), [here / "hb", here / "hb"])


def test_a_file_cannot_be_the_root(here: Path) -> None:
    with pytest.raises(UsageError, match="not a directory"):
        open_world(World(at="/"), [here / "outside/tool"])


@pytest.mark.parametrize("at", [None, "/x"])
def test_an_input_that_is_not_there_cannot_be_looked_at(here: Path, at: str | None) -> None:
    with pytest.raises(InputError) as error:
        open_world(World(at=at), [here / "absent"])
    assert error.value.path == str(here / "absent")


def test_an_input_is_there_whatever_hides_its_place(here: Path) -> None:
    tool = here / "outside/tool"
    view = open_world(World(unseen=[str(here / "outside")]), [tool])
    assert look(view, view.place(tool)).kind is NodeKind.FILE
    assert look(view, here / "outside/lib/libc.dylib") == UNSEEN
    view = open_world(World(maps={str(here / "outside"): here / "hb"}), [tool])
    assert look(view, view.place(tool)).host == os.path.realpath(tool)


def test_what_is_hidden_and_no_input_has_no_place(here: Path) -> None:
    view = open_world(World(maps={str(here / "outside"): here / "hb"}))
    with pytest.raises(UsageError, match="something else"):
        view.place(here / "outside/tool")


def test_an_input_that_is_a_link_is_a_link_on_the_mac_too(here: Path) -> None:
    (here / "root/bin").mkdir()
    (here / "root/bin/tool").symlink_to("/opt/app/bin/tool")
    view = open_world(World(root=here / "root"), [here / "root/bin/tool"])
    assert view.place(here / "root/bin/tool") == "/bin/tool"
    assert look(view, "/bin/tool").real == "/opt/app/bin/tool"


def test_an_input_below_a_link_of_the_root_is_what_the_link_leads_to_on_the_mac(here: Path) -> None:
    (here / "root/current").symlink_to("/opt/app")
    tool = here / "root/current/bin/tool"
    assert not tool.exists()
    view = open_world(World(root=here / "root"), [tool])
    assert view.place(tool) == "/current/bin/tool"
    assert look(view, "/current/bin/tool").real == "/opt/app/bin/tool"


def test_an_input_reached_by_a_link_from_outside_stands_where_it_really_is(here: Path) -> None:
    (here / "bin").symlink_to("root/opt/app/bin")
    (here / "tool").symlink_to("root/opt/app/bin/tool")
    (here / "whole").symlink_to("root")
    for path in ("bin/tool", "tool", "whole/opt/app/bin/tool"):
        assert open_world(World(root=here / "root"), [here / path]).place(here / path) == "/opt/app/bin/tool"


def test_a_root_given_by_a_link_is_the_same_root(here: Path) -> None:
    (here / "whole").symlink_to("root")
    view = open_world(World(root=here / "whole"), [here / "root/opt/app/bin/tool"])
    assert view.place(here / "root/opt/app/bin/tool") == "/opt/app/bin/tool"


def test_relative_hosts_start_at_the_working_directory(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(here)
    view = open_world(World(root="root", maps={"/opt/homebrew": "./hb"}), ["root/opt/app/bin/tool"])
    monkeypatch.chdir("/")
    assert look(view, "/opt/homebrew/lib/libb.dylib").kind is NodeKind.FILE
    assert look(view, view.place("root/opt/app/bin/tool")).kind is NodeKind.FILE


def test_no_link_of_macos_is_made_up(here: Path) -> None:
    (here / "root/private/var/x").mkdir(parents=True)
    assert look(open_world(World(root=here / "root")), "/var/x") == ABSENT


def test_a_world_is_a_value(here: Path) -> None:
    one = World(root=here, maps={"/a": here / "hb"}, unseen=["/x"], sdks=[here])
    assert one == World(root=str(here), maps=(("/a", str(here / "hb")),), unseen=("/x",), sdks=(str(here),))
    assert hash(one) == hash(World(root=str(here), maps=one.maps, unseen=["/x"], sdks=[here]))
    assert open_world(one).world is one


@pytest.mark.parametrize(
    ("text", "pair"), [("/opt/homebrew=./hb", ("/opt/homebrew", "./hb")), ("/a=b=c", ("/a", "b=c"))]
)
def test_a_mapping_is_written_target_equals_host(text: str, pair: tuple[str, str]) -> None:
    assert parse_map(text) == pair


@pytest.mark.parametrize("text", ["", "/a", "/a=", "=b", "a=b"])
def test_a_mapping_in_another_form_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse_map(text)


def test_the_host_floor_imports_without_unix_calls() -> None:
    code = "import os; del os.pread, os.O_NONBLOCK, os.O_CLOEXEC; import machochain.world.placement"
    subprocess.run([sys.executable, "-c", code], check=True)
