"""What an input is made of: digests of its files, and the packages they say they belong to."""

from __future__ import annotations

import hashlib
import json
import plistlib
from pathlib import Path

import pytest

import machochain
from machochain.model.materials import Materials, PackageKind
from tests.factory.macho import bundle, dylib, executable
from tests.golang.test_buildinfo import image_with, inline
from tests.report.test_guard import is_command
from tests.world.archives.packing import tar, zipped

A, B = bundle(), dylib("@rpath/libb.dylib")
METADATA = (
    "Metadata-Version: 2.4\nName: Foo_Bar\nVersion: 1.2\nLicense-Expression: MIT OR Apache-2.0\n"
    "Author: Somebody\nProject-URL: Homepage, https://example.org/foo\n"
    "Classifier: License :: OSI Approved :: MIT License\n"
    "\nName: not a field\n"
)


def materials(path: Path) -> Materials:
    (found,) = machochain.audit(path, materials=True, target=machochain.Target(macos="26")).materials
    return found


def test_nothing_is_hashed_unless_it_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "tool").write_bytes(executable())
    assert machochain.audit(tmp_path / "tool").materials == ()


def test_a_wheel_tells_its_digest_those_of_its_files_and_its_metadata(tmp_path: Path) -> None:
    path = tmp_path / "foo_bar-1.2-cp313-cp313-macosx_12_0_arm64.whl"
    info = "foo_bar-1.2.dist-info"
    zipped(path, [
        ("foo/a.so", A), ("foo/.dylibs/libb.dylib", B),
        (f"{info}/WHEEL", b"Wheel-Version: 1.0\nTag: cp313-cp313-macosx_12_0_arm64\n"),
        (f"{info}/METADATA", METADATA.encode()), (f"{info}/RECORD", b"foo/a.so,,\n" + b"x/y.py,,\n" * 2000),
    ])  # fmt: skip
    found = materials(path)
    assert found.whole is not None
    assert (found.whole.path, found.whole.sha256) == (path.name, hashlib.sha256(path.read_bytes()).hexdigest())
    assert {f.path: (f.sha256, f.size) for f in found.files} == {
        "foo/a.so": (hashlib.sha256(A).hexdigest(), len(A)),
        "foo/.dylibs/libb.dylib": (hashlib.sha256(B).hexdigest(), len(B)),
    }
    (package,) = found.packages
    assert (package.kind, package.name, package.version) == (PackageKind.PYPI, "Foo_Bar", "1.2")
    assert package.licences == ("MIT OR Apache-2.0", "MIT License")
    assert (package.supplier, package.homepage) == ("Somebody", "https://example.org/foo")
    assert package.source == f"{info}/METADATA"
    assert package.files == ("foo/.dylibs/libb.dylib", "foo/a.so")


def test_of_several_packages_in_a_folder_each_has_what_its_record_lists(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.so").write_bytes(A)
        info = tmp_path / f"{name}-1.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Name: {name}\nVersion: 1\n\n")
        (info / "RECORD").write_text(f"{name}/x.so,sha256=x,1\n")
    (tmp_path / "stray.so").write_bytes(A)
    assert {p.name: p.files for p in materials(tmp_path).packages} == {"one": ("one/x.so",), "two": ("two/x.so",)}


def test_the_innermost_package_owns_a_file(tmp_path: Path) -> None:
    outer = {"name": "outer", "version": "1", "license": "MIT", "author": {"name": "A"}}
    inner = {"name": "@s/inner", "version": "2", "licenses": [{"type": "ISC"}, {"type": "MIT"}]}
    path = tar(tmp_path / "outer.tgz", [
        ("package/package.json", json.dumps(outer).encode()), ("package/build/a.node", A),
        ("package/node_modules/@s/inner/package.json", json.dumps(inner).encode()),
        ("package/node_modules/@s/inner/b.node", A),
    ], "w:gz")  # fmt: skip
    found = {p.name: p for p in materials(path).packages}
    assert found["outer"].files == ("package/build/a.node",)
    assert found["outer"].supplier == "A"
    assert found["@s/inner"].files == ("package/node_modules/@s/inner/b.node",)
    assert found["@s/inner"].licences == ("ISC", "MIT")


def test_a_conda_package_says_what_it_is(tmp_path: Path) -> None:
    stated = {"name": "zlib", "version": "1.3", "subdir": "osx-arm64", "license": "Zlib"}
    entries = [("info/index.json", json.dumps(stated).encode()), ("lib/libb.dylib", B)]
    path = tar(tmp_path / "zlib.tar.bz2", entries, "w:bz2")
    (package,) = materials(path).packages
    assert (package.kind, package.name, package.licences) == (PackageKind.CONDA, "zlib", ("Zlib",))
    assert package.files == ("lib/libb.dylib",)


def test_bundles_tell_version_identifier_and_notice(tmp_path: Path) -> None:
    contents = tmp_path / "X.app" / "Contents"
    resources = contents / "Frameworks" / "F.framework" / "Versions" / "A" / "Resources"
    (contents / "MacOS").mkdir(parents=True)
    resources.mkdir(parents=True)
    said = {"CFBundleName": "X", "CFBundleExecutable": "x", "CFBundleShortVersionString": "3.1"}
    said |= {"CFBundleIdentifier": "org.example.x", "NSHumanReadableCopyright": "© 2026 Somebody"}
    (contents / "Info.plist").write_bytes(plistlib.dumps(said))
    (contents / "MacOS" / "x").write_bytes(executable())
    (resources / "Info.plist").write_bytes(plistlib.dumps({"CFBundleName": "F", "CFBundleVersion": "7"}))
    (resources.parent / "F").write_bytes(B)
    found = {p.name: p for p in materials(tmp_path / "X.app").packages}
    assert (found["X"].version, found["X"].identifier, found["X"].copyright) == (
        "3.1",
        "org.example.x",
        "© 2026 Somebody",
    )
    assert found["X"].files == ("Contents/MacOS/x",)
    assert (found["F"].version, found["F"].files) == ("7", ("Contents/Frameworks/F.framework/Versions/A/F",))


def test_a_go_program_tells_the_modules_that_went_in(tmp_path: Path) -> None:
    (tmp_path / "hello").write_bytes(image_with(inline()))
    ((path, info),) = materials(tmp_path / "hello").go
    assert path == "hello"
    assert info.main is not None
    assert (info.main.path, [m.path for m in info.dependencies]) == (
        "example.org/hello", ["golang.org/x/sys", "example.org/old"],
    )  # fmt: skip


@pytest.mark.parametrize(
    "metadata",
    [b"", b"\xff\xfe\0", b"Name: " + b"x" * 300 + b"\n", b"License: MIT\n\n", b"Name:\n folded\n over\n\n"],
)
def test_metadata_that_says_nothing_makes_no_package(metadata: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.so").write_bytes(A)
    for name, file in (("x-1.dist-info", "METADATA"), ("info", "index.json")):
        (tmp_path / name).mkdir()
        (tmp_path / name / file).write_bytes(metadata)
    (tmp_path / "package.json").write_bytes(b"[" * 100_000)
    found = materials(tmp_path)
    assert found.packages == ()
    assert len(found.files) == 1


def test_what_lies_above_the_input_is_not_its_own(tmp_path: Path) -> None:
    (tmp_path / "package.json").write_text('{"name": "above"}')
    inner = tmp_path / "inner"
    inner.mkdir()
    (inner / "a.so").write_bytes(A)
    assert materials(inner).packages == ()
    assert materials(inner / "a.so").packages == ()


def test_metadata_that_means_harm_stays_data_in_every_bill(tmp_path: Path) -> None:
    evil = "</a><script>\x1b[31m\u202e::error::##[x]\r %0A'\\\"&"
    (tmp_path / "a.node").write_bytes(A)
    stated = {"name": evil, "version": evil, "license": evil, "author": {"name": evil}, "homepage": f"https://{evil}"}
    (tmp_path / "package.json").write_text(json.dumps(stated))
    report = machochain.audit(tmp_path, materials=True, target=machochain.Target(macos="26"))
    assert [package.name for package in report.materials[0].packages] == [evil.strip()]
    for form in ("cyclonedx", "spdx", "statement"):
        text = machochain.render(report, form)
        assert "\x1b" not in text
        assert not {"\x1b", "\u202e"} & set(json.dumps(json.loads(text), ensure_ascii=False))
        assert not any(is_command(line) for line in text.splitlines())
