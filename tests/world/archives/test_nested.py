"""Archives in archives and in folders: opened, placed, and named where they were not."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import pytest

from machochain.model.artifact import ArtifactKind, Limits, UnopenedReason
from machochain.model.errors import InputError
from machochain.world.archives.opening import archives_in, open_artifact
from tests.world.archives.looking import content, entry
from tests.world.archives.packing import LIBRARY, TEXT, Content, Link, tar, tar_bytes, wheel, zip_bytes, zipped


def test_archives_are_opened_three_levels_deep_whatever_the_outer_one_is(tmp_path: Path) -> None:
    inner = wheel(
        tmp_path / "pkg.whl", {"pkg/a.so": LIBRARY, "pkg/inner.jar": zip_bytes([("b.so", LIBRARY)])}
    ).read_bytes()
    deepest = zip_bytes([("too deep.zip", zip_bytes([("never", LIBRARY)])), ("c.so", LIBRARY)])
    deep = zip_bytes([("deeper.zip", deepest), ("text.zip", zip_bytes([("x.txt", TEXT)]))])
    path = tmp_path / "release.tar"
    entries: list[tuple[str, Content]] = [
        ("dist/pkg.whl", inner), ("deep.zip", deep), ("useless.zip", zip_bytes([("x.txt", TEXT)])),
        ("man.1.gz", gzip.compress(TEXT)),
    ]  # fmt: skip
    with open_artifact(tar(path, entries)) as artifact:
        assert [(inside.path, inside.kind) for inside in artifact.all()][1:] == [
            (f"{path}:dist/pkg.whl", ArtifactKind.WHEEL),
            (f"{path}:dist/pkg.whl:pkg/inner.jar", ArtifactKind.ARCHIVE),
            (f"{path}:deep.zip", ArtifactKind.ARCHIVE),
            (f"{path}:deep.zip:deeper.zip", ArtifactKind.ARCHIVE),
        ]
        assert content(artifact.nested[1].nested[0], "c.so") == LIBRARY
        (unopened,) = artifact.unopened
        assert unopened.location.members == ("deep.zip", "deeper.zip", "too deep.zip")
        assert unopened.reason is UnopenedReason.TOO_DEEP
        assert artifact.problems == ()


def test_how_deep_is_a_limit(tmp_path: Path) -> None:
    path = zipped(tmp_path / "x.zip", [("a.zip", zip_bytes([("x", LIBRARY)])), ("man.1.gz", gzip.compress(TEXT))])
    with open_artifact(path, Limits(levels=1)) as artifact:
        assert artifact.nested == ()
        assert [(each.location.path, each.reason) for each in artifact.unopened] == [("a.zip", UnopenedReason.TOO_DEEP)]
        assert "not looked into" in str(entry(artifact, "a.zip").note)


def test_what_cannot_be_opened_is_told_with_its_reason(tmp_path: Path) -> None:
    secret = bytearray(zip_bytes([("secret", LIBRARY)]))
    secret[secret.rindex(b"PK\x01\x02") + 8] |= 1
    cut = tar_bytes([("x", TEXT)])[:700]
    entries: list[tuple[str, Content]] = [
        ("secret.zip", bytes(secret)), ("bad.zip", b"PK\x03\x04 bad"), ("cut.tar", cut), ("libx", LIBRARY),
    ]  # fmt: skip
    with open_artifact(tar(tmp_path / "x.tar", entries)) as artifact:
        assert {each.location.path: each.reason for each in artifact.unopened} == {
            "secret.zip": UnopenedReason.ENCRYPTED,
            "bad.zip": UnopenedReason.DAMAGED,
            "cut.tar": UnopenedReason.DAMAGED,
        }
        assert artifact.problems == ()
        assert content(artifact, "libx") == LIBRARY


FOREIGN = {
    "x.7z": b"7z\xbc\xaf\x27\x1c", "x.rar": b"Rar!\x1a\x07\x01\0", "x.lz4": b"\x04\x22\x4d\x18", "x.aar": b"AA01",
}  # fmt: skip


def test_archives_of_a_form_that_is_not_read_are_told(tmp_path: Path) -> None:
    entries: list[tuple[str, Content]] = [(name, magic + bytes(600)) for name, magic in FOREIGN.items()]
    with open_artifact(tar(tmp_path / "x.tar", [*entries, ("libx", LIBRARY)])) as artifact:
        assert {each.location.path: each.reason for each in artifact.unopened} == dict.fromkeys(
            FOREIGN, UnopenedReason.NOT_READ
        )
    for name, magic in FOREIGN.items():
        (tmp_path / name).write_bytes(magic + bytes(600))
        with pytest.raises(InputError, match="which is not read: unpack it"), open_artifact(tmp_path / name):
            pass
    assert len(list(archives_in(tmp_path))) == len(FOREIGN) + 1


def test_a_zip_behind_the_line_that_starts_it_is_opened(tmp_path: Path) -> None:
    data = b"#!/usr/bin/env python3\n" + zip_bytes([("lib/x.so", LIBRARY), ("__main__.py", TEXT)])
    (tmp_path / "tool").write_bytes(data)
    (tmp_path / "script").write_bytes(b"#!/bin/sh\n" + TEXT)
    assert list(map(str, archives_in(tmp_path))) == [str(tmp_path / "tool")]
    with open_artifact(tmp_path / "tool") as artifact:
        assert content(artifact, "lib/x.so") == LIBRARY
    with open_artifact(zipped(tmp_path / "x.zip", [("tool.pyz", data), ("text.pyz", TEXT)])) as artifact:
        assert [inner.location.path for inner in artifact.nested] == ["tool.pyz"]
        assert artifact.unopened == ()


def test_what_an_inner_archive_took_is_given_back(tmp_path: Path) -> None:
    noise = os.urandom(1 << 20)
    path = zipped(tmp_path / "x.zip", [("a.zip", zip_bytes([("libx", LIBRARY), ("noise", noise)]))])
    with open_artifact(path) as artifact:
        outer = entry(artifact, "a.zip")
        host = Path(outer.host or "")
        assert (host.stat().st_size, outer.whole) == (outer.size, False)
        assert host.stat().st_blocks * 512 < 64 << 10


def test_a_link_where_a_package_says_what_it_is_loses_nothing(tmp_path: Path) -> None:
    entries: list[tuple[str, Content]] = [
        ("package/package.json", Link("nowhere")), ("package/x.node", LIBRARY), ("info/index.json", Link("index.json")),
    ]  # fmt: skip
    with open_artifact(tar(tmp_path / "x.tar", entries)) as artifact:
        assert content(artifact, "package/x.node") == LIBRARY


def test_the_archives_in_a_folder_are_found_by_their_content(tmp_path: Path) -> None:
    folder = tmp_path / "dist"
    (folder / "sub").mkdir(parents=True)
    zipped(folder / "sub" / "release", [("x", LIBRARY)])
    tar(folder / "a.tar", [("x", LIBRARY)])
    (folder / "tool").write_bytes(LIBRARY)
    (folder / "text.zip").write_bytes(TEXT)
    (folder / "link.tar").symlink_to("a.tar")
    assert sorted(map(str, archives_in(folder))) == [str(folder / "a.tar"), str(folder / "sub" / "release")]
    assert [type(found) for found in archives_in(tmp_path / "absent")] in ([InputError], [])


def test_a_limit_of_an_inner_archive_is_an_error_of_the_outer(tmp_path: Path) -> None:
    bomb = zip_bytes([("libbomb", LIBRARY + bytes(12 << 20))])
    path = zipped(tmp_path / "x.zip", [("bomb.zip", bomb), ("libx", LIBRARY)])
    with open_artifact(path, Limits(total_bytes=5 << 20)) as artifact:
        assert [each.reason for each in artifact.unopened] == [UnopenedReason.OVER_LIMIT]
        assert [problem.reason for problem in artifact.problems] == [artifact.unopened[0].text]
        assert content(artifact, "libx") == LIBRARY
    with pytest.raises(InputError, match="limit total_bytes"), open_artifact(path, Limits(total_bytes=1000)):
        pass
