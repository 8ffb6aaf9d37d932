"""What an archive is to those who install it, by its content, and where it comes to lie."""

from __future__ import annotations

import gzip
import json
import struct
from pathlib import Path

import pytest

from machochain.model.artifact import ArtifactKind
from machochain.model.filesystem import Presence
from machochain.model.paths import TargetPath
from machochain.world.archives.opening import is_artifact, open_artifact
from machochain.world.archives.places import place_artifact
from machochain.world.placement import World, open_world
from tests.world.archives.packing import LIBRARY, TEXT, Content, compressed, tar, tar_bytes, zipped

PYTHON = "/Library/Frameworks/Python.framework/Versions/3.12/lib/python3.12/site-packages"
ZIPS: dict[str, tuple[ArtifactKind, list[tuple[str, Content]], str]] = {
    "app.ipa": (
        ArtifactKind.IPA,
        [("Payload/Foo.app/Info.plist", b"<plist/>"), ("Payload/Foo.app/Foo", LIBRARY), ("iTunesMetadata.plist", b"x")],
        "/Applications/Foo.app/Foo",
    ),
    "Foo.xcarchive.zip": (
        ArtifactKind.XCARCHIVE,
        [
            ("Foo.xcarchive/Info.plist", b"<plist/>"), ("Foo.xcarchive/dSYMs/Foo.app.dSYM/x", TEXT),
            ("Foo.xcarchive/Products/Applications/Foo.app/Contents/MacOS/Foo", LIBRARY),
        ],
        "/Applications/Foo.app/Contents/MacOS/Foo",
    ),
    "native-1.0.jar": (
        ArtifactKind.JAR,
        [("META-INF/MANIFEST.MF", b"x"), ("darwin/libx.dylib", LIBRARY), ("a/B.class", b"\xca\xfe\xba\xbe\0\0\0\x3d")],
        "/private/tmp/native-1.0/darwin/libx.dylib",
    ),
    "Some.Native.1.0.nupkg": (
        ArtifactKind.NUPKG,
        [("_rels/.rels", b"x"), ("Some.Native.nuspec", b"x"), ("runtimes/osx-arm64/native/libx.dylib", LIBRARY)],
        "/Users/user/.nuget/packages/some.native.1.0/runtimes/osx-arm64/native/libx.dylib",
    ),
    "x.vsix": (
        ArtifactKind.VSIX,
        [
            ("extension.vsixmanifest", b"x"), ("extension/bin/tool", LIBRARY),
            ("extension/package.json", json.dumps({"name": "tool", "publisher": "me", "version": "1.2.3"}).encode()),
        ],
        "/Users/user/.vscode/extensions/me.tool-1.2.3/bin/tool",
    ),
    "x-1.0-py3.12-macosx-11.0-arm64.egg": (
        ArtifactKind.EGG,
        [("EGG-INFO/PKG-INFO", b"x"), ("x/y.so", LIBRARY)],
        f"{PYTHON}/x-1.0-py3.12-macosx-11.0-arm64.egg/x/y.so",
    ),
    "Foo-1.2-mac.zip": (
        ArtifactKind.APP,
        [("Foo.app/Contents/MacOS/Foo", LIBRARY), ("README", TEXT), ("__MACOSX/Foo.app/._Contents", b"x")],
        "/Applications/Foo.app/Contents/MacOS/Foo",
    ),
    "with more.zip": (
        ArtifactKind.ARCHIVE,
        [("Foo.app/Contents/MacOS/Foo", LIBRARY), ("lib/libx.dylib", LIBRARY)],
        "/Users/user/Downloads/with more/Foo.app/Contents/MacOS/Foo",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ZIPS)
def test_a_zip_is_known_by_what_is_in_it(tmp_path: Path, name: str) -> None:
    kind, entries, place = ZIPS[name]
    with open_artifact(zipped(tmp_path / name, entries)) as artifact:
        assert (artifact.kind, artifact.problems, artifact.unopened) == (kind, (), ())
        view = open_world(place_artifact(World(), artifact))
        assert view.look(TargetPath(place)).presence is Presence.PRESENT
        assert view.look(TargetPath(place)).size == len(LIBRARY)


def test_what_lies_beside_an_application_stays_behind(tmp_path: Path) -> None:
    with open_artifact(zipped(tmp_path / "x.zip", ZIPS["Foo-1.2-mac.zip"][1])) as artifact:
        view = open_world(place_artifact(World(), artifact))
        assert view.look(TargetPath("/Users/user/Downloads/x/README")).presence is Presence.PRESENT
        assert view.look(TargetPath("/Applications/README")).presence is Presence.ABSENT


def test_a_gem_puts_its_data_into_a_folder_of_its_name(tmp_path: Path) -> None:
    data = gzip.compress(tar_bytes([("lib/x/x.bundle", LIBRARY)]), mtime=0)
    entries: list[tuple[str, Content]] = [("metadata.gz", gzip.compress(b"--- x")), ("data.tar.gz", data)]
    with open_artifact(tar(tmp_path / "x-1.2-arm64-darwin.gem", entries)) as artifact:
        assert artifact.kind is ArtifactKind.GEM
        view = open_world(place_artifact(World(), artifact))
        place = "/usr/local/lib/ruby/gems/x-1.2-arm64-darwin/lib/x/x.bundle"
        assert view.look(TargetPath(place)).presence is Presence.PRESENT


def test_a_crate_is_known(tmp_path: Path) -> None:
    entries: list[tuple[str, Content]] = [("x-1.0/Cargo.toml.orig", b"x"), ("x-1.0/lib/libx.dylib", LIBRARY)]
    with open_artifact(compressed(tmp_path / "x-1.0.tgz", entries)) as artifact:
        assert artifact.kind is ArtifactKind.CRATE
        view = open_world(place_artifact(World(), artifact))
        place = "/Users/user/.cargo/registry/src/index.crates.io/x-1.0/lib/libx.dylib"
        assert view.look(TargetPath(place)).presence is Presence.PRESENT


def asar(header: dict[str, object], data: bytes) -> bytes:
    text = json.dumps(header).encode()
    payload = 4 + len(text) + -len(text) % 4
    return struct.pack("<4I", 4, payload + 4, payload, len(text)) + text.ljust(payload - 4, b"\0") + data


def test_native_modules_in_the_archive_of_an_electron_app_are_looked_at(tmp_path: Path) -> None:
    files: dict[str, object] = {
        "main.js": {"size": 5, "offset": "0"},
        "node_modules": {"files": {
            "x.node": {"size": len(LIBRARY), "offset": "5", "executable": True},
            "y.node": {"size": 9, "unpacked": True}, "l": {"link": "main.js"},
        }},
    }  # fmt: skip
    path = tmp_path / "app.asar"
    path.write_bytes(asar({"files": files}, b"12345" + LIBRARY))
    assert is_artifact(path) == "asar"
    with open_artifact(path) as artifact:
        assert [(each.name, each.macho) for each in artifact.entries] == [
            ("node_modules/x.node", True), ("node_modules/y.node", False),
        ]  # fmt: skip
    outer = zipped(tmp_path / "Foo.zip", [("Foo.app/Contents/Resources/app.asar", path.read_bytes())])
    with open_artifact(outer) as artifact:
        assert [inner.location.path for inner in artifact.nested] == ["Foo.app/Contents/Resources/app.asar"]


@pytest.mark.parametrize(
    "files",
    [
        {"a/b": {"size": 1, "offset": "0"}}, {"..": {"size": len(LIBRARY), "offset": "0"}}, {"a": 3},
        {"a": {"size": -5, "offset": "-1"}}, {"a": {"size": "x", "offset": "9" * 40}}, {"a": {"files": 7}},
        {"a": {"size": 1 << 60, "offset": "0"}},
    ],
)  # fmt: skip
def test_headers_that_make_no_sense_end_nothing(tmp_path: Path, files: dict[str, object]) -> None:
    path = tmp_path / "app.asar"
    path.write_bytes(asar({"files": {**files, "x": {"size": len(LIBRARY), "offset": "0"}}}, LIBRARY))
    with open_artifact(path) as artifact:
        assert "x" in {each.name for each in artifact.entries if each.macho}
