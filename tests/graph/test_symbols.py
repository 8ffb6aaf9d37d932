"""Who provides a symbol: library ordinals, re-exports, weak imports, lazy binds, flat and coalesced look-ups."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from machochain.model.image import HeaderFlag
from tests.factory import Export, Import, Load, fat, load, reexport
from tests.graph.binding import APPKIT, DYLD4, GENERATIONS, LIBSYSTEM, MAIN, OS, exe, lib, missing, only, run

EITHER = pytest.mark.parametrize("fixups", ["opcodes", "chained"])
EVERY = pytest.mark.parametrize("macos", GENERATIONS)
_WEAK = HeaderFlag.MH_DYLDLINK | HeaderFlag.MH_TWOLEVEL | HeaderFlag.MH_WEAK_DEFINES | HeaderFlag.MH_PIE


@EVERY
@EITHER
@pytest.mark.parametrize("imports_format", [1, 2, 3])
def test_an_ordinal_names_the_library_by_its_position(macos: str, fixups: str, imports_format: int) -> None:
    def program(first: int, second: int) -> Mapping[str, bytes]:
        imports = [Import("_a", first), Import("_b", second), Import("_malloc", 3)]
        options: dict[str, Any] = {"fixups": fixups, "imports_format": imports_format}
        return {
            "main": exe("/app/a", "/app/b", LIBSYSTEM, imports=imports, **options),
            "a": lib("a", exports=["_a"]),
            "b": lib("b", exports=["_b"]),
        }

    right, wrong = run(program(1, 2), macos), run(program(2, 1), macos)

    assert (right.launches, right.missing_symbols) == (True, ())
    assert (wrong.launches, missing(wrong)) == (False, ["_a", "_b"])


@EITHER
def test_duplicate_and_weak_loads_count_as_positions(fixups: str) -> None:
    loads: list[Load | str] = ["/app/a", load("/app/gone", weak=True), "/app/a", "/app/b"]
    tree = {"a": lib("a", exports=["_a"]), "b": lib("b", exports=["_b"])}
    good = exe(*loads, imports=[Import("_a", 1), Import("_a", 3), Import("_b", 4)], fixups=fixups)

    assert run({"main": good, **tree}).launches is True
    assert missing(run({"main": exe(*loads, imports=[Import("_b", 3)], fixups=fixups), **tree})) == ["_b"]


@EVERY
def test_an_ordinary_dependent_of_the_library_is_not_searched(macos: str) -> None:
    tree = {
        "main": exe("/app/a", imports=[Import("_b", 1)]),
        "a": lib("a", "/app/b"),
        "b": lib("b", exports=["_b"]),
    }

    assert only(run(tree, macos)).place == "/app/a"


@EVERY
def test_re_exported_libraries_are_searched_at_any_depth(macos: str) -> None:
    tree = {
        "main": exe("/app/a", imports=[Import("_c", 1), Import("_malloc", 1)]),
        "a": lib("a", reexport("/app/b"), exports=["_a"]),
        "b": lib("b", reexport("/app/c"), "/app/d"),
        "c": lib("c", reexport(LIBSYSTEM), exports=["_c"]),
        "d": lib("d", exports=["_d"]),
    }

    assert run(tree, macos).launches is True
    assert missing(run({**tree, "main": exe("/app/a", imports=[Import("_d", 1)])}, macos)) == ["_d"]


def test_libraries_that_re_export_each_other_are_searched_once() -> None:
    tree = {
        "main": exe("/app/a", imports=[Import("_b", 1), Import("_none", 1)]),
        "a": lib("a", reexport("/app/b")),
        "b": lib("b", reexport("/app/a"), exports=["_b"]),
    }

    assert missing(run(tree)) == ["_none"]


def test_a_diamond_of_re_exports_is_no_exponential_matter() -> None:
    # each layer re-exports both of the next: 2^40 ways to the bottom
    tree = {"main": exe("/app/0a", imports=[Import("_none", 1), Import("_end", 1)])}
    for level in range(40):
        below = [reexport(f"/app/{level + 1}{side}") for side in "ab"] if level < 39 else []
        tree |= {f"{level}{s}": lib(f"{level}{s}", *below, exports=[] if below else ["_end"]) for s in "ab"}

    assert missing(run(tree)) == ["_none"]


@EVERY
def test_a_single_symbol_can_be_re_exported_under_another_name(macos: str) -> None:
    tree = {
        "main": exe("/app/a", imports=[Import("_new", 1), Import("_same", 1)]),
        "a": lib("a", "/app/b", exports=[Export("_new", reexport=(1, "_old")), Export("_same", reexport=(1, ""))]),
        "b": lib("b", exports=["_old", "_same"]),
    }
    without = {**tree, "b": lib("b", exports=["_same"])}

    assert run(tree, macos).launches is True
    assert only(run(without, macos)).symbol == "_new"


def test_after_a_change_of_name_a_library_is_asked_again() -> None:
    # _x leads from a to b as _y, which b itself re-exports from a
    tree = {
        "main": exe("/app/a", imports=[Import("_x", 1)]),
        "a": lib("a", "/app/b", exports=[Export("_x", reexport=(1, "_y")), "_z"]),
        "b": lib("b", "/app/a", exports=[Export("_y", reexport=(1, "_z"))]),
    }

    assert run(tree).launches is True


@EVERY
@pytest.mark.parametrize("ordinal", [0, 7])
def test_a_re_export_from_a_library_that_is_not_there_finds_nothing(macos: str, ordinal: int) -> None:
    tree = {
        "main": exe("/app/a", imports=[Import("_x", 1)]),
        "a": lib("a", exports=[Export("_x", reexport=(ordinal, ""))]),
    }

    assert missing(run(tree, macos)) == ["_x"]


@EVERY
def test_a_re_export_through_an_absent_weak_library_finds_nothing(macos: str) -> None:
    tree = {
        "main": exe("/app/a", imports=[Import("_x", 1)]),
        "a": lib("a", load("/app/gone", weak=True), exports=[Export("_x", reexport=(1, ""))]),
    }

    assert missing(run(tree, macos)) == ["_x"]


@EVERY
@EITHER
def test_an_absent_weak_library_excuses_weak_imports_only(macos: str, fixups: str) -> None:
    gone = load("/app/gone", weak=True)
    weak = run({"main": exe(gone, imports=[Import("_x", 1, weak=True)], fixups=fixups)}, macos)
    strong = run({"main": exe(gone, imports=[Import("_x", 1)], fixups=fixups)}, macos)

    assert (weak.launches, only(weak).weak) == (True, True)
    assert (strong.launches, only(strong).place) == (False, None)


@EITHER
def test_a_weak_import_from_a_strong_library_may_be_missing(fixups: str) -> None:
    tree = {"main": exe("/app/a", imports=[Import("_x", 1, weak=True)], fixups=fixups), "a": lib("a")}

    assert (run(tree).launches, only(run(tree)).weak) == (True, True)


@EVERY
def test_a_lazy_bind_fails_only_when_called(macos: str) -> None:
    tree = {"main": exe("/app/a", imports=[Import("_x", 1, lazy=True)]), "a": lib("a")}
    result = run(tree, macos)

    assert (result.launches, result.message, only(result).lazy) == (True, None, True)


@EVERY
def test_chained_fixups_have_no_lazy_binds(macos: str) -> None:
    tree = {"main": exe("/app/a", imports=[Import("_x", 1, lazy=True)], fixups="chained"), "a": lib("a")}

    assert run(tree, macos).launches is False


@EVERY
@EITHER
def test_an_image_may_bind_to_itself_and_to_the_main_executable(macos: str, fixups: str) -> None:
    both = [Import("_own", 0), Import("_main", -1)]
    tree = {
        "main": exe("/app/a", exports=["_main"]),
        "a": lib("a", imports=both, exports=["_own"], fixups=fixups),
    }
    without = {"main": exe("/app/a"), "a": lib("a", imports=both, fixups=fixups)}

    assert run(tree, macos).launches is True
    assert [(m.symbol, m.place) for m in run(without, macos).missing_symbols] == [
        ("_own", "/app/a"),
        ("_main", MAIN),
    ]


@EVERY
@EITHER
def test_flat_look_up_takes_any_image_of_the_process(macos: str, fixups: str) -> None:
    tree = {
        "main": exe("/app/a", "/app/b", imports=[Import("_b", -2), Import("_malloc", -2)], fixups=fixups),
        "a": lib("a"),
        "b": lib("b", exports=["_b"]),
    }
    without = {**tree, "b": lib("b")}

    assert run(tree, macos).launches is True
    assert only(run(without, macos)).place == "flat namespace"
    assert run(without, macos).launches is False


def test_flat_look_up_follows_a_changed_name_into_re_exported_libraries() -> None:
    tree = {
        "main": exe("/app/a", imports=[Import("_alias", -2)]),
        "a": lib("a", "/app/b", exports=[Export("_alias", reexport=(1, "_old"))]),
        "b": lib("b", reexport("/app/c")),
        "c": lib("c", exports=["_old"]),
    }

    assert run(tree).launches is True
    assert run({**tree, "c": lib("c")}).launches is False


def test_frameworks_bring_along_what_no_stub_tells() -> None:
    # AppKit loads hundreds of libraries: one of them may define the symbol
    result = run({"main": exe(APPKIT, imports=[Import("_x", -2)])})

    assert (result.launches, only(result).unknown is not None) == (None, True)


@EVERY
@EITHER
def test_a_coalesced_definition_must_come_from_an_image_with_weak_definitions(macos: str, fixups: str) -> None:
    def tree(flags: int) -> Mapping[str, bytes]:
        definition = lib("a", exports=[Export("__ZdlPv", weak=True)], flags=flags)
        return {
            "main": exe("/app/a", imports=[Import("__ZdlPv", -3, coalesced=True)], fixups="chained"),
            "a": definition,
        }

    assert run(tree(_WEAK), macos).launches is True
    assert only(run(tree(_WEAK & ~HeaderFlag.MH_WEAK_DEFINES), macos)).place == "weak"


@EVERY
def test_weak_bind_opcodes_without_a_definition_are_passed_over(macos: str) -> None:
    tree = {"main": exe("/app/a", imports=[Import("_w", 1, coalesced=True)]), "a": lib("a", exports=["_w"])}

    assert (run(tree, macos).launches, run(tree, macos).missing_symbols) == (True, ())


def test_a_plug_in_may_expect_anything_of_the_process() -> None:
    library = lib("a", imports=[Import("_PyObject", -2), Import("_main", -1), Import("_none", 1)])
    alone = run({"a": library}, at="/app/a")
    opened = run({"a": library, "main": exe(exports=["_PyObject", "_main"])}, at="/app/a", main=MAIN)

    assert missing(alone) == missing(opened) == ["_none"]


def test_what_nobody_knows_leaves_the_launch_unknown() -> None:
    result = run({"main": exe(imports=[Import("_doubtful"), Import("_malloc")])})

    assert (result.launches, result.message) == (None, None)
    assert [u.text for u in result.unknowns] == ["_doubtful, which /app/main needs: nobody knows"]
    assert only(result).unknown == "nobody knows"


@pytest.mark.parametrize("kind", ["weak", "lazy"])
def test_doubt_about_weak_and_lazy_imports_does_not_matter(kind: str) -> None:
    result = run({"main": exe(imports=[Import("_doubtful", **{kind: True})])})

    assert (result.launches, result.unknowns) == (True, ())


def test_a_framework_may_export_what_its_stub_does_not_list() -> None:
    assert run({"main": exe(APPKIT, imports=[Import("_NSOther", 1)])}).launches is None
    assert run({"main": exe(imports=[Import("_other", 1)])}).launches is False


@pytest.mark.parametrize(("macos", "launches"), [("13.3", False), ("14", True), ("26", True)])
def test_a_symbol_of_the_os_is_there_from_its_release_on(macos: str, launches: bool) -> None:
    assert run({"main": exe(imports=[Import("_new")])}, macos).launches is launches


def test_where_a_library_is_missing_its_symbols_are_no_news() -> None:
    result = run({"main": exe("/app/gone", imports=[Import("_x", 1)])})

    assert result.launches is False
    assert result.message is not None
    assert result.message.startswith("Library not loaded: /app/gone")
    assert only(result).unknown == "/app/gone is missing"


@pytest.mark.parametrize("macos", DYLD4)
def test_a_library_that_overrides_the_os_may_lack_symbols_since_macos_15(macos: str) -> None:
    tree = {"main": exe("/usr/lib/libz.dylib"), "/app/over/libz.dylib": lib("z", imports=[Import("_none")])}
    system = OS({LIBSYSTEM: {}, "/usr/lib/libz.dylib": {}})
    result = run(tree, macos, system=system, environment={"DYLD_LIBRARY_PATH": "/app/over"})

    assert result.launches is (float(macos) >= 15)


def test_the_slice_of_the_process_is_asked() -> None:
    def library(arch: str, *exports: str) -> bytes:
        return lib("a", exports=exports, arch=arch)

    tree = {
        "main": exe("/app/a", imports=[Import("_x", 1)]),
        "a": fat([library("x86_64", "_x"), library("arm64")]),
    }

    assert run(tree).launches is False
    assert run({**tree, "a": fat([library("x86_64"), library("arm64", "_x")])}).launches is True
