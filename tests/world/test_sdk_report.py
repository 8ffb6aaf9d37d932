"""What ``machochain sdk`` has to say, as documents."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from machochain.model.errors import InputError
from machochain.model.filesystem import Presence
from machochain.model.paths import HostPath
from machochain.model.version import Version
from machochain.world.system.build_catalogue import build, main
from machochain.world.system.catalogue import EMBEDDED, EmbeddedCatalogue
from machochain.world.system.sdk import Sdk
from machochain.world.system.sdk_report import catalogue_summary, diff, index_sdk, quality, show, symbols
from tests.world.sdk_tree import sdk, stub, write

SYSTEM = "/usr/lib/libSystem.B.dylib"


@pytest.fixture(scope="module")
def embedded() -> EmbeddedCatalogue:
    return EmbeddedCatalogue()


def opened(root: Path) -> Sdk:
    return Sdk(HostPath(str(root)), cache=False)


def test_an_index_holds_the_facts_of_an_sdk(tmp_path: Path, embedded: EmbeddedCatalogue) -> None:
    root = sdk(tmp_path / "S.sdk")
    write(root, "usr/lib/libq.tbd", stub("/usr/lib/libq.dylib", "_q", "$ld$hide$os10.4$_q"))
    document = index_sdk(opened(root), embedded, origin="a test")
    assert document == json.loads(json.dumps(document))
    assert (document["sdk"], document["complete"]) == ("14.2", [])  # a few libraries prove no absence
    library = next(x for x in document["libraries"] if x["install_name"] == "/usr/lib/libq.dylib")
    assert (library["symbols"], library["directives"]) == (["_q"], ["$ld$hide$os10.4$_q"])
    assert document["aliases"]["/usr/lib/libz.dylib"] == "/usr/lib/libz.1.dylib"


def test_an_index_can_be_built_upon_a_catalogue(tmp_path: Path, embedded: EmbeddedCatalogue) -> None:
    base, larger = tmp_path / "base.bin", tmp_path / "larger.bin"
    for version, arguments in (("13.0", ["-o", str(base)]), ("26.1", ["--base", str(base), "-o", str(larger)])):
        file = tmp_path / f"{version}.json"
        root = sdk(tmp_path / f"{version}.sdk", version)
        write(root, "usr/lib/libown.tbd", stub(f"/usr/lib/lib{version}.dylib"))
        file.write_text(json.dumps(index_sdk(opened(root), embedded, origin=f"index {version}")))
        assert main([str(file), *arguments]) == 0
    both = EmbeddedCatalogue(larger)
    assert [(s.id, s.origin) for s in both.sources] == [("13.0", ("index 13.0",)), ("26.1", ("index 26.1",))]
    assert both.find("/usr/lib/lib13.0.dylib", Version.of(13)).presence is Presence.PRESENT
    assert both.find("/usr/lib/lib26.1.dylib", Version.of(13)).presence is Presence.UNSEEN
    assert both.lookup(SYSTEM, "_inner", Version.of(26, 1)).library == "/usr/lib/system/libinner.dylib"


@pytest.mark.slow
def test_the_embedded_catalogue_is_built_again_from_its_own_facts(embedded: EmbeddedCatalogue) -> None:
    assert build(embedded.documents()) == Path(EMBEDDED).read_bytes()


def test_an_sdk_without_version_cannot_be_indexed(tmp_path: Path, embedded: EmbeddedCatalogue) -> None:
    root = sdk(tmp_path / "sysroot")
    (root / "SDKSettings.json").unlink()
    with pytest.raises(InputError, match="which macOS"):
        index_sdk(opened(root), embedded)


def test_a_stub_that_breaks_meanwhile_is_listed_as_unreadable(tmp_path: Path, embedded: EmbeddedCatalogue) -> None:
    root = sdk(tmp_path / "S.sdk")
    found = opened(root)
    (root / "usr/lib/libz.1.tbd").unlink()
    document = index_sdk(found, embedded)
    assert [file for file, _ in document["unreadable"]] == ["usr/lib/libz.1.tbd"]


def test_show_tells_presence_per_release_and_the_stub(tmp_path: Path, embedded: EmbeddedCatalogue) -> None:
    document = show("/usr/lib/libSystem.dylib", [Version.of(14, 2)], [opened(sdk(tmp_path / "S.sdk"))], embedded)
    assert document == json.loads(json.dumps(document))
    assert document["canonical"] == SYSTEM
    assert document["releases"] == [{"macos": "14.2", "presence": "present", "why": "in the SDK 14.2"}]
    assert document["stubs"][0]["file"] == "usr/lib/libSystem.B.tbd"
    assert document["stubs"][0]["reexports"][0]["names"] == ["/usr/lib/system/libinner.dylib"]
    assert "27.0" in document["catalogue"]["sdks"]


def test_show_works_from_the_catalogue_alone_and_for_the_unknown(embedded: EmbeddedCatalogue) -> None:
    known = show("/usr/lib/libz.dylib", [Version.of(15)], [], embedded)
    assert (known["canonical"], known["stubs"]) == ("/usr/lib/libz.1.dylib", [])
    unknown = show("/usr/lib/libnone.dylib", [Version.of(15)], [], embedded)
    assert (unknown["canonical"], unknown["catalogue"]) == (None, None)
    assert unknown["releases"][0]["presence"] == "unseen"


def test_symbols_come_from_the_sdk_that_has_the_library(tmp_path: Path, embedded: EmbeddedCatalogue) -> None:
    document = symbols("/usr/lib/libz.dylib", [opened(sdk(tmp_path / "S.sdk"))], embedded)
    assert document["source"] == "SDK 14.2"
    assert document["symbols"] == [
        {"name": "_inflate", "kind": "global", "reexported": False, "archs": ["x86_64", "arm64"]}
    ]
    one = symbols("/usr/lib/libz.dylib", [opened(tmp_path / "S.sdk")], embedded, arch="arm64")
    assert one["symbols"][0]["archs"] == ["arm64"]


def test_symbols_come_from_the_catalogue_otherwise(tmp_path: Path, embedded: EmbeddedCatalogue) -> None:
    document = symbols("/usr/lib/libc++abi.dylib", [opened(sdk(tmp_path / "S.sdk"))], embedded)
    assert document["source"] == "catalogue"
    assert "___cxa_throw" in [item["name"] for item in document["symbols"]]
    assert symbols("/usr/lib/libnone.dylib", [], embedded)["symbols"] == []


def test_the_summary_names_each_sdk_and_where_it_is_complete(embedded: EmbeddedCatalogue) -> None:
    document = catalogue_summary(embedded)
    assert document == json.loads(json.dumps(document))
    by_id = {item["sdk"]: item for item in document["sdks"]}
    assert by_id["11.3"]["libraries"] > 1000
    assert "/usr/lib/" in by_id["12.0"]["complete_below"]
    assert by_id["27.0"]["complete_below"] == []


def test_quality_is_a_plain_document(tmp_path: Path, embedded: EmbeddedCatalogue) -> None:
    document = quality(opened(sdk(tmp_path / "S.sdk", links="text")).quality(embedded))
    assert document == json.loads(json.dumps(document))
    assert document["notes"] == ["4 symbolic links are text files (still followed)"]


def test_a_diff_names_libraries_versions_and_symbols(tmp_path: Path) -> None:
    old, new = sdk(tmp_path / "A.sdk", "13.0"), sdk(tmp_path / "B.sdk", "14.0")
    (new / "usr/lib/libz.1.tbd").unlink()
    write(new, "usr/lib/libnew.tbd", stub("/usr/lib/libnew.dylib"))
    text = stub(SYSTEM, "_puts", targets=("arm64-macos",)) + "current-version: 2.1\n"
    write(new, "usr/lib/libSystem.B.tbd", text)
    document = diff(opened(old), opened(new))
    assert document == json.loads(json.dumps(document))
    assert document["added"] == ["/usr/lib/libnew.dylib"]
    assert document["removed"] == ["/usr/lib/libz.1.dylib", "/usr/lib/system/libinner.dylib"]
    assert document["changed"] == [
        {
            "install_name": SYSTEM,
            "versions": [["1.0.0", "1.0.0"], ["2.1.0", "1.0.0"]],
            "targets": {"added": [], "removed": ["x86_64-macos"]},
            "reexports": {"added": [], "removed": ["/usr/lib/system/libinner.dylib"]},
            "symbols": {"added": ["_puts"], "removed": ["_printf"]},
        }
    ]
    assert diff(opened(old), opened(old))["changed"] == []
