"""What processes and releases share changes nothing: small Macs on which names, run paths and variables collide.

``test_driver_properties`` has trees of every kind; in these nearly every search can end in several places.
"""

from __future__ import annotations

import random
from typing import Any, Final

import pytest

from machochain.dyld.atpaths import LoadRequest
from machochain.dyld.config import HARDENED, RESTRICTED, UNRESTRICTED
from machochain.graph.mac import Mac, is_respelt, normalised
from machochain.graph.search import Search
from machochain.graph.walked import Found, Trail, Walk
from machochain.model.search import Candidate, SearchRule
from tests.graph.modelled import GENERATIONS, Libraries, examine, launch, libraries, make_mac
from tests.graph.test_driver_properties import Tree, made, told

FOLDERS: Final = ("/one", "/two", "/usr/local/lib", "/usr/lib")
NAMES: Final = "abc"
RUN_PATHS: Final = (
    "@loader_path", "/one", "/two", "@executable_path", "@loader_path/../two", "/link", "one", "@rpath/q",
)  # fmt: skip
PROGRAMS: Final = ("/one/P", "/two/Q", "/one/R")


class Scene:
    """A made-up Mac with three programs; the same for the same number."""

    def __init__(self, number: int) -> None:
        self.chance = chance = random.Random(number)
        self.tree: Tree = {path: self._image(None, 4, "arm64") for path in PROGRAMS}
        for folder in FOLDERS:
            for name in NAMES:
                if chance.random() < 0.55:
                    own = chance.choice([f"{folder}/{name}", f"@rpath/{name}", f"/one/{chance.choice(NAMES)}"])
                    self.tree[f"{folder}/{name}"] = self._image(own, 3, chance.choice(["arm64"] * 6 + ["x86_64"]))
        if chance.random() < 0.5:
            self.tree["/link"] = chance.choice(["/one", "/two"])
        if chance.random() < 0.3:
            self.tree["/two/c"] = "/one/a"
        self.more: dict[str, Any] = {
            "security": chance.choice([UNRESTRICTED] * 4 + [HARDENED, RESTRICTED]),
            "cwd": chance.choice(["/", "/one"]),
            "environment": {},
        }
        if chance.random() < 0.35:
            variable = chance.choice(["DYLD_LIBRARY_PATH", "DYLD_FALLBACK_LIBRARY_PATH"])
            value = chance.choice(["/two", "/one:/two", "@executable_path", "@loader_path", "@rpath", "one"])
            self.more["environment"] = {variable: value}
        cached = chance.sample([f"/usr/lib/{name}" for name in NAMES], chance.randint(0, 2))
        alias = {"/usr/lib/c": "/usr/lib/a"} if chance.random() < 0.3 else {}
        self.system: Libraries = libraries(*cached, **alias)

    def _image(self, name: str | None, most: int, arch: str) -> bytes:
        chance = self.chance
        loads = tuple((self._load_path(), chance.choice([0, 0, 0, 1, 2, 4])) for _ in range(chance.randint(0, most)))
        run_paths = tuple(chance.sample(RUN_PATHS, chance.randint(0, 2)))
        return made(name, loads, run_paths, arch, chance.choice(["12.0", "12.0", "15.0"]))

    def _load_path(self) -> str:
        chance, name = self.chance, self.chance.choice(NAMES)
        places = (
            "@rpath/",
            "@rpath/",
            "@loader_path/",
            f"{chance.choice(FOLDERS)}/",
            "@executable_path/",
            "",
            "/link/",
        )
        return chance.choice(places) + name

    def mac(self) -> Mac:
        return make_mac(self.tree, system=self.system)


@pytest.mark.parametrize("start", range(0, 80, 10))
def test_every_process_comes_to_what_it_comes_to_alone(start: int) -> None:
    repeated = 0
    for number in range(start, start + 10):
        scene = Scene(number)
        shared = scene.mac()
        opened = [path for path in ("/one/a", "/two/b") if isinstance(scene.tree.get(path), bytes)]
        like: dict[str, Walk] = {}
        for macos in scene.chance.sample(GENERATIONS, len(GENERATIONS)):
            for root in (*PROGRAMS, *opened):
                begin = launch if root in PROGRAMS else examine
                found = begin(shared, root, macos, like=like.get(root), **scene.more)
                assert told(found) == told(begin(scene.mac(), root, macos, **scene.more)), (number, macos, root)
                repeated += root in like and found.images is like[root].images
                like[root] = found
    assert repeated


def test_a_search_is_made_once_for_all_releases_on_which_dyld_searches_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    explored: list[str] = []
    explore = Search._explore

    def counted(self: Search, request: LoadRequest) -> Found:
        explored.append(request.path)
        return explore(self, request)

    monkeypatch.setattr(Search, "_explore", counted)
    program = made(None, (("@rpath/a", 0), ("@rpath/gone", 1)), ("/two",), "arm64", "15.0")
    mac = make_mac({"/one/P": program, "/two/a": made("@rpath/a", (), (), "arm64", "15.0")})
    first = launch(mac, "/one/P", "13.5")
    assert "@rpath/gone" in explored
    explored.clear()
    assert launch(mac, "/one/P", "26", like=first).images is first.images
    assert not explored


def test_a_way_names_the_first_of_the_images_that_stand_on_the_run_path_stack_twice() -> None:
    trail = Trail((3, 3, 0), candidate=Candidate("/lib/a", SearchRule.RPATH, 3, 0))
    assert trail.seen_by((5, 6, 0))[1] == Candidate("/lib/a", SearchRule.RPATH, 5, 0)


def test_a_process_that_repeats_another_releases_ways_looks_at_each_of_them_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    libraries_of = {f"/one/{n}": made(f"/one/{n}", (("@rpath/gone", 1),), ("/two",), "arm64", "15.0") for n in range(5)}
    mac = make_mac({"/one/P": made(None, tuple((n, 0) for n in libraries_of), (), "arm64", "15.0"), **libraries_of})
    first = launch(mac, "/one/P", "13.5")
    searched: list[str] = []
    monkeypatch.setattr(Search, "_find_current", lambda _, request: searched.append(request.path))
    assert launch(mac, "/one/P", "26", like=first).images is first.images
    assert searched == []


@pytest.mark.parametrize(("before", "after"), [("12.4", "12.5"), ("12.5", "13"), ("12.4", "13")])
def test_ways_of_a_release_on_which_dyld_searches_otherwise_are_not_taken_over(before: str, after: str) -> None:
    tree = {"/one/P": made(None, (("@rpath/it's", 0),), ("/t'wo",), "arm64", "15.0")}
    mac = make_mac(tree)
    opened = {"/one/a": made("/one/a", (("@rpath/it's", 0),), ("/t'wo",), "arm64", "15.0")}
    shared = make_mac(opened)
    for begin, world, root, alone in ((launch, mac, "/one/P", tree), (examine, shared, "/one/a", opened)):
        first = begin(world, root, before)
        found = begin(world, root, after, like=first)
        assert told(found) == told(begin(make_mac(alone), root, after))


def test_words_nobody_needs_for_a_plug_in_are_there_for_a_program_that_goes_the_same_way() -> None:
    lacking = made("/one/a", (("@rpath/gone", 0),), ("/two",), "arm64", "15.0")
    tree = {"/one/a": lacking, "/one/P": made(None, (("/one/a", 0),), (), "arm64", "15.0")}
    mac = make_mac(tree)
    assert examine(mac, "/one/a", "26").unknowns
    assert told(launch(mac, "/one/P", "26")) == told(launch(make_mac(tree), "/one/P", "26"))


def test_a_spelling_no_library_of_the_os_has_is_known_by_its_parts() -> None:
    chance = random.Random(7)
    for _ in range(3000):
        path = "/" + "/".join(chance.choice(["a", ".", "..", ".b", "..c", "d.e", ""]) for _ in range(4))
        assert is_respelt(path) == (normalised(path) != path), path
