"""What holds of every tree, however its links are laid."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from machochain.model.filesystem import Node, NodeKind, Presence
from machochain.model.paths import TargetPath
from machochain.world.filesystem import WalkedFileSystem, fold_name
from machochain.world.memory import MemoryFileSystem
from machochain.world.placement import World, open_world

NAMES = ("a", "A", "b", "é", "e\u0301", "lib")
names = st.sampled_from(NAMES)
segments = st.sampled_from((*NAMES, ".", "..", ""))
paths = st.lists(segments, min_size=1, max_size=6).map(lambda found: "/" + "/".join(found))
links = st.tuples(st.sampled_from(("", "/")), st.lists(segments, min_size=1, max_size=4).map("/".join))
targets = links.map("".join).filter(bool)
inside = st.one_of(st.none(), st.binary(max_size=3), targets)
flat = st.dictionaries(st.lists(names, min_size=1, max_size=3).map(tuple), inside, max_size=14)
DIRECTORY = NodeKind.DIRECTORY
Tree = dict[str, bytes | str | None]
quick = settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@st.composite
def trees(draw: st.DrawFn) -> Tree:
    """Return a tree in which nothing lies below what is no directory."""
    found = draw(flat)
    return {
        "/" + "/".join(path): what
        for path, what in sorted(found.items())
        if all(found.get(path[:n]) is None for n in range(1, len(path)))
    }


@contextmanager
def written(tree: Tree) -> Iterator[Path]:
    root = Path(tempfile.mkdtemp(prefix="machochain-tree-"))
    try:
        for path, what in tree.items():
            place = root / path[1:]
            place.parent.mkdir(parents=True, exist_ok=True)
            if what is None:
                place.mkdir(exist_ok=True)
            elif isinstance(what, str):
                place.symlink_to(what)
            else:
                place.write_bytes(what)
        yield root
    finally:
        shutil.rmtree(root)


def answer(node: Node) -> tuple[object, ...]:
    return node.presence, node.kind, node.real, node.errno, node.case_differs, node.size


def look(files: WalkedFileSystem, path: str) -> Node:
    return files.look(TargetPath(path))


def tells_names_apart() -> bool:
    with tempfile.TemporaryDirectory() as folder:
        for name in NAMES:
            Path(folder, name).touch()
        return len(list(Path(folder).iterdir())) == len(NAMES)


exact_host = pytest.mark.skipif(not tells_names_apart(), reason="this volume takes two spellings for one name")


@quick
@given(trees(), st.lists(paths, min_size=1, max_size=8), st.booleans())
def test_every_look_ends_and_asking_again_in_any_order_changes_nothing(
    tree: Tree, asked: list[str], case_sensitive: bool
) -> None:
    files = MemoryFileSystem(tree, case_sensitive=case_sensitive)
    first = [look(files, path) for path in asked]
    fresh = MemoryFileSystem(tree, case_sensitive=case_sensitive)
    assert [look(fresh, path) for path in reversed(asked)] == first[::-1]


@quick
@given(trees(), paths, st.booleans())
def test_a_real_path_is_its_own_real_path(tree: Tree, path: str, case_sensitive: bool) -> None:
    files = MemoryFileSystem(tree, case_sensitive=case_sensitive)
    node = look(files, path)
    if node.real is not None:
        again = look(files, node.real)
        assert (again.real, again.identity, again.case_differs) == (node.real, node.identity, False)


@exact_host
@quick
@given(trees(), st.lists(paths, min_size=1, max_size=8), st.booleans())
def test_memory_and_host_answer_alike(tree: Tree, asked: list[str], case_sensitive: bool) -> None:
    files = MemoryFileSystem(tree, case_sensitive=case_sensitive)
    with written(tree) as root:
        view = open_world(World(root=root, case_sensitive=case_sensitive))
        for path in asked:
            assert answer(look(view, path)) == answer(look(files, path))


@exact_host
@quick
@given(trees(), st.lists(paths, min_size=1, max_size=8))
def test_the_kernel_of_this_machine_agrees_where_case_counts(tree: Tree, asked: list[str]) -> None:
    # Links that stay inside the root, and names that have one spelling only, mean the same to this machine's kernel.
    plain = {
        path: what
        for path, what in tree.items()
        if path.isascii() and not (isinstance(what, str) and (what[0] == "/" or ".." in what or not what.isascii()))
    }
    with written(plain) as root:
        view = open_world(World(root=root, case_sensitive=True))
        for path in asked:
            if ".." in path or not path.isascii():
                continue
            try:
                status = os.stat(f"{root}{path}")  # noqa: PTH116 - Path would drop a last "/." and ask another question
            except OSError:
                assert look(view, path).presence is Presence.ABSENT
            else:
                assert look(view, path).identity == (status.st_dev, status.st_ino)


@quick
@given(trees(), paths, st.booleans())
def test_an_unrelated_file_changes_no_answer(tree: Tree, path: str, case_sensitive: bool) -> None:
    more = MemoryFileSystem({**tree, "/unrelated": b"", "/other/unrelated": b""}, case_sensitive=case_sensitive)
    assert answer(look(more, path)) == answer(look(MemoryFileSystem(tree, case_sensitive=case_sensitive), path))


@quick
@given(trees(), st.lists(paths, min_size=1, max_size=4), paths.filter(lambda path: ".." not in path))
def test_hiding_a_place_turns_answers_into_unseen_and_nothing_else(tree: Tree, asked: list[str], hidden: str) -> None:
    # A volume that ignores case cannot hold two names that differ in nothing else.
    places = {"/".join(path.split("/")[:n]) for path in tree for n in range(2, path.count("/") + 2)}
    assume(len({fold_name(place) for place in places}) == len(places))
    with written(tree) as root:
        seen = open_world(World(root=root))
        above = ["/".join(hidden.split("/")[:n]) or "/" for n in range(1, hidden.count("/") + 1)]
        # What stands in the way of a path that may exist gives way to a directory: that is another rule.
        assume(all(seen.stands_at(TargetPath(path)) is None or look(seen, path).kind is DIRECTORY for path in above))
        partly = open_world(World(root=root, unseen=[hidden]))
        for path in asked:
            before, after = look(seen, path), look(partly, path)
            if before.presence is Presence.PRESENT:
                assert after.presence is Presence.UNSEEN or answer(after) == answer(before)
