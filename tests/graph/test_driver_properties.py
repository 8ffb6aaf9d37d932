"""What holds on every Mac, however it is put together."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from attrs import frozen
from hypothesis import given
from hypothesis import strategies as st

from machochain.dyld.config import HARDENED, RESTRICTED, UNRESTRICTED, Security
from machochain.graph.walked import Walk
from machochain.model.errors import InputError
from machochain.model.filesystem import NodeKind, Presence
from machochain.model.result import Origin, Outcome
from tests.factory import Load, delayed, dylib, executable, load, reexport, upward
from tests.graph.modelled import GENERATIONS, examine, launch, make_mac

Tree = dict[str, bytes | str | None]
FOLDERS = ("/app", "/app/lib", "/opt/one", "/opt/two", "/usr/local/lib")
NAMES = ("a", "b", "c", "d")
PLACES = [f"{folder}/{name}" for folder in FOLDERS for name in NAMES]
LOAD_PATHS = [
    *PLACES,
    *[f"{p}/{n}" for p in ("@rpath", "@loader_path", "@executable_path/lib", "@bogus", "/gone") for n in NAMES],
    "a", "lib/b", "@rpath/sub/../c", "/opt/link/d",
]  # fmt: skip
RUN_PATHS = (
    "@loader_path",
    "@executable_path/lib",
    "@loader_path/../two",
    "/opt/one",
    "/opt/link",
    "lib",
    "/gone",
    "@rpath/x",
)
KINDS = (load, lambda n: load(n, weak=True), reexport, upward, delayed)


@lru_cache(maxsize=4096)
def made(
    name: str | None, loads: tuple[tuple[str, int], ...], run_paths: tuple[str, ...], arch: str, sdk: str
) -> bytes:
    commands: list[Load | str] = [KINDS[kind](path) for path, kind in loads]
    more: dict[str, Any] = {"rpaths": run_paths, "arch": arch, "sdk": sdk}
    return executable(*commands, **more) if name is None else dylib(name, *commands, **more)


@frozen
class Scene:
    """A made-up Mac and the process on it."""

    tree: Tree
    macos: str
    security: Security
    environment: dict[str, str]
    cwd: str


asks = st.lists(st.tuples(st.sampled_from(LOAD_PATHS), st.integers(0, len(KINDS) - 1)), max_size=3).map(tuple)
carried = st.lists(st.sampled_from(RUN_PATHS), max_size=2, unique=True).map(tuple)
sdks = st.sampled_from(["12.0", "15.0"])
archs = st.sampled_from(["arm64", "arm64", "arm64", "x86_64"])


@st.composite
def scenes(draw: st.DrawFn) -> Scene:
    tree: Tree = {"/app/main": made(None, draw(asks), draw(carried), "arm64", draw(sdks))}
    for place in draw(st.lists(st.sampled_from(PLACES), max_size=6, unique=True)):
        kind = draw(st.integers(0, 9))
        if kind == 0:
            tree[place] = draw(st.sampled_from([b"", b"junk" * 2000, None]))
            continue
        name = draw(st.sampled_from([place, "@rpath/" + place.rpartition("/")[2], "/opt/one/a"]))
        tree[place] = made(name, draw(asks), draw(carried), draw(archs), draw(sdks))
    if draw(st.booleans()):
        tree["/opt/link"] = draw(st.sampled_from(["/opt/one", "two", "/nowhere"]))
    variables = draw(
        st.lists(
            st.sampled_from(
                [
                    "DYLD_LIBRARY_PATH",
                    "DYLD_FALLBACK_LIBRARY_PATH",
                    "DYLD_INSERT_LIBRARIES",
                    "DYLD_VERSIONED_LIBRARY_PATH",
                ]
            ),
            max_size=2,
            unique=True,
        )
    )
    environment = {
        v: draw(st.sampled_from(["/opt/one", "/opt/two:/app/lib", "/opt/one/a", "lib", "@executable_path"]))
        for v in variables
    }
    return Scene(
        tree,
        draw(st.sampled_from(GENERATIONS)),
        draw(st.sampled_from([UNRESTRICTED, UNRESTRICTED, HARDENED, RESTRICTED])),
        environment,
        draw(st.sampled_from(["/", "/app", "/nowhere"])),
    )


def run(scene: Scene, **extra: bytes | str | None) -> tuple[Any, Walk]:
    mac = make_mac({**scene.tree, **{f"/{k}": v for k, v in extra.items()}})
    walked = launch(mac, macos=scene.macos, security=scene.security, environment=scene.environment, cwd=scene.cwd)
    return mac, walked


def told(walked: Walk) -> tuple[Any, ...]:
    """All a walk tells but the numbers of the files."""
    images = [(i.id, i.path, i.install_name, i.origin) for i in walked.images]
    loads = [(x.source, x.dylib, x.to, x.outcome, x.found, x.tried, x.reason, x.inserted) for x in walked.loads]
    return images, loads, walked.message, walked.unknowns


@given(scenes())
def test_every_mac_resolves_and_twice_alike(scene: Scene) -> None:
    assert told(run(scene)[1]) == told(run(scene)[1])


@given(scenes())
def test_an_unrelated_file_changes_nothing(scene: Scene) -> None:
    unrelated = dylib("/unrelated/x")
    assert told(run(scene, **{"unrelated/x": unrelated, "opt/three/z": b""})[1]) == told(run(scene)[1])


@given(scenes())
def test_what_is_loaded_exists(scene: Scene) -> None:
    mac, walked = run(scene)
    for image in walked.images:
        if image.origin is Origin.DISK:
            node = mac.look(image.path)
            assert (node.presence, node.kind, node.real) == (Presence.PRESENT, NodeKind.FILE, image.path)
    for one in walked.loads:
        assert (one.to is not None) == (one.outcome in {Outcome.LOADED, Outcome.ALREADY_LOADED})
        if one.outcome is Outcome.LOADED and one.to is not None:
            assert one.found is not None
            image = walked.images[one.to]
            if image.origin is Origin.DISK:
                assert mac.realpath(one.found.path, scene.cwd) == image.path


@given(scenes())
def test_images_and_loads_are_numbered_in_the_order_they_came(scene: Scene) -> None:
    walked = run(scene)[1]
    assert [i.id for i in walked.images] == list(range(len(walked.images)))
    assert len({i.path for i in walked.images}) == len(walked.images)
    fresh = [x.to for x in walked.loads if x.outcome is Outcome.LOADED]
    assert fresh == sorted(x for x in fresh if x is not None)


@given(scenes())
def test_the_search_ends_at_what_it_found(scene: Scene) -> None:
    """Without the file that served, the same paths are tried, then that one, then others."""
    first = next((x for x in run(scene)[1].loads if x.dylib.ordinal), None)
    if first is None or first.found is None or first.outcome is not Outcome.LOADED:
        return
    served = run(scene)[1].images[first.to or 0].path
    if scene.environment or served not in scene.tree or any(isinstance(v, str) for v in scene.tree.values()):
        return
    without = {k: v for k, v in scene.tree.items() if k != served}
    again = next(x for x in run(Scene(without, scene.macos, scene.security, {}, scene.cwd))[1].loads if x.dylib.ordinal)
    before = [a.candidate.path for a in first.tried]
    assert [a.candidate.path for a in again.tried][: len(before) + 1] == [*before, first.found.path]
    assert first.found.path not in before


@given(scenes())
def test_a_launch_fails_exactly_if_something_strong_is_missing_and_said(scene: Scene) -> None:
    walked = run(scene)[1]
    missing = [x for x in walked.loads if x.outcome is Outcome.MISSING and x.reason is not None]
    if walked.message is None:
        assert not [x for x in missing if not x.inserted]
    else:
        assert missing


@given(
    scenes(),
    st.permutations(GENERATIONS),
    st.lists(st.sampled_from(PLACES), max_size=3, unique=True),
    st.tuples(asks, carried, sdks),
)
def test_what_processes_and_releases_share_changes_nothing(
    scene: Scene, order: list[str], libraries: list[str], other: tuple[Any, Any, str]
) -> None:
    """On one Mac, each release after another, every process comes to what it comes to alone on a new one."""
    tree = {**scene.tree, "/opt/one/tool": made(None, other[0], other[1], "arm64", other[2])}
    shared = make_mac(tree)
    like: dict[str, Walk] = {}
    opened = [p for p in libraries if tree.get(p) and not isinstance(shared.read(shared.look(p)), InputError)]
    for macos in order:
        more: dict[str, Any] = {"security": scene.security, "environment": scene.environment, "cwd": scene.cwd}
        for root in ("/app/main", "/opt/one/tool", *opened):
            start = launch if root in {"/app/main", "/opt/one/tool"} else examine
            found = start(shared, root, macos, like=like.get(root), **more)
            assert told(found) == told(start(make_mac(tree), root, macos, **more))
            like[root] = found
