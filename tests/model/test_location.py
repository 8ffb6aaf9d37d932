"""One file has one set of names, whoever asks for one of them."""

from __future__ import annotations

import pytest

from machochain.model.location import Location
from machochain.model.paths import HostPath, TargetPath

TOOL = Location(HostPath("bin/tool"), (), TargetPath("/app/bin/tool"))
WHEEL = Location(HostPath("dist/pkg-1-cp3.whl"))
MEMBER = WHEEL.inside("pkg/core/x.so", TargetPath("/site/pkg/core/x.so"))


def test_a_file_is_called_by_its_path_and_a_member_behind_its_archive() -> None:
    assert TOOL.display == "bin/tool"
    assert MEMBER.display == "dist/pkg-1-cp3.whl:pkg/core/x.so"
    assert Location(HostPath("a.zip")).inside("b.whl").inside("c.so").display == "a.zip:b.whl:c.so"


def test_what_was_fetched_is_called_by_its_address_and_lies_where_it_was_saved() -> None:
    fetched = Location(HostPath("x.whl"), ("m.so",), called="https://example.org/x.whl")

    assert fetched.display == "https://example.org/x.whl:m.so"
    assert fetched.host == "x.whl"


def test_only_members_of_archives_are_packed() -> None:
    assert not TOOL.packed
    assert MEMBER.packed


@pytest.mark.parametrize(
    ("location", "place", "expected"),
    [
        (TOOL, "/app/lib/libfoo.dylib", "lib/libfoo.dylib"),
        (TOOL, "/app/bin/libfoo.dylib", "bin/libfoo.dylib"),
        (TOOL, "/opt/libfoo.dylib", None),
        (TOOL, "@rpath/libfoo.dylib", None),
        (MEMBER, "/site/pkg.dylibs/y.dylib", "pkg.dylibs/y.dylib"),
        (MEMBER, "/elsewhere/y.dylib", None),
        (Location(HostPath("tool")), "/app/lib/libfoo.dylib", None),
        (Location(HostPath("tool"), (), TargetPath("/tool")), "/x", "x"),
        (Location(HostPath("/r/a/tool"), (), TargetPath("/a/tool")), "/lib/x", "/r/lib/x"),
    ],
)
def test_a_neighbour_is_named_as_far_as_the_tree_is_known(location: Location, place: str, expected: str | None) -> None:
    assert location.beside(place) == expected


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("bin/tool", "bin/tool"),
        ("out/My Notes.app/Contents/MacOS/My Notes", "out/My Notes.app"),
        ("./A.app/Contents/PlugIns/B.appex/Contents/MacOS/B", "./A.app"),
        ("dist/A.app.zip", "dist/A.app.zip"),
        ("A.app", "A.app"),
        ("/F/Qt.framework/Versions/A/Qt", "/F/Qt.framework"),
    ],
)
def test_a_file_in_a_bundle_is_mended_with_its_bundle(host: str, expected: str) -> None:
    assert Location(HostPath(host)).whole == expected
