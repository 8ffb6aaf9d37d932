"""Which missing symbol ends the launch, and what dyld says of it, byte for byte."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from tests.factory import Import, load
from tests.graph.binding import DYLD4, GENERATIONS, LIBSYSTEM, OS_UUID, UUID, exe, lib, run

NEW = pytest.mark.parametrize("macos", [m for m in GENERATIONS if float(m) >= 13])
LACKS = {"main": exe("/app/a", imports=[Import("_x", 1)]), "a": lib("a")}


@pytest.mark.parametrize(
    ("macos", "text"),
    [
        ("11", "Symbol not found: _x\n  Referenced from: /app/main\n  Expected in: /app/a\n"),
        ("12", "Symbol not found: _x\n  Referenced from: /app/main\n  Expected in: /app/a"),
        ("12.3", "Symbol not found: _x\n  Referenced from: /app/main\n  Expected in: /app/a"),
        ("12.5", "Symbol not found: (_x)\n  Referenced from: '/app/main'\n  Expected in: '/app/a'"),
        *(
            (
                macos,
                f"Symbol not found: _x\n  Referenced from: <{UUID}> /app/main\n  Expected in:     <{UUID}> /app/a",
            )
            for macos in GENERATIONS[4:]
        ),
    ],
)
def test_two_level(macos: str, text: str) -> None:
    assert run(LACKS, macos).message == text


@NEW
def test_the_uuid_of_a_library_of_the_os_is_not_known(macos: str) -> None:
    message = run({"main": exe(imports=[Import("_none")])}, macos).message

    assert message == (
        f"Symbol not found: _none\n  Referenced from: <{UUID}> /app/main\n  Expected in:     <{OS_UUID}> {LIBSYSTEM}"
    )


@pytest.mark.parametrize(
    ("macos", "note"),
    [
        ("11", " (which was built for Mac OS X 14.0)"),
        ("12", ""),
        ("12.5", ""),
        ("13", " (built for macOS 14.0 which is newer than running OS)"),
        ("13.3", " (built for macOS 14.0 which is newer than running OS)"),
        ("14", ""),
        ("26", ""),
    ],
)
def test_an_image_for_a_newer_macos_is_said_to_be_one(macos: str, note: str) -> None:
    tree = {"main": exe("/app/a", minos="14.0", imports=[Import("_x", 1)]), "a": lib("a")}
    message = run(tree, macos).message

    assert message is not None
    line = message.split("\n")[1]
    assert line.partition("/app/main")[2].rstrip("'") == note


@pytest.mark.parametrize(
    ("macos", "text"),
    [
        ("11", "Symbol not found: _x\n  Referenced from: /app/main\n  Expected in: flat namespace\n"),
        ("12", "symbol not found in flat namespace '_x'"),
        ("12.5", "symbol not found in flat namespace (_x)"),
        *((macos, "symbol not found in flat namespace '_x'") for macos in GENERATIONS[4:]),
    ],
)
def test_flat(macos: str, text: str) -> None:
    assert run({"main": exe(imports=[Import("_x", -2)])}, macos).message == text


@pytest.mark.parametrize(
    ("macos", "text"),
    [
        ("11", "Symbol not found: _x\n  Referenced from: /app/main\n  Expected in: weak\n"),
        ("12.3", "weak-def symbol not found '_x'"),
        ("12.5", "weak-def symbol not found (_x)"),
        ("13", "weak-def symbol not found '_x'"),
        ("14.4", "weak-def symbol not found '_x'"),
        *(
            (
                macos,
                (
                    f"Symbol not found: _x\n  Referenced from: <{UUID}> /app/main\n"
                    "  Expected as weak-def export from some loaded dylib"
                ),
            )
            for macos in ("15", "15.4", "26")
        ),
    ],
)
def test_weak_definition(macos: str, text: str) -> None:
    assert run({"main": exe(imports=[Import("_x", -3)], fixups="chained")}, macos).message == text


@pytest.mark.parametrize(
    ("macos", "text"),
    [
        ("11", "can't resolve symbol _x in /app/main because dependent dylib /app/gone could not be loaded"),
        ("12", "Symbol not found: _x\n  Referenced from: /app/main\n  Expected in: unknown"),
        ("12.5", "Symbol not found: (_x)\n  Referenced from: '/app/main'\n  Expected in: 'unknown'"),
        *(
            (
                macos,
                f"Symbol not found: _x\n  Referenced from: <{UUID}> /app/main\n  Expected in:     <no uuid> unknown",
            )
            for macos in GENERATIONS[4:]
        ),
    ],
)
def test_an_absent_weak_library(macos: str, text: str) -> None:
    assert run({"main": exe(load("/app/gone", weak=True), imports=[Import("_x", 1)])}, macos).message == text


def test_a_library_that_is_missing_without_a_word() -> None:
    # macOS 13 says nothing where no run path exists: the symbol ends the launch instead
    result = run({"main": exe("@rpath/gone", sdk="15.0", imports=[Import("_x", 1)])}, "13.3")

    assert result.launches is False
    assert result.message == (
        f"Symbol not found: _x\n  Referenced from: <{UUID}> /app/main\n  Expected in:     <no uuid> unknown"
    )


def test_a_library_that_is_missing_without_a_word_and_unused() -> None:
    result = run({"main": exe("@rpath/gone", sdk="15.0")}, "13.3")

    assert (result.launches, result.message) == (None, None)


@pytest.mark.parametrize("fixups", ["opcodes", "chained"])
@pytest.mark.parametrize(
    ("macos", "text"),
    [
        ("11", "bad mach-o binary, library ordinal (9) too big (max 1) for symbol _x in /app/main"),
        ("12", "unknown library ordinal 9 in /app/main when binding '_x'"),
        ("12.5", "unknown library ordinal 9 in '/app/main' when binding (_x)"),
        *((macos, "unknown library ordinal 9 in /app/main when binding '_x'") for macos in GENERATIONS[4:]),
    ],
)
def test_an_ordinal_beyond_the_libraries(macos: str, text: str, fixups: str) -> None:
    assert run({"main": exe(imports=[Import("_x", 9)], fixups=fixups)}, macos).message == text


@pytest.mark.parametrize(
    ("macos", "text"),
    [
        ("11", "bad mach-o binary, unknown special library ordinal (-5) too big for symbol _x in /app/main"),
        ("26", "unknown library ordinal -5 in /app/main when binding '_x'"),
    ],
)
def test_a_special_ordinal_nobody_knows(macos: str, text: str) -> None:
    assert run({"main": exe(imports=[Import("_x", -5)], fixups="chained")}, macos).message == text


# -- the order ------------------------------------------------------------------------------------------------------

_ORDER: Mapping[str, bytes] = {
    "main": exe("/app/a", imports=[Import("_m", 1)]),
    "a": lib("a", "/app/b", imports=[Import("_a", 1)]),
    "b": lib("b", imports=[Import("_b", 1)]),
}


def first(tree: Mapping[str, bytes], macos: str, **more: object) -> str:
    message = run(tree, macos, **more).message  # type: ignore[arg-type]
    assert message is not None
    return message.split("\n")[0].removeprefix("Symbol not found: ").strip("()")


@pytest.mark.parametrize("macos", DYLD4)
def test_dyld4_binds_the_executable_first(macos: str) -> None:
    assert first(_ORDER, macos) == "_m"
    assert first({**_ORDER, "main": exe("/app/a")}, macos) == "_a"


def test_dyld2_binds_the_lowest_library_first() -> None:
    assert first(_ORDER, "11") == "_b"
    assert first({**_ORDER, "b": lib("b")}, "11") == "_a"


def test_dyld2_breaks_circles_where_it_came_in() -> None:
    tree = {
        "main": exe("/app/a"),
        "a": lib("a", "/app/b", imports=[Import("_a", 1)]),
        "b": lib("b", "/app/a", imports=[Import("_b", 1)]),
    }

    assert first(tree, "11") == "_b"


@pytest.mark.parametrize(("macos", "symbol"), [("11", "_m"), *((m, "_i") for m in DYLD4)])
def test_what_is_inserted_is_bound_before_the_executable_by_dyld4(macos: str, symbol: str) -> None:
    tree = {
        "main": exe("/app/a", imports=[Import("_m", 1)]),
        "a": lib("a"),
        "inserted": lib("inserted", imports=[Import("_i", 1)]),
    }

    assert first(tree, macos, environment={"DYLD_INSERT_LIBRARIES": "/app/inserted"}) == symbol


@pytest.mark.parametrize("fixups", ["opcodes", "chained"])
def test_the_first_in_the_table_counts(fixups: str) -> None:
    imports = [Import("_w", 1, weak=True), Import("_z", 1), Import("_y", 1)]
    tree = {"main": exe("/app/a", imports=imports, fixups=fixups), "a": lib("a")}

    assert first(tree, "26") == "_z"
    assert [m.symbol for m in run(tree).missing_symbols] == ["_w", "_z", "_y"]


def test_two_level_symbols_of_an_image_do_not_hide_flat_ones_before_them() -> None:
    imports = [Import("_flat", -2), Import("_two", 1)]
    message = run({"main": exe("/app/a", imports=imports), "a": lib("a")}).message

    assert message == "symbol not found in flat namespace '_flat'"


def test_a_missing_library_comes_before_any_symbol() -> None:
    tree = {"main": exe("/app/a", "/app/gone", imports=[Import("_m", 1)]), "a": lib("a")}
    message = run(tree).message

    assert message is not None
    assert message.startswith("Library not loaded: /app/gone")
