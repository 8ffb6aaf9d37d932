"""Where users have what an archive holds, and what nobody can tell about its surroundings."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import pytest

from machochain import resolve
from machochain.model.artifact import Artifact, ArtifactKind, Limits
from machochain.model.filesystem import NodeKind, Presence
from machochain.model.paths import HostPath, TargetPath
from machochain.world.archives.opening import open_artifact
from machochain.world.archives.places import display_names, place_artifact, placing
from machochain.world.placement import World, WorldView, open_world
from tests.factory.macho import MachO
from tests.world.archives.packing import LIBRARY, TEXT, Content, Link, compressed, conda, tar, wheel, zip_bytes, zipped

PYTHON = "/Library/Frameworks/Python.framework/Versions/3.12"
SITE = f"{PYTHON}/lib/python3.12/site-packages"


def kinds(artifact: Artifact, world: World, *paths: str) -> list[NodeKind | Presence | None]:
    """Return what lies at some paths: file, directory, absent or unseen."""
    view: WorldView = open_world(place_artifact(world, artifact))
    nodes = [view.look(TargetPath(path)) for path in paths]
    return [node.kind if node.presence is Presence.PRESENT else node.presence for node in nodes]


@pytest.fixture
def mac(tmp_path: Path) -> World:
    """A Mac with nothing on it."""
    (tmp_path / "root").mkdir()
    return World(root=tmp_path / "root")


FILE, DIRECTORY, ABSENT, UNSEEN = NodeKind.FILE, NodeKind.DIRECTORY, Presence.ABSENT, Presence.UNSEEN


def test_a_wheel_lies_in_site_packages_with_its_parts_where_pip_puts_them(tmp_path: Path, mac: World) -> None:
    path = wheel(
        tmp_path / "any name",
        {
            "pkg/__init__.py": b"",
            "pkg/.dylibs/libx.dylib": LIBRARY,
            "_fast.abi3.so": LIBRARY,
            "pkg-1.2.data/platlib/other/y.so": LIBRARY,
            "pkg-1.2.data/purelib/pure/z.so": LIBRARY,
            "pkg-1.2.data/scripts/tool": LIBRARY,
            "pkg-1.2.data/data/lib/libdata.dylib": LIBRARY,
            "pkg-1.2.data/headers/x.tbd": TEXT,
        },
        needs="Requires-Dist: numpy>=1\nRequires-Dist: extra-thing; extra == 'all'",
    )
    with open_artifact(path) as artifact:
        assert (artifact.kind, artifact.name, artifact.version) == (ArtifactKind.WHEEL, "pkg", "1.2")
        assert (artifact.platforms, artifact.requires) == (("cp312-cp312-macosx_11_0_arm64",), ("numpy",))
        assert artifact.default_place == SITE
        present = [
            f"{SITE}/pkg/.dylibs/libx.dylib", f"{SITE}/_fast.abi3.so", f"{SITE}/other/y.so", f"{SITE}/pure/z.so",
            f"{PYTHON}/bin/tool", f"{PYTHON}/lib/libdata.dylib",
        ]  # fmt: skip
        assert kinds(artifact, mac, *present) == [FILE] * 6
        assert kinds(artifact, mac, f"{SITE}/pkg/.dylibs/liby.dylib") == [ABSENT], "a package of the wheel is complete"
        around = [f"{SITE}/numpy/x.so", f"{PYTHON}/Python", f"{PYTHON}/lib/libpython3.12.dylib", f"{PYTHON}/bin/x"]
        assert kinds(artifact, mac, *around) == [UNSEEN] * 4
        names = display_names(artifact)
        assert f"{path}:pkg-1.2.data/scripts/tool" in names.values()
        assert (
            names[HostPath(f"{artifact.folder}/site-packages/other/y.so")] == f"{path}:pkg-1.2.data/platlib/other/y.so"
        )


@pytest.mark.parametrize(
    ("tag", "python"),
    [
        ("cp311-cp311-macosx_11_0_arm64", "3.11"),
        ("cp38-abi3-macosx_10_9_x86_64", "3.13"),
        ("py3-none-macosx_11_0_arm64", "3.13"),
    ],
)
def test_the_python_of_a_wheel_is_that_of_its_tag(tmp_path: Path, tag: str, python: str) -> None:
    with open_artifact(wheel(tmp_path / "x.whl", {"a.so": LIBRARY}, tag=tag)) as artifact:
        assert artifact.default_place.endswith(f"/{python}/lib/python{python}/site-packages")


def test_a_package_that_several_wheels_fill_is_not_complete(tmp_path: Path, mac: World) -> None:
    path = wheel(
        tmp_path / "x.whl",
        {
            "PyQt6/__init__.py": b"", "PyQt6/QtCore.abi3.so": LIBRARY,
            "google/proto/x.so": LIBRARY,
            "own/__init__.cpython-312-darwin.so": LIBRARY, "own/.dylibs/liby.dylib": LIBRARY,
            "pkg-1.2.data/platlib/plat/__init__.py": b"", "pkg-1.2.data/platlib/plat/x.so": LIBRARY,
            "module.dylibs/libz.dylib": LIBRARY,
        },
        needs="Requires-Dist: PyQt6_Qt6>=6\nRequires-Dist: owner",
    )  # fmt: skip
    with open_artifact(path) as artifact:
        shared = ["PyQt6/Qt6/lib/QtCore", "google/other.so"]
        assert kinds(artifact, mac, *(f"{SITE}/{name}" for name in shared)) == [UNSEEN] * 2
        complete = ["own/.dylibs/libgone.dylib", "plat/gone.so", "module.dylibs/libgone.dylib"]
        assert kinds(artifact, mac, *(f"{SITE}/{name}" for name in complete)) == [ABSENT] * 3
        assert kinds(artifact, mac, f"{SITE}/PyQt6/QtCore.abi3.so", f"{SITE}/google/proto/x.so") == [FILE] * 2


def test_a_wheel_may_be_placed_elsewhere(tmp_path: Path, mac: World) -> None:
    path = wheel(tmp_path / "x.whl", {"a.so": LIBRARY, "pkg-1.2.data/scripts/tool": LIBRARY})
    with open_artifact(path) as artifact:
        venv = World(root=mac.root, at=TargetPath("/v/lib/python3.12/site-packages"))
        assert kinds(artifact, venv, "/v/lib/python3.12/site-packages/a.so", "/v/bin/tool") == [FILE, FILE]
        assert kinds(artifact, venv, "/v/bin/python", "/v/lib/python3.12/site-packages/b.so") == [ABSENT, UNSEEN]
        target = World(root=mac.root, at=TargetPath("/t"))
        assert kinds(artifact, target, "/t/a.so", "/t/bin/tool") == [FILE, FILE]
        assert place_artifact(target, artifact).at is None


def test_a_link_in_a_wheel_is_a_file_as_pip_writes_it(tmp_path: Path) -> None:
    with open_artifact(wheel(tmp_path / "x.whl", {"pkg/lib.dylib": Link("/etc/passwd")})) as artifact:
        host = next(each.host for each in artifact.entries if each.name == "pkg/lib.dylib")
        assert host is not None
        assert Path(host).read_text() == "/etc/passwd"
        assert not Path(host).is_symlink()


def test_an_application_lies_in_applications(tmp_path: Path, mac: World) -> None:
    entries: list[tuple[str, Content]] = [
        ("My.app/Contents/MacOS/My", LIBRARY), ("My.app/Contents/Info.plist", TEXT), ("__MACOSX/My.app/._x", TEXT),
    ]  # fmt: skip
    with open_artifact(zipped(tmp_path / "x.zip", entries)) as artifact:
        assert (artifact.kind, artifact.default_place) == (ArtifactKind.APP, "/Applications")
        assert kinds(artifact, mac, "/Applications/My.app/Contents/MacOS/My", "/Applications/__MACOSX") == [
            FILE,
            ABSENT,
        ]
        elsewhere = World(root=mac.root, at=TargetPath("/Users/me/Mine.app"))
        assert kinds(artifact, elsewhere, "/Users/me/Mine.app/Contents/MacOS/My") == [FILE]


def test_an_npm_package_lies_in_node_modules(tmp_path: Path, mac: World) -> None:
    stated = json.dumps(
        {"name": "@s/p", "version": "1", "os": ["darwin"], "cpu": ["arm64"], "dependencies": {"d": "1"}}
    )
    entries: list[tuple[str, Content]] = [("package/package.json", stated.encode()), ("package/x.node", LIBRARY)]
    with open_artifact(compressed(tmp_path / "x.tgz", entries)) as artifact:
        assert (artifact.kind, artifact.platforms, artifact.requires) == (ArtifactKind.NPM, ("darwin", "arm64"), ("d",))
        assert kinds(artifact, mac, "/usr/local/lib/node_modules/@s/p/x.node") == [FILE]


@pytest.mark.parametrize(
    "stated", [b"[1]", b"{", b'{"name": "../../x"}', b'{"name": ".."}', b'{"name": 3}', b"[" * 100_000]
)
def test_a_package_that_states_nonsense_is_named_after_its_file(tmp_path: Path, stated: bytes) -> None:
    entries: list[tuple[str, Content]] = [("package/package.json", stated), ("package/x.node", LIBRARY)]
    with open_artifact(compressed(tmp_path / "thing-1.0.tgz", entries)) as artifact:
        assert artifact.default_place == "/usr/local/lib/node_modules/thing-1.0"


def test_a_conda_package_lies_in_an_environment_nobody_sees_the_rest_of(tmp_path: Path, mac: World) -> None:
    with open_artifact(conda(tmp_path / "x.conda", [("lib/libx.dylib", LIBRARY)])) as artifact:
        assert (artifact.kind, artifact.name, artifact.platforms) == (ArtifactKind.CONDA, "libx", ("osx-arm64",))
        assert kinds(artifact, mac, "/opt/conda/lib/libx.dylib", "/opt/conda/lib/libz.dylib") == [FILE, UNSEEN]
        assert f"{artifact.path}:lib/libx.dylib" in display_names(artifact).values()


def test_an_old_conda_package_is_known_too(tmp_path: Path) -> None:
    index = json.dumps({"name": "libx", "subdir": "osx-64"}).encode()
    path = compressed(tmp_path / "x.tar.bz2", [("info/index.json", index), ("lib/libx.dylib", LIBRARY)])
    with open_artifact(path) as artifact:
        assert (artifact.kind, artifact.platforms) == (ArtifactKind.CONDA, ("osx-64",))


@pytest.mark.parametrize(
    ("arch", "stated", "prefix"),
    [("arm64", {}, "/opt/homebrew"), ("x86_64", {}, "/usr/local"), ("arm64", {"arch": "x86_64"}, "/usr/local")],
)
def test_a_bottle_lies_in_the_cellar_of_its_processor(
    tmp_path: Path, mac: World, arch: str, stated: dict[str, str], prefix: str
) -> None:
    entries: list[tuple[str, Content]] = [
        ("libx/1.0_1/INSTALL_RECEIPT.json", json.dumps(stated).encode()),
        ("libx/1.0_1/lib/libx.1.dylib", MachO(arch=arch).bytes()),
        ("libx/1.0_1/lib/libx.dylib", Link("libx.1.dylib")),
        ("libx/1.0_1/lib/python", Link("../../../../lib/python")),
    ]
    with open_artifact(compressed(tmp_path / "libx.bottle.tar.gz", entries)) as artifact:
        assert (artifact.kind, artifact.name, artifact.version) == (ArtifactKind.BOTTLE, "libx", "1.0_1")
        keg = f"{prefix}/Cellar/libx/1.0_1"
        assert artifact.default_place == keg
        assert kinds(artifact, mac, f"{keg}/lib/libx.dylib", f"{keg}/lib/absent") == [FILE, ABSENT]
        assert kinds(artifact, mac, f"{prefix}/opt/other/lib/y", f"{keg}/lib/python/x") == [UNSEEN, UNSEEN]


def test_any_other_archive_lies_in_a_folder_of_its_own(tmp_path: Path, mac: World) -> None:
    path = compressed(tmp_path / "tool_1.2_darwin.tar.gz", [("bin/tool", LIBRARY), ("x.framework/X", LIBRARY)])
    with open_artifact(path) as artifact:
        place = "/Users/user/Downloads/tool_1.2_darwin"
        assert kinds(artifact, mac, f"{place}/bin/tool", f"{place}/lib") == [FILE, ABSENT]
        assert (
            kinds(artifact, World(root=mac.root, at=TargetPath("/")), "/bin/tool") == [FILE] if not mac.root else True
        )
        assert kinds(artifact, World(root=mac.root, at=TargetPath("/opt/t")), "/opt/t/bin/tool") == [FILE]


def test_what_could_not_be_unpacked_is_unseen_not_absent(tmp_path: Path, mac: World) -> None:
    path = tar(tmp_path / "x.tar", [("big", LIBRARY + bytes(9000)), ("l", Link("/opt/y")), ("a", LIBRARY)])
    with open_artifact(path, Limits(file_bytes=len(LIBRARY) + 10)) as artifact:
        place = artifact.default_place
        assert kinds(artifact, mac, *(f"{place}/{n}" for n in ("big", "l/z", "a", "b"))) == [
            UNSEEN,
            UNSEEN,
            FILE,
            ABSENT,
        ]


def test_what_a_cut_archive_lacks_is_unseen(tmp_path: Path, mac: World) -> None:
    path = tar(tmp_path / "x.tar", [("a", LIBRARY), ("b", LIBRARY)])
    path.write_bytes(path.read_bytes()[: 512 + len(LIBRARY) + 600])
    with open_artifact(path) as artifact:
        assert kinds(artifact, mac, *(f"{artifact.default_place}/{n}" for n in "abc")) == [FILE, UNSEEN, UNSEEN]


def test_packages_for_two_platforms_in_one_release_get_places_apart(tmp_path: Path, mac: World) -> None:
    wheels = [wheel(tmp_path / name, {"pkg/a.so": LIBRARY}).read_bytes() for name in ("arm64.whl", "intel.whl")]
    path = zipped(
        tmp_path / "all.zip",
        [("arm64.whl", wheels[0]), ("intel.whl", wheels[1]), ("x.zip", zip_bytes([("y", LIBRARY)]))],
    )
    with open_artifact(path) as artifact:
        second = "/Users/user/Downloads/all.unpacked/intel.whl"
        assert kinds(artifact, mac, f"{SITE}/pkg/a.so", f"{second}/pkg/a.so", "/Users/user/Downloads/x/y") == [FILE] * 3
        assert set(display_names(artifact).values()) >= {f"{path}:intel.whl:pkg/a.so", f"{path}:arm64.whl"}


def test_a_placing_tells_maps_and_unseen_prefixes(tmp_path: Path) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("a", LIBRARY)
    (tmp_path / "x.zip").write_bytes(out.getvalue())
    with open_artifact(tmp_path / "x.zip") as artifact:
        found = placing(artifact, TargetPath("/opt/x/"))
        assert (found.maps, found.unseen) == (((TargetPath("/opt/x"), artifact.folder),), ())


def test_archives_of_every_level_lie_on_the_modelled_mac_and_each_at_a_place_of_its_own(tmp_path: Path) -> None:
    inner = zip_bytes([("libx.dylib", LIBRARY)])
    middle = zip_bytes([(f"{n}/in.zip", inner) for n in range(4)])
    (tmp_path / "out.zip").write_bytes(zip_bytes([("a/mid.zip", middle), ("b/mid.zip", middle)]))
    report = resolve([tmp_path / "out.zip"])
    places = [result.path for result in report.results]
    assert len(places) == len(set(places)) == 8
    assert all(place.startswith("/Users/user/Downloads/") for place in places)
