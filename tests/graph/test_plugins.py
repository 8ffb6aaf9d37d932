"""Plug-ins: what they call has to be there at once, and what they look up anywhere comes from their host."""

from __future__ import annotations

from typing import Any

import pytest

from machochain.model.host import PluginHost
from machochain.model.image import FileType
from machochain.model.result import Result
from tests.factory import Import
from tests.graph.binding import APPKIT, DYLD4, LIBSYSTEM, OS, exe, lib, missing, run

EVERY = pytest.mark.parametrize("macos", DYLD4)
MODULE = "/site-packages/pkg/_core.cpython-312-darwin.so"
NIF = "/app/priv/fast.so"
ADDON = "/app/build/Release/addon.node"
GEM = "/app/lib/fast.bundle"


def bundle(*loads: str, **more: Any) -> bytes:
    return exe(*loads, file_type=FileType.MH_BUNDLE, **more)


def opened(path: str, *imports: Import, macos: str = "26", **more: Any) -> Result:
    exports = {NIF: ["_nif_init"], GEM: ["_Init_fast"]}.get(path, [])
    return run({path: bundle(LIBSYSTEM, imports=imports, exports=exports, **more)}, macos, at=path)


@EVERY
@pytest.mark.parametrize("path", [MODULE, NIF])
def test_a_function_that_is_missing_fails_the_import_though_it_is_bound_lazily(macos: str, path: str) -> None:
    result = opened(path, Import("_malloc", lazy=True), Import("_gone", lazy=True), macos=macos)

    assert result.launches is False
    assert result.message is not None
    assert result.message.startswith("Symbol not found: ")
    assert "_gone" in result.message
    assert opened(path, Import("_malloc", lazy=True), macos=macos).launches is True


def test_a_function_that_came_later_fails_the_import_on_older_releases_only() -> None:
    assert opened(MODULE, Import("_new", lazy=True), macos="13").launches is False
    assert opened(MODULE, Import("_new", lazy=True), macos="14").launches is True


def test_a_function_nobody_knows_of_makes_the_import_unknown() -> None:
    assert opened(MODULE, Import("_doubtful", lazy=True)).launches is None


def test_what_a_plug_in_drags_in_is_bound_at_once_too() -> None:
    tree = {
        "/site-packages/pkg/libx.dylib": lib("x", LIBSYSTEM, imports=[Import("_gone", lazy=True)]),
        MODULE: bundle("@loader_path/libx.dylib"),
    }

    result = run(tree, at=MODULE)

    assert (result.launches, missing(result)) == (False, ["_gone"])


def test_what_the_program_loaded_before_the_plug_in_stays_lazy() -> None:
    tree = {
        "main": exe("/app/b", LIBSYSTEM),
        "b": lib("b", LIBSYSTEM, imports=[Import("_gone", lazy=True)]),
        MODULE: bundle("/app/b", LIBSYSTEM),
    }

    assert run(tree, at=MODULE, main="/app/main").launches is True


@pytest.mark.parametrize(("path", "host"), [(ADDON, PluginHost.NODE), (GEM, PluginHost.RUBY)])
def test_hosts_that_bind_lazily_unless_told_otherwise_make_it_unknown(path: str, host: PluginHost) -> None:
    result = opened(path, Import("_gone", lazy=True))

    assert (result.launches, result.host) == (None, host)
    assert [str(u) for u in result.unknowns] == [
        f"_gone, which {path} needs, is missing: RTLD_NOW does not open it, with RTLD_LAZY it fails when called"
    ]


def test_a_program_still_ends_at_the_first_call_only() -> None:
    result = run({"main": exe(LIBSYSTEM, imports=[Import("_gone", lazy=True)])})

    assert (result.launches, result.host) == (True, None)


@pytest.mark.parametrize("path", [MODULE, NIF, ADDON, GEM])
def test_with_chained_fixups_nothing_is_bound_lazily(path: str) -> None:
    assert opened(path, Import("_gone", lazy=True), fixups="chained").launches is False


@pytest.mark.parametrize(
    ("path", "symbol"),
    [
        (MODULE, "_PyObject_Call"),
        (MODULE, "__Py_NoneStruct"),
        (ADDON, "_napi_create_function"),
        (ADDON, "__ZN2v87Context6GlobalEv"),
        (ADDON, "__ZTIN4node11ObjectWrapE"),
        (GEM, "_rb_cObject"),
        (NIF, "_enif_make_atom"),
    ],
)
def test_what_the_host_brings_along_is_there(path: str, symbol: str) -> None:
    assert opened(path, Import(symbol, -2)).launches is True


@pytest.mark.parametrize("path", [MODULE, NIF, GEM])
def test_what_neither_host_nor_library_brings_along_is_missing(path: str) -> None:
    result = opened(path, Import("_klu_analyze", -2))

    assert (result.launches, missing(result)) == (False, ["_klu_analyze"])
    assert result.message is not None
    assert "flat namespace" in result.message


def test_what_a_library_beside_the_plug_in_exports_is_found() -> None:
    tree = {
        "/site-packages/pkg/libx.dylib": lib("x", exports=["_klu_analyze"]),
        MODULE: bundle("@loader_path/libx.dylib", LIBSYSTEM, imports=[Import("_klu_analyze", -2)]),
    }

    assert run(tree, at=MODULE).launches is True


def test_a_weak_import_a_library_that_is_not_there_and_one_of_the_os_leave_it_open() -> None:
    assert opened(MODULE, Import("_klu_analyze", -2, weak=True)).launches is True
    absent = bundle("@rpath/libklu.dylib", LIBSYSTEM, imports=[Import("_klu_analyze", -2)])
    assert run({MODULE: absent}, at=MODULE).launches is None
    through = bundle(APPKIT, LIBSYSTEM, imports=[Import("_klu_analyze", -2)])
    result = run({MODULE: through}, at=MODULE)  # AppKit loads much that is not modelled
    assert (result.launches, [m.symbol for m in result.missing_symbols]) == (True, ["_klu_analyze"])


def test_a_library_that_nobody_is_known_to_open_is_asked_for_nothing() -> None:
    library = lib("libx.dylib", LIBSYSTEM, imports=[Import("_anything", -2)])
    result = run({"/app/libx.dylib": library}, at="/app/libx.dylib")

    assert (result.launches, result.host, missing(result)) == (True, None, [])


def test_a_function_the_library_had_before_is_taken_to_be_there_though_newer_facts_are_missing() -> None:
    known = Import("_new", lazy=True)  # since macOS 14
    system = OS({LIBSYSTEM: {"_malloc": "10.9", "_new": "14"}}, last={"_new": "15"})
    tree = {MODULE: bundle(LIBSYSTEM, imports=[known])}

    assert run(tree, "26", at=MODULE, system=system).launches is True
    assert run(tree, "13", at=MODULE, system=system).launches is False
    assert run({MODULE: bundle(LIBSYSTEM, imports=[Import("_new")])}, "26", at=MODULE, system=system).launches is None
