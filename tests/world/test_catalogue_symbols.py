"""Symbols in the embedded catalogue: bounds per symbol, re-exports, who exports what."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from machochain.model.filesystem import Presence
from machochain.model.version import Version
from machochain.tbd import read
from machochain.world.system.build_catalogue import build
from machochain.world.system.catalogue import EmbeddedCatalogue
from tests.toolchain import install

A, B = "/usr/lib/liba.dylib", "/usr/lib/libb.dylib"
PRESENT, ABSENT, UNSEEN = Presence.PRESENT, Presence.ABSENT, Presence.UNSEEN


def sdk(version: str, **symbols: list[str]) -> dict[str, Any]:
    """Describe an SDK whose liba and libb export ``a`` and ``b``; liba re-exports libb where both are there."""
    libraries = []
    for letter, names in symbols.items():
        item: dict[str, Any] = {"install_name": f"/usr/lib/lib{letter}.dylib", "symbols": names}
        if letter == "a" and "b" in symbols:
            item["reexports"] = [B]
        libraries.append(item)
    return {
        "schema": "machochain.sdk-facts/1",
        "sdk": version,
        "low": version,
        "high": version,
        "complete": ["/usr/lib/"],
        "libraries": libraries,
    }


def catalogue(tmp_path: Path, *documents: dict[str, Any]) -> EmbeddedCatalogue:
    file = tmp_path / "catalogue.bin"
    file.write_bytes(build(documents))
    return EmbeddedCatalogue(file)


def presences(facts: EmbeddedCatalogue, symbol: str, *releases: str, library: str = A) -> list[Presence]:
    return [facts.lookup(library, symbol, Version.parse(r)).presence for r in releases]


@pytest.fixture(scope="module")
def embedded() -> EmbeddedCatalogue:
    return EmbeddedCatalogue()


def test_a_symbol_appears_between_two_sdks(tmp_path: Path) -> None:
    facts = catalogue(tmp_path, sdk("11.0", a=[]), sdk("13.0", a=["_new"]))
    assert presences(facts, "_new", "10.15", "11.0", "12.0", "13.0", "13.5", "26.0") == [
        ABSENT, ABSENT, UNSEEN, PRESENT, PRESENT, UNSEEN
    ]  # fmt: skip
    assert facts.lookup(A, "_new", Version.of(26)).likely is PRESENT
    answer = facts.lookup(A, "_new", Version.of(12))
    assert (answer.absent_in, answer.present_in) == (Version.of(11), Version.of(13))


def test_a_symbol_no_stub_lists_is_absent_as_far_as_stubs_reach(tmp_path: Path) -> None:
    facts = catalogue(tmp_path, sdk("11.0", a=[]), sdk("13.0", a=["_other"]))
    assert presences(facts, "_never", "12.0", "13.0", "13.1") == [ABSENT, ABSENT, UNSEEN]


def test_bounds_are_those_of_the_library_not_of_the_newest_sdk(tmp_path: Path) -> None:
    facts = catalogue(tmp_path, sdk("11.0", a=["_x"]), sdk("15.0", b=["_y"]))
    assert presences(facts, "_never", "12.0") == [UNSEEN]
    assert presences(facts, "_never", "12.0", library=B) == [ABSENT]


def test_what_left_the_stub_may_still_be_exported(tmp_path: Path) -> None:
    facts = catalogue(tmp_path, sdk("11.0", a=["_old"]), sdk("13.0", a=[]))
    assert presences(facts, "_old", "11.0", "11.7", "12.0", "13.0") == [PRESENT, PRESENT, UNSEEN, UNSEEN]


def test_a_gap_in_the_stubs_is_no_absence(tmp_path: Path) -> None:
    facts = catalogue(tmp_path, sdk("11.0", a=["_x"]), sdk("12.0", a=[]), sdk("13.0", a=["_x"]))
    assert presences(facts, "_x", "12.0") == [PRESENT]


def test_reexported_libraries_are_searched_and_named(tmp_path: Path) -> None:
    facts = catalogue(tmp_path, sdk("11.0", a=["_a"], b=["_b"]))
    assert facts.lookup(A, "_b", Version.of(11)).library == B
    assert facts.lookup(B, "_a", Version.of(11)).presence is ABSENT
    assert facts.closure(A, Version.of(11)) == (A, B)


def test_a_symbol_that_moved_into_a_reexported_library_stays_present(tmp_path: Path) -> None:
    facts = catalogue(tmp_path, sdk("11.0", a=["_m"], b=[]), sdk("13.0", a=[], b=["_m"]))
    assert presences(facts, "_m", "11.0", "12.0", "13.0") == [PRESENT, PRESENT, PRESENT]


def test_one_unknown_member_of_the_closure_leaves_it_open(tmp_path: Path) -> None:
    later = sdk("13.0", a=["_a"])
    later["libraries"][0]["reexports"] = ["/usr/lib/libunknown.dylib"]
    facts = catalogue(tmp_path, later)
    assert presences(facts, "_never", "13.0") == [UNSEEN]


def test_what_a_later_sdk_lacks_was_not_there_before(tmp_path: Path) -> None:
    # 13 re-exports a library whose symbols end with it: between 13 and 14 that library alone could not tell
    facts = catalogue(
        tmp_path, sdk("13.0", a=["_a"], b=["_b"]), sdk("14.0", a=["_a"]), sdk("15.0", a=["_a", "_new"])
    )  # fmt: skip
    assert presences(facts, "_new", "13.0", "13.3", "14.0", "14.4", "15.0") == [
        ABSENT, ABSENT, ABSENT, UNSEEN, PRESENT
    ]  # fmt: skip
    assert facts.lookup(A, "_new", Version.of(13, 3)).absent_in == Version.of(14)


def test_reexports_that_end_in_a_circle_are_searched_once(tmp_path: Path) -> None:
    document = sdk("13.0", a=["_a"], b=["_b"])
    document["libraries"][1]["reexports"] = [A]
    facts = catalogue(tmp_path, document)
    assert presences(facts, "_never", "13.0") == [ABSENT]


def test_an_import_that_was_linked_confirms_presence(tmp_path: Path) -> None:
    seen = {"schema": "machochain.os-facts/1", "observed_symbols": [[A, "_new", "14.0", "15.0"]]}
    facts = catalogue(tmp_path, sdk("12.0", a=["_x"]), seen)
    assert presences(facts, "_new", "12.0", "13.0", "14.0", "15.1") == [ABSENT, UNSEEN, PRESENT, PRESENT]


def test_hidden_symbols_are_absent_up_to_the_release_they_are_hidden_for(tmp_path: Path) -> None:
    document = sdk("11.0", a=["_new"])
    document["libraries"][0]["directives"] = ["$ld$hide$os10.9$_new", "$ld$hide$os10.14$_new", "$ld$hide$os10.4$_new"]
    facts = catalogue(tmp_path, document)
    assert presences(facts, "_new", "10.14", "10.15", "11.0") == [ABSENT, UNSEEN, PRESENT]


def test_a_metaclass_comes_with_its_class(tmp_path: Path) -> None:
    facts = catalogue(tmp_path, sdk("11.0", a=["_OBJC_CLASS_$_X", "_OBJC_METACLASS_$_X"]))
    assert presences(facts, "_OBJC_METACLASS_$_X", "11.0") == [PRESENT]
    assert [f.name for f in facts.symbols(A)] == ["_OBJC_CLASS_$_X"]


def test_symbols_of_private_frameworks_are_unknown(tmp_path: Path) -> None:
    document = sdk("11.0", a=["_x"])
    private = "/System/Library/PrivateFrameworks/P.framework/Versions/A/P"
    document["libraries"][0]["install_name"] = private
    facts = catalogue(tmp_path, document)
    assert presences(facts, "_x", "11.0", library=private) == [UNSEEN]
    assert facts.symbols(private) == ()


def test_an_unknown_library_has_unknown_symbols(embedded: EmbeddedCatalogue) -> None:
    assert presences(embedded, "_x", "15.0", library="/usr/lib/libnothing.dylib") == [UNSEEN]
    assert embedded.symbols("/usr/lib/libnothing.dylib") == ()


def test_symbol_facts_name_the_sdks_on_both_sides(tmp_path: Path) -> None:
    facts = catalogue(tmp_path, sdk("11.0", a=["_x"]), sdk("13.0", a=["_x", "_y"])).symbols(A)
    assert [(f.name, f.sdks, f.lacking) for f in facts] == [("_x", ("11.0", "13.0"), ()), ("_y", ("13.0",), ("11.0",))]


def test_providers_lists_the_libraries_that_export_a_symbol_themselves(tmp_path: Path) -> None:
    facts = catalogue(tmp_path, sdk("11.0", a=["_x"], b=["_x", "_y", "_OBJC_CLASS_$_C"]))
    found = facts.providers(["_x", "_y", "_z", "_OBJC_METACLASS_$_C"])
    assert found == {"_x": (A, B), "_y": (B,), "_z": (), "_OBJC_METACLASS_$_C": (B,)}


def os_facts(**facts: list[list[str]]) -> dict[str, Any]:
    return {"schema": "machochain.os-facts/1", **facts}


def test_documented_api_is_carried_beyond_the_last_stub(tmp_path: Path) -> None:
    declared = os_facts(declared_symbols=[[A, "_api", "", "", "12.0", ""], [A, "_old", "", "", "12.0", "d"]])
    facts = catalogue(tmp_path, sdk("12.0", a=["_api", "_old", "_private"]), declared)
    assert presences(facts, "_api", "12.0", "26.0") == [PRESENT, PRESENT]
    assert presences(facts, "_old", "12.0", "26.0") == [PRESENT, UNSEEN]
    assert presences(facts, "_private", "12.0", "26.0") == [PRESENT, UNSEEN]


def test_a_library_that_takes_nothing_back_keeps_its_symbols(tmp_path: Path) -> None:
    facts = catalogue(tmp_path, sdk("12.0", a=["_x"]), os_facts(stable=[[A, "its makers promise"]]))
    assert presences(facts, "_x", "26.0") == [PRESENT]


def test_a_date_shows_presence_from_it_on_and_likely_absence_before(tmp_path: Path) -> None:
    dated = os_facts(declared_symbols=[[A, "_new", "13.3", "13.3", "26.5", ""]])
    facts = catalogue(tmp_path, sdk("12.0", a=["_x"]), dated)
    assert presences(facts, "_new", "12.0", "13.0", "13.3", "26.0") == [ABSENT, UNSEEN, PRESENT, PRESENT]
    assert facts.lookup(A, "_new", Version.of(13)).likely is ABSENT


def test_a_date_of_the_code_itself_shows_absence_before(tmp_path: Path) -> None:
    dated = os_facts(declared_symbols=[[A, "_new", "13.3", "13.3", "", "cl"]])
    facts = catalogue(tmp_path, sdk("12.0", a=["_x"], b=["_y"]), dated)
    assert presences(facts, "_new", "13.0", "13.2", "13.3") == [ABSENT, ABSENT, PRESENT]


def test_sources_that_differ_on_a_date_leave_the_time_between_open(tmp_path: Path) -> None:
    dated = os_facts(
        declared_symbols=[[A, "_new", "12.0", "12.0", "14.2", "c"], [A, "_new", "13.0", "13.0", "26.5", "c"]]
    )
    facts = catalogue(tmp_path, dated, sdk("11.0", a=["_x"]))
    assert presences(facts, "_new", "11.5", "12.5", "13.0") == [ABSENT, UNSEEN, PRESENT]


def test_a_stub_beats_a_date_and_a_stamp(tmp_path: Path) -> None:
    said = os_facts(
        declared_symbols=[[A, "_new", "11.0", "11.0", "26.5", "c"]], observed_symbols=[[A, "_new", "11.0", "14.0"]]
    )
    facts = catalogue(tmp_path, sdk("12.0", a=["_x"]), sdk("13.0", a=["_x", "_new"]), said)
    assert presences(facts, "_new", "11.0", "12.0", "12.5", "13.0") == [ABSENT, ABSENT, UNSEEN, PRESENT]


def test_what_is_declared_without_a_date_and_never_exported_is_not_there(tmp_path: Path) -> None:
    facts = catalogue(tmp_path, sdk("12.0", a=["_x"]), os_facts(declared_symbols=[[A, "_inline", "", "", "26.5", ""]]))
    assert presences(facts, "_inline", "12.0", "26.0") == [ABSENT, UNSEEN]


def test_what_a_mac_did_not_find_was_not_there_before_either(tmp_path: Path) -> None:
    facts = catalogue(tmp_path, sdk("14.0", a=["_new"]), os_facts(missing_symbols=[[A, "_new", "13.6"]]))
    assert presences(facts, "_new", "12.0", "13.6", "13.7", "14.0") == [ABSENT, ABSENT, UNSEEN, PRESENT]


def test_what_the_last_sdk_of_a_major_lacks_came_to_none_of_its_minors(tmp_path: Path) -> None:
    last = {**sdk("11.3", a=["_x"]), "last": True}
    facts = catalogue(tmp_path, last, sdk("12.0", a=["_x", "_new"]))
    assert presences(facts, "_new", "11.3", "11.7.10", "12.0") == [ABSENT, ABSENT, PRESENT]
    dated = os_facts(declared_symbols=[[A, "_new", "11.5", "11.5", "26.5", ""]])
    facts = catalogue(tmp_path, last, sdk("12.0", a=["_x", "_new"]), dated)
    assert presences(facts, "_new", "11.3", "11.4", "11.5", "12.0") == [ABSENT, UNSEEN, PRESENT, PRESENT]


def test_point_releases_of_10_are_what_their_sdk_was(tmp_path: Path) -> None:
    facts = catalogue(tmp_path, sdk("10.13", a=["_x"]), sdk("10.15", a=["_x", "_new"]))
    assert presences(facts, "_new", "10.13.6", "10.14", "10.15.7") == [ABSENT, UNSEEN, PRESENT]


def test_architectures_have_symbols_of_their_own(tmp_path: Path) -> None:
    old, new = sdk("10.13", a=["_both", "_intel"]), sdk("12.0", a=["_both", "_intel", "_arm"])
    old["libraries"][0]["targets"] = ["x86_64-macos"]
    new["libraries"][0]["targets"] = ["x86_64-macos", "arm64e-macos"]
    new["libraries"][0]["only_on"] = {"x86_64": ["_intel"], "arm64": ["_arm"]}
    facts = catalogue(tmp_path, old, new)
    for symbol, intel, arm in (("_both", PRESENT, PRESENT), ("_intel", PRESENT, ABSENT), ("_arm", ABSENT, PRESENT)):
        assert facts.lookup(A, symbol, Version.of(12), "x86_64h").presence is intel
        assert facts.lookup(A, symbol, Version.of(12), "arm64").presence is arm
        assert facts.lookup(A, symbol, Version.of(12)).presence is PRESENT
    # What an SDK before the first arm64 Mac had counts for it, unless the first stub for arm64 tells otherwise.
    assert [facts.lookup(A, s, Version.of(11), "arm64").presence for s in ("_both", "_intel")] == [PRESENT, ABSENT]
    assert [f.archs for f in facts.symbols(A)] == [("arm64",), ("x86_64", "arm64"), ("x86_64", "arm64")]


def test_symbols_of_32_bit_code_alone_count_for_nothing(tmp_path: Path) -> None:
    old, new = sdk("10.13", a=["_x"]), sdk("14.0", a=["_x", "_old"])
    new["libraries"][0] |= {"targets": ["i386-macos", "x86_64-macos"], "only_on": {"i386": ["_old"]}}
    facts = catalogue(tmp_path, old, new)
    assert presences(facts, "_old", "14.0") == [ABSENT]
    assert [f.name for f in facts.symbols(A)] == ["_x"]


def test_what_left_the_stub_for_both_architectures_is_not_intels_alone(tmp_path: Path) -> None:
    old, new = sdk("10.13", a=["_moved"]), sdk("12.0", a=["_x"])
    old["libraries"][0]["targets"] = ["x86_64-macos"]
    new["libraries"][0]["targets"] = ["x86_64-macos", "arm64e-macos"]
    facts = catalogue(tmp_path, old, new)
    assert [facts.lookup(A, "_moved", Version.of(12), arch).presence for arch in ("arm64", "x86_64")] == [
        UNSEEN,
        UNSEEN,
    ]


def test_symbols_of_a_private_library_that_a_public_one_passes_on_are_kept(tmp_path: Path) -> None:
    private = "/System/Library/PrivateFrameworks/P.framework/Versions/A/P"
    document = sdk("11.0", a=["_x"], b=["_y"])
    document["libraries"][0]["reexports"] = [private]
    document["libraries"][1]["install_name"] = private
    assert presences(catalogue(tmp_path, document), "_y", "11.0") == [PRESENT]


def test_a_form_of_names_can_come_with_one_release(tmp_path: Path) -> None:
    new = os_facts(patterns=[[A, r"\$NEW$", "13.3", "a report"]], observed_symbols=[[A, "_seen$NEW", "14.0", "14.0"]])
    facts = catalogue(tmp_path, sdk("12.0", a=["_f"]), new)
    assert presences(facts, "_f$NEW", "13.0", "13.3", "26.0") == [ABSENT, PRESENT, PRESENT]
    assert presences(facts, "_seen$NEW", "13.0", "13.3") == [ABSENT, PRESENT]
    assert presences(facts, "_nothing$NEW", "13.0", "13.3") == [ABSENT, UNSEEN]


def test_who_leaves_an_umbrella_gains_no_symbol(tmp_path: Path) -> None:
    facts = catalogue(tmp_path, sdk("12.3", a=["_x"], b=[]), sdk("14.0", a=["_x"]))
    assert presences(facts, "_never", "13.0") == [ABSENT]


def test_symbols_of_an_umbrella_are_filed_with_the_member_that_lists_them(tmp_path: Path) -> None:
    seen = os_facts(observed_symbols=[[A, "_y", "14.0", "26.0"]], declared_symbols=[[A, "_y", "", "", "26.5", ""]])
    facts = catalogue(tmp_path, sdk("12.0", a=["_x"], b=["_y"]), seen)
    assert [f.name for f in facts.symbols(A)] == ["_x"]
    assert [(f.name, f.declared) for f in facts.symbols(B)] == [("_y", Version.of(26, 5))]


def test_every_fact_survives_being_written_and_read_again(tmp_path: Path) -> None:
    new = sdk("12.0", a=["_both", "_intel"])
    new["libraries"][0] |= {"targets": ["x86_64-macos", "arm64e-macos"], "only_on": {"x86_64": ["_intel"]}}
    said = os_facts(
        declared_symbols=[[A, "_both", "11.0", "12.0", "26.5", "cd"]], missing_symbols=[[A, "_both", "11.2"]],
        stable=[[A, "promised"]], patterns=[[A, "x", "12.0", "me"]],
        seen=[[A, "15.0", "me"]], missing=[[A, "27.0", "me"]],
    )  # fmt: skip
    facts = catalogue(tmp_path, {**new, "last": True}, said)
    assert build(facts.documents()) == (tmp_path / "catalogue.bin").read_bytes()


SYSTEM = "/usr/lib/libSystem.B.dylib"
SECURITY = "/System/Library/Frameworks/Security.framework/Versions/A/Security"


@pytest.mark.parametrize(
    ("library", "symbol", "macos", "expected"),
    [
        (SYSTEM, "_malloc", "11.0", PRESENT),
        (SYSTEM, "_malloc", "26.0", PRESENT),
        # Symbols a library passes on one by one, from a library it does not re-export as a whole.
        (SYSTEM, "_memset_pattern16", "26.0", PRESENT),
        ("/usr/lib/libc++.1.dylib", "__ZNKSt10bad_typeid4whatEv", "12.0", PRESENT),
        ("/usr/lib/libSystem.dylib", "dyld_stub_binder", "11.0", PRESENT),
        (SYSTEM, "____chkstk_darwin", "11.0", PRESENT),
        (SYSTEM, "_clock_getres", "10.11", ABSENT),
        (SYSTEM, "_no_such_symbol", "15.0", ABSENT),
        # No SDK between 10.13 and 11.0 is known: that this symbol came with 10.14 its header tells.
        (SECURITY, "_SecTrustEvaluateWithError", "10.13", ABSENT),
        (SECURITY, "_SecTrustEvaluateWithError", "10.14", PRESENT),
        (SECURITY, "_SecTrustEvaluateWithError", "11.0", PRESENT),
        ("/usr/lib/libobjc.A.dylib", "_objc_claimAutoreleasedReturnValue", "12.0", ABSENT),
        ("/System/Library/Frameworks/Foundation.framework/Foundation", "_OBJC_METACLASS_$_NSString", "14.0", PRESENT),
        ("/System/Library/Frameworks/Cocoa.framework/Cocoa", "_NSApp", "13.0", PRESENT),
    ],
)
def test_the_shipped_facts_answer_known_cases(
    embedded: EmbeddedCatalogue, library: str, symbol: str, macos: str, expected: Presence
) -> None:
    assert presences(embedded, symbol, macos, library=library) == [expected]


def test_the_shipped_facts_know_where_malloc_lives(embedded: EmbeddedCatalogue) -> None:
    assert "/usr/lib/system/libsystem_malloc.dylib" in embedded.providers(["_malloc"])["_malloc"]


@pytest.mark.toolchain
def test_every_symbol_of_the_stub_zig_ships_is_present_on_its_release(embedded: EmbeddedCatalogue) -> None:
    folder = install().zig.parent / "lib/libc/darwin"
    settings = json.loads((folder / "SDKSettings.json").read_text())
    version = settings.get("Version") or settings["MinimalDisplayName"]
    if version not in [source.id for source in embedded.sources]:
        pytest.skip(f"the catalogue has no facts of SDK {version}")
    for stub in read((folder / "libSystem.tbd").read_bytes()):
        for export in (*stub.exports("arm64"), *stub.exports("x86_64")):
            answer = embedded.lookup(stub.install_name, export.name, Version.parse(version))
            assert answer.presence is PRESENT, export.name
