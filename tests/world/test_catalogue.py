"""The embedded catalogue: three answers, honest bounds."""

from __future__ import annotations

import json
import zlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from machochain.model.errors import InputError
from machochain.model.filesystem import Presence
from machochain.model.version import Version
from machochain.world.system.build_catalogue import build, main
from machochain.world.system.catalogue import EmbeddedCatalogue
from machochain.world.system.catalogue_file import MAGIC
from machochain.world.system.names import normalise

FRAMEWORKS = "/System/Library/Frameworks/"
PRESENT, ABSENT, UNSEEN = Presence.PRESENT, Presence.ABSENT, Presence.UNSEEN


def sdk(
    version: str, libraries: dict[str, list[str] | None], *, complete: tuple[str, ...] = ("/usr/lib/",), **more: Any
) -> dict[str, Any]:
    items = [{"install_name": n, "current": "1", "compat": "1", "symbols": s} for n, s in libraries.items()]
    return {
        "schema": "machochain.sdk-facts/1",
        "sdk": version,
        "low": version,
        "high": version,
        "complete": list(complete),
        "libraries": items,
        **more,
    }


def catalogue(tmp_path: Path, *documents: dict[str, Any]) -> EmbeddedCatalogue:
    file = tmp_path / "catalogue.bin"
    file.write_bytes(build(documents))
    return EmbeddedCatalogue(file)


def presence(facts: EmbeddedCatalogue, path: str, macos: str) -> Presence:
    return facts.find(path, Version.parse(macos)).presence


@pytest.fixture(scope="module")
def embedded() -> EmbeddedCatalogue:
    return EmbeddedCatalogue()


def os_facts(**facts: Any) -> dict[str, Any]:
    return {"schema": "machochain.os-facts/1", **facts}


def test_an_sdk_vouches_for_its_own_release_and_the_minors_after_it(tmp_path: Path) -> None:
    facts = catalogue(tmp_path, sdk("12.0", {"/usr/lib/a.dylib": None}))
    answers = [presence(facts, "/usr/lib/a.dylib", v) for v in ("11.0", "12.0", "12.7", "13.0", "26.0")]
    assert answers == [UNSEEN, PRESENT, PRESENT, UNSEEN, UNSEEN]
    assert "SDK 12.0" in facts.find("/usr/lib/a.dylib", Version.of(26)).why


def test_what_two_witnesses_frame_is_there(tmp_path: Path) -> None:
    seen = os_facts(seen=[["/usr/lib/a.dylib", "26.0", "a report"]])
    facts = catalogue(tmp_path, sdk("12.0", {"/usr/lib/a.dylib": None}), seen)
    answers = [presence(facts, "/usr/lib/a.dylib", v) for v in ("12.0", "15.0", "26.1", "27.0")]
    assert answers == [PRESENT, PRESENT, PRESENT, UNSEEN]


def test_documented_api_stays_until_an_sdk_lacks_it(tmp_path: Path) -> None:
    name = f"{FRAMEWORKS}X.framework/Versions/A/X"
    declared = os_facts(declared_symbols=[[name, "_x", "", "", "12.0", ""]])
    having, lacking = sdk("12.0", {name: ["_x"]}), sdk("14.0", {}, complete=(FRAMEWORKS,))
    assert presence(catalogue(tmp_path, having, declared), name, "26.0") is PRESENT
    answers = [presence(catalogue(tmp_path, having, lacking, declared), name, v) for v in ("12.5", "13.0", "15.0")]
    assert answers == [PRESENT, UNSEEN, UNSEEN]


def test_what_a_mac_did_not_find_is_gone_or_not_yet_there(tmp_path: Path) -> None:
    missing = os_facts(missing=[["/usr/lib/a.dylib", "15.0", "a report"], ["/usr/lib/b.dylib", "13.7", "a report"]])
    facts = catalogue(
        tmp_path, sdk("12.0", {"/usr/lib/a.dylib": None}), sdk("14.0", {"/usr/lib/b.dylib": None}), missing
    )
    assert [presence(facts, "/usr/lib/a.dylib", v) for v in ("12.0", "13.0", "15.0", "26.0")] == [
        PRESENT, UNSEEN, ABSENT, ABSENT
    ]  # fmt: skip
    assert [presence(facts, "/usr/lib/b.dylib", v) for v in ("13.0", "13.7", "13.8", "14.0")] == [
        ABSENT, ABSENT, UNSEEN, PRESENT
    ]  # fmt: skip


def test_what_the_last_sdk_of_a_major_lacks_came_to_none_of_its_minors(tmp_path: Path) -> None:
    facts = catalogue(tmp_path, sdk("11.3", {}, last=True), sdk("12.0", {"/usr/lib/a.dylib": None}))
    assert [presence(facts, "/usr/lib/a.dylib", v) for v in ("11.3", "11.7.10", "12.0")] == [ABSENT, ABSENT, PRESENT]


def test_a_stamp_that_lies_loses_to_an_sdk(tmp_path: Path) -> None:
    seen = os_facts(observed=[["/usr/lib/a.dylib", "11.0", "14.0"]])
    facts = catalogue(tmp_path, sdk("12.0", {}), sdk("13.0", {"/usr/lib/a.dylib": None}), seen)
    assert [presence(facts, "/usr/lib/a.dylib", v) for v in ("11.5", "13.0", "14.0")] == [ABSENT, PRESENT, PRESENT]


def test_facts_of_a_link_are_filed_with_its_library(tmp_path: Path) -> None:
    name = f"{FRAMEWORKS}X.framework/Versions/A/X"
    names_only = sdk("26.5", {f"{FRAMEWORKS}X.framework/X": None})
    names_only["libraries"] = [{"install_name": f"{FRAMEWORKS}X.framework/X", "symbols": None}]
    old = os_facts(legacy=[[f"{FRAMEWORKS}X.framework/X", "10.9", "linkers record it"]])
    facts = catalogue(tmp_path, sdk("12.0", {name: ["_x"]}), names_only, old)
    assert facts.libraries() == (name,)
    assert facts.find(f"{FRAMEWORKS}X.framework/X", Version.of(15)).path == name


def test_absent_only_up_to_the_last_complete_sdk_without_it(tmp_path: Path) -> None:
    facts = catalogue(tmp_path, sdk("11.3", {}), sdk("13.0", {"/usr/lib/a.dylib": None}))
    answers = [presence(facts, "/usr/lib/a.dylib", v) for v in ("11.0", "11.3", "11.4", "12.9", "13.0")]
    assert answers == [ABSENT, ABSENT, UNSEEN, UNSEEN, PRESENT]
    assert "11.3" in facts.find("/usr/lib/a.dylib", Version.of(11)).why
    assert "13.0" in facts.find("/usr/lib/a.dylib", Version.of(11)).why


def test_an_incomplete_sdk_proves_no_absence(tmp_path: Path) -> None:
    facts = catalogue(tmp_path, sdk("11.3", {}, complete=()), sdk("13.0", {"/usr/lib/a.dylib": None}))
    assert presence(facts, "/usr/lib/a.dylib", "11.0") is UNSEEN


def test_a_deleted_folder_proves_no_absence(tmp_path: Path) -> None:
    name = "/usr/lib/swift/a.dylib"
    facts = catalogue(tmp_path, sdk("11.3", {}, missing=["/usr/lib/swift/"]), sdk("13.0", {name: None}))
    assert presence(facts, name, "11.0") is UNSEEN


def test_removed_from_the_sdk_is_not_removed_from_the_os(tmp_path: Path) -> None:
    facts = catalogue(tmp_path, sdk("11.3", {"/usr/lib/a.dylib": None}), sdk("12.0", {}))
    assert presence(facts, "/usr/lib/a.dylib", "11.6") is PRESENT
    assert presence(facts, "/usr/lib/a.dylib", "13.0") is UNSEEN


def test_a_binary_of_a_newer_sdk_shows_that_it_stayed(tmp_path: Path) -> None:
    seen = os_facts(observed=[["/usr/lib/a.dylib", "13.0", "14.0"]])
    facts = catalogue(tmp_path, sdk("11.3", {"/usr/lib/a.dylib": None}), sdk("12.0", {}), seen)
    assert presence(facts, "/usr/lib/a.dylib", "12.1") is PRESENT
    assert presence(facts, "/usr/lib/a.dylib", "14.7") is PRESENT
    assert presence(facts, "/usr/lib/a.dylib", "15.0") is UNSEEN


def test_a_library_only_binaries_know_is_unseen_before_their_sdk(tmp_path: Path) -> None:
    seen = os_facts(observed=[["/System/Library/Frameworks/O.framework/O", "14.0", "15.0"]])
    facts = catalogue(tmp_path, sdk("12.0", {}), seen)
    path = "/System/Library/Frameworks/O.framework/O"
    assert [presence(facts, path, v) for v in ("13.0", "14.5", "15.5")] == [UNSEEN, PRESENT, PRESENT]
    assert "SDK 14.0" in facts.find(path, Version.of(13)).why


def test_an_old_name_loads_since_linkers_recorded_it(tmp_path: Path) -> None:
    facts = catalogue(
        tmp_path, sdk("10.9", {}), os_facts(legacy=[["/usr/lib/old.dylib", "10.14", "linkers record it"]])
    )
    assert [presence(facts, "/usr/lib/old.dylib", v) for v in ("10.13", "10.14", "15.0")] == [UNSEEN, PRESENT, PRESENT]


def test_a_link_between_sdks_is_unseen_until_one_has_it(tmp_path: Path) -> None:
    library: dict[str, list[str] | None] = {"/usr/lib/libz.1.dylib": None}
    link = {"/usr/lib/libz.dylib": "/usr/lib/libz.1.dylib"}
    facts = catalogue(tmp_path, sdk("11.3", library, links=True), sdk("13.0", library, links=True, aliases=link))
    assert [presence(facts, "/usr/lib/libz.dylib", v) for v in ("11.3", "12.0", "13.0")] == [ABSENT, UNSEEN, PRESENT]


def test_a_dated_removal_is_absence(tmp_path: Path) -> None:
    gone = os_facts(removed=[["/usr/lib/a.dylib", "12.3", "release notes"]])
    facts = catalogue(tmp_path, sdk("12.0", {"/usr/lib/a.dylib": None}), gone)
    assert [presence(facts, "/usr/lib/a.dylib", v) for v in ("12.2", "12.3")] == [PRESENT, ABSENT]


def test_sources_that_differ_on_the_date_leave_it_open(tmp_path: Path) -> None:
    dates = os_facts(introduced=[["/usr/lib/a.dylib", "12.0", "one"], ["/usr/lib/a.dylib", "13.0", "other"]])
    facts = catalogue(tmp_path, sdk("10.9", {}), dates)
    assert [presence(facts, "/usr/lib/a.dylib", v) for v in ("11", "12", "13")] == [ABSENT, UNSEEN, PRESENT]


def test_a_stub_overrules_a_later_date_of_the_api(tmp_path: Path) -> None:
    date = os_facts(introduced=[["/usr/lib/a.dylib", "12.0", "one"]])
    facts = catalogue(tmp_path, sdk("11.3", {"/usr/lib/a.dylib": None}), date)
    assert [presence(facts, "/usr/lib/a.dylib", v) for v in ("11.0", "11.3")] == [UNSEEN, PRESENT]


def test_a_complete_sdk_overrules_an_earlier_date_of_the_api(tmp_path: Path) -> None:
    date = os_facts(introduced=[["/usr/lib/a.dylib", "10.7", "one"]])
    facts = catalogue(tmp_path, sdk("10.13", {}), sdk("11.3", {"/usr/lib/a.dylib": None}), date)
    assert [presence(facts, "/usr/lib/a.dylib", v) for v in ("10.13", "11.0", "11.3")] == [ABSENT, UNSEEN, PRESENT]


def test_an_sdk_of_unknown_minor_version_counts_with_both_bounds(tmp_path: Path) -> None:
    inexact = sdk("12.x", {"/usr/lib/a.dylib": None}) | {"low": "12.0", "high": "12.255"}
    facts = catalogue(tmp_path, sdk("11.3", {}), inexact)
    assert [presence(facts, "/usr/lib/a.dylib", v) for v in ("11.3", "12.6", "13.0")] == [ABSENT, UNSEEN, UNSEEN]


def test_private_frameworks_are_not_vouched_for_beyond_their_major_release(tmp_path: Path) -> None:
    name = "/System/Library/PrivateFrameworks/P.framework/Versions/A/P"
    facts = catalogue(tmp_path, sdk("11.3", {name: None}))
    assert [presence(facts, name, v) for v in ("11.7", "12.0")] == [PRESENT, UNSEEN]


@pytest.mark.parametrize(
    "path",
    [
        f"{FRAMEWORKS}X.framework/X",
        f"{FRAMEWORKS}X.framework/Versions/Current/X",
        f"{FRAMEWORKS}/X.framework/./Versions/C/X",
    ],
)
def test_links_every_framework_has_lead_to_its_install_name(tmp_path: Path, path: str) -> None:
    name = f"{FRAMEWORKS}X.framework/Versions/C/X"
    facts = catalogue(tmp_path, sdk("12.0", {name: None}))
    assert facts.find(path, Version.of(12)).path == name


def test_another_framework_version_is_another_library(tmp_path: Path) -> None:
    facts = catalogue(tmp_path, sdk("11.3", {f"{FRAMEWORKS}X.framework/Versions/C/X": None}))
    assert presence(facts, f"{FRAMEWORKS}X.framework/Versions/A/X", "12") is UNSEEN


def test_a_listed_link_is_followed_and_can_leave(tmp_path: Path) -> None:
    library: dict[str, list[str] | None] = {"/usr/lib/libz.1.dylib": None}
    facts = catalogue(
        tmp_path,
        sdk("11.3", library, links=True, aliases={"/usr/lib/libz.dylib": "/usr/lib/libz.1.dylib"}),
        sdk("12.0", library, links=True),
    )
    answer = facts.find("/usr/lib/libz.dylib", Version.of(11, 5))
    assert (answer.presence, answer.path) == (PRESENT, "/usr/lib/libz.1.dylib")
    assert presence(facts, "/usr/lib/libz.dylib", "12.0") is UNSEEN
    assert presence(facts, "/usr/lib/libz.dylib", "11.0") is UNSEEN


def test_a_link_first_listed_later_is_absent_before(tmp_path: Path) -> None:
    library: dict[str, list[str] | None] = {"/usr/lib/libz.1.dylib": None}
    facts = catalogue(
        tmp_path,
        sdk("11.3", library, links=True),
        sdk("12.0", library, links=True, aliases={"/usr/lib/libz.dylib": "/usr/lib/libz.1.dylib"}),
        os_facts(introduced=[["/usr/lib/libz.1.dylib", "10.0", "x"]]),
    )
    assert presence(facts, "/usr/lib/libz.dylib", "11.2") is ABSENT


@pytest.mark.parametrize("variant", ["asan", "debug", "profile"])
def test_released_systems_have_no_debugging_variants(embedded: EmbeddedCatalogue, variant: str) -> None:
    assert presence(embedded, f"/usr/lib/libSystem.B_{variant}.dylib", "14.0") is ABSENT
    assert presence(embedded, f"{FRAMEWORKS}CoreFoundation.framework/CoreFoundation_{variant}", "14.0") is ABSENT
    assert presence(embedded, f"/usr/lib/libnothing_{variant}.dylib", "14.0") is UNSEEN


def test_a_link_to_a_debugging_variant_is_no_link_of_the_os(tmp_path: Path) -> None:
    library: dict[str, list[str] | None] = {"/usr/lib/a.dylib": None}
    facts = catalogue(tmp_path, sdk("12.0", library, aliases={"/usr/lib/a_debug.dylib": "/usr/lib/a.dylib"}))
    assert facts.canonical("/usr/lib/a_debug.dylib") is None


def test_case_counts_and_the_answer_names_the_right_one(embedded: EmbeddedCatalogue) -> None:
    answer = embedded.find("/usr/lib/libsystem.b.dylib", Version.of(15))
    assert answer.presence is UNSEEN
    assert "/usr/lib/libSystem.B.dylib" in answer.why


@pytest.mark.parametrize("path", ["/opt/homebrew/lib/libz.dylib", "/usr/local/lib/a.dylib", "/System/Volumes/x", "a"])
def test_nothing_outside_the_system_folders_comes_with_the_os(embedded: EmbeddedCatalogue, path: str) -> None:
    assert presence(embedded, path, "15.0") is ABSENT


@pytest.mark.parametrize("cryptex", ["/System/Cryptexes/OS", "/System/Volumes/Preboot/Cryptexes/OS"])
def test_a_cryptex_holds_nothing_the_os_lacks(embedded: EmbeddedCatalogue, cryptex: str) -> None:
    assert presence(embedded, f"{cryptex}/usr/local/lib/a.dylib", "15.0") is ABSENT
    assert presence(embedded, f"{cryptex}{FRAMEWORKS}Python.framework/Versions/2.7/Python", "15.0") is ABSENT
    assert presence(embedded, f"{cryptex}{FRAMEWORKS}WebKit.framework/WebKit", "15.0") is UNSEEN


@pytest.mark.parametrize(
    ("path", "macos", "expected"),
    [
        ("/usr/lib/libSystem.B.dylib", "11.0", PRESENT),
        ("/usr/lib/libSystem.dylib", "26.0", PRESENT),
        ("/usr/lib/libc++.1.dylib", "11.0", PRESENT),
        ("/usr/lib/libobjc.A.dylib", "15.4", PRESENT),
        ("/usr/lib/swift/libswiftCore.dylib", "11.0", PRESENT),
        ("/usr/lib/swift/libswift_Concurrency.dylib", "11.7", ABSENT),
        ("/usr/lib/swift/libswift_Concurrency.dylib", "12.0", PRESENT),
        (f"{FRAMEWORKS}ScreenCaptureKit.framework/ScreenCaptureKit", "12.0", ABSENT),
        (f"{FRAMEWORKS}ScreenCaptureKit.framework/Versions/A/ScreenCaptureKit", "14.0", PRESENT),
        (f"{FRAMEWORKS}AVFoundation.framework/Versions/A/AVFoundation", "15.0", PRESENT),
        (f"{FRAMEWORKS}Python.framework/Versions/2.7/Python", "13.0", ABSENT),
        ("/usr/lib/libstdc++.6.dylib", "13.0", UNSEEN),
        ("/usr/lib/libnothing.dylib", "13.0", UNSEEN),
    ],
)
def test_the_shipped_facts_answer_everyday_questions(
    embedded: EmbeddedCatalogue, path: str, macos: str, expected: Presence
) -> None:
    assert presence(embedded, path, macos) is expected


def test_each_shipped_library_is_found_under_its_own_name(embedded: EmbeddedCatalogue) -> None:
    names = embedded.libraries()
    assert len(names) > 2000
    newest = Version.of(27)
    for name in names:
        answer = embedded.find(name, newest)
        assert answer.why
        assert (answer.path == name) == (answer.presence is PRESENT)


def test_facts_of_a_library_name_the_sdks_behind_them(embedded: EmbeddedCatalogue) -> None:
    facts = embedded.library("/usr/lib/libSystem.dylib")
    assert facts is not None
    assert facts.path == "/usr/lib/libSystem.B.dylib"
    assert "27.0" in facts.sdks
    assert "/usr/lib/system/libdyld.dylib" in dict(facts.details)["27.0"]["reexports"]
    assert embedded.library("/usr/lib/libnothing.dylib") is None


@pytest.mark.parametrize("data", [b"", b"MCCAT\x01\x05\x00\x00\x00junk!", b"MCCAT\x03" + bytes(20)])
def test_a_broken_catalogue_is_an_input_error(tmp_path: Path, data: bytes) -> None:
    file = tmp_path / "c.bin"
    file.write_bytes(data)
    with pytest.raises(InputError):
        EmbeddedCatalogue(file)


def test_damage_behind_the_header_is_an_input_error_too(tmp_path: Path) -> None:
    file = tmp_path / "c.bin"
    data = bytearray(build([sdk("12.0", {"/usr/lib/a.dylib": ["_a"]})]))
    data[-60:] = bytes(60)
    file.write_bytes(data)
    facts = EmbeddedCatalogue(file)
    with pytest.raises(InputError, match="damaged"):
        facts.symbols("/usr/lib/a.dylib")
    file.unlink()
    with pytest.raises(InputError, match="cannot read"):
        facts.providers(["_a"])


def assembled(header: dict[str, Any], tables: dict[str, bytes]) -> bytes:
    """A catalogue of these tables, under a header that may say something else."""
    body, places = b"", {}
    for name, table in tables.items():
        places[name] = [len(body), len(table)]
        body += table
    head = zlib.compress(json.dumps({"sections": places, "sources": [], **header}).encode())
    return MAGIC + len(head).to_bytes(4, "little") + head + body


NAME = "/usr/lib/a.dylib"
SOURCE = {"id": "12.0", "low": "12.0", "high": "12.0", "complete": [], "missing": [], "links": True, "origin": []}
TABLES = {"libraries": f"{NAME}\t1\t\t", "aliases": "", "umbrellas": "", "details": f'{NAME}\t{{"12.0": {{}}}}'}


def tables(**changed: str) -> dict[str, bytes]:
    packed = {name: zlib.compress(text.encode()) for name, text in {**TABLES, **changed}.items()}
    return {**packed, "symbols": b""}


def every(place: list[Any]) -> dict[str, list[Any]]:
    return {name: list(place) for name in ("libraries", "aliases", "umbrellas", "details", "symbols")}


def ask_everything(file: Path) -> None:
    facts = EmbeddedCatalogue(file)
    for path in (NAME, "/usr/lib/link.dylib"):
        facts.find(path, Version.of(12))
        facts.symbols(path)
        facts.library(path)
    facts.providers(["_a"])
    facts.documents()


@pytest.mark.parametrize(
    "header",
    [
        {"sections": {}},
        {"sections": {"libraries": [0]}},
        {"sections": every([-1, 1])},
        {"sections": every([0, 1 << 40])},
        {"sections": every([0.5, 1])},
        {"sections": every(["0", "1"])},
        {"sources": [{}]},
        {"sources": [1]},
        {"sources": [{**SOURCE, "low": "x"}]},
        {"sources": [{**SOURCE, "complete": "/usr/lib/"}]},
        {"sources": [{**SOURCE, "origin": [1]}]},
    ],
)
def test_a_header_that_makes_no_sense_is_told(tmp_path: Path, header: dict[str, Any]) -> None:
    file = tmp_path / "c.bin"
    file.write_bytes(assembled({"sources": [SOURCE], **header}, tables()))
    with pytest.raises(InputError, match="damaged"):
        EmbeddedCatalogue(file)


@pytest.mark.parametrize(
    "changed",
    [
        {"libraries": NAME},
        {"libraries": f"{NAME}\t1"},
        {"libraries": f"{NAME}\tx\t\t"},
        {"libraries": f"{NAME}\t1\t5:9\t"},
        {"libraries": f"{NAME}\t1\t-1:1\t"},
        {"libraries": f"{NAME}\t1\t\t[1]"},
        {"libraries": f'{NAME}\t1\t\t{{"introduced": [["x", "y"]]}}'},
        {"libraries": f'{NAME}\t1\t\t{{"observed": [1]}}'},
        {"libraries": f"{NAME}\t1\t\t{'[' * 100_000}"},
        {"aliases": "/usr/lib/link.dylib"},
        {"aliases": f"/usr/lib/link.dylib\t{NAME}\tx"},
        {"aliases": f"/usr/lib/link.dylib\t{NAME}\t0"},
        {"details": ""},
        {"details": f"{NAME}\t[]"},
        {"details": f'{NAME}\t{{"12.0": {{"reexports": [1]}}}}'},
        {"details": f'{NAME}\t{{"12.0": {{"reexports": {{}}}}}}'},
        {"umbrellas": f'{NAME}\t{{"12.0": {{"reexports": [1]}}}}'},
        {"umbrellas": f"{NAME}\t[]"},
        {"umbrellas": NAME},
    ],
)
def test_a_table_that_makes_no_sense_is_told(tmp_path: Path, changed: dict[str, str]) -> None:
    file = tmp_path / "c.bin"
    file.write_bytes(assembled({"sources": [SOURCE]}, tables()))
    ask_everything(file)
    file.write_bytes(assembled({"sources": [SOURCE]}, tables(**changed)))
    with pytest.raises(InputError, match="damaged"):
        ask_everything(file)


def test_a_table_larger_than_any_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("machochain.world.system.catalogue_file._MOST", 1000)
    file = tmp_path / "c.bin"
    file.write_bytes(assembled({"sources": [SOURCE]}, tables(libraries=f"{NAME}\t1\t\t\n" * 100)))
    with pytest.raises(InputError, match="larger than any"):
        ask_everything(file)


SHIPPED = EmbeddedCatalogue()
PIECES = [
    "usr",
    "lib",
    "System",
    "Library",
    "Frameworks",
    "X.framework",
    "Versions",
    "Current",
    "A",
    "X",
    "..",
    ".",
    "",
]
PIECES += ["libSystem.B.dylib", "Foundation.framework", "Foundation", "C", "libz.dylib", "\udcff", "\n", "swift"]


@settings(deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=9), st.integers(0, 0xFFFFFFFF))
def test_any_path_gets_an_answer_and_links_lead_to_names_that_stay(parts: list[str], macos: int) -> None:
    facts = SHIPPED
    for path in ("/".join(parts), "/" + "/".join(parts)):
        answer = facts.find(path, Version.unpack(macos))
        assert answer.why
        assert (answer.path is not None) == (answer.presence is PRESENT)
        name = facts.canonical(path)
        assert name is None or facts.canonical(name) == name


def test_a_missing_catalogue_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError):
        EmbeddedCatalogue(tmp_path / "none.bin")


def test_the_builder_reads_compressed_documents_and_refuses_others(tmp_path: Path) -> None:
    import gzip
    import lzma

    one, other = sdk("11.0", {"/usr/lib/a.dylib": None}), sdk("12.0", {"/usr/lib/b.dylib": None})
    (tmp_path / "a.json.gz").write_bytes(gzip.compress(json.dumps(one).encode()))
    (tmp_path / "b.json.xz").write_bytes(lzma.compress(json.dumps(other).encode()))
    out = tmp_path / "c.bin"
    assert main([str(tmp_path / "a.json.gz"), str(tmp_path / "b.json.xz"), "-o", str(out)]) == 0
    assert EmbeddedCatalogue(out).libraries() == ("/usr/lib/a.dylib", "/usr/lib/b.dylib")
    with pytest.raises(ValueError, match="schema"):
        build([{"schema": "other"}])


def test_the_builder_gives_the_same_bytes_for_the_same_documents(tmp_path: Path) -> None:
    documents = [sdk("11.0", {"/usr/lib/a.dylib": ["_b", "_a"]}), os_facts(observed=[["/usr/lib/a.dylib", "11", "12"]])]
    assert build(documents) == build(reversed(documents))


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("//usr/lib/x", "/usr/lib/x"),
        ("/usr/./lib/x", "/usr/lib/x"),
        ("/usr/lib/../lib/x", "/usr/lib/x"),
        ("/a", "/a"),
        ("usr//lib", "usr//lib"),
        ("/usr//lib/x/", "/usr//lib/x/"),
    ],
)
def test_paths_are_collapsed_as_realpath_does(path: str, expected: str) -> None:
    assert normalise(path) == expected
