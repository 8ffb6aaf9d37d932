"""Programs built with zig that fail on purpose: what a real linker writes, and what dyld says of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from machochain.graph.mac import Mac
from machochain.graph.symbol_tables import SymbolTables
from machochain.model.result import Result
from machochain.model.symbols import ImportKind
from machochain.world.memory import MemoryFileSystem
from tests.factory import reexport
from tests.graph.binding import LIBSYSTEM, OS, lib, run
from tests.toolchain import Toolchain, c_dylib, c_executable

pytestmark = pytest.mark.toolchain

WHOLE = "int answer(void) { return 42; }\nint other(void) { return 1; }\nint datum = 3;\n"
LACKING = "int other(void) { return 1; }\n"
CALLS = "int answer(void);\nint main(void) { return answer(); }\n"
TAKES = "extern int datum;\nint main(void) { return datum; }\n"
CALLS_WEAKLY = """extern int answer(void) __attribute__((weak_import));
int main(void) { return answer ? answer() : 0; }
"""
NAME = "@loader_path/libanswer.dylib"


def stub(folder: Path, *symbols: str) -> None:
    """Write what the linker takes for the library: it need not exist to be linked with."""
    targets = "[ arm64-macos ]"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "libanswer.tbd").write_text(
        f"--- !tapi-tbd\ntbd-version: 4\ntargets: {targets}\ninstall-name: '{NAME}'\nexports:\n"
        f"  - targets: {targets}\n    symbols: [ {', '.join(symbols)} ]\n...\n"
    )


def outcome(
    toolchain: Toolchain,
    folder: Path,
    program: str,
    libraries: Mapping[str, bytes] | None = None,
    *,
    flags: Sequence[str] = (),
    macos: str = "26",
) -> Result:
    """Link a program with a stub that promises everything, then run it with libraries that may not."""
    stub(folder, "_answer", "_other", "_datum")
    linked = c_executable(toolchain, folder / "main", program, flags=("-L.", "-lanswer", *flags))
    if libraries is None:
        lacking = c_dylib(toolchain, folder / "run" / "libanswer.dylib", LACKING, install_name=NAME)
        libraries = {"libanswer.dylib": lacking.read_bytes()}
    system = OS({LIBSYSTEM: dict.fromkeys(("dyld_stub_binder", "___stack_chk_fail"), "10.9")})
    return run({"main": linked.read_bytes(), **libraries}, macos, system=system)


def message_of(result: Result, symbol: str, library: str) -> str:
    main, expected = result.images[0].image, next(i.image for i in result.images if i.path == library)
    assert main is not None
    assert expected is not None
    return (
        f"Symbol not found: {symbol}\n  Referenced from: <{main.uuid_text}> /app/main"
        f"\n  Expected in:     <{expected.uuid_text}> {library}"
    )


def test_the_whole_library_serves(toolchain: Toolchain, tmp_path: Path) -> None:
    whole = c_dylib(toolchain, tmp_path / "run" / "libanswer.dylib", WHOLE, install_name=NAME)
    result = outcome(toolchain, tmp_path, CALLS, {"libanswer.dylib": whole.read_bytes()})

    assert (result.launches, result.missing_symbols) == (True, ())


def test_strong(toolchain: Toolchain, tmp_path: Path) -> None:
    result = outcome(toolchain, tmp_path, TAKES)

    assert result.launches is False
    assert result.message == message_of(result, "_datum", "/app/libanswer.dylib")


def test_strong_on_macos_12(toolchain: Toolchain, tmp_path: Path) -> None:
    result = outcome(toolchain, tmp_path, TAKES, macos="12.3")

    assert result.message == (
        "Symbol not found: _datum\n  Referenced from: /app/main\n  Expected in: /app/libanswer.dylib"
    )


def test_weak(toolchain: Toolchain, tmp_path: Path) -> None:
    result = outcome(toolchain, tmp_path, CALLS_WEAKLY)

    assert result.launches is True
    assert {(m.symbol, m.weak) for m in result.missing_symbols} == {("_answer", True)}


def test_a_call_is_bound_lazily_where_the_linker_says_so(toolchain: Toolchain, tmp_path: Path) -> None:
    result = outcome(toolchain, tmp_path, CALLS)
    mac = Mac(MemoryFileSystem({"/app/main": (tmp_path / "main").read_bytes()}), OS({LIBSYSTEM: {}}))
    alone = run({"main": (tmp_path / "main").read_bytes()}, system=OS({LIBSYSTEM: {}}))
    (entry,) = (e for e in SymbolTables(mac, OS({LIBSYSTEM: {}})).imports(alone.images[0]) if e.name == "_answer")
    (missed,) = result.missing_symbols

    assert missed.symbol == "_answer"
    assert missed.lazy is (entry.kind is ImportKind.LAZY_BIND)
    assert result.launches is missed.lazy
    if not missed.lazy:
        assert result.message == message_of(result, "_answer", "/app/libanswer.dylib")


def test_re_exported(toolchain: Toolchain, tmp_path: Path) -> None:
    inner = "@loader_path/libinner.dylib"
    outer = lib("libanswer.dylib", reexport(inner))
    whole = outcome(
        toolchain, tmp_path, TAKES, {"libanswer.dylib": outer, "libinner.dylib": lib(inner, exports=["_datum"])}
    )
    lacking = outcome(toolchain, tmp_path, TAKES, {"libanswer.dylib": outer, "libinner.dylib": lib(inner)})

    assert whole.launches is True
    # dyld names the library that is linked, not the one that should have had it
    assert lacking.message == message_of(lacking, "_datum", "/app/libanswer.dylib")


def test_flat(toolchain: Toolchain, tmp_path: Path) -> None:
    program = "extern int nowhere;\nint main(void) { return nowhere; }\n"
    result = outcome(toolchain, tmp_path, program, flags=("-Wl,-undefined,dynamic_lookup",))

    assert result.launches is False
    assert result.message == "symbol not found in flat namespace '_nowhere'"
