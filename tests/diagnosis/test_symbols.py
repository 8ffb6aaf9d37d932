"""A symbol that is missing: whose it is, and what its name and the library it was expected in bear."""

from __future__ import annotations

import pytest

from machochain import diagnose
from machochain.model.cause import Cause
from machochain.model.diagnosis import Answer


def missing(symbol: str, expected: str, asker: str = "/w/pan.so", before: str = "") -> Answer:
    (found,) = diagnose(
        f"{before}dlopen({asker}, 6): Symbol not found: {symbol}\n  Referenced from: {asker}\n"
        f"  Expected in: {expected}\n"
    ).answers
    return found


@pytest.mark.parametrize("where", ["flat namespace", "dynamic lookup"])
def test_what_is_looked_up_everywhere_is_no_file_s(where: str) -> None:
    found = missing("_tin_pan", where)
    assert found.headline.startswith("No loaded library has the symbol _tin_pan")
    assert found.cause is Cause.FLAT_SYMBOL


@pytest.mark.parametrize(
    ("symbol", "host"),
    [("_luaL_typerror", "Lua"), ("_rb_complex_new", "Ruby"), ("_PyMac_Error", "Python"), ("_enif_tin", "Erlang")],
)
def test_a_symbol_of_the_program_that_loads_modules_is_no_library_s(symbol: str, host: str) -> None:
    found = missing(symbol, "dynamic lookup")
    assert (found.cause, found.alternatives[0]) == (Cause.PLUGIN_ABI, Cause.HOST_SYMBOLS)
    assert host in found.because[0]
    assert not any("-framework" in step for step in found.remedy)


def test_a_stub_that_the_linker_makes_is_no_symbol_of_a_framework() -> None:
    found = missing("_objc_msgSend$Tin", "flat namespace")
    assert found.cause is Cause.OLD_TOOLCHAIN


@pytest.mark.parametrize(("symbol", "asker"), [("_fdopendir$INODE64", "/w/tin"), ("_tin", "/usr/local/go/bin/go")])
def test_what_libsystem_alone_can_have_needs_a_newer_macos(symbol: str, asker: str) -> None:
    assert missing(symbol, "flat namespace", asker).cause is Cause.NEWER_MACOS


def test_a_library_of_macos_has_a_symbol_from_some_release_on_only() -> None:
    old = missing("_ffi_closure_alloc", "flat namespace", before="OS is MacOS 10.14.6.\n")
    assert old.cause is Cause.NEWER_MACOS
    new = missing("_ffi_closure_alloc", "flat namespace")
    assert (new.cause, new.alternatives[0]) == (Cause.FLAT_SYMBOL, Cause.NEWER_MACOS)
    assert any("from 10.15 on" in words for words in new.because)


def test_macos_s_copy_of_a_package_s_library_shadows_it() -> None:
    found = missing("_libiconv", "/usr/lib/libiconv.2.dylib", "/w/miniforge/lib/libtin.13.dylib")
    assert (found.cause, found.alternatives[0]) == (Cause.ABI_MISMATCH, Cause.SYSTEM_SHADOW)


def test_what_an_image_was_built_for_is_no_fault_where_another_library_lacks_the_symbol() -> None:
    text = "dyld: Symbol not found: _tin\n  Referenced from: /w/pan (which was built for Mac OS X 10.15)\n"
    text += "  Expected in: {}\n"
    (own,) = diagnose(text.format("/opt/tin/lib/libtin.dylib")).answers
    assert (own.cause, own.alternatives) == (Cause.ABI_MISMATCH, (Cause.NEWER_MACOS,))
    (system,) = diagnose(text.format("/usr/lib/libtin.dylib")).answers
    assert (system.cause, system.alternatives) == (Cause.NEWER_MACOS, ())
    (built,) = diagnose("built on macOS 10.15.7\n" + text.format("/usr/lib/libtin.dylib")).answers
    assert built.fact("os") is None


def test_the_first_letter_of_a_file_is_left_as_it_is() -> None:
    assert missing("_tin", "/w/libtin.dylib").because[0].startswith("libtin.dylib was found")
